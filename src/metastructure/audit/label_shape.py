"""Objects that are drawn as lines or as boxes, and whether the image shows something else there.

`H` rows, `W` columns, `J` objects.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metastructure.audit.label_band import FloatArray
from metastructure.audit.likeness import Likeness
from metastructure.audit.object_table import ObjectTable, is_inner, mean_by_number
from metastructure.label import IGNORE, LabelArray

BESIDE_PX, FAR_PX = (1.2, 2.3), (6.0, 10.0)
"""Rings beside a line, and where its surroundings are taken."""

LEAST_SIDE_PX = 6
"""Of a box whose corners can be told from its middle."""

FILLED = 0.95
"""Share of its bounding box that a box fills; an ellipse fills 0.79."""


class LabelShape(NamedTuple):
    """The shape of one label's objects.

    Attributes
    ----------
    num_edge, num_object_pixels : int
        Object pixels that touch another class, and all.
    beside, far, inside : (sum, number) of likeness
        Beside the objects, far from them and in them.
    is_box : (J,) array of float
        1 for objects that fill their box, 0 for others, NaN for those too small or cut by the edge of the image.
    corner, middle : float
        Likeness less that of what is around, in the corners of those that fill their box, and in the ellipse between;
        summed over them.
    """

    num_edge: int
    num_object_pixels: int
    beside: tuple[float, int]
    far: tuple[float, int]
    inside: tuple[float, int]
    is_box: FloatArray
    corner: float
    middle: float


def measure_shape(label: LabelArray, objects: ObjectTable, likeness: Likeness | None) -> LabelShape:
    """Return the shape of the objects of an (H, W) label."""
    is_object = (label > 0) & (label != IGNORE)
    num_edge = int((is_object & ~is_inner(label)).sum())
    beside = far = inside = (0.0, 0)
    if likeness is not None:
        wheres = [
            (label == 0) & (likeness.distance > low) & (likeness.distance <= high) for low, high in (BESIDE_PX, FAR_PX)
        ]
        beside, far, inside = (
            (float(likeness.value[where].sum()), int(where.sum())) for where in (*wheres, objects.number > 0)
        )
    is_box = _is_box(label, objects)
    corner, middle = (0.0, 0.0) if likeness is None else _corners(label, objects, likeness, is_box == 1)
    return LabelShape(num_edge, int(is_object.sum()), beside, far, inside, is_box, corner, middle)


def _is_box(label: LabelArray, objects: ObjectTable) -> FloatArray:
    sides = objects.box[:, 2:] - objects.box[:, :2]
    cut = (objects.box[:, :2] == 0).any(axis=1) | (objects.box[:, 2:] == label.shape).any(axis=1)
    is_box: FloatArray = (objects.area >= FILLED * sides.prod(axis=1)).astype(np.float64)
    is_box[cut | (sides.min(axis=1, initial=LEAST_SIDE_PX) < LEAST_SIDE_PX)] = np.nan
    return is_box


def _corners(
    label: LabelArray, objects: ObjectTable, likeness: Likeness, is_box: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """Return by how much corners and middles of boxes look more like inside than what is around, summed.

    Pixels at the boundary have no say, as blur mixes them.
    """
    sides = objects.box[:, 2:] - objects.box[:, :2]
    row, column = np.nonzero((objects.number > 0) & is_inner(label))
    of = objects.number[row, column]
    middle = (objects.box[:, :2] + objects.box[:, 2:] - 1) / 2
    away = (np.stack([row, column], axis=1) - middle[of - 1]) / (sides[of - 1] / 2)
    is_corner = (away**2).sum(axis=1) > 1
    num, value = len(objects.klass), likeness.value[row, column]
    corner, inner = (mean_by_number(of[where], value[where], num) for where in (is_corner, ~is_corner))
    ring = (label == 0) & (likeness.distance > BESIDE_PX[0]) & (likeness.distance <= FAR_PX[0])
    around = mean_by_number(likeness.nearest[ring], likeness.value[ring], num)
    known = is_box & ~np.isnan(corner + inner + around)
    return float((corner - around)[known].sum()), float((inner - around)[known].sum())
