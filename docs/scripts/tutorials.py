"""Run the tutorials and the how-to pages: every block of code of a page, in order, in a new empty folder.

Run:  .venv/bin/python docs/scripts/tutorials.py [NAME ...] [--write]
``sh`` blocks are run by the shell, ``python`` blocks by one interpreter for the page. With --write the ``text`` block
after each holds what it printed, and pictures that the page shows are copied beside it; without, only failures show.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parents[1]
PAGES = {f"{page.stem}": page for part in ("tutorials", "howto") for page in sorted((DOCS / part).glob("*.md"))}
NOT_RUN = ("big_images", "gpus", "folders")
"""Their commands name folders and devices of yours."""
BLOCK = re.compile(r"```(?P<language>sh|python)\n(?P<code>.*?)```\n(?:\n```text\n.*?```\n)?", re.DOTALL)
PICTURE = re.compile(r"!\[[^\]]*\]\((?P<folder>[^)/]+)/(?P<name>[^)]+)\)")
MARK = "=== end of block ==="
LIMIT_S = 600


def run_page(page: Path, write: bool = False) -> float:
    """Run one page and return the processor seconds it took, which do not depend on what else runs.

    Raises
    ------
    SystemExit
        With what the failing block printed.
    """
    text = page.read_text(encoding="utf-8")
    began = _seconds_of_children()
    with tempfile.TemporaryDirectory(prefix="tutorial-") as folder:
        printed = _run_blocks([match.groupdict() for match in BLOCK.finditer(text)], Path(folder), page.name)
        pictures = {Path(folder) / match["name"]: page.parent / match["folder"] for match in PICTURE.finditer(text)}
        for picture, target in pictures.items():
            if not picture.is_file():
                raise SystemExit(f"{page.name}: shows {picture.name}, which no block made")
            if write:
                target.mkdir(exist_ok=True)
                shutil.copy(picture, target / picture.name)
    if write:
        outputs = iter(printed)

        def with_output(match: re.Match[str]) -> str:
            output = next(outputs)
            block = f"```{match['language']}\n{match['code']}```\n"
            return block + (f"\n```text\n{output}\n```\n" if output else "")

        page.write_text(BLOCK.sub(with_output, text), encoding="utf-8")
    return _seconds_of_children() - began


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run_blocks(blocks: list[dict[str, str]], folder: Path, name: str) -> list[str]:
    """Return what each block printed; Python blocks go to one interpreter, so that they share their variables."""
    code = [f"import subprocess\nprint({MARK!r}, flush=True)\n"]
    for number, block in enumerate(blocks):
        body = block["code"]
        if block["language"] == "sh":
            script = folder / f".block_{number}.sh"
            script.write_text(f"set -e\n{body}", encoding="utf-8")
            body = f"subprocess.run(['bash', {script.name!r}], check=True)\n"
        code.append(f"{body}\nprint({MARK!r}, flush=True)\n")
    script = folder / ".tutorial.py"
    script.write_text("".join(code), encoding="utf-8")
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {**os.environ, "PATH": os.pathsep.join(paths), "COLUMNS": "80", "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, script.name], cwd=folder, env=environment, timeout=LIMIT_S, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name}: a block failed\n{done.stdout}")
    return [part.strip("\n") for part in done.stdout.split(MARK)[1:-1]]


def main() -> None:
    """Run the pages that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="such as noisy_labels; all without")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    names = arguments.names or [name for name in PAGES if name not in NOT_RUN]
    for page in (PAGES[name] for name in names):
        print(f"{page.name}: {run_page(page, arguments.write):.0f} s")


if __name__ == "__main__":
    main()
