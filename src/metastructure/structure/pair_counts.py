"""Exact counts of the pixel pairs of a label by displacement, from one FFT correlation.

Points are the pixels of a class; the observation window is every pixel that is not IGNORE. A displacement
leads from the first pixel of a pair to the second, (rows, columns), or (slices, rows, columns) for a stack.
`H` rows, `W` columns, `R` and `S` the largest displacement along rows and columns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from metastructure.label import IGNORE, MAX_CLASSES, LabelArray, check_label

CountArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PairCounts:
    """The ordered pairs of pixels of a label, counted by displacement.

    Attributes
    ----------
    found : (2R+1, 2S+1) array of int64
        Pairs at each displacement; the middle entry is displacement zero.
    possible : (2R+1, 2S+1) array of int64
        Pairs of pixels of the window at each displacement: what `found` would be if every pixel of the window were
        a point of both kinds. ``found / possible`` is free of edge effects.
    num_found, num_possible : int
        The same over all displacements, also those that lie outside the two arrays.
    num_pixels : int
        Pixels of the window: its area in px² (px³ for a stack).
    shape : tuple of int
        Shape of the label.

    Notes
    -----
    Pairs of one class, and pairs of two classes of one label, join two different pixels: at displacement zero `found`
    and `possible` are 0. Two labels may hold a point each in the same pixel, and displacement zero counts.
    """

    found: CountArray
    possible: CountArray
    num_found: int
    num_possible: int
    num_pixels: int
    shape: tuple[int, ...]


def pair_counts(
    label: LabelArray, from_class: int, to_class: int | None = None, max_displacement_px: int | None = None
) -> PairCounts:
    """Return the pairs within one class of a label, or from one of its classes to another.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        IGNORE pixels are outside the window: neither points nor places where a point could be.
    from_class : int
        Class of the first pixel of a pair, 0..254.
    to_class : int, optional
        Class of the second one; without it the same.
    max_displacement_px : int, optional
        Largest displacement along each axis. Without it all, 0..H-1 along rows and 0..W-1 along columns.

    Returns
    -------
    PairCounts
        All `found` are 0 where a class is absent, and all `possible` where everything is IGNORE.

    Raises
    ------
    TypeError, ValueError
        If the label breaks the contract, a class is not in 0..254, or `max_displacement_px` is negative or not whole.

    Notes
    -----
    With a, b the indicators of the two classes and w that of the window, ``found[d] = Σ_x a(x) b(x+d)`` and
    ``possible[d] = Σ_x w(x) w(x+d)``: correlations, computed by FFT on a grid padded against wrap-around and
    rounded. In double precision their error is far below 1/2 for any label that fits in memory, so the integers are
    exact. Cost O(HW log HW), independent of the number of points.

    Examples
    --------
    Three points in a row, of which two touch; ``middle`` is displacement zero:

    >>> pairs = pair_counts(np.array([[1, 1, 0, 1]]), from_class=1)
    >>> pairs.found
    array([[1, 1, 1, 0, 1, 1, 1]])
    >>> pairs.possible
    array([[1, 2, 3, 0, 3, 2, 1]])
    >>> pair_counts(np.array([[1, 1, 0, 1]]), from_class=0, to_class=1).found
    array([[0, 1, 1, 0, 1, 0, 0]])
    """
    check_label(label)
    to_class = from_class if to_class is None else to_class
    check_class(from_class, "from_class")
    check_class(to_class, "to_class")
    window = label != IGNORE
    first = label == from_class
    second = first if to_class == from_class else label == to_class
    return _count(first, second, window, _limits(label.shape, max_displacement_px), same_pixel=False)


def pair_counts_between(
    clean: LabelArray,
    noisy: LabelArray,
    from_class: int,
    to_class: int | None = None,
    max_displacement_px: int | None = None,
) -> PairCounts:
    """Return the pairs from a class of one label to a class of another label of the same image.

    Parameters
    ----------
    clean, noisy : (H, W) or (D, H, W) arrays of integers, same shape
        The window is what is IGNORE in neither.
    from_class : int
        Class in `clean`.
    to_class : int, optional
        Class in `noisy`; without it `from_class`.
    max_displacement_px : int, optional
        As for `pair_counts`.

    Raises
    ------
    TypeError, ValueError
        As `pair_counts`, and if the shapes differ.

    Examples
    --------
    The noisy label is the clean one moved to the right by one pixel:

    >>> pair_counts_between(np.array([[1, 0, 0]]), np.array([[0, 1, 0]]), from_class=1).found
    array([[0, 0, 0, 1, 0]])
    """
    check_label(clean, name="clean")
    check_label(noisy, name="noisy")
    if clean.shape != noisy.shape:
        raise ValueError(f"The two labels must have the same shape; got {clean.shape} and {noisy.shape}.")
    to_class = from_class if to_class is None else to_class
    check_class(from_class, "from_class")
    check_class(to_class, "to_class")
    window = (clean != IGNORE) & (noisy != IGNORE)
    limits = _limits(clean.shape, max_displacement_px)
    return _count((clean == from_class) & window, (noisy == to_class) & window, window, limits, same_pixel=True)


def check_class(value: object, name: str) -> None:
    """Raise unless `value` is a class a label can hold, 0..254."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer class; got {value!r}.")
    if not 0 <= value < MAX_CLASSES:
        raise ValueError(f"{name} must be a class in 0..{MAX_CLASSES - 1}; got {value}.")


