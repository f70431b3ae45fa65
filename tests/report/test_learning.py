"""Learning curves: every panel is drawn, the second phase where it is, and gaps where nothing is defined."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from metastructure.report.charts import to_svg
from metastructure.report.learning import CURVES, Learning, draw_learning


def _panel(title: str, start: int | None) -> Learning:
    return Learning(title, [0.1, 0.2, 0.3], [0.9, 0.8, 0.7], [math.nan] * 3, [0.6, 0.6, 0.5], start)


def test_the_panels_hold_the_curves_and_the_second_phase() -> None:
    figure = draw_learning([_panel("clean", None), _panel("flip:0.3", 2)])
    first, second = figure.axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["clean", "flip:0.3"]
    assert [line.get_label() for line in first.lines] == [label for label, _, _ in CURVES.values()]
    np.testing.assert_array_equal(second.lines[0].get_xydata(), [[1, 0.1], [2, 0.2], [3, 0.3]])
    np.testing.assert_array_equal(second.lines[1].get_ydata(), [0.9, 0.8, 0.7])
    assert not first.patches
    assert second.patches[0].get_bbox().intervalx.tolist() == [2, 3]
    assert [text.get_text().strip() for text in second.texts] == ["from epoch 2"]
    assert "clean agreement has fallen for good" in {text.get_text() for text in figure.legends[0].get_texts()}


def test_no_legend_of_a_phase_that_is_not_there() -> None:
    legend = draw_learning([_panel("a", None)]).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [label for label, _, _ in CURVES.values()]


@pytest.mark.parametrize("number", [1, 3, 5])
def test_any_number_of_panels_is_valid_svg(number: int) -> None:
    svg = to_svg(draw_learning([_panel(f"<{n}>", n or None) for n in range(number)]))
    assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one panel"):
        draw_learning([])


def test_curves_differ_in_colour_or_stroke() -> None:
    assert len({(colour, stroke) for _, colour, stroke in CURVES.values()}) == len(CURVES)
