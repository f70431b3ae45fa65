"""What one image's out-of-fold probabilities say against its label, each kind of error measured in its own way.

`C` classes, `H` rows, `W` columns, `T` tiles. A pixel is contradicted by the log-odds of the likeliest other class
against its own, in nats. Four measures, since four errors leave four traces: a boundary that is off all around, a label
that is moved, a region that is confidently another class, and pixels that are confidently wrong wherever they lie.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from metastructure.audit.calibration import Probabilities, check_probabilities
from metastructure.label import IGNORE, LabelArray

BAND_PX = 3.0
"""Half-width of the band along a boundary in which areas are compared. Of 2, 3 and 4 px it ranked damaged labels of one
training split best (benchmarks/audit_cleanlab.py with seed 100, which the reported seeds exclude)."""

TILE_PX = 32
"""Side of the tiles whose displacements are compared: pieces of boundary that err for reasons of their own."""

REACH_PX = 8
"""The longest translation along an axis that is looked for."""

LEAST_PROBABILITY = 1e-3
"""Of a class in the gain of a translation, so that no single pixel outweighs a boundary."""

SOFT_MINIMUM = 0.1
"""Temperature of the mean over the worst pixels, as published."""

TINY = 1e-7
"""What float16 still tells from 0."""

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.int8)

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class BoundaryShift(NamedTuple):
    """How far the boundary of one class lies outside of where it is predicted.

    Attributes
    ----------
    shift_px : float
        Above 0 where the label reaches too far; NaN without a boundary.
    error_px : float
        Its standard error, from the differences between tiles; NaN with fewer than two.
    length_px : float
        Length of the boundary.
    """

    shift_px: float
    error_px: float
    length_px: float


class Blob(NamedTuple):
    """The connected region most contradicted.

    Attributes
    ----------
    weight : float
        Sum over its pixels of the contradiction above the level, in nats; 0 if no pixel is above.
    num_pixels : int
    row, column : float
        Its centre; NaN without one.
    """

    weight: float
    num_pixels: int
    row: float
    column: float


class Translation(NamedTuple):
    """The whole-pixel translation whose undoing makes the label likeliest.

    Attributes
    ----------
    gain : float
        Log-likelihood won by moving the label back, in nats; below 0 where it lies best as it is, NaN where no
        translation changes it.
    moved_px : (row, column) of int
    """

    gain: float
    moved_px: tuple[int, int]


def contradiction(p_CHW: Probabilities, label: LabelArray) -> FloatArray:
    """Return the log-odds of the likeliest other class against the label's, (H, W); -inf where it is IGNORE.

    Examples
    --------
    >>> p = np.array([[[0.9, 0.9, 0.9]], [[0.1, 0.1, 0.1]]], np.float32)
    >>> contradiction(p, np.array([[0, 1, 255]])).round(2).tolist()
    [[-2.2, 2.2, -inf]]
    """
    check_probabilities(p_CHW, label)
    known = label != IGNORE
    own = np.where(known, label, 0)[None].astype(np.intp)
    p_own = np.take_along_axis(p_CHW, own, axis=0)[0]
    others = p_CHW.copy()
    np.put_along_axis(others, own, -1.0, axis=0)
    odds = np.log(np.clip(others.max(axis=0), TINY, 1).astype(np.float64)) - np.log(np.clip(p_own, TINY, 1))
    return np.where(known, odds, -np.inf)


def find_shift(p_HW: Probabilities, inside: Mask, known: Mask) -> BoundaryShift:
    """Return how far the boundary of one class is displaced.

    Parameters
    ----------
    p_HW : (H, W) array of float
        Probability of the class.
    inside, known : (H, W) arrays of bool
        Where the label holds the class, and where it is not IGNORE.

    Notes
    -----
    Within 3 px of the boundary, the label's area less the predicted one, divided by the length of the boundary, which
    is the area of the band over its width: 2 px around a disc of radius 8 that was 6 give (8² - 6²)/(2·8) = 1.75. An
    uncertain but unbiased rim gives 0. What lies more than 3 px off counts as a little less than 3 px. The standard
    error is that of a ratio of sums over tiles (Cochran, "Sampling Techniques", 1977, equation 6.13).

    Examples
    --------
    >>> row = np.arange(40)[:, None] + np.zeros((40, 40))
    >>> found = find_shift((row >= 20).astype(np.float32), row >= 18, np.ones((40, 40), bool))
    >>> found.shift_px, found.length_px
    (2.0, 40.0)
    """
    if not (inside & known).any() or not (~inside & known).any():
        return BoundaryShift(np.nan, np.nan, 0.0)
    to_boundary = np.where(inside, _distance(inside | ~known), _distance(~inside | ~known)) - 0.5
    band = known & (to_boundary < BAND_PX)
    rows, columns = np.nonzero(band)
    if not len(rows):
        return BoundaryShift(np.nan, np.nan, 0.0)
    _, tile = np.unique(rows // TILE_PX * band.shape[1] + columns // TILE_PX, return_inverse=True)
    excess_T = np.bincount(tile, inside[band] - p_HW[band].astype(np.float64))
    length_T = np.bincount(tile) / (2 * BAND_PX)
    T, length = len(length_T), float(length_T.sum())
    shift = float(excess_T.sum()) / length
    residual = ((excess_T - shift * length_T) ** 2).sum()
    error = float(np.sqrt(residual * T / (T - 1)) / length) if T > 1 else np.nan
    return BoundaryShift(shift, error, length)


def find_translation(p_CHW: Probabilities, label: LabelArray) -> Translation:
    """Return by which translation within 8 px the label was most likely moved, other than by none.

    Parameters
    ----------
    p_CHW : (C, H, W) array of float
    label : (H, W) array of integers

    Notes
    -----
    With k where the label is known and y its class, moving it back by t wins

        G(t) = Σ_x k(x) k(x + t) [log p_y(x + t)(x) - log p_y(x)(x)],

    for all t at once by C + 1 correlations through the FFT. What would come in from outside of the image, or from
    IGNORE, has no say.
    """
    known = label != IGNORE
    logs = np.log(np.clip(p_CHW, LEAST_PROBABILITY, 1)).astype(np.float64) * known
    own = np.take_along_axis(logs, np.where(known, label, 0)[None].astype(np.intp), axis=0)[0]
    shape = [fft.next_fast_len(size + REACH_PX, real=True) for size in label.shape]
    product = -_transform(own, shape) * np.conj(_transform(known, shape))
    for klass, log_HW in enumerate(logs):
        product += _transform(log_HW, shape) * np.conj(_transform(label == klass, shape))
    gain = fft.irfft2(product, shape)  # at u: the label of x - u taken for that of x
    steps = np.arange(-REACH_PX, REACH_PX + 1)
    near = gain[np.ix_(steps, steps)]
    near[REACH_PX, REACH_PX] = -np.inf
    best = np.unravel_index(int(near.argmax()), near.shape)
    if len(np.unique(label[known])) < 2:
        return Translation(np.nan, (0, 0))
    return Translation(float(near[best]), (-int(steps[best[0]]), -int(steps[best[1]])))


def find_blob(contradicted: FloatArray, level: float) -> Blob:
    """Return the connected region that is contradicted most above a level.

    Parameters
    ----------
    contradicted : (H, W) array of float
        From `contradiction`.
    level : float
        In nats; what is below it is how this network contradicts labels everywhere.

    Examples
    --------
    >>> find_blob(np.array([[3.0, 0, 5, 6]]), 2)
    Blob(weight=7.0, num_pixels=2, row=0.0, column=2.5)
    """
    above = contradicted > level
    numbers, num = ndimage.label(above, EIGHT_NEIGHBOURS)
    if not num:
        return Blob(0.0, 0, np.nan, np.nan)
    weights = np.bincount(numbers[above], contradicted[above] - level)
    best = int(weights.argmax())
    rows, columns = np.nonzero(numbers == best)
    return Blob(float(weights[best]), len(rows), float(rows.mean()), float(columns.mean()))


def soft_minimum(p_CHW: Probabilities, label: LabelArray) -> float:
    """Return the mean probability of the label's class over the worst pixels; NaN if all are IGNORE.

    Notes
    -----
    Σ p exp(-p / 0.1) / Σ exp(-p / 0.1) over the known pixels. Where a network is unsure of many pixels they speak
    instead of the few it contradicts.

    References
    ----------
    Lad and Mueller, "Estimating label quality and errors in semantic segmentation data via any model", ICML workshop
    on data-centric machine learning 2023.

    Examples
    --------
    >>> p = np.array([[[0.9, 0.0]], [[0.1, 1.0]]], np.float32)
    >>> round(soft_minimum(p, np.array([[0, 0]])), 4)
    0.0001
    """
    known = label != IGNORE
    if not known.any():
        return float("nan")
    own = np.take_along_axis(p_CHW, np.where(known, label, 0)[None].astype(np.intp), axis=0)[0][known]
    weights = np.exp(-own.astype(np.float64) / SOFT_MINIMUM)
    return float((own * weights).sum() / weights.sum())


def _distance(mask: Mask) -> FloatArray:
    distance: FloatArray = ndimage.distance_transform_edt(mask)
    return distance


def _transform(values: npt.NDArray[np.generic], shape: list[int]) -> npt.NDArray[np.complex128]:
    transformed: npt.NDArray[np.complex128] = fft.rfft2(values.astype(np.float64), shape)
    return transformed
