"""Folders of repaired labels: formats, resuming, the account given, and refusals."""

import csv
import json
import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from metastructure.audit import repair_folder
from metastructure.audit.predictions import JOURNAL_NAME as PREDICTIONS_JOURNAL
from metastructure.audit.repair_folder import JOURNAL_NAME, load_transition
from metastructure.audit.repair_result import load_repair
from metastructure.data.journal import start_journal
from metastructure.data.label_format import find_labels, read_label_file
from metastructure.errors import ConfigError, DataError
from metastructure.label import IGNORE
from metastructure.noise import Dilation
from metastructure.transition import TransitionMatrix

ROWS = [[0.8, 0.2], [0.2, 0.8]]


def clean_label(k, side=72):
    rows, columns = np.mgrid[:side, :side]
    label = np.zeros((side, side), dtype=np.uint8)
    for row, column in [(18 + k % 9, 20), (50, 48 - k % 7), (15, 58)]:
        label[(rows - row) ** 2 + (columns - column) ** 2 < 11**2] = 1
    return label


def noisy_label(k, rate=0.2):
    flipped = np.random.default_rng(k).random((72, 72)) < rate
    return clean_label(k) ^ flipped.astype(np.uint8)


@pytest.fixture
def labels(tmp_path):
    """Four noisy labels: a PNG, one with a palette in a sub-folder, a 16-bit TIFF, a TIFF volume."""
    root = tmp_path / "labels"
    (root / "sub").mkdir(parents=True)
    Image.fromarray(noisy_label(0)).save(root / "a.png")
    coloured = Image.fromarray(noisy_label(1))
    coloured.putpalette([0, 0, 0, 200, 30, 30])
    coloured.save(root / "sub" / "b.png")
    tifffile.imwrite(root / "c.tif", noisy_label(2).astype(np.uint16))
    tifffile.imwrite(root / "d.tif", np.stack([noisy_label(3), noisy_label(4)]))
    return root


def read_all(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in find_labels(folder)}


def test_formats_are_kept_and_originals_untouched(labels, tmp_path):
    before = read_all(labels)
    repair = repair_folder(labels, tmp_path / "out", transition=ROWS)
    assert read_all(labels) == before
    assert [record.file for record in repair.files] == ["a.png", "c.tif", "d.tif", "sub/b.png"]
    for path in find_labels(labels):
        source, target = (read_label_file(root / path.relative_to(labels)) for root in (labels, tmp_path / "out"))
        assert target.pixels.dtype == source.pixels.dtype
        assert target.pixels.shape == source.pixels.shape
        assert target.palette == source.palette
    a = read_label_file(tmp_path / "out" / "a.png").pixels
    assert (a != clean_label(0)).sum() < 0.15 * (noisy_label(0) != clean_label(0)).sum()
    assert not (tmp_path / "out" / JOURNAL_NAME).exists()


def test_the_account_is_that_of_the_pixels(labels, tmp_path):
    out = tmp_path / "out"
    repair = repair_folder(labels, out, transition=TransitionMatrix(ROWS))
    before, after = (read_label_file(folder / "a.png").pixels for folder in (labels, out))
    with (out / "repair.csv").open(encoding="utf-8") as stream:
        line = next(csv.DictReader(stream))
    assert line["file"] == "a.png"
    assert line["method"] == "denoise"
    assert int(line["changed_pixels"]) == (before != after).sum()
    assert float(line["changed_percent"]) == pytest.approx(100 * (before != after).mean(), abs=1e-4)
    assert int(line["gained_1"]) == int(line["lost_0"]) == ((before == 0) & (after == 1)).sum()
    assert int(line["gained_0"]) == int(line["lost_1"]) == ((before == 1) & (after == 0)).sum()
    recipe = json.loads((out / "repair.json").read_text())["recipe"]
    assert recipe["transition"] == ROWS
    assert (recipe["transition_from"], recipe["estimate"]) == ("given", None)
    assert recipe["half_width_px"] in (1, 2)
    assert load_repair(out / "repair.json") == repair


def test_the_matrix_is_estimated_with_intervals(labels, tmp_path):
    for k in range(5, 25):
        Image.fromarray(noisy_label(k)).save(labels / f"e{k}.png")
    recipe = repair_folder(labels, tmp_path / "out").recipe
    assert np.abs(np.array(recipe.transition) - ROWS).max() < 0.05
    assert recipe.transition_from == "estimated"
    assert recipe.estimate.transition[1][1].low < recipe.transition[1][1] < recipe.estimate.transition[1][1].high


