"""Time and memory of `metastructure segment` on a folder, from the first import to the page.

    python benchmarks/segment_folder.py [--methods igtt restored otsu]

Each figure comes from a call of the command in a process of its own, with the threads it chooses by itself. The aim is
100 images of 256 x 256 pixels in 15 minutes on two cores, and images of 512 x 512 in 4 GB. Rows are written to
``benchmarks/results/segment_folder.md`` as they come.
"""

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

from metastructure import __version__
from metastructure.data.files import save_image, write_text
from metastructure.data.synthetic import generate

FOLDERS = (("er", 100, 256), ("er", 24, 512))
"""Kind, number and side of the pictures."""

DATA_SEED = 5
RESULT = Path(__file__).parent / "results" / "segment_folder.md"


def write_folder(folder: Path, kind: str, num: int, side_px: int) -> None:
    """Write generated pictures."""
    for index in range(num):
        image, _ = generate(kind, seed=DATA_SEED, index=index, height=side_px, width=side_px)
        save_image(folder / f"{index:03}.tif", image)


def measure(images: Path, out: Path, method: str) -> tuple[float, float, float]:
    """Return seconds, CPU seconds and peak MiB of one call, which is the first child if they are to be its own."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-c", "from metastructure.cli import main; main()", "segment", str(images), str(out)]
    subprocess.run([*command, "--method", method], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, after.ru_maxrss / 1024


def answer(kind: str, num: int, side_px: int, method: str) -> None:
    """Print one row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(folder / "images", kind, num, side_px)
        seconds, cpu, peak = measure(folder / "images", folder / "out", method)
        assert len(list((folder / "out" / "labels").iterdir())) == num
        size_mib = sum(path.stat().st_size for path in (folder / "out").rglob("*") if path.is_file()) / 2**20
        shutil.rmtree(folder / "out")
    cells = f"{kind} | {num} | {side_px} | `{method}` | {seconds / 60:.1f} | {cpu / 60:.1f} | {peak:.0f}"
    print(f"| {cells} | {size_mib:.1f} |")


def main() -> None:
    """Measure row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["igtt", "restored", "otsu"])
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--row", nargs=4, help="for the script itself")
    options = parser.parse_args()
    if options.row:
        kind, num, side_px, method = options.row
        answer(kind, int(num), int(side_px), method)
        return
    lines = [
        "# A folder of images without labels",
        "",
        f"{date.today()} · {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, torch "
        f"{version('torch')}, metastructure {__version__}. By `python benchmarks/segment_folder.py --methods "
        f"{' '.join(options.methods)}`. `metastructure segment`, from its start to its end, on generated pictures.",
        "",
        "| pictures | number | side px | method | minutes | CPU minutes | peak MiB | result MiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, num, side_px in FOLDERS:
        for method in options.methods:
            command = [sys.executable, __file__, "--row", kind, str(num), str(side_px), method]
            row = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
            print(row, flush=True)
            lines.append(row)
            write_text(options.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
