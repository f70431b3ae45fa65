"""Ripley's K, Besag's L and the pair correlation of the pixels of a label.

`H` rows, `W` columns, `R` radii. Distances and radii are in px between pixel centres, areas in px². A pixel is at
distance at most r from another if the squared displacement, an integer, is at most r²: ties count.
"""

import math

import numpy as np
import numpy.typing as npt

from metastructure.label import LabelArray, check_label
from metastructure.structure.pair_counts import PairCounts, pair_counts, pair_counts_between
from metastructure.structure.second_order import TIE_TOLERANCE, SecondOrder, check_radii
from metastructure.structure.windows import FloatArray

QUARTER = 4
"""Without radii asked for, a quarter of the shortest side is the largest, as in spatstat."""
_LONGER_THAN_ANY = 2.0**30
_LESS_THAN_A_STEP = 0.25
"""Squared distances are integers, so that no tolerance may take the square of a whole radius to the next."""


def ripley_k(label: LabelArray, point_class: int, radii_px: npt.ArrayLike | None = None) -> SecondOrder:
    """Return K, L and pair correlation of the pixels of one class of a label.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        As for `pair_counts`; the window may have any shape and holes.
    point_class : int
        The class whose pixels are the points, 0..254.
    radii_px : (R,) array-like of floats, optional
        Increasing, at least 0. Without it 1, 2, ... up to a quarter of the shortest side.

    Returns
    -------
    SecondOrder
        NaN throughout for a class of fewer than two pixels, and at every radius at which some displacement of that
        length or less fits nowhere into the window: from the shortest side on at the latest.

    Raises
    ------
    TypeError, ValueError
        If the label breaks the contract, `point_class` is not in 0..254, or the radii are not as above.

    Notes
    -----
    With n points in a window of A pixels, ``N(d)`` ordered pairs of points and ``γ(d)`` ordered pairs of window pixels
    at displacement d, ``K(r) = A² / (n (n-1)) Σ_{0 < |d| ≤ r} N(d) / γ(d)``: the translation correction, which is exact
    on the lattice. If every set of n pixels is equally likely (a Bernoulli lattice given its count),
    ``E N(d) = γ(d) n (n-1) / (A (A-1))`` and so ``E K(r) = A / (A-1) · #{d : 0 < |d| ≤ r}``. That, not πr², is
    `null_k`: at r = 1 it is 4, or 1.27 πr². Cost: two or four FFTs, whatever the number of points and radii.

    References
    ----------
    Ripley, "The second-order analysis of stationary point processes", J. Appl. Probab. 1976. Ohser, "On estimators
    for the reduced second moment measure of point processes", Math. Operationsforsch. Statist. 1983 (translation
    correction). Besag, discussion of Ripley, J. R. Statist. Soc. B 1977 (L). Baddeley, Rubak, Turner, "Spatial
    Point Patterns", 2015, chapter 7.

    Examples
    --------
    Three points in the last of three columns: up and down there are 2 pairs each where 6 fit, left and right none, so
    K is 81 / 6 · (2/6 + 2/6), against 9 / 8 · 4 expected.

    >>> found = ripley_k(np.array([[1, 1, 0]] * 3), point_class=0, radii_px=[1])
    >>> found.k, found.null_k, found.relative_k
    (array([9.]), array([4.5]), array([2.]))
    """
    radii = lattice_radii(radii_px, label)
    return _summarise(pair_counts(label, point_class, None, int(radii[-1] + 1)), radii)


def cross_k(label: LabelArray, from_class: int, to_class: int, radii_px: npt.ArrayLike | None = None) -> SecondOrder:
    """Return the cross-type K from the pixels of one class of a label to those of another.

    Parameters
    ----------
    label, radii_px
        As for `ripley_k`.
    from_class, to_class : int
        Two different classes.

    Returns
    -------
    SecondOrder
        NaN throughout where a class is absent. Values above the null: the classes attract each other.

    Raises
    ------
    TypeError, ValueError
        As `ripley_k`, and if the two classes are one.

    Notes
    -----
    ``K(r) = A² / (n m) Σ_{0 < |d| ≤ r} N(d) / γ(d)`` with n, m points of the two classes. A pixel has one class, so
    displacement zero cannot occur, and the null, both sets thrown at random onto different pixels, is that of
    `ripley_k`. In a binary label the two classes complement each other and the cross-type K says nothing that
    `ripley_k` does not.

    Examples
    --------
    One pair where two fit: 16 · 1/2, against 4 / 3 · 4 expected.

    >>> cross_k(np.array([[1, 2], [0, 0]]), 1, 2, radii_px=[1]).relative_k
    array([1.5])
    """
    if from_class == to_class:
        raise ValueError(f"from_class and to_class must differ; got {from_class} twice. Use `ripley_k` for one class.")
    radii = lattice_radii(radii_px, label)
    return _summarise(pair_counts(label, from_class, to_class, int(radii[-1] + 1)), radii)


