"""Cell nuclei: blobs of one size per image, alone or touching, with a textured interior, among some debris.

`H` rows, `W` columns. Class 1 is a nucleus, bright mitotic or dying ones included; debris is class 0. Sizes
and densities follow the fluorescence images of BBBC038: median areas from about 70 to 1900 px, so radii from
5 to 24 px.

References
----------
J. C. Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", Nature
Methods 16, 2019.
"""

from typing import NamedTuple

import numpy as np

from metastructure.data.synthetic.fields import smooth_field
from metastructure.data.synthetic.imaging import Microscope
from metastructure.data.synthetic.scene import FloatArray, LabelImage, Scene

CLASS_NAMES = ("background", "nucleus")

_MIN_RADIUS_PX, _MAX_RADIUS_PX = 5.0, 22.0
_TRIES = 12  # to find a free place for one nucleus before it is left out


class _Nucleus(NamedTuple):
    """One blob; lengths in pixels, angles in radians."""

    row: float
    column: float
    radius: float
    elongation: float  # long over short axis
    angle: float
    lobes: FloatArray  # (3, 2) amplitude and phase of harmonics 2, 3 and 4 of the outline
    brightness: float


def simulate_nuc(height: int, width: int, rng: np.random.Generator) -> Scene:
    """Return one field of nuclei; at least one has its centre in the image.

    Parameters
    ----------
    height, width : int
        H and W.
    rng : numpy.random.Generator
        Where the nuclei come from. The mean radius is drawn per image, from 5 to 22 px.

    Examples
    --------
    >>> scene = simulate_nuc(64, 48, np.random.default_rng(0))
    >>> scene.clean.shape, scene.label.dtype.name, int(scene.label.max())
    ((64, 48), 'uint8', 1)
    """
    size = rng.random()
    radius_px = float(_MIN_RADIUS_PX * (_MAX_RADIUS_PX / _MIN_RADIUS_PX) ** size)
    coarse = 1 + 0.35 * smooth_field(height, width, max(radius_px / 2.5, 2.0), rng)
    chromatin = np.clip(coarse + 0.15 * smooth_field(height, width, 2.0, rng), 0.3, 1.8)

    light = np.zeros((height, width))
    label = np.zeros((height, width), dtype=np.uint8)
    texture = 1 + rng.uniform(0.15, 0.6) * (chromatin - 1)
    for nucleus in _place_nuclei(height, width, radius_px, rng.uniform(0.05, 0.15 + 0.2 * size), rng):
        _draw_nucleus(nucleus, texture, light, label)
    _add_debris(light, label, radius_px, rng)
    return Scene(light, label, _draw_microscope(radius_px, rng))


def _draw_microscope(radius_px: float, rng: np.random.Generator) -> Microscope:
    photons = float(np.exp(rng.uniform(np.log(60), np.log(800))))
    return Microscope(
        photons=photons,
        psf_sigma_px=0.6 + 0.05 * radius_px,
        haze_share=rng.uniform(0.02, 0.15),
        haze_sigma_px=rng.uniform(6, 10),
        background_photons=photons * rng.uniform(0.01, 0.06),
        background_unevenness=rng.uniform(0.1, 0.5),
        background_scale_px=rng.uniform(80, 160),
        read_noise_photons=rng.uniform(1, 4),
        gain_counts=np.exp(rng.uniform(np.log(0.12), np.log(0.6))) * 65535 / photons,
        offset_counts=rng.uniform(500, 2500),
    )


