"""Sums over pixels from which the agreement of two meta-structures follows; they add up over images.

`C` classes; f is the density vector of the clean label at a pixel, g that of the noisy one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metastructure.label import IGNORE, LabelArray
from metastructure.structure.density import densities
from metastructure.structure.pixel_noise import estimate_pixel_noise
from metastructure.structure.windows import FloatArray, WindowName, find_window

BLOCK_OVERLAP = 2.25
"""As `Window.overlap`, of the mixed difference of a 2 x 2 block: (1 + 2/4)², one factor for each axis."""


@dataclass(frozen=True, eq=False)
class Moments:
    """What the pixels of one image, or of many, say about (f, g).

    Attributes
    ----------
    products : (1 + 2C, 1 + 2C) array
        Sum over pixels of z zᵀ with z = (1, f, g).
    pixel_noise : (C, C) array
        Sum over the known noisy pixels of s times the estimated covariance of their class about its mean
        (`estimate_pixel_noise`); s of a pixel is the sum of w² / (sum w)² over the windows that it lies in.
    noise_weight, noise_squared_weight : float
        Sum of s over the pixels with such an estimate; of the squares of the weights that the estimates rest on.
    shrinkage : float
        Sum of s over all known pixels, which is the sum over windows of sum w² / (sum w)²: 1 / n for n equal weights.
    distance : float
        Sum over pixels of the total variation between f and g.
    overlap : float
        Of the window (`Window.overlap`).
    """

    products: FloatArray
    pixel_noise: FloatArray
    noise_weight: float
    noise_squared_weight: float
    shrinkage: float
    distance: float
    overlap: float

    @property
    def num_pixels(self) -> float:
        """Pixels at which both densities are defined."""
        return float(self.products[0, 0])

    def covariance(self) -> FloatArray:
        """Return the covariance of (f, g) over the pixels, (2C, 2C); NaN without pixels."""
        if not self.num_pixels:
            return np.full_like(self.products[1:, 1:], np.nan)
        mean = self.products[0, 1:] / self.num_pixels
        return np.asarray(self.products[1:, 1:] / self.num_pixels - np.outer(mean, mean))

    def sampling_covariance(self) -> FloatArray:
        """Return the covariance of g about its mean that pixel noise explains, (C, C); NaN where it is not known."""
        if not (self.num_pixels and self.noise_weight):
            return np.full_like(self.pixel_noise, np.nan)
        return np.asarray(self.pixel_noise / self.noise_weight * (self.shrinkage / self.num_pixels))

    def num_independent(self) -> float:
        """Return how many independent values determine `sampling_covariance` less noise as well as these pixels do."""
        if not (self.num_pixels and self.noise_weight):
            return 0.0
        num_blocks = self.noise_weight**2 / self.noise_squared_weight
        return 1 / (self.overlap / self.num_pixels + BLOCK_OVERLAP / num_blocks)


def image_moments(
    clean: LabelArray, noisy: LabelArray, half_widths_px: Sequence[int], window: WindowName, num_classes: int
) -> list[Moments]:
    """Return the moments of one image at each half-width; the labels are not checked again here."""
    kind = find_window(window)
    clean_SCHW = densities(clean, half_widths_px, window, num_classes)
    noisy_SCHW = clean_SCHW if noisy is clean else densities(noisy, half_widths_px, window, num_classes)
    known = noisy != IGNORE
    prepared = kind.prepare(known)
    found = []
    for scale, half_width_px in enumerate(half_widths_px):
        f, g = clean_SCHW[scale], noisy_SCHW[scale]
        defined = ~(np.isnan(f[0]) | np.isnan(g[0]))
        weight = np.asarray(kind.sums(prepared, half_width_px), dtype=np.float64)
        per_window: FloatArray = np.divide(1.0, weight**2, out=np.zeros_like(weight), where=defined)
        per_pixel: FloatArray = np.asarray(kind.squared_sums(kind.prepare(per_window), half_width_px), np.float64)
        noise = estimate_pixel_noise(noisy, per_pixel, num_classes)
        values = np.concatenate([np.ones((1, int(defined.sum()))), f[:, defined], g[:, defined]])
        found.append(
            Moments(
                products=values @ values.T,
                pixel_noise=noise.covariance,
                noise_weight=noise.weight,
                noise_squared_weight=noise.squared_weight,
                shrinkage=float(per_pixel[known].sum()),
                distance=float(np.abs(f[:, defined] - g[:, defined]).sum() / 2),
                overlap=kind.overlap(half_width_px),
            )
        )
    return found


def pool(moments: Sequence[Moments], times: npt.ArrayLike | None = None) -> Moments:
    """Return the moments of all images together, each counted `times` (once)."""
    counts = np.ones(len(moments)) if times is None else np.asarray(times, dtype=np.float64)
    return Moments(
        products=np.tensordot(counts, np.stack([m.products for m in moments]), axes=1),
        pixel_noise=np.tensordot(counts, np.stack([m.pixel_noise for m in moments]), axes=1),
        noise_weight=float(counts @ [m.noise_weight for m in moments]),
        noise_squared_weight=float(counts @ [m.noise_squared_weight for m in moments]),
        shrinkage=float(counts @ [m.shrinkage for m in moments]),
        distance=float(counts @ [m.distance for m in moments]),
        overlap=moments[0].overlap,
    )
