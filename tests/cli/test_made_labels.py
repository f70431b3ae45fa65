"""Labels that a command wrote can be trained on where they lie, records of the command beside them."""

import shutil

import pytest


@pytest.fixture
def data(run, tmp_path):
    folder = tmp_path / "data"
    counts = ["--train", "3", "--val", "1", "--test", "1", "--size", "32"]
    assert run("data", "generate", "nuc", str(folder), *counts)[0] == 0
    return folder


@pytest.mark.parametrize(
    ("words", "record"),
    [
        (["corrupt", "--noise", "flip:0.1"], "manifest.json"),
        (["repair", "--method", "denoise", "--convention", "background"], "repair.csv"),
    ],
)
def test_a_folder_of_made_labels_is_a_data_set(run, data, tmp_path, words, record):
    labels = data / "train" / "labels"
    shutil.move(labels, tmp_path / "before")
    command, *options = words
    code, _, err = run(command, str(tmp_path / "before"), str(labels), *options)
    assert code == 0, err
    assert (labels / record).is_file()
    code, out, err = run("data", "check", str(data))
    assert code == 0, out + err


def test_other_files_are_still_told(run, data):
    (data / "train" / "labels" / "notes.txt").write_text("mine")
    code, out, err = run("data", "check", str(data))
    assert code == 1
    assert "notes.txt" in out + err
