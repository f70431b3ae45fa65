"""`evaluate` of a model: its rows are named like those of folders, and no file is overwritten."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from metastructure.data.synthetic.folder import write_dataset
from metastructure.training.segmenter import Segmenter

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A model of one epoch, model.pt, beside a data set of one image to train on and two to test on."""
    write_dataset("nuc", tmp_path / "nuc", counts={"train": 1, "test": 2}, height=32, width=32, bit_depth=8, seed=0)
    return tmp_path


@pytest.fixture
def model(data: Path) -> Path:
    from metastructure.data.folder import load_dataset

    train = load_dataset(data / "nuc", splits=("train",)).splits["train"]
    network = {"name": "residual_unet", "settings": {"width": 4}}
    segmenter = Segmenter(network, device="cpu", threads=1, epochs=1, batch_size=1, crop_px=32)  # type: ignore[arg-type]
    segmenter.fit(train.images, train.labels)
    segmenter.save(data / "model.pt")
    return data / "model.pt"


def test_images_are_named_below_the_folder_as_without_a_model(run: Run, data: Path, model: Path) -> None:
    labels, rows = data / "nuc" / "test" / "labels", data / "rows.csv"
    words = ("evaluate", "--model", model, data / "nuc" / "test", "--threads", 1, "--csv", rows)
    code, out, _ = run(*words, "--json")
    assert code == 0
    names = [row["image"] for row in csv.DictReader(rows.read_text().splitlines())]
    folders = json.loads(run("evaluate", labels, labels, "--json")[1])
    expected = [image["id"] for image in folders["images"]]
    assert names[::2] == names[1::2] == [image["id"] for image in json.loads(out)["images"]] == expected
    assert str(data) not in out + rows.read_text()


def test_no_file_is_overwritten(run: Run, data: Path) -> None:
    labels = data / "nuc" / "test" / "labels"
    victim = next(labels.iterdir())
    before = victim.read_bytes()
    code, out, err = run("evaluate", labels, labels, "--csv", victim)
    assert (code, out) == (2, "")
    assert err == f"error: {victim}: this file exists and is not overwritten; name another one, or delete it.\n"
    assert victim.read_bytes() == before
