"""``metastructure annotators``: page, tables, consensus in the source's format, JSON, and wrong use."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from metastructure.audit.annotator_files import find_annotators, name_folders
from metastructure.data.files import load_label, save_image
from metastructure.data.synthetic import generate
from metastructure.errors import DataError
from metastructure.label import IGNORE
from metastructure.noise import corrupt, parse_noise

Run = Callable[..., tuple[int, str, str]]
NOISES = {"ann": "jitter:1", "bo": "erode:1", "cy": "dilate:2"}
NUM = 4


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few resamples: no interval is looked at here."""
    monkeypatch.setattr("metastructure.audit.annotator_fit.NUM_RESAMPLES", 10)
    monkeypatch.setattr("metastructure.audit.judging.NUM_RESAMPLES", 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of nuclei with the labels of three annotators; bo wrote PNGs and skipped one."""
    for index in range(NUM):
        image, label = generate("nuc", seed=1, index=index, height=64, width=64)
        save_image(tmp_path / f"images/{index}.png", image)
        for name, spec in NOISES.items():
            noisy = corrupt(label, parse_noise(spec), seed=0, item=f"{index} {name}")
            if name == "bo" and index == 0:
                continue
            save_image(tmp_path / name / f"{index}.{'png' if name == 'bo' else 'tif'}", noisy)
    return tmp_path


def test_one_call_writes_page_tables_and_consensus(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, err = run("annotators", "bo", "ann", "cy", "--images", "images", "-o", "told", "--consensus")
    assert (code, err) == (0, "")
    assert out.startswith("3 annotators, 4 images, 2 classes")
    assert out.splitlines()[-1] == "page: told/index.html"
    assert max(map(len, out.splitlines())) < 80
    assert {path: path.read_bytes() for path in before} == before
    told = json.loads((folder / "told/annotators.json").read_text())
    assert [one["name"] for one in told["comparison"]["annotators"]] == ["bo", "ann", "cy"]
    rows = {
        name: list(csv.DictReader((folder / f"told/{name}.csv").read_text().splitlines()))
        for name in ("annotators", "pairs", "images")
    }
    assert [row["num_images"] for row in rows["annotators"]] == ["3", "4", "4"]
    assert [float(row["q_1_0"]) + float(row["q_1_1"]) for row in rows["annotators"]] == pytest.approx([1, 1, 1])
    assert len(rows["pairs"]) == 3
    scores = [float(row["dice"]) for row in rows["images"]]
    assert scores == sorted(scores)
    assert float(rows["annotators"][2]["edge_shift_px"]) > 1
    page = (folder / "told/index.html").read_text()
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)  # nothing is asked of anywhere
    assert page.count("data:image/jpeg") == NUM * (1 + 3 + 1) - 1  # image, annotators and consensus; one skipped
    assert sorted(path.name for path in (folder / "told/consensus").iterdir()) == ["0.tif", "1.png", "2.png", "3.png"]
    assert load_label(folder / "told/consensus/1.png", 2).shape == (64, 64)
    code, _, err = run("annotators", "bo", "ann", "-o", "told")
    assert code == 2
    assert "holds files already" in err


def test_json_without_a_folder(run: Run, folder: Path) -> None:
    code, out, _ = run("annotators", *(folder / name for name in NOISES), "--json")
    assert code == 0
    told = json.loads(out)
    assert told["comparison"]["method"] == "agreement"
    assert told["comparison"]["annotators"][0]["edge_shift_px"]["reason"] == "no images were given"
    assert "cannot be told apart" in told["verdict"]["headline"]  # four images are too few


def test_a_consensus_keeps_palette_depth_and_slices(run: Run, tmp_path: Path) -> None:
    volume = np.zeros((3, 24, 24), dtype=np.uint16)
    volume[:, 6:18, 6:18] = 1
    volume[1, 0, 0] = IGNORE
    for index, name in enumerate(("ann", "bo")):
        (tmp_path / name).mkdir()
        flat = Image.fromarray(volume[0].astype(np.uint8))
        flat.putpalette([0, 0, 0, 200, 10, 10])
        flat.save(tmp_path / name / "flat.png")
        tifffile.imwrite(tmp_path / name / "deep.tif", np.roll(volume, index, axis=2), photometric="minisblack")
    assert run("annotators", tmp_path / "ann", tmp_path / "bo", "-o", tmp_path / "told", "--consensus")[0] == 0
    deep = tifffile.imread(tmp_path / "told/consensus/deep.tif")
    assert (deep.shape, deep.dtype) == ((3, 24, 24), np.uint16)
    assert np.array_equal(deep[2], volume[2] & np.roll(volume, 1, axis=2)[2])  # a tie takes the lower class
    with Image.open(tmp_path / "told/consensus/flat.png") as image:
        assert image.mode == "P"
        assert image.getpalette()[3:6] == [200, 10, 10]


def test_wrong_use_is_told_in_one_line(run: Run, folder: Path) -> None:
    for words, says in (
        ((folder / "ann",), "takes at least two folders"),
        ((folder / "ann", folder / "nobody"), "no such folder of labels"),
        ((folder / "ann", folder / "bo" / ".." / "ann"), "named twice"),
        ((folder / "ann", folder / "bo", "--consensus"), "needs -o DIR"),
    ):
        code, out, err = run("annotators", *words)
        assert (code, out) == (2, "")
        assert says in err
        assert err.count("\n") == 1


def test_labels_that_do_not_fit_each_other_are_refused(folder: Path) -> None:
    save_image(folder / "di/1.tif", np.ones((64, 60), dtype=np.uint8))
    with pytest.raises(DataError, match=r"di/1\.tif: this label is 64 x 60 pixels, but .*ann/1\.tif is 64 x 64;"):
        find_annotators([folder / "ann", folder / "di"])
    shutil.move(folder / "di/1.tif", folder / "di/other.tif")
    with pytest.raises(DataError, match="no image was labelled by two annotators"):
        find_annotators([folder / "ann", folder / "di"])
    tifffile.imwrite(folder / "di/2.tif", np.ones((5, 64, 64), dtype=np.uint8), photometric="minisblack")
    with pytest.raises(DataError, match="this label is 5 slices of pixels"):
        find_annotators([folder / "ann", folder / "di"])


def test_an_image_that_does_not_fit_is_noted(folder: Path) -> None:
    save_image(folder / "images/2.png", np.eye(30, dtype=np.uint8))
    found = find_annotators([folder / "ann", folder / "cy"], folder / "images").compare()
    assert any(note.startswith("2: the image is 30 x 30 pixels but the label 64 x 64") for note in found.notes)


def test_names_are_as_short_as_they_can_be() -> None:
    assert name_folders([Path("a/x/labels"), Path("b/x/labels")]) == ["a/x/labels", "b/x/labels"]
