"""A check of Lemma 1 on labels: the density of the noisy label is Qᵀ times that of the clean one, and a known error.

`C` classes, `S` half-widths, f and g the densities of clean and noisy label, Q the transition matrix that the noise was
drawn with. Derived in docs/meta-structure.md.

References
----------
Luo, Liu, Guo, Yang, "Deep Neural Networks Learn Meta-Structures from Noisy Labels in Semantic Segmentation", AAAI 2022,
lemma 1.
"""

from collections.abc import Iterable, Sequence
from math import sqrt

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from metastructure.contingency import contingency_table
from metastructure.label import IGNORE, LabelArray
from metastructure.structure.density import check_half_widths, densities
from metastructure.structure.noise_spread import correlated_sums, pixel_shares
from metastructure.structure.pairs import Pair, check_pair
from metastructure.structure.windows import FloatArray, Window, WindowName, find_window
from metastructure.transition import TransitionMatrix

REFUTING_ERRORS = 4.0
"""Standard errors; by chance once in 16 000 for a normal error. Sums over few noisy pixels have longer tails."""

_NO_ERROR = 1e-12
_ROUNDING = 1e-9


class Lemma1Scale(BaseModel):
    """Lemma 1 at one half-width.

    Attributes
    ----------
    half_width_px : int
    measured, predicted : float
        Mean over pixels of |g - Qᵀf|², and what the variance of the draws says it is.
    ratio, ratio_error : float
        measured / predicted, 1 if the lemma holds, and the standard error of that 1: 0 where nothing is left to chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    half_width_px: int
    measured: float
    predicted: float
    ratio: float
    ratio_error: float

    @property
    def standard_errors(self) -> float:
        """Distance of the ratio from 1 in its standard errors."""
        distance = abs(self.ratio - 1)
        if distance < _ROUNDING:
            return 0.0
        return distance / self.ratio_error if self.ratio_error > 0 else float("inf")


class Lemma1(BaseModel):
    """Lemma 1: the noisy density is Qᵀ times the clean one, and an error that shrinks like 1 / (2h + 1).

    Attributes
    ----------
    scales : tuple of Lemma1Scale
    bias_error : float
        Largest difference between how many pixels of a clean class became a noisy one and what Q expects, in its
        standard errors; infinite where Q forbids what happened.
    slope, predicted_slope : float
        Of the logarithm of the root mean square error on that of 2h + 1: about -1; NaN for one half-width.
    refuted : bool
        A ratio or a count is more than four standard errors off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    scales: tuple[Lemma1Scale, ...]
    bias_error: float
    slope: float
    predicted_slope: float
    refuted: bool


