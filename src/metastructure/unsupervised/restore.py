"""Take blur and noise off an image by what its own spectrum tells of them: a Wiener filter without settings.

`H` rows, `W` columns, `f` spatial frequency in cycles per pixel. Regions with sharp edges have a power spectrum that
falls as f^-3; a Gaussian blur of σ px multiplies it with exp(-(2 π σ f)²), white noise of variance N adds N at every
frequency. So an image shows a curve of three unknowns, and once they are known the filter of least mean square error
follows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft

from metastructure.unsupervised.base import Grey

FloatArray = npt.NDArray[np.float64]

EDGE_EXPONENT = 3.0
LOWEST_FREQUENCY = 0.05
"""Below it lie uneven light, haze and the distances between objects, which have no law."""

SMALLEST_PX = 16
"""A shorter side holds too few frequencies to fit a curve to."""

NUM_RINGS = 48
_BLURS_PX = np.arange(0, 4.001, 0.05)
_NOISE_SHARES = np.geomspace(1e-8, 1e6, 145)
"""Noise as a part of the edges' power at f = 1 without blur."""


class Spectrum(NamedTuple):
    """Edges, blur and noise of an image.

    Attributes
    ----------
    edges : float
        Power of the edges at one cycle per pixel, had they not been blurred; in squared units of the image.
    blur_px : float
        σ of the Gaussian.
    noise : float
        Variance of the white noise in a pixel.
    """

    edges: float
    blur_px: float
    noise: float


def fit_spectrum(grey: Grey) -> Spectrum:
    """Return the edges, blur and noise whose expected power is likeliest to have given an image.

    Parameters
    ----------
    grey : (H, W) array of more than one finite value
        The shorter side at least SMALLEST_PX.

    Raises
    ------
    ValueError
        If it is anything else.

    Notes
    -----
    Coefficients of the cosine transform (of the image mirrored at its edges) are taken as independent and normal, with
    the variance that the curve has at their frequency: Whittle's likelihood. They are pooled in NUM_RINGS rings from
    LOWEST_FREQUENCY on. For given blur and noise-to-edge ratio the likeliest scale has a closed form, so a grid over
    the other two finds the maximum: blur from 0 to 4 px in steps of 0.05, the ratio in steps of a quarter. Where
    a band has no power at all, as in upsampled or strongly compressed images, no noise is found; a filter of the camera
    that makes noise smooth is taken for blur of the object.

    References
    ----------
    Whittle, "Estimation and information in stationary time series", Arkiv för Matematik 2 (1953). The exponent is that
    of Porod's law in two dimensions: Porod, "Die Röntgenkleinwinkelstreuung von dichtgepackten kolloiden Systemen",
    Kolloid-Zeitschrift 124 (1951).

    Examples
    --------
    A triangle, blurred by 1.5 px, with noise of variance 0.01:

    >>> from scipy.ndimage import gaussian_filter
    >>> rows, columns = np.mgrid[:128, :128]
    >>> triangle = gaussian_filter(1.0 * (3 * rows < 2 * columns + 31), 1.5)
    >>> found = fit_spectrum(triangle + np.random.default_rng(0).normal(0, 0.1, triangle.shape))
    >>> abs(found.blur_px - 1.5) < 0.3, round(found.noise, 3)
    (True, 0.01)
    """
    values = np.asarray(grey, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < SMALLEST_PX:
        raise ValueError(f"grey must be (H, W) of at least {SMALLEST_PX} px a side; got shape {values.shape}.")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(high - low) and high > low):
        raise ValueError(f"grey must hold more than one value, all of them finite; got {low} to {high}.")
    power = fft.dctn((values - low) / (high - low), norm="ortho") ** 2
    frequency = _frequencies(power.shape)
    used = frequency >= LOWEST_FREQUENCY
    edges = np.linspace(LOWEST_FREQUENCY, np.sqrt(0.5), NUM_RINGS + 1)
    ring = np.clip(np.digitize(frequency[used], edges) - 1, 0, NUM_RINGS - 1)
    counts = np.bincount(ring, minlength=NUM_RINGS).astype(np.float64)
    held = counts > 0
    counts = counts[held]
    seen = np.bincount(ring, weights=power[used], minlength=NUM_RINGS)[held] / counts
    f = np.bincount(ring, weights=frequency[used], minlength=NUM_RINGS)[held] / counts
    weights = counts / counts.sum()
    best, found = np.inf, Spectrum(0.0, 0.0, 0.0)
    for blur_px in _BLURS_PX:
        shape = _edge_power(f, float(blur_px)) + _NOISE_SHARES[:, None]  # of each ratio and ring, up to the scale
        scale = (weights * seen / shape).sum(axis=1)
        cost = np.log(scale) + (weights * np.log(shape)).sum(axis=1)
        index = int(np.argmin(cost))
        if cost[index] < best:
            best = float(cost[index])
            found = Spectrum(float(scale[index]), float(blur_px), float(scale[index] * _NOISE_SHARES[index]))
    squared_units = (high - low) ** 2
    return Spectrum(found.edges * squared_units, found.blur_px, found.noise * squared_units)


