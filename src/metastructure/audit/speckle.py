"""Labels whose pixels are partly drawn at random have no boundary to measure; smoothing takes the speckle off first.

`H` rows, `W` columns, `C` classes, `p` the share of random pixels, `v` the variance of a pixel's class.
"""

import numpy as np
from scipy import ndimage

from metastructure.label import LabelArray, is_ignored
from metastructure.structure.pixel_noise import estimate_pixel_noise

LONELY_SHARE = 0.005
"""Share of pixels unlike all their neighbours above which a label is speckled. Generated labels that are clean, dilated
or eroded by 1 or jittered by 2 px have up to 0.0046 (thin tubules eroded), flips of 2 % at least 0.0098."""

WRONG_SHARE = 1e-4
"""Bound on the share of pixels inside objects whose majority is wrong after smoothing."""

MOST_SIGMA_PX = 4.0
"""More smoothing would move boundaries by more than what is measured."""


def remove_speckle(label: LabelArray, num_classes: int) -> tuple[LabelArray, float]:
    """Return the label without random pixels, and the standard deviation of the smoothing, in pixels, 0 for none.

    Parameters
    ----------
    label : (H, W) array of integers
        Classes 0..C-1. IGNORE neither counts nor changes.
    num_classes : int
        C.

    Returns
    -------
    label : (H, W) array
        Where the label is speckled, each pixel's most frequent class in a Gaussian window; else `label` itself.
    sigma_px : float
        Of that window; infinite, and the label unchanged, if it would need to be beyond `MOST_SIGMA_PX`.

    Notes
    -----
    If the true class stays with probability a = 1 - p and every other takes b = p/(C-1), the class of a pixel has the
    variance v = 1 - a² - (C-1) b², which `estimate_pixel_noise` tells from neighbouring pixels, and
    a - b = g = √(1 - v C/(C-1)). Of n pixels drawn so, another class is as frequent as the true one with probability at
    most (1 - (√a - √b)²)ⁿ (Chernoff's bound); a Gaussian window averages like n = 4 π σ² pixels. Convex boundaries of
    radius r move inwards by about σ²/(2 r).

    References
    ----------
    Chernoff, "A measure of asymptotic efficiency for tests of a hypothesis based on the sum of observations", Annals of
    Mathematical Statistics 1952.

    Examples
    --------
    >>> from metastructure.noise import corrupt, parse_noise
    >>> clean = np.repeat([[0, 1]], 16, axis=1) * np.ones((32, 1), int)
    >>> noisy = corrupt(clean, parse_noise("flip:0.1"), seed=0, item="a")
    >>> calm, sigma_px = remove_speckle(noisy, 2)
    >>> int((noisy != clean).sum()), int((calm != clean).sum()), round(sigma_px, 1)
    (96, 3, 1.2)
    """
    if lonely_share(label) <= LONELY_SHARE:
        return label, 0.0
    noise = estimate_pixel_noise(label, np.ones(label.shape), num_classes)
    variance = float(np.trace(noise.covariance)) / noise.weight
    squared_gap = 1 - variance * num_classes / (num_classes - 1)
    if squared_gap <= 0:
        return label, np.inf
    gap = np.sqrt(squared_gap)
    stays, taken = (1 + (num_classes - 1) * gap) / num_classes, (1 - gap) / num_classes
    bound = 1 - (np.sqrt(stays) - np.sqrt(taken)) ** 2
    sigma_px = np.sqrt(np.log(WRONG_SHARE) / (4 * np.pi * np.log(bound)))
    if sigma_px > MOST_SIGMA_PX:
        return label, np.inf
    calm, most = label.copy(), np.full(label.shape, -1.0)
    for klass in range(num_classes):
        share = ndimage.gaussian_filter((label == klass).astype(np.float64), sigma_px, mode="nearest")
        more = share > most
        calm[more], most[more] = klass, share[more]
    ignored = is_ignored(label)
    calm[ignored] = label[ignored]
    return calm, float(sigma_px)


def lonely_share(label: LabelArray) -> float:
    """Return the share of known pixels whose eight neighbours all hold something else."""
    height, width = label.shape
    around = np.pad(label.astype(np.int16), 1, constant_values=-1)
    lonely = ~is_ignored(label)
    num_known = max(1, int(lonely.sum()))
    for down in range(3):
        for right in range(3):
            if (down, right) != (1, 1):
                lonely &= around[down : down + height, right : right + width] != label
    return float(lonely.sum()) / num_known
