"""Tiles of an image of any size, and the weights that join what a network says of them without a seam.

One axis at a time; a tile is a span of rows times a span of columns, its weight the product of theirs.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

GRID_PX = 32
"""Tiles start at multiples of this, so that a network with strides up to 32 samples them as it samples the whole."""

MIN_TILE_PX = 2 * GRID_PX
OVERLAP_SHARE = 0.25
MARGIN_SHARE = 7 / 16
"""Of the overlap: what a tile says this close to its cut edge counts nothing; the network saw too little there."""


class Span(NamedTuple):
    """One tile along one axis: pixels `start` to `stop`, each with its weight, (stop - start,) float32."""

    start: int
    stop: int
    weight: npt.NDArray[np.float32]


def check_tile(tile_px: int) -> None:
    """Raise ValueError unless `tile_px` can be the side of a tile.

    Examples
    --------
    >>> check_tile(100)
    Traceback (most recent call last):
    ValueError: The side of a tile must be a multiple of 32, at least 64; got 100.
    """
    if tile_px < MIN_TILE_PX or tile_px % GRID_PX:
        raise ValueError(f"The side of a tile must be a multiple of {GRID_PX}, at least {MIN_TILE_PX}; got {tile_px}.")


def overlap_of(tile_px: int) -> int:
    """Return the pixels that neighbouring tiles share: a quarter of the side, as a multiple of GRID_PX, at least one.

    Examples
    --------
    >>> overlap_of(512), overlap_of(160)
    (128, 32)
    """
    return max(GRID_PX, int(OVERLAP_SHARE * tile_px) // GRID_PX * GRID_PX)


def plan_spans(length: int, tile_px: int) -> tuple[Span, ...]:
    """Return the spans that cover an axis; at every pixel their weights sum to 1.

    Parameters
    ----------
    length : int
        Pixels of the axis. Up to `tile_px` one span is enough.
    tile_px : int
        See `check_tile`. The last span may be shorter, but is longer than the overlap.

    Notes
    -----
    In an overlap of O pixels the weight of one tile falls from 1 to 0, that of the next rises as much: 7/16 O of
    margin, O/8 of a straight ramp, 7/16 O of margin. So the joined result equals that of the whole image, up to
    rounding, for a network that sees no further than the margin.

    Examples
    --------
    >>> [(start, stop) for start, stop, _ in plan_spans(100, 64)]
    [(0, 64), (32, 96), (64, 100)]
    >>> first = plan_spans(100, 64)[0].weight
    >>> first[[0, 32, 45, 46, 49, 50, 63]].tolist()
    [1.0, 1.0, 1.0, 0.875, 0.125, 0.0, 0.0]
    """
    check_tile(tile_px)
    overlap = overlap_of(tile_px)
    step = tile_px - overlap
    starts = range(0, max(1, length - overlap), step)
    margin = int(MARGIN_SHARE * overlap)
    rise = np.clip((np.arange(overlap, dtype=np.float32) - margin + 0.5) / (overlap - 2 * margin), 0, 1)
    spans = []
    for start in starts:
        weight = np.ones(min(tile_px, length - start), dtype=np.float32)
        if start > 0:
            weight[:overlap] = rise
        if start != starts[-1]:
            weight[-overlap:] = 1 - rise
        spans.append(Span(start, start + len(weight), weight))
    return tuple(spans)
