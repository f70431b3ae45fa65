"""Folder data sets: ragged sizes and IGNORE work, and whatever is wrong is told in one line with the file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metastructure.data.files import load_label, save_image
from metastructure.data.folder import find_items, load_dataset, zscore
from metastructure.data.summary import MOST_PROBLEMS, summarise_folder
from metastructure.errors import DataError

Change = Callable[[Path], None]


def _make(root: Path, sizes: dict[str, list[tuple[int, int]]] | None = None, num_classes: int = 2) -> Path:
    draw = np.random.default_rng(0)
    for split, shapes in (sizes or {"train": [(20, 30), (24, 16)], "val": [(20, 30)], "test": [(9, 40)]}).items():
        for index, shape in enumerate(shapes):
            label = draw.integers(0, num_classes, shape).astype(np.uint8)
            label[0, :num_classes] = np.arange(num_classes)
            label[1, 0] = 255
            save_image(root / split / "images" / f"{split}{index}.png", draw.integers(0, 255, shape).astype(np.uint8))
            save_image(root / split / "labels" / f"{split}{index}.tif", label)
    return root


def test_ragged_data_set_with_ignore(tmp_path: Path) -> None:
    data = load_dataset(_make(tmp_path, num_classes=3))
    assert data.num_classes == 3
    assert data.num_channels == 1
    assert data.splits["train"].ids == ("train0", "train1")
    assert [label.shape for label in data.splits["train"].labels] == [(20, 30), (24, 16)]
    assert data.splits["test"].labels[0][1, 0] == 255


def test_ids_are_sorted_and_progress_counts_all_files(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    load_dataset(_make(tmp_path), on_item=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [item.id for item in find_items(tmp_path, "train")] == ["train0", "train1"]


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    before = load_dataset(_make(tmp_path)).fingerprint
    assert load_dataset(tmp_path).fingerprint == before
    label = load_dataset(tmp_path).splits["val"].labels[0].copy()
    label[5, 5] ^= 1
    save_image(tmp_path / "val" / "labels" / "val0.tif", label)
    assert load_dataset(tmp_path).fingerprint != before


def _remove(*names: str) -> Change:
    def change(root: Path) -> None:
        for name in names:
            (root / name).unlink()

    return change


def _write(name: str, pixels: np.ndarray) -> Change:
    return lambda root: save_image(root / name, pixels)


BROKEN: dict[str, tuple[Change, str]] = {
    "missing split": (lambda root: (root / "val").rename(root / "other"), r"val: this split is missing"),
    "image without label": (_remove("train/labels/train1.tif"), r"train1\.png: this image has no label"),
    "label without image": (_remove("train/images/train1.png"), r"train1\.tif: this label has no image"),
    "sizes differ": (_write("val/labels/val0.tif", np.zeros((5, 6), np.uint8)), r"val0\.tif: .* 5 x 6 .* 20 x 30"),
    "class beyond": (_write("test/labels/test0.tif", np.full((9, 40), 2, np.uint8)), r"test0\.tif holds class 2"),
    "colour among grey": (_write("val/images/val0.png", np.zeros((20, 30, 3), np.uint8)), r"val0\.png: .* 3 channels"),
    "two files of one stem": (
        _write("train/images/train0.tif", np.zeros((20, 30), np.uint8)),
        r"train0\.tif: train0\.png has the same stem",
    ),
    "other files": (lambda root: (root / "train/labels/notes.txt").write_text("x"), r"notes\.txt: files here must be"),
    "jpeg label": (lambda root: (root / "train/labels/train0.jpg").write_text("x"), r"train0\.jpg: files here must be"),
    "no labels": (_remove("val/labels/val0.tif"), r"val/labels: no labels"),
    "no folder of labels": (
        lambda root: (root / "val/labels").rename(root / "val/masks"),
        r"val/labels: no such folder",
    ),
    "no images": (_remove("val/images/val0.png", "val/labels/val0.tif"), r"images: no images"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    change, complaint = BROKEN[name]
    change(_make(tmp_path))
    with pytest.raises(DataError, match=complaint) as caught:
        load_dataset(tmp_path)
    assert "\n" not in str(caught.value)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        load_dataset(tmp_path / "none")


def _fill(split: str, values: tuple[int, int]) -> Change:
    """Return a change that gives all labels of a split two halves."""

    def change(root: Path) -> None:
        for path in (root / split / "labels").iterdir():
            label = np.full_like(load_label(path), values[0])
            label[2:5] = values[1]
            save_image(path, label)

    return change


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("num_classes", [None, 2, 3])
def test_each_split_is_judged_on_its_own(tmp_path: Path, split: str, num_classes: int | None) -> None:
    """0/255 masks to learn from, beside 0/1 labels to score by, would be learnt as background alone."""
    _fill(split, (0, 255))(_make(tmp_path))
    with pytest.raises(DataError, match=rf"{split}/labels: these labels hold 0 and 255 only, .* rewrite it as class 1"):
        load_dataset(tmp_path, num_classes)
    _fill(split, (255, 255))(tmp_path)
    with pytest.raises(DataError, match=rf"{split}/labels: every pixel of these labels is IGNORE"):
        load_dataset(tmp_path, num_classes)
    _fill(split, (0, 0))(tmp_path)
    load_dataset(tmp_path, num_classes)


def test_one_label_of_background_or_ignore_alone_is_fine(tmp_path: Path) -> None:
    _make(tmp_path)
    save_image(tmp_path / "train" / "labels" / "train0.tif", np.full((20, 30), 255, np.uint8))
    save_image(tmp_path / "train" / "labels" / "train1.tif", np.zeros((24, 16), np.uint8))
    assert load_dataset(tmp_path, 2).num_classes == 2


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Whatever a problem concerns is left out, and the rest is still looked at."""
    _make(tmp_path, {"train": [(20, 30)] * 4, "val": [(9, 9)], "test": [(8, 8)]})
    for change in (
        _remove("train/labels/train0.tif"),
        _write("train/labels/train1.tif", np.zeros((5, 6), np.uint8)),
        _write("train/images/train3.png", np.zeros((20, 30, 3), np.uint8)),
        _fill("val", (255, 255)),
        lambda root: (root / "test").rename(root / "other"),
    ):
        change(tmp_path)
    told: list[str] = []
    data = load_dataset(tmp_path, on_problem=told.append)
    places = ["test: this split is missing", "train0.png: this image has no label", "train1.tif: the label is 5 x 6"]
    places += ["train3.png: this image has 3 channels, the ones before 1", "val/labels: every pixel"]
    assert len(told) == len(places)
    for place in places:
        assert sum(f"/{place}" in problem for problem in told) == 1
    assert list(data.splits) == ["train"]
    assert data.splits["train"].ids == ("train2",)
    _fill("train", (0, 255))(tmp_path)
    told.clear()
    assert not load_dataset(tmp_path, on_problem=told.append).splits
    assert sum("0 and 255 only" in problem for problem in told) == 1


