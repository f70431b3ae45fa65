"""Working on a smaller copy of a large image, for methods whose time or memory would run away."""

from collections.abc import Callable

import numpy as np
from skimage.transform import resize

from metastructure.unsupervised.base import Grey, Score


def shrink_and_back(score: Callable[[Grey], Score], grey: Grey, max_side_px: int) -> Score:
    """Return the score of an image, found on a copy no longer than `max_side_px` and enlarged again.

    Parameters
    ----------
    score : callable
        From a grey image to its score.
    grey : (H, W) array in [0, 1]
    max_side_px : int
        An image whose longer side is no longer is used as it is.

    Notes
    -----
    Smoothed against aliasing on the way down, bilinear on the way up. What is narrower than
    ``2 max(H, W) / max_side_px`` pixels is lost.
    """
    longer = max(grey.shape)
    if longer <= max_side_px:
        return score(grey)
    smaller = [max(1, round(n * max_side_px / longer)) for n in grey.shape]
    found = score(np.asarray(resize(grey, smaller, order=1, anti_aliasing=True), dtype=np.float32))
    return np.clip(np.asarray(resize(found, grey.shape, order=1), dtype=np.float32), 0, 1)
