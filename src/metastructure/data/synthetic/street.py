"""Road scenes from a car: a street in perspective between two rows of buildings, under changing light.

`H` rows, `W` columns. Classes: 0 sky, 1 building, 2 road, 3 pavement, 4 tree, 5 car, 6 pedestrian, 7 pole.
The picture is painted from far to near, so that the label is exact to the pixel. Classes share their colours:
grey is road, pavement, wall, car, coat, pole or sky; shape, texture and place tell them apart, as they do for
the classes of CamVid.

References
----------
G. J. Brostow, J. Fauqueur, R. Cipolla, "Semantic object classes in video: a high-definition ground truth
database", Pattern Recognition Letters 30(2), 2009.
"""

import numpy as np

from metastructure.data.synthetic.camera import Camera
from metastructure.data.synthetic.fields import smooth_field
from metastructure.data.synthetic.scene import BoolArray, FloatArray, Scene, pixel_grid
from metastructure.data.synthetic.street_houses import paint_houses, paint_skyline
from metastructure.data.synthetic.street_objects import (
    Painter,
    paint_car,
    paint_pedestrian,
    paint_pole,
    paint_tree,
)
from metastructure.data.synthetic.street_view import (
    CAMERA_HEIGHT_M,
    CLASS_NAMES,
    PAVEMENT,
    ROAD,
    Canvas,
    View,
)

__all__ = ["CLASS_NAMES", "simulate_street"]

_SKIES = np.array([(0.45, 0.6, 0.85), (0.8, 0.82, 0.85), (0.6, 0.63, 0.68), (0.9, 0.9, 0.9)])


def simulate_street(height: int, width: int, rng: np.random.Generator) -> Scene:
    """Return one road scene with trees, cars, pedestrians and poles.

    Parameters
    ----------
    height, width : int
        H and W. The field of view is about 50-67 degrees across.
    rng : numpy.random.Generator
        Where the street comes from.

    Examples
    --------
    >>> scene = simulate_street(48, 64, np.random.default_rng(0))
    >>> scene.clean.shape, scene.label.dtype.name, int(scene.label.max()) < len(CLASS_NAMES)
    ((48, 64, 3), 'uint8', True)
    """
    view = _draw_view(height, width, rng)
    canvas = Canvas(np.empty((height, width, 3)), np.zeros((height, width), dtype=np.uint8))
    _paint_sky(canvas, view, rng)
    _paint_ground(canvas, view, rng)
    paint_skyline(canvas, view, rng)
    sunny_side = rng.choice([-1, 1])
    for side in (-1, 1):
        light = 1.0 if side == sunny_side else rng.uniform(0.5, 0.9)
        paint_houses(canvas, view, side, light, rng)
    _paint_objects(canvas, view, rng)
    return Scene(np.clip(canvas.colour, 0.0, 1.0), canvas.label, _draw_camera(rng))


def _draw_view(height: int, width: int, rng: np.random.Generator) -> View:
    left, right = -rng.uniform(1.8, 5.5), rng.uniform(1.8, 5.5)
    return View(
        focal_px=rng.uniform(0.75, 1.05) * width,
        horizon_row=rng.uniform(0.38, 0.58) * height,
        vanish_column=rng.uniform(0.36, 0.64) * width,
        left_m=left,
        right_m=right,
        left_wall_m=left - rng.uniform(2.2, 7),
        right_wall_m=right + rng.uniform(2.2, 7),
    )


def _draw_camera(rng: np.random.Generator) -> Camera:
    warm = rng.normal(0, 0.06)
    return Camera(
        exposure=float(np.exp(rng.uniform(np.log(0.45), np.log(1.5)))),
        cast=(1 + warm, 1.0, 1 - warm),
        vignette=rng.uniform(0.0, 0.3),
        blur_sigma_px=rng.uniform(0.35, 0.7),
        full_well_photons=float(np.exp(rng.uniform(np.log(800), np.log(6000)))),
        read_noise_photons=rng.uniform(5, 25),
    )


def _paint_sky(canvas: Canvas, view: View, rng: np.random.Generator) -> None:
    height, width = canvas.label.shape
    zenith = _SKIES[rng.integers(len(_SKIES))]
    horizon = 0.4 * zenith + 0.6 * np.array([0.88, 0.88, 0.86])
    fall = np.clip(pixel_grid(height, width)[0] / max(view.horizon_row, 1.0), 0, 1)[:, :, None]
    clouds = smooth_field(height, width, width / 5, rng) + 0.5 * smooth_field(height, width, width / 14, rng)
    cover = np.clip(0.5 * clouds + rng.uniform(-0.5, 0.6), 0, 1)[:, :, None]
    cloud = np.array([0.9, 0.9, 0.91]) * rng.uniform(0.6, 1.05)
    canvas.colour[:] = (1 - cover) * ((1 - fall) * zenith + fall * horizon) + cover * cloud


