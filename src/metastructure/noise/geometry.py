"""Exact Euclidean neighbourhoods up to a limit, shared by the boundary families.

`H` rows, `W` columns, `D` slices; distances are between pixel centres, in pixels. Nothing is known beyond a
limit, which is what makes these fast: the cost grows with the limit, and an image can be worked in bands.
"""

from collections.abc import Callable, Iterator
from math import ceil

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from metastructure.label import LabelArray

Mask = npt.NDArray[np.bool_]
SquaredPx = npt.NDArray[np.integer]

BAND_PIXELS = 1 << 17
"""A band of this many pixels and its temporaries stay in a core's cache."""

SQUARE_SLACK = 1e-9
"""sqrt(2) squared must reach 2, and sqrt(5) squared 5, whatever their last bit."""

SWEEP_LIMIT_PX = 48
"""Beyond it one Euclidean distance transform is faster than a sweep per pixel of the limit."""


def squared_distance(pixels: Mask, limit_px: int) -> SquaredPx:
    """Return the squared distance to the nearest True pixel, or ``limit_px**2 + 1`` if it is farther than
    that.

    Parameters
    ----------
    pixels : (H, W) or (D, H, W) array of bool
        Where the distance is 0. Outside the image there are none.
    limit_px : int, at least 0
        Distances up to it are exact.

    Notes
    -----
    The squared distance separates over the axes: the minimum over k of (distance along the axes before, at
    offset k) + k², one axis after another (Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled
    Functions", 2012), here by brute force over the few offsets that matter.

    Examples
    --------
    >>> squared_distance(np.array([[True, False, False, False], [False, False, False, False]]), 2).tolist()
    [[0, 1, 4, 5], [1, 2, 5, 5]]
    """
    beyond = limit_px**2 + 1
    dtype = np.uint16 if 2 * beyond < 1 << 16 else np.uint32
    if limit_px > SWEEP_LIMIT_PX and pixels.any():
        exact = np.rint(ndimage.distance_transform_edt(~pixels) ** 2)
        nearest: SquaredPx = np.minimum(exact, beyond).astype(dtype)
        return nearest
    nearest = np.where(pixels, dtype(0), dtype(beyond))
    for axis in range(pixels.ndim):
        before = nearest.copy()
        for k in range(1, min(limit_px, pixels.shape[axis] - 1) + 1):
            shifted = before + dtype(k * k)
            for low, high in ((slice(k, None), slice(None, -k)), (slice(None, -k), slice(k, None))):
                target, source = (tuple([slice(None)] * axis + [part]) for part in (low, high))
                np.minimum(nearest[target], shifted[source], out=nearest[target])
    return nearest


def is_within(pixels: Mask, radius_px: float) -> Mask:
    """Return True where the distance to the nearest True pixel is at most `radius_px`.

    Outside the image there are no pixels: nothing grows in from the border.

    Examples
    --------
    >>> is_within(np.array([[True, False, False, False]]), 2).tolist()
    [[True, True, True, False]]
    """
    near: Mask = squared_distance(pixels, ceil(radius_px)) <= int(radius_px**2 + SQUARE_SLACK)
    return near


def nearest_class(
    label: LabelArray,
    num_classes: int,
    wanted: Mask,
    limit_px: float,
    is_source: Callable[[LabelArray, LabelArray], Mask],
) -> tuple[npt.NDArray[np.intp], LabelArray, npt.NDArray[np.float64]]:
    """Return, for wanted pixels, the class of the nearest pixel that may be a source, and its distance.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        Classes 0..C-1; pixels with anything else (IGNORE) are no sources.
    num_classes : int
        C.
    wanted : array of bool, same shape
        The pixels to answer for; the cost grows with their number.
    limit_px : float
        Sources farther away are not looked at.
    is_source : callable
        ``is_source(own, other)`` says for two arrays of classes whether `other` may be a source for `own`.

    Returns
    -------
    index : (N,) array
        Flat positions of the wanted pixels that have a source within the limit.
    classes : (N,) array
        The class of their nearest source; of several at the same distance, the lowest class.
    distance_px : (N,) array
        How far it is.
    """
    pad = int(limit_px)
    nobody = np.iinfo(label.dtype).max
    padded = np.pad(label, pad, constant_values=nobody)
    flat = padded.reshape(-1)
    index = np.flatnonzero(wanted)
    inside = np.ravel_multi_index(tuple(place + pad for place in np.unravel_index(index, label.shape)), padded.shape)
    found: list[tuple[npt.NDArray[np.intp], LabelArray, npt.NDArray[np.float64]]] = []
    for squared, offsets in _rings(label.ndim, limit_px):
        if not index.size:
            break
        steps = offsets @ np.array(padded.strides) // padded.itemsize
        own = flat[inside]
        best = np.full(len(index), nobody, dtype=label.dtype)
        for step in steps:
            other = flat[inside + step]
            usable = (other < num_classes) & is_source(own, other)
            np.minimum(best, np.where(usable, other, nobody), out=best)
        hit = best != nobody
        found.append((index[hit], best[hit], np.full(int(hit.sum()), np.sqrt(squared))))
        index, inside = index[~hit], inside[~hit]
    if not found:
        return index, flat[inside], np.zeros(len(index))
    positions, classes, distances = zip(*found, strict=True)
    return np.concatenate(positions), np.concatenate(classes), np.concatenate(distances)


def apply_in_bands(function: Callable[[LabelArray, int], LabelArray], label: LabelArray, halo_px: int) -> LabelArray:
    """Return ``function(label, 0)`` computed band by band along the first axis, in bounded memory.

    Parameters
    ----------
    function : callable
        ``function(band, first)`` maps rows of a label, of which the first is row `first`, to as many rows; a
        pixel's result depends on pixels within `halo_px` rows only.
    label : (H, W) or (D, H, W) array of integers
        The whole label.
    halo_px : int
        Rows (or slices) that a band needs to see on both sides.
    """
    row_pixels = label.size // len(label)
    height = max(BAND_PIXELS // row_pixels, 2 * halo_px, 1)
    if height >= len(label):
        return function(label, 0)
    result = np.empty_like(label, order="C")
    for start in range(0, len(label), height):
        first = max(start - halo_px, 0)
        band = function(label[first : start + height + halo_px], first)
        result[start : start + height] = band[start - first : start - first + height]
    return result


def _rings(num_axes: int, limit_px: float) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Give the offsets within the limit, grouped by squared distance, nearest first, without the centre."""
    reach = np.arange(-int(limit_px), int(limit_px) + 1)
    offsets = np.stack(np.meshgrid(*[reach] * num_axes, indexing="ij"), axis=-1).reshape(-1, num_axes)
    squared = (offsets**2).sum(axis=1)
    for value in np.unique(squared[(squared > 0) & (squared <= limit_px**2 + SQUARE_SLACK)]):
        yield int(value), offsets[squared == value]
