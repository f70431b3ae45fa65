"""`measure theory`: folders, generated labels, files written, and wrong use."""

import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from metastructure.cli.measure_theory import Kind, theory
from metastructure.data.strict_json import to_json
from metastructure.data.synthetic import KINDS
from metastructure.data.theory_report import TheoryReport
from metastructure.errors import DataError
from metastructure.rng import generator

app = typer.Typer()
app.command()(theory)


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def labels(tmp_path):
    root = tmp_path / "labels"
    root.mkdir()
    for index, coarse in enumerate(generator(1).integers(0, 2, (3, 5, 6)).astype(np.uint8)):
        Image.fromarray(np.kron(coarse, np.ones((6, 6), np.uint8))).save(root / f"{index}.png")
    return root


def test_a_folder_gives_a_table_and_a_page(labels, tmp_path):
    result = call(labels, "--images", 1, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.exception
    assert f"{labels}: 1 of 3 labels" in result.stdout.replace("\n", " ")
    assert f"page: {tmp_path / 'out' / 'index.html'}" in result.stdout
    assert json.loads((tmp_path / "out" / "theory.json").read_text())["num_images"] == 1


def test_json_of_generated_labels():
    result = call("--kind", "mito", "--images", 1, "--seed", 5, "--json")
    found = json.loads(result.stdout)
    assert (found["labels"], found["seed"]) == ("generated labels of kind mito, 256 x 256", 5)


def test_json_is_read_by_strict_parsers_and_comes_back(labels, tmp_path):
    """One image has no intervals, and clean labels an infinite signal: neither is a JSON number."""

    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    result = call(labels, "--images", 1, "--json", "-o", tmp_path / "out")
    assert json.loads(result.stdout, parse_constant=refuse)["theorem_2"][0]["corrected"]["low"] == "NaN"
    text = (tmp_path / "out" / "theory.json").read_text()
    assert text == result.stdout
    assert to_json(TheoryReport.model_validate_json(text)) == text.rstrip()


def test_the_kinds_are_those_that_can_be_generated():
    assert [kind.value for kind in Kind] == sorted(KINDS)


def test_wrong_use(labels, tmp_path):
    assert call(labels, "--kind", "nuc").exit_code == 2
    assert call("--kind", "golgi").exit_code == 2
    assert isinstance(call(tmp_path / "none").exception, DataError)
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "empty.png")
    for file in labels.iterdir():
        file.unlink()
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(labels / "empty.png")
    assert "class 0 alone" in str(call(labels).exception)
