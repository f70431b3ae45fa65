"""Colours of pages: readable text, and pictures that colour-blind readers can tell apart.

Contrast as in WCAG 2.2 (1.4.3: 4.5 for text; 1.4.11: 3 for what is drawn). Colour blindness simulated by Machado,
Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1.
"""

import itertools
import re
from importlib.resources import files

import numpy as np
import pytest
from skimage.color import rgb2lab

from metastructure.report.audit_page import BOX_COLOUR
from metastructure.report.intervals import LINE_COLOUR, VALUE_COLOUR, ZERO_COLOUR
from metastructure.report.pictures import HIT, MISSED, PALETTE, SPURIOUS
from metastructure.report.thumbnails import OBJECT_COLOUR

OKABE_ITO = set(PALETTE.split()[:8])
SIGHTS = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
FAR = 20
"""CIE 1976 distance; 2.3 is just seen side by side."""

STYLE = (files("metastructure.report") / "templates" / "page.css").read_text(encoding="utf-8")
NAMED = dict(re.findall(r"--(\w+): (#\w{6});", STYLE))


def _rgb(code: str) -> np.ndarray:
    return np.array([int(code[place : place + 2], 16) for place in (1, 3, 5)]) / 255


def _linear(code: str) -> np.ndarray:
    rgb = _rgb(code)
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(_linear(code) @ [0.2126, 0.7152, 0.0722]) for code in (one, other))
    return (light + 0.05) / (dark + 0.05)


def distance(one: str, other: str, sight: str) -> float:
    seen = [np.clip(np.array(SIGHTS[sight]) @ _linear(code), 0, 1) for code in (one, other)]
    shown = [np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055) for rgb in seen]
    return float(np.linalg.norm(np.subtract(*(rgb2lab(rgb) for rgb in shown))))


def test_contrast_by_hand() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)  # the lightest grey that passes on white


@pytest.mark.parametrize("ink", ["ink", "soft", "mark"])
@pytest.mark.parametrize("paper", ["paper", "band"])
def test_text_can_be_read(ink: str, paper: str) -> None:
    assert contrast(NAMED[ink], NAMED[paper]) >= 4.5
    assert contrast("#ffffff", NAMED["mark"]) >= 4.5  # pressed buttons


def test_what_is_drawn_can_be_seen() -> None:
    assert contrast(VALUE_COLOUR, LINE_COLOUR) >= 3
    assert contrast(ZERO_COLOUR, NAMED["paper"]) >= 3
    for ground in ("#000000", "#ffffff"):
        assert contrast(OBJECT_COLOUR, ground) >= 3


def test_colours_are_okabe_and_ito_s() -> None:
    assert {MISSED, SPURIOUS, OBJECT_COLOUR, BOX_COLOUR, LINE_COLOUR, NAMED["mark"]} <= OKABE_ITO


@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_that_stand_for_something_differ_for_everybody(sight: str) -> None:
    for together in (("#000000", HIT, MISSED, SPURIOUS), (OBJECT_COLOUR, BOX_COLOUR), (LINE_COLOUR, VALUE_COLOUR)):
        for one, other in itertools.combinations(together, 2):
            assert distance(one, other, sight) > FAR, (one, other)


def test_the_simulation_finds_colours_that_are_not_safe() -> None:
    assert distance("#d55e00", "#7a8f00", "full") > FAR > distance("#8f7a00", "#5c8a00", "protanopia")
