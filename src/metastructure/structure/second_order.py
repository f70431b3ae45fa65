"""Estimates of K with all that follows from it, relative to a null model, and their pooling over images.

`R` radii in px; areas in px². The estimates come from the pixels of a label (`ripley`) or from points (`centroids`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metastructure.structure.windows import FloatArray

TIE_TOLERANCE = 1e-12
"""A distance that is longer than a radius by less than this share of it is a tie: radii come as sqrt(3) or 0.1 * 30."""


@dataclass(frozen=True, eq=False)
class SecondOrder:
    """An estimate of K as a ratio, with the K that the null model expects of the same counts and window.

    Attributes
    ----------
    radii_px : (R,) array
        Increasing.
    numerators : (R,) array
        Pairs within each radius, each pair weighted by the area of the window over the overlap of the window with
        itself moved by the pair's displacement. NaN where such a displacement does not fit into the window.
    denominator : float
        Number of pairs over the area of the window; 0 if there is no pair to speak of.
    null_k : (R,) array
        Expectation of `k` when the same number of points lies anywhere in the window (see `ripley_k`).
    num_axes : int
        2 for an image, 3 for a stack.
    num_images : int
        Images pooled into this.
    """

    radii_px: FloatArray
    numerators: FloatArray
    denominator: float
    null_k: FloatArray
    num_axes: int
    num_images: int = 1

    @property
    def k(self) -> FloatArray:
        """Ripley's K in px² (px³ for a stack), as spatstat's ``Kest(correction = "translate")``; (R,)."""
        return self.numerators / self.denominator if self.denominator > 0 else np.full(len(self.radii_px), np.nan)

    @property
    def relative_k(self) -> FloatArray:
        """K over that of the null model: 1 expected for random points, above it for clusters; (R,)."""
        return _divide(self.k, self.null_k)

    @property
    def plain_l(self) -> FloatArray:
        """Besag's L as defined in the plane, ``sqrt(K / π)``; on a lattice not r, not even for random points; (R,)."""
        ball = math.pi ** (self.num_axes / 2) / math.gamma(self.num_axes / 2 + 1)
        plain: FloatArray = (self.k / ball) ** (1 / self.num_axes)
        return plain

    @property
    def l_minus_r(self) -> FloatArray:
        """Besag's L of the lattice minus r, in px, with ``L = r sqrt(relative_k)``: 0 for random points; (R,)."""
        centred: FloatArray = self.radii_px * (self.relative_k ** (1 / self.num_axes) - 1)
        return centred

    @property
    def g(self) -> FloatArray:
        """Pair correlation of the ring from the radius before (exclusive) to this one; (R,).

        The first ring is the disc of the first radius. 1 expected for random points, NaN for a ring without pixels.
        """
        return _divide(np.diff(self.k, prepend=0.0), np.diff(self.null_k, prepend=0.0))


def pool_second_order(estimates: Sequence[SecondOrder], weights: npt.ArrayLike | None = None) -> SecondOrder:
    """Return one estimate from those of many images: the ratio of weighted sums, not the mean of ratios.

    Parameters
    ----------
    estimates : sequence of SecondOrder
        Same radii and number of axes. Images without pairs add nothing.
    weights : (len(estimates),) array-like of floats, optional
        At least 0; without it 1 each, by which an image counts in proportion to its pairs per area.

    Returns
    -------
    SecondOrder
        NaN at the radii that are NaN in an image that counts: leave out small images or ask for shorter radii.

    Raises
    ------
    ValueError
        If there is no estimate, the radii or axes differ, or the weights are not as above.

    Notes
    -----
    ``K = Σ w Y / Σ w X`` with numerators Y and denominators X. The null is pooled with the same weights w X, so
    `relative_k` stays 1 in expectation for random points, whatever sizes and densities are mixed.

    References
    ----------
    Baddeley, Rubak, Turner, "Spatial Point Patterns", 2015, chapter 16 (ratio of sums; spatstat's ``pool``).

    Examples
    --------
    >>> from metastructure.structure.ripley import ripley_k
    >>> few, many = (ripley_k(np.array([[1, 1, 0]] * 3), point_class, [1]) for point_class in (0, 1))
    >>> few.relative_k, many.relative_k.round(9), pool_second_order([few, many]).relative_k.round(9)
    (array([2.]), array([1.4]), array([1.5]))
    """
    if not estimates:
        raise ValueError("There is nothing to pool: give at least one estimate.")
    first = estimates[0]
    for other in estimates[1:]:
        if not np.array_equal(first.radii_px, other.radii_px) or first.num_axes != other.num_axes:
            raise ValueError("Estimates can only be pooled over the same radii and number of axes; give `radii_px`.")
    shares = check_weights(weights, len(estimates))
    counted = [(share, one) for share, one in zip(shares, estimates, strict=True) if share * one.denominator > 0]
    zeros = np.zeros(len(first.radii_px))
    numerators = sum((share * one.numerators for share, one in counted), zeros)
    denominator = math.fsum(share * one.denominator for share, one in counted)
    null = sum((share * one.denominator * one.null_k for share, one in counted), zeros)
    null_k = null / denominator if counted else np.full(len(zeros), np.nan)
    return SecondOrder(
        first.radii_px, numerators, denominator, null_k, first.num_axes, sum(one.num_images for one in estimates)
    )


def check_radii(radii_px: npt.ArrayLike) -> FloatArray:
    """Return the radii as floats; raise unless they increase from at least 0."""
    radii = np.asarray(radii_px, dtype=np.float64)
    if radii.ndim != 1 or not radii.size or not np.isfinite(radii).all() or radii[0] < 0 or (np.diff(radii) <= 0).any():
        raise ValueError(f"radii_px must be increasing numbers, the first at least 0; got {radii_px!r}.")
    return radii


def check_weights(weights: npt.ArrayLike | None, num: int) -> FloatArray:
    """Return one finite weight of at least 0 for each of `num` images, 1 where none are given."""
    shares = np.ones(num) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != (num,) or not np.isfinite(shares).all() or (shares < 0).any():
        raise ValueError(f"weights must be {num} numbers of at least 0, one an image; got {weights!r}.")
    return shares


def _divide(above: FloatArray, below: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return ratio