def cross_k_between(
    clean: LabelArray,
    noisy: LabelArray,
    from_class: int,
    to_class: int | None = None,
    radii_px: npt.ArrayLike | None = None,
) -> SecondOrder:
    """Return the cross-type K from a class of one label to a class of another label of the same image.

    Parameters
    ----------
    clean, noisy, from_class, to_class
        As for `pair_counts_between`.
    radii_px
        As for `ripley_k`.

    Returns
    -------
    SecondOrder
        NaN throughout where a class is absent.

    Notes
    -----
    Points of the two labels may lie in one pixel, so displacement zero counts: at r = 0 `relative_k` is the number of
    pixels in common over the number expected of independent labels, and the null is ``#{d : |d| ≤ r}``, 5 at r = 1.

    Examples
    --------
    >>> clean, noisy = np.array([[1, 0], [0, 0]]), np.array([[1, 1], [0, 0]])
    >>> cross_k_between(clean, noisy, 1, radii_px=[0]).relative_k
    array([2.])
    """
    radii = lattice_radii(radii_px, clean)
    return _summarise(pair_counts_between(clean, noisy, from_class, to_class, int(radii[-1] + 1)), radii)


def squared_radii(radii_px: FloatArray) -> npt.NDArray[np.int64]:
    """Return the largest squared lattice distance within each radius, a tie counted as within.

    Examples
    --------
    >>> squared_radii(np.array([1.9, 2.0, np.sqrt(3), 40_000.0])).tolist()
    [3, 4, 3, 1600000000]
    """
    squares = np.minimum(radii_px, _LONGER_THAN_ANY) ** 2
    ties = np.minimum(2 * TIE_TOLERANCE * squares, _LESS_THAN_A_STEP)
    return np.asarray(np.floor(squares + ties), dtype=np.int64)


def squared_distances(limits: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the squared length of every displacement up to `limits` along each axis; the middle one is 0."""
    squared = np.zeros((1,) * len(limits), dtype=np.int64)
    for offset in np.ogrid[tuple(slice(-limit, limit + 1) for limit in limits)]:
        squared = squared + offset**2
    return squared


def lattice_radii(radii_px: npt.ArrayLike | None, label: LabelArray) -> FloatArray:
    """Return the radii checked, or 1, 2, ... up to a quarter of the shortest side."""
    check_label(label)
    return check_radii(np.arange(1.0, max(1, min(label.shape) // QUARTER) + 1) if radii_px is None else radii_px)


def _summarise(pairs: PairCounts, radii: FloatArray) -> SecondOrder:
    """Sum the edge-corrected pairs over the discs of the radii."""
    limits = tuple((size - 1) // 2 for size in pairs.found.shape)
    squared = squared_distances(limits)
    holes = squared[(pairs.possible == 0) & (squared > 0)]
    first_hole = min(min(pairs.shape) ** 2, int(holes.min(initial=np.iinfo(np.int64).max)))
    wanted = squared_radii(radii)
    kept = (squared <= min(int(wanted[-1]), first_hole - 1)) & (pairs.possible > 0)
    distances = squared[kept]
    shares = np.bincount(distances, pairs.found[kept] / pairs.possible[kept], minlength=1)
    places = np.bincount(distances, minlength=1)
    index = np.minimum(wanted, len(shares) - 1)
    area, fits = float(pairs.num_pixels), wanted < first_hole
    numerators = np.where(fits, area * np.cumsum(shares)[index], np.nan)
    denominator = pairs.num_found / area if pairs.num_pixels else 0.0
    scale = area**2 / pairs.num_possible if pairs.num_possible else math.nan
    null_k = np.where(fits, scale * np.cumsum(places)[index], np.nan)
    return SecondOrder(radii, numerators, denominator, null_k, len(pairs.shape))
