"""Label files that are written back as they came: same format, depth and palette, flat images or volumes.

`H` rows, `W` columns, `D` slices. `load_label` of `metastructure.data.files` reads one (H, W) label for training; here
a multi-page TIFF is a volume (D, H, W), and what the pixels do not say is kept beside them: palette and depth of a PNG;
axes, pixel size and the kind of description (OME, ImageJ or none) of a TIFF, whose other tags are written anew.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from metastructure.data.files import LABEL_SUFFIXES, TIFF_SUFFIXES, atomic_path, find_files, load_label
from metastructure.data.formats.opening import open_stack
from metastructure.data.formats.pixel_size import PixelSize
from metastructure.data.formats.stack import Style
from metastructure.data.formats.tiff import write_tiff
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
    axes : str
        Of a TIFF, one letter an axis of `pixels`, as in `metastructure.data.formats.stack`; empty where nobody named
        them.
    pixel_size : PixelSize or None
        Of a TIFF.
    style : "plain", "imagej" or "ome"
        Whose description a TIFF carries.
    """

    pixels: LabelArray
    palette: list[int] | None = None
    one_bit: bool = False
    axes: str = ""
    pixel_size: PixelSize | None = None
    style: Style = "plain"


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
        return _read_tiff(path, num_classes)
    pixels = load_label(path, num_classes)
    with Image.open(path) as image:
        return LabelFile(pixels, image.getpalette() if image.mode == "P" else None, image.mode == "1")


def write_label_file(path: Path, label: LabelFile) -> None:
    """Write a label in the format of the suffix, whole or not at all.

    A one-bit PNG that now holds other values than 0 and 1, IGNORE for instance, is written with eight bits.
    """
    with atomic_path(path) as temporary:
        if path.suffix.lower() in TIFF_SUFFIXES:
            axes = label.axes or "IYX"[-label.pixels.ndim :]
            write_tiff(temporary, label.pixels, axes, label.pixel_size, label.style)
            return
        depth = np.bool_ if label.one_bit and label.pixels.max() <= 1 else np.uint8
        image = Image.fromarray(label.pixels.astype(np.uint16 if label.pixels.dtype.itemsize > 1 else depth))
        if label.palette is not None:
            image.putpalette(label.palette)
        image.save(temporary)


def _read_tiff(path: Path, num_classes: int | None) -> LabelFile:
    stack = open_stack(path)
    if stack.num_channels > 1:
        what = "colours" if "S" in stack.axes else f"{stack.num_channels} channels"
        raise DataError(f"{path}: a label is one channel of class numbers; this file holds {what}. Convert them first.")
    if len(stack.series_axes) > 1:
        raise DataError(
            f"{path}: a label is one plane or one series of them; this file holds the axes {stack.axes}. Write each "
            "plane to a file of its own with 'metastructure convert'."
        )
    planes = [stack.load(index) for index in range(len(stack))]
    pixels = np.stack(planes) if stack.series_axes else planes[0]
    pixels = pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels
    try:
        check_label(pixels, num_classes, str(path))
    except (TypeError, ValueError) as error:
        raise DataError(str(error)) from None
    return LabelFile(
        pixels,
        axes=stack.series_axes + "YX",
        pixel_size=stack.pixel_size,
        style=stack.style,
    )
