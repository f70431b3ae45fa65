"""What stands in a street: trees, cars, pedestrians and poles, each painted from its position in metres.

`h` rows, `w` columns of the object's window. Every painter changes the canvas in place and paints at least a
trace of any object that reaches into the image. Colours are drawn so that no class has one of its own: cars
and coats come in the greys of road and pavement, bare trees in the browns of brick, poles in the grey of
anything.
"""

from collections.abc import Callable

import numpy as np

from metastructure.data.synthetic.fields import smooth_field
from metastructure.data.synthetic.scene import FloatArray
from metastructure.data.synthetic.street_view import (
    CAR,
    PEDESTRIAN,
    POLE,
    TREE,
    Canvas,
    View,
    Window,
    open_window,
    paint,
)

Painter = Callable[[Canvas, View, float, float, np.random.Generator], None]

_PAINTS = np.array(
    [
        (0.5, 0.5, 0.52),
        (0.15, 0.15, 0.17),
        (0.85, 0.85, 0.85),
        (0.5, 0.1, 0.1),
        (0.12, 0.2, 0.4),
        (0.3, 0.32, 0.3),
    ]
)
_LEAVES = np.array([(0.22, 0.34, 0.12), (0.32, 0.38, 0.16), (0.35, 0.28, 0.18), (0.16, 0.24, 0.14), (0.45, 0.36, 0.2)])
_CLOTHES = np.array(
    [
        (0.12, 0.12, 0.15),
        (0.35, 0.3, 0.25),
        (0.2, 0.25, 0.4),
        (0.55, 0.5, 0.48),
        (0.5, 0.15, 0.15),
        (0.7, 0.68, 0.6),
    ]
)


def paint_tree(canvas: Canvas, view: View, across_m: float, away_m: float, rng: np.random.Generator) -> None:
    """Paint a trunk and a ragged crown; sky or wall that shows between the leaves keeps its label."""
    tall_m, wide_m = rng.uniform(4.5, 10), rng.uniform(3, 6.5)
    window = open_window(canvas, view, across_m, away_m, wide_m, tall_m)
    leaves = _LEAVES[rng.integers(len(_LEAVES))] * rng.uniform(0.7, 1.2)
    bark = np.array([0.28, 0.23, 0.19]) * rng.uniform(0.5, 1.3)
    bare = rng.uniform(0.0, 0.5)  # how much of the crown the winter has taken
    clump_px = max(view.focal_px / away_m * 0.6, 1.5)

    paint(canvas, window, (np.abs(window.across) < 0.07) & (window.up < 0.6), bark, TREE)
    clumps, twigs = _texture(window, clump_px, rng), _texture(window, max(clump_px / 4, 1.0), rng)
    crown = 1 - (window.across / 0.9) ** 2 - ((window.up - 0.64) / 0.36) ** 2 + 0.35 * clumps
    crown -= np.where(twigs > 1.2 - bare, 1.0, 0.0)
    shade = np.clip(0.75 + 0.25 * clumps + 0.2 * twigs + 0.3 * (window.up - 0.6), 0.25, 1.5)
    paint(canvas, window, crown, leaves * shade[:, :, None], TREE)


def paint_car(canvas: Canvas, view: View, across_m: float, away_m: float, rng: np.random.Generator) -> None:
    """Paint a car that stands along the road, from its far end to its near end, with its shadow."""
    body = _PAINTS[rng.integers(len(_PAINTS))] * rng.uniform(0.7, 1.1)
    glass = np.array([0.12, 0.14, 0.16]) + rng.uniform(0, 0.4) * np.array([0.9, 1.0, 1.1])
    wide_m, long_m, tall_m = rng.uniform(1.65, 1.9), rng.uniform(3.6, 4.6), rng.uniform(1.4, 1.75)
    shadow = open_window(canvas, view, across_m, away_m, 1.15 * wide_m, 0.35, base_m=-0.12)
    canvas.colour[shadow.slices] *= 0.45

    steps = 14
    for step in range(steps):
        along = 1 - step / (steps - 1)  # 1 at the far end, 0 at the near end
        in_cabin = 0.05 < along < 0.72
        slice_m = tall_m if in_cabin else 0.62 * tall_m
        window = open_window(canvas, view, across_m, away_m + along * long_m, wide_m, slice_m - 0.15, base_m=0.15)
        waist = 0.58 if in_cabin else 1.0
        outline = 1 - np.abs(window.across) - 0.25 * np.clip(window.up - waist, 0, 1)
        paint(canvas, window, outline, 0.8 * body, CAR)
        if in_cabin and step % 4:
            paint(canvas, window, outline * ((window.up > 0.62) & (window.up < 0.93)), 0.8 * glass)
        if 0.12 < along < 0.28 or 0.72 < along < 0.88:
            paint(canvas, window, outline * (window.up < 0.3), np.full(3, 0.06))
    _paint_rear(
        canvas,
        open_window(canvas, view, across_m, away_m, wide_m, tall_m - 0.2, base_m=0.2),
        body,
        glass,
        rng,
    )


