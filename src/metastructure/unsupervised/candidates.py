"""Candidate labels of a prediction, and which of them tells most of it.

For a prediction p and a candidate s of N pixels, the determinant of the joint matrix of (p, 1-p) and (s, 1-s) is
N² cov(p, s). Among the candidates [p > t] it is largest at t = mean(p): each pixel of p > t adds p - mean(p) to
N cov(p, s) = Σ s (p - mean(p)), which is a gain exactly while p > mean(p). So L_DMI = -log|det| needs no search.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]

NUM_BINS = 1000


def best_candidate(prediction: npt.NDArray[np.floating]) -> BoolArray:
    """Return the candidate [p > t] of least L_DMI over all thresholds t, which is t = mean(p).

    Parameters
    ----------
    prediction : (H, W) array
        Probabilities of the object; only their order and mean matter. A constant one gives an empty candidate.

    Examples
    --------
    >>> best_candidate(np.array([[0.1, 0.2, 0.9]])).tolist()  # mean 0.4
    [[False, False, True]]
    """
    candidate: BoolArray = prediction > max(prediction.min(), prediction.mean(dtype=np.float64))  # a mean is rounded
    return candidate


def search_candidate(prediction: npt.NDArray[np.floating], num_thresholds: int = 30) -> BoolArray:
    """Return the candidate of least L_DMI on a grid of thresholds, as published.

    Parameters
    ----------
    prediction : (H, W) array
    num_thresholds : int, at least 1
        K thresholds equally spaced from the least to the largest prediction.

    Notes
    -----
    O(K H W); `best_candidate` finds the same up to the grid in O(H W). Of equal candidates the one of the lowest
    threshold is taken.

    References
    ----------
    Luo, Liu, Guo and Yang, "Deep neural networks learn meta-structures from noisy labels in semantic segmentation",
    AAAI 2022, section on iGTT; K = 30.
    """
    thresholds = np.linspace(prediction.min(), prediction.max(), num_thresholds)
    losses = [dmi_loss(prediction, prediction > threshold) for threshold in thresholds]
    candidate: BoolArray = prediction > thresholds[int(np.argmin(losses))]
    return candidate


def best_dice_threshold(predictions: Iterable[npt.NDArray[np.floating]]) -> float:
    """Return the threshold at which calibrated probabilities expect the largest Dice, over all images together.

    Parameters
    ----------
    predictions : iterable of arrays in [0, 1]

    Returns
    -------
    float
        On a grid of NUM_BINS; 0.5 if no pixel has any probability.

    Notes
    -----
    Of n pixels called object, with p the sum of their probabilities, Dice expects 2 p / (n + Σ p), the sum over all
    pixels (expectation of the ratio taken as the ratio of expectations). It is largest at half of its own maximum, so
    never above 0.5.

    References
    ----------
    Lipton, Elkan and Naryanaswamy, "Optimal thresholding of classifiers to maximize F1 measure", ECML PKDD 2014.

    Examples
    --------
    Calling the first pixel gives 2 · 0.9 / (1 + 1.7), two 2 · 1.3 / (2 + 1.7), three 2 · 1.6 / (3 + 1.7): two it is.

    >>> 0.3 <= best_dice_threshold([np.array([[0.9, 0.4, 0.3, 0.1]])]) < 0.4
    True
    """
    edges = np.linspace(0, 1, NUM_BINS + 1)
    counts, sums = np.zeros(NUM_BINS), np.zeros(NUM_BINS)
    for prediction in predictions:
        values = prediction.reshape(-1).astype(np.float64)
        index = np.minimum((values * NUM_BINS).astype(np.int64), NUM_BINS - 1)
        counts += np.bincount(index, minlength=NUM_BINS)
        sums += np.bincount(index, weights=values, minlength=NUM_BINS)
    total = sums.sum()
    if total == 0:
        return 0.5
    called, probable = np.cumsum(counts[::-1])[::-1], np.cumsum(sums[::-1])[::-1]
    return float(min(0.5, edges[int(np.argmax(2 * probable / (called + total)))]))


def dmi_loss(prediction: npt.NDArray[np.floating], candidate: BoolArray) -> float:
    """Return -log|det| of the joint matrix of prediction and candidate, infinite where they are uncorrelated.

    Examples
    --------
    p = (0.1, 0.2, 0.9), s = (0, 0, 1): the matrix is [[0.9, 0.3], [0.1, 1.7]], its determinant 1.5.

    >>> round(dmi_loss(np.array([[0.1, 0.2, 0.9]]), np.array([[False, False, True]])), 4)  # -ln 1.5
    -0.4055
    """
    p, s = prediction.astype(np.float64), candidate.astype(np.float64)
    joint = np.array([[(p * s).sum(), (p * (1 - s)).sum()], [((1 - p) * s).sum(), ((1 - p) * (1 - s)).sum()]])
    determinant = abs(joint[0, 0] * joint[1, 1] - joint[0, 1] * joint[1, 0])
    return float(-np.log(determinant)) if determinant > 0 else float("inf")
