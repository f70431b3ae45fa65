"""OME-Zarr: images of any size in tiles, read by region, with a pyramid of smaller copies.

`H` rows, `W` columns. Read are the versions 0.1 to 0.5 of OME-NGFF, of which 0.5 is written. The package ``zarr`` comes
with the extra ``metastructure[zarr]``. Source: J. Moore et al., OME-Zarr: a cloud-optimized bioimaging file format with
world-wide support, 2023, and the specification at ngff.openmicroscopy.org/0.5 (multiscales, image-label).
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metastructure.data.formats.extra import import_extra
from metastructure.data.formats.pixel_size import UNITS, PixelSize, make_pixel_size
from metastructure.data.formats.stack import Index, Stack, check_axes, describe_damage, name_series
from metastructure.errors import DataError

TILE_PX = 512
SMALLEST_PX = 256
"""A pyramid ends where both sides are this short."""

VERSION = "0.5"
ZARR_SUFFIX = ".zarr"
_MARKERS = ("zarr.json", ".zgroup", ".zattrs")
_OLD_AXES = "TCZYX"
"""Of versions 0.1 and 0.2, which named none."""

_SECONDS = {"second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "minute": 60.0, "hour": 3600.0}


def is_zarr(path: Path) -> bool:
    """Return whether a path is a folder that Zarr would take for a group."""
    return path.is_dir() and any((path / marker).is_file() for marker in _MARKERS)


def open_ome_zarr(path: Path) -> Stack:
    """Return the largest image of an OME-Zarr, of which only the tiles of a region are read.

    Parameters
    ----------
    path : Path
        The group of the image, ``NAME.zarr``, or of a label in it, ``NAME.zarr/labels/CELLS``.

    Raises
    ------
    DataError
        If it is no OME-Zarr image, or its axes make no sense.
    MetastructureError
        Without the extra ``zarr``.
    """
    zarr = import_extra("zarr", f"{path}: OME-Zarr")
    try:
        group = zarr.open_group(str(path), mode="r")
        attributes = dict(group.attrs)
    except Exception as error:  # the reader raises many kinds on damaged files
        raise describe_damage(path, error) from error
    about = attributes.get("ome", attributes)
    try:
        scales = about["multiscales"][0]
        level = scales["datasets"][0]
        named = [_axis_name(axis) for axis in scales["axes"]] if "axes" in scales else None
        steps = _multiply(scales, level)
        array = group[level["path"]]
        shape = tuple(int(n) for n in array.shape)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise DataError(
            f"{path}: this Zarr group is no OME-Zarr image ({_first_line(error)}); expected 'multiscales' with "
            "'datasets' that lie in it. Name the group of one image."
        ) from error
    axes = "".join(named) if named is not None else _OLD_AXES
    units = [axis.get("unit", "") if isinstance(axis, Mapping) else "" for axis in scales.get("axes", axes)]

    def read(index: Index) -> npt.NDArray[Any]:
        return np.asarray(array[index])

    size = _pixel_size(axes, units, steps, str(path)) if len(axes) == len(shape) else None
    return check_axes(Stack(path, axes, shape, np.dtype(array.dtype), read, size, by_region=True))


def write_ome_zarr(path: Path, stack: Stack, *, is_label: bool, tile_px: int = TILE_PX) -> None:
    """Write a stack as OME-Zarr 0.5, in tiles and with a pyramid; one plane at a time is in memory.

    Parameters
    ----------
    path : Path
        New folder.
    stack : Stack
        Axes of the length 1 are left out; the others come in the order T, C, Z, Y, X.
    is_label : bool
        Of classes every second pixel goes into the next smaller copy, of values the mean of two by two, rounded for
        integers; an odd last row or column is left out.
    tile_px : int
        Side of a tile.

    Raises
    ------
    MetastructureError
        Without the extra ``zarr``.
    """
    zarr = import_extra("zarr", f"{path}: OME-Zarr")
    stack = name_series(stack)
    held = {"C" if axis == "S" else axis: n for axis, n in stack.lengths.items()}
    axes = [axis for axis in "TCZYX" if axis in held]
    shape = [held[axis] for axis in axes]
    sizes = [(shape[-2], shape[-1])]
    while max(sizes[-1]) > SMALLEST_PX and min(sizes[-1]) > 1:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    levels = [
        group.create_array(
            str(number),
            shape=(*shape[:-2], *size),
            chunks=(*(1 for _ in shape[:-2]), *(min(tile_px, n) for n in size)),
            dtype=stack.dtype,
            dimension_names=[axis.lower() for axis in axes],
        )
        for number, size in enumerate(sizes)
    ]
    for index in range(len(stack)):
        place = stack.place(index)
        pixels = stack.load(index)
        outer = tuple(place.get(axis, slice(None)) for axis in axes[:-2])
        pixels = np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels
        for array in levels:
            array[outer] = pixels
            pixels = _halve(pixels, is_label)
    group.attrs["ome"] = _describe(path.stem, axes, len(levels), stack.pixel_size, is_label)


def _halve(pixels: npt.NDArray[Any], is_label: bool) -> npt.NDArray[Any]:
    """Return every second pixel of the last two axes, or the mean of two by two."""
    height, width = (n // 2 * 2 for n in pixels.shape[-2:])
    if is_label or pixels.dtype.kind == "b":
        return pixels[..., :height:2, :width:2]
    sums = np.zeros((*pixels.shape[:-2], height // 2, width // 2), dtype=np.float64)
    for down, right in itertools.product((0, 1), (0, 1)):
        sums += pixels[..., down:height:2, right:width:2]
    means = sums / 4
    return (means if pixels.dtype.kind == "f" else np.floor(means + 0.5)).astype(pixels.dtype)


def _describe(name: str, axes: list[str], num_levels: int, size: PixelSize | None, is_label: bool) -> dict[str, Any]:
    """Return the metadata that the specification asks for."""
    steps, about = list[float](), list[dict[str, str]]()
    for axis in axes:
        kind = {"T": "time", "C": "channel"}.get(axis, "space")
        described = {"name": axis.lower(), "type": kind}
        lengths = {} if size is None else {"T": size.frame_s, "Z": size.slice, "Y": size.row, "X": size.column}
        length = lengths.get(axis)
        if length is not None and size is not None:
            described["unit"] = "second" if axis == "T" else UNITS[size.unit].name
        about.append(described)
        steps.append(1.0 if length is None else length)
    datasets = []
    for number in range(num_levels):
        grown = [step * 2**number if axis in "YX" else step for axis, step in zip(axes, steps, strict=True)]
        # a pixel of a smaller copy has its centre between those that it stands for
        moved = [(whole - step) / 2 for whole, step in zip(grown, steps, strict=True)]
        transforms: list[dict[str, Any]] = [{"type": "scale", "scale": grown}]
        if number and not is_label:
            transforms.append({"type": "translation", "translation": moved})
        datasets.append({"path": str(number), "coordinateTransformations": transforms})
    found: dict[str, Any] = {
        "version": VERSION,
        "multiscales": [{"name": name, "axes": about, "datasets": datasets, "type": "nearest" if is_label else "mean"}],
    }
    return found | {"image-label": {}} if is_label else found


def _pixel_size(axes: str, units: list[str], steps: list[float], where: str) -> PixelSize | None:
    held = {axis: (step, unit) for axis, step, unit in zip(axes, steps, units, strict=True)}
    if "Y" not in held or "X" not in held:
        return None
    time, seconds = held.get("T"), None
    if time is not None and time[1] in _SECONDS:
        seconds = time[0] * _SECONDS[time[1]]
    return make_pixel_size(held["Y"], held["X"], held.get("Z"), seconds, where)


def _multiply(scales: Mapping[str, Any], level: Mapping[str, Any]) -> list[float]:
    """Return the scale of the level times that of the whole, 1 for each axis where there is none."""
    found = [1.0] * len(scales.get("axes", _OLD_AXES))
    for one in (*level.get("coordinateTransformations", ()), *scales.get("coordinateTransformations", ())):
        if one["type"] == "scale":
            found = [step * float(factor) for step, factor in zip(found, one["scale"], strict=True)]
    return found


def _axis_name(axis: Any) -> str:
    """Return the letter of an axis: 0.3 names it, 0.4 describes it."""
    name = str(axis["name"] if isinstance(axis, Mapping) else axis).upper()
    if len(name) != 1:
        raise ValueError(f"axis {name!r}")
    return name


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
