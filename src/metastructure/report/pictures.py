"""Images and labels as PNG data URIs, in colours that colour-blind readers can tell apart.

`H` rows, `W` columns. Nothing here computes a result: arrays come in, pictures go out.
"""

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from metastructure.label import IGNORE, LabelArray

Rgb = npt.NDArray[np.uint8]

PALETTE = (
    "#000000 #e69f00 #56b4e9 #009e73 #f0e442 #0072b2 #d55e00 #cc79a7 #999999 #661100 #88ccee #117733 #ddcc77 #332288 "
    "#aa4499 #44aa99 #999933 #882255 #6699cc #aa4466"
)
"""Classes 0..19: Okabe and Ito's eight (2008), then Tol's muted scheme (2021); later classes start over at 1."""

IGNORE_COLOUR = "#d0d0d0"
HIT, MISSED, SPURIOUS = "#ffffff", "#56b4e9", "#e69f00"
"""Pixels of a binary prediction: right foreground, foreground not found, foreground that is none."""

LUMA, DIMMED = np.array([0.299, 0.587, 0.114]), 0.5
"""Brightness of red, green and blue as the eye weighs them (ITU-R BT.601), and how much of it is left behind errors."""

GAMMA = 0.6
_LOW, _HIGH = 0.5, 99.5
"""Percentiles between which an image is stretched for display."""


def show_image(image: npt.NDArray[np.generic]) -> Rgb:
    """Return (H, W) or (H, W, 3) pixels of any dtype as (H, W, 3) uint8.

    Grey and 16-bit pixels are stretched between two percentiles, grey ones with a gamma that shows dim objects beside
    bright ones; 8-bit colour is shown as it is.
    """
    pixels = np.asarray(image, dtype=np.float64)
    if image.dtype != np.uint8 or image.ndim == 2:
        low, high = np.percentile(pixels, [_LOW, _HIGH])
        pixels = (pixels - low) / (high - low) * 255 if high > low else np.zeros_like(pixels)
    pixels = np.clip(pixels, 0, 255)
    if image.ndim == 2:
        pixels = 255 * (pixels / 255) ** GAMMA
    shown = pixels.round().astype(np.uint8)
    return np.repeat(shown[..., None], 3, axis=2) if shown.ndim == 2 else shown


def show_label(label: LabelArray, num_classes: int) -> Rgb:
    """Return (H, W) classes as colours, (H, W, 3) uint8; two classes are black and white, IGNORE is light grey."""
    colours = _colour_table(num_classes)
    return colours[np.asarray(label, dtype=np.uint8)]


def show_prediction(prediction: LabelArray, truth: LabelArray, num_classes: int) -> Rgb:
    """Return a prediction in the colours of `show_label`, (H, W, 3) uint8, grey where the truth is IGNORE."""
    shown = show_label(prediction, num_classes)
    shown[truth == IGNORE] = _rgb(IGNORE_COLOUR)
    return shown


def show_difference(prediction: LabelArray, truth: LabelArray, num_classes: int) -> Rgb:
    """Return where a prediction is wrong, (H, W, 3) uint8.

    For two classes hits, missed and spurious foreground have colours of their own; for more, wrong pixels have the
    colour of the spurious ones and the others stay the truth in dark grey. IGNORE in the truth is light grey.
    """
    if num_classes == 2:
        shown = show_label(prediction, num_classes)
        shown[(prediction == 0) & (truth == 1)] = _rgb(MISSED)
        shown[(prediction == 1) & (truth == 0)] = _rgb(SPURIOUS)
    else:
        grey = show_label(truth, num_classes) @ LUMA * DIMMED
        shown = np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=2)
        shown[prediction != truth] = _rgb(SPURIOUS)
    shown[truth == IGNORE] = _rgb(IGNORE_COLOUR)
    return shown


def encode_png(pixels: Rgb) -> str:
    """Return the picture as a ``data:`` URI; few colours and grey take few bytes, and no pixel changes."""
    red, green, blue = np.moveaxis(pixels.astype(np.int64), 2, 0)
    codes, places = np.unique(red << 16 | green << 8 | blue, return_inverse=True)
    picture = Image.fromarray(pixels)
    if len(codes) <= 256:
        picture = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8))
        picture.putpalette(np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _colour_table(num_classes: int) -> Rgb:
    colours = [_rgb(code) for code in PALETTE.split()]
    if num_classes == 2:
        colours[1] = _rgb(HIT)
    table = np.array([colours[0]] + [colours[1 + (k - 1) % (len(colours) - 1)] for k in range(1, 256)], np.uint8)
    table[IGNORE] = _rgb(IGNORE_COLOUR)
    return table


def _rgb(code: str) -> tuple[int, int, int]:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)
