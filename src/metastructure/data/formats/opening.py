"""A file of any format that is read, as a stack of planes; the format is told by its name.

`H` rows, `W` columns.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metastructure.data.formats.nifti import NIFTI_SUFFIXES, is_nifti, open_nifti
from metastructure.data.formats.ome_zarr import ZARR_SUFFIX, is_zarr, open_ome_zarr
from metastructure.data.formats.stack import Stack, describe_damage, split_page, stack_of
from metastructure.data.formats.tiff import TIFF_SUFFIXES, open_tiff
from metastructure.errors import DataError, MetastructureError

FLAT_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
STACK_SUFFIXES = TIFF_SUFFIXES | {*NIFTI_SUFFIXES, ZARR_SUFFIX}


def open_stack(path: Path, keep_palette: bool = False) -> Stack:
    """Return what a file, or an OME-Zarr folder, holds.

    Parameters
    ----------
    path : Path
        With ``#3`` at its end, plane 3 alone; planes count from 0.
    keep_palette : bool
        Whether a PNG with a palette gives its indices and not its colours.

    Raises
    ------
    DataError
        If there is no such file or plane, it cannot be read, its format is not known, or its axes make no sense.
    MetastructureError
        If the format needs an extra.
    """
    path, page = split_page(path)
    stack = _open(path, keep_palette)
    if page is None:
        return stack
    axes = "YX" if stack.plane(page).ndim == 2 else "YXS"
    return stack_of(path, stack.load(page), axes, stack.pixel_size, stack.style)


def drop_suffix(path: Path) -> Path:
    """Return a path without the suffix of its format, of which ``.ome.tif`` and ``.nii.gz`` are one.

    Examples
    --------
    >>> drop_suffix(Path("in/a.ome.tif")), drop_suffix(Path("in/a.v2.nii.gz"))
    (PosixPath('in/a'), PosixPath('in/a.v2'))
    """
    stem = path.with_suffix("")
    double = path.suffix.lower() == ".gz" and stem.suffix.lower() == ".nii"
    ome = path.suffix.lower() in TIFF_SUFFIXES | {ZARR_SUFFIX} and stem.suffix.lower() == ".ome"
    return stem.with_suffix("") if double or ome else stem


def _open(path: Path, keep_palette: bool) -> Stack:
    if is_zarr(path):
        return open_ome_zarr(path)
    if path.suffix.lower() == ZARR_SUFFIX and path.is_dir():
        raise DataError(f"{path}: this folder holds no Zarr group; is the download complete?")
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    if is_nifti(path):
        return open_nifti(path)
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            return open_tiff(path)
        pixels = _read_with_pillow(path, keep_palette)
    except MetastructureError:
        raise
    except Exception as error:  # each reader raises its own kinds on damaged files
        if path.suffix.lower() not in FLAT_SUFFIXES | TIFF_SUFFIXES:
            known = ", ".join(sorted(FLAT_SUFFIXES | STACK_SUFFIXES))
            raise DataError(
                f"{path}: {path.suffix or 'a file without a suffix'} is no format that is read here ({known}); "
                "export it as OME-TIFF, for example with ImageJ's Bio-Formats exporter."
            ) from error
        raise describe_damage(path, error) from error
    return stack_of(path, pixels, "YX" if pixels.ndim == 2 else "YXS")


def _read_with_pillow(path: Path, keep_palette: bool) -> npt.NDArray[Any]:
    from PIL import Image

    with Image.open(path) as image:
        if image.mode == "P" and not keep_palette:
            return np.asarray(image.convert("RGB"))
        if image.mode == "1":
            return np.asarray(image).astype(np.uint8)
        return np.asarray(image)
