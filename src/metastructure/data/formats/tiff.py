"""TIFF files with their axes and pixel size: plain ones, those of ImageJ, and OME-TIFF.

`H` rows, `W` columns. The axes are those of `metastructure.data.formats.stack`. Sources: the OME-XML schema of June
2016 (Pixels), the ImageJ 1.x class ij.io.TiffEncoder, TIFF 6.0 section 8 (XResolution).
"""

import hashlib
import logging
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from metastructure.data.formats.pixel_size import PixelSize, make_pixel_size
from metastructure.data.formats.stack import Index, Stack, Style, check_axes
from metastructure.errors import DataError

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})

_RESOLUTION_UNITS = {2: "in", 3: "cm"}
_SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0, "h": 3600.0}


def open_tiff(path: Path) -> Stack:
    """Return what a TIFF holds; its pages are read one at a time.

    Raises
    ------
    DataError
        If the axes make no sense, or the file holds several images that differ in size.
    """
    with tifffile.TiffFile(path) as file, _refuse_missing_pages():
        several = [one for one in file.series if not one.keyframe.is_reduced] or list(file.series)
        if len(several) > 1:
            shapes = ", ".join(" x ".join(map(str, one.shape)) for one in several[:3])
            raise DataError(
                f"{path}: this file holds {len(several)} images that do not belong together ({shapes}); "
                "save each as a file of its own."
            )
        series = several[0]
        style: Style = "ome" if file.is_ome else "imagej" if file.is_imagej else "plain"
        size = {"ome": _ome_size, "imagej": _imagej_size, "plain": _plain_size}[style](file, str(path))
        inner = series.keyframe.shape
        paged = series.shape[len(series.shape) - len(inner) :] == inner and not series.is_truncated
        leading = series.shape[: len(series.shape) - len(inner)] if paged else ()
    number = file.series.index(series)

    def read(index: Index) -> npt.NDArray[Any]:
        with tifffile.TiffFile(path) as file:
            series = file.series[number]
            if not leading:
                return np.asarray(series.asarray())[index]
            outer, rest = index[: len(leading)], index[len(leading) :]
            pages = np.arange(int(np.prod(leading))).reshape(leading)[outer]
            found = [series.pages[int(page)].asarray()[rest] for page in np.ravel(pages)]
            return np.stack(found).reshape(*pages.shape, *found[0].shape)

    return check_axes(Stack(path, series.axes, tuple(series.shape), series.dtype, read, size, style))


def write_tiff(
    path: Path,
    pixels: npt.NDArray[Any] | Iterable[npt.NDArray[Any]],
    axes: str,
    pixel_size: PixelSize | None = None,
    style: Style = "plain",
    *,
    shape: tuple[int, ...] | None = None,
    dtype: npt.DTypeLike | None = None,
    name: str = "",
) -> None:
    """Write pixels with their axes and size; compressed without loss.

    Parameters
    ----------
    path : Path
    pixels : array, or iterable of (H, W) or (H, W, S) pages
        For pages give their joint `shape` and the `dtype`; they are written as they come. The order of the axes must
        be that of the style: TZCYX for ImageJ and OME, fewer where one is missing, S last.
    axes : str
        ``I`` and ``Q`` stay without a name in a plain file and become Z elsewhere.
    pixel_size : PixelSize, optional
        A plain file keeps rows and columns only.
    style : "plain", "imagej" or "ome"
        A TIFF of ImageJ can hold uint8, uint16 and float32; others become OME-TIFF.

    Notes
    -----
    An OME-TIFF has an identifier; it is made from the pixels, or for pages from `name`, shape and dtype, so that the
    same call writes the same bytes.
    """
    if isinstance(pixels, np.ndarray):
        shape, dtype = pixels.shape, pixels.dtype
    assert shape is not None
    kind = np.dtype(dtype)
    if style == "imagej" and kind.name not in ("uint8", "uint16", "float32"):
        style = "ome"
    named = axes if style == "plain" else axes.replace("I", "Z").replace("Q", "Z")
    arguments: dict[str, Any] = {
        "compression": "zlib",
        "photometric": "rgb" if axes.endswith("S") and shape[-1] in (3, 4) else "minisblack",
    }
    metadata: dict[str, Any] = {} if set(named) & set("IQ") or named in ("YX", "YXS") else {"axes": named}
    if style == "plain":
        if pixel_size is not None:
            unit = "in" if pixel_size.unit == "in" else "cm"
            size = pixel_size.to(unit)
            arguments |= {"resolution": (1 / size.column, 1 / size.row)}
            arguments |= {"resolutionunit": "INCH" if unit == "in" else "CENTIMETER"}
        if metadata:
            arguments["metadata"] = metadata
    elif style == "imagej":
        arguments |= {"imagej": True, "metadata": {"axes": named} | _imagej_description(pixel_size)}
        if pixel_size is not None:
            arguments["resolution"] = (1 / pixel_size.column, 1 / pixel_size.row)
    else:
        seed = pixels.tobytes() if isinstance(pixels, np.ndarray) else f"{name} {shape} {kind}".encode()
        identifier = uuid.UUID(bytes=hashlib.sha256(seed).digest()[:16], version=4)
        described = {"axes": named, "UUID": identifier.urn, "Creator": "metastructure"} | _ome_description(pixel_size)
        arguments |= {"ome": True, "metadata": described}
    if isinstance(pixels, np.ndarray):
        tifffile.imwrite(path, pixels, **arguments)
    else:
        tifffile.imwrite(path, iter(pixels), shape=shape, dtype=kind, **arguments)


