"""What an audit leaves on disk beside its page: JSON, two tables, and the suspicious regions for napari and ImageJ.

`H` rows, `W` columns.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy import ndimage

from metastructure.audit.audit_result import Audit, ImageAudit, ObjectAudit
from metastructure.audit.calibration import Calibration, score_pixels
from metastructure.audit.network_findings import is_moved
from metastructure.audit.predictions import PREDICTIONS_NAME, OutOfFold, load_predictions
from metastructure.audit.verdict import Judged, Verdict
from metastructure.data.files import ImageArray, atomic_path, load_image, save_image, write_text
from metastructure.data.formats.imagej_roi import rectangle_roi, write_rois
from metastructure.data.label_format import find_labels, read_label_file
from metastructure.data.label_set import index_images
from metastructure.data.strict_json import to_json
from metastructure.errors import DataError
from metastructure.label import IGNORE, LabelArray

JSON_NAME, IMAGES_NAME, OBJECTS_NAME, REGIONS_NAME = "audit.json", "images.csv", "objects.csv", "regions"
PIXELS_NAME = "pixels"
WRITTEN = (JSON_NAME, IMAGES_NAME, OBJECTS_NAME, REGIONS_NAME, PIXELS_NAME, PREDICTIONS_NAME)
"""What an audit with networks that was stopped may have left, from which it goes on."""

MOST_REGIONS = 65535
"""Of an image, so that they can be numbered in 16 bits."""

_SLICE = re.compile(r"(.*)\[(\d+)\]$")


def write_outputs(audit: Audit, verdict: Verdict, out: Path) -> None:
    """Write ``audit.json``, ``images.csv``, ``objects.csv`` and ``regions/NAME.tif`` and ``.zip`` into `out`.

    A region file has a number for each suspicious object of the image, as in ``objects.csv``, on its pixels, or on its
    box where the object is missing; the zip holds the outlines of the boxes as ImageJ regions of interest.

    With networks ``pixels/NAME.tif`` is an 8-bit image of how likely each pixel's label is another class, in percent,
    and 255 where the label is IGNORE, from probabilities calibrated on all labels that their network had not seen.

    Raises
    ------
    DataError
        If a label is not there any more.
    """
    numbered, files = number_objects(audit.objects), AuditedFiles(audit)
    for name, members in groupby(numbered, key=lambda pair: pair[1].image):
        found = list(members)
        target = out / REGIONS_NAME / name
        with atomic_path(target.with_name(target.name + ".tif")) as temporary:
            regions = paint_regions(files.load_label(name), found)
            tifffile.imwrite(temporary, regions, compression="zlib", photometric="minisblack", metadata={"axes": "YX"})
        with atomic_path(target.with_name(target.name + ".zip")) as temporary:
            write_rois(temporary, [rectangle_roi(one.box, f"{number:04d} {one.why}") for number, one in found])
    if audit.network is not None:
        _write_pixels(audit, load_predictions(audit.network.folder), files, out / PIXELS_NAME)
    write_text(out / IMAGES_NAME, images_table(audit))
    write_text(out / OBJECTS_NAME, objects_table(numbered))
    write_text(out / JSON_NAME, to_json(Judged(verdict=verdict, audit=audit)) + "\n")


def _write_pixels(audit: Audit, predictions: OutOfFold, files: "AuditedFiles", out: Path) -> None:
    """Write how likely each pixel's label is wrong, fold by fold, since each network is calibrated on its own."""
    for fold in sorted(set(predictions.fold_of.values())):
        names = [name for name in audit.network_scores() if predictions.fold_of[name] == fold]
        pairs = ((predictions.probabilities(name), files.load_label(name)) for name in names)
        calibration = Calibration.fit(pairs, predictions.num_classes)
        for name in names:
            wrong = score_pixels(predictions.probabilities(name), files.load_label(name), calibration)
            percent = np.where(np.isnan(wrong), IGNORE, np.round(100 * wrong)).astype(np.uint8)
            save_image(out / f"{name}.tif", percent)


