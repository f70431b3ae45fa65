"""``metastructure measure``: table, JSON, page, wrong use, and the place for sub-commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import metastructure as ms
from metastructure.cli import measure as measure_module
from metastructure.data.measurement import Measurement
from metastructure.data.strict_json import to_json

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Two small labels."""
    root = tmp_path / "labels"
    root.mkdir()
    square = np.zeros((20, 24), dtype=np.uint8)
    square[5:15, 5:15] = 1
    for shift, name in enumerate("ab"):
        Image.fromarray(np.roll(square, shift, axis=0)).save(root / f"{name}.png")
    return root


def test_table_json_and_page(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, labels: Path) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("measure", "labels", "--half-widths", "1,2", "--classes", 2)
    assert code == 0
    assert out.startswith("2 labels, 20 x 24 px, 2 classes, 0.0 % IGNORE: labels\n")
    assert max(map(len, out.splitlines())) <= 80
    assert "add -o DIR" in out
    code, out, _ = run("measure", "labels", "--against", labels, "-o", "out", "--json", "--seed", 3)
    assert code == 0
    found = json.loads(out)
    assert (found["seed"], found["num_images"]) == (3, 2)
    assert found["comparison"]["counts"] == [[760, 0], [0, 200]]
    assert json.loads((tmp_path / "out" / "measurement.json").read_text()) == json.loads(out)
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "metastructure measure labels --against" in page


@pytest.mark.parametrize("words", [("labels",), ("theory", "labels", "--images", 1)])
def test_results_are_never_overwritten(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, labels: Path, words: tuple[object, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()  # empty: taken
    assert run("measure", *words, "-o", "out")[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    code, out, err = run("measure", *words, "-o", "out")
    assert (code, out) == (2, "")
    assert err == "error: out: this folder holds files already; name a new one for the result.\n"
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    code, _, err = run("measure", "nowhere", "-o", labels / "a.png")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "a.png: this is a file" in err  # told before the labels are looked for


def read_strictly(text: str) -> Any:
    """Return the content of JSON as every parser reads it: NaN and Infinity are no JSON."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_what_is_undefined_is_json_too(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    Image.fromarray(np.full((20, 24), 255, dtype=np.uint8)).save(tmp_path / "labels" / "a.png")
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("measure", "labels", "--against", "labels", "-o", "out", "--json")
    assert code == 0
    found = read_strictly(out)
    assert found["comparison"]["sigma_min"]["value"] == found["classes"][0]["share"] == "NaN"
    assert read_strictly((tmp_path / "out" / "measurement.json").read_text()) == found
    again = Measurement.model_validate_json(out)
    assert np.isnan(again.classes[0].share)
    assert to_json(again) == out.rstrip()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "Missing argument 'LABELS'"),
        (("nowhere",), "nowhere: no such folder of labels"),
        (("labels", "--half-widths", "1,x"), "whole numbers with commas"),
        (("labels", "--half-widths", "20"), "smaller than the shortest side"),
        (("labels", "--classes", "1"), "--classes"),
        (("labels", "--against", "nowhere"), "nowhere: no such folder of labels"),
        (("labels", "--images", "nowhere"), "nowhere: no such folder of images"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, labels: Path, words: tuple[str, ...], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("measure", *words, "-o", "out")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert complaint in err
    assert not (tmp_path / "out").exists()


def test_help_fits_and_shows_an_example(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run("measure", "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "Example: metastructure measure" in out


def test_the_first_word_may_name_a_sub_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(number: int) -> None:
        """Count. Example: metastructure measure count 3."""
        print(number + 1)

    monkeypatch.setitem(measure_module.SUB_COMMANDS, "count", count)
    assert run("measure", "count", 3)[:2] == (0, "4\n")
    code, out, _ = run("measure", "count", "--help")
    assert code == 0
    assert out.startswith("Usage: metastructure measure count [OPTIONS]")
    code, _, err = run("measure", "./count")
    assert code == 2
    assert "count: no such folder of labels" in err.splitlines()[0]


def test_public_names() -> None:
    assert {"measure_labels", "Measurement"} <= set(ms.__all__)
    assert ms.measure_labels is not None
