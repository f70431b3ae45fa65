"""metastructure doctor: what is here, what is missing, and what a folder is good for."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metastructure.cli import diagnosis
from metastructure.cli.diagnosis import Device, diagnose, find_devices, look_at_folder, read_requirements, to_text
from metastructure.data.files import save_image
from metastructure.data.synthetic import write_dataset

Run = Callable[..., Any]

METADATA = ["numpy>=2.0", "typer[all]>=0.12", "ray>=2; extra == 'ray'", "no-such-thing; extra == 'far'"]


def test_requirements_are_read_by_extra() -> None:
    required, extras = read_requirements([*METADATA, 'pytest>=8; python_version > "3" and extra == "far"'])
    assert required == ["numpy", "typer"]
    assert list(extras) == ["ray", "far"]
    assert extras["far"].packages["no-such-thing"] is None
    assert extras["far"].packages["pytest"] is not None


def test_a_missing_extra_is_told_with_its_command_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda name: METADATA)
    found = diagnose()
    assert found.problems == []
    assert "no-such-thing missing: pip install 'metastructure[far]'" in to_text(found)
    assert to_text(found).endswith("all that metastructure needs is here.")


def test_a_missing_requirement_makes_the_exit_code_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["numpy", "no-such-thing>=3"])
    code, out, err = run("doctor")
    assert (code, err) == (1, "")
    assert out.splitlines()[-1] == "problem: no-such-thing is missing; install it with: pip install no-such-thing"


def test_torch_that_cannot_be_imported_is_a_problem(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError("libcudart.so.12: cannot open shared object file\nand more")

    monkeypatch.setattr(diagnosis.importlib, "import_module", fail)
    code, out, _ = run("doctor", "--json")
    assert code == 1
    assert json.loads(out)["devices"] == []
    assert "libcudart.so.12" in json.loads(out)["problems"][0]
    assert "and more" not in out


def test_devices_end_with_the_cpu_and_its_memory() -> None:
    devices, reason = find_devices()
    assert reason == ""
    assert devices[-1].kind == "cpu"
    assert devices[-1].memory is not None
    assert devices[-1].memory > 2**28


def test_gpus_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    class Properties:
        name, total_memory = "Some GPU", 8 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties)
    assert find_devices()[0][0] == Device(kind="cuda", name="Some GPU", memory=8 * 2**30)
    text = to_text(diagnose())
    assert "Some GPU, 8.0 GiB" in text
    assert "no GPU" not in text


def test_where_studies_go_and_that_it_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert diagnose().stores == str(tmp_path / "runs")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = diagnose()
    assert found.problems == []
    assert found.notes[0] == (
        f"{tmp_path}: this folder cannot be written; change to another, or give commands --out and --store"
    )
    assert "NOT writable" in to_text(found)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set in `cells`, which lies in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_dataset("nuc", "cells", counts={"train": 2, "val": 1, "test": 1}, height=32, width=40)
    return Path("cells")


def test_a_data_set_can_be_trained_on(data: Path) -> None:
    found = look_at_folder(data)
    assert found.finding.splitlines()[0] == "cells: 2 classes, grey images"
    assert found.finding.endswith("a data set to train on")
    assert found.commands == ["metastructure train cells -o model.pt", "metastructure audit cells -o audited"]


def test_a_part_of_it_is_named_by_what_it_holds(data: Path) -> None:
    both = look_at_folder(data / "train")
    assert both.finding == "cells/train: images and 2 labels of 2 classes"
    assert both.commands[0] == "metastructure audit cells/train -o audited"
    labels = look_at_folder(data / "train" / "labels")
    assert labels.finding == "cells/train/labels: 2 labels of 2 classes"
    assert labels.commands[0] == "metastructure measure cells/train/labels"


def test_images_alone_can_be_segmented(tmp_path: Path) -> None:
    folder = tmp_path / "my images"
    folder.mkdir()
    save_image(folder / "a.png", np.arange(600, dtype=np.uint16).reshape(20, 30))
    found = look_at_folder(folder)
    assert found.finding.startswith(f"{folder}: 1 image; as labels they cannot be used: ")
    assert found.commands == [f"metastructure segment '{folder}' segmented"]


def test_a_folder_that_cannot_be_used_is_a_problem(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words, complaint in (
        ("nowhere", "nowhere: no such folder; name one that holds images, labels, or both."),
        ("empty", "empty: neither images nor labels; put PNG, JPEG or TIFF files here."),
    ):
        code, out, _ = run("doctor", "--data", words)
        assert code == 1
        assert out.splitlines()[-1] == f"problem: {complaint}"


def test_masks_beside_images_are_told_as_such(data: Path) -> None:
    for path in (data / "train" / "labels").iterdir():
        save_image(path, np.where(np.arange(40) % 2, 255, 0).astype(np.uint8) * np.ones((32, 1), np.uint8))
    found = look_at_folder(data / "train")
    assert found.commands == []
    assert "255" in found.finding
    assert look_at_folder(data).commands == []
