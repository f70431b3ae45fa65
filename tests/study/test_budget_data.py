"""What a plan trains and tests on: the rule without a test split, and exactly so many labelled images."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from metastructure.data.files import save_image
from metastructure.errors import DataError
from metastructure.noise import corrupt, parse_noise
from metastructure.study.budget_data import leave_labelled, load_plan_data

SQUARE = np.zeros((8, 8), dtype=np.uint8)
SQUARE[2:5, 3:7] = 1


def _write(folder: Path, names: list[str], label: np.ndarray = SQUARE) -> None:
    for name in names:
        save_image(folder / "images" / f"{name}.png", label * 100)
        save_image(folder / "labels" / f"{name}.png", label)


NAMES = [f"cell_{number:02}" for number in range(12)]


def test_a_test_split_is_tested_on_and_val_is_left_alone(tmp_path: Path) -> None:
    _write(tmp_path / "train", ["a", "b", "c"])
    _write(tmp_path / "val", ["d"])
    _write(tmp_path / "test", ["e", "f"])
    data, tested_on = load_plan_data(tmp_path)
    assert [data.splits[name].ids for name in ("train", "val", "test")] == [("a", "b", "c"), (), ("e", "f")]
    assert tested_on == f"the 2 images of {tmp_path / 'test'}"


def test_without_one_val_is_tested_on(tmp_path: Path) -> None:
    _write(tmp_path / "train", ["a", "b", "c"])
    _write(tmp_path / "val", ["d", "g"])
    data, tested_on = load_plan_data(tmp_path)
    assert data.splits["test"].ids == ("d", "g")
    assert "nothing is chosen on val" in tested_on


def test_without_both_a_quarter_is_held_out_by_name(tmp_path: Path) -> None:
    _write(tmp_path / "train", NAMES)
    data, tested_on = load_plan_data(tmp_path)
    train, test = data.splits["train"].ids, data.splits["test"].ids
    assert len(test) == 3
    assert sorted(train + test) == NAMES
    assert "3 of the 12 training images" in tested_on
    assert test != tuple(NAMES[:3])
    assert test != tuple(NAMES[-3:])
    for name in train[:4]:  # whoever else is there, and who is not, makes no difference but at the edge
        for kind in ("images", "labels"):
            (tmp_path / "train" / kind / f"{name}.png").unlink()
    assert set(load_plan_data(tmp_path)[0].splits["test"].ids) < set(test)


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        (NAMES[:7], [], "7 are too few; label at least 8"),
        (NAMES, NAMES[:1], "one image gives no interval"),
        ([], NAMES, "train"),
    ],
)
def test_too_few_images(tmp_path: Path, train: list[str], test: list[str], words: str) -> None:
    _write(tmp_path / "train", train)
    _write(tmp_path / "test", test) if test else None
    with pytest.raises(DataError, match=words):
        load_plan_data(tmp_path)


def test_labels_without_an_object_cannot_be_tested_on(tmp_path: Path) -> None:
    _write(tmp_path / "train", NAMES)
    _write(tmp_path / "test", NAMES[:2], np.zeros_like(SQUARE))
    with pytest.raises(DataError, match="holds an object"):
        load_plan_data(tmp_path)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_exactly_so_many_images_keep_their_label_and_smaller_shares_lie_in_larger_ones(seed: int) -> None:
    kept = []
    for number in range(1, len(NAMES) + 1):
        noise = parse_noise(leave_labelled(NAMES, number, seed))
        noisy = {name: corrupt(SQUARE, noise, seed=seed, item=name) for name in NAMES}
        kept.append({name for name, label in noisy.items() if (label == SQUARE).all()})
        assert all((label == 255).all() for name, label in noisy.items() if name not in kept[-1])
        assert len(kept[-1]) == number
    assert all(one < other for one, other in itertools.pairwise(kept))


def test_other_seeds_label_other_images() -> None:
    first = set()
    for seed in range(6):
        noise = parse_noise(leave_labelled(NAMES, 1, seed))
        first.update(name for name in NAMES if corrupt(SQUARE, noise, seed=seed, item=name)[0, 0] == 0)
    assert len(first) > 1
