"""The page and the text of a measurement: escaped, self-contained, undefined values told."""

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metastructure.data.measure import measure_labels
from metastructure.data.measure_examples import load_examples
from metastructure.data.measurement import Measurement
from metastructure.errors import DataError
from metastructure.report.charts import Curve, Series, draw_curves, draw_series
from metastructure.report.measure_page import render_measurement, write_measurement
from metastructure.report.measure_text import MOST_ROWS, comparison_facts, to_text
from metastructure.report.shares import show_share
from metastructure.structure.estimate import Estimate

VOID = {"meta", "link", "img", "br", "input"}


class Tags(HTMLParser):
    """Checks that every element is closed in turn, SVG included."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labels of three classes below a folder whose name is mark-up."""
    root = tmp_path_factory.mktemp("page") / "<script>&"
    root.mkdir()
    for shift, name in enumerate("ab"):
        label = np.kron(np.arange(12).reshape(3, 4) % 3, np.ones((8, 8), int)).astype(np.uint8)
        Image.fromarray(np.roll(label, 3 * shift, axis=1)).save(root / f"{name}.png")
    return root


@pytest.fixture(scope="module")
def measured(folder: Path) -> Measurement:
    return measure_labels(folder, folder, folder, half_widths_px=[1, 3])


def test_the_page_is_whole_escaped_and_asks_no_network(measured: Measurement) -> None:
    html = render_measurement(measured, load_examples(measured), "measure '<b>'")
    assert html.count("<script") == 1  # the page's own
    assert "&lt;script&gt;" in html
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert tags.seen.count("svg") == 2 + html.count('class="interval"')
    assert html.count("<img") == html.count('alt="')
    assert set(re.findall(r'(?:src|href)="(?!data:|#)([^"]*)', html)) == set()
    assert html == render_measurement(measured, load_examples(measured), "measure '<b>'")


def test_every_example_shows_label_clean_image_and_maps(measured: Measurement) -> None:
    html = render_measurement(measured, load_examples(measured))
    # one colour scale; of each of two labels the image, and label and two maps twice
    assert html.count("<img") == 1 + 2 * (1 + 2 * 3)


def test_both_files_are_written(measured: Measurement, tmp_path: Path) -> None:
    page = write_measurement(measured, tmp_path / "new")
    assert page == tmp_path / "new" / "index.html"
    text = (tmp_path / "new" / "measurement.json").read_text(encoding="utf-8")
    assert Measurement.model_validate_json(text) == measured
    with pytest.raises(DataError, match="holds files already; name a new one"):
        write_measurement(measured, tmp_path / "new")


def test_the_text_fits_80_columns(measured: Measurement) -> None:
    lines = to_text(measured.model_copy(update={"folder": "labels"})).splitlines()
    assert max(len(line) for line in lines if str(measured.folder) not in line) <= 80
    assert "Dice: mean over 3 classes 1.000; least of class 0, 1.000" in lines


def test_two_classes_both_have_a_dice(measured: Measurement) -> None:
    """Neither is the background to a reader who does not know which."""
    comparison = measured.comparison
    assert comparison is not None
    both = tuple(Estimate(value=value, low=value - 0.1, high=1) for value in (0.9, 0.25))
    two = measured.model_copy(update={"num_classes": 2, "comparison": comparison.model_copy(update={"dice": both})})
    facts = comparison_facts(two)
    assert facts["Dice of class 0"] == "0.900 [0.800, 1.000]"
    assert facts["Dice of class 1"] == "0.250 [0.150, 1.000]"


def test_values_are_in_the_text(measured: Measurement) -> None:
    comparison = measured.comparison
    assert comparison is not None
    scale = comparison.similarity.scales[1].model_copy(
        update={"corrected": Estimate(value=0.1234, low=0.05, high=0.25), "half_width_px": 7}
    )
    changed = comparison.model_copy(
        update={"similarity": comparison.similarity.model_copy(update={"scales": (scale,)})}
    )
    text = to_text(measured.model_copy(update={"comparison": changed}))
    assert re.search(r"7 px +0\.123 \[0\.050, 0\.250\]", text)


def test_undefined_values_are_told(tmp_path: Path) -> None:
    Image.fromarray(np.full((6, 6), 255, np.uint8)).save(tmp_path / "a.png")
    found = measure_labels(tmp_path, tmp_path)
    text = to_text(found)
    assert "nan" not in text
    assert "Surviving classes: not known; no pixel has a known pixel in its window." in text
    assert "note: Every pixel of every label is IGNORE" in text
    html = render_measurement(found, load_examples(found))
    assert "nan" not in re.sub(r"data:[^\"]*", "", html)
    assert "No class has a curve" in html


def test_many_classes_are_cut_in_the_text_only(measured: Measurement) -> None:
    many = tuple(measured.classes[0].model_copy(update={"klass": k}) for k in range(MOST_ROWS + 4))
    wide = measured.densities[0].mean * len(many)
    densities = tuple(one.model_copy(update={"mean": wide, "sd": wide}) for one in measured.densities)
    found = measured.model_copy(
        update={"classes": many, "num_classes": len(many), "densities": densities, "comparison": None}
    )
    assert f"The {MOST_ROWS} most common of {MOST_ROWS + 4} classes" in to_text(found)
    html = render_measurement(found, [])
    assert "7 rarer classes are not drawn" in html  # 20 less the most common one and the twelve drawn


def test_the_class_that_is_not_drawn_is_named(measured: Measurement) -> None:
    shares = (0.2, 0.5, 0.3)
    classes = tuple(
        one.model_copy(update={"share": share}) for one, share in zip(measured.classes, shares, strict=True)
    )
    html = render_measurement(measured.model_copy(update={"classes": classes}), [])
    assert "Class 1, the most common, is not drawn" in html
    alone = tuple(one.model_copy(update={"share": float(one.klass == 0)}) for one in measured.classes)
    assert "is not drawn" not in render_measurement(measured.model_copy(update={"classes": alone}), [])
    none = tuple(one.model_copy(update={"share": math.nan}) for one in measured.classes)
    assert "is not drawn" not in render_measurement(measured.model_copy(update={"classes": none}), [])


def test_charts_leave_gaps_for_nan() -> None:
    nothing = [math.nan, math.nan]
    assert "corrected" in draw_series([1, 2], [Series("corrected", [0.5, math.nan], nothing, nothing)], "px")
    curve = Curve("class 1", [1, 2], nothing, nothing, nothing, None)
    assert draw_curves([curve], "r", "L", "all") == draw_curves([curve], "r", "L", "all")
    assert "all labels" not in draw_curves([curve], "r", "L", "all labels")


def test_shares_grow_in_brightness() -> None:
    shown = show_share(np.array([[0.0, 0.5, 1.0, math.nan]])).astype(int).sum(axis=2)[0]
    assert shown[0] < shown[1] < shown[2]
    assert show_share(np.array([[math.nan]]))[0, 0].tolist() == [0xD0] * 3
