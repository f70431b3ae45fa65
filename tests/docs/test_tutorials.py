"""Every tutorial and how-to page runs as it stands, in a new folder, in less than two minutes of a processor."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "scripts" / "tutorials.py"
LONGEST_S = 120

spec = importlib.util.spec_from_file_location("tutorials", SCRIPT)
tutorials = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tutorials)


@pytest.mark.parametrize("name", [name for name in tutorials.PAGES if name not in tutorials.NOT_RUN])
def test_page_runs(name):
    assert tutorials.run_page(tutorials.PAGES[name]) < LONGEST_S


def test_a_block_that_fails_is_told(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 3\n```\n\n```sh\necho before; false\n```\n")
    with pytest.raises(SystemExit, match="before"):
        tutorials.run_page(page)


def test_output_is_written_below_its_block_once(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 3\n```\n\n```python\nprint(x + 1)\n```\n\nend\n")
    tutorials.run_page(page, write=True)
    tutorials.run_page(page, write=True)
    assert page.read_text() == "```python\nx = 3\n```\n\n```python\nprint(x + 1)\n```\n\n```text\n4\n```\n\nend\n"
