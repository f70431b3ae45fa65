"""Endoplasmic reticulum: a polygonal network of thin tubules, dense and sheet-like near the nucleus.

`H` rows, `W` columns, `M` tubules, `N` points. A point is (row, column) in pixels. Class 1 is the ER:
tubules, sheets and the nuclear envelope; the nucleus, the gaps of the mesh and the space beyond the cell are
class 0.

The mesh is the Voronoi diagram of relaxed points, so that its tubules meet in threes, as those of real ER do.

References
----------
S. Chen, P. Novick, S. Ferro-Novick, "ER structure and function", Current Opinion in Cell Biology 25(4), 2013:
tubules joined by three-way junctions into polygons in the periphery, sheets around the nucleus.

J. Nixon-Abell et al., "Increased spatiotemporal resolution reveals highly dynamic dense tubular matrices in the
peripheral ER", Science 354, 2016: peripheral sheets are often dense meshes.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import Voronoi, cKDTree

from metastructure.data.synthetic.fields import smooth_field
from metastructure.data.synthetic.imaging import Microscope
from metastructure.data.synthetic.lines import draw_lines, sample_arcs
from metastructure.data.synthetic.scene import BoolArray, FloatArray, Scene, pixel_grid

CLASS_NAMES = ("background", "er")

_MARGIN_PX = 48  # the mesh goes on beyond the image, so that its edge looks like its middle
_CANDIDATES_PER_SITE = 8


class _Cell(NamedTuple):
    """A star-shaped nucleus and the reach of the cell around it; all lengths in pixels."""

    row: float
    column: float
    nucleus_radius: float
    lobes: FloatArray  # (2, 2) amplitude and phase of the second and third harmonic of the nucleus
    reach: float  # from the nucleus to the edge of the cell
    fine_spacing: float  # of the mesh, at the nucleus
    coarse_spacing: float  # of the mesh, at the edge of the cell


def simulate_er(height: int, width: int, rng: np.random.Generator) -> Scene:
    """Return a window onto the ER of one cell.

    Parameters
    ----------
    height, width : int
        H and W; one pixel is about 0.1 um, so a tubule is 2-5 px wide and a polygon 10-28 px across.
    rng : numpy.random.Generator
        Where the cell comes from.

    Examples
    --------
    >>> scene = simulate_er(64, 48, np.random.default_rng(0))
    >>> scene.clean.shape, scene.label.dtype.name, int(scene.label.max())
    ((64, 48), 'uint8', 1)
    """
    cell = _draw_cell(height, width, rng)
    depth = _depth_px(cell, *pixel_grid(height, width))
    tubule_light, tubules = _draw_tubules(cell, height, width, rng)
    sheet_light, sheets = _draw_sheets(cell, depth, rng)

    in_cell = (depth > 0) & (depth < cell.reach)
    sheets &= in_cell
    texture = 1 + 0.2 * smooth_field(height, width, 3.0, rng)
    label = tubules | sheets
    near_nucleus = np.exp(-np.maximum(depth, 0) / (0.4 * cell.reach))
    light = np.where(sheets, np.maximum(tubule_light, sheet_light), tubule_light) * (0.5 + 0.5 * near_nucleus)
    cytosol = rng.uniform(0.1, 0.25) * near_nucleus * np.where(in_cell, 1.0, 0.35)
    clean = np.maximum(light * texture, 0.0) + cytosol
    return Scene(clean, label.astype(np.uint8), _draw_microscope(rng))


def _draw_microscope(rng: np.random.Generator) -> Microscope:
    photons = float(np.exp(rng.uniform(np.log(30), np.log(140))))
    return Microscope(
        photons=photons,
        psf_sigma_px=rng.uniform(1.0, 1.5),
        haze_share=rng.uniform(0.35, 0.55),
        haze_sigma_px=rng.uniform(8, 14),
        background_photons=photons * rng.uniform(0.08, 0.25),
        background_unevenness=rng.uniform(0.3, 0.6),
        background_scale_px=rng.uniform(60, 120),
        read_noise_photons=rng.uniform(1, 2.5),
        gain_counts=rng.uniform(0.45, 0.9) * 65535 / photons,
        offset_counts=rng.uniform(500, 2500),
    )


def _draw_cell(height: int, width: int, rng: np.random.Generator) -> _Cell:
    """Return a cell whose nucleus lies anywhere from the middle of the image to well outside it."""
    angle = rng.uniform(0, 2 * np.pi)
    nucleus_radius = rng.uniform(28, 48)
    diagonal = np.hypot(height, width)
    nearest = max(0.0, 1.1 * nucleus_radius + 12 - 0.35 * diagonal)  # a small window must not see the nucleus only
    distance = rng.uniform(nearest, max(nearest, 0.5 * diagonal + 0.5 * nucleus_radius))
    return _Cell(
        row=(height - 1) / 2 + distance * np.sin(angle),
        column=(width - 1) / 2 + distance * np.cos(angle),
        nucleus_radius=nucleus_radius,
        lobes=np.column_stack([rng.uniform(0.02, 0.12, 2), rng.uniform(0, 2 * np.pi, 2)]),
        reach=distance + rng.uniform(90, 190),
        fine_spacing=rng.uniform(8.5, 12),
        coarse_spacing=rng.uniform(20, 30),
    )


def _depth_px(cell: _Cell, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Return how far points lie outside the nucleus, in pixels; negative inside."""
    away_rows, away_columns = rows - cell.row, columns - cell.column
    angle = np.arctan2(away_rows, away_columns)
    (second, second_phase), (third, third_phase) = cell.lobes
    outline = 1 + second * np.cos(2 * angle + second_phase) + third * np.cos(3 * angle + third_phase)
    depth: FloatArray = np.hypot(away_rows, away_columns) - cell.nucleus_radius * outline
    return depth


