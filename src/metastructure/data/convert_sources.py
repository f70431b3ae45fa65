"""What a conversion reads: annotations as painted labels, or files of pixels, one file at a time."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from metastructure.data.formats.coco import load_coco
from metastructure.data.formats.imagej_roi import ROI_SUFFIXES, load_rois
from metastructure.data.formats.labelme import load_labelme
from metastructure.data.formats.nifti import is_nifti
from metastructure.data.formats.ome_zarr import ZARR_SUFFIX, is_zarr
from metastructure.data.formats.opening import FLAT_SUFFIXES, STACK_SUFFIXES, drop_suffix, open_stack
from metastructure.data.formats.pixel_size import PixelSize
from metastructure.data.formats.regions import Annotated
from metastructure.data.formats.stack import Index, Stack, stack_of, take_channel
from metastructure.data.formats.tiff import TIFF_SUFFIXES
from metastructure.data.masks import REWRITE, check_no_masks
from metastructure.data.numbered import check_not_numbered
from metastructure.errors import ConfigError, DataError
from metastructure.label import check_label

MOST_VALUES = 64
"""A label with more classes than this is taken for an image unless the classes are named."""

NAME_THEM = "name them with --classes"

LOSSY_SUFFIXES = frozenset({".jpg", ".jpeg"})


class Item(NamedTuple):
    name: str
    stack: Stack
    regions: Annotated | None


class Source(NamedTuple):
    items: Iterable[Item]
    num_items: int
    classes: dict[str, int]


def read_source(
    source: Path,
    classes: Sequence[str] | None,
    sizes: Mapping[str, Path],
    images: Path | None,
    is_label: bool,
    channel: int | None,
    one_class: bool = False,
) -> Source:
    """Return what is to be converted, one file at a time."""
    annotations = _find_annotations(source)
    if not annotations:
        rasters = by_name(find_rasters(source), source)
        if one_class or is_label:
            _check_all_labels(rasters.values(), source)
        if one_class:
            stacks = _open_rasters(rasters, channel, keep_palette=True)
            return Source((Item(name, join_classes(stack), None) for name, stack in stacks), len(rasters), {})
        if not is_label:
            plain = _open_rasters(rasters, channel)
            return Source((Item(name, stack, None) for name, stack in plain), len(rasters), {})
        _check_classes(rasters, channel, source, classes)
        stacks = _open_rasters(rasters, channel, keep_palette=True)
        return Source((Item(name, _as_label(stack, classes), None) for name, stack in stacks), len(rasters), {})
    if one_class:
        raise ConfigError("one class can be made of pixels only; of annotations name the classes (--classes).")
    if channel is not None:
        raise ConfigError("a channel can be taken of images only, not of annotations.")
    if isinstance(annotations, Path):
        regions, numbers = load_coco(annotations, classes)
        num_items = sum(1 for _ in json.loads(annotations.read_bytes())["images"])
    else:
        named = list(by_name(annotations, source).items())
        num_items = len(named)
        if annotations[0].suffix.lower() in ROI_SUFFIXES:
            regions, numbers = _read_rois(named, classes, sizes, images), {}
        else:
            regions, numbers = load_labelme(named, classes)
    return Source(_paint(regions, sizes), num_items, numbers)


def _check_all_labels(paths: Iterable[Path], source: Path) -> None:
    for path in paths:
        for folder in path.resolve().parents:
            if folder.name == "images" and (labels := folder.with_name("labels")).is_dir():
                raise DataError(
                    f"{source}: {folder} holds images, which are no labels; name a folder such as {labels}."
                )


def _find_annotations(source: Path) -> Path | list[Path]:
    """Return a COCO file, or LabelMe or ImageJ files, of which there may be none."""
    if source.is_file():
        if source.suffix.lower() == ".json":
            keys = _keys(source)
            if "shapes" in keys:
                return [source]
            if "annotations" in keys:
                return source
            raise DataError(
                f"{source}: this JSON is neither of COCO ('images', 'annotations', 'categories') nor of LabelMe "
                "('shapes')."
            )
        return [source] if source.suffix.lower() in ROI_SUFFIXES else []
    files = list(_walk(source))
    described = [path for path in files if path.suffix.lower() == ".json"]
    keys_of = {path: _keys(path) for path in described}
    if coco := [path for path, keys in keys_of.items() if "annotations" in keys and "images" in keys]:
        raise DataError(f"{source}: this folder holds a COCO file; name the file itself, {coco[0]}.")
    if labelme := [path for path, keys in keys_of.items() if "shapes" in keys]:
        return labelme
    return [path for path in files if path.suffix.lower() in ROI_SUFFIXES]


def _keys(path: Path) -> set[str]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: the file cannot be read ({error}); is it damaged?") from None
    return set(content) if isinstance(content, dict) else set()


def _walk(root: Path) -> Iterator[Path]:
    """Yield the files and Zarr folders below a folder, sorted; hidden ones, and what a Zarr holds, are passed over."""
    for path in sorted(root.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and path.suffix.lower() != ZARR_SUFFIX and not is_zarr(path):
            yield from _walk(path)
        else:
            yield path


def find_rasters(source: Path) -> list[Path]:
    if not source.exists():
        raise DataError(f"{source}: no such file or folder.")
    if source.is_file() or source.suffix.lower() == ZARR_SUFFIX or is_zarr(source):
        return [source]
    known = FLAT_SUFFIXES | TIFF_SUFFIXES | {ZARR_SUFFIX}
    found = [path for path in _walk(source) if path.suffix.lower() in known or is_nifti(path)]
    if not found:
        raise DataError(
            f"{source}: nothing here that can be converted; expected images "
            f"({', '.join(sorted(FLAT_SUFFIXES | STACK_SUFFIXES))}), LabelMe files (.json) or ImageJ regions (.roi, "
            ".zip)."
        )
    return found


def by_name(paths: Iterable[Path], source: Path) -> dict[str, Path]:
    """Return files by their path below the source, without the suffix of the format."""
    found = dict[str, Path]()
    for path in paths:
        name = drop_suffix(path.relative_to(source) if path != source else Path(path.name)).as_posix()
        if name in found:
            raise DataError(f"{path}: {found[name].name} has the same name but for the suffix; rename one of the two.")
        found[name] = path
    return found


def _open_rasters(
    rasters: Mapping[str, Path], channel: int | None, keep_palette: bool = False
) -> Iterator[tuple[str, Stack]]:
    for name, path in rasters.items():
        stack = open_stack(path, keep_palette)
        yield name, stack if channel is None else take_channel(stack, channel)


def _check_classes(
    rasters: Mapping[str, Path], channel: int | None, source: Path, classes: Sequence[str] | None
) -> None:
    held, paths = list[npt.NDArray[np.integer[Any]]](), list[Path]()
    for path, plane in _planes(rasters, channel):
        held.append(np.unique(plane))
        paths.append(path)
    check_no_masks(held, str(source))
    if classes is None and max(map(len, held), default=0) <= MOST_VALUES:
        check_not_numbered(
            held, lambda place: next(islice(_planes(rasters, channel), place, None))[1], paths, NAME_THEM
        )


def _planes(rasters: Mapping[str, Path], channel: int | None) -> Iterator[tuple[Path, npt.NDArray[np.integer[Any]]]]:
    for _, stack in _open_rasters(rasters, channel, keep_palette=True):
        label = _as_label(stack, ("named",))
        for index in range(len(label)):
            yield stack.path, label.load(index)


def is_black_a_later_colour(path: Path) -> bool:
    """Return whether a PNG has a palette whose index 0 is no black and another that it uses is.

    Indices of such a file number the colours as a program met them, so that 0 may well be the white of the objects;
    its colours tell.
    """
    if path.suffix.lower() != ".png":
        return False
    from PIL import Image

    with Image.open(path) as image:
        if image.mode != "P":
            return False
        black = (np.array(image.getpalette("RGB")).reshape(-1, 3) == 0).all(axis=1)
        used = np.unique(np.asarray(image))
    return not black[0] and bool(black[used[used < len(black)]].any())


def join_classes(stack: Stack) -> Stack:
    """Return a stack in uint8 that is 1 wherever a pixel is above 0, in any of its colours but for alpha.

    Raises
    ------
    DataError
        If it holds channels that are no colours, or is compressed in a way that changes values.
    """
    if stack.path.suffix.lower() in LOSSY_SUFFIXES:
        raise DataError(
            f"{stack.path}: JPEG changes values, so that objects get a fringe; export the mask as PNG or TIFF."
        )
    if is_black_a_later_colour(stack.path):
        stack = open_stack(stack.path)
    place = stack.axes.find("S")
    if place < 0:
        _check_one_channel(stack)
        return replace(stack, dtype=np.dtype(np.uint8), read=lambda index: (stack.read(index) > 0).astype(np.uint8))
    num = stack.shape[place]
    colours = slice(num - 1 if num in (2, 4) else num)

    def read(index: Index) -> npt.NDArray[Any]:
        pixels = stack.read((*index[:place], colours, *index[place:]))
        axis = sum(isinstance(one, slice) for one in index[:place])  # whole numbers take theirs away
        return np.asarray((pixels > 0).any(axis=axis), dtype=np.uint8)

    return replace(
        stack,
        axes=stack.axes[:place] + stack.axes[place + 1 :],
        shape=stack.shape[:place] + stack.shape[place + 1 :],
        dtype=np.dtype(np.uint8),
        read=read,
    )


def _as_label(stack: Stack, classes: Sequence[str] | None) -> Stack:
    """Return a stack whose pixels are checked to be classes, in uint8."""
    _check_one_channel(stack)

    def read(index: Index) -> npt.NDArray[Any]:
        pixels = stack.read(index)
        if pixels.dtype.kind == "b":
            return pixels.astype(np.uint8)
        if pixels.dtype.kind == "f" and (pixels == np.floor(pixels)).all() and (np.abs(pixels) < 2**31).all():
            pixels = pixels.astype(np.int64)  # NIfTI stores many labels so
        try:
            check_label(pixels, None, str(stack.path))
        except (TypeError, ValueError) as error:
            raise DataError(str(error)) from None
        if classes is None and len(np.unique(pixels)) > MOST_VALUES:
            raise DataError(
                f"{stack.path}: this file holds {len(np.unique(pixels))} values; is it an image? If objects are "
                f"numbered, write 1 for all of them {REWRITE}; if these are classes, {NAME_THEM}."
            )
        return pixels.astype(np.uint8)

    return replace(stack, dtype=np.dtype(np.uint8), read=read)


def _check_one_channel(stack: Stack) -> None:
    if stack.num_channels > 1:
        raise DataError(
            f"{stack.path}: a label is one channel of class numbers; this file holds {stack.num_channels}. Choose one "
            "with --channel, or convert colours to classes first."
        )


def _read_rois(
    named: Sequence[tuple[str, Path]], classes: Sequence[str] | None, sizes: Mapping[str, Path], images: Path | None
) -> Iterator[Annotated]:
    for name, path in named:
        if images is None:
            raise ConfigError(
                f"{path}: regions of ImageJ do not say how large their image is; give the folder of the images with "
                "--images."
            )
        if name not in sizes:
            raise DataError(f"{path}: these regions have no image; expected {images / name} with any suffix.")
        size = open_stack(sizes[name]).plane().shape
        yield load_rois(path, name, (size[0], size[1]), classes)


def _paint(regions: Iterable[Annotated], sizes: Mapping[str, Path]) -> Iterator[Item]:
    for one in regions:
        size: PixelSize | None = None
        if one.name in sizes:
            image = open_stack(sizes[one.name])
            size = image.pixel_size
            if image.plane().shape[:2] != one.shape:
                height, width = image.plane().shape[:2]
                raise DataError(
                    f"{sizes[one.name]}: this image is {height} x {width} pixels, but its annotations are of "
                    f"{one.shape[0]} x {one.shape[1]}."
                )
        yield Item(one.name, stack_of(Path(one.name), one.paint(), "YX", size), one)
