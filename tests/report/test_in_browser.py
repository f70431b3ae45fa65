"""Pages as a person uses them, in headless Chromium: mouse, keys, a phone, paper, and no script at all."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.verdict import judge
from metastructure.data.files import save_image
from metastructure.data.measure import measure_labels
from metastructure.data.measure_examples import load_examples
from metastructure.report import Bar, Example, Page, Section, render_page
from metastructure.report.audit_page import render_audit
from metastructure.report.measure_page import render_measurement
from metastructure.report.segment_page import render_compare_page, render_segment_page
from metastructure.unsupervised.compare_methods import compare_methods
from metastructure.unsupervised.segment_folder import segment_folder

Opener = Callable[..., Any]

NAME = "<b>&\"'.png"
OTHER = "z"
KINDS = ("clean", "flip:0.3")
SCORES = ("9.5 [9.0, 10.5]", "–", "93.0 [92.0, 94.0]", "-1.0 [-2.0, 0.5]")
LABELS = ("flip:0.45", "erode:10", "erode:2", "flip:0.5")
WHITE, BLACK, BLUE = (255, 255, 255), (0, 0, 0), (86, 180, 233)
PAGES = ("study", "audit", "segment", "compare", "measure")
MOST_SECONDS = 2


def _study_page() -> str:
    """Twelve rows, and two images whose middle is: truth 1, label 1, prediction 0, so that the difference is blue."""
    truth = np.ones((30, 40), np.uint8)
    image = np.arange(1200, dtype=np.uint16).reshape(30, 40)
    examples = [
        Example(name, image, truth, {kind: (truth, np.zeros_like(truth)) for kind in KINDS}) for name in (NAME, OTHER)
    ]
    rows = [[label, score, NAME] for label, score in zip(LABELS, SCORES, strict=True)]
    rows += [[f"kind-{k}", f"{k}.0 [{k}.0, {k}.0]", "x"] for k in range(20, 28)]
    bars = [Bar(label, "random", 50.0, 40.0, 60.0) for label in LABELS]
    return render_page(Page(NAME, NAME, ["label", "score", NAME], rows, [Section(NAME, "Dice", bars, examples, 2)], {}))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind, with a file name that is mark-up."""
    root = tmp_path_factory.mktemp("pages")
    rows, columns = np.mgrid[:24, :30]
    for place, name in enumerate((NAME, "long_" * 12 + ".png", "c.png")):
        inside = (rows - 9) ** 2 + (columns - 8 - 6 * place) ** 2 <= 16
        save_image(root / "in" / name, np.where(inside, 200, 30).astype(np.uint8))
        save_image(root / "labels" / name, inside.astype(np.uint8))
    measured = measure_labels(root / "labels", root / "labels", root / "in", half_widths_px=[1, 3])
    audit = audit_folder(root / "in", root / "labels")
    texts = {
        "study": _study_page(),
        "audit": render_audit(audit, judge(audit), NAME),
        "segment": render_segment_page(segment_folder(root / "in", root / "one", "otsu"), NAME),
        "compare": render_compare_page(compare_methods(root / "in", root / "two", ["otsu", "li"]), NAME),
        "measure": render_measurement(measured, load_examples(measured), NAME),
    }
    for name, text in texts.items():
        (root / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: root / f"{name}.html" for name in texts}


def _column(tab: Any, place: int) -> list[str]:
    return tab.run(f"[...document.querySelectorAll('tbody tr')].map(row => row.cells[{place}].textContent)")


def _middle(tab: Any, selector: str = "#stage", across: float = 0.5) -> tuple[int, ...]:
    """The colour that is seen at the middle height of an element."""
    left, top, width, height = tab.run(
        f"(() => {{ const b = document.querySelector('{selector}').getBoundingClientRect();"
        "return [b.left, b.top, b.width, b.height]; })()"
    )
    with Image.open(io.BytesIO(tab.screenshot())) as picture:
        return picture.convert("RGB").getpixel((int(left + across * width), int(top + height / 2)))


def _text(tab: Any, selector: str) -> str:
    return tab.run(f"document.querySelector('{selector}').textContent")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_complains_of_nothing_and_opens_at_once(
    pages: dict[str, Path], open_page: Opener, name: str
) -> None:
    tab = open_page(pages[name])
    assert tab.requests == [pages[name].as_uri()]
    assert tab.complaints == []
    assert tab.run("document.title").endswith("metastructure")
    assert 0 < tab.busy_seconds() < MOST_SECONDS  # of the processor: wall time is the business of what else runs


def test_requests_and_complaints_would_be_seen(tmp_path: Path, open_page: Opener) -> None:
    (tmp_path / "a.html").write_text("<img src=missing.png><script>console.error('oh'); nothing()</script>")
    tab = open_page(tmp_path / "a.html")
    assert tab.requests == [(tmp_path / name).as_uri() for name in ("a.html", "missing.png")]
    assert len(tab.complaints) >= 2