def test_without_a_listener_the_first_problem_is_raised_alone(tmp_path: Path) -> None:
    _write("train/labels/train0.tif", np.zeros((5, 6), np.uint8))(_make(tmp_path))
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_refused_is_what_is_checked(tmp_path: Path, name: str) -> None:
    BROKEN[name][0](_make(tmp_path))
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    found = summarise_folder(tmp_path)
    assert found.problems[0] == str(caught.value)
    assert str(caught.value) in found.as_text()


def test_a_long_list_of_problems_is_cut_in_the_text_only(tmp_path: Path) -> None:
    _make(tmp_path, {"train": [(4, 4)] * (MOST_PROBLEMS + 3), "val": [(4, 4)], "test": [(4, 4)]})
    for index in range(MOST_PROBLEMS + 2):
        _remove(f"train/labels/train{index}.tif")(tmp_path)
    found = summarise_folder(tmp_path)
    assert len(found.problems) == MOST_PROBLEMS + 2
    lines = found.as_text().splitlines()
    assert lines[-1] == "  and 2 more; --json lists all"
    assert sum("has no label" in line for line in lines) == MOST_PROBLEMS


def test_zscore_hand_worked() -> None:
    # values 1 1 1 5: mean 2, standard deviation sqrt(3)
    out = zscore(np.array([[1, 1], [1, 5]], np.uint16))
    assert out.shape == (1, 2, 2)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.ravel(), np.array([-1, -1, -1, 3]) / np.sqrt(3), rtol=1e-6)


def test_zscore_keeps_colour_and_survives_constants() -> None:
    out = zscore(np.stack([np.full((2, 2), 10), np.full((2, 2), 20), np.full((2, 2), 30)], axis=-1).astype(np.uint8))
    assert out.shape == (3, 2, 2)
    assert out[0, 0, 0] < out[1, 0, 0] == 0 < out[2, 0, 0]
    assert not zscore(np.full((3, 3), 7, np.uint8)).any()


def test_zscore_of_16_bit_equals_that_of_scaled_8_bit() -> None:
    image = np.random.default_rng(0).integers(0, 255, (16, 16))
    np.testing.assert_allclose(zscore(image.astype(np.uint8)), zscore((image * 257).astype(np.uint16)), atol=1e-5)


def test_summary(tmp_path: Path) -> None:
    _make(tmp_path)
    save_image(tmp_path / "train" / "labels" / "train1.tif", np.zeros((24, 16), np.uint8))
    found = summarise_folder(tmp_path).splits["train"]
    assert found.num_images == 2
    assert found.num_empty == 1
    assert found.sizes == ["24 x 16", "20 x 30"]
    assert sum(found.class_shares) == pytest.approx(1)
    assert found.ignored_share == pytest.approx(1 / (20 * 30 + 24 * 16))
    assert "2 images" in summarise_folder(tmp_path).as_text()
