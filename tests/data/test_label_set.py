"""A folder of labels gone through more than once: what is left out, and what is chosen."""

from pathlib import Path

import numpy as np
import pytest

from metastructure.data.files import save_image
from metastructure.data.label_set import scan_labels
from metastructure.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three labels, a damaged file, and one of colours."""
    for name, klass in (("a", 1), ("c", 2), ("sub/d", 1)):
        save_image(tmp_path / f"{name}.png", np.full((4, 5), klass, np.uint8))
    (tmp_path / "b.png").write_bytes(b"no picture")
    save_image(tmp_path / "e.png", np.zeros((4, 5, 3), np.uint8))
    return tmp_path


def test_unusable_files_are_told_and_left_out_only_if_asked(folder: Path) -> None:
    with pytest.raises(DataError, match=r"b\.png: the file cannot be read"):
        scan_labels(folder)
    told: list[str] = []
    steps: list[tuple[int, int]] = []
    found = scan_labels(
        folder, 2, lambda done, total: steps.append((done, total)), lambda path, error: told.append(path.name)
    )
    assert told == ["b.png", "c.png", "e.png"]  # with two classes, class 2 breaks the contract
    assert [entry.id for entry in found.entries] == ["a", "sub/d"]
    assert steps == [(done, 5) for done in range(1, 6)]


def test_a_folder_without_a_usable_file_says_the_first_reason(folder: Path) -> None:
    for name in ("a", "c", "sub/d"):
        (folder / f"{name}.png").unlink()
    with pytest.raises(DataError, match=r"b\.png"):
        scan_labels(folder, on_unusable=lambda path, error: None)


def test_a_choice_keeps_everything_of_what_it_keeps(folder: Path) -> None:
    found = scan_labels(folder, on_unusable=lambda path, error: None).choose({"sub/d", "c", "zebra"})
    assert [entry.id for entry in found.entries] == ["c", "sub/d"]
    assert found.counts[:, :3].tolist() == [[0, 0, 20], [0, 20, 0]]
    assert [label.max() for label in found] == [2, 1]
    assert found.shapes == ((4, 5), (4, 5))