def number_objects(objects: Sequence[ObjectAudit]) -> list[tuple[int, ObjectAudit]]:
    """Return the objects with their number within the image, from 1, image by image."""
    ranked = sorted(objects, key=lambda one: one.image)  # stable: within an image the order stays
    return [
        (number, one)
        for _, members in groupby(ranked, key=lambda one: one.image)
        for number, one in enumerate(members, start=1)
    ]


def paint_regions(label: LabelArray, found: Iterable[tuple[int, ObjectAudit]]) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Return the numbers of suspicious objects on their pixels, (H, W), 0 elsewhere.

    Parameters
    ----------
    label : (H, W)
    found : pairs of number and object
        One that the label holds as a piece of its own is painted as it is, one that is missing, or that random pixels
        break up, as its box; of MOST_REGIONS at most.
    """
    painted = np.zeros(label.shape, dtype=np.uint16)
    for number, one in found:
        if number > MOST_REGIONS:
            break
        top, left, bottom, right = one.box
        place = (slice(top, bottom), slice(left, right))
        parts, num_parts = ndimage.label(label[place] == one.klass, structure=np.ones((3, 3)))
        areas = np.bincount(parts.ravel(), minlength=num_parts + 1)[1:]
        same = np.flatnonzero(areas == one.area_px)
        whole = one.why == "missing" or not len(same)
        painted[place][np.ones(parts.shape, dtype=bool) if whole else parts == same[0] + 1] = number
    return painted


def images_table(audit: Audit) -> str:
    """Return a line for each image, the most suspicious first, as CSV; an undefined number is empty."""
    columns = [name for name in ImageAudit.model_fields if name != "moved_px"]
    lines = [[*columns, "moved_row_px", "moved_column_px"]]
    scores = audit.network_scores()
    if audit.network is not None:
        lines[0] += [f"network_{name}" for name in ("score", "says", "shift_px", "row_px", "column_px", "stands_out")]
    for one in audit.ranked():
        values = [*(getattr(one, name) for name in columns), *one.moved_px]
        if audit.network is not None:
            said = scores.get(one.name)
            values += (
                [None] * 5
                if said is None
                else [said.score, said.kind, said.shift_px, *(said.translation_px if is_moved(said) else (0, 0))]
            )
            values.append(audit.network.standing_out.get(one.name))
        lines.append([_cell(value) for value in values])
    return _to_csv(lines)


def objects_table(numbered: Sequence[tuple[int, ObjectAudit]]) -> str:
    """Return a line for each suspicious object as CSV; `region` is its number in the region file of its image."""
    names = ["image", "why", "score", "klass", "suggested", "network", "weight", "row", "column", "area_px"]
    header = {"klass": "class", "network": "network_says", "weight": "network_nats"}
    lines = [[*(header.get(name, name) for name in names), "top", "left", "bottom", "right", "region"]]
    for number, one in numbered:
        lines.append([_cell(value) for value in (*(getattr(one, name) for name in names), *one.box, number)])
    return _to_csv(lines)


class AuditedFiles:
    """The files of an audit by the names it gives them, found as the audit found them.

    Parameters
    ----------
    audit : Audit
    """

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        folder = Path(audit.labels)
        self._labels = {path.relative_to(folder).with_suffix("").as_posix(): path for path in find_labels(folder)}
        self._images = {} if audit.images_folder is None else index_images(Path(audit.images_folder))

    def load_label(self, name: str) -> LabelArray:
        """Return the label of that name, (H, W).

        Raises
        ------
        DataError
            If it is not there any more.
        """
        sliced = None if name in self._labels else _SLICE.match(name)
        path = self._labels.get(sliced[1] if sliced else name)
        if path is None:
            raise DataError(f"{Path(self._audit.labels) / name}: this label is not there any more.")
        pixels = read_label_file(path, self._audit.num_classes).pixels
        return pixels[int(sliced[2])] if sliced else pixels

    def load_image(self, name: str) -> ImageArray | None:
        """Return the image of that name, None if there is none."""
        path = self._images.get(name)
        return None if path is None else load_image(path)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _to_csv(lines: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