def test_even_unescaped_markup_runs_and_loads_nothing(
    pages: dict[str, Path], tmp_path: Path, open_page: Opener
) -> None:
    html = pages["study"].read_text(encoding="utf-8")
    evil = "<script>window.ran = 1</script><img src=missing.png onerror='window.ran = 2'>"
    (tmp_path / "evil.html").write_text(html.replace("<h1>", f"<h1>{evil}"), encoding="utf-8")
    tab = open_page(tmp_path / "evil.html")
    assert tab.run("window.ran === undefined")
    assert tab.requests == [(tmp_path / "evil.html").as_uri()]
    assert any("Content Security Policy" in text for text in tab.complaints)
    assert tab.run("document.querySelectorAll('.sort').length") == 3  # the page's own script does run


def test_names_stay_names(pages: dict[str, Path], open_page: Opener) -> None:
    for name in PAGES:
        tab = open_page(pages[name])
        assert tab.run("document.querySelectorAll('body b').length") == 0
        assert NAME in tab.run("document.body.textContent")
    tab = open_page(pages["segment"])
    assert tab.run("document.querySelector('img').alt") == f"Image {NAME}"
    tab.click(".open")
    assert _text(tab, "#viewer-title") == NAME


def test_every_picture_has_a_text(pages: dict[str, Path], open_page: Opener) -> None:
    for name in PAGES:
        tab = open_page(pages[name])
        assert tab.run("[...document.images].every(image => image.alt.length > 4 && image.naturalWidth > 0)")
        nameless = "[...document.querySelectorAll('svg')].filter(one => !one.closest('[aria-hidden], [aria-label]'))"
        assert tab.run(f"{nameless}.length") == 0


def test_a_click_on_a_heading_sorts(pages: dict[str, Path], open_page: Opener) -> None:
    tab = open_page(pages["study"])
    written = _column(tab, 1)
    tab.click("th:nth-child(2) .sort")
    assert [text.split(" ")[0] for text in _column(tab, 1)] == [
        "-1.0", "9.5", *(f"{k}.0" for k in range(20, 28)), "93.0", "–"
    ]  # fmt: skip
    assert tab.run("[...document.querySelectorAll('th')].map(th => th.ariaSort)") == ["none", "ascending", "none"]
    tab.click("th:nth-child(2) .sort")
    assert _column(tab, 1)[0].startswith("93.0")
    assert _column(tab, 1)[-1] == "–"  # without a value: last in either direction
    tab.click("th:nth-child(2) .sort")
    assert _column(tab, 1) == written
    tab.click("th:nth-child(1) .sort")
    assert _column(tab, 0)[:4] == ["erode:2", "erode:10", "flip:0.45", "flip:0.5"]
    assert tab.complaints == []


def test_toggle_and_slider_change_what_is_seen(pages: dict[str, Path], open_page: Opener, tmp_path: Path) -> None:
    tab = open_page(pages["study"])
    tab.click("[data-group] img[data-layer=prediction]")
    assert tab.run("document.getElementById('viewer').open")
    assert _text(tab, "#viewer-state") == "prediction"
    assert _middle(tab) == BLACK
    tab.click("[data-show=truth]")
    assert (_text(tab, "#viewer-state"), _middle(tab)) == ("truth", WHITE)
    tab.click("[data-do=toggle]")
    assert _text(tab, "#viewer-state") == tab.run("document.getElementById('against').value") == "image"
    tab.click("[data-show=prediction]")
    tab.click("[data-show=image]")  # the one compared with: now that is the prediction
    tab.click("[data-show=truth]")
    tab.click("[data-do=toggle]")
    assert (_text(tab, "#viewer-state"), _middle(tab)) == ("prediction", BLACK)
    tab.click("[data-do=toggle]")
    assert (_text(tab, "#viewer-state"), _middle(tab)) == ("truth", WHITE)
    tab.click("#wipe")
    assert _text(tab, "#viewer-state") == "truth | prediction"
    assert (_middle(tab, across=0.4), _middle(tab, across=0.6)) == (WHITE, BLACK)
    tab.click("[data-show=difference]")
    assert _middle(tab) == BLUE
    tab.click("[data-do=side]")
    assert tab.run("[...document.querySelectorAll('.cell > span')].map(one => one.textContent)") == [
        "image", "truth", "trained on", "prediction", "difference"
    ]  # fmt: skip
    assert tab.screenshot(tmp_path / "side.png")
    tab.click("[data-do=close]")
    assert not tab.run("document.getElementById('viewer').open")
    assert tab.complaints == []


