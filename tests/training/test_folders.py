"""Folders: a training goes on after Ctrl-C, predictions are resumed and never overwrite anything."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from metastructure.data.evaluate import evaluate_folders
from metastructure.data.files import load_image, load_label, save_image
from metastructure.data.synthetic.folder import write_dataset
from metastructure.errors import ConfigError, DataError, RunError
from metastructure.training import loop
from metastructure.training.data_folder import evaluate_split, train_folder
from metastructure.training.predict_folder import predict_file, predict_folder
from metastructure.training.segmenter import Segmenter

SMALL = {"name": "residual_unet", "settings": {"width": 4}}


def _segmenter(seed: int = 0, **settings: object) -> Segmenter:
    chosen = {"epochs": 3, "batch_size": 2, "crop_px": 32, **settings}
    return Segmenter(SMALL, seed=seed, device="cpu", threads=1, **chosen)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "nuc"
    write_dataset("nuc", root, counts={"train": 4, "val": 2, "test": 3}, height=48, width=40, bit_depth=16, seed=0)
    return root


@pytest.fixture(scope="module")
def segmenter(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return train_folder(_segmenter(), data, tmp_path_factory.mktemp("model") / "model.pt")


def _weights(segmenter: Segmenter) -> list[torch.Tensor]:
    return list(segmenter.model.network.state_dict().values())


def test_a_stopped_training_goes_on_and_ends_the_same(
    data: Path, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_INTERVAL_S", 0.0)
    out, epochs = tmp_path / "model.pt", []

    def interrupt(epoch: int, loss: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_folder(_segmenter(), data, out, on_epoch=interrupt)
    assert (tmp_path / "model.pt.checkpoint").is_file()
    assert not out.exists()
    with pytest.raises(RunError, match="belongs to another training"):
        train_folder(_segmenter(seed=1), data, out)
    resumed = train_folder(_segmenter(), data, out, on_epoch=lambda epoch, loss: epochs.append(epoch))
    assert epochs == [3]
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
    assert all(torch.equal(a, b) for a, b in zip(_weights(resumed), _weights(segmenter), strict=True))


def test_a_finished_training_is_not_done_twice_and_other_models_stay(data: Path, tmp_path: Path) -> None:
    out, epochs = tmp_path / "model.pt", []
    first = train_folder(_segmenter(), data, out)
    content = out.read_bytes()
    again = train_folder(_segmenter(), data, out, on_epoch=lambda epoch, loss: epochs.append(epoch))
    assert not epochs
    assert again.model.fingerprint == first.model.fingerprint
    for other in (_segmenter(seed=1), _segmenter(epochs=2)):
        with pytest.raises(DataError, match="holds another model; name a new one"):
            train_folder(other, data, out)
    with pytest.raises(DataError, match="holds another model"):
        train_folder(_segmenter(), data, out, noise="flip:0.1")
    assert out.read_bytes() == content


def test_noise_is_for_the_training_labels_only(data: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    noisy = train_folder(_segmenter(), data, tmp_path / "noisy.pt", noise="flip:0.3")
    assert noisy.model.header.loss[0] > segmenter.model.header.loss[0]
    with pytest.raises(DataError, match="every training pixel is IGNORE"):
        train_folder(_segmenter(), data, tmp_path / "none.pt", noise="unlabelled:1")
    with pytest.raises(ConfigError, match="unknown noise"):
        train_folder(_segmenter(), data, tmp_path / "none.pt", noise="fog:1")
    with pytest.raises(DataError, match="this is a folder; name the model file"):
        train_folder(_segmenter(), data, tmp_path)
    named = Segmenter(SMALL, device="cpu", class_names=["sea", "land"])
    with pytest.raises(ConfigError, match="there are 2 class names for 3 classes"):
        train_folder(named, data, tmp_path / "none.pt", num_classes=3)


def test_without_val_the_threshold_is_a_half(data: Path, tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / "d" / "train" / kind).mkdir(parents=True)
        for path in (data / "train" / kind).iterdir():
            (tmp_path / "d" / "train" / kind / path.name).write_bytes(path.read_bytes())
    assert train_folder(_segmenter(epochs=1), tmp_path / "d", tmp_path / "m.pt").model.header.threshold == 0.5


def test_predicted_files_score_as_the_model_does(data: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    done = []
    found = predict_folder(
        segmenter, data / "test" / "images", tmp_path / "out", probabilities=True, on_item=lambda *n: done.append(n)
    )
    assert found == (3, 0)
    assert done == [(1, 3), (2, 3), (3, 3)]
    folders = evaluate_folders(tmp_path / "out", data / "test" / "labels")
    direct = evaluate_split(segmenter, data / "test")
    np.testing.assert_array_equal(folders.tables_NCC, direct.tables_NCC)
    assert folders.dice == direct.dice


def test_formats_folders_and_values(segmenter: Segmenter, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    images = {
        "a.png": draw.integers(0, 60000, (40, 33)).astype(np.uint16),
        "sub/b.tif": draw.integers(0, 60000, (70, 90)).astype(np.uint16),
        "sub/deep/c.jpg": draw.integers(0, 255, (20, 30)).astype(np.uint8),
    }
    for name, pixels in images.items():
        save_image(tmp_path / "in" / name, pixels)
    before = {path: path.read_bytes() for path in (tmp_path / "in").rglob("*") if path.is_file()}
    out = tmp_path / "out"
    predict_folder(segmenter, tmp_path / "in", out, probabilities=True, tile_px=64)
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    labels = ["a.png", "sub/b.tif", "sub/deep/c.png"]
    maps = ["a.probabilities.tif", "sub/b.probabilities.tif", "sub/deep/c.probabilities.tif"]
    assert written == sorted([*labels, *maps, "predictions.jsonl"])
    for name, label, map_ in zip(images, labels, maps, strict=True):
        image = load_image(tmp_path / "in" / name)
        p_HW = tifffile.imread(out / map_)
        assert p_HW.dtype == np.float32
        np.testing.assert_array_equal(p_HW, segmenter.predict_probabilities(image, tile_px=64)[1])
        np.testing.assert_array_equal(load_label(out / label, 2), segmenter.predict(image, tile_px=64))
    assert {path: path.read_bytes() for path in before} == before


def test_prediction_goes_on_where_it_stopped(
    data: Path, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for path in (data / "test" / "images").iterdir():
        (images / path.name).write_bytes(path.read_bytes())

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_folder(segmenter, images, out, on_item=interrupt)
    with (out / "predictions.jsonl").open("a") as journal:
        journal.write('{"file": "cut sho')  # a crash in the middle of a line
    assert predict_folder(segmenter, images, out) == (1, 2)
    assert predict_folder(segmenter, images, out) == (0, 3)
    first, second, third = sorted(images.iterdir())
    save_image(first, load_image(first)[::-1].copy())
    (out / second.with_suffix(".png").name).unlink(missing_ok=True)
    (out / second.name).unlink(missing_ok=True)
    assert predict_folder(segmenter, images, out) == (2, 1)
    assert predict_folder(segmenter, images, out, probabilities=True) == (3, 0)
    assert predict_folder(segmenter, images, out) == (0, 3)
    save_image(out / third.name, np.zeros((48, 40), np.uint8))  # somebody's edit is noticed
    assert predict_folder(segmenter, images, out) == (1, 2)
    other = _segmenter(seed=2, epochs=1).fit([np.eye(40)], [np.eye(40, dtype=int)])
    with pytest.raises(DataError, match="holds predictions of another model"):
        predict_folder(other, images, out)


def test_nothing_is_overwritten_and_bad_folders_are_told(data: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    images = data / "test" / "images"
    for out in (images, images / "labels", data):
        with pytest.raises(DataError, match="separate folders"):
            predict_folder(segmenter, images, out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="holds files already"):
        predict_folder(segmenter, images, tmp_path / "full")
    with pytest.raises(DataError, match="no such image or folder"):
        predict_folder(segmenter, tmp_path / "none", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images; put PNG"):
        predict_folder(segmenter, tmp_path / "empty", tmp_path / "out")
    for name in ("x.png", "x.jpg"):
        save_image(tmp_path / "twins" / name, np.zeros((9, 9), np.uint8))
    with pytest.raises(DataError, match=r"x\.jpg has the same name but for the suffix"):
        predict_folder(segmenter, tmp_path / "twins", tmp_path / "out")
    with pytest.raises(ValueError, match="multiple of 32"):
        predict_folder(segmenter, images, tmp_path / "out", tile_px=65)
    assert not (tmp_path / "out").exists()
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 16, 17), np.uint8), photometric="minisblack")
    with pytest.raises(DataError, match=r"stack\.tif: this file holds shape \(5, 16, 17\)"):
        predict_file(segmenter, tmp_path / "stack.tif", tmp_path / "label.tif")
    assert not (tmp_path / "label.tif").exists()


def test_bad_images_do_not_keep_the_others_from_their_labels(data: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    images, out, done = tmp_path / "images", tmp_path / "out", []
    good = sorted((data / "test" / "images").iterdir())
    images.mkdir()
    for name, path in zip(("b", "d", "f"), good, strict=True):
        (images / name).with_suffix(path.suffix).write_bytes(path.read_bytes())
    (images / "a.png").write_bytes(b"no image")
    save_image(images / "c.png", np.zeros((9, 9, 3), np.uint8))
    tifffile.imwrite(images / "e.tif", np.full((9, 9), np.nan, np.float32))
    tifffile.imwrite(images / "g.tif", np.zeros((5, 16, 17), np.uint8), photometric="minisblack")
    with pytest.raises(RunError) as caught:
        predict_folder(segmenter, images, out, on_item=lambda *n: done.append(n))
    message = str(caught.value)
    assert message.startswith(f"4 of 7 images could not be predicted, the labels of the others are in {out}. ")
    assert f"{images / 'a.png'}: the file cannot be read" in message
    assert f"{images / 'c.png'}: image has 3 channels, but the network was fitted to 1; convert it." in message
    assert f"{images / 'e.tif'}: the image holds NaN" in message
    assert "g.tif" not in message
    assert message.endswith(" And 1 more.")
    assert done == [(number, 7) for number in range(1, 8)]
    written = sorted(path.stem for path in out.iterdir())
    assert written == ["b", "d", "f", "predictions"]
    for name in ("a.png", "c.png", "e.tif", "g.tif"):
        (images / name).unlink()
    assert predict_folder(segmenter, images, out) == (0, 3)


def test_where_no_image_is_good_nothing_is_written(segmenter: Segmenter, tmp_path: Path) -> None:
    save_image(tmp_path / "rgb" / "c.png", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(RunError, match=r"^1 of 1 .* not be predicted; nothing was written\. .*c\.png: image has"):
        predict_folder(segmenter, tmp_path / "rgb", tmp_path / "new" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["rgb"]


def test_one_file_into_a_new_file(data: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    image = next((data / "test" / "images").iterdir())
    predict_file(segmenter, image, tmp_path / "label.tif", probabilities=True)
    np.testing.assert_array_equal(load_label(tmp_path / "label.tif"), segmenter.predict(load_image(image)))
    assert (tmp_path / "label.probabilities.tif").is_file()
    for out in (tmp_path / "label.tif", image):
        with pytest.raises(DataError, match="is not overwritten"):
            predict_file(segmenter, image, out)
    with pytest.raises(DataError, match=r"name it with \.png or \.tif"):
        predict_file(segmenter, image, tmp_path / "label.jpg")


def test_the_journal_is_readable(data: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    predict_folder(segmenter, data / "test" / "images", tmp_path / "out")
    first, *rest = map(json.loads, (tmp_path / "out" / "predictions.jsonl").read_text().splitlines())
    assert first["model"] == segmenter.model.fingerprint
    assert len(rest) == 3


def test_evaluating_a_folder_of_splits_says_which(data: Path, segmenter: Segmenter) -> None:
    with pytest.raises(DataError, match=r"name one of its splits, such as .*test"):
        evaluate_split(segmenter, data)


def test_a_label_keeps_the_pixel_size_of_its_image(segmenter: Segmenter, tmp_path: Path) -> None:
    pixels = np.arange(40 * 48, dtype=np.uint16)
    images = tmp_path / "images"
    images.mkdir()
    tifffile.imwrite(
        images / "a.ome.tif",
        pixels.reshape(40, 48),
        ome=True,
        metadata={"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5},
    )
    predict_folder(segmenter, images, tmp_path / "out")
    (written,) = (tmp_path / "out").glob("*.tif")
    with tifffile.TiffFile(written) as file:
        assert file.is_ome
        assert 'PhysicalSizeX="0.25"' in file.ome_metadata


def test_a_zarr_is_predicted_tile_by_tile_as_its_array(segmenter: Segmenter, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    from metastructure.data.convert import convert_files

    pixels = np.random.default_rng(0).integers(0, 4000, (150, 90), dtype=np.uint16)
    (tmp_path / "images").mkdir()
    save_image(tmp_path / "images" / "a.tif", pixels)
    convert_files(tmp_path / "images", tmp_path / "zarr", "ome-zarr")
    (image,) = (tmp_path / "zarr").glob("*.zarr")
    predict_file(segmenter, image, tmp_path / "label.tif", tile_px=64)
    assert np.array_equal(load_label(tmp_path / "label.tif"), segmenter.predict(pixels, tile_px=64))
