"""Numbered objects taken for classes are refused, wherever nobody said how many classes there are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metastructure.data.convert import convert_files
from metastructure.data.corrupt import corrupt_folder
from metastructure.data.evaluate import evaluate_folders
from metastructure.data.files import save_image
from metastructure.data.folder import load_dataset
from metastructure.data.label_set import scan_labels
from metastructure.data.numbered import check_not_numbered
from metastructure.errors import DataError
from metastructure.label import IGNORE, LabelArray

REFUSED = r"b\.png: this file holds the values 1 to 12, each of them one object\. .* write 1 for all of them"


def _draw(num: int) -> LabelArray:
    """Return `num` squares in two rows, numbered from 1, with dots of IGNORE between."""
    label = np.zeros((8, 32), dtype=np.uint8)
    for index in range(num):
        row, column = divmod(index, 8)
        label[4 * row : 4 * row + 3, 4 * column : 4 * column + 3] = index + 1
    label[3::4, ::2] = IGNORE
    return label


def _check(*labels: LabelArray) -> None:
    check_not_numbered(map(np.unique, labels), labels.__getitem__, [Path(name) for name in "abc"], "say so")


@pytest.mark.parametrize("labels", [[_draw(9), _draw(12)], [_draw(8)], [_draw(9), _draw(0), _draw(8)]])
def test_numbered_objects_are_refused(labels: list[LabelArray]) -> None:
    with pytest.raises(DataError, match=r"values 1 to \d+, each .* classes, say so\.$"):
        _check(*labels)


def test_one_label_in_ten_may_have_gaps() -> None:
    labels = [_draw(9 + index % 3) for index in range(10)]
    labels[4] = np.where(labels[4] == 3, 0, labels[4])
    with pytest.raises(DataError, match="1 to 11"):
        check_not_numbered(map(np.unique, labels), labels.__getitem__, [Path("a")] * 10, "say so")
    labels[5] = np.where(labels[5] == 2, 0, labels[5])
    check_not_numbered(map(np.unique, labels), labels.__getitem__, [Path("a")] * 10, "say so")


def _torn(num_torn: int) -> LabelArray:
    label = np.kron(_draw(12), np.ones((1, 3), dtype=np.uint8))
    for value in range(1, num_torn + 1):
        rows, columns = np.nonzero(label == value)
        label[:, (columns.min() + columns.max()) // 2][np.unique(rows)] = 0
    return label


def test_one_object_in_twelve_may_be_torn() -> None:
    with pytest.raises(DataError, match="1 to 12"):
        _check(_torn(1))
    _check(_torn(2))


@pytest.mark.parametrize(
    "labels",
    [
        [_draw(7), _draw(5)],
        [_draw(12), _draw(12)],
        [_draw(12), np.where(_draw(9) == 3, 0, _draw(9))],
        [_draw(12), np.tile(_draw(9), (1, 2))],
        [_draw(0)],
    ],
    ids=["few", "as many in each", "one is missing", "fullest decides", "nothing"],
)
def test_classes_are_not(labels: list[LabelArray]) -> None:
    if len(labels) == 2 and labels[1].shape != labels[0].shape:
        labels[0] = np.tile(labels[0], (1, 2))  # each value twice
    _check(*labels)


def _scan(root: Path, num_classes: int | None) -> None:
    scan_labels(root / "train" / "labels", num_classes)


def _load(root: Path, num_classes: int | None) -> None:
    load_dataset(root, num_classes, ("train",))


def _corrupt(root: Path, num_classes: int | None) -> None:
    corrupt_folder(root / "train" / "labels", root / "noisy", "flip:0.1", seed=0, num_classes=num_classes)


def _evaluate(root: Path, num_classes: int | None) -> None:
    evaluate_folders(root / "train" / "labels", root / "train" / "labels", num_classes)


@pytest.mark.parametrize("read", [_scan, _load, _corrupt, _evaluate])
def test_whatever_reads_a_folder_refuses_them_unless_told_how_many_classes(
    read: Callable[[Path, int | None], None], tmp_path: Path
) -> None:
    for name, num in (("a", 9), ("b", 12)):
        save_image(tmp_path / "train" / "images" / f"{name}.png", np.arange(256, dtype=np.uint8).reshape(8, 32))
        save_image(tmp_path / "train" / "labels" / f"{name}.png", _draw(num))
    with pytest.raises(DataError, match=REFUSED):
        read(tmp_path, None)
    read(tmp_path, 13)


@pytest.mark.parametrize("to", ["png", "labelme"])
def test_a_conversion_of_labels_refuses_them_unless_the_classes_are_named(tmp_path: Path, to: str) -> None:
    for name, num in (("a", 9), ("b", 12)):
        save_image(tmp_path / "in" / f"{name}.png", _draw(num))
    with pytest.raises(DataError, match=REFUSED + r".* name them with --classes\.$"):
        convert_files(tmp_path / "in", tmp_path / "out", to, is_label=True)
    done = convert_files(tmp_path / "in", tmp_path / "out", to, is_label=True, classes=[f"c{k}" for k in range(1, 13)])
    assert len(done.files) == 2
