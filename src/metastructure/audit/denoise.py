"""A label freed of pixelwise noise by what the labels around each pixel say, given the transition matrix Q.

`C` classes, `H` rows, `W` columns, `D` slices, `N` labels, `P` pixels that are scored; Q[clean, noisy]. A window of
half-width h gives the first guess, the eight neighbours sharpen it.
"""

from collections.abc import Iterable, Sequence
from math import log, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metastructure.label import IGNORE, LabelArray, check_label
from metastructure.noise.geometry import apply_in_bands
from metastructure.structure.windows import WINDOWS, FloatArray, NumberArray, check_half_width
from metastructure.transition import TransitionMatrix

HALF_WIDTHS_PX = (0, 1, 2, 3, 4, 6, 8, 12)
NUM_SCORED = 2**15
"""Pixels of one label, evenly spaced, that the choice of the half-width rests on."""

SCORED_SIDE_PX = 1024

WITHIN_DICE = 0.02
"""The smallest window within this of the best one is taken: the neighbours mend scatter, they do not mend blur."""

NUM_SWEEPS = 10
NUM_NEIGHBOURS = 8

ORDERED = 5.0
UNANIMOUS = 2.0
"""Eight neighbours that agree outweigh a pixel that noise leaves e² times likelier as it is."""

MOST_COUPLING = 12.0
LEAST_SHARE = 0.01
LEAST_PROBABILITY = 1e-12
SINGULAR = 1e-6
"""Below this smallest singular value the inverse of Q is rounding error."""

FloatImage = npt.NDArray[np.float32]


class WindowScore(NamedTuple):
    """What a window alone is estimated to reach, without a clean label."""

    half_width_px: int
    dice: float
    """Mean over the classes present, pooled over the labels."""
    accuracy: float


def denoise_label(label: LabelArray, transition: TransitionMatrix, *, half_width_px: int | None = None) -> LabelArray:
    """Return the label with pixelwise noise undone.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        Noisy. IGNORE stays and says nothing. A volume is repaired slice by slice.
    transition : TransitionMatrix
        Q of the noise, independent from pixel to pixel; C rows.
    half_width_px : int, optional
        h of the window of the first guess, less than the shorter side. Without it `score_windows` of
        this label decides.

    Returns
    -------
    array of the label's shape and dtype

    Raises
    ------
    TypeError, ValueError
        If the label breaks the contract or holds a class beyond C, Q is singular or lacks a row, or the half-width does
        not fit.

    Notes
    -----
    *First guess.* With f* the shares of the noisy classes in the window, Q⁻ᵀ f* estimates those of the clean classes
    without bias; clipped to [0.01, 1] and divided by its sum it is q.

    *Sharpening.* A Potts field joins the pixel's own label with the density of its neighbours. Ten mean-field sweeps of
    q_j(x) ∝ Q[j, y(x)] exp(κ f_j(x)), where f_j is the mean of q_j over the known ones among the eight neighbours. The
    class of largest q is the repaired one, the lower of two equal ones.

    *κ.* Below its critical coupling the field has no order and smooths nothing. On the square lattice that is a
    total of 4 log(1 + √C) over four neighbours, and less over eight. κ is 5 log(1 + √C), or more where eight
    neighbours that agree would not outweigh a likely error: at least 2 + max log Q[j, m] / Q[k, m], at most 12. So
    a label that Q calls wrong with odds below e⁻¹² is never changed, and the identity changes nothing. The 5, the 2
    and the ten sweeps were settled on 30 nuc and 10 camvid training labels.

    Cost: time in proportion to C H W; memory that of a band of rows.

    References
    ----------
    Besag, "On the statistical analysis of dirty pictures", JRSS B 1986 (the field). Wu, "The Potts model", Reviews of
    Modern Physics 1982 (critical coupling).

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> clean = np.zeros((40, 40), dtype=np.uint8)
    >>> clean[:, 20:] = 1
    >>> noisy = np.where(generator(0).random(clean.shape) < 0.3, 1 - clean, clean)
    >>> repaired = denoise_label(noisy, TransitionMatrix.symmetric(0.3, 2))
    >>> int((noisy != clean).sum()), int((repaired != clean).sum())
    (479, 48)
    """
    check_label(label, transition.num_classes)
    inverse = check_invertible(transition)
    if np.array_equal(transition.rows, np.eye(transition.num_classes)):
        return label.copy()
    if half_width_px is None:
        half_width_px = pick_window(score_windows([label], transition))
    h = check_half_width(half_width_px, label.shape[-2:])
    if label.ndim == 3:
        return np.stack([_denoise_image(image, transition, inverse, h) for image in label])
    return _denoise_image(label, transition, inverse, h)


