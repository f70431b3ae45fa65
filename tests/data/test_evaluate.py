"""Folders of labels compared: pairs by path, every mismatch told with its file."""

from pathlib import Path

import numpy as np
import pytest

from metastructure.data.evaluate import evaluate_folders
from metastructure.data.files import save_image
from metastructure.errors import DataError


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    labels, predictions = tmp_path / "labels", tmp_path / "predictions"
    save_image(labels / "a.png", np.array([[0, 0, 1, 255]], np.uint8))
    save_image(predictions / "a.tif", np.array([[0, 1, 1, 1]], np.uint8))
    save_image(labels / "sub" / "b.png", np.array([[0, 2], [2, 2]], np.uint8))
    save_image(predictions / "sub" / "b.png", np.array([[0, 2], [0, 2]], np.uint8))
    save_image(predictions / "a.probabilities.tif", np.zeros((1, 4), np.float32))
    return predictions, labels


def test_scores_by_hand(folders: tuple[Path, Path]) -> None:
    done: list[tuple[int, int]] = []
    scores = evaluate_folders(*folders, on_item=lambda *numbers: done.append(numbers))
    assert done == [(1, 2), (2, 2)]
    assert scores.ids == ("a", "sub/b")
    assert scores.tables_NCC.tolist() == [[[1, 1, 0], [0, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0], [1, 0, 2]]]
    # class 0: 2 hits of 3 true and 3 predicted; class 1: 1 of 1 and 2; class 2: 2 of 3 and 2
    assert [row.dice.value for row in scores.classes] == pytest.approx([4 / 6, 2 / 3, 4 / 5])
    assert scores.dice.value == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores.iou.value == pytest.approx((2 / 4 + 1 / 2 + 2 / 3) / 3)
    assert scores.accuracy.value == pytest.approx(5 / 7)


def test_what_does_not_fit_is_told(folders: tuple[Path, Path], tmp_path: Path) -> None:
    predictions, labels = folders
    with pytest.raises(DataError, match=r"b\.png: .* holds class 2|b\.png holds class 2"):
        evaluate_folders(predictions, labels, 2)
    save_image(labels / "c.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(DataError, match=r"c\.png: this label has no prediction; expected .*predictions/c\.png"):
        evaluate_folders(predictions, labels)
    save_image(predictions / "c.png", np.zeros((2, 3), np.uint8))
    with pytest.raises(DataError, match=r"c\.png: the prediction is 2 x 3 pixels but its label c\.png is 2 x 2"):
        evaluate_folders(predictions, labels)
    (labels / "c.png").unlink()
    with pytest.raises(DataError, match=r"c\.png: this prediction has no label; expected .*labels/c\.png"):
        evaluate_folders(predictions, labels)
    with pytest.raises(DataError, match="no such folder"):
        evaluate_folders(predictions, tmp_path / "none")


def test_masks_of_0_and_255_are_refused(tmp_path: Path) -> None:
    save_image(tmp_path / "labels" / "a.png", np.array([[0, 255]], np.uint8))
    save_image(tmp_path / "predictions" / "a.png", np.array([[0, 1]], np.uint8))
    with pytest.raises(DataError, match="hold 0 and 255 only"):
        evaluate_folders(tmp_path / "predictions", tmp_path / "labels")
