"""NIfTI volumes as series of 2-D slices, read only; ``nibabel`` comes with the extra ``metastructure[nifti]``.

Stored are the axes i, j, k and t. A slice is a plane of one k, with j as its rows and i as its columns, in the order of
the file: nothing is turned to the patient's axes. Source: R. W. Cox et al., A (sort of) new image data format standard:
NIfTI-1, NeuroImage 22, 2004, and the header nifti1.h (pixdim, xyzt_units).
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metastructure.data.formats.extra import import_extra
from metastructure.data.formats.pixel_size import make_pixel_size
from metastructure.data.formats.stack import Index, Stack, check_axes, describe_damage
from metastructure.errors import DataError

NIFTI_SUFFIXES = (".nii", ".nii.gz")
_UNITS = {"meter": "m", "mm": "mm", "micron": "µm"}
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


def is_nifti(path: Path) -> bool:
    """Return whether a file has the name of a NIfTI file."""
    return path.name.lower().endswith(NIFTI_SUFFIXES)


def open_nifti(path: Path) -> Stack:
    """Return what a NIfTI file holds; slices are read one at a time, scaled as the header says.

    Raises
    ------
    DataError
        If it cannot be read, or holds vectors or colours.
    MetastructureError
        Without the extra ``nifti``.
    """
    nibabel = import_extra("nibabel", f"{path}: NIfTI", "nifti")
    try:
        image = nibabel.load(str(path))
        header, proxy = image.header, image.dataobj
        lengths, (space, time) = header.get_zooms(), header.get_xyzt_units()
        scaled = (proxy.slope, proxy.inter) != (1, 0)
    except Exception as error:  # the reader raises many kinds on damaged files
        raise describe_damage(path, error) from error
    shape = tuple(int(n) for n in proxy.shape)
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4:
        raise DataError(f"{path}: a NIfTI file of 2 to 4 axes is read as slices; this one has the shape {shape}.")
    if proxy.dtype.names or proxy.dtype.kind not in "uif":
        raise DataError(f"{path}: this file holds {proxy.dtype}, not one number a voxel; convert it first.")
    extra = (0,) * (len(proxy.shape) - len(shape))

    def read(index: Index) -> npt.NDArray[Any]:
        return np.asarray(proxy[(*index, *extra)])

    unit = _UNITS.get(space, "")
    depth = (float(lengths[2]), unit) if len(shape) > 2 else None
    seconds = float(lengths[3]) * _SECONDS[time] if len(shape) > 3 and time in _SECONDS else None
    size = make_pixel_size((float(lengths[1]), unit), (float(lengths[0]), unit), depth, seconds, str(path))
    dtype = np.dtype(np.float64) if scaled else proxy.dtype.newbyteorder("=")
    return check_axes(Stack(path, "XYZT"[: len(shape)], shape, dtype, read, size))
