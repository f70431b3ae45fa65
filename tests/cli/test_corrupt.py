"""The subcommand `corrupt`: one call, its check, and wrong use."""

import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from metastructure.cli.corrupt import corrupt
from metastructure.errors import ConfigError

app = typer.Typer()
app.command()(corrupt)


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def labels(tmp_path):
    root = tmp_path / "labels"
    root.mkdir()
    square = np.zeros((20, 20), dtype=np.uint8)
    square[5:15, 5:15] = 1
    for name in "ab":
        Image.fromarray(square).save(root / f"{name}.png")
    return root


def test_labels_are_written_and_confirmed(labels, tmp_path):
    out = tmp_path / "noisy"
    result = call(labels, out, "--noise", "flip:1", "--seed", 3)
    assert result.exit_code == 0
    expected = "2 labels of 2 classes, 100.0 % of the pixels changed class, 0 unchanged"
    assert result.stdout == f"{expected}: {out / 'manifest.json'}\n"
    checked = call("--check", out / "manifest.json")
    assert (checked.exit_code, "bit for bit" in checked.stdout) == (0, True)
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(out / "b.png")
    failed = call("--check", out / "manifest.json", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["problems"][0].startswith("b.png: ")


def test_json_is_the_manifest(labels, tmp_path):
    result = call(labels, tmp_path / "noisy", "--noise", "erode:1", "--json")
    assert json.loads(result.stdout)["recipe"]["noise"] == "erode:1"


@pytest.mark.parametrize("words", [(), ("labels",), ("labels", "out"), ("labels", "out", "--check", "manifest.json")])
def test_wrong_use_exits_with_2(words):
    assert call(*words).exit_code == 2


def test_a_bad_spec_is_a_config_error(labels, tmp_path):
    assert isinstance(call(labels, tmp_path / "noisy", "--noise", "flip:2").exception, ConfigError)
