"""Reading images and labels from disk, and writing files whole or not at all.

`H` rows, `W` columns, `K` channels. Images come back (H, W) or (H, W, K) in the file's dtype; labels come back
(H, W) integer. PNG, JPEG and 8/16-bit TIFF are read.
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
import tifffile

from metastructure.errors import DataError
from metastructure.label import LabelArray, check_label

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"}) | TIFF_SUFFIXES
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
    pixels = _read(path)
    if pixels.ndim == 3 and pixels.shape[2] in (1, 2):
        pixels = pixels[..., 0]
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = pixels[..., :3]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise DataError(
            f"{path}: an image is (H, W) or (H, W, 3); this file holds shape {pixels.shape}; split a stack into "
            "one file a slice."
        )
    if 0 in pixels.shape:
        raise DataError(f"{path}: the image has no pixels; its shape is {pixels.shape}.")
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
    pixels = _read(path, keep_palette=True)
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8)
    if pixels.ndim != 2:
        raise DataError(
            f"{path}: a label is one channel of class numbers, (H, W); this file holds shape {pixels.shape}. "
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


def save_image(path: Path | str, pixels: npt.NDArray[Any]) -> None:
    """Write (H, W) or (H, W, 3) pixels in the format of the suffix, whole or not at all; lossless but for JPEG."""
    path = Path(path)
    with atomic_path(path) as temporary:
        if path.suffix.lower() in TIFF_SUFFIXES:
            tifffile.imwrite(temporary, pixels, compression="zlib")
        else:
            iio.imwrite(temporary, pixels)


def _read(path: Path, keep_palette: bool = False) -> npt.NDArray[Any]:
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            return np.asarray(tifffile.imread(path))
        return np.asarray(_read_with_pillow(path, keep_palette))
    except Exception as error:  # each reader raises its own kinds on damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: the file cannot be read ({reason}); is it damaged?") from error


def _read_with_pillow(path: Path, keep_palette: bool) -> npt.NDArray[Any]:
    from PIL import Image

    with Image.open(path) as image:
        if image.mode == "P" and not keep_palette:
            return np.asarray(image.convert("RGB"))
        if image.mode == "1":
            return np.asarray(image).astype(np.uint8)
        return np.asarray(image)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