def test_a_dry_run_says_the_same_and_writes_nothing(labels, tmp_path):
    dry = repair_folder(labels, None, transition=ROWS, dry_run=True)
    assert repair_folder(labels, tmp_path / "out", transition=ROWS, dry_run=True) == dry
    assert not (tmp_path / "out").exists()
    real = repair_folder(labels, tmp_path / "out", transition=ROWS)
    assert dry.recipe == real.recipe
    assert [one.model_copy(update={"sha256_out": ""}) for one in real.files] == list(dry.files)


def test_an_interrupted_repair_goes_on(labels, tmp_path):
    whole = repair_folder(labels, tmp_path / "whole", transition=ROWS)
    out, seen = tmp_path / "out", []

    def stop(done, total):
        seen.append(total)
        if done == 4 + 2:  # all are scanned, two are repaired
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repair_folder(labels, out, transition=ROWS, on_item=stop)
    first = out / "a.png"
    made = first.stat().st_mtime_ns
    (out / "c.tif").write_bytes(b"damaged")
    again = repair_folder(labels, out, transition=ROWS)
    assert again == whole
    assert first.stat().st_mtime_ns == made
    assert read_all(out) == read_all(tmp_path / "whole")
    assert set(seen) == {8}


def test_another_repair_or_a_full_folder_is_refused(labels, tmp_path):
    out = tmp_path / "out"
    repair_folder(labels, out, transition=ROWS)
    repair_folder(labels, out, transition=ROWS)
    with pytest.raises(DataError, match="another repair"):
        repair_folder(labels, out, transition=[[0.9, 0.1], [0.2, 0.8]])
    with pytest.raises(DataError, match="another repair"):
        repair_folder(labels, out, method="shift:1")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x.txt").write_text("x")
    with pytest.raises(DataError, match="holds files already"):
        repair_folder(labels, tmp_path / "full", transition=ROWS)
    for inside in (labels, labels / "new", tmp_path):
        with pytest.raises(DataError, match="apart from the originals"):
            repair_folder(labels, inside, transition=ROWS)


def test_the_identity_repairs_nothing_and_copies_bytes(labels, tmp_path):
    repair = repair_folder(labels, tmp_path / "out", transition=[[1, 0], [0, 1]])
    assert repair.recipe.nothing_to_repair.startswith("the transition matrix is the identity")
    assert {record.why for record in repair.files} == {f"nothing to repair: {repair.recipe.nothing_to_repair}"}
    assert read_all(tmp_path / "out") == read_all(labels)


def test_clean_labels_are_found_clean(tmp_path):
    root = tmp_path / "clean"
    root.mkdir()
    for k in range(12):
        square = np.zeros((90, 90), dtype=np.uint8)
        square[10 + k : 50 + k, 20:70] = 1
        Image.fromarray(square).save(root / f"{k}.png")
    repair = repair_folder(root, tmp_path / "out")
    assert "of the pixels carry a wrong class" in repair.recipe.nothing_to_repair
    assert repair.num_changed_files == 0


