"""From numbers of N images to an estimate with an interval, and from that to how sure one may be.

`N` images.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

from metastructure.audit.audit_result import Confidence
from metastructure.audit.label_band import FloatArray
from metastructure.structure.estimate import ONE_IMAGE, Estimate, bootstrap_images

CONFIDENCE = 0.95
NUM_RESAMPLES = 400

MAD_TO_SD = 1.4826
MAD_EFFICIENCY = 0.37
"""Of the median absolute deviation against the standard deviation, for normal values: N of them tell a scale as well as
0.37 N would."""


def pooled_ratio(
    above: npt.ArrayLike, below: npt.ArrayLike, rng: np.random.Generator, reason: str, factor: float = 1.0
) -> Estimate:
    """Return factor · Σ above / Σ below over N images, with a bootstrap interval; NaN with the reason if Σ below is 0.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> print(pooled_ratio([1, 0, 0, 1], [4, 4, 4, 4], generator(0), "nothing"))
    0.125 (0.000 to 0.250)
    """
    numbers = np.stack([np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)], axis=1)
    numbers = numbers[numbers[:, 1] > 0]
    if not len(numbers):
        return unknown(reason)

    def statistic(times: npt.NDArray[np.int64]) -> FloatArray:
        total, weight = times @ numbers
        return np.array([factor * total / weight])

    value = float(statistic(np.ones(len(numbers), dtype=np.int64))[0])
    low, high = bootstrap_images(statistic, len(numbers), rng, CONFIDENCE, NUM_RESAMPLES)[0]
    return Estimate(value=value, low=low, high=high, reason=ONE_IMAGE if len(numbers) < 2 else None)


def unknown(reason: str) -> Estimate:
    """Return an estimate that is undefined."""
    return Estimate(value=float("nan"), low=float("nan"), high=float("nan"), reason=reason)


def judge(evidence: Estimate, doubtful: float, clear: float) -> Confidence:
    """Return how sure one may be that there is more of something than `doubtful`.

    "clear" if the interval lies above `clear`, "weak" if the value lies above `doubtful` and the interval above 0; one
    image alone, which has no interval, says "weak" at most.

    Examples
    --------
    >>> [judge(Estimate(value=v, low=l, high=1), 0.1, 0.2) for v, l in ((0.5, 0.3), (0.5, 0.1), (0.05, 0.0))]
    ['clear', 'weak', 'none']
    """
    if np.isnan(evidence.value):
        return "not tested"
    if evidence.low > clear:
        return "clear"
    return "weak" if evidence.value > doubtful and not evidence.low <= 0 else "none"


def robust_z(values: FloatArray, least_scale: float = 0.0) -> FloatArray:
    """Return by how many robust standard deviations N values lie from their median; NaN stays, 0 if all are alike.

    No standard deviation below `least_scale` is believed.

    Examples
    --------
    >>> robust_z(np.array([1.0, 2.0, 3.0, 100.0])).round(2).tolist()
    [-1.01, -0.34, 0.34, 65.76]
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return values.copy()
    away = values - np.median(known)
    scale = max(least_scale, float(MAD_TO_SD * np.median(np.abs(away[~np.isnan(away)]))))
    if not scale:
        scale = float(np.sqrt(np.nanmean(away**2)))
    z: FloatArray = np.where(np.isnan(values), np.nan, away / scale if scale else 0.0)
    return z


def tail_of_z(z: FloatArray, two_sided: bool = True) -> FloatArray:
    """Return the chance of a value as far from the median, by Student's law with what N values tell of their scale."""
    freedom = max(1.0, MAD_EFFICIENCY * (int((~np.isnan(z)).sum()) - 1))
    chance: FloatArray = stats.t.sf(np.abs(z), freedom) * 2 if two_sided else stats.t.sf(z, freedom)
    return np.nan_to_num(chance, nan=1.0)


def tail_of_count(found: FloatArray, tried: FloatArray) -> FloatArray:
    """Return the chance of so many suspicious objects in each of N images, if those of all others were spread evenly.

    Poisson, with the rate of the other images and half an object more, so that the first one ever seen is no miracle.
    """
    found, tried = np.nan_to_num(found), np.nan_to_num(tried)
    others = np.maximum(tried.sum() - tried, 1.0)
    rate = (found.sum() - found + 0.5) / others
    chance: FloatArray = stats.poisson.sf(np.ceil(found) - 1, rate * np.maximum(tried, 1.0))
    return np.where(found > 0, chance, 1.0)


def most_telling(names: list[str], numbers: FloatArray, above: float = 0.0, most: int = 50) -> tuple[str, ...]:
    """Return the names whose number is above a bound, the highest first."""
    order = np.argsort(-np.nan_to_num(numbers, nan=-np.inf), kind="stable")
    return tuple(names[index] for index in order[:most] if numbers[index] > above)


def percent(share: float) -> str:
    """Return a share in words, with digits enough to see small ones.

    Examples
    --------
    >>> percent(0.25), percent(0.00123)
    ('25 %', '0.12 %')
    """
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"