def restore_at_gains(grey: Grey, max_gains: Sequence[float] = (1.0,)) -> list[Grey]:
    """Return the image as it probably was before blur and noise, (H, W) float32 in its own units, for each gain.

    Parameters
    ----------
    grey : (H, W) array of more than one value
    max_gains : sequence of float
        No frequency is amplified more. With 1 noise is taken off and edges are left alone; more undoes blur, and
        makes noise stronger that was taken for part of the image because it is not white.

    Notes
    -----
    The Wiener filter G P / (G² P + N) with P the power of the edges, G the gain of the blur and N the noise of
    `fit_spectrum`; the mean stays. Beside sharp edges a gain of 1.5 overshoots by about a tenth of their height. An
    image whose shorter side is below SMALLEST_PX stays as it is, and so does one in which no noise and blur are found.

    References
    ----------
    Wiener, "Extrapolation, interpolation, and smoothing of stationary time series", MIT Press 1949.
    """
    values = np.asarray(grey, dtype=np.float64)
    if min(values.shape) < SMALLEST_PX:
        return [np.asarray(values, dtype=np.float32)] * len(max_gains)
    gain, coefficients = restoring_gain(values.shape, fit_spectrum(grey)), fft.dctn(values, norm="ortho")
    filtered = (fft.idctn(coefficients * np.minimum(gain, most), norm="ortho") for most in max_gains)
    return [np.asarray(image, dtype=np.float32) for image in filtered]


def restoring_gain(shape: tuple[int, ...], spectrum: Spectrum) -> FloatArray:
    """Return what `restore_at_gains` multiplies each coefficient of the cosine transform with, unlimited, (H, W).

    Examples
    --------
    Without blur, P = 1 / f^3 against noise of 16: at f = 1/4 it is 64 / (64 + 16). The mean stays.

    >>> restoring_gain((1, 2), Spectrum(edges=1.0, blur_px=0.0, noise=16.0)).tolist()
    [[1.0, 0.8]]
    """
    frequency = _frequencies(shape)
    frequency[0, 0] = 1.0  # no law holds for the mean
    blurring = np.exp(-2 * (np.pi * spectrum.blur_px * frequency) ** 2)
    power = spectrum.edges * frequency**-EDGE_EXPONENT
    left = blurring**2 * power + spectrum.noise
    gain = blurring * power / np.maximum(left, np.finfo(np.float64).tiny)
    gain[0, 0] = 1.0
    return np.asarray(gain)


def _edge_power(frequency: FloatArray, blur_px: float) -> FloatArray:
    return np.asarray(frequency**-EDGE_EXPONENT * np.exp(-((2 * np.pi * blur_px * frequency) ** 2)))


def _frequencies(shape: tuple[int, ...]) -> FloatArray:
    """Return the length of the frequency of each coefficient of the cosine transform, (H, W)."""
    rows, columns = (np.arange(n) / (2 * n) for n in shape)
    return np.hypot(rows[:, None], columns)
