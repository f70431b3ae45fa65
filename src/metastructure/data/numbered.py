"""Labels whose values number objects, as instance segmentation has them, where values were meant to be classes."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metastructure.data.masks import REWRITE
from metastructure.errors import DataError
from metastructure.label import IGNORE

LEAST_OBJECTS = 8
"""Fewer values than this in the fullest label may as well be classes."""

MOST_WITH_GAPS = 0.1
"""Share of the labels whose values may have gaps, as after corrections by hand."""

MOST_TORN = 0.1
"""Share of the objects that may be in two parts."""

Values = npt.NDArray[np.integer[Any]]


def check_not_numbered(
    held: Iterable[Values], load: Callable[[int], Values], paths: Sequence[Path], otherwise: str
) -> None:
    """Raise if labels that belong together seem to number their objects.

    Parameters
    ----------
    held : iterable of N arrays of integers
        The values that each label holds, each once.
    load : callable
        Returns the label (H, W) or (D, H, W) of a place 0..N-1.
    paths : sequence of N Path
        Their files.
    otherwise : str
        What to do if the values are classes.

    Raises
    ------
    DataError
        If nearly every label holds all values from 1 to its own highest, these differ among the labels, and in the
        label that goes highest, to 8 at least, nearly every value is one connected object. Objects that were numbered
        before images were cropped, or small ones were removed from many, are not recognised.
    """
    highest, num_with_gaps = [], 0
    for values in held:
        numbers = values[(values != 0) & (values != IGNORE)]
        highest.append(int(numbers.max(initial=0)))
        num_with_gaps += numbers.size != highest[-1]
    if num_with_gaps > MOST_WITH_GAPS * len(highest):
        return
    fullest = int(np.argmax(highest))
    if highest[fullest] < LEAST_OBJECTS or (len(highest) > 1 and len(set(highest)) == 1):
        return
    if are_single_objects(load(fullest)):
        raise DataError(
            f"{paths[fullest]}: this file holds the values 1 to {highest[fullest]}, each of them one object. If "
            f"objects are numbered, write 1 for all of them {REWRITE}; if these are classes, {otherwise}."
        )


def are_single_objects(label: Values) -> bool:
    """Return whether nearly every value above 0 of a label is one connected object.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        Pixels that touch at a corner are connected.

    Examples
    --------
    >>> are_single_objects(np.array([[1, 0, 2], [0, 1, 2]])), are_single_objects(np.array([[1, 0, 1], [2, 0, 2]]))
    (True, False)
    """
    from skimage.measure import label as find_components

    values = np.where(label == IGNORE, 0, label)
    num_values = int(np.count_nonzero(np.bincount(values.reshape(-1))[1:]))
    num_objects = int(find_components(values, return_num=True)[1])
    return num_objects <= (1 + MOST_TORN) * num_values
