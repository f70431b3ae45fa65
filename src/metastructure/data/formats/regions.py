"""Objects as regions: read from the outlines of another program and painted, or found in a label and outlined.

`H` rows, `W` columns. Objects of a label are pixels of one class that touch, also at a corner.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from metastructure.data.formats.rings import Mask, Ring, fill_rings, ring_area, trace_rings
from metastructure.errors import DataError
from metastructure.label import LabelArray

TOUCHING = np.ones((3, 3), dtype=np.int64)


class Patch(NamedTuple):
    """Pixels of a region, within a box of the image with the corner (top, left)."""

    mask: Mask
    corner: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Region:
    """One object.

    Attributes
    ----------
    klass : int
        Its class, or IGNORE.
    patches : tuple of Patch
        Its parts.
    """

    klass: int
    patches: tuple[Patch, ...]

    @property
    def area_px(self) -> int:
        """Pixels, those of parts that overlap counted twice."""
        return sum(int(patch.mask.sum()) for patch in self.patches)

    def rings(self) -> list[Ring]:
        """Return the outlines in the image, the outer one first."""
        rings = [ring + patch.corner for patch in self.patches for ring in trace_rings(patch.mask)]
        return sorted(rings, key=ring_area, reverse=True)


@dataclass(frozen=True, eq=False)
class Annotated:
    """The regions of one image.

    Attributes
    ----------
    name : str
        Path of the image below its folder, without the suffix.
    shape : (H, W)
    regions : tuple of Region
        In the order of the file.
    num_skipped : int
        Annotations without an area: points, lines, texts.
    """

    name: str
    shape: tuple[int, int]
    regions: tuple[Region, ...]
    num_skipped: int = 0

    def paint(self) -> npt.NDArray[np.uint8]:
        """Return the label, (H, W); where regions overlap, the later one wins, and the rest is class 0."""
        label = np.zeros(self.shape, dtype=np.uint8)
        for region in self.regions:
            for mask, (top, left) in region.patches:
                label[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = region.klass
        return label


def region_of_rings(klass: int, parts: Sequence[Sequence[Ring]], shape: tuple[int, int], where: str) -> Region:
    """Return the pixels of outlines.

    Parameters
    ----------
    klass : int
    parts : sequence of sequences of rings
        Of each part the outer ring and its holes; see `fill_rings`.
    shape : (H, W)
        Of the image, at whose border a part is cut off.
    where : str
        What errors call the region.

    Raises
    ------
    DataError
        If a ring has fewer than three corners or one that is no number, or the region lies outside the image.
    """
    for ring in (ring for part in parts for ring in part):
        if ring.ndim != 2 or ring.shape[1:] != (2,) or len(ring) < 3:
            raise DataError(f"{where}: an outline has three corners or more; this one has {len(ring)}.")
        if not np.isfinite(ring).all():
            raise DataError(f"{where}: a corner of the outline is no finite number.")
    corners = np.concatenate([ring for part in parts for ring in part])
    low, high = corners.min(axis=0), corners.max(axis=0)
    if (high <= 0).any() or (low >= shape).any():
        raise DataError(
            f"{where}: this outline lies outside its image of {shape[0]} x {shape[1]} pixels (rows {low[0]:g} to "
            f"{high[0]:g}, columns {low[1]:g} to {high[1]:g}); is it of another image, or are rows and columns swapped?"
        )
    return Region(klass, tuple(Patch(*fill_rings(part, shape)) for part in parts))


def find_regions(label: LabelArray) -> Iterator[Region]:
    """Yield the objects of an (H, W) label and the regions of IGNORE, class by class, from top to bottom.

    Examples
    --------
    >>> [(one.klass, one.area_px) for one in find_regions(np.array([[2, 0, 1], [0, 2, 1]]))]
    [(1, 2), (2, 2)]
    """
    for klass in np.unique(label[label != 0]).tolist():
        parts, _ = ndimage.label(label == klass, structure=TOUCHING)
        for number, box in enumerate(ndimage.find_objects(parts), start=1):
            yield Region(klass, (Patch(parts[box] == number, (box[0].start, box[1].start)),))