def score_windows(labels: Iterable[LabelArray], transition: TransitionMatrix) -> list[WindowScore]:
    """Return for each half-width how right the window alone would be, estimated without any clean label.

    Parameters
    ----------
    labels : iterable of N (H, W) or (D, H, W) integer arrays
        The noisy labels, gone through once; IGNORE is left out, and what is beyond the middle 1024 x 1024 pixels.
    transition : TransitionMatrix
        Q, invertible.

    Returns
    -------
    list of WindowScore
        For the half-widths that fit the smallest label, 0 first; without any known pixel NaN.

    Notes
    -----
    The rule is r(y, s) = argmax Q⁻ᵀ (counts of the window), where y is the pixel's own label and s what the others in
    its window say. Given the clean class c, y is independent of s: r(y, s) is k with the chance Σ_v Q[c, v] [r(v, s) =
    k], and Q⁻¹[y, j] has the mean [c = j]. So

        T[j, k] = Σ_x Q⁻¹[y(x), j] Σ_v Q[j, v] [r(v, s(x)) = k]

    is an unbiased estimate of the contingency table of clean and repaired label, with the pixel's own vote in it, and
    Dice follows. It is the loss estimate of the universal denoiser; no window is too narrow for it to be fair, and
    h = 0 stands for believing each pixel.

    References
    ----------
    Weissman, Ordentlich, Seroussi, Verdú, Weinberger, "Universal discrete denoising: known channel", IEEE Trans.
    Information Theory 2005.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> noisy = (np.arange(40) // 20 ^ (generator(0).random((40, 40)) < 0.3)).astype(np.uint8)
    >>> [round(score.accuracy, 2) for score in score_windows([noisy], TransitionMatrix.symmetric(0.3, 2))[:5]]
    [0.7, 0.86, 0.96, 0.96, 0.97]
    """
    inverse = check_invertible(transition)
    C, sides = transition.num_classes, list[int]()
    tables = np.zeros((len(HALF_WIDTHS_PX), C, C))
    for label in labels:
        sides += label.shape[-2:]
        for image in label[None] if label.ndim == 2 else label:
            tables += _estimate_tables(_crop(image), transition.rows, inverse)
    if not sides:
        raise ValueError("There are no labels to score windows on: give at least one.")
    fitting = zip(HALF_WIDTHS_PX, tables, strict=True)
    return [WindowScore(h, *_summarise(table)) for h, table in fitting if h < min(sides)]


def pick_window(scores: Sequence[WindowScore]) -> int:
    """Return the smallest half-width whose estimated Dice comes within 0.02 of the best.

    Examples
    --------
    >>> pick_window([WindowScore(0, 0.6, 0.7), WindowScore(2, 0.89, 0.9), WindowScore(3, 0.9, 0.9)])
    2
    """
    best = max((score.dice for score in scores if not np.isnan(score.dice)), default=float("inf"))
    return next((score.half_width_px for score in scores if score.dice >= best - WITHIN_DICE), 0)


def check_invertible(transition: TransitionMatrix) -> FloatArray:
    """Return Q⁻¹, (C, C), or raise ValueError if a class lacks its row or two classes cannot be told apart."""
    if np.isnan(transition.rows).any():
        missing = np.flatnonzero(np.isnan(transition.rows).any(axis=1)).tolist()
        raise ValueError(
            f"The transition matrix has no row for class {missing[0]}; nothing says how it was mislabelled."
        )
    if transition.sigma_min() < SINGULAR:
        raise ValueError(
            f"The transition matrix is singular (smallest singular value {transition.sigma_min():.1g}): such noise "
            "leaves classes that cannot be told from mixtures of others, and no repair can."
        )
    return transition.inverse()


def find_coupling(transition: TransitionMatrix) -> float:
    """Return κ, the weight of eight neighbours that agree.

    Examples
    --------
    >>> [round(find_coupling(TransitionMatrix.symmetric(rate, 2)), 2) for rate in (0.3, 0.01, 0.99)]
    [4.41, 6.6, 6.6]
    """
    best = np.broadcast_to(transition.rows.max(axis=0), transition.rows.shape)
    likely = transition.rows > 0
    odds = float(np.log(best[likely] / transition.rows[likely]).max())
    return min(MOST_COUPLING, max(ORDERED * log(1 + sqrt(transition.num_classes)), UNANIMOUS + odds))


def _denoise_image(
    label: LabelArray, transition: TransitionMatrix, inverse: FloatArray, half_width_px: int
) -> LabelArray:
    kappa = np.float32(find_coupling(transition))
    likelihood = np.log(np.maximum(transition.rows, LEAST_PROBABILITY)).astype(np.float32)

    def repair(band: LabelArray, _: int) -> LabelArray:
        return _repair_band(band, likelihood, inverse, kappa, half_width_px)

    return apply_in_bands(repair, label, half_width_px + NUM_SWEEPS)


def _repair_band(
    label: LabelArray, likelihood: FloatImage, inverse: FloatArray, kappa: np.float32, half_width_px: int
) -> LabelArray:
    known = label != IGNORE
    own_CHW = likelihood[:, np.where(known, label, 0)]
    num_known = np.maximum(_neighbour_sums(known.astype(np.float32)), 1)
    q_CHW = _first_guess(label, known, inverse, half_width_px)
    for _ in range(NUM_SWEEPS):
        q_CHW *= known
        q_CHW = _neighbour_sums(q_CHW)
        q_CHW *= kappa / num_known
        q_CHW += own_CHW
        q_CHW -= q_CHW.max(axis=0)
        np.exp(q_CHW, out=q_CHW)
        q_CHW /= q_CHW.sum(axis=0)
    return np.where(known, q_CHW.argmax(axis=0), label).astype(label.dtype)


