"""The geometry of a street seen from a car: metres to pixels, and the picture that the painters fill.

`H` rows, `W` columns. World: `across_m` to the right of the camera, `up_m` above the road, `away_m` ahead. A
pinhole camera at height 1.4 m looks along the road, so a point lies at column ``vanish_column + focal_px *
across / away`` and row ``horizon_row + focal_px * (1.4 - up) / away``.
"""

from typing import NamedTuple

import numpy as np

from metastructure.data.synthetic.scene import BoolArray, FloatArray, LabelImage

CAMERA_HEIGHT_M = 1.4
SKY, BUILDING, ROAD, PAVEMENT, TREE, CAR, PEDESTRIAN, POLE = range(8)
CLASS_NAMES = ("sky", "building", "road", "pavement", "tree", "car", "pedestrian", "pole")


class View(NamedTuple):
    """Where the camera looks, and where the road's edges and the walls lie; negative to the left."""

    focal_px: float
    horizon_row: float
    vanish_column: float
    left_m: float
    right_m: float
    left_wall_m: float
    right_wall_m: float


class Canvas(NamedTuple):
    """The picture so far, painted in place from far to near."""

    colour: FloatArray  # (H, W, 3), 0..1
    label: LabelImage  # (H, W)


class Window(NamedTuple):
    """The pixels of an upright rectangle that faces the camera; empty if it lies outside the image."""

    slices: tuple[slice, slice]
    across: FloatArray  # (1, w), -1 at the left edge and 1 at the right edge
    up: FloatArray  # (h, 1), 0 at the bottom and 1 at the top


def open_window(
    canvas: Canvas,
    view: View,
    across_m: float,
    away_m: float,
    width_m: float,
    height_m: float,
    base_m: float = 0.0,
) -> Window:
    """Return the pixels of a rectangle centred at `across_m` whose foot is `base_m` above the road.

    Parameters
    ----------
    canvas, view : Canvas, View
        The picture and its geometry.
    across_m, away_m : float
        Middle of the rectangle, in metres; `away_m` above 0.
    width_m, height_m, base_m : float
        Its size and the height of its foot, in metres. A rectangle is painted at least one pixel wide.

    Examples
    --------
    >>> canvas = Canvas(np.zeros((20, 20, 3)), np.zeros((20, 20), np.uint8))
    >>> view = View(10.0, 10.0, 10.0, -4.0, 4.0, -6.0, 6.0)
    >>> window = open_window(canvas, view, 0.0, 2.0, 1.0, 1.4)  # 5 px wide, from the horizon 7 px down
    >>> canvas.label[window.slices].shape
    (7, 5)
    """
    height, width = canvas.label.shape
    scale = view.focal_px / away_m
    middle = view.vanish_column + scale * across_m
    half_px = max(scale * width_m / 2, 0.5)
    foot = view.horizon_row + scale * (CAMERA_HEIGHT_M - base_m)
    tall_px = max(scale * height_m, 1.0)
    top, bottom = _clip(foot - tall_px, height), _clip(foot, height)
    left, right = _clip(middle - half_px, width), _clip(middle + half_px, width)
    rows = np.arange(top, bottom, dtype=np.float64)[:, None] + 0.5
    columns = np.arange(left, right, dtype=np.float64)[None, :] + 0.5
    return Window(np.s_[top:bottom, left:right], (columns - middle) / half_px, (foot - rows) / tall_px)


def _clip(edge_px: float, size: int) -> int:
    return int(np.clip(np.floor(edge_px + 0.5), 0, size))


def paint(
    canvas: Canvas,
    window: Window,
    shape: FloatArray | BoolArray,
    colour: FloatArray,
    label: int | None = None,
) -> None:
    """Colour the pixels of `window` where `shape` is True or above 0, and label them unless `label` is None.

    The canvas changes in place. `colour` has shape (3,) or (h, w, 3). Without `label` only the surface
    changes, as for a window in a wall.

    Examples
    --------
    >>> canvas = Canvas(np.zeros((1, 3, 3)), np.zeros((1, 3), np.uint8))
    >>> window = Window(np.s_[0:1, 1:3], np.zeros((1, 2)), np.zeros((1, 1)))
    >>> paint(canvas, window, np.array([[1.0, 0.0]]), np.ones(3), CAR)
    >>> canvas.label.tolist()
    [[0, 5, 0]]
    """
    rows, columns = window.slices
    target = canvas.colour[rows, columns]
    inside = np.broadcast_to(shape > 0, target.shape[:2])
    target[inside] = np.broadcast_to(colour, target.shape)[inside]
    if label is not None:
        canvas.label[rows, columns][inside] = label