def _paint_ground(canvas: Canvas, view: View, rng: np.random.Generator) -> None:
    """Paint road and pavement on the ground plane, and shadows across both."""
    height, width = canvas.label.shape
    rows, columns = pixel_grid(height, width)
    below = np.maximum(rows + 0.5 - view.horizon_row, 1e-3)
    away = view.focal_px * CAMERA_HEIGHT_M / below * np.ones_like(columns)
    across = (columns + 0.5 - view.vanish_column) * away / view.focal_px
    ground = np.broadcast_to(rows + 0.5 > view.horizon_row, away.shape)
    road = ground & (across > view.left_m) & (across < view.right_m)
    pavement = ground & ~road

    grain = smooth_field(height, width, 1.0, rng)
    stains = smooth_field(height, width, width / 10, rng)
    asphalt = rng.uniform(0.22, 0.48) * (1 + 0.06 * grain + 0.08 * stains)
    asphalt *= 1 - 0.08 * np.cos(2 * np.pi * (across - view.left_m) / 1.8)  # the tracks of tyres
    marking = _mark_lanes(view, across, away, rng) & (smooth_field(height, width, 3.0, rng) > -1.5)
    surface = np.where(marking, rng.uniform(0.65, 0.85), asphalt)

    joint_m = rng.uniform(0.5, 1.2)
    joints = ((across / joint_m) % 1 < 0.07) | ((away / joint_m) % 1 < 0.07)
    slabs = rng.uniform(0.28, 0.6) * (1 + 0.05 * grain + 0.06 * stains) * np.where(joints & (away < 14), 0.8, 1.0)
    kerb = np.minimum(np.abs(across - view.left_m), np.abs(across - view.right_m)) < 0.18
    slabs = np.where(kerb, 1.25 * slabs, slabs)

    tint = 1 + rng.normal(0, 0.03, (2, 3))
    shadow = _cast_shadows(view, across, away, rng)[:, :, None]
    canvas.colour[road] = (surface[:, :, None] * tint[0] * shadow)[road]
    canvas.colour[pavement] = (slabs[:, :, None] * tint[1] * shadow)[pavement]
    canvas.label[road] = ROAD
    canvas.label[pavement] = PAVEMENT


def _mark_lanes(view: View, across: FloatArray, away: FloatArray, rng: np.random.Generator) -> BoolArray:
    """Return True on lane markings: a dashed middle line, and edge lines on some roads."""
    middle = 0.5 * (view.left_m + view.right_m) + rng.uniform(-0.5, 0.5)
    dashed = (np.abs(across - middle) < 0.09) & ((away + rng.uniform(0, 6)) % 6 < 3)
    edge = np.minimum(np.abs(across - view.left_m - 0.4), np.abs(across - view.right_m + 0.4)) < 0.07
    marking: BoolArray = (dashed | (edge & (rng.random() < 0.5))) & (away < 60)
    return marking


def _cast_shadows(view: View, across: FloatArray, away: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the light that reaches the ground, 0.5..1: less on the side that lies in the shade."""
    side = rng.choice([-1.0, 1.0])
    ragged = np.sin(away * rng.uniform(0.15, 0.5) + rng.uniform(0, 6)) > rng.uniform(-0.8, 0.8)
    edge = rng.uniform(view.left_m, view.right_m) + side * 1.5 * ragged
    return np.where(side * (across - edge) > 0, rng.uniform(0.5, 1.0), 1.0)


def _paint_objects(canvas: Canvas, view: View, rng: np.random.Generator) -> None:
    """Paint what stands in the street, the farthest first."""
    objects: list[tuple[float, float, Painter]] = []

    def place(
        painter: Painter, num: tuple[int, int], nearest_m: float, offset_m: tuple[float, float], on_road: bool
    ) -> None:
        for _ in range(rng.integers(*num)):
            away = float(np.exp(rng.uniform(np.log(nearest_m), np.log(60))))
            offset = rng.uniform(*offset_m) * (-1 if on_road else 1)
            across = view.left_m - offset if rng.random() < 0.5 else view.right_m + offset
            objects.append((away, float(across), painter))

    place(paint_tree, (2, 7), 7.0, (0.8, 2.0), False)
    place(paint_pole, (3, 9), 4.0, (0.2, 0.7), False)
    place(paint_pedestrian, (3, 10), 3.5, (0.4, 2.0), False)
    place(paint_pedestrian, (0, 4), 6.0, (0.5, 3.0), True)
    place(paint_car, (2, 7), 4.5, (0.9, 1.2), True)
    place(paint_car, (0, 3), 9.0, (2.5, 4.0), True)
    for away, across, painter in sorted(objects, key=lambda item: -item[0]):
        painter(canvas, view, across, away, rng)
