"""The linear algebra of the similarity: squared canonical correlations, corrected for the sampling error.

`C` classes, r independent dimensions of the clean densities, k of the noisy ones.
"""

from math import log, sqrt
from typing import NamedTuple

import numpy as np

from metastructure.structure.moments import Moments
from metastructure.structure.windows import FloatArray

RANK_TOLERANCE = 1e-9
"""Of the largest eigenvalue of a correlation matrix of densities; the classes sum to 1 to about 1e-16."""

EDGE_PROBABILITY = 0.01
"""Chance that pure noise reaches `noise_edge`."""

ONE_CLASS = "the clean labels hold one class only at this scale: their density does not vary"
NO_PIXELS = "no pixel has a known pixel of both labels in its window"
NO_NEIGHBOURS = "the noisy labels have no two known pixels side by side: their sampling error is not known"


class Agreement(NamedTuple):
    """Mean squared canonical correlations, before clipping, and why one is NaN."""

    corrected: float
    uncorrected: float
    num_dimensions: int
    reason: str | None


def measure_agreement(moments: Moments) -> Agreement:
    """Return how much of the clean meta-structure a linear map of the noisy one gives back.

    Parameters
    ----------
    moments : Moments
        Of one image or of many (`pool`).

    Returns
    -------
    Agreement
        Not clipped. NaN with a reason without pixels, for clean labels of one class, and, the corrected value alone,
        where the sampling error is not known. Noisy labels whose density is the same everywhere agree in 0.

    Notes
    -----
    With A, B, D the covariances of f, of (f, g) and of g, and N the sampling covariance of g,

        uncorrected = tr(A⁺ B D⁺ Bᵀ) / r,    corrected = tr(A⁺ B (D - N)⁺ Bᵀ) / r.

    Both are invariant to invertible linear maps of f and of g (under g → M g, N becomes M N Mᵀ). Near a singular Q the
    difference D - N is smaller than its error; its eigenvalues relative to N are therefore kept at or above the
    `noise_edge` of noise alike everywhere, and what cannot be told from such noise scores near 0. Noise that lives in
    few pixels goes farther, and a class lost in it alone can score more.
    """
    C = len(moments.pixel_noise)
    if not moments.num_pixels:
        return Agreement(float("nan"), float("nan"), 0, NO_PIXELS)
    covariance = moments.covariance()
    whiten_f, whiten_g = _whitener(covariance[:C, :C]), _whitener(covariance[C:, C:])
    r, k = whiten_f.shape[1], whiten_g.shape[1]
    if r == 0:
        return Agreement(float("nan"), float("nan"), 0, ONE_CLASS)
    if k == 0:
        return Agreement(0.0, 0.0, r, None)
    loadings = whiten_f.T @ covariance[:C, C:] @ whiten_g
    uncorrected = float((loadings**2).sum() / r)
    if not moments.noise_weight:
        return Agreement(float("nan"), uncorrected, r, NO_NEIGHBOURS)
    noise_share, directions = np.linalg.eigh(whiten_g.T @ moments.sampling_covariance() @ whiten_g)
    kept = np.maximum(1 - noise_share, noise_edge(k, moments.num_independent()) * noise_share)
    return Agreement(float(((loadings @ directions) ** 2 / kept).sum() / r), uncorrected, r, None)


def mean_distance(moments: Moments) -> float:
    """Return the mean total variation between f and g; NaN without pixels."""
    return moments.distance / moments.num_pixels if moments.num_pixels else float("nan")


def signal_to_noise(moments: Moments) -> FloatArray:
    """Return the variances of g beyond its sampling error, as multiples of it, in its k directions, largest first.

    As `variance_ratios` for the pixels of one image or of many; all NaN where the sampling error is not known.
    """
    C = len(moments.pixel_noise)
    if not moments.num_pixels:
        return np.zeros(0)
    return variance_ratios(moments.covariance()[C:, C:], moments.sampling_covariance())


def variance_ratios(total: FloatArray, noise: FloatArray) -> FloatArray:
    """Return the eigenvalues of N⁻¹ (D - N) for the covariance D and its part N, largest first.

    Parameters
    ----------
    total, noise : (C, C) arrays
        D and N; directions in which D does not vary are left out.

    Returns
    -------
    (k,) array
        Infinite where there is no noise, all NaN if `noise` holds a NaN.

    Examples
    --------
    >>> variance_ratios(np.diag([3.0, 8.0]), np.diag([2.0, 2.0])).round(12).tolist()
    [3.0, 0.5]
    """
    return variance_directions(total, noise)[0]


def variance_directions(total: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return `variance_ratios`, (k,), and the directions that have them, (C, k)."""
    whiten = _whitener(total)
    if np.isnan(noise).any():
        return np.full(whiten.shape[1], np.nan), whiten
    share, vectors = np.linalg.eigh(whiten.T @ noise @ whiten)  # the smallest share is the largest ratio
    ratio = np.divide(1 - share, share, out=np.full_like(share, np.inf), where=share > RANK_TOLERANCE)
    return np.asarray(ratio), np.asarray(whiten @ vectors)


def noise_edge(num_dimensions: int, num_independent: float, probability: float = EDGE_PROBABILITY) -> float:
    """Return what the largest of `signal_to_noise` reaches by chance with at most the given probability.

    Notes
    -----
    (1 + sqrt(k / n) + sqrt(2 ln(1 / p) / n))² - 1 for n independent Gaussian vectors of k dimensions, alike in law.
    How many noise is worth that differs from pixel to pixel: `metastructure.structure.noise_spread.find_edges`.

    References
    ----------
    Davidson, Szarek, "Local operator theory, random matrices and Banach spaces", 2001, theorem II.13.

    Examples
    --------
    >>> round(noise_edge(1, 10_000.0), 4)
    0.0823
    """
    check_probability(probability)
    if not num_independent > 0:
        return float("inf")
    root = (sqrt(num_dimensions) + sqrt(2 * log(1 / probability))) / sqrt(num_independent)
    return (1 + root) ** 2 - 1


def check_probability(probability: float) -> None:
    """Raise unless `probability` lies between 0 and 1, both excluded."""
    if not 0 < probability < 1:
        raise ValueError(f"probability must lie between 0 and 1; got {probability}.")


def _whitener(covariance: FloatArray) -> FloatArray:
    """Return (C, r) columns w with wᵀ covariance w = I over the directions that vary."""
    scale = np.sqrt(np.clip(np.diagonal(covariance), 0, None))
    varies = scale**2 > np.finfo(np.float64).eps
    if not varies.any():
        return np.zeros((len(scale), 0))
    inverse = np.where(varies, 1 / np.where(varies, scale, 1), 0)
    values, vectors = np.linalg.eigh(covariance * np.outer(inverse, inverse))
    kept = values > RANK_TOLERANCE * values[-1]
    return np.asarray(inverse[:, None] * vectors[:, kept] / np.sqrt(values[kept]))
