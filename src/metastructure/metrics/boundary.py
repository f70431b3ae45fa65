"""Boundary F1: how much of each label's boundary lies near that of the other.

`H` rows, `W` columns, `C` classes. A pixel is on the boundary of a class if it is of that class and a neighbour above,
below, left or right is of another; the edge of the image is no boundary, and neither is that of an unlabelled area.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from metastructure.label import IGNORE, LabelArray, check_label, count_classes
from metastructure.metrics.overlap import FloatArray

TOLERANCE_SHARE = 0.0075
"""Of the image's diagonal: the tolerance of Csurka et al., section 3."""


def boundary_f1(
    clean: LabelArray, prediction: LabelArray, num_classes: int | None = None, *, tolerance_px: float | None = None
) -> FloatArray:
    """Return for each class the F1 of its boundary in two labels of one image.

    Parameters
    ----------
    clean, prediction : (H, W) arrays of integers, same shape
        A pixel that is IGNORE in either is left out of both: it has no boundary, and makes none beside it.
    num_classes : int, optional
        C. Without it the larger of what the two labels hold.
    tolerance_px : float, optional
        Distance up to which, itself included, a pixel of one boundary is matched by the other. By default 0.75 % of the
        image's diagonal, and at least 1.

    Returns
    -------
    (C,) array
        In [0, 1]; 0 for a class with a boundary in one label only, NaN for one with a boundary in neither (absent from
        both, or everywhere).

    Raises
    ------
    TypeError, ValueError
        If a label breaks the contract (see `metastructure.label`), the shapes differ, or the tolerance is not a number
        of at least 0.

    Notes
    -----
    Precision is the share of the prediction's boundary pixels within the tolerance of the clean boundary, recall the
    share of the clean ones within the tolerance of the prediction's, and F1 ``2 P R / (P + R)``. Distances are between
    pixel centres. A set of images is scored by the mean over those that have a value. Csurka et al. ask for less than
    the tolerance, here it is no more than it: at 1 px the former would forgive nothing.

    References
    ----------
    Csurka, Larlus and Perronnin, "What is a good evaluation measure for semantic segmentation?", British Machine Vision
    Conference (2013), section 3.

    Examples
    --------
    >>> clean, prediction = np.array([[0, 0, 1, 1, 1, 1, 1]]), np.array([[0, 0, 0, 1, 1, 0, 0]])
    >>> boundary_f1(clean, prediction, tolerance_px=1).round(3).tolist()  # class 1 at 2; at 3 and 4, of which 3 is near
    [0.667, 0.667]
    """
    C = num_classes or max(count_classes(clean), count_classes(prediction))
    for name, label in (("clean", clean), ("prediction", prediction)):
        check_label(label, num_classes, name)
        if label.ndim != 2:
            raise ValueError(f"{name} must be (H, W); got shape {label.shape}.")
    if clean.shape != prediction.shape:
        raise ValueError(f"The two labels must have the same shape; got {clean.shape} and {prediction.shape}.")
    if tolerance_px is None:
        tolerance_px = max(1.0, TOLERANCE_SHARE * math.hypot(*clean.shape))
    if not tolerance_px >= 0:
        raise ValueError(f"tolerance_px must be at least 0; got {tolerance_px}.")
    counted = (clean != IGNORE) & (prediction != IGNORE)
    first, second = (_changes(label, counted) for label in (clean, prediction))
    return np.array([_f1(first & (clean == k), second & (prediction == k), tolerance_px) for k in range(C)])


def _changes(label: LabelArray, counted: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which pixels have a neighbour of another class, (H, W); neither of the two may be left out."""
    found = np.zeros(label.shape, dtype=bool)
    for axis in (0, 1):
        before = (slice(None),) * axis + (slice(None, -1),)
        after = (slice(None),) * axis + (slice(1, None),)
        change = (label[before] != label[after]) & counted[before] & counted[after]
        found[before] |= change
        found[after] |= change
    return found


def _f1(clean: npt.NDArray[np.bool_], prediction: npt.NDArray[np.bool_], tolerance_px: float) -> float:
    if not clean.any() or not prediction.any():
        return 0.0 if clean.any() or prediction.any() else float("nan")
    precision = float((distance_transform_edt(~clean)[prediction] <= tolerance_px).mean())
    recall = float((distance_transform_edt(~prediction)[clean] <= tolerance_px).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
