"""COCO annotations: polygons and runs of many images in one JSON file.

A polygon is x1, y1, x2, y2, ... in pixels from the top left corner of the image; several polygons of one annotation are
its parts. Source: T.-Y. Lin et al., Microsoft COCO: common objects in context, ECCV 2014, and cocodataset.org (data
format, object detection).
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from metastructure.data.formats.class_names import BACKGROUND_NAME, IGNORE_NAME, name_class, number_classes
from metastructure.data.formats.foreign_json import check_name, load_json
from metastructure.data.formats.regions import Annotated, Patch, Region, find_regions, region_of_rings
from metastructure.data.formats.runs import decode_runs, encode_runs, parse_runs
from metastructure.errors import DataError
from metastructure.label import IGNORE, MAX_CLASSES, LabelArray


class CocoImage(BaseModel):
    """An image of which annotations speak."""

    id: int
    file_name: str
    height: int = Field(gt=0)
    width: int = Field(gt=0)


class CocoCategory(BaseModel):
    """A class."""

    id: int
    name: str


class CocoAnnotation(BaseModel):
    """An object."""

    image_id: int
    category_id: int
    id: int | None = None
    segmentation: list[list[float]] | dict[str, Any] | None = None


class CocoFile(BaseModel):
    """What is read of a file."""

    images: list[CocoImage]
    categories: list[CocoCategory]
    annotations: list[CocoAnnotation]


def load_coco(path: Path, classes: Sequence[str] | None = None) -> tuple[Iterator[Annotated], dict[str, int]]:
    """Return the annotations of every image of a COCO file, made one image at a time, and the class of each name.

    Parameters
    ----------
    path : Path
    classes : sequence of str, optional
        Names of the classes 1, 2, ... in order; without it a class has the number of its category.

    Raises
    ------
    DataError
        If the file is none of COCO, a category or an image is missing, a number is no class, two images have one
        name, or, while the images are gone through, an outline or the runs of a mask cannot be used.
    """
    content = load_json(path, CocoFile, "COCO")
    names = {category.id: category.name for category in content.categories}
    images = {image.id: image for image in content.images}
    used = dict[str, int]()
    for one in content.annotations:
        if one.category_id not in names:
            raise DataError(f"{_where(path, one)}: the category {one.category_id} is not among the 'categories'.")
        if one.image_id not in images:
            raise DataError(f"{_where(path, one)}: the image {one.image_id} is not among the 'images'.")
        used[names[one.category_id]] = one.category_id
    numbers = number_classes(used, classes, str(path)) if classes is not None else _take_numbers(used, path)
    found = [check_name(image.file_name, str(path)) for image in content.images]
    if len(images) < len(found) or len(set(found)) < len(found):
        raise DataError(f"{path}: two images have the same id, or the same file name but for the suffix.")
    annotations: dict[int, list[CocoAnnotation]] = {number: [] for number in images}
    for one in content.annotations:
        annotations[one.image_id].append(one)

    def read() -> Iterator[Annotated]:
        for name, image in zip(found, content.images, strict=True):
            shape = (image.height, image.width)
            regions = [_read_region(one, numbers[names[one.category_id]], shape, path) for one in annotations[image.id]]
            kept = tuple(region for region in regions if region is not None)
            yield Annotated(name, shape, kept, len(regions) - len(kept))

    return read(), numbers


def describe_coco(labels: Iterable[tuple[str, LabelArray]], classes: Sequence[str] | None = None) -> dict[str, Any]:
    """Return labels as the content of a COCO file.

    Parameters
    ----------
    labels : iterable of pairs of file name and (H, W) label
    classes : sequence of str, optional
        Names of the classes 1, 2, ... in order.

    Notes
    -----
    An annotation is an object of touching pixels. One without a hole is a polygon along the edges of its pixels, one
    with a hole are runs. Its area is that of its pixels. IGNORE becomes the category 255, ``ignore``.
    """
    images, annotations, present = list[dict[str, Any]](), list[dict[str, Any]](), set[int]()
    for image_id, (file_name, label) in enumerate(labels, start=1):
        H, W = label.shape
        images.append({"id": image_id, "file_name": file_name, "height": H, "width": W})
        for region in find_regions(label):
            present.add(region.klass)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": region.klass,
                    "segmentation": _describe_region(region, (H, W)),
                    "area": region.area_px,
                    "bbox": _box(region),
                    "iscrowd": 0,
                }
            )
    named = range(1, 1 + sum(name not in (BACKGROUND_NAME, IGNORE_NAME) for name in classes or ()))
    categories = [{"id": klass, "name": name_class(klass, classes)} for klass in sorted(present | set(named))]
    return {"images": images, "annotations": annotations, "categories": categories}


def _take_numbers(used: dict[str, int], path: Path) -> dict[str, int]:
    for name, number in used.items():
        if name in (BACKGROUND_NAME, IGNORE_NAME):
            continue
        if not 0 < number < MAX_CLASSES:
            raise DataError(
                f"{path}: the category {number}, {name!r}, is no class; classes of objects are 1..{MAX_CLASSES - 1}. "
                "Name the classes in order, as in --classes cell,nucleus."
            )
    return used | {BACKGROUND_NAME: 0, IGNORE_NAME: IGNORE}


def _read_region(one: CocoAnnotation, klass: int, shape: tuple[int, int], path: Path) -> Region | None:
    """Return the region of an annotation, None if it has a box only."""
    where = _where(path, one)
    if not one.segmentation:
        return None
    if isinstance(one.segmentation, dict):
        return Region(klass, (Patch(_read_runs(one.segmentation, shape, where), (0, 0)),))
    rings = []
    for numbers in one.segmentation:
        if len(numbers) % 2:
            raise DataError(f"{where}: a polygon is pairs of x and y; this one has {len(numbers)} numbers.")
        rings.append(np.array(numbers, dtype=np.float64).reshape(-1, 2)[:, ::-1])
    return region_of_rings(klass, [[ring] for ring in rings], shape, where)


def _read_runs(stored: dict[str, Any], shape: tuple[int, int], where: str) -> Any:
    size, counts = stored.get("size"), stored.get("counts")
    if size != list(shape):
        raise DataError(f"{where}: the mask has the size {size}, its image {list(shape)} (height, width).")
    try:
        if isinstance(counts, str):
            return decode_runs(parse_runs(counts), shape)
        if isinstance(counts, list) and all(isinstance(length, int) for length in counts):
            return decode_runs(counts, shape)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
    raise DataError(f"{where}: 'counts' of a mask is a text or a list of integers.")


def _describe_region(region: Region, shape: tuple[int, int]) -> list[list[float]] | dict[str, Any]:
    rings = region.rings()
    if len(rings) == 1:
        return [rings[0][:, ::-1].ravel().tolist()]
    mask = np.zeros(shape, dtype=bool)
    for part, (top, left) in region.patches:
        mask[top : top + part.shape[0], left : left + part.shape[1]] |= part
    return {"size": list(shape), "counts": encode_runs(mask)}


def _box(region: Region) -> list[int]:
    (mask, (top, left)), *_ = region.patches
    return [left, top, mask.shape[1], mask.shape[0]]


def _where(path: Path, one: CocoAnnotation) -> str:
    return f"{path}: annotation {one.id if one.id is not None else '?'} of image {one.image_id}"
