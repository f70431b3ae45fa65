"""Label files that are written back as they came: same format, depth and palette, flat images or volumes.

`H` rows, `W` columns, `D` slices. `load_label` of `metastructure.data.files` reads one (H, W) label for training; here
a multi-page TIFF is a volume (D, H, W), and what the pixels do not say is kept beside them, but for the tags of a TIFF,
which is written anew.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from metastructure.data.files import LABEL_SUFFIXES, TIFF_SUFFIXES, atomic_path, find_files, load_label
from metastructure.errors import DataError
from metastructure.label import LabelArray, check_label


@dataclass(frozen=True, eq=False)
class LabelFile:
    """A label and how its file stores it.

    Attributes
    ----------
    pixels : (H, W) or (D, H, W) array of integers
    palette : list of int or None
        Red, green and blue of each class, for a PNG with a palette.
    one_bit : bool
        The file is a PNG of one bit a pixel.
    """

    pixels: LabelArray
    palette: list[int] | None = None
    one_bit: bool = False


def find_labels(root: Path) -> list[Path]:
    """Return the label files of a folder and its sub-folders, sorted; hidden files and folders are passed over.

    Raises
    ------
    DataError
        If the folder is missing, holds no PNG or TIFF, or two labels differ in their suffix only.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder of labels.")
    found = find_files(root, LABEL_SUFFIXES)
    if not found:
        raise DataError(f"{root}: no labels; put PNG or TIFF files here.")
    for path in found:
        if path.parent.name == "images" and (path.parent.parent / "labels").is_dir():
            raise DataError(
                f"{path.parent}: these are images, not labels; name a folder of labels, such as "
                f"{path.parent.parent / 'labels'}."
            )
    return found


def read_label_file(path: Path, num_classes: int | None = None) -> LabelFile:
    """Return the label in a PNG or TIFF with what is needed to write it back.

    Raises
    ------
    DataError
        If the file cannot be read, or breaks the label contract.
    """
    if path.suffix.lower() in TIFF_SUFFIXES:
        return LabelFile(_read_tiff(path, num_classes))
    pixels = load_label(path, num_classes)
    with Image.open(path) as image:
        return LabelFile(pixels, image.getpalette() if image.mode == "P" else None, image.mode == "1")


def write_label_file(path: Path, label: LabelFile) -> None:
    """Write a label in the format of the suffix, whole or not at all.

    A one-bit PNG that now holds other values than 0 and 1, IGNORE for instance, is written with eight bits.
    """
    with atomic_path(path) as temporary:
        if path.suffix.lower() in TIFF_SUFFIXES:
            tifffile.imwrite(temporary, label.pixels, compression="zlib", photometric="minisblack")
            return
        depth = np.bool_ if label.one_bit and label.pixels.max() <= 1 else np.uint8
        image = Image.fromarray(label.pixels.astype(np.uint16 if label.pixels.dtype.itemsize > 1 else depth))
        if label.palette is not None:
            image.putpalette(label.palette)
        image.save(temporary)


def _read_tiff(path: Path, num_classes: int | None) -> LabelArray:
    try:
        with tifffile.TiffFile(path) as file:
            axes, pixels = file.series[0].axes, np.asarray(file.asarray())
    except Exception as error:  # the reader raises many kinds on damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: the file cannot be read ({reason}); is it damaged?") from error
    if axes.endswith("S"):  # samples of one pixel, not slices
        raise DataError(
            f"{path}: a label is one channel of class numbers; this file holds colours. Convert them first."
        )
    try:
        return check_label(pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels, num_classes, str(path))
    except (TypeError, ValueError) as error:
        raise DataError(str(error)) from None