def test_all_panes_zoom_and_move_as_one(pages: dict[str, Path], open_page: Opener) -> None:
    tab = open_page(pages["study"])
    tab.click(".open")
    tab.press("s", "+", "+")
    seen = "[...document.querySelectorAll('#stage img')].map(one => getComputedStyle(one).transform)"
    zoomed = tab.run(seen)
    assert len(zoomed) == 5
    assert len(set(zoomed)) == 1
    assert zoomed[0].startswith("matrix(2.25, 0, 0, 2.25, 0")
    assert _text(tab, "#zoom") == "225 %"
    tab.drag("#stage", 12, -6)
    matrix = re.findall(r"-?[\d.]+", tab.run(seen)[4])
    assert [float(one) for one in matrix[4:]] == pytest.approx([12, -6], abs=1)  # whole pixels of the mouse
    tab.press("0")
    assert set(tab.run(seen)) == {"matrix(1, 0, 0, 1, 0, 0)"}


def test_the_keyboard_alone_is_enough(pages: dict[str, Path], open_page: Opener) -> None:
    tab = open_page(pages["study"])
    focused = "document.activeElement"
    for _ in range(3):
        tab.press("Tab")
    assert _text(tab, "#help").count("Enter") == 2
    assert tab.run(f"{focused}.textContent") == "score"
    assert tab.run(f"getComputedStyle({focused}).outlineStyle") == "solid"
    tab.press("Enter")
    assert _column(tab, 1)[0].startswith("-1.0")
    for _ in range(20):
        tab.press("Tab")
        if tab.run(f"{focused}.className") == "open":
            break
    assert tab.run(f"{focused}.getAttribute('aria-label')") == f"look closer: {NAME}, clean"
    tab.press("Enter")
    assert _text(tab, "#viewer-count") == "1 of 4"
    tab.press("ArrowRight", "ArrowRight")
    assert _text(tab, "#viewer-title") == "z, clean"
    tab.press("5")
    assert (_text(tab, "#viewer-state"), _middle(tab)) == ("difference", BLUE)
    tab.press("ArrowLeft")  # the same kind of picture of the one before
    assert (_text(tab, "#viewer-title"), _text(tab, "#viewer-state")) == (f"{NAME}, flip:0.3", "difference")
    tab.press("t")
    assert (_text(tab, "#viewer-state"), _middle(tab)) == ("truth", WHITE)
    tab.press("t", "+", "+")
    tab.press("ArrowRight", shift=True)
    assert tab.run("getComputedStyle(document.getElementById('stage')).getPropertyValue('--across')") == "-0.1"
    tab.press("Escape")
    assert not tab.run("document.getElementById('viewer').open")
    assert tab.run(f"{focused}.getAttribute('aria-label')") == f"look closer: {NAME}, flip:0.3"
    tab.press("ArrowRight")
    assert tab.run(f"{focused}.getAttribute('aria-label')") == "look closer: z, clean"
    assert tab.complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_down_only(pages: dict[str, Path], open_page: Opener, name: str) -> None:
    tab = open_page(pages[name], width=360, height=740)
    wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert tab.run(wide) == [360, 360]
    if tab.run("document.querySelector('.open') !== null"):
        tab.click(".open")
        assert tab.run(wide) == [360, 360]
        assert tab.run("document.getElementById('viewer').scrollWidth") <= 360
        assert tab.run("document.getElementById('stage').clientHeight") >= 128
        hidden = (
            "[...document.querySelectorAll('#viewer button')].filter(one => {"
            "const b = one.getBoundingClientRect(); return b.right > 361 || b.bottom > 741; }).length"
        )
        assert tab.run(hidden) == 0


@pytest.mark.parametrize("name", PAGES)
def test_paper_shows_all_and_no_buttons(pages: dict[str, Path], open_page: Opener, name: str) -> None:
    tab = open_page(pages[name], width=703, height=1000)  # A4 less margins of 12 mm, at 96 pixels an inch
    assert tab.print_pdf().startswith(b"%PDF")
    tab.send("Emulation.setEmulatedMedia", media="print")
    assert tab.run("document.documentElement.scrollWidth") == 703
    cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert tab.run(cut) == 0
    shown = "[...document.querySelectorAll('.open, #help, #viewer')].filter(e => e.offsetParent !== null).length"
    assert tab.run(shown) == 0


def test_without_a_script_everything_is_there(pages: dict[str, Path], open_page: Opener) -> None:
    tab = open_page(pages["study"], script=False)
    assert tab.run("document.querySelectorAll('.open, .sort').length") == 0
    assert tab.run("document.getElementById('help').offsetParent === null")
    assert tab.run("[...document.images].filter(image => image.offsetWidth > 50).length") == 2 * (2 + 3 * len(KINDS))
    assert _column(tab, 1) == [*SCORES, *(f"{k}.0 [{k}.0, {k}.0]" for k in range(20, 28))]
    assert tab.run("document.querySelectorAll('td .interval').length") == 11
