"""How the boundary of a label wanders about the edges of its image: what neighbouring stretches of it share.

`H` rows, `W` columns, `S` stretches, `K` depths, `J` objects. A stretch is the part of one object's boundary in one
cell of a grid. The offset of a stretch is the depth at which the image changes fastest along it; noise of the image
moves each on its own, a hand that wanders moves neighbours together, so that the mean product of neighbours' offsets is
the variance of the hand.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metastructure.audit.label_band import FloatArray, Index, label_band
from metastructure.audit.likeness import Likeness
from metastructure.audit.object_table import ObjectTable
from metastructure.label import LabelArray

CELL_PX = 6
REACH_PX = 5
KERNEL_PX = 0.75
"""Standard deviation of the average over depth."""

LEAST_PIXELS, LEAST_DEPTHS = 2 * CELL_PX, REACH_PX + 1
MOST_PX = 4.0
"""Offsets are cut at this distance from the image's median, near the end of what is looked at."""

LEAST_STRETCHES = 6
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


class Wander(NamedTuple):
    """Sums over one image.

    Attributes
    ----------
    products : float
        Of the offsets of neighbouring stretches, each less the image's median.
    num_pairs : int
    object_px : (J,) array
        Median offset of the stretches of each object, above 0 where the label reaches too far; NaN without stretches.
    """

    products: float
    num_pairs: int
    object_px: FloatArray


def measure_wander(
    likeness: Likeness, label: LabelArray, objects: ObjectTable, num_classes: int, left_out: npt.NDArray[np.bool_]
) -> Wander:
    """Return the wander of the boundaries with class 0 in one image.

    Parameters
    ----------
    likeness : Likeness
    label : (H, W) array of integers
    objects : ObjectTable
    num_classes : int
    left_out : (J,) array of bool
        Objects that follow no edge.
    """
    band = label_band(label, num_classes, REACH_PX)
    number = _number_of_edge(band.edge, band.depth_px, objects.number.reshape(-1)[band.place])
    used = (band.pair < num_classes) & (number > 0)
    used[used] &= ~left_out[number[used] - 1]
    nothing = Wander(0.0, 0, np.full(len(objects.klass), np.nan))
    if not used.any():
        return nothing
    place, depth, inward, number = band.place[used], band.depth_px[used], band.inward[used], number[used]
    down, right = (part.reshape(-1)[place] for part in np.gradient(likeness.value))
    rise = down * inward[:, 0] + right * inward[:, 1]
    width = label.shape[1]
    foot = np.stack(np.divmod(place, width), axis=1) - depth[:, None] * inward
    cell = np.floor(foot / CELL_PX).astype(np.intp) + 2
    stride = np.array([(label.shape[0] // CELL_PX + 5) * (width // CELL_PX + 5), width // CELL_PX + 5, 1])
    keys, stretch = np.unique(number * stride[0] + cell @ stride[1:], return_inverse=True)
    offset, is_good = _offsets(stretch, depth, rise, len(keys))
    if is_good.sum() < LEAST_STRETCHES:
        return nothing
    keys, offset, of = keys[is_good], offset[is_good], keys[is_good] // stride[0]
    object_px = nothing.object_px.copy()
    for one in np.unique(of):
        object_px[one - 1] = np.median(offset[of == one])
    centred = np.clip(offset - np.median(offset), -MOST_PX, MOST_PX)
    products, num_pairs = 0.0, 0
    for step in NEIGHBOURS:
        wanted = keys + step[0] * stride[1] + step[1]
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        is_pair = keys[at] == wanted
        products += float(centred[is_pair] @ centred[at[is_pair]])
        num_pairs += int(is_pair.sum())
    return Wander(products, num_pairs, object_px)


def _number_of_edge(edge: Index, depth: FloatArray, number: Index) -> Index:
    """Return for each pixel of a band the number of the object whose boundary it is near, 0 if that was too small."""
    inside = depth > 0
    of_edge = np.zeros(int(edge.max(initial=0)) + 1, dtype=np.intp)
    of_edge[edge[inside]] = number[inside]
    found: Index = of_edge[edge]
    return found


def _offsets(stretch: Index, depth: FloatArray, rise: FloatArray, num: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return where the image rises fastest along each stretch, in pixels, and whether enough pixels say so."""
    num_depths = 2 * REACH_PX
    step = np.clip(np.floor(depth + REACH_PX).astype(np.intp), 0, num_depths - 1)
    cell = stretch * num_depths + step
    count, total = (np.bincount(cell, weights, num * num_depths).reshape(num, num_depths) for weights in (None, rise))
    steps = np.arange(num_depths)
    kernel = np.exp(-((steps[:, None] - steps) ** 2) / (2 * KERNEL_PX**2))
    pixels = count @ kernel
    profile = np.divide(total @ kernel, pixels, out=np.full(pixels.shape, -np.inf), where=pixels >= 1)
    is_good = (count.sum(axis=1) >= LEAST_PIXELS) & ((count > 0).sum(axis=1) >= LEAST_DEPTHS)
    top = profile.argmax(axis=1)
    middle, rows = np.clip(top, 1, num_depths - 2), np.arange(num)
    before, here, after = (profile[rows, middle + step] for step in (-1, 0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (before - after) / (2 * (before - 2 * here + after))
    between = np.where((top == middle) & np.isfinite(between), np.clip(between, -0.5, 0.5), 0.0)
    return top - REACH_PX + 0.5 + between, is_good
