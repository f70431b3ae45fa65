"""How a score grows with the share that is labelled, and which share reaches a score.

`R` resamples, row 0 being the images and seeds as they are; `P` points, `G` places on a curve, `E` exponents. Shares
lie in (0, 1], scores are in points (0-100).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from metastructure.metrics.overlap import FloatArray

EXPONENTS = 2.0 ** (np.arange(-80, 17) / 16)
"""From 1/32 to 2, 4 % apart; Hestness et al. 2017 measured 0.07 to 0.35."""

HIGHEST_SCORE = 100.0
LEAST_RISE = 0.01
"""In points; less is no rise."""

OUTLIER_POINTS = 1.0
"""A point further from the curve than this counts by its distance, and no longer by its square."""

SWEEPS = 8
MIN_POINTS = 4
"""Fewer than these at different shares decide no curve of three parameters."""

TAIL = 0.025


class Curves(ABC):
    """R curves that never fall."""

    @abstractmethod
    def scores(self, shares_G: FloatArray) -> FloatArray:
        """Return the score of each curve at each share, (R, G)."""

    @abstractmethod
    def shares(self, scores_R: FloatArray) -> FloatArray:
        """Return the smallest share with which each curve reaches its score, (R,); infinite where it never does."""


@final
@dataclass(frozen=True, eq=False)
class PowerLaws(Curves):
    """Curves ``a - b n^-c`` of the share n; a, b, c are (R,), b is at least 0.

    Examples
    --------
    >>> law = PowerLaws(np.array([90.0]), np.array([10.0]), np.array([0.5]))
    >>> law.scores(np.array([0.25, 1.0])).tolist(), law.shares(np.array([70.0])).tolist()
    ([[70.0, 80.0]], [0.25])
    """

    a: FloatArray
    b: FloatArray
    c: FloatArray

    def are_at_bound(self) -> npt.NDArray[np.bool_]:
        """Return whether the bound of a parameter, and not the points, decided each curve, (R,)."""
        found: npt.NDArray[np.bool_] = (
            (self.c <= EXPONENTS[0]) | (self.c >= EXPONENTS[-1]) | (self.a >= HIGHEST_SCORE - LEAST_RISE)
        )
        return found

    def scores(self, shares_G: FloatArray) -> FloatArray:
        """Return the score of each curve at each share, (R, G)."""
        found: FloatArray = self.a[:, None] - self.b[:, None] * shares_G ** -self.c[:, None]
        return found

    def shares(self, scores_R: FloatArray) -> FloatArray:
        """Return the share with which each curve reaches its score, (R,)."""
        missing = self.a - scores_R
        ratio = np.divide(self.b, missing, out=np.full(len(self.b), np.inf), where=missing > 0)
        found: FloatArray = ratio ** (1 / self.c)
        return found


@final
@dataclass(frozen=True, eq=False)
class Lines(Curves):
    """Straight lines over the logarithm of the share, from point to point.

    Attributes
    ----------
    log_shares_RP, scores_RP : (R, P) arrays
        Neither falls along a row.
    """

    log_shares_RP: FloatArray
    scores_RP: FloatArray

    def scores(self, shares_G: FloatArray) -> FloatArray:
        """Return the score of each curve at each share, (R, G); beyond the points that of the nearest one."""
        rows = zip(self.log_shares_RP, self.scores_RP, strict=True)
        return np.stack([np.interp(np.log(shares_G), x, y) for x, y in rows])

    def shares(self, scores_R: FloatArray) -> FloatArray:
        """Return the smallest share with which each curve reaches its score, (R,); at least that of its first point."""
        reached_RP = self.scores_RP >= scores_R[:, None]
        after = reached_RP.argmax(axis=1)
        before = np.maximum(after - 1, 0)
        rows = np.arange(len(after))
        x0, x1 = self.log_shares_RP[rows, before], self.log_shares_RP[rows, after]
        y0, y1 = self.scores_RP[rows, before], self.scores_RP[rows, after]
        part = np.divide(scores_R - y0, y1 - y0, out=np.zeros(len(after)), where=y1 > y0)
        return np.where(reached_RP.any(axis=1), np.exp(x0 + np.clip(part, 0, 1) * (x1 - x0)), np.inf)


def fit_curves(shares_RP: FloatArray, scores_RP: FloatArray) -> tuple[Curves, str | None]:
    """Return one curve a row: power laws, or lines with the reason if the points do not determine the power.

    Parameters
    ----------
    shares_RP, scores_RP : (R, P) arrays
        In any order of the points. Row 0 is the estimate, the others its resamples.

    Returns
    -------
    curves : PowerLaws or Lines
    reason : str or None
        Why the curves are lines.

    Notes
    -----
    ``a - b n^-c`` is the form in which errors of deep networks were found to fall with the number n of training
    samples: first steeply, then towards a limit. The power is determined if it stays inside EXPONENTS, and the limit
    below 100, in 95 % of the resamples and whichever point is left out. If it is not, the scores are made monotone by
    least squares and joined.

    References
    ----------
    Hestness et al., "Deep learning scaling is predictable, empirically", arXiv 1712.00409, 2017, section 2.
    """
    num_shares = len(np.unique(shares_RP[0].round(12)))
    if num_shares < MIN_POINTS:
        return _fit_lines(shares_RP, scores_RP), f"{num_shares} different shares; a power law needs {MIN_POINTS}"
    laws = fit_power_laws(shares_RP, scores_RP)
    if np.ptp(laws.scores(shares_RP[0])[0]) < LEAST_RISE:
        return _fit_lines(shares_RP, scores_RP), "the score does not rise with the share"
    if laws.are_at_bound()[0] or laws.are_at_bound().mean() > 2 * TAIL:
        return _fit_lines(shares_RP, scores_RP), "the points do not determine the power of a power law"
    others = [np.delete(np.arange(shares_RP.shape[1]), place) for place in range(shares_RP.shape[1])]
    left_out = fit_power_laws(*(np.stack([values[0, kept] for kept in others]) for values in (shares_RP, scores_RP)))
    if left_out.are_at_bound().any():
        return _fit_lines(shares_RP, scores_RP), "one point alone decides the power of a power law"
    return laws, None


def fit_power_laws(shares_RP: FloatArray, scores_RP: FloatArray) -> PowerLaws:
    """Return the robust fit of ``a - b n^-c`` to each row, with b >= 0 and a <= 100.

    Notes
    -----
    For each exponent a and b are linear, and found by least squares, reweighted for Huber's loss. The exponent with
    the smallest loss is taken, of equals the smallest: no start is needed and there are no local minima.

    References
    ----------
    Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 1964.

    Examples
    --------
    >>> shares = np.array([[0.0625, 0.25, 1.0, 0.01]])
    >>> law = fit_power_laws(shares, 90 - 2 * shares**-0.5)
    >>> [round(float(value[0]), 6) for value in (law.a, law.b, law.c)]
    [90.0, 2.0, 0.5]
    """
    x_REP = shares_RP[:, None, :] ** -EXPONENTS[:, None]
    y_REP = np.broadcast_to(scores_RP[:, None, :], x_REP.shape)
    weights_REP = np.ones(x_REP.shape)
    for _ in range(SWEEPS):
        a_RE, b_RE = _fit_linear(x_REP, y_REP, weights_REP)
        away_REP = np.abs(y_REP - a_RE[..., None] + b_RE[..., None] * x_REP)
        weights_REP = OUTLIER_POINTS / np.maximum(away_REP, OUTLIER_POINTS)
    huber_REP = np.where(away_REP <= OUTLIER_POINTS, away_REP**2 / 2, OUTLIER_POINTS * (away_REP - OUTLIER_POINTS / 2))
    best_R = huber_REP.sum(axis=2).round(12).argmin(axis=1)
    rows = np.arange(len(best_R))
    return PowerLaws(a_RE[rows, best_R], b_RE[rows, best_R], EXPONENTS[best_R])


def monotone(scores_RP: FloatArray) -> FloatArray:
    """Return the rows nearest in squares to the given ones that never fall.

    References
    ----------
    Robertson, Wright, Dykstra, "Order restricted statistical inference", 1988, section 1.4 (max-min formula).

    Examples
    --------
    >>> monotone(np.array([[1.0, 4.0, 2.0, 3.0, 7.0]])).tolist()
    [[1.0, 3.0, 3.0, 3.0, 7.0]]
    """
    P = scores_RP.shape[1]
    sums = np.concatenate([np.zeros((len(scores_RP), 1)), scores_RP.cumsum(axis=1)], axis=1)
    first, last = np.ogrid[:P, :P]
    means_RPP = (sums[:, None, 1:] - sums[:, :-1, None]) / np.maximum(last - first + 1, 1)
    means_RPP = np.where(first <= last, means_RPP, np.inf)
    least_RPP = np.minimum.accumulate(means_RPP[..., ::-1], axis=2)[..., ::-1]
    found: FloatArray = np.where(first <= last, least_RPP, -np.inf).max(axis=1)
    return found


def _fit_lines(shares_RP: FloatArray, scores_RP: FloatArray) -> Lines:
    order = np.argsort(shares_RP[0], kind="stable")
    return Lines(np.log(shares_RP[:, order]), monotone(scores_RP[:, order]))


def _fit_linear(x: FloatArray, y: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a and b of ``y = a - b x`` along the last axis, with b >= 0 and a <= HIGHEST_SCORE."""
    total = weights.sum(axis=-1)
    mean_x, mean_y = (weights * x).sum(axis=-1) / total, (weights * y).sum(axis=-1) / total
    off = x - mean_x[..., None]
    spread = (weights * off**2).sum(axis=-1)
    falling = -(weights * off * y).sum(axis=-1)
    b = np.maximum(np.divide(falling, spread, out=np.zeros_like(spread), where=spread > 0), 0)
    a = mean_y + b * mean_x
    b_under_roof = np.maximum((weights * x * (HIGHEST_SCORE - y)).sum(axis=-1) / (weights * x**2).sum(axis=-1), 0)
    return np.minimum(a, HIGHEST_SCORE), np.where(a > HIGHEST_SCORE, b_under_roof, b)
