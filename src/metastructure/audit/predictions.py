"""Kept out-of-fold probabilities of a folder of images: found again by name, and read without a network.

`C` classes, `H` rows, `W` columns.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metastructure.audit.calibration import Probabilities
from metastructure.data.journal import read_journal
from metastructure.errors import DataError

JOURNAL_NAME = "out_of_fold.jsonl"
PREDICTIONS_NAME = "out-of-fold"
"""Where ``metastructure audit --out-of-fold`` keeps them, below its own folder."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Where the probabilities of a folder of images lie.

    Attributes
    ----------
    folder : Path
        ``probabilities/NAME.npy``, (C, H, W) float16, and ``models/fold-K.pt``.
    num_classes : int
        C.
    fold_of : dict from name to int
        The fold of each image. A name is the image's path below its folder without the suffix.
    """

    folder: Path
    num_classes: int
    fold_of: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.fold_of)

    def __iter__(self) -> Iterator[str]:
        return iter(self.fold_of)

    def probabilities(self, name: str) -> Probabilities:
        """Return the class probabilities of one image, (C, H, W), which sum to 1 over C; about three digits each.

        Raises
        ------
        DataError
            If there is no image of this name, or its file cannot be read.
        """
        if name not in self.fold_of:
            raise DataError(f"{self.folder}: there is no image '{name}' here, such as '{next(iter(self.fold_of))}'.")
        path = map_path(self.folder, name)
        try:
            p_CHW: Probabilities = np.load(path, allow_pickle=False).astype(np.float32)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: the file cannot be read ({error}); predict it again.") from None
        p_CHW /= p_CHW.sum(axis=0)
        return p_CHW


def map_path(folder: Path, name: str) -> Path:
    """Return the file of the probabilities of one image."""
    return folder / "probabilities" / f"{name}.npy"


def load_predictions(folder: Path | str) -> OutOfFold:
    """Return the probabilities that `out_of_fold` kept in a folder, as far as it got.

    Parameters
    ----------
    folder : Path or str
        As given to `out_of_fold`, or the folder of an audit with ``--out-of-fold``.

    Raises
    ------
    DataError
        If there are none.
    """
    folder = Path(folder)
    if (folder / PREDICTIONS_NAME / JOURNAL_NAME).is_file():
        folder = folder / PREDICTIONS_NAME
    recipe, records = None, list[dict[str, Any]]()
    if (folder / JOURNAL_NAME).is_file():
        recipe, records = read_journal(folder / JOURNAL_NAME, dict[str, Any], dict[str, Any])
    if recipe is None or not records:
        raise DataError(
            f"{folder}: no out-of-fold predictions here; make them with "
            "'metastructure audit IMAGES LABELS -o DIR --out-of-fold'."
        )
    return OutOfFold(folder, int(recipe["num_classes"]), {one["name"]: int(one["fold"]) for one in records})
