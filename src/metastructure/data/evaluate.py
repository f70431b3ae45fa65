"""Comparing a folder of predicted labels with a folder of true ones, one pair in memory at a time.

`C` classes, `N` images.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from metastructure.contingency import CountArray, contingency_table
from metastructure.data.label_format import find_labels, read_label_file
from metastructure.data.masks import SAY_HOW_MANY, check_no_masks
from metastructure.data.numbered import check_not_numbered
from metastructure.errors import DataError
from metastructure.label import LabelArray, count_classes
from metastructure.metrics.scores import Scores, make_scores

PROBABILITIES_SUFFIX = ".probabilities.tif"
"""How the probability map of ``NAME.png`` is called: ``NAME.probabilities.tif``; it is no label."""


def evaluate_folders(
    predictions: Path,
    labels: Path,
    num_classes: int | None = None,
    *,
    seed: int = 0,
    on_item: Callable[[int, int], None] | None = None,
) -> Scores:
    """Return the scores of a folder of predicted labels.

    Parameters
    ----------
    predictions, labels : Path
        Folders of PNG and TIFF labels, sub-folders included. A pair has the same path but for the suffix. Probability
        maps among the predictions are passed over.
    num_classes : int, optional
        C; without it, what all labels and predictions hold.
    seed : int
        Of the bootstrap.
    on_item : callable, optional
        ``on_item(done, total)``.

    Raises
    ------
    DataError
        With the file concerned, if one side of a pair is missing, cannot be used, or has another size; with the folder,
        if its labels or predictions are masks of 0 and 255; without `num_classes`, if they number objects.
    """
    predictions, labels = Path(predictions), Path(labels)
    truth, predicted = _by_stem(labels), _by_stem(predictions)
    for stem, path in truth.items():
        if stem not in predicted:
            raise DataError(f"{path}: this label has no prediction; expected {predictions / stem}.png (or .tif).")
    for stem, path in predicted.items():
        if stem not in truth:
            raise DataError(f"{path}: this prediction has no label; expected {labels / stem}.png (or .tif).")
    for folder, files in ((labels, truth), (predictions, predicted)):
        _check_classes(folder, list(files.values()), num_classes)
    tables = []
    for done, (stem, path) in enumerate(truth.items(), start=1):
        tables.append(_count(predicted[stem], path, num_classes))
        if on_item is not None:
            on_item(done, len(truth))
    C = max(len(table) for table in tables)
    padded = [np.pad(table, (0, C - len(table))) for table in tables]
    return make_scores(list(truth), np.stack(padded), seed=seed)


def _by_stem(folder: Path) -> dict[str, Path]:
    found = [path for path in find_labels(folder) if not path.name.endswith(PROBABILITIES_SUFFIX)]
    if not found:
        raise DataError(f"{folder}: this folder holds probability maps only; predict labels into it.")
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


def _check_classes(folder: Path, paths: list[Path], num_classes: int | None) -> None:
    held = [np.unique(read_label_file(path, num_classes).pixels) for path in paths]
    check_no_masks(held, str(folder))
    if num_classes is None:
        check_not_numbered(held, lambda index: read_label_file(paths[index]).pixels, paths, SAY_HOW_MANY)


def _count(prediction_path: Path, label_path: Path, num_classes: int | None) -> CountArray:
    prediction, label = (read_label_file(path, num_classes).pixels for path in (prediction_path, label_path))
    if prediction.shape != label.shape:
        raise DataError(
            f"{prediction_path}: the prediction is {_size(prediction)} pixels but its label {label_path.name} is "
            f"{_size(label)}; they must be of one image."
        )
    return contingency_table(label, prediction, num_classes or max(count_classes(label), count_classes(prediction)))


def _size(label: LabelArray) -> str:
    return " x ".join(map(str, label.shape))
