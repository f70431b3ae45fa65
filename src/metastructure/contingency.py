"""The C x C table of two labels, from which every overlap metric and the transition matrix start.

`C` classes; rows are the reference (the clean label), columns the other one (noisy label or prediction).
Pixels that are IGNORE in either label are not counted.
"""

import numpy as np
import numpy.typing as npt

from metastructure.label import IGNORE, LabelArray, check_label, count_classes

CountArray = npt.NDArray[np.int64]


def contingency_table(clean: LabelArray, other: LabelArray, num_classes: int | None = None) -> CountArray:
    """Return how many pixels of each class of `clean` have each class in `other`.

    Parameters
    ----------
    clean, other : (H, W) or (D, H, W) arrays of integers, same shape
        Two labels of one image. A pixel that is IGNORE in either of them is left out.
    num_classes : int, optional
        C. Without it the larger of what the two labels hold.

    Returns
    -------
    (C, C) array of int64
        Rows are the classes of `clean`, columns those of `other`.

    Raises
    ------
    TypeError, ValueError
        If a label breaks the contract (see `metastructure.label`) or the shapes differ.

    Examples
    --------
    >>> clean = np.array([[0, 0, 1, 1, 255]])
    >>> noisy = np.array([[0, 1, 1, 255, 1]])
    >>> contingency_table(clean, noisy)
    array([[1, 1],
           [0, 1]])
    """
    check_label(clean, num_classes, "clean")
    check_label(other, num_classes, "other")
    if clean.shape != other.shape:
        raise ValueError(f"The two labels must have the same shape; got {clean.shape} and {other.shape}.")
    C = num_classes or max(count_classes(clean), count_classes(other))
    counted = (clean != IGNORE) & (other != IGNORE)
    pair = clean[counted].astype(np.intp) * C + other[counted].astype(np.intp)
    return np.bincount(pair, minlength=C * C).reshape(C, C).astype(np.int64, copy=False)


def changed_rate(table: npt.NDArray[np.integer]) -> float:
    """Return the share of counted pixels whose two classes differ; NaN for an empty table.

    Parameters
    ----------
    table : (C, C) array of counts
        From `contingency_table`, or a sum of such tables.

    Examples
    --------
    >>> changed_rate(np.array([[6, 1], [1, 2]]))
    0.2
    """
    total = int(table.sum())
    return float((total - int(np.trace(table))) / total) if total else float("nan")