def _first_guess(label: LabelArray, known: npt.NDArray[np.bool_], inverse: FloatArray, h: int) -> FloatImage:
    """Return the unbiased shares of the clean classes in each window, made probabilities, (C, H, W)."""
    box = WINDOWS["box"]
    shares = np.zeros((len(inverse), *label.shape), dtype=np.float32)
    for klass, row in enumerate(inverse.astype(np.float32)):
        counts = box.sums(box.prepare(label == klass), h).astype(np.float32)
        for clean, weight in enumerate(row):
            if weight:
                shares[clean] += weight * counts
    shares /= np.maximum(box.sums(box.prepare(known), h), 1)
    np.clip(shares, LEAST_SHARE, 1, out=shares)
    shares /= shares.sum(axis=0)
    return shares


def _neighbour_sums(values: FloatImage) -> FloatImage:
    """Return the sums over the eight neighbours in the last two axes; beyond the image lies nothing."""
    wide = values.copy()
    wide[..., 1:] += values[..., :-1]
    wide[..., :-1] += values[..., 1:]
    sums = wide - values
    sums[..., 1:, :] += wide[..., :-1, :]
    sums[..., :-1, :] += wide[..., 1:, :]
    return sums


def _crop(image: LabelArray) -> LabelArray:
    top, left = (max(0, (side - SCORED_SIDE_PX) // 2) for side in image.shape)
    return image[top : top + SCORED_SIDE_PX, left : left + SCORED_SIDE_PX]


def _estimate_tables(image: LabelArray, rows: FloatArray, inverse: FloatArray) -> FloatArray:
    """Return the estimated tables of clean and repaired label by half-width, over the scored pixels, (S, C, C)."""
    known = image != IGNORE
    C, tables = len(rows), np.zeros((len(HALF_WIDTHS_PX), len(rows), len(rows)))
    places = np.flatnonzero(known)
    places = places[:: max(1, -(-len(places) // NUM_SCORED))]
    if not len(places):
        return tables
    rows_P, columns_P = np.unravel_index(places, image.shape)
    own_P = image.reshape(-1)[places].astype(np.intp)
    integrals = [WINDOWS["box"].prepare(image == klass).reshape(-1) for klass in range(C)]
    for table, h in zip(tables, HALF_WIDTHS_PX, strict=True):
        corners = _window_corners(rows_P, columns_P, image.shape, h)
        counts_CP = np.stack([_window_counts(integral, corners) for integral in integrals]).astype(np.float64)
        counts_CP[own_P, np.arange(len(own_P))] -= 1
        others_CP: FloatArray = inverse.T @ counts_CP
        for vote in range(C):
            repaired_P = _argmax(others_CP + inverse[vote][:, None])
            pairs = np.bincount(own_P * C + repaired_P, minlength=C * C).reshape(C, C)
            table += rows[:, vote][:, None] * (inverse.T @ pairs)
    return np.asarray(tables * (known.sum() / len(places)))


def _argmax(values_CP: FloatArray) -> npt.NDArray[np.intp]:
    """Return the row of the largest value of each column, the first of equal ones; numpy is slow along this axis."""
    best_P = np.zeros(values_CP.shape[1], dtype=np.intp)
    largest_P = values_CP[0].copy()
    for row, values_P in enumerate(values_CP[1:], start=1):
        best_P[values_P > largest_P] = row
        np.maximum(largest_P, values_P, out=largest_P)
    return best_P


def _window_corners(
    rows_P: npt.NDArray[np.intp], columns_P: npt.NDArray[np.intp], shape: tuple[int, ...], h: int
) -> list[npt.NDArray[np.intp]]:
    """Return where an integral image of one row and column more is read, in the order +, -, -, +."""
    top, bottom = np.maximum(rows_P - h, 0), np.minimum(rows_P + h + 1, shape[0])
    left, right = np.maximum(columns_P - h, 0), np.minimum(columns_P + h + 1, shape[1])
    stride = shape[1] + 1
    return [bottom * stride + right, top * stride + right, bottom * stride + left, top * stride + left]


def _window_counts(integral: NumberArray, corners: Sequence[npt.NDArray[np.intp]]) -> NumberArray:
    far, above, before, near = (integral[places] for places in corners)
    counts: NumberArray = far - above - before + near
    return counts


def _summarise(table: FloatArray) -> tuple[float, float]:
    """Return mean Dice and accuracy of an estimated table, whose entries may be a little below 0."""
    if not table.any():
        return float("nan"), float("nan")
    clean, repaired = table.sum(axis=1), table.sum(axis=0)
    present = clean > max(1.0, 1e-4 * clean.sum())
    dice = 2 * np.diag(table)[present] / np.maximum(clean + repaired, 1)[present]
    return float(np.clip(dice, 0, 1).mean()), float(np.clip(np.trace(table) / table.sum(), 0, 1))
