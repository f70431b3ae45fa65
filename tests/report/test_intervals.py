"""Intervals in tables: what is drawn is what the text says, on one scale for a column."""

import re

import pytest

from metastructure.report.intervals import MARGIN, WIDTH, draw_intervals, read_interval, with_drawings


@pytest.mark.parametrize(
    ("text", "triple"),
    [
        ("92.4 [90.7, 93.9]", (92.4, 90.7, 93.9)),
        ("-0.3 [-0.8, +0.1]", (-0.3, -0.8, 0.1)),
        ("−4 [−5, −3.5]", (-4.0, -5.0, -3.5)),
        ("2e-05 [1e-05, 3e-05]", (2e-5, 1e-5, 3e-5)),
        ("3 [2, 4] px", None),
        ("flip:3 [2, 4]", None),
        ("93.1", None),
        ("–", None),
        ("", None),
    ],
)
def test_texts_are_read(text: str, triple: tuple[float, float, float] | None) -> None:
    assert read_interval(text) == triple


def _ends(svg: str) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in re.findall(r'x1="([^"]+)" y1="[^"]+" x2="([^"]+)"', svg)]


def test_places_by_hand() -> None:
    """From 10 to 30 the scale is WIDTH - 2 MARGIN = 98 wide: 15 lies at a quarter, 3 + 24.5."""
    assert (WIDTH, MARGIN) == (104, 3)
    first, nothing, second = draw_intervals(["15 [10, 20]", "–", "25 [20, 30]"])
    assert nothing == ""
    assert _ends(first) == [(3, 52), (27.5, 27.5)]
    assert _ends(second) == [(52, 101), (76.5, 76.5)]


def test_signed_columns_show_zero() -> None:
    """From -4 to 0: -3 lies at a quarter, and the mark of 0 at the right end."""
    (drawn,) = draw_intervals(["-3.0 [-4.0, -2.0]"])
    assert _ends(drawn) == [(101, 101), (3, 52), (27.5, 27.5)]
    assert len(_ends(draw_intervals(["3.0 [2.0, 4.0]"])[0])) == 2


def test_one_value_alone_is_drawn() -> None:
    assert _ends(draw_intervals(["0 [0, 0]"])[0]) == [(3, 3), (3, 3)]


def test_rows_keep_their_texts_and_only_drawings_are_markup() -> None:
    rows = [["<b>", "1 [0, 2]", "7"], ["c", "2 [2, 2]", "8"]]
    found = with_drawings(rows)
    assert [[text for text, _ in row] for row in found] == rows
    assert [[bool(drawing) for _, drawing in row] for row in found] == [[False, True, False]] * 2
    assert with_drawings([]) == []
