"""The page of a study for people: recipes named alike, singular and plural, nothing wider than a narrow screen."""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from metastructure.report import Bar, Page, Section, render_page
from metastructure.report.learning import Learning
from metastructure.study import Store, StudySpec
from metastructure.study.page import write_study_page

LONG = "a_name_without_any_break_that_is_far_wider_than_a_small_screen_can_be"


def _page() -> Page:
    bars = [Bar(LONG, "clean", 90.0, 80.0, 95.0)]
    learning = [Learning(LONG, [0.5, 0.6], [0.5, 0.7], [0.4, 0.6], [0.3, 0.4], None)]
    section = Section(LONG, "Dice", bars, [], 2, learning)
    rows = [["label", LONG], [LONG, LONG]]
    return Page(LONG, LONG, rows[0], rows[1:], [section], {LONG: LONG}, [LONG], rows, LONG)


class _Wide(HTMLParser):
    """Counts tables and drawings, and those outside every element that scrolls."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[bool] = []
        self.seen, self.outside = 0, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("table", "svg"):
            self.seen += 1
            self.outside += not any(self.open)
        if tag == "div":
            self.open.append("scroll" in (dict(attrs).get("class") or "").split())

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self.open.pop()


def test_tables_and_charts_scroll_by_themselves() -> None:
    parser = _Wide()
    parser.feed(render_page(_page()))
    assert (parser.seen, parser.outside) == (4, 0)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to measure with")
@pytest.mark.parametrize("width_px", [320, 400])
def test_no_page_is_wider_than_its_screen(tmp_path: Path, width_px: int) -> None:
    inside = html.escape(render_page(_page()), quote=True)
    (tmp_path / "frame.html").write_text(
        f"<iframe id=f width={width_px} height=900 style='border:0' srcdoc=\"{inside}\"></iframe><script>"
        "document.getElementById('f').onload = function () { var e = this.contentDocument.documentElement;"
        "document.body.title = e.scrollWidth + ' of ' + e.clientWidth; }</script>",
        encoding="utf-8",
    )
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom")
    command = ["chromium", *flags, f"--user-data-dir={tmp_path / 'profile'}", str(tmp_path / "frame.html")]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found = re.search(r'title="(\d+) of (\d+)"', shown)
    assert found
    assert int(found[1]) == int(found[2])
    assert int(found[2]) >= width_px - 20  # but for a scroll bar


def _facts(page: str) -> Iterator[tuple[str, str]]:
    yield from re.findall(r"<dt>(.*?)</dt><dd><code>(.*?)</code>", page)


def test_recipes_are_named_once_there_are_two_and_one_is_singular(
    tmp_path: Path, study: StudySpec, finished: Store
) -> None:
    path = tmp_path / "page.html"
    write_study_page(study.model_copy(update={"seeds": (0,)}), finished, path)
    alone = path.read_text(encoding="utf-8")
    assert "<h2>blobs, residual_unet(width=4)</h2>" in alone
    assert dict(_facts(alone))["runs"] == "2 (seed 0)"
    assert dict(_facts(alone))["machine"].endswith(", 1 thread")
    assert "recipe plain" not in dict(_facts(alone))
    recipes = {"plain": {}, "long": {"epochs": 3}}
    write_study_page(study.model_copy(update={"recipes": recipes}), finished, path)
    both = path.read_text(encoding="utf-8")
    assert "<h2>blobs, residual_unet(width=4), plain</h2>" in both
    assert "Only 4 of 8 runs done; the others are missing" in both
    facts = dict(_facts(both))
    assert facts["runs"] == "4 (seeds 0, 1)"
    assert (facts["recipe plain"], facts["recipe long"]) == ("nothing changed", "epochs 3")
