"""Maps of the meta-structure of one class of the labels of a layer.

`H` rows, `W` columns, `R` the largest displacement.
"""

import numpy as np
from scipy import ndimage

from metastructure.label import IGNORE
from metastructure.napari.stacks import Array, OnItem, Stack, count_stack_classes
from metastructure.structure.density import density
from metastructure.structure.pair_counts import pair_counts
from metastructure.structure.windows import FloatArray, WindowName


def density_map(labels: Stack, klass: int, half_width_px: int, window: WindowName, on_item: OnItem) -> Array:
    """Return the share of a class around each pixel, see `metastructure.structure.density`, with the layer's axes.

    Raises
    ------
    ValueError
        If no label holds the class, or the window does not fit.
    """
    C = _check_class(labels, klass)
    maps = []
    for done, label in enumerate(labels.slices, start=1):
        maps.append(density(label, half_width_px, window, C)[klass])
        on_item(done, len(labels.slices))
    return labels.join(maps)


def distance_map(labels: Stack, klass: int, on_item: OnItem) -> Array:
    """Return the signed distance of each pixel to the boundary of a class, above 0 inside, with the layer's axes.

    Raises
    ------
    ValueError
        If no label holds the class.
    """
    _check_class(labels, klass)
    maps = []
    for done, label in enumerate(labels.slices, start=1):
        maps.append(signed_distance(label, klass))
        on_item(done, len(labels.slices))
    return labels.join(maps)


def signed_distance(label: Array, klass: int) -> FloatArray:
    """Return the distance to the boundary of a class in px, (H, W): above 0 inside it, below outside.

    Euclidean between pixel centres, less half a pixel. NaN on IGNORE, which is on neither side, and throughout a label
    with one side only.

    Examples
    --------
    >>> signed_distance(np.array([[0, 0, 2, 2, 255]]), 2).tolist()
    [[-1.5, -0.5, 0.5, 1.5, nan]]
    """
    inside, known = label == klass, label != IGNORE
    depth = np.full(label.shape, np.nan)
    outside = known & ~inside
    if inside.any() and outside.any():
        depth[inside] = ndimage.distance_transform_edt(~outside)[inside] - 0.5
        depth[outside] = 0.5 - ndimage.distance_transform_edt(~inside)[outside]
    return depth


def second_order_map(labels: Stack, klass: int, reach_px: int, on_item: OnItem) -> FloatArray:
    """Return how often two pixels of a class lie at each displacement, against pixels put anywhere.

    Parameters
    ----------
    labels : Stack
        Pooled: each slice adds its pairs.
    klass : int
    reach_px : int, at least 1
        R, the largest displacement along rows and along columns; cut to what the labels hold.
    on_item : callable

    Returns
    -------
    (2R+1, 2R+1) array
        Found over possible pairs, divided by the same ratio over all displacements: 1 for a class without structure.
        Displacement zero, in the middle, is NaN.

    Raises
    ------
    ValueError
        If no label holds two pixels of the class.
    """
    _check_class(labels, klass)
    R = min(reach_px, *(size - 1 for size in labels.slices[0].shape))
    shape = (2 * R + 1, 2 * R + 1)
    found, possible, num_found, num_possible = np.zeros(shape), np.zeros(shape), 0, 0
    for done, label in enumerate(labels.slices, start=1):
        pairs = pair_counts(label, klass, max_displacement_px=R)
        found += pairs.found
        possible += pairs.possible
        num_found, num_possible = num_found + pairs.num_found, num_possible + pairs.num_possible
        on_item(done, len(labels.slices))
    if not num_found:
        raise ValueError(f"Layer '{labels.name}' holds one pixel of class {klass} only; a pair needs two.")
    expected = possible * (num_found / num_possible)
    return np.divide(found, expected, out=np.full(shape, np.nan), where=possible > 0)


def _check_class(labels: Stack, klass: int) -> int:
    """Return C, after checking that a class occurs."""
    seen = np.unique(np.concatenate([np.unique(label) for label in labels.slices]))
    if klass not in seen or klass == IGNORE:
        held = ", ".join(str(one) for one in seen if one != IGNORE) or "none, only 255 for unknown"
        raise ValueError(f"Layer '{labels.name}' holds no pixel of class {klass}; its classes: {held}.")
    return count_stack_classes(labels)