def _paint_rear(canvas: Canvas, window: Window, body: FloatArray, glass: FloatArray, rng: np.random.Generator) -> None:
    across, up = np.abs(window.across), window.up
    outline = (across < 1 - 0.35 * np.clip(up - 0.55, 0, 1)) & (across + 0.6 * np.clip(up - 0.9, 0, 1) < 0.97)
    paint(canvas, window, outline, body * (0.75 + 0.4 * up[:, :, None]), CAR)
    paint(canvas, window, outline & (across < 0.72) & (up > 0.58) & (up < 0.9), glass)
    lamp = np.array([0.75, 0.1, 0.08]) if rng.random() < 0.7 else np.array([0.95, 0.93, 0.85])
    paint(canvas, window, outline & (across > 0.72) & (up > 0.36) & (up < 0.54), lamp)
    paint(canvas, window, outline & (across < 0.25) & (up > 0.2) & (up < 0.32), np.array([0.85, 0.8, 0.4]))
    paint(canvas, window, outline & (up < 0.14), np.full(3, 0.08))
    paint(canvas, window, (across > 0.7) & (up < 0.08), np.full(3, 0.04), CAR)


def paint_pedestrian(canvas: Canvas, view: View, across_m: float, away_m: float, rng: np.random.Generator) -> None:
    """Paint a standing or walking person: legs, coat, head."""
    tall_m = rng.uniform(1.5, 1.9)
    window = open_window(canvas, view, across_m, away_m, 0.42 * tall_m, tall_m)
    coat, legs = _CLOTHES[rng.integers(len(_CLOTHES), size=2)] * rng.uniform(0.7, 1.2, (2, 1))
    skin = np.array([0.75, 0.55, 0.45]) * rng.uniform(0.5, 1.1)
    stride, across, up = rng.uniform(0.1, 0.45), window.across, window.up
    leg_offset = stride * (0.5 - up) / 0.5
    apart = np.minimum(np.abs(across - leg_offset), np.abs(across + leg_offset))
    paint(canvas, window, (up < 0.5) & (apart < 0.24), legs, PEDESTRIAN)
    shoulders = 0.62 - 0.9 * np.clip(up - 0.72, 0, 1)
    folds = 0.8 + 0.3 * np.clip(across + 0.5, 0, 1)
    paint(
        canvas,
        window,
        (up > 0.42) & (up < 0.85) & (np.abs(across) < shoulders),
        coat * folds[:, :, None],
        PEDESTRIAN,
    )
    paint(canvas, window, 1 - (across / 0.3) ** 2 - ((up - 0.92) / 0.08) ** 2, skin, PEDESTRIAN)


def paint_pole(canvas: Canvas, view: View, across_m: float, away_m: float, rng: np.random.Generator) -> None:
    """Paint a lamp post with an arm, or a sign on its post."""
    grey = np.array([1.0, 1.0, 1.02]) * rng.uniform(0.12, 0.65)
    is_sign = rng.random() < 0.45
    tall_m = rng.uniform(2.4, 3.2) if is_sign else rng.uniform(5, 8)
    post = open_window(canvas, view, across_m, away_m, rng.uniform(0.12, 0.25), tall_m)
    paint(canvas, post, np.ones(1), grey * (1 - 0.2 * post.across[:, :, None]), POLE)
    if is_sign:
        face = np.array([(0.6, 0.12, 0.1), (0.15, 0.25, 0.55), (0.8, 0.8, 0.78)])[rng.integers(3)]
        disc = open_window(canvas, view, across_m, away_m, 0.6, 0.6, base_m=tall_m - 0.6)
        radius = np.hypot(disc.across, 2 * disc.up - 1)
        paint(canvas, disc, 1 - radius, face, POLE)
        paint(canvas, disc, 0.6 - radius, np.full(3, 0.8))
    else:
        towards_road = -np.sign(across_m) * 0.7
        arm = open_window(canvas, view, across_m + towards_road, away_m, 1.5, 0.15, base_m=tall_m - 0.15)
        paint(canvas, arm, np.ones(1), grey, POLE)


def _texture(window: Window, scale_px: float, rng: np.random.Generator) -> FloatArray:
    """Return a random field over the window; also for an empty window."""
    rows, columns = window.up.shape[0], window.across.shape[1]
    return smooth_field(max(rows, 1), max(columns, 1), scale_px, rng)[:rows, :columns]