def check_lemma_1(
    pairs: Iterable[Pair],
    transition: TransitionMatrix,
    half_widths_px: Sequence[int] = (1, 2, 4, 8, 16),
    window: WindowName = "box",
) -> Lemma1:
    """Return how far noisy densities are from Qᵀ times the clean ones, beside how far the draws should take them.

    Parameters
    ----------
    pairs : iterable of (clean, noisy)
        Each pixel of `noisy` drawn on its own from its row of `transition`. A pixel that either label ignores is left
        out of both.
    transition : TransitionMatrix
        Q as the noise was drawn, not as estimated from these labels.
    half_widths_px, window
        As for `densities`.

    Raises
    ------
    TypeError, ValueError
        As `metastructure.structure.similarity.similarity`.

    Notes
    -----
    Let η(k) = u*(k) - Qᵀ u(k) be the error of a drawn pixel, V(k) its covariance, and K(k, l) the sum of
    w(k - x) w(l - x) / W(x)² over the known pixels x. The squared errors sum to Σ_kl K(k, l) η(k)·η(l). So the mean of
    the sum is Σ_k s(k) tr V(k) with s(k) = K(k, k), and its variance

        2 Σ_kl K(k, l)² tr V(k) V(l) + Σ_k s(k)² (var |η(k)|² - 2 tr V(k)²).

    Exact but for K(k, l)² ≈ ρ(k - l)² s(k) s(l), ρ the autocorrelation of the window, which holds where windows of
    neighbouring pixels are cut alike. The second term is the fourth cumulant: large where a class is drawn rarely, and
    all of it where noise is rare. Exact counts without replacement, as some noises offer, vary a little less.
    """
    C, kind = transition.num_classes, find_window(window)
    sums = np.zeros((len(half_widths_px), 3))
    table = np.zeros((C, C), dtype=np.int64)
    for index, (clean, noisy) in enumerate(pairs):
        check_pair(clean, noisy, C, index)
        widths = check_half_widths(half_widths_px, clean.shape)
        known = (clean != IGNORE) & (noisy != IGNORE)
        clean, noisy = np.where(known, clean, IGNORE), np.where(known, noisy, IGNORE)
        f_SCHW, g_SCHW = (densities(label, widths, window, C)[..., known] for label in (clean, noisy))
        table += contingency_table(clean, noisy, C)
        errors = g_SCHW - np.einsum("jm,sjp->smp", transition.rows, f_SCHW)
        for scale, h in enumerate(widths):
            sums[scale] += (errors[scale] ** 2).sum(), *_mean_and_variance(clean, transition.rows, kind, h)
    if not table.any():
        raise ValueError("There is no pixel that is known in both labels of a pair.")
    scales = tuple(_lemma_1_scale(int(h), sums[scale], int(table.sum())) for scale, h in enumerate(half_widths_px))
    bias_error = _bias_error(table, transition.rows)
    off = [scale.standard_errors for scale in scales]
    slopes = (_slope(half_widths_px, [getattr(s, name) for s in scales]) for name in ("measured", "predicted"))
    return Lemma1(
        scales=scales,
        bias_error=bias_error,
        slope=next(slopes),
        predicted_slope=next(slopes),
        refuted=max(bias_error, *off) > REFUTING_ERRORS,
    )


def _mean_and_variance(clean: LabelArray, rows: FloatArray, kind: Window, h: int) -> tuple[float, float]:
    """Return mean and variance of the sum over the known pixels of the squared error."""
    drawn = np.flatnonzero(((rows > 0) & (rows < 1)).any(axis=1) & np.isin(np.arange(len(rows)), clean))
    if not len(drawn):
        return 0.0, 0.0
    s_JHW = np.where(clean == drawn[:, None, None], pixel_shares(clean != IGNORE, kind, h), 0.0)
    Q = rows[drawn]
    V = np.einsum("jm,mn->jmn", Q, np.eye(len(rows))) - np.einsum("jm,jn->jmn", Q, Q)
    products = np.einsum("jmn,imn->ji", V, V)
    squares = (Q**2).sum(axis=1)
    cumulants = 4 * ((Q**3).sum(axis=1) - squares**2) - 2 * np.diagonal(products)
    variance = 2 * (products * correlated_sums(s_JHW, kind.autocorrelation(h) ** 2)).sum()
    variance += cumulants @ (s_JHW**2).sum(axis=(1, 2))
    return float((1 - squares) @ s_JHW.sum(axis=(1, 2))), float(variance)


def _lemma_1_scale(h: int, sums: FloatArray, num_pixels: int) -> Lemma1Scale:
    measured, predicted, variance = sums.tolist()
    exact = 1.0 if measured < _NO_ERROR * num_pixels else float("inf")
    return Lemma1Scale(
        half_width_px=h,
        measured=measured / num_pixels,
        predicted=predicted / num_pixels,
        ratio=measured / predicted if predicted > 0 else exact,
        ratio_error=sqrt(max(variance, 0.0)) / predicted if predicted > 0 else 0.0,
    )


def _bias_error(table: npt.NDArray[np.int64], rows: FloatArray) -> float:
    """Return the largest standardised difference between the counts and their binomial means."""
    seen = table.sum(axis=1) > 0
    num, probability = table[seen].sum(axis=1, keepdims=True), rows[seen]
    difference = np.abs(table[seen] - num * probability)
    error = np.sqrt(num * probability * (1 - probability))
    impossible = np.where(difference > 0, np.inf, 0.0)
    return float(np.divide(difference, error, out=impossible, where=error > 0).max())


def _slope(half_widths_px: Sequence[int], squares: Sequence[float]) -> float:
    if len(set(half_widths_px)) < 2 or min(squares) <= 0:
        return float("nan")
    return float(np.polyfit(np.log(2 * np.asarray(half_widths_px) + 1), np.log(squares) / 2, 1)[0])
