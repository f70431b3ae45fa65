"""The journal: what is read back, what a crash leaves, and which files count as written."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from metastructure.data.journal import (
    hash_file,
    hash_outputs,
    hold_outputs,
    lie_apart,
    read_journal,
    start_journal,
)
from metastructure.errors import DataError


class Recipe(BaseModel):
    noise: str


class Record(BaseModel):
    file: str
    rate: float


RECORDS = [Record(file="a", rate=0.5), Record(file="sub/ü", rate=0.25)]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "out" / ".journal"
    with start_journal(path, Recipe(noise="flip"), RECORDS[:1]) as add:
        add(RECORDS[1])
    return path


def test_what_was_written_is_read_back(journal: Path) -> None:
    assert read_journal(journal, Recipe, Record) == (Recipe(noise="flip"), RECORDS)


def test_dictionaries_serve_as_well(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with start_journal(path, {"model": "x", "tile": 64}, []) as add:
        add({"file": "a", "written": {"b": "c"}})
    assert read_journal(path, dict[str, Any], dict[str, Any]) == (
        {"model": "x", "tile": 64},
        [{"file": "a", "written": {"b": "c"}}],
    )


def test_a_record_is_on_disk_at_once(tmp_path: Path) -> None:
    with start_journal(tmp_path / "journal", Recipe(noise="flip"), []) as add:
        add(RECORDS[0])
        assert read_journal(tmp_path / "journal", Recipe, Record)[1] == RECORDS[:1]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_was_cut_short_ends_it(journal: Path, cut: int) -> None:
    journal.write_bytes(journal.read_bytes()[:-cut])
    made, records = read_journal(journal, Recipe, Record)
    assert made == Recipe(noise="flip")
    assert records == (RECORDS if cut == 1 else RECORDS[:1])  # a line that lacks only its end is whole


def test_nothing_is_read_after_a_damaged_line(journal: Path) -> None:
    first, second, third = journal.read_text(encoding="utf-8").splitlines()
    journal.write_text("\n".join([first, second[:-3], third]), encoding="utf-8")
    assert read_journal(journal, Recipe, Record) == (Recipe(noise="flip"), [])


@pytest.mark.parametrize("content", ["", '{"noi'])
def test_without_a_whole_first_line_there_is_no_recipe(tmp_path: Path, content: str) -> None:
    (tmp_path / "journal").write_text(content, encoding="utf-8")
    assert read_journal(tmp_path / "journal", Recipe, Record) == (None, [])


def test_outputs_are_held_while_they_are_as_written(tmp_path: Path) -> None:
    files = [tmp_path / "a.png", tmp_path / "sub" / "b.tif"]
    files[1].parent.mkdir()
    for file in files:
        file.write_bytes(file.name.encode())
    written = hash_outputs(tmp_path, files)
    assert list(written) == ["a.png", "sub/b.tif"]
    assert hold_outputs(written, tmp_path, files)
    assert hold_outputs(written, tmp_path, files[:1])
    assert not hold_outputs({"a.png": written["a.png"]}, tmp_path, files)  # one more is asked for than was written
    files[1].write_bytes(b"other")
    assert not hold_outputs(written, tmp_path, files)
    files[1].unlink()
    assert not hold_outputs(written, tmp_path, files)


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # the example of FIPS 180-4
    assert hash_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(DataError, match="missing"):
        hash_file(tmp_path / "missing")


def test_folders_lie_apart_if_neither_holds_the_other(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "in" / "deep")
    assert lie_apart(tmp_path / "in", tmp_path / "input")
    for other in ("in", "in/deep", "link", ".", "in/new"):
        assert not lie_apart(tmp_path / "in", tmp_path / other), other
