"""Mitochondria: short curved rods, some branched, some mere dots, of varying brightness and not all in focus.

`H` rows, `W` columns, `N` points. A point is (row, column) in pixels. Class 1 is a mitochondrion that an
annotator would outline: sharp or slightly defocused. What lies far out of focus only adds a glow and stays
class 0.
"""

import numpy as np
from scipy import ndimage

from metastructure.data.synthetic.fields import smooth_field
from metastructure.data.synthetic.imaging import Microscope
from metastructure.data.synthetic.lines import SAMPLE_STEP_PX, draw_lines
from metastructure.data.synthetic.scene import BoolArray, FloatArray, Scene

CLASS_NAMES = ("background", "mitochondrion")

_PIXELS_PER_ROD = 1100  # image area for each mitochondrion, at medium density
_BRANCHED_SHARE = 0.2
_DOT_SHARE = 0.2
_SOFT_SHARE = 0.25  # slightly out of focus: blurred by 1.5 px more, still outlined


def simulate_mito(height: int, width: int, rng: np.random.Generator) -> Scene:
    """Return a window onto the mitochondria of one cell; at least one lies in it.

    Parameters
    ----------
    height, width : int
        H and W; one pixel is about 0.1 um, so a rod is 3-7 px wide and up to some 80 px long.
    rng : numpy.random.Generator
        Where the rods come from.

    Examples
    --------
    >>> scene = simulate_mito(64, 48, np.random.default_rng(0))
    >>> scene.clean.shape, scene.label.dtype.name, int(scene.label.max())
    ((64, 48), 'uint8', 1)
    """
    num_rods = max(1, rng.poisson(height * width / _PIXELS_PER_ROD * np.exp(rng.uniform(-0.6, 0.5))))
    direction = np.pi * smooth_field(height, width, 110.0, rng)  # neighbours lie roughly in parallel
    width_px = rng.uniform(3.5, 5.5)

    layers = rng.random(num_rods) < _SOFT_SHARE
    sharp_light, sharp = _draw_rods(int((~layers).sum()), direction, width_px, rng)
    soft_light, soft = _draw_rods(int(layers.sum()), direction, width_px, rng)
    far_light, _ = _draw_rods(num_rods // 4, direction, 1.3 * width_px, rng)

    light = np.maximum(sharp_light, ndimage.gaussian_filter(soft_light, 1.5))
    light = light + 0.8 * ndimage.gaussian_filter(far_light, 5.0)
    texture = 1 + 0.2 * smooth_field(height, width, 3.0, rng)
    cytosol = rng.uniform(0.02, 0.08) * np.exp(0.5 * smooth_field(height, width, 60.0, rng))
    clean = np.maximum(light * texture, 0.0) + cytosol
    return Scene(clean, (sharp | soft).astype(np.uint8), _draw_microscope(rng))


def _draw_microscope(rng: np.random.Generator) -> Microscope:
    photons = float(np.exp(rng.uniform(np.log(40), np.log(250))))
    return Microscope(
        photons=photons,
        psf_sigma_px=rng.uniform(1.0, 1.5),
        haze_share=rng.uniform(0.1, 0.35),
        haze_sigma_px=rng.uniform(8, 14),
        background_photons=photons * rng.uniform(0.02, 0.12),
        background_unevenness=rng.uniform(0.2, 0.5),
        background_scale_px=rng.uniform(60, 140),
        read_noise_photons=rng.uniform(1, 3),
        gain_counts=rng.uniform(0.35, 0.9) * 65535 / photons,
        offset_counts=rng.uniform(500, 2500),
    )


def _draw_rods(
    num_rods: int, direction: FloatArray, width_px: float, rng: np.random.Generator
) -> tuple[FloatArray, BoolArray]:
    """Return light and place of rods that set out along the field `direction`, in radians."""
    height, width = direction.shape
    points, widths, brightness = [np.empty((0, 2))], [np.empty(0)], [np.empty(0)]
    for _ in range(num_rods):
        start = rng.random(2) * (height - 1, width - 1)
        angle = direction[int(start[0]), int(start[1])] + rng.normal(0, 0.5)
        length_px = rng.uniform(0, 4) if rng.random() < _DOT_SHARE else min(np.exp(rng.normal(3.1, 0.5)), 80)
        rod = _walk(start, angle, length_px, rng)
        if rng.random() < _BRANCHED_SHARE and length_px > 12:
            fork = rod[rng.integers(len(rod) // 4, 3 * len(rod) // 4)]
            turn = rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 1.4)
            rod = np.concatenate([rod, _walk(fork, angle + turn, rng.uniform(0.3, 0.6) * length_px, rng)])
        num = len(rod)
        points.append(rod)
        widths.append(np.full(num, np.clip(width_px * np.exp(rng.normal(0, 0.15)), 3.0, 7.0)))
        brightness.append(np.full(num, min(np.exp(rng.normal(-0.5, 0.45)), 1.6)))
    return draw_lines(np.concatenate(points), np.concatenate(widths), np.concatenate(brightness), height, width)


def _walk(start: FloatArray, angle: float, length_px: float, rng: np.random.Generator) -> FloatArray:
    """Return points along a curve whose curvature is a constant plus a slow random change."""
    num = int(length_px / SAMPLE_STEP_PX) + 1
    bend = rng.normal(0, 0.6) / max(length_px, 20.0)
    wander = np.cumsum(rng.normal(0, 0.005, num))
    heading = angle + np.cumsum(SAMPLE_STEP_PX * (bend + wander))
    steps = SAMPLE_STEP_PX * np.column_stack([np.sin(heading), np.cos(heading)])
    steps[0] = 0.0
    path: FloatArray = start + np.cumsum(steps, axis=0)
    return path
