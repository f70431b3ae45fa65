"""Wrong paths are told before anything is read, computed or written."""

from pathlib import Path

import pytest

from metastructure.data.synthetic.folder import write_dataset
from metastructure.errors import DataError
from metastructure.training import paths as paths_module
from metastructure.training.paths import check_prediction_paths, check_training_paths, checkpoint_path, find_images


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_dataset("nuc", tmp_path / "d", counts={"train": 1, "val": 2}, height=32, width=32, bit_depth=8, seed=0)
    return tmp_path / "d"


def test_training_paths(data: Path, tmp_path: Path) -> None:
    check_training_paths(data, tmp_path / "new" / "folders" / "model.pt")
    assert not (tmp_path / "new").exists()
    (tmp_path / "notes.txt").write_text("mine")
    for out, message in (
        (tmp_path, "this is a folder; name the model file"),
        (tmp_path / "notes.txt", r"notes\.txt: this is no model of metastructure"),
        (tmp_path / "notes.txt" / "model.pt", r"notes\.txt is a file, so nothing can be written below it"),
    ):
        with pytest.raises(DataError, match=message):
            check_training_paths(data, out)
    with pytest.raises(DataError, match="none: no such folder"):
        check_training_paths(tmp_path / "none", tmp_path / "model.pt")
    next((data / "val" / "labels").iterdir()).unlink()
    with pytest.raises(DataError, match="this image has no label"):
        check_training_paths(data, tmp_path / "model.pt")


def test_a_folder_that_cannot_be_written_to_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths_module.os, "access", lambda folder, mode: folder != tmp_path)
    with pytest.raises(DataError, match=f"nothing can be written to {tmp_path}; name another place"):
        check_training_paths(data, tmp_path / "new" / "model.pt")


def test_prediction_paths(data: Path, tmp_path: Path) -> None:
    model, images = tmp_path / "model.pt", data / "train" / "images"
    with pytest.raises(DataError, match=r"model\.pt: no such model file"):
        check_prediction_paths(model, images, tmp_path / "out")
    model.write_text("no model")
    with pytest.raises(DataError, match="this is no model of metastructure"):
        check_prediction_paths(model, images, tmp_path / "out")
    model.write_bytes(b"PK\x05\x06" + bytes(18))  # an empty zip: only loading it can tell
    check_prediction_paths(model, images, tmp_path / "out")
    with pytest.raises(DataError, match="no such image or folder of images"):
        check_prediction_paths(model, tmp_path / "none", tmp_path / "out")
    with pytest.raises(DataError, match="separate folders"):
        check_prediction_paths(model, images, images / "out")
    (tmp_path / "full").mkdir()
    check_prediction_paths(model, images, tmp_path / "full")
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="holds files already"):
        check_prediction_paths(model, images, tmp_path / "full")
    (tmp_path / "full" / "predictions.jsonl").write_text("")
    check_prediction_paths(model, images, tmp_path / "full")
    with pytest.raises(DataError, match="this is a file; name a folder"):
        check_prediction_paths(model, images, model)
    image, map_ = next(images.iterdir()), tmp_path / "one.probabilities.tif"
    map_.write_text("mine")
    check_prediction_paths(model, image, tmp_path / "one.tif")
    with pytest.raises(DataError, match=r"one\.probabilities\.tif: this file exists and is not overwritten"):
        check_prediction_paths(model, image, tmp_path / "one.tif", probabilities=True)
    with pytest.raises(DataError, match=r"name it with \.png or \.tif"):
        check_prediction_paths(model, image, tmp_path / "one.jpg")


def test_images_are_found_in_order_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.TIF", ".hidden/c.png", ".d.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)] == ["a/z.TIF", "b.png"]


def test_a_checkpoint_lies_beside_its_model() -> None:
    assert checkpoint_path(Path("a/model.v2.pt")) == Path("a/model.v2.pt.checkpoint")
