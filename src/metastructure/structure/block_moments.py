"""Moments of two and three pixels of a label: how often distinct pixels of one block have given classes.

`C` classes, `S` block sides, `P` blocks, n = side² pixels of a block. Every pair and every triple of distinct pixels of
a block counts once, so the moments are the factorial moments of the block's class counts and need no loop over pairs.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metastructure.label import IGNORE, LabelArray
from metastructure.structure.windows import FloatArray

BAND_PIXELS = 2**18
"""Pixels of a band of rows that is worked on at a time: bounds the memory."""


class BlockMoments(NamedTuple):
    """Sums over the blocks of an image, or of a part of it, in which every pixel is known.

    Attributes
    ----------
    num_blocks : (S,) array
    singles : (S, C) array
        Mean share of each class in a block, summed over the blocks.
    pairs : (S, C, C) array
        Share of the ordered pairs of distinct pixels with classes a and b, summed over the blocks.
    triples : (S, C, C, C) array
        The same of ordered triples.
    """

    num_blocks: FloatArray
    singles: FloatArray
    pairs: FloatArray
    triples: FloatArray


def block_moments(
    label: LabelArray, sides_px: Sequence[int], num_classes: int, num_parts: int = 1
) -> Iterator[BlockMoments]:
    """Yield the moments of the blocks of a label, in `num_parts` bands of rows.

    Parameters
    ----------
    label : (H, W) array of integers
        A block with an IGNORE pixel is left out.
    sides_px : sequence of S integers, at least 2
        Sides of the blocks. They overlap: one starts every ``side // 2`` pixels.
    num_classes : int
        C.
    num_parts : int
        Bands of about equal height; an image with fewer rows has fewer.

    Notes
    -----
    With k the class counts of a block and falling factorials, the share of ordered triples with classes (a, b, c) is
    k_a k_b k_c / (n (n - 1) (n - 2)) for three different classes, k_a (k_a - 1) k_b / (...) for (a, a, b), and so on.

    Examples
    --------
    >>> (moments,) = block_moments(np.array([[0, 0], [0, 1]]), [2], 2)
    >>> moments.pairs[0].tolist()  # 6 of the 12 ordered pairs are (0, 0), none is (1, 1)
    [[0.5, 0.25], [0.25, 0.0]]
    """
    height = label.shape[0]
    per_part = max(1, -(-label.size // (num_parts * BAND_PIXELS)))
    edges = np.unique(np.linspace(0, height, num_parts * per_part + 1).round().astype(int))
    part = _zeros(len(sides_px), num_classes)
    for number, (top, bottom) in enumerate(pairwise(edges), start=1):
        for index, side in enumerate(sides_px):
            _add_band(part, index, label, top, bottom, side)
        if number % per_part == 0 or bottom == height:
            yield part
            part = _zeros(len(sides_px), num_classes)


def _zeros(num_sides: int, C: int) -> BlockMoments:
    return BlockMoments(
        np.zeros(num_sides), np.zeros((num_sides, C)), np.zeros((num_sides, C, C)), np.zeros((num_sides, C, C, C))
    )


def _add_band(part: BlockMoments, index: int, label: LabelArray, top: int, bottom: int, side: int) -> None:
    """Add the blocks whose first row lies in [top, bottom)."""
    step = side // 2
    first = -(-top // step) * step
    rows = label[first : bottom + side - 1]
    if first >= bottom or min(rows.shape) < side:
        return
    known = _block_counts(rows != IGNORE, side)[::step, ::step] == side * side
    present = np.flatnonzero(np.bincount(rows.ravel(), minlength=IGNORE)[:IGNORE])
    if not known.any():
        return
    counts = np.stack([_block_counts(rows == c, side)[::step, ::step][known] for c in present]).astype(np.float64)
    n, K = side * side, len(present)
    single = counts.sum(axis=1)
    square = counts @ counts.T
    upper = np.triu_indices(K)
    cube = np.empty((K, K, K))
    cube[upper] = (counts[upper[0]] * counts[upper[1]]) @ counts.T
    cube[upper[::-1]] = cube[upper]
    pairs = square - np.diag(single)
    triples = cube.copy()
    diagonal = np.arange(K)
    # k_a k_b k_c less the triples that name one pixel twice or three times
    triples[diagonal, diagonal, :] -= square
    triples[diagonal, :, diagonal] -= square
    triples[:, diagonal, diagonal] -= square
    triples[diagonal, diagonal, diagonal] += 2 * single
    part.num_blocks[index] += counts.shape[1]
    part.singles[index, present] += single / n
    part.pairs[index][np.ix_(present, present)] += pairs / (n * (n - 1))
    part.triples[index][np.ix_(present, present, present)] += triples / (n * (n - 1) * (n - 2))


def _block_counts(indicator: npt.NDArray[np.bool_], side: int) -> npt.NDArray[np.uint16]:
    """Return how many pixels of the block that starts at each pixel are True."""
    width = indicator.shape[1] - side + 1
    across: npt.NDArray[np.uint16] = indicator[:, :width].astype(np.uint16)
    for shift in range(1, side):
        across += indicator[:, shift : shift + width].view(np.uint8)
    height = indicator.shape[0] - side + 1
    total = across[:height].copy()
    for shift in range(1, side):
        total += across[shift : shift + height]
    return total


def mean_distance_px(side: int) -> float:
    """Return the mean distance of two distinct pixels of a square block, in pixels.

    Examples
    --------
    >>> round(mean_distance_px(2), 4)  # four sides of 1 and two diagonals
    1.1381
    """
    row, column = np.divmod(np.arange(side * side), side)
    distance = np.hypot(row[:, None] - row, column[:, None] - column)
    return float(distance.sum() / (side**2 * (side**2 - 1)))
