"""Overlap metrics, all computed from contingency tables (rows truth, columns prediction).

`C` classes, `N` images. A table of any leading shape (..., C, C) gives one value per table: pass one table per
image for per-image metrics, their sum for pooled ones. A class absent from both labels is NaN, and means skip it.
"""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Tables = npt.NDArray[np.integer[Any]]


def dice(tables: Tables) -> FloatArray:
    """Return the Dice coefficient of each class, ``2 TP / (2 TP + FP + FN)``.

    Parameters
    ----------
    tables : (..., C, C) array of counts
        From `metastructure.contingency.contingency_table`.

    Returns
    -------
    (..., C) array
        In [0, 1]; NaN for a class that neither label holds.

    References
    ----------
    Dice, "Measures of the amount of ecologic association between species", Ecology 1945.

    Examples
    --------
    >>> dice(np.array([[5, 1, 0], [2, 2, 0], [0, 0, 0]])).round(3).tolist()
    [0.769, 0.571, nan]
    """
    hits, truth, predicted = _margins(tables)
    return _divide(2 * hits, truth + predicted)


def iou(tables: Tables) -> FloatArray:
    """Return the intersection over union of each class, ``TP / (TP + FP + FN)``; as `dice` otherwise.

    Examples
    --------
    >>> iou(np.array([[5, 1], [2, 2]])).round(3).tolist()
    [0.625, 0.4]
    """
    hits, truth, predicted = _margins(tables)
    return _divide(hits, truth + predicted - hits)


def accuracy(tables: Tables) -> FloatArray:
    """Return the share of pixels whose class is right, (...,); NaN for an empty table.

    Examples
    --------
    >>> float(accuracy(np.array([[5, 1], [2, 2]])))
    0.7
    """
    counts = np.asarray(tables, dtype=np.float64)
    return _divide(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def mean_iou(tables: Tables) -> FloatArray:
    """Return the mean of `iou` over the classes present, (...,); NaN where no class is.

    Examples
    --------
    >>> float(mean_iou(np.array([[5, 1, 0], [2, 2, 0], [0, 0, 0]])).round(4))
    0.5125
    """
    return nanmean(iou(tables), axis=-1)


def foreground_dice(tables: Tables) -> FloatArray:
    """Return the mean of `dice` over the classes 1..C-1 that are present, (...,); NaN where none is.

    For two classes this is the Dice coefficient of the foreground.
    """
    return nanmean(dice(tables)[..., 1:], axis=-1)


def nanmean(values: FloatArray, axis: int | None = None) -> FloatArray:
    """Return the mean of `values` along `axis` (of all, if None) that skips NaN; NaN, without a warning, of NaN alone.

    Examples
    --------
    >>> nanmean(np.array([[1.0, np.nan], [4.0, np.nan]]), axis=0).tolist()
    [2.5, nan]
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=axis))


def _margins(tables: Tables) -> tuple[FloatArray, FloatArray, FloatArray]:
    counts = np.asarray(tables, dtype=np.float64)
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2]:
        raise ValueError(f"Contingency tables must be (..., C, C); got shape {counts.shape}.")
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)


def _divide(above: FloatArray, below: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)
    return ratio
