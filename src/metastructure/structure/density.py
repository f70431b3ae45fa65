"""The meta-structure of one label: for each class and pixel, the share of that class among the pixels around it.

`C` classes, `H` rows, `W` columns, `S` half-widths. A share is taken among the known pixels of a window: those inside
the image that are not IGNORE. So the classes sum to 1 at every pixel, at the image's edge too, and a window without a
known pixel is NaN.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from metastructure.label import IGNORE, LabelArray, check_label, count_classes
from metastructure.structure.windows import FloatArray, Window, WindowName, check_half_width, find_window

ROWS_PER_BLOCK = 1024
BAND_BYTES = 2**27
"""What the arrays of one band of rows may take where the caller does not say; larger images go band by band."""


def density(
    label: LabelArray, half_width_px: int, window: WindowName = "box", num_classes: int | None = None
) -> FloatArray:
    """Return the spatial density of each class of a label.

    Parameters
    ----------
    label : (H, W) array of integers
        IGNORE pixels count neither above nor below the fraction.
    half_width_px : int, from 0 to less than the shorter side
        h. The box holds (2h + 1)² pixels, the disc those within h of its centre; the gaussian has the standard
        deviation of the box, sqrt(h (h + 1) / 3).
    window : "box", "disc" or "gaussian"
    num_classes : int, optional
        C. Without it what the label holds, at least 2.

    Returns
    -------
    (C, H, W) array of float64
        In [0, 1]. A class that the label does not hold is 0; a pixel whose window holds no known pixel is NaN.

    Raises
    ------
    TypeError, ValueError
        If `label` breaks the contract or is a volume, the half-width is not a whole number or does not fit the image,
        or there is no such window.

    Notes
    -----
    f_c(x) = sum_k w(k - x) [y(k) = c] / sum_k w(k - x), both sums over known pixels k. Edge correction by the
    denominator (Diggle 1985). Box and disc count in integers and divide once. The box takes the same time for any
    half-width; disc and gaussian take time in proportion to it.

    References
    ----------
    Luo, Liu, Guo, Yang, "Deep Neural Networks Learn Meta-Structures from Noisy Labels in Semantic Segmentation", AAAI
    2022, section 3. Diggle, "A kernel method for smoothing point process data", Applied Statistics 1985.

    Examples
    --------
    >>> label = np.array([[0, 0, 1], [0, 255, 1]])
    >>> density(label, 1)[1].round(3).tolist()
    [[0.0, 0.4, 0.667], [0.0, 0.4, 0.667]]
    """
    return np.asarray(densities(label, [half_width_px], window, num_classes)[0])


def densities(
    label: LabelArray, half_widths_px: Sequence[int], window: WindowName = "box", num_classes: int | None = None
) -> FloatArray:
    """Return the densities at several half-widths, (S, C, H, W); the running sums are made once for all of them.

    Parameters
    ----------
    label, window, num_classes
        As for `density`.
    half_widths_px : sequence of int
        The S half-widths, in the order of the result.

    Examples
    --------
    >>> densities(np.array([[0, 1, 1]]).repeat(3, axis=0), [0, 1])[:, 1, 1].round(2).tolist()
    [[0.0, 1.0, 1.0], [0.5, 0.67, 1.0]]
    """
    C = check_image(label, num_classes)
    kind, widths = find_window(window), check_half_widths(half_widths_px, label.shape)
    return _densities(label, widths, kind, C)


def density_blocks(
    label: LabelArray,
    half_width_px: int,
    window: WindowName = "box",
    num_classes: int | None = None,
    rows_per_block: int = ROWS_PER_BLOCK,
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield the density in bands of rows, for images that do not fit in memory.

    Parameters
    ----------
    label : (H, W) array of integers
        May be a `numpy.memmap`; only a band and its margin are read at a time.
    half_width_px, window
        As for `density`.
    num_classes : int
        C; must be given, since finding it would read the whole image first.
    rows_per_block : int, at least 1

    Yields
    ------
    rows : slice
        Rows of the image.
    block : (C, rows, W) array of float64
        Equal to ``density(label, ...)[:, rows]``, bit for bit for box and disc.

    Raises
    ------
    ValueError
        If `num_classes` is missing or `rows_per_block` below 1, and where `density` raises it.

    Examples
    --------
    >>> label = np.arange(12).reshape(4, 3) % 2
    >>> blocks = density_blocks(label, 1, num_classes=2, rows_per_block=3)
    >>> [(rows.start, rows.stop, block.shape) for rows, block in blocks]
    [(0, 3, (2, 3, 3)), (3, 4, (2, 1, 3))]
    """
    if num_classes is None:
        raise ValueError("num_classes must be given: a streamed label is not read through to count its classes.")
    if rows_per_block < 1:
        raise ValueError(f"rows_per_block must be at least 1; got {rows_per_block}.")
    _check_two_axes(label)
    kind = find_window(window)
    return _blocks(label, check_half_width(half_width_px, label.shape), kind, num_classes, rows_per_block)


