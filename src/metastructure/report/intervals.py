"""Small drawings of values with their intervals, for the cells of a table: what the text of a cell says, as a line.

The drawings of a column share one scale, so that rows can be compared.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT, MARGIN = 104, 14, 3
LINE_COLOUR, VALUE_COLOUR, ZERO_COLOUR = "#56b4e9", "#000000", "#767676"

_NUMBER = r"[+\-−]?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_INTERVAL = re.compile(rf"({_NUMBER}) \[({_NUMBER}), ({_NUMBER})\]")

Triple = tuple[float, float, float]
"""Value, low, high."""


def read_interval(text: str) -> Triple | None:
    """Return value, low and high of a text, or None where it is not a value with its interval and nothing else.

    Examples
    --------
    >>> read_interval("-1.5 [-2.0, +0.5]")
    (-1.5, -2.0, 0.5)
    >>> read_interval("93.1") is read_interval("3 [2, 4] px") is None
    True
    """
    found = _INTERVAL.fullmatch(text)
    if found is None:
        return None
    value, low, high = (float(one.replace("−", "-")) for one in found.groups())
    return value, low, high


def draw_intervals(texts: Sequence[str]) -> list[str]:
    """Return an SVG for each text of a column, empty for a text without an interval.

    Where the column holds signed numbers, 0 lies on its scale and is marked.
    """
    triples = [read_interval(text) for text in texts]
    ends = [one for triple in triples if triple is not None for one in triple]
    if not ends:
        return [""] * len(texts)
    is_signed = any(text[0] in "+-−" for text, triple in zip(texts, triples, strict=True) if triple is not None)
    ends += [0.0] if is_signed else []
    low, span = min(ends), (max(ends) - min(ends)) or 1.0

    def place(value: float) -> float:
        return round(MARGIN + (WIDTH - 2 * MARGIN) * (value - low) / span, 1)

    zero = _line(place(0.0), 0, place(0.0), HEIGHT, ZERO_COLOUR, 1) if is_signed else ""
    return [
        "" if triple is None else _draw(place(triple[0]), place(triple[1]), place(triple[2]), zero)
        for triple in triples
    ]


def with_drawings(rows: Sequence[Sequence[str]]) -> "list[list[tuple[str, Markup]]]":
    """Return the rows of a table of texts, beside each text its drawing, empty where there is none."""
    from markupsafe import Markup

    columns = [draw_intervals(column) for column in zip(*rows, strict=True)]
    return [
        [(text, Markup(drawing)) for text, drawing in zip(row, drawings, strict=True)]
        for row, drawings in zip(rows, zip(*columns, strict=True), strict=True)
    ]


def _draw(value: float, low: float, high: float, zero: str) -> str:
    middle = HEIGHT / 2
    span = _line(low, middle, high, middle, LINE_COLOUR, 6)
    mark = _line(value, 2, value, HEIGHT - 2, VALUE_COLOUR, 1.4)
    return f'<svg class="interval" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{zero}{span}{mark}</svg>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{width}"/>'
