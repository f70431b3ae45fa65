"""Objects as points: their centroids, and Ripley's K of points with real coordinates in a window of pixels.

`N` points, `R` radii, `H` rows, `W` columns. Coordinates are (row, column) in px with pixel centres at integers, so
an image covers -1/2 .. H - 1/2 by -1/2 .. W - 1/2.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree

from metastructure.label import LabelArray, check_label
from metastructure.structure.pair_counts import check_class, window_counts
from metastructure.structure.second_order import TIE_TOLERANCE, SecondOrder, check_radii
from metastructure.structure.windows import FloatArray

BoolArray = npt.NDArray[np.bool_]

PAIRS_AT_ONCE = 1_000_000
"""Pairs held in memory together: about 100 MB with their displacements and corrections."""


def object_centroids(label: LabelArray, point_class: int) -> FloatArray:
    """Return the centroid of every object of a class: every set of its pixels connected by edges or corners.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        IGNORE pixels belong to no object, but may cut one.
    point_class : int
        The class of the objects, 0..254.

    Returns
    -------
    (N, 2) or (N, 3) array
        Coordinates in px; (0, 2) if there is no object. A centroid may lie outside its object.

    Examples
    --------
    >>> object_centroids(np.array([[1, 1, 0, 0], [1, 0, 0, 1]]), 1).round(3)
    array([[0.333, 0.333],
           [1.   , 3.   ]])
    """
    check_label(label)
    check_class(point_class, "point_class")
    inside = label == point_class
    objects, num_objects = ndimage.label(inside, structure=np.ones((3,) * label.ndim))
    centroids = ndimage.center_of_mass(inside, objects, range(1, num_objects + 1))
    return np.asarray(centroids, dtype=np.float64).reshape(num_objects, label.ndim)


def centroid_k(points: npt.ArrayLike, window: BoolArray, radii_px: npt.ArrayLike) -> SecondOrder:
    """Return K, L and pair correlation of points with real coordinates.

    Parameters
    ----------
    points : (N, 2) or (N, 3) array-like of floats
        Coordinates in px, as from `object_centroids`; each within a pixel of the window.
    window : (H, W) or (D, H, W) array of bool
        True at the pixels that were looked at: ``label != IGNORE``, or ``np.ones(label.shape, bool)``.
    radii_px : (R,) array-like of floats
        Increasing, at least 0.

    Returns
    -------
    SecondOrder
        Relative to the planar null, ``K(r) = πr²``: these points lie on no lattice. NaN for fewer than two points, and
        at every radius at which some displacement of that length or less fits nowhere into the window.

    Raises
    ------
    TypeError, ValueError
        If the window is not an array of bool, the points do not fit it, or one lies outside of it.

    Notes
    -----
    The translation correction of `ripley_k` with γ(d) the area of the window's overlap with itself moved by d. The
    window is a union of unit squares, so γ is the multilinear interpolation of its integer pair counts, exactly; for a
    full rectangle (H - |d_row|) (W - |d_column|). Pairs come from a k-d tree, a batch at a time: cost O(N log N + pairs
    within the largest radius), memory bounded.

    Centroids of objects of some size keep apart, because objects do not overlap: a value below the null at small radii
    says that they have a size, not that they repel each other. Compare with objects moved at random instead.

    Examples
    --------
    Two points one column apart in 4 x 4: 16² / 2 · 2 / (4 · 3).

    >>> found = centroid_k([[1, 1], [1, 2]], np.ones((4, 4), bool), [0.9, 1])
    >>> found.k.round(3), found.null_k.round(3)
    (array([ 0.   , 21.333]), array([2.545, 3.142]))
    """
    radii = check_radii(radii_px)
    places = _check_points(points, window)
    num_points, area = len(places), float(np.count_nonzero(window))
    if num_points < 2:
        nothing = np.full(len(radii), np.nan)
        return SecondOrder(radii, nothing, 0.0, nothing, window.ndim)
    reach = min(float(radii[-1]), float(min(window.shape)))
    limits = tuple(min(size - 1, math.ceil(reach) + 1) for size in window.shape)
    overlap = np.pad(window_counts(window, limits), 1)  # beyond the limits nothing is asked for but zeros at the rim
    fits = radii < _first_gap(overlap)
    sums = np.zeros(len(radii))
    within = float(radii[fits][-1]) if fits.any() else 0.0
    for steps in _displacements(places, within):
        index = np.searchsorted(radii, np.sqrt((steps**2).sum(axis=1)) * (1 - TIE_TOLERANCE))
        inside = index < len(radii)
        sums += np.bincount(index[inside], 1 / _interpolate(overlap, steps[inside]), minlength=len(radii))
    numerators = np.where(fits, area * np.cumsum(sums), np.nan)
    ball = math.pi ** (window.ndim / 2) / math.gamma(window.ndim / 2 + 1)
    null_k = np.where(fits, ball * np.minimum(radii, reach) ** window.ndim, np.nan)
    return SecondOrder(radii, numerators, num_points * (num_points - 1) / area, null_k, window.ndim)


def _check_points(points: npt.ArrayLike, window: BoolArray) -> FloatArray:
    if not isinstance(window, np.ndarray) or window.dtype != np.bool_:
        raise TypeError("window must be an array of bool, True where the image was looked at: `label != IGNORE`.")
    if window.ndim not in (2, 3) or not window.size:
        raise ValueError(f"window must be (H, W) or (D, H, W); got shape {window.shape}.")
    places = np.asarray(points, dtype=np.float64)
    if places.size == 0:
        return np.empty((0, window.ndim))
    if places.ndim != 2 or places.shape[1] != window.ndim or not np.isfinite(places).all():
        raise ValueError(f"points must be (N, {window.ndim}) finite coordinates; got shape {places.shape}.")
    pixels = np.floor(places + 0.5).astype(np.int64)
    inside = np.asarray(((pixels >= 0) & (pixels < window.shape)).all(axis=1), dtype=np.bool_)
    inside[inside] = window[tuple(pixels[inside].T)]
    if not inside.all():
        raise ValueError(
            f"Point {places[~inside][0].tolist()} lies outside of the window; drop it or widen the window."
        )
    return places


def _first_gap(overlap: npt.NDArray[np.int64]) -> float:
    """Return the length of the shortest integer displacement at which the window does not overlap itself.

    Where the interpolated overlap is 0, so is the corner of its cell next to the middle: no real one is shorter.
    """
    middle = np.array(overlap.shape) // 2
    gaps = np.argwhere(overlap == 0) - middle
    return float(np.sqrt((gaps**2).sum(axis=1).min(initial=np.iinfo(np.int64).max)))


def _displacements(places: FloatArray, within: float) -> Iterator[FloatArray]:
    """Yield the displacements of all ordered pairs at most that far apart, a batch at a time."""
    tree = KDTree(places)
    reach = within * (1 + 2 * TIE_TOLERANCE)
    sizes = np.cumsum(tree.query_ball_point(places, reach, return_length=True))
    cuts = [0, *np.searchsorted(sizes, np.arange(PAIRS_AT_ONCE, sizes[-1], PAIRS_AT_ONCE)).tolist(), len(places)]
    for start, stop in itertools.pairwise(sorted(set(cuts))):
        pairs = KDTree(places[start:stop]).sparse_distance_matrix(tree, reach, output_type="ndarray")
        different = pairs["i"] + start != pairs["j"]
        yield places[pairs["j"][different]] - places[pairs["i"][different] + start]


def _interpolate(overlap: npt.NDArray[np.int64], steps: FloatArray) -> FloatArray:
    """Return the area of overlap of the window with itself moved by each displacement."""
    return np.asarray(
        ndimage.map_coordinates(overlap.astype(np.float64), (steps + np.array(overlap.shape) // 2).T, order=1)
    )
