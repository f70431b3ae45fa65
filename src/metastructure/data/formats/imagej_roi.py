"""Regions of interest of ImageJ: ``.roi`` files and sets in ``.zip``.

A region's group is its class; without a group it is class 1. Sources: the ImageJ 1.x classes ij.io.RoiDecoder and
RoiEncoder, read and written by C. Gohlke's roifile.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import roifile

from metastructure.data.formats.class_names import name_class, number_classes
from metastructure.data.formats.regions import Annotated, Region, find_regions, region_of_rings
from metastructure.data.formats.rings import Ring, ellipse_ring, join_rings
from metastructure.data.formats.stack import describe_damage
from metastructure.errors import DataError
from metastructure.label import LabelArray

ROI_SUFFIXES = frozenset({".roi", ".zip"})
_OUTLINED = (roifile.ROI_TYPE.POLYGON, roifile.ROI_TYPE.FREEHAND, roifile.ROI_TYPE.TRACED)


def load_rois(path: Path, name: str, shape: tuple[int, int], classes: Sequence[str] | None = None) -> Annotated:
    """Return the regions in a file of ImageJ.

    Parameters
    ----------
    path : Path
    name : str
        Of the image.
    shape : (H, W)
        Of the image, which the file does not say.
    classes : sequence of str, optional
        Names of the classes 1, 2, ...: a region whose name ends in one of them, as ``0007 nucleus``, is of that class.

    Raises
    ------
    DataError
        If the file cannot be read, its regions lie on several planes of a stack or outside the image, or a name
        ends in no class.
    """
    try:
        read = roifile.roiread(path)
    except Exception as error:  # the reader raises many kinds on damaged files
        raise describe_damage(path, error) from error
    rois = read if isinstance(read, list) else [read]
    places = {(one.position, one.c_position, one.z_position, one.t_position) for one in rois}
    if len(places) > 1:
        raise DataError(
            f"{path}: the regions lie on {len(places)} planes of a stack; save those of each to a file of its own."
        )
    regions = [_read_region(one, _class_of(one, classes, path), shape, f"{path}: region {one.name!r}") for one in rois]
    kept = tuple(region for region in regions if region is not None)
    return Annotated(name, shape, kept, len(regions) - len(kept))


def rois_of_label(label: LabelArray, classes: Sequence[str] | None = None) -> list[roifile.ImagejRoi]:
    """Return the objects of an (H, W) label as regions of ImageJ, traced along the edges of their pixels.

    Holes are joined to the outline by cuts, see `join_rings`. The name is a number within the image and the class, the
    group the class, 255 for IGNORE.
    """
    rois = []
    for number, region in enumerate(find_regions(label), start=1):
        corners = join_rings(region.rings())[:, ::-1].astype(np.int64)
        roi = roifile.ImagejRoi.frompoints(corners, name=f"{number:04d} {name_class(region.klass, classes)}")
        roi.roitype, roi.group = roifile.ROI_TYPE.TRACED, region.klass
        rois.append(roi)
    return rois


def rectangle_roi(box: tuple[int, int, int, int], name: str) -> roifile.ImagejRoi:
    """Return a rectangle (top, left, bottom, right) as a region of ImageJ."""
    edges = dict(zip(("top", "left", "bottom", "right"), box, strict=True))
    return roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, name=name, **edges)


def write_rois(path: Path, rois: Sequence[roifile.ImagejRoi]) -> None:
    """Write a set of regions to a zip, in place of what the file held."""
    path.unlink(missing_ok=True)  # roifile appends to a zip that exists
    roifile.roiwrite(path, list(rois))


def _class_of(roi: roifile.ImagejRoi, classes: Sequence[str] | None, path: Path) -> int:
    if classes is None:
        return int(roi.group) or 1
    numbers = number_classes((), classes, str(path))
    held = [name for name in numbers if f" {roi.name}".endswith(f" {name}")]
    if not held:
        raise DataError(
            f"{path}: the name of the region {roi.name!r} must end in one of the classes {', '.join(classes)}; rename "
            "it in ImageJ, or leave the names out to take the groups."
        )
    return numbers[max(held, key=len)]


def _read_region(roi: roifile.ImagejRoi, klass: int, shape: tuple[int, int], where: str) -> Region | None:
    """Return the region, None if it has no area: points, lines, angles, texts."""
    if roi.multi_coordinates is not None:
        rings = [_ring(points) for points in roi.coordinates(multi=True)]
        return region_of_rings(klass, [[ring for ring in rings if len(ring) > 2]], shape, where)
    box = (roi.top, roi.left, roi.bottom, roi.right)
    if roi.roitype == roifile.ROI_TYPE.RECT and roi.subtype == roifile.ROI_SUBTYPE.UNDEFINED:
        ring = np.array([[box[0], box[1]], [box[0], box[3]], [box[2], box[3]], [box[2], box[1]]], dtype=np.float64)
    elif roi.roitype == roifile.ROI_TYPE.OVAL:
        centre, radii = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), ((box[2] - box[0]) / 2, (box[3] - box[1]) / 2)
        ring = ellipse_ring(centre, radii)
    elif roi.roitype in _OUTLINED and (roi.integer_coordinates is not None or roi.subpixel_coordinates is not None):
        ring = _ring(roi.coordinates())
    else:
        return None
    return region_of_rings(klass, [[ring]], shape, where)


def _ring(points: object) -> Ring:
    return np.asarray(points, dtype=np.float64).reshape(-1, 2)[:, ::-1]
