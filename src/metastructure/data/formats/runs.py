"""Masks as COCO stores them in runs: lengths of 0 and 1 in turn, column by column, and their short text form.

`H` rows, `W` columns. The text form packs each length, from the fourth on its difference to the one two before, into
groups of 5 bits, lowest first; 32 says that more follow, the highest bit of the last group is the sign, and 48 is added
to make a character. Source: the COCO API (T.-Y. Lin, P. Dollár), common/maskApi.h and maskApi.c (rleToString).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def encode_runs(mask: Mask) -> list[int]:
    """Return the lengths of the runs of an (H, W) mask, the first of 0, which may be empty.

    Examples
    --------
    >>> encode_runs(np.array([[1, 0], [1, 1]], dtype=bool))  # columns 1 1 and 0 1
    [0, 2, 1, 1]
    """
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([[0], changes, [flat.size]])
    lengths: list[int] = np.diff(ends).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def decode_runs(lengths: Sequence[int], shape: tuple[int, int]) -> Mask:
    """Return the (H, W) mask of runs.

    Raises
    ------
    ValueError
        If a length is negative, or they do not sum to H * W.
    """
    if any(length < 0 for length in lengths) or sum(lengths) != shape[0] * shape[1]:
        raise ValueError(
            f"runs must be 0 or longer and sum to {shape[0]} x {shape[1]} = {shape[0] * shape[1]} pixels; "
            f"got a sum of {sum(lengths)}."
        )
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return flat.reshape(shape, order="F")


def parse_runs(text: str) -> list[int]:
    """Return the lengths in a text of COCO.

    Raises
    ------
    ValueError
        If it ends within a number, or holds a character that the form does not have.

    Examples
    --------
    >>> parse_runs("021O")
    [0, 2, 1, 1]
    """
    lengths = list[int]()
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64:
            raise ValueError(f"runs of a mask hold the character {character!r}, which their text form does not have.")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("runs of a mask end within a number; the text was cut.")
    return lengths
