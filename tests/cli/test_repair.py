"""The subcommand `repair`: one call, a dry run, JSON, and wrong use."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def labels(tmp_path):
    root = tmp_path / "labels"
    root.mkdir()
    square = np.zeros((40, 40), dtype=np.uint8)
    square[8:30, 5:25] = 1
    square[2, 33] = 1
    for name in "ab":
        Image.fromarray(square).save(root / f"{name}.png")
    return root


@pytest.fixture
def matrix(tmp_path):
    path = tmp_path / "q.json"
    path.write_text("[[0.99, 0.01], [0.01, 0.99]]")
    return path


def test_labels_are_repaired(run, labels, matrix, tmp_path):
    out = tmp_path / "mended"
    result = run("repair", labels, out, "--transition", matrix)
    assert result.code == 0
    assert "share that keeps its class, by class: 0.990, 0.990" in result.out
    assert result.out.splitlines()[-1] == f"2 labels, 2 changed, 0.06 % of the pixels: {out}/repair.csv"
    assert np.asarray(Image.open(out / "a.png"))[2, 33] == 0


def test_a_dry_run_needs_no_folder(run, labels):
    result = run("repair", labels, "--method", "shift:-1", "--dry-run")
    assert result.code == 0
    assert "objects: 2 vanished" in result.out
    assert result.out.endswith("dry run, nothing written\n")


def test_json_is_the_manifest(run, labels, matrix, tmp_path):
    found = json.loads(run("repair", labels, tmp_path / "mended", "--transition", matrix, "--json").out)
    assert found["recipe"]["method"] == "denoise"
    assert found == json.loads((tmp_path / "mended" / "repair.json").read_text())


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("labels",),
        ("labels", "out", "--method", "shift:1", "--transition", "q.json"),
        ("labels", "out", "--method", "shift:1", "--half-width", 2),
        ("labels", "out", "--transition", "q.json", "--convention", "diagonal"),
        ("labels", "out", "--convention", "odd"),
        ("labels", "out", "--method", "relabel"),
        ("labels", "out", "--predictions", "kept"),
        ("labels", "out", "--images", "images"),
        ("labels", "out", "--method", "shift:1", "--predictions", "kept"),
    ],
)
def test_wrong_use_exits_with_2(run, words):
    code, out, err = run("repair", *words)
    assert (code, out) == (2, "")
    assert err.endswith("; see 'metastructure repair --help'.\n")


def test_a_bad_method_or_file_is_named(run, labels, tmp_path):
    code, out, err = run("repair", labels, tmp_path / "out", "--method", "blur")
    assert (code, out) == (2, "")
    assert err.startswith("error: method must be 'auto', 'denoise', 'shift', 'relabel', 'relabel:all' or 'shift:PX'")
    assert err.endswith("such as 'shift:-1.5'; got 'blur'.\n")
    code, out, err = run("repair", labels, tmp_path / "out", "--transition", tmp_path / "none")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path / 'none'}: no such file; write the matrix as [[0.9, 0.1], [0.2, 0.8]]")


def test_a_folder_without_predictions_says_how_to_make_them(run, labels, tmp_path):
    code, out, err = run("repair", labels, tmp_path / "out", "--method", "relabel", "--predictions", tmp_path / "kept")
    assert (code, out) == (2, "")
    assert "metastructure audit IMAGES LABELS -o DIR --out-of-fold" in err