def window_counts(window: BoolArray, limits: tuple[int, ...]) -> CountArray:
    """Return the pairs of pixels of a window by displacement, up to `limits` along each axis.

    A window without holes needs no FFT: the counts are the products of ``H - |rows|`` and ``W - |columns|``.
    """
    if not window.all():
        return _correlate(window, window, limits)
    counts = np.ones((1,) * window.ndim, dtype=np.int64)
    for axis, (size, limit) in enumerate(zip(window.shape, limits, strict=True)):
        overlap = size - np.abs(np.arange(-limit, limit + 1))
        counts = counts * np.expand_dims(overlap, [other for other in range(window.ndim) if other != axis])
    return counts


def _limits(shape: tuple[int, ...], largest: int | None) -> tuple[int, ...]:
    if largest is not None and (isinstance(largest, bool) or not isinstance(largest, int | np.integer)):
        raise TypeError(f"max_displacement_px must be a whole number of pixels; got {largest!r}.")
    if largest is not None and largest < 0:
        raise ValueError(f"max_displacement_px must be at least 0; got {largest}.")
    return tuple(size - 1 if largest is None else min(size - 1, int(largest)) for size in shape)


def _count(
    first: BoolArray, second: BoolArray, window: BoolArray, limits: tuple[int, ...], same_pixel: bool
) -> PairCounts:
    found, possible = _correlate(first, second, limits), window_counts(window, limits)
    num_first, num_second, num_pixels = (int(np.count_nonzero(part)) for part in (first, second, window))
    num_found, num_possible = num_first * num_second, num_pixels**2
    if not same_pixel:
        num_found -= int(found[limits])
        num_possible -= num_pixels
        found[limits] = possible[limits] = 0
    for counts in (found, possible):
        counts.setflags(write=False)
    return PairCounts(found, possible, num_found, num_possible, num_pixels, window.shape)


def _correlate(first: BoolArray, second: BoolArray, limits: tuple[int, ...]) -> CountArray:
    """Return ``Σ_x first(x) second(x + d)`` for every displacement d within the limits."""
    axes = tuple(range(first.ndim))
    padded = [fft.next_fast_len(size + limit, real=True) for size, limit in zip(first.shape, limits, strict=True)]
    spectrum = fft.rfftn(first, padded)
    if second is first:
        power: npt.NDArray[Any] = spectrum.real**2 + spectrum.imag**2
    else:
        power = np.conj(spectrum, out=spectrum)
        power *= fft.rfftn(second, padded)
    circular = fft.irfftn(power, padded, axes=axes, overwrite_x=True)
    for axis, (size, limit) in enumerate(zip(padded, limits, strict=True)):
        circular = np.take(circular, np.arange(-limit, limit + 1) % size, axis=axis)
    counts: CountArray = np.rint(circular, out=circular).astype(np.int64)
    return counts
