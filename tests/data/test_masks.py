"""Masks of 0 and 255 are told from labels, and refused by everything that reads labels, in the same words."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from metastructure.data.corrupt import corrupt_folder
from metastructure.data.evaluate import evaluate_folders
from metastructure.data.files import save_image
from metastructure.data.folder import load_dataset
from metastructure.data.label_set import scan_labels
from metastructure.data.masks import are_masks, check_no_masks
from metastructure.errors import DataError

MASK = np.kron([[0, 255], [255, 0]], np.ones((4, 5), int)).astype(np.uint8)
LABEL = (MASK > 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([[0, 255]], True),
        ([[0, 0], [0, 255, 255], [255]], True),
        ([[[0, 0], [255, 0]]], True),
        ([[0, 1]], False),
        ([[0, 255], [0, 7]], False),
        ([[0, 255], [0, 254]], False),
        ([[0], [255]], False),  # an empty label and an unlabelled one
        ([[255, 255]], False),
        ([[0, 0]], False),
        ([[1, 255]], False),
        ([], False),
    ],
)
def test_what_a_mask_is(labels: list, expected: bool) -> None:
    for dtype in (np.uint8, np.int64):
        assert are_masks([np.array(label, dtype) for label in labels]) == expected
        assert are_masks([np.unique(np.array(label, dtype)) for label in labels]) == expected


def test_labels_are_read_up_to_the_first_object() -> None:
    def read() -> Iterator[np.ndarray]:
        yield np.array([0, 255])
        yield np.array([0, 2])
        raise AssertionError("read on")

    assert not are_masks(read())


def test_the_message_names_the_place_and_says_what_to_do() -> None:
    with pytest.raises(
        DataError, match=r"^my labels: .* 0 and 255 only, .* rewrite it as class 1 .*; if not, go home\.$"
    ):
        check_no_masks([MASK], "my labels", "go home")


def _corrupt(root: Path, num_classes: int | None) -> None:
    corrupt_folder(root / "masks", root / "noisy", "flip:0.2", num_classes=num_classes)


def _evaluate(root: Path, num_classes: int | None) -> None:
    evaluate_folders(root / "true", root / "masks", num_classes)


def _evaluate_against(root: Path, num_classes: int | None) -> None:
    evaluate_folders(root / "masks", root / "true", num_classes)


def _scan(root: Path, num_classes: int | None) -> None:
    scan_labels(root / "masks", num_classes)


def _load(root: Path, num_classes: int | None) -> None:
    for name, label in {"train": MASK, "val": LABEL, "test": LABEL}.items():
        save_image(root / "masks" / name / "labels" / "a.png", label)
        save_image(root / "masks" / name / "images" / "a.png", LABEL)
    load_dataset(root / "masks", num_classes)


@pytest.mark.parametrize("reader", [_corrupt, _scan, _evaluate, _evaluate_against, _load])
def test_every_reader_refuses_them(tmp_path: Path, reader: Callable[[Path, int | None], None]) -> None:
    save_image(tmp_path / "true" / "a.png", LABEL)
    if reader is not _load:
        save_image(tmp_path / "masks" / "a.png", MASK)
    with pytest.raises(DataError, match=r"masks.* 0 and 255 only, and 255 means IGNORE\. If 255 marks objects"):
        reader(tmp_path, None)


@pytest.mark.parametrize(("reader", "allowed"), [(_corrupt, True), (_scan, True), (_evaluate, False), (_load, False)])
def test_a_given_number_of_classes_lets_labels_without_objects_be_measured_but_not_learnt(
    tmp_path: Path, reader: Callable[[Path, int | None], None], allowed: bool
) -> None:
    save_image(tmp_path / "true" / "a.png", LABEL)
    if reader is not _load:
        save_image(tmp_path / "masks" / "a.png", MASK)
    if allowed:
        reader(tmp_path, 2)
        return
    with pytest.raises(DataError, match="0 and 255 only"):
        reader(tmp_path, 2)
