"""The command as people meet it: help, one-line errors with their exit codes, and every command once."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metastructure.data.files import save_image
from metastructure.study import Store

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("demo",),
        ("corrupt",),
        ("measure",),
        ("measure", "theory"),
        ("train",),
        ("predict",),
        ("evaluate",),
        ("segment",),
        ("repair",),
        ("study",),
        ("study", "run"),
        ("study", "status"),
        ("study", "table"),
        ("study", "report"),
        ("data",),
        ("data", "generate"),
        ("data", "check"),
    ],
)
def test_help_fits_80_columns_and_shows_an_example(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(*words, "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    if words not in {("study",), ("data",)}:
        assert "Example: metastructure" in out or "Start with: metastructure" in out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("studdy",), "No such command 'studdy'"),
        (("study", "run"), "Missing argument 'STUDY.yaml'"),
        (("study", "run", "none.yaml"), "none.yaml: no such study file"),
        (("data", "check", "nowhere"), "nowhere: no such folder"),
        (("data", "generate", "cells", "out"), "cells"),
        (("data", "generate", "nuc", "out", "--bits", "12"), "12"),
        (("demo", "--seed", "x"), "--seed"),
        (("study", "table", "none.yaml", "--format", "pdf"), "pdf"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words)
    assert code == 2
    assert out == ""
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert complaint in lines[0]
    assert list(tmp_path.iterdir()) == [], "wrong use must write nothing"


@pytest.mark.parametrize("words", [(), ("study",), ("data",)])
def test_a_bare_group_prints_its_help(run: Run, words: tuple[str, ...]) -> None:
    code, out, err = run(*words)
    assert code == 2
    assert out.startswith("Usage: metastructure")
    assert "error" not in err


def test_a_study_from_run_to_report(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, study_file: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run("study", "table", study_file)
    assert code == 1
    assert "no run of study 'tiny' is done" in err
    code, out, err = run("study", "run", study_file, "--threads", 1)
    assert code == 0
    assert "flip:0.3" in out
    assert "4/4 blobs · flip:0.3" in err
    code, out, _ = run("study", "status", study_file)
    assert out.startswith("tiny: 4 done, 0 interrupted, 0 missing")
    code, out, _ = run("study", "status", study_file, "--json")
    assert len(json.loads(out)["done"]) == 4
    code, out, _ = run("study", "table", study_file, "--json")
    assert [row["noise"] for row in json.loads(out)["table"]] == ["clean", "flip:0.3"]
    assert json.loads(out)["claims"] == []
    code, out, _ = run("study", "table", study_file, "--format", "csv")
    assert out.startswith("data,network,recipe,noise,")
    code, out, _ = run("study", "table", study_file, "--format", "markdown")
    assert out.startswith("| label |")
    code, out, _ = run("study", "report", study_file, "--out", "page.html")
    assert code == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    code, out, _ = run("study", "report", study_file, "--out", "page.html", "--json")
    assert json.loads(out) == {"page": "page.html"}
    code, out, _ = run("study", "export", study_file, "--out", "runs.csv", "--json")
    assert json.loads(out) == {"format": "csv", "out": "runs.csv"}


def test_ctrl_c_is_told_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, study_file: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Store, "save", interrupt)
    code, _, err = run("study", "run", study_file, "--threads", 1)
    assert code == 130
    assert err.splitlines()[-1] == "error: interrupted; the same command goes on where it stopped."


def test_generate_then_check(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mito"
    words = ("data", "generate", "mito", folder, "--train", 2, "--val", 1, "--test", 1, "--size", 32, "--bits", 16)
    assert run(*words)[0] == 0
    code, out, _ = run("data", "check", folder)
    assert code == 0
    assert "train  2 images, 32 x 32, uint16" in out
    code, out, _ = run("data", "check", folder, "--json")
    assert json.loads(out)["num_classes"] == 2


def test_check_lists_all_problems_and_exits_with_1(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = ("data", "generate", "nuc", tmp_path / "nuc", "--train", 2, "--val", 1, "--test", 0, "--size", 32)
    assert run(*words)[0] == 0
    label = next((tmp_path / "nuc" / "val" / "labels").iterdir())
    save_image(label, np.full((32, 32), 255, np.uint8))
    monkeypatch.chdir(tmp_path)
    code, out, err = run("data", "check", "nuc")
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == "nuc: 2 classes, grey images"
    assert lines[1].startswith("  train  2 images, 32 x 32")
    assert lines[2:] == [
        "2 problems:",
        "  nuc/test: this split is missing; make it with the folders images and labels.",
        "  nuc/val/labels: every pixel of these labels is IGNORE (255); label some of them.",
    ]
    code, out, _ = run("data", "check", "nuc", "--json")
    assert code == 1
    assert [problem.partition(":")[0] for problem in json.loads(out)["problems"]] == ["nuc/test", "nuc/val/labels"]
    code, out, _ = run("data", "check", "nuc/train")
    assert code == 1
    assert out.startswith("nuc/train: no split that can be used\n3 problems:\n")


def test_importing_the_package_or_asking_for_help_does_not_load_torch() -> None:
    code = (
        "import sys, metastructure as ms; ms.parse_noise('flip:0.3'); ms.contingency_table, ms.load_label\n"
        "import metastructure.cli.app, metastructure.report\n"
        "print([name for name in ('torch', 'monai', 'lightning_fabric', 'ray') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_public_name_can_be_had() -> None:
    import metastructure as ms

    for name in ms.__all__:
        assert getattr(ms, name) is not None
    assert {"parse_noise", "load_study", "TransitionMatrix"} <= set(dir(ms))
