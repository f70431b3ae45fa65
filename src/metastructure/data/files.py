"""Reading images and labels from disk, and writing files whole or not at all.

`H` rows, `W` columns, `K` channels. Images come back (H, W) or (H, W, K) in the file's dtype; labels come back
(H, W) integer. PNG, JPEG, TIFF, OME-Zarr and NIfTI are read; of several planes one is named, as in ``stack.tif#3``.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt

from metastructure.data.formats import tiff
from metastructure.data.formats.opening import FLAT_SUFFIXES, open_stack
from metastructure.data.formats.stack import Stack
from metastructure.errors import DataError
from metastructure.label import LabelArray, check_label

TIFF_SUFFIXES = tiff.TIFF_SUFFIXES
IMAGE_SUFFIXES = FLAT_SUFFIXES | TIFF_SUFFIXES
LABEL_SUFFIXES = frozenset({".png"}) | TIFF_SUFFIXES
"""JPEG is missing on purpose: its compression changes classes."""

ImageArray = npt.NDArray[np.generic]


def find_files(root: Path, suffixes: frozenset[str]) -> list[Path]:
    """Return the files with one of `suffixes` in a folder and its sub-folders, sorted; hidden ones are passed over.

    Raises
    ------
    DataError
        If two of them differ in their suffix only.
    """
    found = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in suffixes
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    names: dict[Path, Path] = {}
    for path in found:
        other = names.setdefault(path.with_suffix(""), path)
        if other != path:
            raise DataError(f"{path}: {other.name} has the same name but for the suffix; rename one of the two.")
    return found


def load_image(path: Path | str) -> ImageArray:
    """Return the image in `path`, (H, W) grey or (H, W, 3) colour, in the file's dtype.

    An alpha channel is dropped; a colour palette is expanded.

    Raises
    ------
    DataError
        If the file cannot be read, is not one 2-D image, or has more than four channels.
    """
    path = Path(path)
    stack = _open_plane(path)
    pixels = stack.load()
    if pixels.ndim == 3 and "S" in stack.axes:
        pixels = pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3]
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        raise DataError(
            f"{path}: an image has 1 or 3 channels; this file holds shape {stack.shape} with the axes {stack.axes}. "
            "Choose a channel with 'metastructure convert --channel', or name the axis Z or T if these are slices."
        )
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise DataError(f"{path}: the image holds NaN or infinite values; replace them first.")
    if pixels.dtype.kind not in "uifb":
        raise DataError(f"{path}: an image holds numbers; this file holds {pixels.dtype}.")
    return pixels


def load_label(path: Path | str, num_classes: int | None = None) -> LabelArray:
    """Return the label in `path`, (H, W) integers, classes 0..C-1 and 255 for IGNORE.

    Parameters
    ----------
    path : Path or str
        A PNG or TIFF. A PNG with a palette gives the palette's indices, as PASCAL VOC stores its classes.
    num_classes : int, optional
        C; a class beyond it is an error.

    Raises
    ------
    DataError
        If the file cannot be read, is floating point or colour, or holds a class outside 0..C-1.
    """
    path = Path(path)
    stack = _open_plane(path, keep_palette=True)
    pixels = stack.load()
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8)
    if pixels.ndim != 2:
        raise DataError(
            f"{path}: a label is one channel of class numbers, (H, W); this file holds shape {stack.shape}. "
            "Convert colours to classes first."
        )
    try:
        return check_label(pixels, num_classes, str(path))
    except (TypeError, ValueError) as error:
        raise DataError(str(error)) from None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it replaces `path`, on any error it is removed.

    A reader sees the old file or the new one, never a half of one, also after Ctrl-C or a crash.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def save_image(path: Path | str, pixels: npt.NDArray[Any], like: Path | str | None = None) -> None:
    """Write (H, W) or (H, W, 3) pixels in the format of the suffix, whole or not at all; lossless but for JPEG.

    Parameters
    ----------
    path : Path or str
    pixels : (H, W) or (H, W, 3) array
    like : Path or str, optional
        An image of the same pixels: a TIFF is written with its pixel size, in the description that it has (OME, ImageJ
        or none). Other formats keep no pixel size.
    """
    path = Path(path)
    source = open_stack(Path(like)) if like is not None and path.suffix.lower() in TIFF_SUFFIXES else None
    with atomic_path(path) as temporary:
        if path.suffix.lower() in TIFF_SUFFIXES:
            axes = "YX" if pixels.ndim == 2 else "YXS"
            if source is None:
                tiff.write_tiff(temporary, pixels, axes)
            else:
                tiff.write_tiff(temporary, pixels, axes, source.pixel_size, source.style)
        else:
            iio.imwrite(temporary, pixels)


def _open_plane(path: Path, keep_palette: bool = False) -> Stack:
    """Return a file of one plane."""
    stack = open_stack(path, keep_palette)
    if len(stack) > 1:
        raise DataError(
            f"{path}: this file holds shape {stack.shape} with the axes {stack.axes}, {len(stack)} planes; name one, "
            f"such as {path.name}#0, or write each to a file of its own with 'metastructure convert'."
        )
    return stack


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
