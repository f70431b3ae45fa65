"""``metastructure study status|gc|export`` on a store that holds something, and on ones that cannot be used."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from metastructure.study import Store, StudySpec

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def words(study_file: Path, tmp_path: Path) -> list[object]:
    """The study and an empty store."""
    return [study_file, "--store", tmp_path / "store"]


def test_gc_says_and_removes(run: Run, words: list[object], study: StudySpec, tmp_path: Path) -> None:
    store, first = Store(tmp_path / "store"), next(study.runs())
    store.files.write(f"runs/{first.identity}/record.json", b"{")
    code, out, _ = run("study", "status", *words)
    assert code == 0
    assert out.splitlines()[0] == "tiny: 0 done, 1 damaged, 0 interrupted, 3 missing of 4 runs"
    for _ in range(2):
        code, out, _ = run("study", "gc", *words, "--dry-run")
        assert code == 0
        assert out.splitlines()[-1] == "dry run, nothing removed: 1 file, 0.0 MiB"
    code, out, _ = run("study", "gc", *words, "--json")
    assert json.loads(out) == [{"name": f"runs/{first.identity}/record.json", "kind": "damaged record", "bytes": 1}]
    _, out, _ = run("study", "gc", *words)
    assert out == "removed: 0 files, 0.0 MiB\n"


def test_export_prints_where(run: Run, study_file: Path, finished: Store, tmp_path: Path) -> None:
    code, out, _ = run("study", "export", study_file, "--store", finished.root, "--out", tmp_path / "x.csv")
    assert code == 0
    assert out.strip() == str(tmp_path / "x.csv")
    assert len(pd.read_csv(tmp_path / "x.csv")) == 4


def test_what_cannot_be_used_is_one_line(run: Run, words: list[object], study_file: Path, tmp_path: Path) -> None:
    code, _, err = run("study", "export", *words)
    assert code == 1
    assert err == f"error: {tmp_path / 'store'}: no run of study 'tiny' is done; run it first.\n"
    code, _, err = run("study", "status", study_file, "--store", "nowhere://x")
    assert code == 2
    assert err.startswith("error: nowhere:/x: no store can be opened there: Protocol not known: nowhere")
    Store(tmp_path / "store").files.write("store.json", b'{"format": 99}')
    for command in ("status", "table", "gc", "export", "run"):
        code, _, err = run("study", command, *words)
        assert code == 1
        assert "this store was written by a newer version of metastructure (format 99" in err.splitlines()[-1]