@contextmanager
def _refuse_missing_pages() -> Iterator[None]:
    """Raise ValueError where tifffile would only log that pages are not where the file says they are."""
    said = list[str]()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    listener, logger = Listener(logging.ERROR), tifffile.logger()
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
    for message in said:
        if "page offset" in message or "failed to reshape" in message:
            raise ValueError(message.rpartition("> ")[2])


def _plain_size(file: tifffile.TiffFile, where: str) -> PixelSize | None:
    """Return the size of a pixel that the resolution tags give; None where they give proportions only."""
    tags = file.pages[0].tags
    unit = _RESOLUTION_UNITS.get(int(tags["ResolutionUnit"].value)) if "ResolutionUnit" in tags else None
    if unit is None:
        return None
    lengths = _tag_lengths(file)
    return None if lengths is None else PixelSize(*lengths, unit)


def _imagej_size(file: tifffile.TiffFile, where: str) -> PixelSize | None:
    about = file.imagej_metadata or {}
    lengths, unit = _tag_lengths(file), str(about.get("unit", ""))
    if unit in ("inch", "inches"):
        unit = "in"
    if lengths is None:
        return None
    depth = (float(about["spacing"]), unit) if "spacing" in about else None
    return make_pixel_size((lengths[0], unit), (lengths[1], unit), depth, _number(about.get("finterval")), where)


def _ome_size(file: tifffile.TiffFile, where: str) -> PixelSize | None:
    pixels = next((e for e in ET.fromstring(file.ome_metadata).iter() if e.tag.endswith("}Pixels")), None)
    if pixels is None:
        return None

    def length(axis: str) -> tuple[float, str] | None:
        value = _number(pixels.get(f"PhysicalSize{axis}"))
        return None if value is None else (value, pixels.get(f"PhysicalSize{axis}Unit", "µm"))

    row, column = length("Y"), length("X")
    if row is None or column is None:
        return None
    step, seconds = _number(pixels.get("TimeIncrement")), _SECONDS.get(pixels.get("TimeIncrementUnit", "s"))
    return make_pixel_size(row, column, length("Z"), None if not step or not seconds else step * seconds, where)


def _tag_lengths(file: tifffile.TiffFile) -> tuple[float, float] | None:
    """Return height and width of a pixel in the unit of the resolution, None where a tag is missing or 0."""
    tags = file.pages[0].tags
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    (right, over), (down, under) = tags["XResolution"].value, tags["YResolution"].value
    return (under / down, over / right) if right and over and down and under else None


def _imagej_description(size: PixelSize | None) -> dict[str, Any]:
    if size is None:
        return {}
    about: dict[str, Any] = {"unit": {"µm": "um", "in": "inch", "Å": "angstrom"}.get(size.unit, size.unit)}
    if size.slice is not None:
        about["spacing"] = size.slice
    if size.frame_s is not None:
        about["finterval"] = size.frame_s
    return about


def _ome_description(size: PixelSize | None) -> dict[str, Any]:
    if size is None:
        return {}
    about: dict[str, Any] = {}
    for axis, length in (("X", size.column), ("Y", size.row), ("Z", size.slice)):
        if length is not None:
            about |= {f"PhysicalSize{axis}": length, f"PhysicalSize{axis}Unit": size.unit}
    if size.frame_s is not None:
        about |= {"TimeIncrement": size.frame_s, "TimeIncrementUnit": "s"}
    return about


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
