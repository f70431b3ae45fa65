"""Sums over pixels from which the agreement of two meta-structures follows; they add up over images.

`C` classes; f is the density vector of the clean label at a pixel, g that of the noisy one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from metastructure.label import IGNORE, LabelArray
from metastructure.structure.density import bands, widen
from metastructure.structure.pixel_noise import estimate_pixel_noise
from metastructure.structure.windows import FloatArray, NumberArray, Window, WindowName, find_window

BLOCK_OVERLAP = 2.25
"""As `Window.overlap`, of the mixed difference of a 2 x 2 block: (1 + 2/4)², one factor for each axis."""

BYTES_PER_PIXEL, BYTES_PER_CLASS = 150, 32
"""Of a band: window weights and the noise of its pixels; running sums and densities of both labels, 4 + 4 + 8 + 8
(those of the gaussian are twice as large)."""

_NOISE_MARGIN = 2
"""Rows beside a band that `estimate_pixel_noise` needs."""

Number = TypeVar("Number", bound=np.generic)


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
    """Return the moments of one image at each half-width; the labels are not checked again here.

    Summed over bands of rows (`bands`), so that memory is that of a band, at most about `BAND_BYTES` unless
    the image is very wide.
    """
    kind = find_window(window)
    reach = max(map(kind.reach_px, half_widths_px))
    cut = bands(clean.shape, BYTES_PER_PIXEL + BYTES_PER_CLASS * num_classes, reach)
    each = []
    for rows in cut:
        band = _prepare_band(clean, noisy, rows, reach, kind, num_classes)
        each.append([_band_moments(band, half_width_px) for half_width_px in half_widths_px])
    return [pool(scale) for scale in zip(*each, strict=True)]


class _Band(NamedTuple):
    """A band of rows with what the windows of its pixels see: for each label, the noisy one last, running sums."""

    kind: Window
    rows: slice
    near: slice
    classes: list[list[NumberArray]]
    far: slice
    known: list[NumberArray]
    beside: slice
    noisy: LabelArray


def _prepare_band(
    clean: LabelArray, noisy: LabelArray, rows: slice, reach_px: int, kind: Window, num_classes: int
) -> _Band:
    """Return the running sums of each class near the band, and of the known pixels as far as its noise depends on."""
    labels = [noisy] if noisy is clean else [clean, noisy]
    near, beside = widen(rows, reach_px), widen(rows, _NOISE_MARGIN)
    far = widen(rows, 2 * reach_px + _NOISE_MARGIN)  # the windows that hold a pixel of a contrast, in full
    return _Band(
        kind=kind,
        rows=rows,
        near=near,
        classes=[[kind.prepare(label[near] == klass) for klass in range(num_classes)] for label in labels],
        far=far,
        known=[kind.prepare(label[far] != IGNORE) for label in labels],
        beside=beside,
        noisy=noisy[beside],
    )


def _band_moments(band: _Band, half_width_px: int) -> Moments:
    """Return the part of the moments that the windows and the pixels of these rows add."""
    kind, rows, C = band.kind, band.rows, len(band.classes[0])
    weights = [np.asarray(kind.sums(one, half_width_px), dtype=np.float64) for one in band.known]
    defined = np.logical_and.reduce([weight > 0 for weight in weights])
    per_window: FloatArray = np.divide(1.0, weights[-1] ** 2, out=np.zeros_like(weights[-1]), where=defined)
    squared = np.asarray(kind.squared_sums(kind.prepare(per_window), half_width_px), np.float64)
    per_pixel = _crop(squared, band.beside, band.far)
    inside = slice(rows.start - band.beside.start, rows.stop - band.beside.start)
    noise = estimate_pixel_noise(band.noisy, per_pixel, C, inside)
    values = np.empty((1 + 2 * C, rows.stop - rows.start, defined.shape[1]))
    values[0] = _crop(defined, rows, band.far)
    for side in range(2):
        of_classes, weight = band.classes[side - 2 :][0], weights[side - 2 :][0]  # the only ones if both are one label
        below = np.where(values[0], _crop(weight, rows, band.far), np.inf)  # 0 where a density is not defined
        for klass, sums in enumerate(of_classes, start=1 + side * C):
            np.divide(_crop(kind.sums(sums, half_width_px), rows, band.near), below, out=values[klass])
    flat = values.reshape(len(values), -1)
    return Moments(
        products=flat @ flat.T,
        pixel_noise=noise.covariance,
        noise_weight=noise.weight,
        noise_squared_weight=noise.squared_weight,
        shrinkage=float(per_pixel[inside][band.noisy[inside] != IGNORE].sum()),
        distance=sum(float(np.abs(f - g).sum()) for f, g in zip(flat[1 : 1 + C], flat[1 + C :], strict=True)) / 2,
        overlap=kind.overlap(half_width_px),
    )


def _crop(values: npt.NDArray[Number], rows: slice, held: slice) -> npt.NDArray[Number]:
    """Return some rows of an array that holds the rows `held` of an image."""
    return values[rows.start - held.start : rows.stop - held.start]


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