def _blocks(
    label: LabelArray, half_width_px: int, kind: Window, num_classes: int, rows_per_block: int
) -> Iterator[tuple[slice, FloatArray]]:
    height, margin = label.shape[0], kind.reach_px(half_width_px)
    for start in range(0, height, rows_per_block):
        stop = min(start + rows_per_block, height)
        top = max(start - margin, 0)
        band = check_label(np.asarray(label[top : stop + margin]), num_classes)
        yield slice(start, stop), _densities(band, [half_width_px], kind, num_classes)[0][:, start - top : stop - top]


def bands(shape: tuple[int, ...], bytes_per_pixel: int, reach_px: int = 0) -> list[slice]:
    """Return the rows of an image in bands that keep within `BAND_BYTES`.

    Parameters
    ----------
    shape : (H, W)
    bytes_per_pixel : int
        Of all arrays of a band.
    reach_px : int
        How far windows reach; a band has at least four times as many rows, so that its margins cost at most a half.

    Examples
    --------
    >>> bands((10, 2**20), 32, reach_px=1)
    [slice(0, 4, None), slice(4, 8, None), slice(8, 10, None)]
    """
    height, width = shape
    rows = max(BAND_BYTES // (bytes_per_pixel * width), 4 * reach_px, 1)
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]


def widen(rows: slice, margin: int) -> slice:
    """Return the rows with so many more above and below, those of an image from 0; slicing drops what is beyond it.

    Examples
    --------
    >>> widen(slice(2, 5), 3)
    slice(0, 8, None)
    """
    return slice(max(rows.start - margin, 0), rows.stop + margin)


def check_image(label: LabelArray, num_classes: int | None, name: str = "label") -> int:
    """Return the number of classes of one image, given or counted, after checking its label."""
    _check_two_axes(check_label(label, num_classes, name), name)
    return num_classes or count_classes(label)


def check_half_widths(half_widths_px: Sequence[int], shape: tuple[int, ...]) -> list[int]:
    """Return the half-widths as a list of int, each fit for an image of that shape."""
    if not len(half_widths_px):
        raise ValueError("half_widths_px must name at least one half-width.")
    return [check_half_width(h, shape) for h in half_widths_px]


def _check_two_axes(label: LabelArray, name: str = "label") -> None:
    if label.ndim != 2:
        raise ValueError(f"{name} must be one image (H, W); got shape {label.shape}. Pass a volume slice by slice.")


def _densities(label: LabelArray, half_widths_px: list[int], kind: Window, num_classes: int) -> FloatArray:
    shares = np.empty((len(half_widths_px), num_classes, *label.shape))
    known = kind.prepare(label != IGNORE)
    below = [_nan_where_zero(kind.sums(known, h)) for h in half_widths_px]
    for klass in range(num_classes):
        prepared = kind.prepare(label == klass)
        for scale, h in enumerate(half_widths_px):
            np.divide(kind.sums(prepared, h), below[scale], out=shares[scale, klass])
    return shares


def _nan_where_zero(counts: npt.NDArray[np.generic]) -> FloatArray:
    values = counts.astype(np.float64)
    values[values == 0] = np.nan
    return values
