"""Empty-space F, nearest-neighbour G and J functions of the pixels of a label.

`R` radii, `T` squared distances 0..T-1. Distances are between pixel centres, in px; on the lattice their squares are
integers. IGNORE and the outside of the image are unseen: a point may hide there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special
from scipy.spatial import KDTree

from metastructure.label import IGNORE, LabelArray, check_label
from metastructure.structure.pair_counts import check_class
from metastructure.structure.ripley import lattice_radii, squared_distances, squared_radii
from metastructure.structure.second_order import check_weights
from metastructure.structure.windows import FloatArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DistanceFunction:
    """The distribution of a distance to the nearest point, estimated from censored observations.

    Attributes
    ----------
    radii_px : (R,) array
        Increasing.
    events : (T,) array
        Places (for F) or points (for G) with the nearest point at each squared distance, of those at risk there.
    at_risk : (T,) array
        Those with no point closer than that, and everything up to that distance in view.
    null_survival : (R,) array
        Expected share without a point within each radius if the same number of points lay anywhere in the window.
    """

    radii_px: FloatArray
    events: FloatArray
    at_risk: FloatArray
    null_survival: FloatArray

    @property
    def survival(self) -> FloatArray:
        """Share with no point within each radius, by Kaplan and Meier; NaN beyond what any place can see; (R,)."""
        hazard = np.divide(self.events, self.at_risk, out=np.zeros_like(self.events), where=self.at_risk > 0)
        product = np.cumprod(1 - hazard)
        known = (self.at_risk > 0) | (product == 0)
        longest = squared_radii(self.radii_px)
        index = np.minimum(longest, len(product) - 1)
        within = known[index] & ((longest < len(product)) | (product[index] == 0))
        return np.where(within, product[index], np.nan)

    @property
    def values(self) -> FloatArray:
        """F or G: share with a point within each radius; (R,)."""
        return 1 - self.survival

    @property
    def null(self) -> FloatArray:
        """F or G expected under the null model; (R,)."""
        return 1 - self.null_survival


def empty_space_f(label: LabelArray, point_class: int, radii_px: npt.ArrayLike | None = None) -> DistanceFunction:
    """Return F: the share of all places that have a pixel of the class within each radius.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        Places are the pixels that are not IGNORE, those of the class included, so F(0) is the share of the class.
    point_class, radii_px
        As for `metastructure.structure.ripley.ripley_k`.

    Returns
    -------
    DistanceFunction
        NaN throughout for an absent class, and at radii further than any place without a point can see.

    Notes
    -----
    Kaplan-Meier, not reduced-sample: a place u at distance ``b(u)`` from the nearest unseen pixel tells whether a
    point lies at distance t for every ``t < b(u)``. The hazard at t is the share of places with the nearest point at t
    among those with none closer and ``b(u) > t``, and ``F(r) = 1 - Π_{t ≤ r} (1 - hazard(t))``. It uses more of the
    image than the reduced sample (places with ``b(u) > r``) and never falls. The null, given n points in A pixels, is
    ``1 - C(A - m, n) / C(A, n)``, close to ``1 - (1-p)^m``, with m the pixels of a disc of radius r and its centre.

    References
    ----------
    Baddeley, Gill, "Kaplan-Meier estimators of distance distributions for spatial point processes", Ann. Statist. 1997.

    Examples
    --------
    One point in the middle of 3 x 3. At t = 0 all nine places see themselves, one is a point. At t = 1 only the middle
    sees as far, and it is no longer at risk: nothing is known from there on.

    >>> found = empty_space_f(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]]), 1, radii_px=[0, 1])
    >>> found.values.round(4), found.null.round(4)
    (array([0.1111,    nan]), array([0.1111, 0.5556]))
    """
    window, points, radii = _check(label, point_class, radii_px)
    num_points, num_pixels = int(points.sum()), int(window.sum())
    if not num_points:
        return _undefined(radii)
    longest = int(squared_radii(radii)[-1])
    nearest = _squared(ndimage.distance_transform_edt(~points))[window]
    null = _null_survival(num_pixels, num_points, _disc_sizes(radii, label))
    return _tabulate(radii, nearest, _sight(window)[window], longest, null)


def nearest_neighbour_g(label: LabelArray, point_class: int, radii_px: npt.ArrayLike | None = None) -> DistanceFunction:
    """Return G: the share of the pixels of a class that have another one within each radius.

    Parameters
    ----------
    label, point_class, radii_px
        As for `empty_space_f`.

    Returns
    -------
    DistanceFunction
        NaN throughout for fewer than two points, and at radii further than any point without neighbours can see.

    Notes
    -----
    Kaplan-Meier as in `empty_space_f`, over points instead of places. The null, given n points in A pixels, is
    ``1 - C(A - m, n - 1) / C(A - 1, n - 1)`` with m pixels in the disc: close to ``1 - (1-p)^(m-1)``.

    Examples
    --------
    >>> label = np.zeros((5, 7), dtype=int)
    >>> label[2, [2, 3, 4]] = label[2, 0] = 1  # the one at the border sees nothing
    >>> nearest_neighbour_g(label, 1, radii_px=[0, 1]).values
    array([0., 1.])
    """
    window, points, radii = _check(label, point_class, radii_px)
    num_points, num_pixels = int(points.sum()), int(window.sum())
    if num_points < 2:
        return _undefined(radii)
    places = np.argwhere(points)
    distances, _ = KDTree(places).query(places, k=[2])
    sizes = _disc_sizes(radii, label) - 1
    null = _null_survival(num_pixels - 1, num_points - 1, sizes)
    return _tabulate(radii, _squared(distances[:, 0]), _sight(window)[points], int(squared_radii(radii)[-1]), null)


def j_function(empty_space: DistanceFunction, nearest_neighbour: DistanceFunction) -> FloatArray:
    """Return J = (1 - G)(1 - F(0)) / (1 - F): 1 for random points, below for clusters, above for regular ones; (R,).

    Parameters
    ----------
    empty_space, nearest_neighbour : DistanceFunction
        From one label (or pooled over the same labels) at the same radii.

    Returns
    -------
    (R,) array
        NaN where F is 1 or either function is NaN.

    Raises
    ------
    ValueError
        If the radii differ.

    Notes
    -----
    In the plane J is ``(1 - G) / (1 - F)``. On a lattice the place itself may be a point, which makes that ratio
    ``1 / (1 - p)`` for random points at every radius; the factor ``1 - F(0)`` takes it out.

    References
    ----------
    van Lieshout, Baddeley, "A nonparametric measure of spatial interaction in point patterns", Statist. Neerl. 1996.
    """
    if not np.array_equal(empty_space.radii_px, nearest_neighbour.radii_px):
        raise ValueError("F and G must be given at the same radii.")
    empty, alone = empty_space.survival, nearest_neighbour.survival
    places, points = empty_space.at_risk[0], empty_space.events[0]
    free = 1 - points / places if places > 0 else math.nan
    j: FloatArray = np.divide(alone * free, empty, out=np.full(len(empty), np.nan), where=empty > 0)
    return j


def pool_distances(functions: Sequence[DistanceFunction], weights: npt.ArrayLike | None = None) -> DistanceFunction:
    """Return one F or G of many images: their events and numbers at risk are summed with weights.

    Parameters
    ----------
    functions : sequence of DistanceFunction
        All F or all G, at the same radii. Images without points add nothing.
    weights : (len(functions),) array-like of floats, optional
        At least 0; without it 1 each, by which every place (or point) counts the same.

    Raises
    ------
    ValueError
        If there is none, the radii differ, or the weights are not as above.

    Notes
    -----
    The null is averaged with the numbers at risk at distance 0, that is by places for F and by points for G.

    References
    ----------
    Baddeley, Rubak, Turner, "Spatial Point Patterns", 2015, chapter 16.
    """
    if not functions:
        raise ValueError("There is nothing to pool: give at least one function.")
    radii = functions[0].radii_px
    if any(not np.array_equal(radii, other.radii_px) for other in functions):
        raise ValueError("Functions can only be pooled over the same radii; give `radii_px`.")
    shares = check_weights(weights, len(functions))
    counted = [(share, one) for share, one in zip(shares, functions, strict=True) if share > 0 and one.at_risk[0] > 0]
    if not counted:
        return _undefined(radii)
    total = math.fsum(share * one.at_risk[0] for share, one in counted)
    null = sum((share * one.at_risk[0] / total * one.null_survival for share, one in counted), np.zeros(len(radii)))
    longest = max(len(one.events) for _, one in counted)
    events, at_risk = np.zeros(longest), np.zeros(longest)
    for share, one in counted:  # beyond what an image can see, none of its places is at risk
        events[: len(one.events)] += share * one.events
        at_risk[: len(one.at_risk)] += share * one.at_risk
    return DistanceFunction(radii, events, at_risk, null)


def _check(
    label: LabelArray, point_class: int, radii_px: npt.ArrayLike | None
) -> tuple[BoolArray, BoolArray, FloatArray]:
    check_label(label)
    check_class(point_class, "point_class")
    return label != IGNORE, label == point_class, lattice_radii(radii_px, label)


def _undefined(radii: FloatArray) -> DistanceFunction:
    return DistanceFunction(radii, np.zeros(1), np.zeros(1), np.full(len(radii), np.nan))


def _squared(distances: FloatArray) -> npt.NDArray[np.int64]:
    squared: npt.NDArray[np.int64] = np.rint(distances**2).astype(np.int64)
    return squared


def _sight(window: BoolArray) -> npt.NDArray[np.int64]:
    """Return the squared distance of every pixel to the nearest unseen one, outside of the image included."""
    middle = (slice(1, -1),) * window.ndim
    return _squared(ndimage.distance_transform_edt(np.pad(window, 1))[middle])


def _tabulate(
    radii: FloatArray, nearest: npt.NDArray[np.int64], sight: npt.NDArray[np.int64], longest: int, null: FloatArray
) -> DistanceFunction:
    """Count events and numbers at risk by squared distance, up to the longest one anybody can see."""
    longest = min(longest, int(sight.max(initial=1)))
    seen = nearest < sight
    events = np.bincount(nearest[seen & (nearest <= longest)], minlength=longest + 1)
    last = np.minimum(nearest, sight - 1)  # the last distance at which each is at risk
    leaving = np.bincount(np.minimum(last, longest), minlength=longest + 1)
    at_risk = np.cumsum(leaving[::-1])[::-1]
    return DistanceFunction(radii, events.astype(np.float64), at_risk.astype(np.float64), null)


def _disc_sizes(radii: FloatArray, label: LabelArray) -> npt.NDArray[np.int64]:
    """Return the number of lattice places within each radius, the centre included; of those that fit the image."""
    longest = min(float(radii[-1]), math.hypot(*label.shape))
    squared = squared_distances((math.ceil(longest),) * label.ndim)
    sizes = np.cumsum(np.bincount(squared.ravel()))
    return sizes[np.minimum(squared_radii(radii), len(sizes) - 1)]


def _null_survival(num_places: int, num_points: int, disc_sizes: npt.NDArray[np.int64]) -> FloatArray:
    """Return the probability that `num_points` of `num_places` all miss a disc of each size."""
    free = num_places - disc_sizes
    possible = free >= num_points
    logs = (
        special.gammaln(np.maximum(free, num_points) + 1.0)
        - special.gammaln(np.maximum(free - num_points, 0) + 1.0)
        - special.gammaln(num_places + 1.0)
        + special.gammaln(num_places - num_points + 1.0)
    )
    return np.where(possible, np.exp(logs), 0.0)
