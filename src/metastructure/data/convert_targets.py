"""What a conversion writes: pixels, or the objects of labels."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metastructure.data.convert_sources import Item
from metastructure.data.files import atomic_path, save_image, write_text
from metastructure.data.formats.imagej_roi import rois_of_label, write_rois
from metastructure.data.formats.labelme import describe_labelme
from metastructure.data.formats.ome_zarr import write_ome_zarr
from metastructure.data.formats.stack import Stack, name_series
from metastructure.data.formats.tiff import write_tiff
from metastructure.errors import DataError


def planes_of(item: Item) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
    for index in range(len(item.stack)):
        yield item.name + item.stack.name(index), item.stack.load(index)


def image_suffix(name: str, sizes: Mapping[str, Path]) -> str:
    return sizes[name].name[len(Path(name).name) :] if name in sizes else ".png"


def write_outlines(
    item: Item, out: Path, to: str, classes: Sequence[str] | None, sizes: Mapping[str, Path]
) -> tuple[list[str], int]:
    """Write the objects of each plane; return the files and how many objects they hold."""
    written, num_objects = list[str](), 0
    for name, label in planes_of(item):
        path = out / f"{name}{'.json' if to == 'labelme' else '.zip'}"
        if to == "labelme":
            image = os.path.relpath(sizes[item.name], path.parent) if item.name in sizes else f"{path.stem}.png"
            content = describe_labelme(label, image, classes)
            write_text(path, json.dumps(content, indent=1) + "\n")
            num_objects += len(content["shapes"])
        else:
            rois = rois_of_label(label, classes)
            with atomic_path(path) as temporary:
                write_rois(temporary, rois)
            num_objects += len(rois)
        written.append(path.relative_to(out).as_posix())
    return written, num_objects


def write_pixels(item: Item, out: Path, to: str, is_label: bool) -> list[str]:
    """Write one file for each plane, or one for the stack; return them."""
    stack = item.stack
    if to == "ome-zarr":
        path = out / f"{item.name}.ome.zarr"
        with _atomic_folder(path) as temporary:
            write_ome_zarr(temporary, stack, is_label=is_label)
        return [path.relative_to(out).as_posix()]
    if to == "ome-tif":
        path = out / f"{item.name}.ome.tif"
        with atomic_path(path) as temporary:
            _write_ome_tiff(temporary, name_series(stack), item.name)
        return [path.relative_to(out).as_posix()]
    written = []
    for index in range(len(stack)):
        path = out / f"{item.name}{stack.name(index)}.{to}"
        pixels = stack.load(index)
        _check_writable(stack, pixels, to)
        if to == "png":
            save_image(path, pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels)
        else:
            with atomic_path(path) as temporary:
                style = "plain" if stack.style == "ome" else stack.style
                write_tiff(temporary, pixels, "YX" if pixels.ndim == 2 else "YXS", stack.pixel_size, style)
        written.append(path.relative_to(out).as_posix())
    return written


def _check_writable(stack: Stack, pixels: npt.NDArray[Any], to: str) -> None:
    if pixels.ndim == 3 and pixels.shape[2] not in (3, 4):
        raise DataError(
            f"{stack.path}: an image has 1 or 3 channels; this file holds {pixels.shape[2]}. Choose one with "
            "--channel, or keep them all with --to ome-tif."
        )
    if to == "png" and (pixels.dtype.name not in ("bool", "uint8", "uint16") or pixels.itemsize * pixels.ndim > 4):
        raise DataError(
            f"{stack.path}: a PNG holds whole numbers of 8 bits, or of 16 bits in grey; this file holds {pixels.dtype} "
            f"of shape {pixels.shape}. Use --to tif."
        )


def _write_ome_tiff(path: Path, stack: Stack, name: str) -> None:
    """Write a stack page by page, in the order T, Z, C."""
    lengths = stack.lengths
    axes = "".join(axis for axis in "TZCYXS" if axis in lengths)
    places = [stack.place(index) for index in range(len(stack))]
    order = sorted(range(len(stack)), key=lambda index: (places[index].get("T", 0), places[index].get("Z", 0)))

    def pages() -> Iterator[npt.NDArray[Any]]:
        for index in order:
            pixels = stack.load(index)
            yield from np.moveaxis(pixels, -1, 0) if "C" in axes else [pixels]

    shape = tuple(lengths[axis] for axis in axes)
    write_tiff(path, pages(), axes, stack.pixel_size, "ome", shape=shape, dtype=stack.dtype, name=name)


@contextmanager
def _atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` that becomes `path` on success and is removed on any error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
