"""What the learnt methods see of images: grey values without units, objects bright, in random crops or in tiles.

`B` batch, `K` channels, `H` rows, `W` columns, `h`, `w` of a crop.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from metastructure.data.files import ImageArray
from metastructure.training.predict import TileReader
from metastructure.unsupervised.base import Side

STEPS_PER_DEVIATION = 1024
"""Values are rounded to this part of a standard deviation: other units of brightness then give the very same bits, and
training, which amplifies the last bit of a float, the very same result."""


def standard_reader(image: ImageArray, side: Side) -> TileReader:
    """Return a reader of the tiles of an image with mean 0 and standard deviation 1, objects bright.

    Parameters
    ----------
    image : (H, W) or (H, W, K) array, not constant
    side : "bright" or "dark"
        Of the objects; dark ones are turned round.

    Examples
    --------
    >>> read = standard_reader(np.array([[10, 20, 30, 40]]), "dark")
    >>> read(slice(0, 1), slice(1, 3)).tolist()
    [[[0.447265625, -0.447265625]]]
    """
    values = image.astype(np.float64)
    unit = float(np.abs(values).max())  # keeps squares of very large and very small values finite
    values /= unit
    mean, deviation = float(values.mean()), float(values.std())
    del values  # or every reader would hold a copy
    scale = (1 if side == "bright" else -1) * STEPS_PER_DEVIATION / deviation

    def read(rows: slice, columns: slice) -> npt.NDArray[np.float32]:
        pixels = (image[rows, columns].astype(np.float64) / unit - mean) * scale
        pixels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
        return np.ascontiguousarray(np.rint(pixels) / STEPS_PER_DEVIATION, dtype=np.float32)

    return read


def draw_crops(
    readers: Sequence[TileReader],
    shapes: Sequence[tuple[int, ...]],
    num: int,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> torch.Tensor:
    """Return random crops (B, K, h, w), float32: each of an image drawn anew, at a place drawn anew.

    Parameters
    ----------
    readers, shapes
        Of each image, its `standard_reader` and its (H, W).
    num : int
        B.
    size : (h, w)
        A smaller image is mirrored at its right and below.
    rng : numpy Generator
    """
    crops = []
    for index in rng.integers(len(readers), size=num):
        height, width = shapes[index][:2]
        top = int(rng.integers(max(1, height - size[0] + 1)))
        left = int(rng.integers(max(1, width - size[1] + 1)))
        crop = readers[index](slice(top, top + size[0]), slice(left, left + size[1]))
        missing = [(0, 0), (0, size[0] - crop.shape[1]), (0, size[1] - crop.shape[2])]
        crops.append(np.pad(crop, missing, mode="symmetric"))
    return torch.from_numpy(np.stack(crops))
