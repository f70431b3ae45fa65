"""`measure theory`: folders, generated labels, files written, and wrong use."""

import json

import numpy as np
import pytest
from PIL import Image

from metastructure.cli.measure_theory import Kind
from metastructure.data.strict_json import to_json
from metastructure.data.synthetic import KINDS
from metastructure.data.theory_report import TheoryReport
from metastructure.rng import generator


@pytest.fixture
def labels(tmp_path):
    root = tmp_path / "labels"
    root.mkdir()
    for index, coarse in enumerate(generator(1).integers(0, 2, (3, 5, 6)).astype(np.uint8)):
        Image.fromarray(np.kron(coarse, np.ones((6, 6), np.uint8))).save(root / f"{index}.png")
    return root


def test_a_folder_gives_a_table_and_a_page(run, labels, tmp_path):
    result = run("measure", "theory", labels, "--images", 1, "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert f"{labels}: 1 of 3 labels" in result.out.replace("\n", " ")
    assert f"page: {tmp_path / 'out' / 'index.html'}" in result.out
    assert json.loads((tmp_path / "out" / "theory.json").read_text())["num_images"] == 1


def test_json_of_generated_labels(run):
    result = run("measure", "theory", "--kind", "mito", "--images", 1, "--seed", 5, "--json")
    found = json.loads(result.out)
    assert (found["labels"], found["seed"]) == ("generated labels of kind mito, 256 x 256", 5)


def test_json_is_read_by_strict_parsers_and_comes_back(run, labels, tmp_path):
    """One image has no intervals, and clean labels an infinite signal: neither is a JSON number."""

    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    result = run("measure", "theory", labels, "--images", 1, "--json", "-o", tmp_path / "out")
    assert json.loads(result.out, parse_constant=refuse)["theorem_2"][0]["corrected"]["low"] == "NaN"
    text = (tmp_path / "out" / "theory.json").read_text()
    assert text == result.out
    assert to_json(TheoryReport.model_validate_json(text)) == text.rstrip()


def test_the_kinds_are_those_that_can_be_generated():
    assert [kind.value for kind in Kind] == sorted(KINDS)


def test_wrong_use(run, labels, tmp_path):
    for words in ((labels, "--kind", "nuc"), ("--kind", "golgi")):
        code, out, err = run("measure", "theory", *words)
        assert (code, out) == (2, "")
        assert err.endswith("; see 'metastructure measure theory --help'.\n")
    none = tmp_path / "none"
    assert run("measure", "theory", none) == (2, "", f"error: {none}: no such folder of labels.\n")
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "empty.png")
    for file in labels.iterdir():
        file.unlink()
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(labels / "empty.png")
    code, out, err = run("measure", "theory", labels)
    assert (code, out) == (2, "")
    assert "class 0 alone" in err
