"""A file of one or many 2-D planes: a page of a stack is an item like any other.

`H` rows, `W` columns, `K` channels. An axis has the letter that OME gives it: Y and X make the plane, C (channels) or S
(samples of a colour) its values, and Z (slices), T (frames), I and Q (pages nobody named) a series of planes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from metastructure.data.formats.pixel_size import PixelSize
from metastructure.errors import DataError, MetastructureError

SERIES_AXES = {"T": "t", "Z": "z", "I": "p", "Q": "p"}
"""Axes along which planes follow each other, and the letter in the name of a plane."""

CHANNEL_AXES = "CS"
PAGE_MARK = "#"
"""``stack.tif#3`` is plane 3, from 0, of ``stack.tif``."""

Index = tuple[int | slice, ...]
Style = Literal["plain", "imagej", "ome"]


@dataclass(frozen=True, eq=False)
class Stack:
    """What a file holds, of which nothing but the header has been read.

    Attributes
    ----------
    path : Path
    axes : str
        One letter an axis, as stored.
    shape : tuple of int
    dtype : np.dtype
    read : callable
        From an int or a slice for each axis to the pixels there.
    pixel_size : PixelSize or None
    style : "plain", "imagej" or "ome"
        Which program's description a TIFF carries.
    by_region : bool
        Whether `read` takes only what is asked for from the disk, and not the whole plane.
    """

    path: Path
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[Index], npt.NDArray[Any]]
    pixel_size: PixelSize | None = None
    style: Style = "plain"
    by_region: bool = False

    def __len__(self) -> int:
        return math.prod(self.series_shape)

    @property
    def series_axes(self) -> str:
        """The axes of the series, in the order of the file."""
        return "".join(axis for axis in self.axes if axis in SERIES_AXES)

    @property
    def series_shape(self) -> tuple[int, ...]:
        """Their lengths."""
        return tuple(self.lengths[axis] for axis in self.series_axes)

    @property
    def num_channels(self) -> int:
        """K, 1 where there is no such axis."""
        return math.prod(n for axis, n in self.lengths.items() if axis in CHANNEL_AXES)

    @property
    def lengths(self) -> dict[str, int]:
        """The length of each axis."""
        return dict(zip(self.axes, self.shape, strict=True))

    def name(self, index: int) -> str:
        """Return what plane `index` is called behind the name of the file, such as ``_t02_z013``; empty for only one.

        Numbers count from 0 and have as many digits as the last one, at least two.
        """
        return "".join(
            f"_{SERIES_AXES[axis]}{k:0{max(2, len(str(n - 1)))}d}"
            for (axis, k), n in zip(self.place(index).items(), self.series_shape, strict=True)
        )

    def place(self, index: int) -> dict[str, int]:
        """Return where plane `index` lies along each axis of the series; the last axis runs fastest."""
        numbers = np.unravel_index(index, self.series_shape) if self.series_shape else ()
        return dict(zip(self.series_axes, map(int, numbers), strict=True))

    def plane(self, index: int = 0) -> "Plane":
        """Return one plane, not read yet.

        Raises
        ------
        DataError
            If there is no such plane.
        """
        if not 0 <= index < len(self):
            raise DataError(f"{self.path}: this file holds {len(self)} planes, 0..{len(self) - 1}; got {index}.")
        return Plane(self, index)

    def load(self, index: int = 0) -> npt.NDArray[Any]:
        """Return the pixels of one plane, (H, W) or (H, W, K)."""
        return self.plane(index)[:, :]


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane of a stack that is read where it is sliced, as ``plane[rows, columns]``; (H, W) or (H, W, K)."""

    stack: Stack
    index: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, K)."""
        stack, K = self.stack, self.stack.num_channels
        size = (stack.lengths["Y"], stack.lengths["X"])
        return (*size, K) if K > 1 else size

    @property
    def dtype(self) -> np.dtype[Any]:
        """As stored."""
        return self.stack.dtype

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """H * W * K."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: slice | tuple[slice, slice]) -> npt.NDArray[Any]:
        stack = self.stack
        rows, columns = place if isinstance(place, tuple) else (place, slice(None))
        series = stack.place(self.index)
        taken = {"Y": rows, "X": columns, "C": slice(None), "S": slice(None)}
        kept = "".join("C" if axis == "S" else axis for axis in stack.axes if axis in taken)
        try:
            pixels = stack.read(tuple(series[axis] if axis in series else taken[axis] for axis in stack.axes))
        except MetastructureError:
            raise
        except Exception as error:  # each reader raises its own kinds on damaged files
            raise describe_damage(stack.path, error) from error
        return pixels.transpose([kept.index(axis) for axis in "YXC"[: len(kept)]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a plane lies on disk, so that reading it always makes an array.")
        return self[:, :] if dtype is None else self[:, :].astype(dtype, copy=False)


def check_axes(stack: Stack) -> Stack:
    """Return the stack, without axes of the length 1 but Y and X, if it makes one plane or a series of them.

    Raises
    ------
    DataError
        If an axis is missing or named twice, two axes hold channels, planes vary along an axis that is neither time
        nor depth, or there are no pixels.
    """
    path, axes, shape = stack.path, stack.axes, stack.shape
    held = f"{path}: this file holds the axes {axes or 'none'} of lengths {shape}"
    if len(axes) != len(shape):
        raise DataError(f"{held}, which are not as many; write it again with one letter an axis.")
    if doubled := {axis for axis in axes if axes.count(axis) > 1 and axis not in "Q"}:
        raise DataError(f"{held}, of which {', '.join(sorted(doubled))} comes twice; write it again with other axes.")
    if "Y" not in axes or "X" not in axes:
        raise DataError(f"{held}; an image needs Y (rows) and X (columns). Set the axes where it was written.")
    long = [axis for axis, n in zip(axes, shape, strict=True) if n != 1]
    if unknown := [axis for axis in long if axis not in {*SERIES_AXES, *CHANNEL_AXES, "Y", "X"}]:
        raise DataError(
            f"{held}; of {', '.join(unknown)} nothing is known here. Write Y and X, a series along Z or T, "
            "channels as C."
        )
    if sum(axis in CHANNEL_AXES for axis in long) > 1:
        raise DataError(f"{held}, with channels (C) of colours (S); write the channels as files of their own.")
    if long.count("Q") > 1:
        raise DataError(f"{held}; planes along two axes without a name cannot be told apart. Name them Z, T or C.")
    if 0 in shape:
        raise DataError(f"{held}, so it has no pixels.")
    if len(long) == len(axes):
        return stack
    kept = [axis in "YX" or n > 1 for axis, n in zip(axes, shape, strict=True)]

    def read(index: Index) -> npt.NDArray[Any]:
        given = iter(index)
        return stack.read(tuple(next(given) if keep else 0 for keep in kept))

    lengths = {axis: n for axis, n, keep in zip(axes, shape, kept, strict=True) if keep}
    return replace(stack, axes="".join(lengths), shape=tuple(lengths.values()), read=read)


def take_channel(stack: Stack, channel: int) -> Stack:
    """Return a stack with one of its channels only.

    Raises
    ------
    DataError
        If there is no such channel.
    """
    if not 0 <= channel < stack.num_channels:
        raise DataError(
            f"{stack.path}: this file holds {stack.num_channels} channels, 0..{stack.num_channels - 1}; got {channel}."
        )
    place = next((k for k, axis in enumerate(stack.axes) if axis in CHANNEL_AXES), None)
    if place is None:
        return stack
    return replace(
        stack,
        axes=stack.axes[:place] + stack.axes[place + 1 :],
        shape=stack.shape[:place] + stack.shape[place + 1 :],
        read=lambda index: stack.read((*index[:place], channel, *index[place:])),
    )


def name_series(stack: Stack) -> Stack:
    """Return a stack of which a series that nobody named runs along Z, or along T where it has a Z.

    Raises
    ------
    DataError
        If both are taken.
    """
    axes = stack.axes
    for unnamed in [axis for axis in axes if axis in "IQ"]:
        free = [axis for axis in "ZT" if axis not in axes]
        if not free:
            raise DataError(f"{stack.path}: the axes {stack.axes} hold Z, T and a third series; write it in parts.")
        axes = axes.replace(unnamed, free[0], 1)
    return replace(stack, axes=axes)


def describe_damage(path: Path, error: Exception) -> DataError:
    """Return what to raise where a reader failed."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path}: the file cannot be read ({reason}); is it damaged?")


def stack_of(
    path: Path, pixels: npt.NDArray[Any], axes: str, pixel_size: PixelSize | None = None, style: Style = "plain"
) -> Stack:
    """Return pixels in memory as a stack, checked like a file."""
    return check_axes(
        Stack(path, axes, pixels.shape, pixels.dtype, pixels.__getitem__, pixel_size, style, by_region=True)
    )


def split_page(path: Path) -> tuple[Path, int | None]:
    """Return the file and the plane that a path such as ``stack.tif#3`` names, None for none.

    A file whose own name has such an end is taken as it is.

    Examples
    --------
    >>> split_page(Path("in/stack.tif#003")), split_page(Path("in/a#b.tif"))
    ((PosixPath('in/stack.tif'), 3), (PosixPath('in/a#b.tif'), None))
    """
    name, mark, page = path.name.rpartition(PAGE_MARK)
    if not mark or not page.isdecimal() or not name or path.exists():
        return path, None
    return path.with_name(name), int(page)
