"""How much of a noisy density's variance comes from pixels drawn one by one, estimated from neighbouring pixels.

`C` classes, `H` rows, `W` columns. `V(k)` is the covariance of the indicator vector u(k) of the class of pixel k, given
the clean label. Derived in docs/meta-structure.md.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metastructure.label import IGNORE, LabelArray
from metastructure.structure.windows import FloatArray

_Contrast = tuple[tuple[tuple[slice, slice], int], ...]
"""Pixels side by side, each as the part of the image it runs through, with the sign it is added with."""

_ALL, _BUT_LAST, _BUT_FIRST = slice(None), slice(None, -1), slice(1, None)
_BLOCK: _Contrast = (
    ((_BUT_LAST, _BUT_LAST), 1),
    ((_BUT_LAST, _BUT_FIRST), -1),
    ((_BUT_FIRST, _BUT_LAST), -1),
    ((_BUT_FIRST, _BUT_FIRST), 1),
)
_PAIR_DOWN: _Contrast = (((_BUT_LAST, _ALL), 1), ((_BUT_FIRST, _ALL), -1))
_PAIR_RIGHT: _Contrast = (((_ALL, _BUT_LAST), 1), ((_ALL, _BUT_FIRST), -1))
_BEST_FIRST: tuple[tuple[_Contrast, ...], ...] = ((_BLOCK,), (_PAIR_DOWN, _PAIR_RIGHT))


class PixelNoise(NamedTuple):
    """A weighted sum over pixels of estimates of V(k).

    Attributes
    ----------
    covariance : (C, C) array
        Sum of weight times estimate.
    weight : float
        Of the pixels that have an estimate.
    squared_weight : float
        Sum of the squared weights of the contrasts that the estimates rest on.
    """

    covariance: FloatArray
    weight: float
    squared_weight: float


def estimate_pixel_noise(
    label: LabelArray, weights: FloatArray, num_classes: int, rows: slice = slice(None)
) -> PixelNoise:
    """Return the weighted sum over the pixels of a label of the estimated covariance of their class about its mean.

    Parameters
    ----------
    label : (H, W) array of integers
        IGNORE pixels have no estimate and are no neighbours.
    weights : (H, W) array of floats, at least 0
        How much each pixel counts.
    num_classes : int
        C.
    rows : slice, optional
        Only contrasts whose upper row is one of these. Those of a band add up to those of the whole image if `label`
        and `weights` hold one row more above the band and two below it.

    Returns
    -------
    PixelNoise
        All 0 where no two known pixels are side by side.

    Notes
    -----
    A pixel is estimated by the mean over all 2 x 2 blocks of known pixels that hold it. With
    d = u(r, c) - u(r, c+1) - u(r+1, c) + u(r+1, c+1), E d = 0 wherever the expected label is locally a sum of a
    function of the row and one of the column: inside objects and along boundaries in the direction of an axis. There
    E d dᵀ / 4 is the mean of V over the block. At other boundaries d is also the boundary's own, so the estimate is a
    little high: on the clean labels of the nuclei by 0.03 of the variance of a pixel
    (benchmarks/results/sampling_error.md).

    A pixel that is in no such block, as in an object one pixel wide between IGNORE, is estimated by the pairs that it
    forms with its known neighbours, d = u(k) - u(k') and d dᵀ / 2, to which every boundary adds. One without
    neighbours has no estimate.

    References
    ----------
    Hall, Kay, Titterington, "Asymptotically optimal difference-based estimation of variance in nonparametric
    regression", Biometrika 1990.

    Examples
    --------
    Of the two blocks only the first has d other than 0, (1, -1). Its four pixels weigh 1, 1/2, 1 and 1/2 there, because
    those in the middle are in both blocks: 3 · (1, -1)(1, -1)ᵀ / 4.

    >>> noise = estimate_pixel_noise(np.array([[0, 0, 0], [0, 1, 1]]), np.ones((2, 3)), 2)
    >>> noise.covariance.tolist(), noise.weight, noise.squared_weight
    ([[0.75, -0.75], [-0.75, 0.75]], 6.0, 18.0)
    """
    known = label != IGNORE
    left = np.where(known, weights, 0.0)
    total, weight, squared_weight = np.zeros((num_classes, num_classes)), 0.0, 0.0
    for contrasts in _BEST_FIRST:
        complete = [_complete(known, contrast) for contrast in contrasts]
        num_around = np.zeros(label.shape, dtype=np.uint8)
        for contrast, whole in zip(contrasts, complete, strict=True):
            for part, _ in contrast:
                num_around[part] += whole
        share = np.divide(left, num_around, out=np.zeros_like(left), where=num_around > 0)
        for contrast, whole in zip(contrasts, complete, strict=True):
            of_contrast: FloatArray = (np.add.reduce([share[part] for part, _ in contrast]) * whole)[rows]
            total += _sum_of_squares([(label[part][rows], sign) for part, sign in contrast], of_contrast, num_classes)
            weight += float(of_contrast.sum())
            squared_weight += float((of_contrast**2).sum())
        left[num_around > 0] = 0
        if not left.any():
            break
    return PixelNoise(total, weight, squared_weight)


def _complete(known: npt.NDArray[np.bool_], contrast: _Contrast) -> npt.NDArray[np.bool_]:
    return np.asarray(np.logical_and.reduce([known[part] for part, _ in contrast]))


def _sum_of_squares(pixels: list[tuple[LabelArray, int]], weights: FloatArray, num_classes: int) -> FloatArray:
    """Return the sum of weight times d dᵀ over the number of pixels in d."""
    differs = weights > 0
    differs &= np.logical_or.reduce([other != pixels[0][0] for other, _ in pixels[1:]])
    weights = weights[differs] / len(pixels)
    terms = [(classes[differs].astype(np.intp), sign) for classes, sign in pixels]
    total = np.zeros((num_classes, num_classes))
    for klass, _ in terms:
        total += np.diag(np.bincount(klass, weights, num_classes))
    for (one, sign), (other, opposite) in combinations(terms, 2):
        table = np.bincount(one * num_classes + other, weights, num_classes**2).reshape(num_classes, num_classes)
        total += sign * opposite * (table + table.T)
    return total
