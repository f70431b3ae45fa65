"""Thin curved objects, from sampled centrelines to light and label with sub-pixel accuracy.

`H` rows, `W` columns, `N` points. A point is (row, column) in pixels; pixel centres lie at integers.
"""

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from metastructure.data.synthetic.scene import BoolArray, FloatArray, pixel_grid

# Between the samples of a centreline: the outline of a line of width 2 is then off by less than 0.04 px.
SAMPLE_STEP_PX = 0.5


def draw_lines(
    points: FloatArray, width_px: FloatArray, brightness: FloatArray, height: int, width: int
) -> tuple[FloatArray, BoolArray]:
    """Return the light of an image of lines, and where the lines are.

    Parameters
    ----------
    points : (N, 2) array of float
        Samples of the centrelines, `SAMPLE_STEP_PX` apart or closer; outside the image they count with their
        width. N may be 0.
    width_px : (N,) array of float
        Full width of the line at each sample, in pixels.
    brightness : (N,) array of float
        Light per pixel of the line at each sample.
    height, width : int
        H and W.

    Returns
    -------
    light : (H, W) array of float
        `brightness` of the nearest sample times the covered share of the pixel, taken as a ramp one pixel
        wide.
    inside : (H, W) array of bool
        True where the centre of the pixel is within half a width of its nearest sample.

    Examples
    --------
    >>> light, inside = draw_lines(np.array([[1.0, 1.0]]), np.array([2.0]), np.array([5.0]), 3, 4)
    >>> inside.astype(int).tolist()
    [[0, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0]]
    >>> light[1].tolist()
    [2.5, 5.0, 2.5, 0.0]
    """
    if len(points) == 0:
        return np.zeros((height, width)), np.zeros((height, width), dtype=bool)
    rows, columns = np.broadcast_arrays(*pixel_grid(height, width))
    pixels = np.column_stack([rows.ravel(), columns.ravel()])
    reach = float(width_px.max()) / 2 + 0.5
    distance, nearest = cKDTree(points).query(pixels, distance_upper_bound=reach + 1e-6)
    half_width = np.append(width_px / 2, 0.0)[nearest]  # the extra entry serves pixels that reach no sample
    depth = half_width - distance
    light = np.append(brightness, 0.0)[nearest] * np.clip(depth + 0.5, 0.0, 1.0)
    return light.reshape(height, width), (depth >= 0).reshape(height, width)


def sample_arcs(
    starts: FloatArray, ends: FloatArray, bows: FloatArray
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    """Return points along shallow arcs, their position 0..1 on their arc, and the arc each belongs to.

    Parameters
    ----------
    starts, ends : (M, 2) array of float
        The ends of each arc.
    bows : (M,) array of float
        How far the middle of each arc lies off its chord, as a share of the chord's length; signed.

    Examples
    --------
    >>> points, position, arc = sample_arcs(np.array([[0.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([0.5]))
    >>> points.tolist(), arc.tolist()
    ([[0.0, 0.0], [0.5, 0.5], [0.0, 1.0]], [0, 0, 0])
    """
    chords = ends - starts
    num_steps = np.maximum(np.ceil(np.hypot(chords[:, 0], chords[:, 1]) / SAMPLE_STEP_PX).astype(int), 1)
    arc = np.repeat(np.arange(len(starts)), num_steps + 1)
    first = np.cumsum(num_steps + 1) - (num_steps + 1)
    position = (np.arange(len(arc)) - first[arc]) / num_steps[arc]
    normals = np.column_stack([chords[:, 1], -chords[:, 0]])
    lift = 4 * position * (1 - position) * bows[arc]
    points = starts[arc] + position[:, None] * chords[arc] + lift[:, None] * normals[arc]
    return points, position, arc
