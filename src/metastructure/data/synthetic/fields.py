"""Smooth random fields: uneven light, texture and clouds, at any scale.

`H` rows, `W` columns.
"""

import numpy as np

from metastructure.data.synthetic.scene import FloatArray

# The mean over positions of the sum of squared cubic B-spline weights along one axis: the integral of the
# squared cubic B-spline, which is the degree-7 B-spline at 0.
_MEAN_SQUARED_WEIGHT = 151.0 / 315.0


def smooth_field(height: int, width: int, scale_px: float, rng: np.random.Generator) -> FloatArray:
    """Return a Gaussian random field of mean 0 and variance 1 that varies over about `scale_px` pixels.

    Parameters
    ----------
    height, width : int
        H and W, at least 1.
    scale_px : float
        Distance between the knots of the field, in pixels, above 0. Below about 1 the field is white noise.
    rng : numpy.random.Generator
        Where the knots come from.

    Returns
    -------
    (H, W) array of float

    Notes
    -----
    Standard normal knots on a square grid at a random offset, interpolated by uniform cubic B-splines and
    divided by 151/315, which makes the variance 1 on average over positions. The empirical mean and variance
    of one field differ from 0 and 1, the more so the fewer knots fall into the image. Only additions and
    products of single elements: no result depends on the number of threads.

    Examples
    --------
    >>> field = smooth_field(40, 60, 8.0, np.random.default_rng(0))
    >>> field.shape, bool(abs(np.diff(field, axis=0)).max() < abs(field).max())
    ((40, 60), True)
    """
    row_phase, column_phase = rng.random(2)
    rows = row_phase + np.arange(height) / scale_px
    columns = column_phase + np.arange(width) / scale_px
    knots = rng.standard_normal((int(rows[-1]) + 4, int(columns[-1]) + 4))
    field = _interpolate_rows(_interpolate_rows(knots, rows).T, columns).T
    return np.ascontiguousarray(field / _MEAN_SQUARED_WEIGHT)


def _interpolate_rows(knots: FloatArray, positions: FloatArray) -> FloatArray:
    """Return the cubic B-spline of each column of `knots` at `positions`, given in knots."""
    first = positions.astype(int)
    t = (positions - first)[:, None]
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    total = np.zeros((len(positions), knots.shape[1]))
    for offset, weight in enumerate(weights):
        total += weight / 6 * knots[first + offset]
    return total
