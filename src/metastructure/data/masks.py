"""Masks of 0 and 255 among labels, in which 255 was meant as foreground: read as labels they hold no object at all."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from metastructure.errors import DataError
from metastructure.label import IGNORE

SAY_HOW_MANY = "say how many classes there are (--classes; num_classes in Python and in studies)"
"""What to do where a given number of classes tells that 255 is meant as IGNORE."""

REWRITE = "(metastructure convert --one-class does it)"


class MasksError(DataError):
    """Labels that hold 0 and IGNORE only, where 255 is likely to mean an object."""


def check_no_masks(
    labels: Iterable[npt.NDArray[np.integer[Any]]], where: str, otherwise: str = "add labels that hold objects"
) -> None:
    """Raise if labels that belong together, such as those of one split, are masks of 0 and 255.

    Parameters
    ----------
    labels : iterable of arrays of integers
        Labels of any shape, or of each label the values it holds. Read up to the first that holds an object.
    where : str
        What they are, such as their folder.
    otherwise : str
        What to do if 255 does mean IGNORE.

    Raises
    ------
    MasksError
        If `are_masks`.
    """
    if are_masks(labels):
        raise MasksError(
            f"{where}: these labels hold 0 and 255 only, and 255 means IGNORE. If 255 marks objects, rewrite it as "
            f"class 1 {REWRITE}; if not, {otherwise}."
        )


def are_masks(labels: Iterable[npt.NDArray[np.integer[Any]]]) -> bool:
    """Return whether no label holds a class beside 0, and some label holds both 0 and 255.

    Parameters
    ----------
    labels : iterable of arrays of integers
        As for `check_no_masks`.

    Notes
    -----
    Labels of background with borders of IGNORE, and no object anywhere, look the same and count as masks: nothing can
    be learnt from them nor scored by them. Empty labels (0 alone) beside unlabelled ones (255 alone) are none.

    Examples
    --------
    >>> are_masks([np.array([0, 255]), np.array([0])]), are_masks([np.array([0, 255]), np.array([0, 1])])
    (True, False)
    """
    found = False
    for label in labels:
        is_ignore, is_background = label == IGNORE, label == 0
        if not (is_ignore | is_background).all():
            return False
        found = found or bool(is_ignore.any() and is_background.any())
    return found