def test_labels_of_one_class_and_ignored_ones_have_nothing_to_repair(labels, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(empty / "a.png")
    assert repair_folder(empty, None, dry_run=True).recipe.nothing_to_repair == "the labels hold one class at most"
    Image.fromarray(np.full((30, 30), IGNORE, np.uint8)).save(labels / "z.png")
    last = repair_folder(labels, tmp_path / "out", transition=ROWS).files[-1]
    assert (last.file, last.num_known, last.why) == ("z.png", 0, "nothing to repair: every pixel is IGNORE")


def test_random_labels_are_refused(tmp_path):
    root = tmp_path / "random"
    root.mkdir()
    for k in range(4):
        Image.fromarray((np.random.default_rng(k).random((64, 64)) < 0.3).astype(np.uint8)).save(root / f"{k}.png")
    with pytest.raises(DataError, match=r"cannot be estimated \(no structure"):
        repair_folder(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_inverted_labels_need_a_convention(tmp_path):
    root = tmp_path / "inverted"
    root.mkdir()
    for k in range(12):
        Image.fromarray(1 - noisy_label(k, 0.1)).save(root / f"{k}.png")
    with pytest.raises(DataError, match="convention"):
        repair_folder(root, tmp_path / "out")
    rows = np.array(repair_folder(root, None, convention="diagonal", dry_run=True).recipe.transition)
    assert np.abs(rows - [[0.9, 0.1], [0.1, 0.9]]).max() < 0.05
    rows = np.array(repair_folder(root, None, convention="background", dry_run=True).recipe.transition)
    assert np.abs(rows - [[0.1, 0.9], [0.9, 0.1]]).max() < 0.05


def test_a_shift_counts_objects(labels, tmp_path):
    square = np.zeros((30, 30), dtype=np.uint8)
    square[5:20, 5:20] = 1
    square[25, 25] = 1
    root = tmp_path / "squares"
    root.mkdir()
    Image.fromarray(square).save(root / "a.png")
    repair = repair_folder(root, tmp_path / "out", method="shift:-1")
    assert read_label_file(tmp_path / "out" / "a.png").pixels.sum() == 13 * 13
    assert repair.files[0].why == "boundary moved by -1.00 px; objects: 1 vanished"
    assert repair.files[0].objects == {"before": 2, "after": 1, "vanished": 1, "merged": 0, "split": 0}
    header = (tmp_path / "out" / "repair.csv").read_text().splitlines()[0]
    assert header.endswith("objects_vanished,objects_merged,objects_split,method,why")
    assert repair_folder(root, None, method="shift:0.3", dry_run=True).num_changed_files == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "shift"}, "name those, or write 'shift:PX'"),
        ({"method": "relabel"}, "relabelling needs predictions"),
        ({"method": "blur:1"}, "'relabel:all' or 'shift:PX'"),
        ({"method": "shift:inf"}, "shift:PX"),
        ({"transition": "known"}, "'estimated' or the rows"),
        ({"transition": [[0.5, 0.5], [0.5, 0.5]]}, "singular"),
        ({"transition": np.eye(3)}, "3 classes and the labels have 2"),
        ({"transition": [[0.5, 0.6], [0.5, 0.5]]}, "sums to"),
        ({"transition": ROWS, "half_width_px": -1}, "half-width"),
    ],
)
def test_wrong_settings_are_config_errors(labels, tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message):
        repair_folder(labels, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_without_out_only_a_dry_run(labels):
    with pytest.raises(ConfigError, match="out is missing"):
        repair_folder(labels, None, transition=ROWS)


def test_a_wide_window_is_cut_to_small_labels(labels, tmp_path):
    Image.fromarray(np.array([[0, 1, 0], [0, 0, 0]], np.uint8)).save(labels / "tiny.png")
    assert repair_folder(labels, tmp_path / "out", transition=ROWS, half_width_px=5).recipe.half_width_px == 5


def test_masks_are_refused(tmp_path):
    root = tmp_path / "masks"
    root.mkdir()
    Image.fromarray((255 * clean_label(0)).astype(np.uint8)).save(root / "a.png")
    with pytest.raises(DataError, match="255"):
        repair_folder(root, tmp_path / "out")


def test_matrices_in_files(tmp_path):
    path = tmp_path / "q.yaml"
    path.write_text("[[0.9, 0.1], [0.4, 0.6]]")
    assert load_transition(path).rows[1, 0] == 0.4
    for text in ("{a: 1}", "[[0.9, 0.1], [0.4]]", "[[0.9, 0.4], [0.1, 0.6]]", "[["):
        path.write_text(text)
        with pytest.raises(ConfigError, match="no transition matrix"):
            load_transition(path)
    with pytest.raises(ConfigError, match="no such file"):
        load_transition(tmp_path / "none.json")


# --- relabelling, an estimated shift, and the choice among methods


def keep_predictions(folder, labels, num_classes=2):
    """Write what sure networks would say: that the labels are these."""
    with start_journal(folder / PREDICTIONS_JOURNAL, {"num_classes": num_classes}, ()) as add:
        for place, (name, label) in enumerate(labels.items()):
            p = np.stack([ndimage.gaussian_filter((label == c).astype(float), 0.6) for c in range(num_classes)])
            p = 0.999 * p + 0.001 / num_classes
            path = folder / "probabilities" / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, p.astype(np.float16))
            add({"name": name, "fold": place % 2, "sha256": ""})
    return folder


@pytest.fixture
def damaged(tmp_path):
    """Twenty labels, one of them moved by (4, 3) px, one without its first object, one that nobody predicted."""
    root, said = tmp_path / "damaged", {}
    root.mkdir()
    for k in range(20):
        label = clean_label(k)
        said[f"{k:02}"] = label.copy()
        if k == 4:
            label = np.roll(label, (4, 3), axis=(0, 1))
        elif k == 7:
            label[:36, :40] = 0
        Image.fromarray(label).save(root / f"{k:02}.png")
    del said["09"]
    return root, keep_predictions(tmp_path / "predictions", said)


