"""The documentation site builds without a warning, loads nothing from outside, and tells every public name."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import metastructure

ROOT = Path(__file__).parents[2]
LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]+)\"|<link\b(?![^>]*rel=\"canonical\")[^>]*\bhref=\"([^\"]+)\""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="the site needs mkdocs-material and mkdocstrings")
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_no_page_loads_anything_from_outside(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    loaded = {(page.name, first or second) for page in pages for first, second in LOADED.findall(page.read_text())}
    assert not [pair for pair in loaded if re.match(r"(?:https?:)?//", pair[1])]
    styles = [path for path in site.rglob("*.css") if re.search(r"url\(\"?(?:https?:)?//", path.read_text())]
    assert not styles


def test_search_works_from_disk(site):
    """Browsers start no worker from a file and read no other: the index is a script, and a frame stands in."""
    assert (site / "search" / "search_index.js").read_text().startswith("var __index")
    assert 'src="assets/iframe-worker.js"' in (site / "index.html").read_text()
    assert (site / "assets" / "iframe-worker.js").is_file()


def test_every_public_name_has_its_place(site):
    root = Path(metastructure.__file__).parent
    found = {".".join(path.parent.relative_to(root.parent).parts) for path in root.rglob("__init__.py")}
    found.discard("metastructure.cli")  # reached by its commands
    public = {package: getattr(importlib.import_module(package), "__all__", []) for package in sorted(found)}
    missing = []
    for package in filter(public.get, public):
        page = site / "reference" / f"{package}.html"
        text = page.read_text().lower() if page.is_file() else ""
        missing += [f"{package}.{name}" for name in public[package] if f'id="{name.lower().strip("_")}' not in text]
    assert len(public["metastructure"]) > 40
    assert [name for name in missing if not name.endswith("__version__")] == []


def test_the_help_of_every_command_is_there(site):
    page = (site / "reference" / "commands.html").read_text()
    for words in ("metastructure study run", "metastructure data check", "metastructure audit"):
        assert words in page
    assert "--json" in page
