"""The subcommand `corrupt`: one call, its check, and wrong use."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def labels(tmp_path):
    root = tmp_path / "labels"
    root.mkdir()
    square = np.zeros((20, 20), dtype=np.uint8)
    square[5:15, 5:15] = 1
    for name in "ab":
        Image.fromarray(square).save(root / f"{name}.png")
    return root


def test_labels_are_written_and_confirmed(run, labels, tmp_path):
    out = tmp_path / "noisy"
    result = run("corrupt", labels, out, "--noise", "flip:1", "--seed", 3)
    assert result.code == 0
    expected = "2 labels of 2 classes, 100.0 % of the pixels changed class, 0 unchanged"
    assert result.out == f"{expected}: {out / 'manifest.json'}\n"
    checked = run("corrupt", "--check", out / "manifest.json")
    assert (checked.code, "bit for bit" in checked.out) == (0, True)
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(out / "b.png")
    failed = run("corrupt", "--check", out / "manifest.json", "--json")
    assert failed.code == 1
    assert json.loads(failed.out)["problems"][0].startswith("b.png: ")


def test_json_is_the_manifest(run, labels, tmp_path):
    result = run("corrupt", labels, tmp_path / "noisy", "--noise", "erode:1", "--json")
    assert json.loads(result.out)["recipe"]["noise"] == "erode:1"


@pytest.mark.parametrize("words", [(), ("labels",), ("labels", "out"), ("labels", "out", "--check", "manifest.json")])
def test_wrong_use_exits_with_2(run, words):
    code, out, err = run("corrupt", *words)
    assert (code, out) == (2, "")
    assert err.endswith("; see 'metastructure corrupt --help'.\n")


def test_a_bad_spec_is_named(run, labels, tmp_path):
    code, out, err = run("corrupt", labels, tmp_path / "noisy", "--noise", "flip:2")
    assert (code, out) == (2, "")
    assert err == "error: noise 'flip:2', at '2' (column 6): rate: input should be less than or equal to 1.\n"
