"""Images that show nothing: constant ones, and those whose pixels resemble no neighbour, as in white noise."""

from typing import Literal

import numpy as np

from metastructure.data.files import ImageArray

Blank = Literal["constant", "noise"]

LAGS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
BLOCKS_PX = (4, 8, 16)
"""Sides of the squares whose means tell of faint objects that are large."""

LEAST_PIXELS, LEAST_BLOCKS = 1024, 16
"""Fewer say too little to call an image noise."""

BEYOND_CHANCE = 4.0
"""Standard deviations. White noise exceeds it in one of the looks once in some 1,500 images."""


def find_blank(image: ImageArray) -> Blank | None:
    """Return why an image shows nothing, or None if it may show something.

    Parameters
    ----------
    image : (H, W) or (H, W, K) array of finite numbers

    Returns
    -------
    "constant", "noise" or None
        By the mean over the channels. "noise" if neither pixels one or two apart correlate, nor the means of squares
        of 4, 8 and 16 px scatter otherwise, than independent pixels would. Noise that a lens or a camera has blurred
        correlates, and is not told from objects.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> noise = generator(0).normal(100, 8, (64, 64))
    >>> faint = noise.copy()
    >>> faint[16:48, 16:48] += 3
    >>> find_blank(np.full((64, 64), 7)), find_blank(noise), find_blank(faint)
    ('constant', 'noise', None)
    """
    grey = np.asarray(image, dtype=np.float64)
    grey = grey if image.ndim == 2 else grey.mean(axis=2)
    if grey.min() == grey.max():
        return "constant"
    if grey.size < LEAST_PIXELS:
        return None
    grey = (grey - grey.mean()) / grey.std()
    for lag in LAGS:
        products = (
            grey[: grey.shape[0] - lag[0], max(-lag[1], 0) : grey.shape[1] - max(lag[1], 0)]
            * (grey[lag[0] :, max(lag[1], 0) : grey.shape[1] + min(lag[1], 0)])
        )
        if abs(products.sum()) > BEYOND_CHANCE * np.sqrt(products.size):
            return None
    for side in BLOCKS_PX:
        rows, columns = grey.shape[0] // side, grey.shape[1] // side
        if rows * columns < LEAST_BLOCKS:
            continue
        squares = grey[: rows * side, : columns * side].reshape(rows, side, columns, side).mean(axis=(1, 3))
        if abs(squares.var() * side**2 - 1) > BEYOND_CHANCE * np.sqrt(2 / squares.size):
            return None
    return "noise"
