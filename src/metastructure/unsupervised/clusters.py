"""From clusters without names to objects and background: the brighter clusters are the objects.

`C` clusters, `H` rows, `W` columns, `h` rows of a strip. Brightness is that of `standard_reader`: in standard
deviations of each image, objects bright.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metastructure.unsupervised.base import Score

IsObject = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ClusterSums:
    """How many pixels clusters hold and how bright these are, (C,) float64 each; sums of two add up by ``+``."""

    pixels: npt.NDArray[np.float64]
    brightness: npt.NDArray[np.float64]

    @classmethod
    def of(cls, probabilities: npt.NDArray[np.float32], values: npt.NDArray[np.float32]) -> "ClusterSums":
        """Count each pixel for its likeliest cluster.

        Parameters
        ----------
        probabilities : (C, h, W) array
        values : (h, W) array
        """
        cluster = probabilities.argmax(axis=0).ravel()
        count = len(probabilities)
        return cls(
            np.bincount(cluster, minlength=count).astype(np.float64),
            np.bincount(cluster, weights=values.ravel(), minlength=count).astype(np.float64),
        )

    def __add__(self, other: "ClusterSums") -> "ClusterSums":
        return ClusterSums(self.pixels + other.pixels, self.brightness + other.brightness)

    def objects(self) -> IsObject:
        """Return which clusters are objects, (C,) bool: those above the split of `split_means`."""
        return split_means(self.pixels, self.brightness / np.maximum(self.pixels, 1))


def split_means(weights: npt.NDArray[np.float64], means: npt.NDArray[np.float64]) -> IsObject:
    """Return which clusters lie on the bright side of the split of largest variance between its sides.

    Parameters
    ----------
    weights : (C,) array
        Pixels of each cluster. Empty clusters have no say and are no objects.
    means : (C,) array

    Returns
    -------
    (C,) bool
        All False if fewer than two different means have pixels: then nothing stands out.

    Notes
    -----
    Otsu's criterion, with clusters in place of grey values: among all splits of the sorted means, that of largest
    ``w0 w1 (m1 - m0)²``, where w and m are share and mean of a side; the lower split at a tie.

    References
    ----------
    Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and Cybernetics
    9 (1979), equation 14.

    Examples
    --------
    >>> split_means(np.array([6.0, 3.0, 0.0, 1.0]), np.array([0.0, 4.0, 9.0, 5.0])).tolist()
    [False, True, False, True]
    """
    levels = np.unique(means[weights > 0])
    if len(levels) < 2:
        return np.zeros(len(means), dtype=bool)
    total, between = weights.sum(), []
    for level in levels[:-1]:
        upper = means > level
        high, low = weights[upper].sum(), weights[~upper].sum()
        gap = weights[upper] @ means[upper] / high - weights[~upper] @ means[~upper] / low
        between.append(high * low / total**2 * gap**2)
    return np.asarray((means > levels[int(np.argmax(between))]) & (weights > 0))


def score_objects(probabilities: npt.NDArray[np.float32], objects: IsObject) -> Score:
    """Return the likeliest object's part of the probability of the likeliest object and the likeliest other cluster.

    Parameters
    ----------
    probabilities : (C, h, W) float32 array
    objects : (C,) bool

    Returns
    -------
    (h, W) float32
        Above 0.5 just where the likeliest cluster is an object; 0 without objects, 1 with nothing else.

    Examples
    --------
    >>> split = np.array([[[0.6, 0.2]], [[0.2, 0.2]], [[0.2, 0.6]]], dtype=np.float32)
    >>> score_objects(split, np.array([False, False, True])).round(3).tolist()
    [[0.25, 0.75]]
    """
    if not objects.any() or objects.all():
        return np.full(probabilities.shape[1:], objects.all(), dtype=np.float32)
    best, other = probabilities[objects].max(axis=0), probabilities[~objects].max(axis=0)
    return np.asarray(best / (best + other), dtype=np.float32)
