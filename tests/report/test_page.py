"""Pages and pictures: names are escaped, colours say what they mean, absent values are told."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from metastructure.report import FAMILIES, Bar, Example, Page, Section, render_page
from metastructure.report.bars import draw_bars
from metastructure.report.pictures import PALETTE, show_image, show_label, show_prediction


def _page(name: str = "a") -> Page:
    label = np.array([[0, 1], [1, 255]], np.uint8)
    example = Example(name, np.zeros((2, 2), np.uint16), label, {name: (label, label)})
    bars = [Bar(name, "clean", 90.0, 80.0, 95.0), Bar("none", "random", math.nan, math.nan, math.nan)]
    section = Section(name, "Dice", bars, [example], 2)
    return Page(name, name, ["label", name], [[name, "1.0"]], [section], {"command": name}, [name])


def test_every_text_is_escaped() -> None:
    html = render_page(_page("<script>alert('x')</script>&"))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_pictures_have_alternative_texts() -> None:
    html = render_page(_page())
    assert html.count("<img") == html.count('alt="')
    assert 'aria-label="Bar plot. a: 90.0; none: not available"' in html


def test_bars_are_valid_svg_and_reproducible() -> None:
    bars = _page().sections[0].bars
    first, second = draw_bars(bars, "Dice"), draw_bars(bars, "Dice")
    assert first == second
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert "not available" in first


def test_families_have_colours_of_their_own() -> None:
    assert len({colour for _, colour in FAMILIES.values()}) == len(FAMILIES)


def test_binary_prediction_shows_its_errors() -> None:
    truth = np.array([[1, 1, 0, 0, 255]])
    prediction = np.array([[1, 0, 1, 0, 1]])
    shown = show_prediction(prediction, truth, 2)
    hit, missed, spurious, nothing, ignored = (tuple(pixel) for pixel in shown[0])
    assert hit == (255, 255, 255)
    assert nothing == (0, 0, 0)
    assert len({hit, missed, spurious, nothing, ignored}) == 5


@pytest.mark.parametrize("num_classes", [2, 11, 254])
def test_labels_of_any_number_of_classes_have_colours(num_classes: int) -> None:
    shown = show_label(np.arange(256, dtype=np.uint8).reshape(16, 16), num_classes)
    assert shown.shape == (16, 16, 3)
    distinct = len({tuple(pixel) for pixel in shown.reshape(-1, 3)[: min(num_classes, len(PALETTE.split()))]})
    assert distinct == min(num_classes, len(PALETTE.split()))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_image_can_be_shown(dtype: type) -> None:
    grey = (np.arange(100).reshape(10, 10) * 2).astype(dtype)
    assert show_image(grey).shape == (10, 10, 3)
    assert show_image(grey).max() == 255
    assert (np.diff(show_image(grey)[..., 0].reshape(-1).astype(int)) >= 0).all()
    assert show_image(np.full((3, 3), 7, dtype)).max() == 0
    assert show_image(np.zeros((3, 4, 3), dtype)).shape == (3, 4, 3)
