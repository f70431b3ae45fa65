"""The transition matrix as a function of the distance to the boundary, for noise that moves boundaries.

`C` classes, `R` the largest distance told apart; ``rows[b, j, m] = P(noisy = m | clean = j, bin b)``. Bin b = 1..R
holds the pixels whose nearest pixel of another clean class is b away, to the nearest integer; bin 0 those beyond all
bins. A boundary family has no Q that is the same for every pixel, but one per bin; a pixel family has the same in all.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metastructure.contingency import CountArray
from metastructure.label import IGNORE, LabelArray, check_label, count_classes
from metastructure.noise.geometry import squared_distance
from metastructure.transition import TransitionMatrix

MAX_DISTANCE_PX = 10


def count_by_distance(
    clean: LabelArray, noisy: LabelArray, num_classes: int | None = None, max_distance_px: int = MAX_DISTANCE_PX
) -> CountArray:
    """Return one contingency table per distance to the clean boundary; add those of several images.

    Parameters
    ----------
    clean, noisy : (H, W) or (D, H, W) arrays of integers, same shape
        Two labels of one image. A pixel that is IGNORE in either is left out, and IGNORE is no boundary.
    num_classes : int, optional
        C. Without it the larger of what the two labels hold.
    max_distance_px : int, at least 1
        R.

    Returns
    -------
    (R + 1, C, C) array of int64
        Bin 0 holds the pixels farther from any other class than R + 1/2; bin b = 1..R those at a distance of b to
        the nearest integer. Rows are the classes of `clean`.

    Raises
    ------
    TypeError, ValueError
        If a label breaks the contract, the shapes differ, or `max_distance_px` is below 1.

    Notes
    -----
    The distance of a pixel of class j is that to the nearest pixel of any other class, between pixel centres: 1 for a
    pixel that shares an edge with another class, 1.41 (bin 1) over a corner.

    Examples
    --------
    >>> clean = np.array([[0, 0, 0, 1, 1]])
    >>> noisy = np.array([[0, 1, 1, 1, 1]])
    >>> counts = count_by_distance(clean, noisy, max_distance_px=2)
    >>> counts[1].tolist(), counts[2].tolist(), counts[0].tolist()
    ([[0, 1], [0, 1]], [[0, 1], [0, 1]], [[1, 0], [0, 0]])
    """
    check_label(clean, num_classes, "clean")
    check_label(noisy, num_classes, "noisy")
    if clean.shape != noisy.shape:
        raise ValueError(f"The two labels must have the same shape; got {clean.shape} and {noisy.shape}.")
    if max_distance_px < 1:
        raise ValueError(f"max_distance_px must be at least 1; got {max_distance_px}.")
    C = num_classes or max(count_classes(clean), count_classes(noisy))
    counts = np.zeros((max_distance_px + 1, C, C), dtype=np.int64)
    known = clean != IGNORE
    for klass in range(C):
        inside = clean == klass
        counted = inside & (noisy != IGNORE)
        if not counted.any():
            continue
        squared = squared_distance(known & ~inside, max_distance_px + 1)[counted]
        bins = np.rint(np.sqrt(squared)).astype(np.intp)
        bins[bins > max_distance_px] = 0
        cell = bins * C + noisy[counted]
        counts[:, klass] = np.bincount(cell, minlength=counts.shape[0] * C).reshape(-1, C)
    return counts


@dataclass(frozen=True, eq=False)
class TransitionProfile:
    """One transition matrix per distance to the boundary, from the counts of `count_by_distance`.

    Parameters
    ----------
    counts : (R + 1, C, C) array of integers
        Summed over images.

    Examples
    --------
    >>> from metastructure.noise import parse_noise
    >>> from metastructure.rng import generator
    >>> clean = np.zeros((40, 60), dtype=np.uint8)
    >>> clean[:, 30:] = 1
    >>> noisy = parse_noise("dilate:3")(clean, generator(0, "a", "noise"))
    >>> profile = TransitionProfile(count_by_distance(clean, noisy, 2))
    >>> profile.leaving_rates()[:6, 0].tolist(), profile.bias_px()
    ([0.0, 1.0, 1.0, 1.0, 0.0, 0.0], 3.0)
    """

    counts: CountArray

    @property
    def max_distance_px(self) -> int:
        """R, the largest distance that has a bin of its own."""
        return len(self.counts) - 1

    def matrix(self, distance_px: int) -> TransitionMatrix:
        """Return Q at a distance, 1 to R, or far from any boundary for 0; a class without pixels has a NaN row."""
        if not 0 <= distance_px <= self.max_distance_px:
            raise ValueError(f"distance_px must lie in 0..{self.max_distance_px}; got {distance_px}.")
        return TransitionMatrix.from_counts(self.counts[distance_px])

    def leaving_rates(self) -> npt.NDArray[np.float64]:
        """Return P(noisy != j | clean = j, bin), (R + 1, C); NaN where a class has no pixel in a bin."""
        stays = np.array([np.diag(self.matrix(b).rows) for b in range(len(self.counts))])
        return 1 - stays

    def bias_px(self) -> float:
        """Return how far the boundary of the objects of a binary label moved on average, outwards positive.

        Each bin is a layer one pixel deep, so the share of the background layers gained less that of the object
        layers lost, each over the rate far from any boundary, is a width: exact for straight boundaries. NaN if a
        layer is empty, or if nothing is far away.

        Raises
        ------
        ValueError
            If there are not two classes.
        """
        if self.counts.shape[1] != 2:
            raise ValueError(f"A signed shift needs two classes; the profile has {self.counts.shape[1]}.")
        rates = self.leaving_rates()
        gained, lost = (rates[1:] - rates[0]).sum(axis=0)
        return float(gained - lost)
