"""What a folder of noisy labels says of itself: how it was made, and for each file what came of it.

`C` classes. Rates and matrices are over the pixels that have a class before and after; `null` stands for NaN, a number
that does not exist (a class the image lacks, a rate no family promises).
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from metastructure.contingency import changed_rate, contingency_table
from metastructure.data.files import write_text
from metastructure.errors import DataError
from metastructure.label import IGNORE, LabelArray
from metastructure.metrics import foreground_dice
from metastructure.noise import NoiseModel
from metastructure.transition import TransitionMatrix

MANIFEST_NAME = "manifest.json"


class Recipe(BaseModel):
    """All that the noisy labels depend on.

    Attributes
    ----------
    metastructure : str
        Version of the package that made them.
    noise : str
        The noise as a spec.
    seed : int
    num_classes : int
        C of the whole folder.
    labels : str
        The folder of clean labels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metastructure: str
    noise: str
    seed: int
    num_classes: int
    labels: str


class FileRecord(BaseModel):
    """One noisy label.

    Attributes
    ----------
    file : str
        Path below the folder, with ``/``; without its suffix it is the item the draw belongs to.
    sha256_in, sha256_out : str
        Of the two files.
    sha256_pixels : str
        Of the noisy pixels, their dtype and shape, which no version of an image library changes.
    requested_rate : float or None
        Share of changed pixels that the transition matrix promises for this image's classes.
    realised_rate : float or None
        Share of pixels that changed class.
    ignored_rate : float or None
        Share of pixels with a class that are IGNORE now.
    transition : C rows of C numbers
        The realised matrix; a row of null for a class the image lacks.
    dice : float or None
        Mean over the object classes that either label holds, against the clean label.
    note : str
        Why the label is unchanged, if it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256_in: str
    sha256_out: str
    sha256_pixels: str
    requested_rate: float | None
    realised_rate: float | None
    ignored_rate: float | None
    transition: tuple[tuple[float | None, ...], ...]
    dice: float | None
    note: str = ""


class Manifest(BaseModel):
    """The recipe and the records of all files, sorted by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    files: tuple[FileRecord, ...]


def load_manifest(path: Path) -> Manifest:
    """Return the manifest in a file.

    Raises
    ------
    DataError
        If the file is missing or is no manifest.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such manifest.")
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise DataError(f"{path}: this is no manifest of noisy labels ({reason}).") from None


def save_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest, whole or not at all."""
    write_text(path, json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")


def describe_change(clean: LabelArray, noisy: LabelArray, model: NoiseModel, num_classes: int) -> dict[str, Any]:
    """Return the fields of a `FileRecord` that compare two labels."""
    table = contingency_table(clean, noisy, num_classes)
    before = np.bincount(clean[clean != IGNORE].astype(np.intp), minlength=num_classes)
    promised = model.transition(num_classes)
    known = int(before.sum())
    requested = math.nan
    if promised is not None and known:
        requested = float((before * (1 - np.diag(promised.rows))).sum() / known)
    realised = TransitionMatrix.from_counts(table).rows
    same = np.array_equal(clean, noisy)
    return {
        "requested_rate": _or_null(requested),
        "realised_rate": _or_null(changed_rate(table)),
        "ignored_rate": _or_null(1 - int((noisy[clean != IGNORE] != IGNORE).sum()) / known if known else math.nan),
        "transition": tuple(tuple(_or_null(entry) for entry in row) for row in realised.tolist()),
        "dice": _or_null(float(foreground_dice(table))),
        "note": _explain_unchanged(before, known) if same else "",
    }


def _explain_unchanged(before: np.ndarray[Any, np.dtype[Any]], known: int) -> str:
    if not known:
        return "unchanged: every pixel is IGNORE"
    if known == before[0]:
        return "unchanged: no objects, only background"
    return "unchanged by this draw"


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
