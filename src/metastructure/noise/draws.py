"""Fast random draws shared by the pixel families: raw words, exact subsets, one class per pixel from Q.

`N` pixels, flat; `C` classes. Probabilities are compared as integers with 32 random bits per pixel, so a rate
is honoured to 2**-32 and a draw costs half of what a float32 uniform does.
"""

import numpy as np
import numpy.typing as npt

from metastructure.label import LabelArray

WORD = 1 << 32
Words = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

_SPARSE_POOL = 1 / 16
"""A pool below this share of all pixels is listed; a denser one is found faster by guessing positions."""


def draw_words(rng: np.random.Generator, num: int) -> Words:
    """Return `num` independent integers, uniform over 0..2**32-1."""
    raw = rng.integers(0, 2**64 - 1, (num + 1) // 2, dtype=np.uint64, endpoint=True)
    return raw.astype("<u8", copy=False).view("<u4")[:num]


def threshold(probability: float) -> int:
    """Return t such that ``word < t`` has the given probability, to the nearest 2**-32."""
    return round(probability * WORD)


def is_below(words: Words, limit: int) -> Mask:
    """Return ``words < limit``; a limit of 2**32, which no word can hold, is met by all.

    Examples
    --------
    >>> is_below(np.array([7, 9], np.uint32), 8).tolist(), is_below(np.array([7], np.uint32), WORD).tolist()
    ([True, False], [True])
    """
    return words < np.uint32(limit) if limit < WORD else np.ones(words.shape, dtype=np.bool_)


def fix_count(rng: np.random.Generator, picked: Mask, members: Mask, count: int) -> None:
    """Change `picked` in place until exactly `count` of the `members` are picked.

    Parameters
    ----------
    rng : numpy Generator
        Source of the draws.
    picked : (N,) array of bool
        A Bernoulli draw at about the rate count / n, for the n members.
    members : (N,) array of bool
        The pixels among which the count is wanted.
    count : int, 0 to n
        How many of them are to be picked.

    Notes
    -----
    The surplus or the shortfall, O(sqrt(n)) pixels, is removed or added uniformly. The result is exchangeable
    with a fixed count, hence every subset of that size is equally likely, at about the cost of the Bernoulli
    draw.
    """
    inside = picked & members
    chosen = int(np.count_nonzero(inside))
    surplus = chosen - count
    if surplus > 0:
        picked[_draw_positions(rng, inside, chosen, surplus)] = False
    elif surplus < 0:
        outside = members & ~picked
        picked[_draw_positions(rng, outside, int(np.count_nonzero(outside)), -surplus)] = True


def draw_classes(rng: np.random.Generator, classes: LabelArray, rows: npt.NDArray[np.float64]) -> LabelArray:
    """Return for each pixel a class drawn from the row of Q that belongs to its own class.

    Parameters
    ----------
    rng : numpy Generator
        Source of the draws.
    classes : (N,) array of integers in 0..C-1
        The clean classes.
    rows : (C, C) array
        Q, rows the clean class.

    Notes
    -----
    Walker's alias method (1977): one word and two table look-ups a pixel, whatever C.
    """
    C = len(rows)
    words = draw_words(rng, classes.size)
    if C == 2:
        stays_first = [is_below(words, threshold(float(row[0]))) for row in rows]
        return np.where(classes == 0, ~stays_first[0], ~stays_first[1]).astype(classes.dtype)
    keep, alias = _alias_tables(rows)
    scaled = words.astype(np.uint64) * np.uint64(C)
    column = (scaled >> np.uint64(32)).astype(np.intp)
    rest = scaled & np.uint64(WORD - 1)
    cell = classes.astype(np.intp) * C + column
    drawn: LabelArray = np.where(rest < keep.ravel()[cell], column, alias.ravel()[cell]).astype(classes.dtype)
    return drawn


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


def _alias_tables(rows: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.intp]]:
    C = len(rows)
    keep = np.full((C, C), WORD, dtype=np.uint64)
    alias = np.tile(np.arange(C), (C, 1))
    for j, row in enumerate(rows):
        height = row * C
        small = [m for m in range(C) if height[m] < 1]
        large = [m for m in range(C) if height[m] >= 1]
        while small and large:
            low, high = small.pop(), large[-1]
            keep[j, low], alias[j, low] = threshold(max(height[low], 0.0)), high
            height[high] -= 1 - height[low]
            if height[high] < 1:
                small.append(large.pop())
    return keep, alias
