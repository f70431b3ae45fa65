"""Shares from 0 to 1 as colours, and the colour of a class: what density maps and heat tables are painted with."""

import numpy as np
import numpy.typing as npt

from metastructure.report.pictures import IGNORE_COLOUR, Rgb, show_label

COLOUR_MAP = "viridis"
"""Grows evenly in lightness, also for colour-blind readers and in grey print."""


def show_share(shares: npt.NDArray[np.float64]) -> Rgb:
    """Return (H, W) shares as (H, W, 3) uint8 colours, dark at 0, bright at 1; NaN is the grey of IGNORE."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    colours = np.asarray(colormaps[COLOUR_MAP](np.nan_to_num(shares))[..., :3])
    colours[np.isnan(shares)] = to_rgb(IGNORE_COLOUR)
    shown: Rgb = np.rint(255 * colours).astype(np.uint8)
    return shown


def class_colour(klass: int, num_classes: int) -> str:
    """Return the colour in which `show_label` paints a class.

    Examples
    --------
    >>> class_colour(0, 2), class_colour(1, 2), class_colour(1, 3)
    ('#000000', '#ffffff', '#e69f00')
    """
    return to_hex(show_label(np.array([[klass]]), num_classes))


def to_hex(pixels: Rgb) -> str:
    """Return the colour of the first pixel as HTML writes it."""
    return "#" + bytes(pixels[0, 0].tolist()).hex()
