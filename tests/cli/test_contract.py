"""What all commands share: an example in their help, --json, and one line for wrong use that never waits for torch."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

import pytest
import typer

from metastructure.cli.app import app
from metastructure.cli.measure import SUB_COMMANDS
from metastructure.cli.options import Kind
from metastructure.data.synthetic import KINDS, write_dataset
from metastructure.study import Store, StudySpec

Run = Callable[..., Any]

SLOW = ("torch", "monai", "lightning_fabric", "ray", "matplotlib", "pandas", "napari")


def _walk(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from _walk(child, (*words, name))
    else:
        yield words, command


COMMANDS = dict(_walk(typer.main.get_command(app)))


def _named(command: Any, kind: str) -> list[Any]:
    return [parameter for parameter in command.params if parameter.param_type_name == kind]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_json(words: tuple[str, ...]) -> None:
    options = {name for option in _named(COMMANDS[words], "option") for name in option.opts}
    assert "--json" in options


@pytest.mark.parametrize("words", [*COMMANDS, *(("measure", name) for name in SUB_COMMANDS)], ids=" ".join)
def test_help_fits_80_columns_and_shows_an_example(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run(*words, "--help")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert f"Example: metastructure {' '.join(words)}" in out


def _wrong_calls() -> Iterator[tuple[str, ...]]:
    """Each command with an unknown option, without its arguments, and with a choice that there is not."""
    for words, command in COMMANDS.items():
        yield (*words, "--no-such-option")
        required = [parameter for parameter in command.params if parameter.required]
        if required:
            yield words
        hints = get_type_hints(inspect.unwrap(command.callback))
        for option in _named(command, "option"):
            if any(isinstance(one, type) and issubclass(one, Enum) for one in _union(hints.get(option.name))):
                yield (*words, *["x"] * len(_named(command, "argument")), option.opts[0], "no-such-choice")


def _union(hint: object) -> tuple[object, ...]:
    return get_args(hint) if get_args(hint) else (hint,)


WRONG_VALUES = (
    ("corrupt", "labels", "out", "--noise", "flipp:0.1"),
    ("corrupt", "nowhere", "out", "--noise", "flip:0.1"),
    ("measure", "nowhere"),
    ("measure", "theory", "nowhere"),
    ("train", "nowhere", "-o", "m.pt"),
    ("train", "data", "-o", "m.pt", "--network", "unett"),
    ("train", "data", "-o", "m.pt", "--set", "epoch=3"),
    ("predict", "nowhere.pt", "images", "out"),
    ("evaluate", "nowhere", "labels"),
    ("segment", "nowhere", "out"),
    ("segment", "images", "out", "--method", "otsi"),
    ("audit", "nowhere"),
    ("repair", "nowhere", "out"),
    ("plan", "nowhere", "out"),
    ("plan", "data", "out", "--network", "unett"),
    ("data", "generate", "cells", "out"),
    ("data", "generate", "nuc", "out", "--bits", "12"),
    ("data", "check", "nowhere"),
    ("convert", "nowhere", "out", "--to", "png"),
    ("study", "run", "nowhere.yaml"),
    ("--verbose", "--quiet", "demo"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set `data`, and its training images and labels as `images` and `labels`."""
    root = tmp_path_factory.mktemp("contract")
    write_dataset("nuc", root / "data", counts={"train": 3, "val": 2, "test": 2}, height=48, width=40)
    for part in ("images", "labels"):
        (root / part).symlink_to(root / "data" / "train" / part)
    return root


def test_wrong_use_of_every_command_is_one_line_that_never_waits_for_torch(folder: Path) -> None:
    calls = [*_wrong_calls(), *WRONG_VALUES]
    assert ("study", "table", "x", "--format", "no-such-choice") in calls
    assert ("predict",) in calls
    assert {call[: len(words)] for words in COMMANDS for call in calls} >= set(COMMANDS)
    code = f"""
import contextlib, io, json, sys
from metastructure.cli.app import main
found = []
for words in json.loads(sys.stdin.read()):
    sys.argv, out, err = ["metastructure", *words], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as left:
            code = left.code
    loaded = [name for name in {SLOW} if name in sys.modules]
    found.append((code, out.getvalue(), err.getvalue(), loaded))
print(json.dumps(found))
"""
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, input=json.dumps(calls), capture_output=True, text=True, check=True
    )
    for words, (left, out, err, loaded) in zip(calls, json.loads(process.stdout), strict=True):
        assert (left, out) == (2, ""), words
        assert err.startswith("error: "), words
        assert err.count("\n") == 1, (words, err)
        assert not loaded, f"{words} waits for {loaded}"


JSON_CALLS: dict[tuple[str, ...], set[str]] = {
    ("corrupt", "labels", "noisy", "--noise", "flip:0.2"): {"files", "recipe"},
    ("corrupt", "--check", "noisy/manifest.json"): {"manifest", "problems"},
    ("measure", "labels"): {"num_classes"},
    ("audit", "labels"): {"verdict", "audit"},
    ("repair", "labels", "--dry-run"): {"files", "recipe"},
    ("evaluate", "labels", "labels"): {"dice", "classes"},
    ("segment", "images", "segmented", "--method", "otsu"): {"images", "method"},
    ("data", "check", "data"): {"splits", "problems"},
    ("data", "generate", "mito", "made", "--train", "1", "--val", "0", "--test", "0", "--size", "32"): {"out", "kind"},
    ("doctor",): {"version", "devices", "problems"},
    ("doctor", "--data", "data"): {"data"},
}


def test_json_is_all_that_stands_on_stdout(run: Run, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)
    for words, keys in JSON_CALLS.items():
        code, out, err = run(*words, "--json")
        assert code == 0, (words, err)
        found = json.loads(out, parse_constant=_refuse)
        assert keys <= set(found), (words, list(found))


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


def test_the_demo_prints_its_table_as_json(
    run: Run, monkeypatch: pytest.MonkeyPatch, study: StudySpec, finished: Store
) -> None:
    monkeypatch.setattr("metastructure.study.demo.demo_study", lambda seed, quick: study)
    code, out, err = run("demo", "--out", finished.root, "--json", "--threads", 1)
    assert code == 0, err
    found = json.loads(out, parse_constant=_refuse)
    assert [row["noise"] for row in found["table"]] == ["clean", "flip:0.3"]
    assert Path(found["page"]).is_file()


def test_a_quick_demo_has_the_same_labels_and_a_store_of_its_own() -> None:
    from metastructure.study.demo import demo_study

    full, quick = demo_study(3), demo_study(3, quick=True)
    assert quick.noises == full.noises
    assert quick.name != full.name
    assert not set(quick.data) & set(full.data)
    assert quick.training.epochs == 1


def test_choices_are_the_tables_of_the_library() -> None:
    assert {kind.value for kind in Kind} == set(KINDS)
