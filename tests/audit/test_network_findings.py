"""What networks that never saw a label say: by probabilities made by hand, from findings to files, page and text."""

import csv
import json
import sys

import numpy as np
import pytest
import tifffile

from metastructure.audit.audit_folder import audit_folder
from metastructure.audit.audit_outputs import WRITTEN, images_table
from metastructure.audit.audit_result import Audit, ObjectAudit
from metastructure.audit.label_scores import ImageScore, LabelScores
from metastructure.audit.network_findings import SURE_NATS, is_moved, join_objects, stand_out
from metastructure.audit.predictions import JOURNAL_NAME, PREDICTIONS_NAME, load_predictions
from metastructure.audit.verdict import judge
from metastructure.cli.audit import UNFINISHED
from metastructure.data.files import save_image
from metastructure.data.journal import start_journal
from metastructure.data.synthetic import generate
from metastructure.errors import DataError
from metastructure.label import IGNORE
from metastructure.noise import Dilation
from metastructure.report.audit_page import write_audit
from metastructure.report.audit_text import to_text
from metastructure.rng import generator

NUM, SIDE = 20, 96


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals of Q and of the bias from 40 resamples, for speed."""
    monkeypatch.setattr(sys.modules["metastructure.audit.audit_folder"], "NUM_RESAMPLES", 40)


def keep(folder, probabilities):
    """Write probabilities as `out_of_fold` keeps them, in two folds."""
    with start_journal(folder / JOURNAL_NAME, {"num_classes": 2}, ()) as add:
        for place, (name, p_CHW) in enumerate(probabilities.items()):
            path = folder / "probabilities" / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, p_CHW.astype(np.float16))
            add({"name": name, "fold": place % 2, "sha256": ""})
    return folder


@pytest.fixture(scope="module")
def pairs():
    """Generated images of nuclei with their labels."""
    return {f"{k:02}": generate("nuc", seed=3, index=k, height=SIDE, width=SIDE) for k in range(NUM)}


def write(root, pairs, change, believe):
    """Write images, labels changed by name, and what a good network would say; return the audit."""
    said = {}
    for name, (image, label) in pairs.items():
        drawn = change.get(name, lambda label: label)(label.copy())
        if image is not None:
            save_image(root / "images" / f"{name}.png", image)
        save_image(root / "labels" / f"{name}.png", drawn)
        said[name] = believe(label, blur_px=0.7, sure=0.999)
    keep(root / PREDICTIONS_NAME, said)
    return root


def audit_of(root):
    return audit_folder(root / "images", root / "labels", num_classes=2, predictions=load_predictions(root))


def moved(label):
    out = np.zeros_like(label)
    out[4:, 3:] = label[:-4, :-3]
    return out


def grown(label):
    return Dilation(radius_px=3)(label, generator(0))


@pytest.fixture(scope="module")
def told(tmp_path_factory, pairs, believe):
    """The audit of a folder with one label moved, one grown, and one that no network predicted."""
    root = tmp_path_factory.mktemp("told")
    write(root, pairs, {"05": moved, "11": grown}, believe)
    (root / "out-of-fold" / "probabilities" / "07.npy").unlink()
    journal = root / "out-of-fold" / JOURNAL_NAME
    journal.write_text("".join(line + "\n" for line in journal.read_text().splitlines() if '"07"' not in line))
    return root, audit_of(root)


def score(name, shift_px, gain, moved_px, value=1.0):
    return ImageScore(
        name=name, score=value, kind="boundary", evidence={}, shift_px=shift_px, shift_class=1,
        translation_px=moved_px, translation_gain=gain, region_px=0, region_at=(0, 0), soft_minimum=0.5,
    )  # fmt: skip


def test_what_stands_out_by_hand():
    spread = [0.1, -0.1, 0.2, -0.2, 0.0] * 8
    images = [score(str(k), 0.5 + off, -1.0, (5, 5)) for k, off in enumerate(spread)]
    images += [score("off", 2.5, -1.0, (0, 0)), score("moved", 0.5, 3.0, (0, -2)), score("jittered", 0.5, 3.0, (1, 1))]
    images += [score("empty", np.nan, np.nan, (0, 0))]
    scores = LabelScores(images=tuple(images), shift_px={1: 0.5}, level=0)
    assert stand_out(scores) == {
        "off": "boundary +2.5 px off, +0.5 usually",
        "moved": "moved by (0, -2) px",
    }
    assert [is_moved(one) for one in images[-3:]] == [True, False, False]
    few = scores.model_copy(update={"images": tuple(images[:3] + images[40:41])})
    assert stand_out(few) == {}  # four labels do not say what is usual


def test_moved_and_grown_labels_are_named_and_ranked_first(told):
    _, audit = told
    assert audit.network is not None
    assert set(audit.network.standing_out) == {"05", "11"}
    assert "moved by (4, 3) px" in audit.network.standing_out["05"]
    assert {one.name for one in audit.ranked()[:2]} == {"05", "11"}
    assert audit.ranked()[-1].name == "07"
    assert audit.network.skipped == ("07",)
    found = {one.kind: one for one in audit.network.findings}
    assert list(found) == ["missing", "spurious", "boundary", "moved"]
    assert (found["boundary"].images, found["moved"].images[:1]) == (("11",), ("05",))
    verdict = judge(audit)
    assert set(verdict.first[:2]) == {"05", "11"}
    assert any("labels without a usable image, such as 07" in one for one in verdict.not_tested)
    assert any("all labels share" in one for one in verdict.not_tested)


def test_objects_that_networks_deny_or_miss_decide_the_level(tmp_path, pairs, believe):
    def drop(label):
        label[: SIDE // 2] = 0
        return label

    root = write(tmp_path, pairs, dict.fromkeys(list(pairs)[::2], drop), believe)
    audit = audit_of(root)
    assert audit.network is not None
    missing, spurious = audit.network.findings[:2]
    assert (missing.kind, missing.confidence, spurious.confidence) == ("missing", "clear", "none")
    named = [one for one in audit.objects if one.network == "missing"]
    assert len(named) > 10
    assert all(one.row < SIDE / 2 and int(one.image) % 2 == 0 and one.weight > SURE_NATS / 100 for one in named)
    assert judge(audit).level == "fix first"
    assert "missing objects" in judge(audit).headline


def test_objects_are_left_alone_where_random_pixels_break_them_up(tmp_path, pairs, believe):
    def flip(label):
        return label ^ (generator(0, str(label.sum())).random(label.shape) < 0.2)

    audit = audit_of(write(tmp_path, pairs, dict.fromkeys(pairs, flip), believe))
    assert audit.network is not None
    assert [one.confidence for one in audit.network.findings[:2]] == ["not tested"] * 2
    assert not any(one.network for one in audit.objects)
    assert any("what networks say of objects: random pixels" in one for one in judge(audit).not_tested)


def suspect(image, why, box, **others):
    row, column = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    given = {"klass": 1, "row": row, "column": column, "area_px": 9, "score": 0.5} | others
    return ObjectAudit(image=image, why=why, box=box, **given)


def test_an_object_named_by_both_sides_comes_once():
    own = [suspect("a", "missing", (0, 0, 4, 4)), suspect("a", "spurious", (10, 10, 14, 14), score=0.9)]
    other = {
        "a": [
            suspect("a", "missing", (0, 1, 4, 5), network="missing", weight=3.0, score=float("nan")),
            suspect("a", "missing", (10, 10, 14, 14), network="missing", weight=9.0, score=float("nan")),
        ],
        "b": [suspect("b", "displaced", (0, 0, 2, 2), network="displaced", weight=1.0, score=float("nan"))],
    }
    joined = join_objects(own, other)
    assert [(one.image, one.box, one.network) for one in joined] == [
        ("a", (10, 10, 14, 14), "missing"),  # the networks' missing one is not the drawn one in its place
        ("a", (0, 0, 4, 4), "missing"),
        ("a", (10, 10, 14, 14), None),
        ("b", (0, 0, 2, 2), "displaced"),
    ]
    assert joined[1].score == 0.5
    assert joined[1].weight == 3.0


def test_files_page_and_text(told, tmp_path):
    root, audit = told
    out = tmp_path / "out"
    save_image(out / "pixels" / "05.tif", np.zeros((2, 2), np.uint8))  # left by a call that was stopped
    page = write_audit(audit, judge(audit), out).read_text(encoding="utf-8")
    rows = list(csv.DictReader((out / "images.csv").read_text().splitlines()))
    assert {rows[0]["name"], rows[1]["name"]} == {"05", "11"}
    assert (rows[-1]["name"], rows[-1]["network_score"], rows[-1]["network_stands_out"]) == ("07", "", "")
    five = next(row for row in rows if row["name"] == "05")
    assert (five["network_row_px"], five["network_column_px"]) == ("4", "3")
    objects = list(csv.DictReader((out / "objects.csv").read_text().splitlines()))
    assert {row["network_says"] for row in objects if row["image"] == "11"} >= {"too large"}
    pixels = tifffile.imread(out / "pixels" / "05.tif")
    label, clean = audit_label(root, "05"), audit_label(root, "05", clean=True)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (SIDE, SIDE))
    assert pixels[label != clean].mean() > 60 > 10 > pixels[label == clean].mean()
    assert not (out / "pixels" / "07.tif").exists()
    content = json.loads((out / "audit.json").read_text())
    assert Audit.model_validate(content["audit"]).network is not None
    assert "What networks say that never saw the label" in page
    assert "Images are ranked by what 2 networks that never saw the label say" in page
    text = to_text(audit, judge(audit))
    assert "Images are ranked by what 2 networks" in text
    assert max(len(line) for line in text.splitlines() if str(root) not in line) <= 79


def audit_label(root, name, clean=False):
    if clean:
        return generate("nuc", seed=3, index=int(name), height=SIDE, width=SIDE)[1]
    from metastructure.data.files import load_label

    return load_label(root / "labels" / f"{name}.png")


def test_ignored_pixels_are_255_in_the_scores(tmp_path, pairs, believe):
    def ignore(label):
        label[:7] = IGNORE
        return label

    few = {name: pairs[name] for name in list(pairs)[:4]}
    root = write(tmp_path, few, {"02": ignore}, believe)
    audit = audit_of(root)
    write_audit(audit, judge(audit), tmp_path / "out")
    pixels = tifffile.imread(tmp_path / "out" / "pixels" / "02.tif")
    assert (pixels[:7] == 255).all()
    assert pixels[7:].max() <= 100


def test_predictions_of_something_else_are_refused(tmp_path, pairs, believe):
    few = {name: pairs[name] for name in list(pairs)[:3]}
    root = write(tmp_path, few, {}, believe)
    with pytest.raises(DataError, match="no out-of-fold predictions here; make them with"):
        load_predictions(root / "labels")
    save_image(root / "labels" / "01.png", np.zeros((50, 50), np.uint8))
    with pytest.raises(DataError, match="not the predictions of label '01'"):
        audit_of(root)
    other = keep(tmp_path / "other", {"zebra": believe(few["00"][1])})
    with pytest.raises(DataError, match=r"of none of the labels in .* but of images such as 'zebra'"):
        audit_folder(root / "images", root / "labels", predictions=load_predictions(other))


def test_without_networks_nothing_changes(tmp_path, pairs, believe):
    few = {name: pairs[name] for name in list(pairs)[:4]}
    root = write(tmp_path, few, {}, believe)
    audit = audit_folder(root / "images", root / "labels")
    assert audit.network is None
    assert "network" not in images_table(audit).splitlines()[0]
    assert [one.name for one in audit.ranked()] == [
        one.name for one in sorted(audit.images, key=lambda one: (-one.suspicion, one.name))
    ]
    assert "ranked by" not in to_text(audit, judge(audit))


def test_the_command_knows_what_an_audit_may_leave():
    assert set(UNFINISHED) == set(WRITTEN)
