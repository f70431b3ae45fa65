"""Small pictures of an image and of a label over it, as JPEG data URIs: a hundred of them make a page of a few MB.

`H` rows, `W` columns. Nothing here computes a result: arrays come in, pictures go out.
"""

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import binary_erosion

from metastructure.data.files import ImageArray
from metastructure.label import LabelArray
from metastructure.report.pictures import Rgb, show_image

OBJECT_COLOUR = "#d55e00"
"""Okabe and Ito's vermilion: contrast above 3 to both black and white."""

TINT, LINE = 0.3, 0.9
"""How much of an object's inside and of its outline is colour."""

QUALITY = 75
LEAST_SIDE_PX, MOST_SIDE_PX, MOST_PICTURES = 208, 416, 200
"""So many pictures at the least side are 4 MB even where they are nothing but noise."""


def choose_side_px(num_pictures: int) -> int:
    """Return the longest side of the pictures of a page: the fewer they are, the larger, in as many bytes.

    Examples
    --------
    >>> [choose_side_px(number) for number in (0, 50, 100, 200, 300)]
    [416, 416, 294, 208, 208]
    """
    side = LEAST_SIDE_PX * (MOST_PICTURES / max(num_pictures, 1)) ** 0.5
    return int(min(max(side, LEAST_SIDE_PX), MOST_SIDE_PX))


def show_small(image: ImageArray, side_px: int) -> Rgb:
    """Return an image for display, no longer than `side_px`, (h, w, 3) uint8."""
    shown = Image.fromarray(show_image(image))
    return np.asarray(shown.resize(_small_size(shown.size, side_px), Image.Resampling.BOX))


def show_over(small: Rgb, label: LabelArray) -> Rgb:
    """Return a small picture with the objects of its label tinted and outlined, (h, w, 3) uint8.

    Parameters
    ----------
    small : (h, w, 3) uint8
        From `show_small`.
    label : (H, W) of 0 and 1
        What is thinner than a pixel of the picture is tinted by its share.
    """
    height, width = small.shape[:2]
    share = _shrink(label == 1, (width, height))
    inside = share >= 0.5
    outline = inside & ~binary_erosion(inside, border_value=1)
    weight = np.where(outline, LINE, TINT * share)[..., None]
    colour = np.array([int(OBJECT_COLOUR[place : place + 2], 16) for place in (1, 3, 5)])
    return np.asarray(np.rint(small * (1 - weight) + colour * weight), dtype=np.uint8)


def encode_jpeg(pixels: Rgb) -> str:
    """Return the picture as a ``data:`` URI."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _small_size(size: tuple[int, int], side_px: int) -> tuple[int, int]:
    factor = min(1.0, side_px / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _shrink(inside: npt.NDArray[np.bool_], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return the share of True below each pixel of a picture of `size` (width, height)."""
    return np.asarray(Image.fromarray(inside.astype(np.float32)).resize(size, Image.Resampling.BOX))
