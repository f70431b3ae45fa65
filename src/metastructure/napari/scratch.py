"""A folder for stacks on their way through the functions that work on folders, gone when they are done.

The audit and the repair of a folder read one file at a time; a stack that is written out gets the same answer as the
command gives on files.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import tifffile

from metastructure.data.label_format import read_label_file
from metastructure.errors import MetastructureError
from metastructure.napari.stacks import Array, Stack


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give an empty folder; errors that name it are told without its path."""
    with TemporaryDirectory(prefix="metastructure-") as name:
        try:
            yield Path(name)
        except MetastructureError as error:
            raise type(error)(str(error).replace(name + os.sep, "")) from error


def slice_names(stack: Stack) -> list[str]:
    """Return what the files of a stack are called, in their order by name; sentences of an audit show these.

    Examples
    --------
    >>> import numpy as np
    >>> slice_names(Stack("a/b", [np.zeros((2, 2))] * 2, False)), slice_names(Stack("a/b", [np.zeros((2, 2))], True))
    (['slice 0', 'slice 1'], ['the image'])
    """
    if stack.is_flat:
        return ["the image"]
    width = len(str(len(stack.slices) - 1))
    return [f"slice {index:0{width}d}" for index in range(len(stack.slices))]


def write_stack(stack: Stack, folder: Path) -> None:
    """Write each slice as a TIFF."""
    folder.mkdir()
    for name, pixels in zip(slice_names(stack), stack.slices, strict=True):
        kind = "minisblack" if pixels.ndim == 2 else "rgb"
        tifffile.imwrite(folder / f"{name}.tif", pixels, photometric=kind)


def read_labels(stack: Stack, folder: Path) -> Array:
    """Return the labels of the same names in another folder, with the axes of the stack's layer."""
    return stack.join([read_label_file(folder / f"{name}.tif").pixels for name in slice_names(stack)])
