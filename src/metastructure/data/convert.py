"""Images, labels and annotations from one format into another, so that all commands can work on plain folders.

`H` rows, `W` columns, `K` channels, `C` classes.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from metastructure.data.convert_sources import by_name, find_rasters, read_source
from metastructure.data.convert_targets import image_suffix, planes_of, write_outlines, write_pixels
from metastructure.data.files import write_text
from metastructure.data.formats.coco import describe_coco
from metastructure.data.journal import lie_apart
from metastructure.errors import ConfigError, DataError

PIXEL_TARGETS = ("png", "tif", "ome-tif", "ome-zarr")
OUTLINE_TARGETS = ("coco", "labelme", "roi")
TARGETS = (*PIXEL_TARGETS, *OUTLINE_TARGETS)

OnItem = Callable[[int, int], None]


class Converted(BaseModel):
    """What a conversion read and wrote.

    Attributes
    ----------
    files : tuple of str
        Written, below the folder; a label of a stack counts as its planes.
    num_objects : int
        Regions of annotations, read or written; 0 between formats of pixels.
    num_skipped : int
        Annotations without an area (points, lines, boxes), passed over.
    num_empty : int
        Regions that cover no centre of a pixel, and so are in no label.
    classes : dict from name to class
        Of annotations that were read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[str, ...]
    num_objects: int
    num_skipped: int
    num_empty: int
    classes: dict[str, int]


def convert_files(
    source: Path,
    out: Path,
    to: str,
    *,
    classes: Sequence[str] | None = None,
    images: Path | None = None,
    is_label: bool = False,
    channel: int | None = None,
    one_class: bool = False,
    on_item: OnItem | None = None,
) -> Converted:
    """Write images, labels or annotations in another format.

    Parameters
    ----------
    source : Path
        A file, or a folder with its sub-folders: a COCO file; LabelMe files; ``.roi`` and ``.zip`` of ImageJ; else PNG,
        JPEG, TIFF, OME-Zarr and NIfTI. Images beside LabelMe or ImageJ files are passed over.
    out : Path
        New or empty folder; for COCO a new ``.json`` file.
    to : str
        ``png`` and ``tif`` write a file for each plane, ``ome-tif`` and ``ome-zarr`` keep stacks whole; ``coco``,
        ``labelme`` and ``roi`` write the objects of labels.
    classes : sequence of str, optional
        Names of the classes 1, 2, ... in order, of annotations that are read or written.
    images : Path, optional
        Images of the same names. They give ImageJ regions the size of their image, and labels its pixel size; COCO and
        LabelMe files that are written name them.
    is_label : bool
        Whether the pixels of images that are read are classes: they are checked, never averaged, and written as uint8.
        Implied by ``coco``, ``labelme`` and ``roi``.
    channel : int, optional
        Take this channel only, from 0.
    one_class : bool
        Write 1 for every pixel above 0, in any of its colours but for alpha: for masks of 0 and 255, and numbered
        objects. Implies `is_label`.
    on_item : callable, optional
        ``on_item(done, total)`` after each file, or each image of a COCO file.

    Returns
    -------
    Converted
        Names of the files written, how many regions were read or written, passed over or empty, and the classes.

    Raises
    ------
    ConfigError
        If `to` is no target, or the options do not go together.
    DataError
        With the file concerned, if it cannot be read, or cannot be written in that format, or something would be
        overwritten.
    MetastructureError
        If a format needs an extra.

    Examples
    --------
    Two objects of class 1, traced as polygons and drawn again.

    >>> import tempfile
    >>> import metastructure as ms
    >>> label = np.array([[1, 1, 0, 0], [1, 1, 0, 1]], np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = Path(folder)
    ...     (root / "labels").mkdir()
    ...     ms.save_image(root / "labels" / "cell.png", label)
    ...     coco = convert_files(root / "labels", root / "cells.json", "coco", classes=["nucleus"])
    ...     again = convert_files(root / "cells.json", root / "again", "png", classes=["nucleus"])
    ...     coco.num_objects, again.classes, (ms.load_label(root / "again" / "cell.png") == label).all()
    (2, {'background': 0, 'ignore': 255, 'nucleus': 1}, np.True_)
    """
    source, out = Path(source), Path(out)
    if to not in TARGETS:
        raise ConfigError(f"to must be one of {', '.join(TARGETS)}; got {to!r}.")
    _check_out(source, out, to)
    sizes = {} if images is None else by_name(find_rasters(Path(images)), Path(images))
    is_label = is_label or one_class or to in OUTLINE_TARGETS
    found = read_source(source, classes, sizes, images, is_label, channel, one_class)
    written, parts = list[str](), list[tuple[str, npt.NDArray[np.uint8]]]()
    num_objects = num_skipped = num_empty = 0
    for done, item in enumerate(found.items, start=1):
        if item.regions is not None:
            num_objects += len(item.regions.regions)
            num_skipped += item.regions.num_skipped
            num_empty += sum(region.area_px == 0 for region in item.regions.regions)
        if to == "coco":
            parts += [(name + image_suffix(item.name, sizes), plane) for name, plane in planes_of(item)]
        elif to in OUTLINE_TARGETS:
            paths, num = write_outlines(item, out, to, classes, sizes)
            written += paths
            num_objects += num if item.regions is None else 0
        else:
            written += write_pixels(item, out, to, is_label or item.regions is not None)
        if on_item is not None:
            on_item(done, found.num_items)
    if to == "coco":
        content = describe_coco(parts, classes)
        num_objects = num_objects or len(content["annotations"])
        write_text(out, json.dumps(content) + "\n")
        written.append(out.name)
    return Converted(
        files=tuple(written),
        num_objects=num_objects,
        num_skipped=num_skipped,
        num_empty=num_empty,
        classes=found.classes,
    )


def _check_out(source: Path, out: Path, to: str) -> None:
    if not source.exists():
        raise DataError(f"{source}: no such file or folder.")
    if to == "coco":
        if out.suffix.lower() != ".json":
            raise DataError(f"{out}: COCO annotations are one file; name it with .json.")
        if out.exists():
            raise DataError(f"{out}: this file exists and is not overwritten; name another one, or delete it.")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: this is a file or a folder that holds files already; name a new folder.")
    if source.is_dir() and not lie_apart(source, out):
        raise DataError(f"{out}: what is read and what is written must lie in separate folders.")
