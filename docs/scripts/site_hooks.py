"""What mkdocs is told about this repository: pages made from code, and links that leave docs/.

Made at each build, so that they cannot be stale: the reference of every public package, the help of every command,
lists of results, benchmarks and decisions, and the pages of benchmarks/results themselves.
"""

import importlib
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from metastructure.cli.app import app

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks" / "results"
PACKAGES = (
    "metastructure", "metastructure.noise", "metastructure.structure", "metastructure.metrics", "metastructure.data",
    "metastructure.data.synthetic", "metastructure.networks", "metastructure.training", "metastructure.training.losses",
    "metastructure.unsupervised", "metastructure.audit", "metastructure.study", "metastructure.report",
)  # fmt: skip
WIDTH = 80


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from code."""
    for path, text in [*_reference(), *_commands(), *_lists(), *_benchmarks()]:
        files.append(File.generated(config, path, content=text))
    for picture in BENCHMARKS.glob("*.png"):
        files.append(File.generated(config, f"measured/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to benchmarks and the README to their pages here, and name other files of the repository."""
    return re.sub(r"\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)", lambda match: _mend(match, page.file.src_uri), markdown)


def _mend(match: re.Match[str], source: str) -> str:
    text, target, anchor = match.group(1), match.group(2), match.group(3) or ""
    if re.match(r"[a-z]+:", target):
        return match.group(0)
    folder = posixpath.dirname(source)
    inside = posixpath.normpath(posixpath.join("docs", folder, target))
    if inside.startswith("benchmarks/results/") and inside.endswith(".md"):
        return f"[{text}]({posixpath.relpath(f'measured/{Path(inside).name}', folder or '.')}{anchor})"
    if inside == "README.md":
        return f"[{text}]({posixpath.relpath('index.md', folder or '.')})"
    if inside == "docs/decisions":
        return f"[{text}]({posixpath.relpath('decisions/index.md', folder or '.')})"
    if not inside.startswith("docs/"):
        return f"{text} (`{inside}`)"
    return match.group(0)


def _reference() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        module = importlib.import_module(name)
        public = sorted(member for member in module.__all__ if not member.startswith("__"))
        text = [f"# {name}", "", (module.__doc__ or "").strip(), ""]
        for member in public:
            text += [f"## {member}", "", *_describe(module, member), ""]
        yield f"reference/{name}.md", "\n".join(text)


def _describe(module: object, member: str) -> list[str]:
    """Return the directive for a class or function where it is defined, and a constant by its value."""
    found = getattr(module, member)
    home = getattr(found, "__module__", None)
    if isinstance(found, type) or callable(found):
        name = getattr(found, "__qualname__", member)
        return [f"::: {home}.{name}"]
    value = repr(found)
    return ["```python", value if len(value) < 300 else f"{value[:300]} …", "```"]


def _commands() -> Iterator[tuple[str, str]]:
    command = typer.main.get_command(app)
    text = ["# Commands", "", "What each says with `--help`, 80 columns wide.", ""]
    for words, page in _help(command, ["metastructure"]):
        text += [f"## {' '.join(words)}", "", "```text", page.rstrip(), "```", ""]
    yield "reference/commands.md", "\n".join(text)


def _help(command: Any, words: list[str]) -> Iterator[tuple[list[str], str]]:
    context = command.make_context(" ".join(words), ["--help"], resilient_parsing=True, terminal_width=WIDTH)
    context.info_name = " ".join(words)
    yield words, context.get_help()
    for name in getattr(command, "list_commands", lambda _: [])(context):
        inner = command.get_command(context, name)
        if inner is not None and not inner.hidden:
            yield from _help(inner, [*words, name])


def _lists() -> Iterator[tuple[str, str]]:
    references = [f"- [`{name}`]({name}.md)" for name in PACKAGES]
    yield (
        "reference/index.md",
        "\n".join(["# Reference", "", "- [Commands](commands.md)", *references, ""]),
    )
    results = sorted((ROOT / "docs" / "results").glob("*.md"))
    measured = sorted(BENCHMARKS.glob("*.md"))
    text = [
        "# Results",
        "",
        "Every page gives the command, versions, seeds and date that made it.",
        "",
        "## Studies",
        "",
    ]
    text += [f"- [{_title(path)}]({path.name})" for path in results]
    text += ["", "## Benchmarks", ""]
    text += [f"- [{_title(path)}](../measured/{path.name})" for path in measured]
    yield "results/index.md", "\n".join([*text, ""])
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    text = ["# Decisions", "", "Why things are as they are.", ""]
    yield "decisions/index.md", "\n".join([*text, *(f"- [{_title(path)}]({path.name})" for path in decisions), ""])


def _benchmarks() -> Iterator[tuple[str, str]]:
    for path in sorted(BENCHMARKS.glob("*.md")):
        yield f"measured/{path.name}", path.read_text(encoding="utf-8")


def _title(path: Path) -> str:
    first = next((line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ")), path.stem)
    return first.removeprefix("# ")