def _draw_sites(cell: _Cell, height: int, width: int, rng: np.random.Generator) -> FloatArray:
    """Return the centres of the polygons: random points relaxed into an even mesh, finer near the nucleus."""
    rows, columns = height + 2 * _MARGIN_PX, width + 2 * _MARGIN_PX
    num_candidates = int(_CANDIDATES_PER_SITE * rows * columns / (0.87 * cell.fine_spacing**2))
    candidates = rng.random((num_candidates, 2)) * (rows, columns) - _MARGIN_PX
    depth = np.clip(_depth_px(cell, candidates[:, 0], candidates[:, 1]) / cell.reach, 0, 1)
    spacing = cell.fine_spacing + (cell.coarse_spacing - cell.fine_spacing) * np.sqrt(depth)
    candidates = candidates[rng.random(num_candidates) < (cell.fine_spacing / spacing) ** 2]
    sites = candidates[: max(8, len(candidates) // _CANDIDATES_PER_SITE)].copy()
    for _ in range(3):  # Lloyd's relaxation towards the mean of the candidates nearest to each site
        nearest = cKDTree(sites).query(candidates)[1]
        members = np.bincount(nearest, minlength=len(sites))
        for axis in range(2):
            total = np.bincount(nearest, weights=candidates[:, axis], minlength=len(sites))
            sites[:, axis] = np.where(members > 0, total / np.maximum(members, 1), sites[:, axis])
    return sites


def _draw_tubules(cell: _Cell, height: int, width: int, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
    """Return light and place of the mesh and of the nuclear envelope."""
    mesh = Voronoi(_draw_sites(cell, height, width, rng))
    ridges = np.array([ridge for ridge in mesh.ridge_vertices if ridge[0] >= 0])
    starts, ends = mesh.vertices[ridges[:, 0]], mesh.vertices[ridges[:, 1]]
    lost_share = rng.uniform(0.04, 0.14)  # a lost tubule leaves a free end or a larger polygon
    kept = rng.random(len(ridges)) > lost_share
    kept &= _is_near_image(starts, height, width) & _is_near_image(ends, height, width)
    starts, ends = starts[kept], ends[kept]

    num = len(starts)
    points, position, tubule = sample_arcs(starts, ends, rng.normal(0, 0.1, num))
    base_width = rng.uniform(2.0, 3.2)
    widths = np.clip(base_width * np.exp(rng.normal(0, 0.2, num)), 2.0, 4.5)
    swelling = 1 + 0.25 * (2 * position - 1) ** 4  # junctions are wider than the tubules between them
    brightness = np.exp(rng.normal(0, 0.35, num))[tubule]
    depth = _depth_px(cell, points[:, 0], points[:, 1])
    inside = (depth > 0) & (depth < cell.reach)

    envelope = _sample_envelope(cell)
    num_envelope = len(envelope)
    return draw_lines(
        np.concatenate([points[inside], envelope]),
        np.concatenate([(widths[tubule] * swelling)[inside], np.full(num_envelope, 3.0)]),
        np.concatenate([0.7 * brightness[inside], np.full(num_envelope, 0.9)]),
        height,
        width,
    )


def _is_near_image(points: FloatArray, height: int, width: int) -> BoolArray:
    """Return whether each point lies in the image or its margin; Voronoi vertices may lie anywhere."""
    rows, columns = points[:, 0], points[:, 1]
    near_rows = (rows > -_MARGIN_PX) & (rows < height + _MARGIN_PX)
    near: BoolArray = near_rows & (columns > -_MARGIN_PX) & (columns < width + _MARGIN_PX)
    return near


def _sample_envelope(cell: _Cell) -> FloatArray:
    """Return points around the nucleus, closer together than half a pixel."""
    angle = np.arange(0, 2 * np.pi, 0.35 / cell.nucleus_radius)
    circle_row, circle_column = np.sin(angle), np.cos(angle)
    on_circle = _depth_px(cell, cell.row + circle_row, cell.column + circle_column)  # 1 - outline radius
    radius = 1 - on_circle
    return np.column_stack([cell.row + radius * circle_row, cell.column + radius * circle_column])


def _draw_sheets(cell: _Cell, depth: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, BoolArray]:
    """Return light and place of the sheets: a broken zone around the nucleus, some patches further out."""
    height, width = depth.shape
    patches = smooth_field(height, width, rng.uniform(11, 18), rng)
    zone_px = rng.uniform(15, 45)
    score = 1.6 * np.exp(-np.maximum(depth, 0) / zone_px) + 0.5 * patches
    holes = smooth_field(height, width, 4.0, rng) > 1.5  # fenestrations
    sheets = (score > 1.15) & ~holes
    light = 0.6 + 0.12 * smooth_field(height, width, 9.0, rng)
    return light, sheets
