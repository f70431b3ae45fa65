"""Noisy copies of a folder: what is kept, what the manifest says, going on after an interruption."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from metastructure.data import corrupt as corrupt_module
from metastructure.data.corrupt import JOURNAL_NAME, check_manifest, corrupt_folder
from metastructure.data.label_format import read_label_file
from metastructure.data.manifest import load_manifest
from metastructure.errors import ConfigError, DataError
from metastructure.noise import corrupt, parse_noise
from metastructure.rng import generator


def blobs(shape, item, num_classes=2):
    coarse = generator(0, item, "blobs").integers(0, num_classes, tuple(-(-n // 8) for n in shape))
    return np.kron(coarse, np.ones((8,) * len(shape), int))[tuple(slice(n) for n in shape)]


@pytest.fixture
def labels(tmp_path):
    """A folder of labels of all kinds: PNG of 8, 16 and 1 bit and with a palette, TIFF, a volume, a sub-folder."""
    root = tmp_path / "labels"
    (root / "sub").mkdir(parents=True)
    Image.fromarray(blobs((40, 50), "a").astype(np.uint8)).save(root / "a.png")
    Image.fromarray(blobs((40, 50), "b").astype(np.uint16)).save(root / "b.png")
    Image.fromarray(blobs((30, 20), "c").astype(bool)).save(root / "c.png")
    coloured = Image.fromarray(blobs((32, 32), "d").astype(np.uint8))
    coloured.putpalette([7, 8, 9, 128, 0, 1] + [3] * 762)
    coloured.save(root / "sub" / "d.png")
    tifffile.imwrite(root / "sub" / "e.tif", blobs((24, 40), "e").astype(np.uint16))
    tifffile.imwrite(root / "f.tiff", blobs((3, 40, 24), "f").astype(np.uint8), photometric="minisblack")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(root / "empty.png")
    (root / "notes.txt").write_text("not a label")
    return root


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_names_formats_and_inputs_are_kept(labels, tmp_path):
    before = contents(labels)
    corrupt_folder(labels, tmp_path / "noisy", "flip:0.3", seed=4)
    assert contents(labels) == before
    made = set(contents(tmp_path / "noisy"))
    assert made == {name for name in before if name != "notes.txt"} | {"manifest.json"}
    for name in made - {"manifest.json"}:
        clean, noisy = read_label_file(labels / name), read_label_file(tmp_path / "noisy" / name)
        assert noisy.pixels.dtype == clean.pixels.dtype
        assert noisy.pixels.shape == clean.pixels.shape
        assert (noisy.palette, noisy.one_bit) == (clean.palette, clean.one_bit)
        item = name.rsplit(".", 1)[0]
        expected = corrupt(clean.pixels, parse_noise("flip:0.3"), seed=4, item=item, num_classes=2)
        assert np.array_equal(noisy.pixels, expected)


def test_the_manifest_says_what_happened(labels, tmp_path):
    out = tmp_path / "noisy"
    returned = corrupt_folder(labels, out, "matrix:[[1,0],[0.75,0.25]],exact=true", seed=1)
    manifest = load_manifest(out / "manifest.json")
    assert manifest == returned
    assert manifest.recipe.noise == "matrix:[[1,0],[0.75,0.25]],exact=true"
    assert (manifest.recipe.seed, manifest.recipe.num_classes) == (1, 2)
    assert [record.file for record in manifest.files] == sorted(record.file for record in manifest.files)
    record = next(record for record in manifest.files if record.file == "a.png")
    clean = read_label_file(labels / "a.png").pixels
    noisy = read_label_file(out / "a.png").pixels
    objects, left = int(clean.sum()), int(noisy.sum())
    assert record.realised_rate == pytest.approx((objects - left) / clean.size)
    assert record.requested_rate == pytest.approx(0.75 * objects / clean.size)
    assert record.transition[0] == (1, 0)
    assert record.transition[1] == pytest.approx((1 - left / objects, left / objects))
    assert record.dice == pytest.approx(2 * left / (objects + left))
    assert record.ignored_rate == 0
    assert record.note == ""
    assert "NaN" not in (out / "manifest.json").read_text()


def test_unchanged_and_ignored_labels_are_told(labels, tmp_path):
    Image.fromarray(np.full((5, 5), 255, np.uint8)).save(labels / "unknown.png")
    manifest = corrupt_folder(labels, tmp_path / "noisy", "dilate:2", num_classes=2)
    notes = {record.file: record.note for record in manifest.files}
    assert notes["empty.png"] == "unchanged: no objects, only background"
    assert notes["unknown.png"] == "unchanged: every pixel is IGNORE"
    assert notes["a.png"] == ""
    unknown = next(record for record in manifest.files if record.file == "unknown.png")
    assert unknown.realised_rate is None
    assert unknown.transition == ((None, None), (None, None))
    half = corrupt_folder(labels, tmp_path / "half", "sample:0.5,fill=ignore", num_classes=2)
    record = next(record for record in half.files if record.file == "a.png")
    assert record.ignored_rate == pytest.approx(0.5, abs=0.01)
    assert record.realised_rate == 0
    # one bit cannot hold IGNORE
    assert read_label_file(tmp_path / "half" / "c.png").pixels.max() == 255


def test_jobs_and_order_change_no_byte(labels, tmp_path):
    seen = []
    corrupt_folder(labels, tmp_path / "one", "jitter:2 + flip:0.1")
    corrupt_folder(labels, tmp_path / "two", "jitter:2 + flip:0.1", jobs=2, on_item=lambda *at: seen.append(at))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert seen == [(done, 7) for done in range(1, 8)]
    assert check_manifest(tmp_path / "one" / "manifest.json", jobs=2) == ()


def test_check_finds_what_changed_since(labels, tmp_path):
    out = tmp_path / "noisy"
    corrupt_folder(labels, out, "flip:0.2")
    manifest = out / "manifest.json"
    assert check_manifest(manifest) == ()
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(out / "a.png")
    (out / "sub" / "d.png").unlink()
    Image.fromarray(np.zeros((40, 50), np.uint16)).save(labels / "b.png")
    assert check_manifest(manifest) == (
        "a.png: the noisy file is not the one the manifest was written for",
        "b.png: the clean file is not the one the manifest was written for",
        "sub/d.png: the noisy file is missing",
    )


def test_check_draws_the_noise_again(labels, tmp_path):
    out = tmp_path / "noisy"
    corrupt_folder(labels, out, "flip:0.2", seed=1)
    manifest = out / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 1', '"seed": 2'))
    problems = check_manifest(manifest)
    assert len(problems) == 7
    assert all(problem.endswith("drawing the noise again gives other pixels") for problem in problems)


def test_check_follows_moved_labels(labels, tmp_path):
    corrupt_folder(labels, tmp_path / "noisy", "flip:0.2")
    moved = labels.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="not there any more"):
        check_manifest(tmp_path / "noisy" / "manifest.json")
    assert check_manifest(tmp_path / "noisy" / "manifest.json", moved) == ()


def test_an_interrupted_run_goes_on(labels, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole", tmp_path / "noisy"
    corrupt_folder(labels, whole, "flip:0.2")
    real, made = corrupt_module._make_noisy, []

    def stops_at_the_fourth(task):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(task.file)
        return real(task)

    monkeypatch.setattr(corrupt_module, "_make_noisy", stops_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        corrupt_folder(labels, out, "flip:0.2")
    assert not (out / "manifest.json").exists()
    with (out / JOURNAL_NAME).open("a") as journal:
        journal.write('{"file": "sub/d.p')  # a line cut short by the crash
    again = []
    monkeypatch.setattr(corrupt_module, "_make_noisy", lambda task: again.append(task.file) or real(task))
    corrupt_folder(labels, out, "flip:0.2")
    assert len(again) == 4
    assert not set(again) & set(made)
    assert contents(out) == contents(whole)


def test_a_finished_folder_is_mended_not_made_again(labels, tmp_path, monkeypatch):
    out = tmp_path / "noisy"
    corrupt_folder(labels, out, "flip:0.2")
    before = contents(out)
    (out / "a.png").write_bytes(b"damaged")
    Image.fromarray(blobs((16, 16), "new").astype(np.uint8)).save(labels / "new.png")
    Image.fromarray(blobs((40, 50), "other").astype(np.uint16)).save(labels / "b.png")
    real, again = corrupt_module._make_noisy, []
    monkeypatch.setattr(corrupt_module, "_make_noisy", lambda task: again.append(task.file) or real(task))
    manifest = corrupt_folder(labels, out, "flip:0.2")
    assert sorted(again) == ["a.png", "b.png", "new.png"]
    assert contents(out)["a.png"] == before["a.png"]
    assert len(manifest.files) == 8


def test_no_half_written_file_is_left(labels, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fails)
    with pytest.raises(OSError, match="No space"):
        corrupt_folder(labels, tmp_path / "noisy", "flip:0.2")
    assert set(contents(tmp_path / "noisy")) == {JOURNAL_NAME}


@pytest.mark.parametrize("where", ["labels", "labels/out", "."])
def test_the_input_folder_is_never_written(labels, tmp_path, where):
    before = contents(labels)
    with pytest.raises(DataError, match="apart from the clean ones"):
        corrupt_folder(labels, tmp_path / where, "flip:0.2")
    assert contents(labels) == before


def test_other_contents_are_never_overwritten(labels, tmp_path):
    out = tmp_path / "noisy"
    corrupt_folder(labels, out, "flip:0.2")
    with pytest.raises(DataError, match=r"holds the noise 'flip:0.2' with seed 0"):
        corrupt_folder(labels, out, "flip:0.2", seed=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_bytes(b"precious")
    with pytest.raises(DataError, match="holds files already"):
        corrupt_folder(labels, tmp_path / "mine", "flip:0.2")
    assert (tmp_path / "mine" / "a.png").read_bytes() == b"precious"


def test_bad_input_is_told_with_its_path(labels, tmp_path):
    with pytest.raises(ConfigError, match=r"at 'flop' \(column 1\)"):
        corrupt_folder(labels, tmp_path / "noisy", "flop:0.2")
    with pytest.raises(ConfigError, match=r"noise 'swap:0.2': swap needs at least two object classes"):
        corrupt_folder(labels, tmp_path / "noisy", "swap:0.2")
    with pytest.raises(DataError, match="no such folder"):
        corrupt_folder(tmp_path / "nowhere", tmp_path / "noisy", "flip:0.2")
    with pytest.raises(DataError, match=r"a\.png holds class 1"):
        corrupt_folder(labels, tmp_path / "noisy", "flip:0.2", num_classes=1)
    (labels / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a\.png: the file cannot be read"):
        corrupt_folder(labels, tmp_path / "other", "flip:0.2")
    assert not (tmp_path / "other").exists()
    (tmp_path / "manifest.json").write_text(json.dumps({"recipe": 3}))
    with pytest.raises(DataError, match="no manifest of noisy labels"):
        check_manifest(tmp_path / "manifest.json")


def test_masks_of_0_and_255_are_refused(tmp_path):
    root: Path = tmp_path / "labels"
    root.mkdir()
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(root / "a.png")
    with pytest.raises(DataError, match="255 means IGNORE"):
        corrupt_folder(root, tmp_path / "noisy", "flip:0.2")
    Image.fromarray(np.array([[0, 1]], np.uint8)).save(root / "a.tif")
    with pytest.raises(DataError, match="has the same name but for the suffix"):
        corrupt_folder(root, tmp_path / "noisy", "flip:0.2")


def test_a_colour_tiff_is_no_volume(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((20, 30, 3), np.uint8), photometric="rgb")
    with pytest.raises(DataError, match=r"rgb\.tif: .* holds colours"):
        read_label_file(tmp_path / "rgb.tif")


def test_a_link_out_of_the_output_is_not_followed(labels, tmp_path):
    out = tmp_path / "out"
    corrupt_folder(labels, out, "flip:0.3")
    before = (labels / "sub" / "d.png").read_bytes()
    for path in (out / "sub").iterdir():
        path.unlink()
    (out / "sub").rmdir()
    (out / "sub").symlink_to(labels / "sub")
    with pytest.raises(DataError, match="a link leads out of"):
        corrupt_folder(labels, out, "flip:0.3")
    assert (labels / "sub" / "d.png").read_bytes() == before


def test_check_finds_files_and_numbers_that_the_manifest_does_not_back(labels, tmp_path):
    out = tmp_path / "out"
    corrupt_folder(labels, out, "flip:0.3")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(out / "extra.png")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(labels / "new.png")
    content = json.loads((out / "manifest.json").read_text())
    content["files"][0]["dice"] = 0.123
    (out / "manifest.json").write_text(json.dumps(content))
    problems = check_manifest(out / "manifest.json")
    assert [problem.split(":")[0] for problem in problems] == ["a.png", "extra.png", "new.png"]


def test_a_data_set_is_no_folder_of_labels(tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / "set" / "train" / kind).mkdir(parents=True)
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "set" / "train" / kind / "a.png")
    with pytest.raises(DataError, match=r"train/images: these are images, not labels; .*train/labels"):
        corrupt_folder(tmp_path / "set", tmp_path / "out", "flip:0.3")
