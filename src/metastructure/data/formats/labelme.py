"""LabelMe annotations: one JSON file an image, with polygons, rectangles, circles and masks.

Points are [x, y] in pixels from the top left corner of the image. LabelMe knows no holes; an object with holes is
written as one polygon with cuts, see `join_rings`. Source: K. Wada, Labelme, github.com/wkentaro/labelme
(label_file.py, shape.py).
"""

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, Field

from metastructure.data.formats.class_names import name_class, number_classes
from metastructure.data.formats.foreign_json import load_json
from metastructure.data.formats.regions import Annotated, Patch, Region, find_regions, region_of_rings
from metastructure.data.formats.rings import ellipse_ring, join_rings
from metastructure.errors import DataError
from metastructure.label import LabelArray

VERSION = "5.5.0"
"""Of LabelMe, whose files these are written like."""


class LabelMeShape(BaseModel):
    """An object."""

    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"
    mask: str | None = None


class LabelMeFile(BaseModel):
    """What is read of a file."""

    shapes: list[LabelMeShape]
    height: int | None = Field(None, alias="imageHeight", gt=0)
    width: int | None = Field(None, alias="imageWidth", gt=0)


def load_labelme(
    paths: Sequence[tuple[str, Path]], classes: Sequence[str] | None = None
) -> tuple[Iterator[Annotated], dict[str, int]]:
    """Return the annotations of LabelMe files, made one image at a time, and the class of each name.

    Parameters
    ----------
    paths : sequence of pairs of name and file
    classes : sequence of str, optional
        Names of the classes 1, 2, ... in order; without it see `number_classes`.

    Raises
    ------
    DataError
        If a file is none of LabelMe, does not say how large its image is, holds a class that was not named, or, while
        the images are gone through, a shape that cannot be used.
    """
    found = dict[str, Path]()
    for _, path in paths:
        for shape in load_json(path, LabelMeFile, "LabelMe").shapes:
            found.setdefault(shape.label, path)
    for name, path in found.items():
        number_classes([name], classes, str(path))  # so that the file with a class too many is named
    numbers = number_classes(found, classes, str(paths[0][1].parent))

    def read() -> Iterator[Annotated]:
        for name, path in paths:
            content = load_json(path, LabelMeFile, "LabelMe")
            if content.height is None or content.width is None:
                raise DataError(f"{path}: the file does not say how large its image is; set imageHeight, imageWidth.")
            size = (content.height, content.width)
            regions = [
                _read_region(one, numbers[one.label], size, f"{path}: shape {place} ({one.label})")
                for place, one in enumerate(content.shapes, start=1)
            ]
            kept = tuple(region for region in regions if region is not None)
            yield Annotated(name, size, kept, len(regions) - len(kept))

    return read(), numbers


def describe_labelme(label: LabelArray, image_path: str, classes: Sequence[str] | None = None) -> dict[str, Any]:
    """Return an (H, W) label as the content of a LabelMe file, one polygon an object of touching pixels.

    Parameters
    ----------
    label : (H, W)
    image_path : str
        Where LabelMe finds the image, from the folder of the file.
    classes : sequence of str, optional
        Names of the classes 1, 2, ... in order.
    """
    shapes = [
        {
            "label": name_class(region.klass, classes),
            "points": join_rings(region.rings())[:, ::-1].tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
        }
        for region in find_regions(label)
    ]
    H, W = label.shape
    about = {"imagePath": image_path, "imageData": None, "imageHeight": H, "imageWidth": W}
    return {"version": VERSION, "flags": {}, "shapes": shapes, **about}


def _read_region(one: LabelMeShape, klass: int, size: tuple[int, int], where: str) -> Region | None:
    """Return the region of a shape, None if it has no area."""
    corners = np.array(one.points, dtype=np.float64).reshape(-1, 2)[:, ::-1]
    if one.shape_type == "polygon":
        return region_of_rings(klass, [[corners]], size, where)
    if one.shape_type not in ("rectangle", "circle", "mask"):
        return None
    if len(corners) != 2:
        raise DataError(f"{where}: a {one.shape_type} has two points; this one has {len(corners)}.")
    if one.shape_type == "circle":
        radius = float(np.hypot(*(corners[1] - corners[0])))
        ring = ellipse_ring((corners[0][0], corners[0][1]), (radius, radius))
        return region_of_rings(klass, [[ring]], size, where)
    (top, left), (bottom, right) = corners
    if one.shape_type == "mask":
        return Region(klass, (_read_mask(one.mask, (round(float(top)), round(float(left))), size, where),))
    ring = np.array([[top, left], [top, right], [bottom, right], [bottom, left]])
    return region_of_rings(klass, [[ring]], size, where)


def _read_mask(stored: str | None, corner: tuple[int, int], size: tuple[int, int], where: str) -> Patch:
    """Return a mask that is stored as a PNG in text."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(stored or "", validate=True))) as image:
            mask = np.asarray(image) != 0
    except Exception as error:  # each reader raises its own kinds
        raise DataError(f"{where}: the mask cannot be read; is the file damaged?") from error
    if mask.ndim != 2 or min(corner) < 0 or corner[0] + mask.shape[0] > size[0] or corner[1] + mask.shape[1] > size[1]:
        raise DataError(f"{where}: a mask of the shape {mask.shape} at {corner} lies outside its image of {size}.")
    return Patch(mask, corner)
