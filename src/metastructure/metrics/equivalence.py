"""Is a paired difference above a bound, or within a margin of zero? Tests over seeds and images, and Holm's correction.

`S` seeds, `N` images, all pairs of them: both vary, and a claim is about neither these seeds nor these images alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import t as student_t

from metastructure.metrics.interval import Interval

FloatArray = npt.NDArray[np.float64]

SMALLEST_P = 1e-12
"""No p-value is given below it, also where nothing varies."""

ROUNDING = 1e-9
"""p-values this close to 0.5 are 0.5."""


@dataclass(frozen=True)
class Difference:
    """A mean difference, and how far from the truth seeds and images may have taken it.

    Attributes
    ----------
    value : float
    seed_variance : float
        Variance of `value` from the seeds and from what is particular to one seed on one image; 0 for one seed.
    image_variance : float
        Variance from the images.
    num_seeds, num_images : int
        With one seed nothing is said of other seeds, with one image nothing of other images.
    """

    value: float
    seed_variance: float
    image_variance: float
    num_seeds: int
    num_images: int

    def half_width(self, level: float) -> float:
        """Return how far the truth may lie on one side but for a chance of `level`, in (0, 0.5].

        NaN for one seed and one image.

        Notes
        -----
        ``sqrt(t_S² V_S + t_N² V_N)`` with the quantiles of Student's t for S - 1 and N - 1 degrees of freedom. For two
        independent variances this covers at every level, whatever their ratio (Banerjee 1960).
        """
        if self.num_seeds < 2 and self.num_images < 2:
            return float("nan")
        parts = ((self.seed_variance, self.num_seeds), (self.image_variance, self.num_images))
        squares = [float(student_t.isf(level, count - 1)) ** 2 * variance for variance, count in parts if count > 1]
        return float(np.sqrt(sum(squares)))

    def interval(self, confidence: float = 0.9) -> Interval:
        """Return the two-sided interval; each end alone is a bound with confidence ``(1 + confidence) / 2``."""
        width = self.half_width((1 - confidence) / 2)
        return Interval(self.value, self.value - width, self.value + width)

    def p_above(self, bound: float = 0.0) -> float:
        """Return the one-sided p-value of "the difference is above `bound`"; NaN where nothing can be tested."""
        return self._tail(self.value - bound)

    def p_below(self, bound: float = 0.0) -> float:
        """Return the one-sided p-value of "the difference is below `bound`"."""
        return self._tail(bound - self.value)

    def p_within(self, margin: float) -> float:
        """Return the p-value of "the difference is above -margin and below margin": the larger of two one-sided tests.

        References
        ----------
        Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing the
        equivalence of average bioavailability", Journal of Pharmacokinetics and Biopharmaceutics 1987.
        """
        return max(self.p_above(-margin), self.p_below(margin))

    def p_beyond(self, margin: float) -> float:
        """Return the p-value of "the difference is below -margin or above margin".

        The chance of a value this far from zero on either side if the truth is at the margin.
        """
        size = abs(self.value)
        return float(np.minimum(1.0, self._tail(size - margin) + self._tail(size + margin)))

    def _tail(self, excess: float) -> float:
        """Return the level at which the half-width is `excess`; for one below zero, what is missing to 1."""
        width = self.half_width(SMALLEST_P)
        if np.isnan(width) or np.isnan(excess):
            return float("nan")
        if abs(excess) <= self.half_width(0.5 - ROUNDING):
            return 0.5
        if abs(excess) >= width:
            level = SMALLEST_P
        else:
            ends = np.log(SMALLEST_P), np.log(0.5)
            level = float(np.exp(brentq(lambda power: self.half_width(np.exp(power)) - abs(excess), *ends)))
        return level if excess > 0 else 1 - level


def estimate_difference(values_SN: FloatArray, value: float | None = None) -> Difference:
    """Return the mean of paired differences with its variance over seeds and images.

    Parameters
    ----------
    values_SN : (S, N) array
        Score of one side minus score of the other; for a score that is no mean over images, the difference of their
        `pseudo_values`. A NaN makes the variances NaN: nothing can then be tested.
    value : float, optional
        The difference itself where it is not the mean of `values_SN`.

    Raises
    ------
    ValueError
        If the array is not two-dimensional or empty.

    Notes
    -----
    Crossed random effects: ``d_sn = mu + a_s + b_n + e_sn``. With the mean squares of the two-way layout,
    ``E MS_seeds = N var(a) + var(e)``, ``E MS_images = S var(b) + var(e)`` and ``E MS_rest = var(e)``, so that
    ``V_S = MS_seeds / SN`` and ``V_N = max(0, MS_images - MS_rest) / SN`` add up to the variance of the mean. What is
    left in e is counted with the seeds, which have the fewest degrees of freedom. With one seed
    ``V_N = MS_images / N``, and e is counted with the images.

    References
    ----------
    Banerjee, "Approximate confidence interval for linear functions of means of k populations when the population
    variances are not equal", Sankhya 1960; Clark, "The language-as-fixed-effect fallacy", Journal of Verbal Learning
    and Verbal Behavior 1973, for the mean squares.

    Examples
    --------
    >>> found = estimate_difference(np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 8.0]]))
    >>> found.value, found.seed_variance, round(found.image_variance, 4)  # MS 6, 14 and 0, over SN = 6
    (4.0, 1.0, 2.3333)
    """
    values_SN = np.asarray(values_SN, dtype=np.float64)
    if values_SN.ndim != 2 or not values_SN.size:
        raise ValueError(f"Differences must be (seeds, images), at least one of each; got shape {values_SN.shape}.")
    S, N = values_SN.shape
    mean = values_SN.mean()
    seeds_S, images_N = values_SN.mean(axis=1) - mean, values_SN.mean(axis=0) - mean
    rest_SN = values_SN - mean - seeds_S[:, None] - images_N
    by_seeds = N * np.square(seeds_S).sum() / max(S - 1, 1)
    by_images = S * np.square(images_N).sum() / max(N - 1, 1)
    by_rest = np.square(rest_SN).sum() / max((S - 1) * (N - 1), 1)
    return Difference(
        value=float(mean if value is None else value),
        seed_variance=float(by_seeds) / (S * N),
        image_variance=float(np.maximum(by_images - by_rest, 0.0)) / (S * N),
        num_seeds=S,
        num_images=N,
    )


def pseudo_values(whole: FloatArray, left_out: FloatArray) -> FloatArray:
    """Return the jackknife's stand-in for "the score of one image" where a score is no mean over images, (..., N).

    Parameters
    ----------
    whole : (...,) array
        The score on all N images, for each seed say.
    left_out : (..., N) array
        The score on all images but one.

    Notes
    -----
    ``N whole - (N - 1) left_out``; for a mean over images this is each image's own score. For one image, which cannot
    be left out, it is the whole.

    References
    ----------
    Tukey, "Bias and confidence in not-quite large samples" (abstract), Annals of Mathematical Statistics 1958; Efron,
    Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11.

    Examples
    --------
    >>> pseudo_values(np.array([2.0]), np.array([[2.5, 1.5]])).tolist()  # of the mean of 1.5 and 2.5
    [[1.5, 2.5]]
    """
    N = left_out.shape[-1]
    return np.asarray(N * whole[..., None] - (N - 1) * left_out if N > 1 else whole[..., None])


def adjust_holm(p_values: FloatArray) -> FloatArray:
    """Return p-values that hold for all tests together; NaN, a test not made, counts as 1 and stays NaN.

    Parameters
    ----------
    p_values : (M,) array

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979.

    Examples
    --------
    >>> adjust_holm(np.array([0.01, 0.04, 0.03, float("nan")])).tolist()  # times 4, 2 and 3, then never falling
    [0.04, 0.09, 0.09, nan]
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty_like(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted
