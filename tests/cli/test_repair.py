"""The subcommand `repair`: one call, a dry run, JSON, and wrong use."""

import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from metastructure.cli.repair import repair
from metastructure.errors import ConfigError

app = typer.Typer()
app.command()(repair)


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


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


def test_labels_are_repaired(labels, matrix, tmp_path):
    out = tmp_path / "mended"
    result = call(labels, out, "--transition", matrix)
    assert result.exit_code == 0
    assert "share that keeps its class, by class: 0.990, 0.990" in result.stdout
    assert result.stdout.splitlines()[-1] == f"2 labels, 2 changed, 0.06 % of the pixels: {out}/repair.csv"
    assert np.asarray(Image.open(out / "a.png"))[2, 33] == 0


def test_a_dry_run_needs_no_folder(labels):
    result = call(labels, "--method", "shift:-1", "--dry-run")
    assert result.exit_code == 0
    assert "objects: 2 vanished" in result.stdout
    assert result.stdout.endswith("dry run, nothing written\n")


def test_json_is_the_manifest(labels, matrix, tmp_path):
    found = json.loads(call(labels, tmp_path / "mended", "--transition", matrix, "--json").stdout)
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
    ],
)
def test_wrong_use_exits_with_2(words):
    assert call(*words).exit_code == 2


def test_a_bad_method_or_file_is_a_config_error(labels, tmp_path):
    assert isinstance(call(labels, tmp_path / "out", "--method", "blur").exception, ConfigError)
    assert isinstance(call(labels, tmp_path / "out", "--transition", tmp_path / "none").exception, ConfigError)
