"""What a scene function hands to the imaging model: a clean map, its label and the instrument.

`H` rows, `W` columns. Everything here is noise-free; only the instrument adds blur, light and noise.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
LabelImage = npt.NDArray[np.uint8]
Instrument = Callable[[FloatArray, np.random.Generator], FloatArray]


class Scene(NamedTuple):
    """A clean picture and what is true of it.

    Attributes
    ----------
    clean : (H, W) or (H, W, 3) array of float
        Light sent out by each pixel, about 0..1: fluorescence for a microscope, colour for a camera.
    label : (H, W) array of uint8
        Classes 0..C-1, exact: made from the geometry that made `clean`, never from the picture.
    instrument : callable
        ``instrument(clean, rng)`` returns the counts of a 16-bit detector, as floats of the shape of `clean`.
    """

    clean: FloatArray
    label: LabelImage
    instrument: Instrument


SceneFunction = Callable[[int, int, np.random.Generator], Scene]


def pixel_grid(height: int, width: int) -> tuple[FloatArray, FloatArray]:
    """Return the row and column of every pixel centre, shaped (H, 1) and (1, W) so that they broadcast.

    Examples
    --------
    >>> rows, columns = pixel_grid(2, 3)
    >>> (rows + 10 * columns).tolist()
    [[0.0, 10.0, 20.0], [1.0, 11.0, 21.0]]
    """
    return np.arange(height, dtype=float)[:, None], np.arange(width, dtype=float)[None, :]
