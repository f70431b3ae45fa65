"""What a comparison of annotators leaves on disk beside its page: JSON and three tables."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metastructure.audit.annotator_result import AnnotatorComparison
from metastructure.audit.annotator_verdict import AnnotatorVerdict, JudgedAnnotators
from metastructure.data.files import write_text
from metastructure.data.strict_json import to_json
from metastructure.structure.estimate import Estimate

JSON_NAME = "annotators.json"
ANNOTATORS_NAME, PAIRS_NAME, IMAGES_NAME = "annotators.csv", "pairs.csv", "images.csv"
CONSENSUS_NAME = "consensus"

_ESTIMATES = ("dice", "error", "inner_error", "consensus_shift_px", "edge_shift_px", "missed", "added")


def write_comparison(found: AnnotatorComparison, verdict: AnnotatorVerdict, out: Path) -> None:
    """Write ``annotators.json``, ``annotators.csv``, ``pairs.csv`` and ``images.csv`` into `out`."""
    write_text(out / ANNOTATORS_NAME, annotators_table(found))
    write_text(out / PAIRS_NAME, pairs_table(found))
    write_text(out / IMAGES_NAME, images_table(found))
    write_text(out / JSON_NAME, to_json(JudgedAnnotators(verdict=verdict, comparison=found)) + "\n")


def annotators_table(found: AnnotatorComparison) -> str:
    """Return a line for each annotator as CSV, with his matrix, rows the hidden class; an undefined number is empty."""
    classes = range(found.num_classes)
    lines: list[Sequence[object]] = [
        ["annotator", "place", "num_images"]
        + [column for name in _ESTIMATES for column in (name, f"{name}_low", f"{name}_high")]
        + [f"label_share_{klass}" for klass in classes]
        + [f"q_{row}_{column}" for row in classes for column in classes]
        + [f"inner_q_{row}_{column}" for row in classes for column in classes]
    ]
    for one in found.annotators:
        line: list[object] = [one.name, one.place or None, one.num_images]
        line += [cell for name in _ESTIMATES for cell in _cells(getattr(one, name))]
        line += [*one.label_shares]
        line += [cell.value for rows in (one.transition, one.inner_transition) for row in rows for cell in row]
        lines.append(line)
    return _to_csv(lines)


def pairs_table(found: AnnotatorComparison) -> str:
    """Return a line for each two annotators as CSV."""
    names = ("dice", "kappa", "distance_px")
    lines: list[Sequence[object]] = [
        ["first", "second", "num_images"]
        + [column for name in names for column in (name, f"{name}_low", f"{name}_high")]
        + ["excess", *(f"dice_{klass}" for klass in range(found.num_classes))]
    ]
    for pair in found.pairs:
        line: list[object] = [pair.first, pair.second, pair.num_images]
        line += [cell for name in names for cell in _cells(getattr(pair, name))]
        lines.append([*line, pair.excess, *pair.class_dice])
    return _to_csv(lines)


def images_table(found: AnnotatorComparison) -> str:
    """Return a line for each image as CSV, those on which annotators agree least first."""
    names = ("name", "num_annotators", "dice", "disputed_share", "inner_disputed_share", "furthest")
    lines: list[Sequence[object]] = [["image", *names[1:]]]
    lines += [[getattr(one, name) for name in names] for one in found.images]
    return _to_csv(lines)


def _cells(found: Estimate) -> list[float]:
    return [found.value, found.low, found.high]


def _to_csv(lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[_cell(value) for value in line] for line in lines])
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{round(value, 9):.6g}" if isinstance(value, float) else str(value)  # EM ends near 0, not at it
