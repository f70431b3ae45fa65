"""The buildings of a street: two rows of houses with gables and windows, and a skyline that closes the view.

`H` rows, `W` columns, `N` houses. The fronts lie in a plane along the street: a pixel's column gives the
distance at which its ray meets that plane, its row then gives the height, so windows and bricks follow the
perspective.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metastructure.data.synthetic.fields import smooth_field
from metastructure.data.synthetic.scene import BoolArray, FloatArray, pixel_grid
from metastructure.data.synthetic.street_view import (
    BUILDING,
    CAMERA_HEIGHT_M,
    TREE,
    Canvas,
    View,
    open_window,
    paint,
)

_FACADES = np.array(
    [
        (0.45, 0.28, 0.2),
        (0.55, 0.5, 0.42),
        (0.42, 0.42, 0.44),
        (0.72, 0.7, 0.66),
        (0.36, 0.32, 0.28),
        (0.6, 0.45, 0.33),
    ]
)
_END_OF_STREET_M = 110.0
_HAZE_M = 220.0


def paint_skyline(canvas: Canvas, view: View, rng: np.random.Generator) -> None:
    """Close the street with distant buildings and trees."""
    height, width = canvas.label.shape
    rows, _ = pixel_grid(height, width)
    steps = np.repeat(rng.uniform(0.02, 0.1, width), rng.integers(4, 14, width))[:width] * height
    bushes = (0.05 + 0.02 * smooth_field(1, width, max(width / 24, 2.0), rng)[0]) * height
    grain = smooth_field(height, width, 2.0, rng)[:, :, None]
    above = view.horizon_row - rows - 0.5
    for label, top, colour in (
        (BUILDING, steps, _FACADES[rng.integers(len(_FACADES))]),
        (
            TREE,
            bushes * (smooth_field(1, width, max(width / 6, 2.0), rng)[0] > 0),
            np.array([0.3, 0.32, 0.22]),
        ),
    ):
        region = (above >= 0) & (above < top)
        hazy = 0.65 * colour + 0.35 * np.array([0.75, 0.77, 0.8])
        canvas.colour[region] = (hazy * (1 + 0.12 * grain))[region]
        canvas.label[region] = label


class _Houses(NamedTuple):
    """The row of `N` houses on one side of the street, from near to far."""

    ends_m: FloatArray  # (N,) distance at which each house ends and the next begins
    tall_m: FloatArray  # (N,) height, 0 for a gap
    colours: FloatArray  # (N, 3)


def _draw_houses(rng: np.random.Generator, num: int = 24) -> _Houses:
    tall_m = np.where(rng.random(num) < 0.12, 0.0, rng.uniform(5, 11, num) + rng.uniform(-2, 4))
    colours = _FACADES[rng.integers(len(_FACADES), size=num)] * rng.uniform(0.7, 1.2, (num, 1))
    return _Houses(np.cumsum(rng.uniform(6, 20, num)), tall_m, colours)


def paint_houses(canvas: Canvas, view: View, side: int, light: float, rng: np.random.Generator) -> None:
    """Paint the houses on one side: first the gables that face the camera, then the fronts."""
    houses = _draw_houses(rng)
    height, width = canvas.label.shape
    wall_m = abs(view.left_wall_m if side < 0 else view.right_wall_m)
    bricks = 1 + 0.07 * smooth_field(height, width, 1.2, rng) + 0.08 * smooth_field(height, width, 12.0, rng)
    gable_light = rng.uniform(0.5, 0.9)
    for house in reversed(range(1, len(houses.tall_m))):
        away = float(houses.ends_m[house - 1])
        if houses.tall_m[house] > houses.tall_m[house - 1] and away < _END_OF_STREET_M:
            window = open_window(canvas, view, side * (wall_m + 5), away, 10.0, float(houses.tall_m[house]))
            colour = gable_light * houses.colours[house] * bricks[window.slices][:, :, None]
            paint(canvas, window, np.ones(1), _in_haze(colour, np.array(away)), BUILDING)
    _paint_fronts(canvas, view, side, light * bricks, houses, rng)


def _paint_fronts(
    canvas: Canvas, view: View, side: int, bricks: FloatArray, houses: _Houses, rng: np.random.Generator
) -> None:
    """Paint the wall along the street: for each pixel, where its ray meets the wall, and what is there."""
    height, width = canvas.label.shape
    rows, columns = pixel_grid(height, width)
    wall_m = abs(view.left_wall_m if side < 0 else view.right_wall_m)
    away = view.focal_px * wall_m / np.maximum(side * (columns + 0.5 - view.vanish_column), 1e-3)
    up = CAMERA_HEIGHT_M - (rows + 0.5 - view.horizon_row) * away / view.focal_px

    house = np.minimum(np.searchsorted(houses.ends_m, away), len(houses.ends_m) - 1)
    tall = houses.tall_m[house]
    wall = (up >= 0) & (up < tall) & (away < _END_OF_STREET_M)
    pane, glass = _draw_panes(up, away, tall, house, len(houses.ends_m), rng)
    surface = np.where(pane[:, :, None], glass, houses.colours[house])
    surface[up > tall - 0.4] *= 0.7  # the eaves
    hazy = _in_haze(bricks[:, :, None] * surface, away[:, :, None])
    canvas.colour[wall] = hazy[wall]
    canvas.label[wall] = BUILDING


def _in_haze(colour: FloatArray, away_m: FloatArray) -> FloatArray:
    """Return `colour` as seen through `away_m` metres of hazy air."""
    clear = np.exp(-away_m / _HAZE_M)
    hazy: FloatArray = clear * colour + (1 - clear) * np.array([0.75, 0.77, 0.8])
    return hazy


def _draw_panes(
    up: FloatArray,
    away: FloatArray,
    tall: FloatArray,
    house: npt.NDArray[np.intp],
    num_houses: int,
    rng: np.random.Generator,
) -> tuple[BoolArray, FloatArray]:
    """Return where windows and shop fronts are, and their colours."""
    pitch = rng.uniform(1.8, 3.6, num_houses)[house]
    storey = rng.uniform(2.7, 3.4, num_houses)[house]
    open_share = rng.uniform(0.3, 0.65, num_houses)[house]
    pane = ((away / pitch) % 1 < open_share) & ((up / storey) % 1 > 0.3) & ((up / storey) % 1 < 0.8) & (up < tall - 0.5)
    number = (away / pitch).astype(int) * 7 + (up / storey).astype(int) * 13
    reflection = rng.uniform(0.05, 0.6, 64)[number % 64]
    glass = reflection[:, :, None] * np.array([0.9, 1.0, 1.1])
    shop = (rng.random(num_houses) < 0.35)[house] & (up > 2.6) & (up < 3.3)
    sign = rng.uniform(0.1, 0.8, (num_houses, 3))[house]
    return pane | shop, np.where(shop[:, :, None], sign, glass)
