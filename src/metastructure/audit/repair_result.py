"""What a folder of repaired labels says of itself: ``repair.json`` and, a line for each file, ``repair.csv``.

`C` classes.
"""

import csv
import io
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from metastructure.data.files import write_text
from metastructure.data.strict_json import to_json
from metastructure.errors import DataError
from metastructure.label import IGNORE, LabelArray
from metastructure.structure.latent_transition import EstimatedTransition

MANIFEST_NAME = "repair.json"
TABLE_NAME = "repair.csv"

Counts = tuple[int, ...]


class RepairRecipe(BaseModel):
    """All that the repaired labels depend on.

    Attributes
    ----------
    metastructure, numpy : str
        Versions.
    labels : str
        The folder of noisy labels.
    method : str
        ``"denoise"``, ``"shift:PX"``, ``"relabel"`` or ``"relabel:all"``; ``"auto"`` or ``"shift"`` if none of them
        applies.
    chosen_because : str
        Why this one, if the labels chose it; else empty.
    num_classes : int
        C of the whole folder.
    transition : C rows of C numbers, or None
        Q, rows the clean class; None for a shift.
    transition_from : "estimated", "given" or None
    estimate : EstimatedTransition or None
        With its intervals, if Q was estimated.
    half_width_px : int or None
        Of the first guess.
    window_dice : dict from half-width to number, or None
        What each window alone would reach, estimated without clean labels; None if the half-width was given.
    nothing_to_repair : str
        Why all labels are left as they are; empty if they are not.
    predictions, predictions_sha256 : str or None
        The folder of the out-of-fold predictions that labels were changed to, and the hash of its journal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    metastructure: str
    numpy: str
    labels: str
    method: str
    num_classes: int
    chosen_because: str = ""
    transition: tuple[tuple[float, ...], ...] | None = None
    transition_from: Literal["estimated", "given"] | None = None
    estimate: EstimatedTransition | None = None
    half_width_px: int | None = None
    window_dice: dict[int, float] | None = None
    nothing_to_repair: str = ""
    predictions: str | None = None
    predictions_sha256: str | None = None


class FileRepair(BaseModel):
    """One repaired label.

    Attributes
    ----------
    file : str
        Path below the folder, with ``/``.
    sha256_in, sha256_out : str
        Of the two files; the latter is empty in a dry run.
    num_known, num_changed : int
        Pixels that are not IGNORE, and those among them that have another class now.
    gained, lost : C integers
        Pixels each class won from others, and lost to them.
    objects : dict
        For a shift how many there were before and after, and how many vanished, merged and split; for relabelling how
        many were added and removed; else empty.
    method, why : str
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256_in: str
    sha256_out: str
    num_known: int
    num_changed: int
    gained: tuple[int, ...]
    lost: tuple[int, ...]
    objects: dict[str, int]
    method: str
    why: str

    @property
    def changed_percent(self) -> float:
        """Changed pixels among the known ones; 0 where none is known."""
        return 100 * self.num_changed / max(self.num_known, 1)


class Repair(BaseModel):
    """The recipe and the records of all files, sorted by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: RepairRecipe
    dry_run: bool
    files: tuple[FileRepair, ...]

    @property
    def num_changed_files(self) -> int:
        """Files of which a pixel changed."""
        return sum(record.num_changed > 0 for record in self.files)


def count_changes(
    before: LabelArray, after: LabelArray, num_classes: int
) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Return how many pixels changed, and how many each class gained and lost.

    Examples
    --------
    >>> count_changes(np.array([[0, 0, 1, 255]]), np.array([[1, 0, 1, 255]]), 2)
    (1, (0, 1), (1, 0))
    """
    changed = (before != after) & (before != IGNORE)
    gained, lost = (np.bincount(label[changed].astype(np.intp), minlength=num_classes) for label in (after, before))
    return int(changed.sum()), tuple(gained.tolist()), tuple(lost.tolist())


def load_repair(path: Path) -> Repair:
    """Return the repair that ``repair.json`` tells of.

    Raises
    ------
    DataError
        If the file is something else.
    """
    try:
        return Repair.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError):
        raise DataError(f"{path}: this is no account of a repair of this version; name another folder.") from None


def save_repair(out: Path, repair: Repair) -> None:
    """Write ``repair.csv`` and then ``repair.json``, each whole or not at all."""
    write_text(out / TABLE_NAME, to_table(repair))
    write_text(out / MANIFEST_NAME, to_json(repair) + "\n")


def to_table(repair: Repair) -> str:
    """Return the records as CSV, a line for each file."""
    classes = range(repair.recipe.num_classes)
    objects = list(repair.files[0].objects) if repair.files else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["file", "changed_pixels", "changed_percent"]
        + [f"{name}_{klass}" for name in ("gained", "lost") for klass in classes]
        + [f"objects_{name}" for name in objects]
        + ["method", "why"]
    )
    for one in repair.files:
        counts = [*one.gained, *one.lost, *(one.objects[name] for name in objects)]
        writer.writerow([one.file, one.num_changed, f"{one.changed_percent:.4f}", *counts, one.method, one.why])
    return text.getvalue()
