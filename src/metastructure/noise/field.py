"""A smooth Gaussian random field on the pixel grid, made row by row from a few coefficients.

White noise on a coarse lattice, smoothed with a Gaussian along each axis. The weights of each pixel have unit
norm, so the variance is 1 everywhere, also at the image's edge, and rows can be made when they are needed.
"""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

REACH = 4
"""Lattice points on each side of a pixel; the lattice step is the kernel's standard deviation, so 4 of them."""


@dataclass(frozen=True)
class GaussianField:
    """Mean 0, variance 1, correlation ``exp(-d² / (2 correlation_px²))`` at distance d.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> field = simulate_field((50, 40), 8.0, generator(0, "a", "field"))
    >>> field.rows(10, 13).shape
    (3, 40)
    """

    coefficients: npt.NDArray[np.float32]
    weights: tuple[Any, ...]

    def rows(self, first: int, stop: int) -> npt.NDArray[np.float32]:
        """Return the field at the rows (of a volume: slices) `first` to `stop` - 1."""
        values = self.coefficients
        for axis, weights in enumerate(self.weights):
            part = weights[first:stop] if axis == 0 else weights
            moved = np.moveaxis(values, axis, 0)
            mixed = (part @ moved.reshape(len(moved), -1)).reshape(part.shape[0], *moved.shape[1:])
            values = np.moveaxis(mixed, 0, axis)
        return values


def simulate_field(shape: tuple[int, ...], correlation_px: float, rng: np.random.Generator) -> GaussianField:
    """Return a random field for images of a shape.

    Parameters
    ----------
    shape : (H, W) or (D, H, W)
        Shape of the image.
    correlation_px : float, above 0
        Correlation length: at this distance the correlation is exp(-1/2) = 0.61.
    rng : numpy Generator
        Source of the draws.
    """
    step = correlation_px / sqrt(2)
    sizes = [ceil(length / step) + 2 * REACH + 1 for length in shape]
    weights = tuple(_weights(length, step, size) for length, size in zip(shape, sizes, strict=True))
    return GaussianField(rng.standard_normal(sizes, dtype=np.float32), weights)


def _weights(length: int, step: float, size: int) -> Any:
    """Return the (length, size) weights of the lattice points for each pixel along one axis."""
    place = np.arange(length) / step
    nearest = np.rint(place).astype(np.intp)
    offsets = np.arange(-REACH, REACH + 1)
    weight = np.exp(-0.5 * (place[:, None] - nearest[:, None] - offsets) ** 2)
    weight /= np.linalg.norm(weight, axis=1, keepdims=True)
    columns = nearest[:, None] + offsets + REACH
    ends = np.arange(length + 1) * len(offsets)
    return csr_array((weight.ravel().astype(np.float32), columns.ravel(), ends), shape=(length, size))
