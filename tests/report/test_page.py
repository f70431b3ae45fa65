"""Pages and pictures: names are escaped, colours say what they mean, absent values are told."""

import base64
import io
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from metastructure.report import FAMILIES, Bar, Example, Page, Section, render_page
from metastructure.report.bars import draw_bars
from metastructure.report.pictures import PALETTE, encode_png, show_difference, show_image, show_label, show_prediction


def _page(name: str = "a") -> Page:
    label = np.array([[0, 1], [1, 255]], np.uint8)
    example = Example(name, np.zeros((2, 2), np.uint16), label, {name: (label, label)})
    bars = [Bar(name, "clean", 90.0, 80.0, 95.0), Bar("none", "random", math.nan, math.nan, math.nan)]
    section = Section(name, "Dice", bars, [example], 2)
    return Page(name, name, ["label", name], [[name, "1.0"]], [section], {"command": name}, [name])


def test_every_text_is_escaped() -> None:
    html = render_page(_page("<script>alert('x')</script>&"))
    assert "<script>alert" not in html
    assert html.count("<script") == 1  # the page's own
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


def test_a_prediction_is_painted_as_a_label_is() -> None:
    truth, prediction = np.array([[1, 1, 0, 2, 255]]), np.array([[1, 0, 2, 0, 1]])
    shown = show_prediction(prediction, truth, 3)
    assert (shown[0, :4] == show_label(prediction, 3)[0, :4]).all()
    assert (shown[0, 4] == show_label(truth, 3)[0, 4]).all()  # no answer is asked for


def test_differences_of_many_classes_by_hand() -> None:
    truth, prediction = np.array([[0, 1, 2, 255]]), np.array([[0, 1, 1, 0]])
    right, also_right, wrong, ignored = (tuple(pixel) for pixel in show_difference(prediction, truth, 3)[0].tolist())
    orange, light = (230, 159, 0), (208, 208, 208)  # e69f00, d0d0d0
    dimmed = round((0.299 * 230 + 0.587 * 159) / 2)
    assert (right, also_right, wrong, ignored) == ((0, 0, 0), (dimmed,) * 3, orange, light)


@pytest.mark.parametrize("num_colours", [1, 2, 256, 1000])
def test_a_png_changes_no_pixel(num_colours: int) -> None:
    rng = np.random.default_rng(num_colours)
    colours = rng.permutation(256**3)[:num_colours]
    codes = np.concatenate([colours, rng.choice(colours, 1024 - num_colours)]).reshape(16, 64)
    pixels = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=2).astype(np.uint8)
    content = base64.b64decode(encode_png(pixels).partition(",")[2])
    with Image.open(io.BytesIO(content)) as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), pixels)
        assert picture.mode == ("RGB" if num_colours > 256 else "P")


def test_differences_of_two_classes_show_their_errors() -> None:
    truth = np.array([[1, 1, 0, 0, 255]])
    prediction = np.array([[1, 0, 1, 0, 1]])
    shown = show_difference(prediction, truth, 2)
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
