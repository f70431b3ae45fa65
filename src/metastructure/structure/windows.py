"""Sums over windows of pixels: box, disc and gaussian, the three ways to estimate a density.

`H` rows, `W` columns. A window of half-width h is centred on a pixel; what lies outside the image counts as 0, so that
sums of an indicator are counts of pixels inside the image. `WINDOWS` is the table of names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil, isqrt, sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

WindowName = Literal["box", "disc", "gaussian"]
FloatArray = npt.NDArray[np.float64]
NumberArray = npt.NDArray[np.integer[Any]] | FloatArray
Values = npt.NDArray[np.bool_] | FloatArray

GAUSSIAN_REACH = 4.0
"""Standard deviations at which the gaussian is cut; what is left out is 6e-5 of its mass along an axis."""


@dataclass(frozen=True)
class Window:
    """One kind of window, as functions of an indicator (or of real values) and a half-width.

    Attributes
    ----------
    prepare : callable
        From an (H, W) array of bool or float to what `sums` reads; done once for all half-widths.
    sums : callable
        ``sums(prepared, half_width_px)`` -> (H, W), the weighted count of True pixels (sum of values) around each
        pixel: integers for box and disc if the array was boolean.
    squared_sums : callable
        The same with squared weights, which the sampling error of a weighted mean needs.
    reach_px : callable
        Largest distance along an axis at which a pixel counts.
    """

    prepare: Callable[[Values], NumberArray]
    sums: Callable[[NumberArray, int], NumberArray]
    squared_sums: Callable[[NumberArray, int], NumberArray]
    reach_px: Callable[[int], int]

    def kernel(self, half_width_px: int) -> FloatArray:
        """Return the weights around a pixel, (2 reach + 1, 2 reach + 1), the largest being 1 for box and disc.

        Examples
        --------
        >>> WINDOWS["disc"].kernel(1).tolist()
        [[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]
        """
        reach = self.reach_px(half_width_px)
        impulse = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=bool)
        impulse[reach, reach] = True
        return np.asarray(self.sums(self.prepare(impulse), half_width_px), dtype=np.float64)

    def overlap(self, half_width_px: int) -> float:
        """Return how many neighbouring windows carry the information of one: the sum of squared autocorrelations.

        White noise averaged over windows around each of P pixels has a sample variance as uncertain as that of
        P / overlap independent values (Bartlett 1946).

        Examples
        --------
        >>> round(WINDOWS["box"].overlap(1), 6) == round((19 / 9) ** 2, 6)
        True
        """
        return float((self.autocorrelation(half_width_px) ** 2).sum())

    def autocorrelation(self, half_width_px: int) -> FloatArray:
        """Return the correlation of two means of white noise by their displacement, (4 reach + 1, 4 reach + 1).

        Examples
        --------
        >>> (WINDOWS["box"].autocorrelation(1)[2] * 3).round(6).tolist()
        [1.0, 2.0, 3.0, 2.0, 1.0]
        """
        return _autocorrelation(self, half_width_px)


@cache
def _autocorrelation(window: Window, half_width_px: int) -> FloatArray:
    weights = window.kernel(half_width_px)
    correlation = signal.fftconvolve(weights, weights[::-1, ::-1])
    correlation /= correlation.max()
    correlation.setflags(write=False)
    return np.asarray(correlation)


def check_half_width(half_width_px: object, shape: tuple[int, ...]) -> int:
    """Return `half_width_px` as an int if it is a whole number from 0 to less than the shorter side, else raise."""
    if isinstance(half_width_px, bool) or not isinstance(half_width_px, int | np.integer):
        raise TypeError(f"half_width_px must be a whole number of pixels; got {half_width_px!r}.")
    if half_width_px < 0:
        raise ValueError(f"half_width_px must be at least 0; got {half_width_px}.")
    if half_width_px >= min(shape):
        raise ValueError(
            f"half_width_px must be smaller than the image's shorter side; got {half_width_px} for an image of "
            f"{' x '.join(map(str, shape))}. A wider window sees the whole image everywhere: use class shares instead."
        )
    return int(half_width_px)


def find_window(name: str) -> Window:
    """Return the window of that name.

    Raises
    ------
    ValueError
        If there is none; the message lists the names.
    """
    if name not in WINDOWS:
        raise ValueError(f"window must be one of {', '.join(WINDOWS)}; got {name!r}.")
    return WINDOWS[name]


def gaussian_sigma_px(half_width_px: int) -> float:
    """Return the standard deviation of the box of that half-width along an axis, sqrt(h (h + 1) / 3).

    Examples
    --------
    >>> gaussian_sigma_px(3)
    2.0
    """
    return sqrt(half_width_px * (half_width_px + 1) / 3)


def _sum_type(values: Values) -> type[np.number[Any]]:
    if values.dtype != np.bool_:
        return np.float64
    return np.int32 if values.size < 2**31 else np.int64


def _integral_image(values: Values) -> NumberArray:
    """Return the sums over all pixels above and left, (H + 1, W + 1) with a first row and column of 0."""
    height, width = values.shape
    integral: NumberArray = np.zeros((height + 1, width + 1), dtype=_sum_type(values))
    inner = integral[1:, 1:]
    np.cumsum(values, axis=1, out=inner)
    for row in range(1, height):  # numpy's own sum along the first axis strides through memory
        inner[row] += inner[row - 1]
    return integral


def _box_sums(integral: NumberArray, half_width_px: int) -> NumberArray:
    return _spans(_spans(integral, half_width_px).T, half_width_px).T


def _spans(cumulative: NumberArray, half_width_px: int) -> NumberArray:
    """Return the sums over i - h .. i + h along the first axis, cut at both ends, of running sums that start at 0."""
    h, num = half_width_px, len(cumulative) - 1
    sums = np.empty(
        (num, *cumulative.shape[1:]), dtype=cumulative.dtype, order="F" if cumulative.flags.f_contiguous else "C"
    )
    inside = max(num - h, 0)
    sums[:inside] = cumulative[h + 1 : num + 1]
    sums[inside:] = cumulative[num]
    sums[h:] -= cumulative[:inside]
    return sums


def _row_sums(values: Values) -> NumberArray:
    running: NumberArray = np.zeros((values.shape[0], values.shape[1] + 1), dtype=_sum_type(values))
    np.cumsum(values, axis=1, out=running[:, 1:])
    return running


def _disc_sums(running: NumberArray, half_width_px: int) -> NumberArray:
    """Return the sums over the pixels whose centre is within the half-width, as one run of pixels per row."""
    h, height = half_width_px, len(running)
    total = np.zeros((height, running.shape[1] - 1), dtype=running.dtype)
    for offset in range(min(h, height - 1) + 1):
        runs = _spans(running.T, isqrt(h * h - offset * offset)).T
        total[offset:] += runs[: height - offset]
        if offset:
            total[: height - offset] += runs[offset:]
    return total


def _as_float(values: Values) -> NumberArray:
    return values.astype(np.float64)


def _gaussian_weights(half_width_px: int) -> FloatArray:
    reach, sigma = _gaussian_reach(half_width_px), gaussian_sigma_px(half_width_px)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2) if reach else np.ones(1)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _gaussian_reach(half_width_px: int) -> int:
    return ceil(GAUSSIAN_REACH * gaussian_sigma_px(half_width_px))


def _correlate(values: NumberArray, weights: FloatArray) -> NumberArray:
    rows = ndimage.correlate1d(values, weights, axis=0, mode="constant")
    return np.asarray(ndimage.correlate1d(rows, weights, axis=1, mode="constant"))


def _gaussian_sums(values: NumberArray, half_width_px: int) -> NumberArray:
    return _correlate(values, _gaussian_weights(half_width_px))


def _gaussian_squared_sums(values: NumberArray, half_width_px: int) -> NumberArray:
    return _correlate(values, _gaussian_weights(half_width_px) ** 2)


def _same(half_width_px: int) -> int:
    return half_width_px


WINDOWS: dict[str, Window] = {
    "box": Window(_integral_image, _box_sums, _box_sums, _same),
    "disc": Window(_row_sums, _disc_sums, _disc_sums, _same),
    "gaussian": Window(_as_float, _gaussian_sums, _gaussian_squared_sums, _gaussian_reach),
}
"""Box: the (2h + 1) x (2h + 1) square. Disc: pixels whose centre is within h. Gaussian: separable, with the standard
deviation of the box (`gaussian_sigma_px`)."""