def test_relabelling_mends_the_labels_that_stand_out(damaged, tmp_path):
    root, predictions = damaged
    before = read_all(root)
    repair = repair_folder(root, tmp_path / "out", method="relabel", predictions=predictions)
    assert read_all(root) == before
    changed = {record.file: record for record in repair.files if record.num_changed}
    assert list(changed) == ["04.png"]
    mended = read_label_file(tmp_path / "out" / "04.png").pixels
    moved = np.roll(clean_label(4), (4, 3), axis=(0, 1))
    assert (mended != clean_label(4)).sum() < 0.05 * (moved != clean_label(4)).sum()
    assert "moved by (4, 3) px" in changed["04.png"].why
    assert changed["04.png"].objects == {"added": 0, "removed": 0}
    whys = {record.file: record.why for record in repair.files}
    assert whys["09.png"] == "nothing to repair: no networks predicted this image"
    assert "does not stand out" in whys["07.png"]
    assert repair.recipe.predictions == str(predictions)
    lines = list(csv.DictReader((tmp_path / "out" / "repair.csv").read_text().splitlines()))
    assert [line["method"] for line in lines] == ["relabel"] * 20
    assert lines[4]["objects_added"] == "0"


def test_relabelling_all_adds_the_missing_object_too(damaged):
    root, predictions = damaged
    repair = repair_folder(root, None, method="relabel:all", predictions=predictions, dry_run=True)
    assert [record.file for record in repair.files if record.num_changed] == ["04.png", "07.png"]
    assert repair.files[7].objects == {"added": 1, "removed": 0}


def test_a_stopped_relabelling_goes_on_and_other_predictions_are_refused(damaged, tmp_path, monkeypatch):
    root, predictions = damaged
    out = tmp_path / "out"
    written = []

    def stop(*words, **options):
        written.append(1)
        if len(written) == 6:
            raise KeyboardInterrupt
        return copy(*words, **options)

    copy = shutil.copyfile
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", stop)
        with pytest.raises(KeyboardInterrupt):
            repair_folder(root, out, method="relabel", predictions=predictions)
    assert (out / JOURNAL_NAME).is_file()
    stamp = (out / "00.png").stat().st_mtime_ns
    again = repair_folder(root, out, method="relabel", predictions=predictions)
    assert (out / "00.png").stat().st_mtime_ns == stamp
    assert again.num_changed_files == 1
    keep_predictions(predictions, {"00": clean_label(0)})  # others in the same folder
    with pytest.raises(DataError, match="holds another repair"):
        repair_folder(root, out, method="relabel", predictions=predictions)


def test_predictions_of_fewer_classes_are_refused(damaged, tmp_path):
    root, predictions = damaged
    with pytest.raises(ConfigError, match="predictions are of 2 classes and the labels have 3"):
        repair_folder(root, None, method="relabel", predictions=predictions, num_classes=3, dry_run=True)


def write_images(folder, names):
    for k, name in enumerate(names):
        image = 60 + 90 * clean_label(k) + np.random.default_rng(k).normal(0, 6, (72, 72))
        folder.mkdir(exist_ok=True)
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{name}.png")
    return folder


def test_auto_takes_the_first_method_with_a_clear_reason(damaged, tmp_path):
    root, predictions = damaged
    images = write_images(tmp_path / "images", [f"{k:02}" for k in range(20)])
    chosen = repair_folder(root, None, method="auto", images=images, predictions=predictions, dry_run=True).recipe
    assert chosen.method == "relabel"
    assert "no clear bias" in chosen.chosen_because
    nothing = repair_folder(root, None, method="auto", dry_run=True)
    assert (nothing.recipe.method, nothing.num_changed_files) == ("auto", 0)
    assert nothing.files[0].why.startswith("nothing to repair: the share of random pixels is ")
    noisy, wide = tmp_path / "noisy", tmp_path / "wide"
    for folder in (noisy, wide):
        folder.mkdir()
    for k in range(8):
        Image.fromarray(noisy_label(k)).save(noisy / f"{k:02}.png")
        Image.fromarray(Dilation(radius_px=2)(clean_label(k), np.random.default_rng(0))).save(wide / f"{k:02}.png")
    chosen = repair_folder(noisy, None, method="auto", images=images, predictions=predictions, dry_run=True).recipe
    assert (chosen.method, chosen.transition_from) == ("denoise", "estimated")
    assert "of the pixels are random" in chosen.chosen_because
    repair = repair_folder(wide, tmp_path / "out", method="auto", images=images, predictions=predictions)
    assert -2.3 < float(repair.recipe.method.removeprefix("shift:")) < -1.3
    assert repair.num_changed_files == 8
    assert "beyond the edges of the images" in repair.recipe.chosen_because
    assert repair_folder(wide, None, method="shift", images=images, dry_run=True).recipe.method == repair.recipe.method
    exact = repair_folder(root, None, method="shift", images=images, dry_run=True)
    assert exact.recipe.nothing_to_repair.startswith("no clear bias: boundaries lie ")
    assert exact.num_changed_files == 0
