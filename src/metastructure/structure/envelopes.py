"""Is a curve such as L(r) - r compatible with a null model? Envelopes and p-values from simulated curves.

`R` radii, `n` simulated curves (see `nulls`). Every test here is exact by exchangeability: under the null the
observed curve is one of n + 1 that could come in any order, so a p-value is a rank over n + 1, never below 1 / (n + 1).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metastructure.structure.windows import FloatArray

_ROUNDING = 1e-12
"""Curves that tie on the lattice differ by the rounding of sums of a few hundred terms."""


@dataclass(frozen=True, eq=False)
class Envelope:
    """A band around what the null model gives, and the p-value of leaving it.

    Attributes
    ----------
    observed, low, high : (R,) arrays
        NaN at radii at which a curve is undefined; the test leaves those out.
    p_value : float
        Of the whole curve; NaN for a pointwise envelope, which has none, and where no radius is defined.
    level : float
        Probability under the null that the curve leaves the band: anywhere if the envelope is global, at one given
        radius if it is pointwise.
    """

    observed: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: float
    level: float

    @property
    def outside(self) -> npt.NDArray[np.bool_]:
        """True at the radii where the observed curve lies outside the band; (R,)."""
        return (self.observed < self.low) | (self.observed > self.high)


def pointwise_envelope(observed: npt.ArrayLike, simulated: npt.ArrayLike, num_outside: int = 1) -> Envelope:
    """Return the band between the k-th lowest and the k-th highest simulated value at each radius.

    Parameters
    ----------
    observed : (R,) array-like
    simulated : (n, R) array-like
        From `simulate_curves`.
    num_outside : int
        k, at least 1 and at most n / 2.

    Returns
    -------
    Envelope
        Its level, ``2 k / (n + 1)``, holds at one radius chosen beforehand. A curve leaves the band somewhere far more
        often than that: for the curve as a whole take `extreme_rank_envelope` or `deviation_envelope`.

    Raises
    ------
    ValueError
        If `num_outside` leaves no band, or the curves have not the same radii.

    Examples
    --------
    >>> band = pointwise_envelope([5.0, 2.0], [[1, 1], [2, 2], [3, 3]])
    >>> band.low, band.high, band.level, band.outside
    (array([1., 1.]), array([3., 3.]), 0.5, array([ True, False]))
    """
    curves, defined = _stack(observed, simulated)
    num = len(curves) - 1
    if not 1 <= num_outside <= num / 2:
        raise ValueError(f"num_outside must lie in 1..{num // 2} for {num} simulations; got {num_outside}.")
    ordered = np.sort(curves[1:], axis=0)
    low, high = ordered[num_outside - 1], ordered[num - num_outside]
    return _envelope(curves[0], low, high, defined, float("nan"), 2 * num_outside / (num + 1))


def extreme_rank_envelope(observed: npt.ArrayLike, simulated: npt.ArrayLike, level: float = 0.05) -> Envelope:
    """Return the global envelope and p-value of the extreme rank length test.

    Parameters
    ----------
    observed : (R,) array-like
    simulated : (n, R) array-like
        From `simulate_curves`.
    level : float in (0, 1)
        At least 1 / (n + 1), or the test can never reject.

    Returns
    -------
    Envelope
        Without ties the observed curve leaves the band if and only if ``p_value <= level``.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the level is not as above.

    Notes
    -----
    At each radius a curve has a two-sided rank, its place from the nearer end of the n + 1 values (ties share the
    mean). Curves are ordered by their R ranks sorted upwards, compared like words: the more extreme, and the more
    often so, the earlier. The p-value is the share of curves that come no later than the observed one. Free of scale:
    radii at which the statistic varies more weigh no more.

    References
    ----------
    Myllymäki, Mrkvička, Grabarnik, Seijo, Hahn, "Global envelope tests for spatial processes", J. R. Statist. Soc. B
    79, 2017 (extreme rank length); Mrkvička, Myllymäki, Jílek, Hahn, "A one-way ANOVA test for functional
    data with graphical interpretation", Kybernetika 2020 (the envelope).

    Examples
    --------
    >>> band = extreme_rank_envelope([9.0, 9.0], [[1, 4], [2, 3], [3, 2], [4, 1]], level=0.2)
    >>> band.p_value, band.high
    (0.2, array([4., 4.]))
    """
    curves, defined = _stack(observed, simulated)
    _check_level(level, len(curves))
    if not defined.any():
        return _undefined(curves[0], level)
    ranks = np.sort(_two_sided_ranks(curves[:, defined]), axis=1)
    _, group = np.unique(ranks, axis=0, return_inverse=True)  # unique rows come in the order of words
    place = group.reshape(-1)
    measure = np.cumsum(np.bincount(place))[place] / len(curves)
    kept = curves[measure > level]
    return _envelope(curves[0], kept.min(axis=0), kept.max(axis=0), defined, float(measure[0]), level)


def deviation_envelope(observed: npt.ArrayLike, simulated: npt.ArrayLike, level: float = 0.05) -> Envelope:
    """Return the global envelope and p-value of the largest absolute deviation from the mean, in standard deviations.

    Parameters
    ----------
    observed, simulated, level
        As for `extreme_rank_envelope`.

    Returns
    -------
    Envelope
        Mean ± c sd at each radius. Without ties the observed curve leaves the band if and only if ``p_value <= level``.

    Notes
    -----
    Mean and standard deviation are those of all n + 1 curves, the observed one among them: so they treat all
    alike and the test is exact. It ties less than ranks do when radii and simulations are few; ranks are better where
    the distribution at a radius is skewed.

    References
    ----------
    Diggle, "Statistical Analysis of Spatial and Spatio-Temporal Point Patterns", 3rd ed. 2013 (maximum
    absolute deviation). Myllymäki, Grabarnik, Seijo, Stoyan, "Deviation test construction and power comparison for
    marked spatial point patterns", Spatial Statistics 2015 (studentised).

    Examples
    --------
    >>> band = deviation_envelope([9.0, 9.0], [[1, 4], [2, 3], [3, 2], [4, 1]], level=0.2)
    >>> band.p_value, band.outside
    (0.2, array([ True,  True]))
    """
    curves, defined = _stack(observed, simulated)
    _check_level(level, len(curves))
    if not defined.any():
        return _undefined(curves[0], level)
    mean: FloatArray = curves.mean(axis=0)
    sd: FloatArray = curves.std(axis=0)
    used: npt.NDArray[np.bool_] = np.asarray(defined & (sd > 0))
    scaled = np.divide(np.abs(curves - mean), sd, out=np.zeros_like(curves), where=used)
    largest = scaled.max(axis=1)
    measure = (largest[:, None] <= largest * (1 + _ROUNDING)).mean(axis=1)
    reach = largest[measure > level].max()
    return _envelope(curves[0], mean - reach * sd, mean + reach * sd, defined, float(measure[0]), level)


def _two_sided_ranks(curves: FloatArray) -> FloatArray:
    """Return the rank of each value in its column from the nearer end, 1 the most extreme; ties share the mean."""
    ordered = np.sort(curves, axis=0)
    ranks = np.empty_like(curves)
    for column in range(curves.shape[1]):
        values = curves[:, column]
        below = np.searchsorted(ordered[:, column], values, side="left")
        not_above = np.searchsorted(ordered[:, column], values, side="right")
        ranks[:, column] = (below + not_above + 1) / 2
    return np.minimum(ranks, len(curves) + 1 - ranks)


def _stack(observed: npt.ArrayLike, simulated: npt.ArrayLike) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return all curves, (n + 1, R), the observed one first, and at which radii all of them are defined."""
    first, others = np.asarray(observed, dtype=np.float64), np.asarray(simulated, dtype=np.float64)
    if first.ndim != 1 or others.ndim != 2 or others.shape[1] != len(first) or not len(others):
        raise ValueError(
            f"observed must be (R,) and simulated (n, R) with n at least 1; got {first.shape} and {others.shape}."
        )
    curves = np.vstack([first, others])
    return curves, np.asarray(np.isfinite(curves).all(axis=0), dtype=np.bool_)


def _check_level(level: float, num_curves: int) -> None:
    if not 1 / num_curves <= level < 1:
        raise ValueError(
            f"level must lie in [1 / (n + 1), 1), here from {1 / num_curves:.3g} on; got {level}. Simulate more curves."
        )


def _undefined(observed: FloatArray, level: float) -> Envelope:
    nothing = np.full(len(observed), np.nan)
    return Envelope(observed, nothing, nothing, float("nan"), level)


def _envelope(
    observed: FloatArray,
    low: FloatArray,
    high: FloatArray,
    defined: npt.NDArray[np.bool_],
    p_value: float,
    level: float,
) -> Envelope:
    return Envelope(observed, np.where(defined, low, np.nan), np.where(defined, high, np.nan), p_value, level)