def _place_nuclei(height: int, width: int, radius_px: float, cover: float, rng: np.random.Generator) -> list[_Nucleus]:
    """Return nuclei that touch but hardly overlap; about half of them sit against an earlier one."""
    num = max(1, rng.poisson(cover * height * width / (np.pi * radius_px**2)))
    touching_share = rng.uniform(0.2, 0.7)
    spread = rng.uniform(0.08, 0.3)
    places = np.empty((0, 3))  # row, column, radius
    nuclei: list[_Nucleus] = []
    for _ in range(num):
        dying = rng.random() < 0.05
        radius = radius_px * float(np.exp(rng.normal(0, spread))) * (0.6 if dying else 1.0)
        for _ in range(_TRIES):
            row, column = rng.random(2) * (height - 1, width - 1)
            if len(nuclei) and rng.random() < touching_share:
                row, column = _beside(places[rng.integers(len(places))], radius, rng)
            gap = np.hypot(places[:, 0] - row, places[:, 1] - column) - 0.8 * (places[:, 2] + radius)
            if not (gap < 0).any():
                places = np.vstack([places, (row, column, radius)])
                nuclei.append(_draw_shape(row, column, radius, dying, rng))
                break
    return nuclei


def _beside(place: FloatArray, radius: float, rng: np.random.Generator) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * np.pi)
    distance = rng.uniform(0.82, 1.1) * (place[2] + radius)
    return float(place[0] + distance * np.sin(angle)), float(place[1] + distance * np.cos(angle))


def _draw_shape(row: float, column: float, radius: float, dying: bool, rng: np.random.Generator) -> _Nucleus:
    amplitude = np.abs(rng.normal(0, (0.04, 0.035, 0.02)))
    return _Nucleus(
        row=float(row),
        column=float(column),
        radius=radius,
        elongation=float(rng.uniform(1.0, 1.7)),
        angle=float(rng.uniform(0, np.pi)),
        lobes=np.column_stack([amplitude, rng.uniform(0, 2 * np.pi, 3)]),
        brightness=float(np.exp(rng.normal(-0.6, 0.25))) * (2.2 if dying else 1.0),
    )


def _draw_nucleus(nucleus: _Nucleus, texture: FloatArray, light: FloatArray, label: LabelImage) -> None:
    """Add one nucleus to `light` and `label`, in place and within its window only."""
    height, width = label.shape
    reach = 1.6 * nucleus.radius + 2
    top, left = max(0, int(nucleus.row - reach)), max(0, int(nucleus.column - reach))
    bottom, right = min(height, int(nucleus.row + reach) + 2), min(width, int(nucleus.column + reach) + 2)
    window = np.s_[top : max(bottom, top), left : max(right, left)]
    rows = np.arange(top, max(bottom, top))[:, None] - nucleus.row
    columns = np.arange(left, max(right, left))[None, :] - nucleus.column

    cosine, sine, stretch = np.cos(nucleus.angle), np.sin(nucleus.angle), np.sqrt(nucleus.elongation)
    along, across = (rows * sine + columns * cosine) / stretch, (rows * cosine - columns * sine) * stretch
    theta = np.arctan2(across, along)
    outline = np.ones_like(theta)
    for harmonic, (amplitude, phase) in enumerate(nucleus.lobes, start=2):
        outline += amplitude * np.cos(harmonic * theta + phase)
    depth = nucleus.radius * outline - np.hypot(along, across)

    dome = np.sqrt(np.clip((depth + 0.5) / nucleus.radius, 0, 1)) * 0.5 + 0.5  # thinner, so darker, at the rim
    glow = nucleus.brightness * np.clip(depth + 0.5, 0, 1) * dome * texture[window]
    light[window] = np.maximum(light[window], glow)
    label[window][depth >= 0] = 1


def _add_debris(light: FloatArray, label: LabelImage, radius_px: float, rng: np.random.Generator) -> None:
    """Add round specks of light outside the nuclei, in place; they stay background."""
    height, width = light.shape
    for _ in range(rng.poisson(4 * height * width / 256**2)):
        row, column = int(rng.integers(height)), int(rng.integers(width))
        speck_px, brightness = rng.uniform(0.08, 0.2) * radius_px, rng.uniform(0.1, 0.5)
        reach = int(np.ceil(2 * speck_px))
        window = np.s_[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        if not label[window].any():
            rows, columns = np.arange(height)[window[0], None] - row, np.arange(width)[None, window[1]] - column
            squared = (rows**2 + columns**2) / speck_px**2
            light[window] = np.maximum(light[window], brightness * np.exp(-squared))
