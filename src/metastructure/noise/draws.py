"""Fast random draws shared by the pixel families: raw words, exact subsets, one class per pixel from Q.

`N` pixels, flat; `C` classes. Probabilities are compared as integers with 32 random bits per pixel, so a rate
is honoured to 2**-32 and a draw costs half of what a float32 uniform does. Long draws are made in blocks, which changes
no bit of them and keeps the memory small.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from metastructure.label import LabelArray

WORD = 1 << 32
Words = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

_BLOCK = 1 << 15
"""Pixels worked at once, an even number, as two words come from one raw draw; their words stay in cache."""

_BUCKET_BITS = 12
"""A table over the first bits of a word answers most draws; the few words in a bucket with a step are looked up."""

_UNDECIDED = 255
"""Marks such a bucket; no class has this number."""

_SPARSE_POOL = 1 / 16
"""A pool below this share of all pixels is listed; a denser one is found faster by guessing positions."""


def draw_words(rng: np.random.Generator, num: int) -> Words:
    """Return `num` independent integers, uniform over 0..2**32-1."""
    raw = rng.integers(0, 2**64 - 1, (num + 1) // 2, dtype=np.uint64, endpoint=True)
    return raw.astype("<u8", copy=False).view("<u4")[:num]


def threshold(probability: float) -> int:
    """Return t such that ``word < t`` has the given probability, to the nearest 2**-32."""
    return round(probability * WORD)


def draw_mask(rng: np.random.Generator, num: int, probability: float) -> Mask:
    """Return `num` independent booleans that are True with the given probability; 0 and 1 are exact.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> draw_mask(generator(0), 3, 1.0).tolist(), draw_mask(generator(0), 2, 0.0).tolist()
    ([True, True, True], [False, False])
    """
    limit = threshold(probability)
    if limit == WORD:
        return np.ones(num, dtype=np.bool_)
    mask = np.empty(num, dtype=np.bool_)
    for block in _blocks(num):
        np.less(draw_words(rng, block.stop - block.start), np.uint32(limit), out=mask[block])
    return mask


def draw_mask_exact(
    rng: np.random.Generator,
    classes: LabelArray,
    probability: float,
    sampled: Iterable[int],
    count_of: Callable[[int], int],
) -> Mask:
    """Return booleans of which exactly ``count_of(n)`` are True among the n pixels of each sampled class.

    Parameters
    ----------
    rng : numpy Generator
        Source of the draws.
    classes : (N,) array of integers in 0..255
        The class of each pixel.
    probability : float in [0, 1]
        About count_of(n) / n; the pixels of other classes are True with this probability.
    sampled : iterable of int
        The classes with a fixed count.
    count_of : callable
        Maps the number of a class's pixels to the number to pick, 0..n.

    Notes
    -----
    A Bernoulli draw hits each count up to O(sqrt(n)); the surplus or the shortfall is then removed or added
    uniformly. The result is exchangeable with a fixed count, hence every subset of that size is equally likely, at
    about the cost of the Bernoulli draw.
    """
    picked = draw_mask(rng, classes.size, probability)
    for klass in sampled:
        pool = classes == klass
        size = int(np.count_nonzero(pool))
        pool &= picked
        chosen = int(np.count_nonzero(pool))
        surplus = chosen - count_of(size)
        if surplus > 0:
            picked[_draw_positions(rng, pool, chosen, surplus)] = False
        elif surplus < 0:
            pool ^= classes == klass
            picked[_draw_positions(rng, pool, size - chosen, -surplus)] = True
    return picked


def draw_classes(rng: np.random.Generator, classes: LabelArray, rows: npt.NDArray[np.float64]) -> LabelArray:
    """Return for each pixel a class drawn from the row of Q that belongs to its own class.

    Parameters
    ----------
    rng : numpy Generator
        Source of the draws.
    classes : (N,) array of integers
        The clean classes 0..C-1; anything else (IGNORE) is drawn from the last row.
    rows : (C, C) array
        Q, rows the clean class.
    """
    C = len(rows)
    table, steps = _inverse_tables(tuple(tuple(row) for row in rows.tolist()))
    drawn = np.empty(classes.size, dtype=classes.dtype)
    for block in _blocks(classes.size):
        words = draw_words(rng, block.stop - block.start)
        own = np.minimum(classes[block], C - 1)
        cell = words >> (32 - _BUCKET_BITS)
        cell |= own.astype(np.uint32) << _BUCKET_BITS
        found = np.take(table, cell, mode="wrap")  # twice as fast as checking bounds that cannot be left
        open_ = np.flatnonzero(found == _UNDECIDED)
        found[open_] = (words[open_, np.newaxis] >= steps[own[open_], :-1]).sum(axis=1)
        drawn[block] = found
    return drawn


def _blocks(num: int) -> Iterator[slice]:
    for start in range(0, num, _BLOCK):
        yield slice(start, min(start + _BLOCK, num))


def _draw_positions(rng: np.random.Generator, pool: Mask, size: int, num: int) -> npt.NDArray[np.intp]:
    """Return `num` distinct positions of the `size` True entries of `pool`, uniformly without replacement."""
    if size < _SPARSE_POOL * pool.size or 2 * num > size:
        return rng.choice(np.flatnonzero(pool), num, replace=False, shuffle=False)
    found = np.empty(0, dtype=np.intp)
    while len(found) < num:
        guesses = rng.integers(pool.size, size=1 + 2 * (num - len(found)) * pool.size // size)
        found = np.concatenate([found, guesses[pool[guesses]]])
        _, first = np.unique(found, return_index=True)
        found = found[np.sort(first)]
    return found[:num]


@lru_cache(maxsize=8)
def _inverse_tables(rows: tuple[tuple[float, ...], ...]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the class for each (row, bucket of words), flat, and the (C, C) steps of the cumulated rows."""
    C = len(rows)
    steps = np.rint(np.cumsum(np.array(rows, dtype=np.float64), axis=1) * WORD).astype(np.int64)
    steps[:, -1] = WORD
    steps = np.minimum(steps, WORD)
    width = WORD >> _BUCKET_BITS
    table = np.empty((C, 1 << _BUCKET_BITS), dtype=np.uint8)
    starts = np.arange(1 << _BUCKET_BITS) * width
    for j in range(C):
        low, high = (np.searchsorted(steps[j], ends, side="right") for ends in (starts, starts + width - 1))
        table[j] = np.where(low == high, low, _UNDECIDED)
    return table.reshape(-1), steps
