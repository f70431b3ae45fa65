"""The index: the same table as the records themselves, never out of date, never needed."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest

from metastructure.errors import RunError
from metastructure.study import (
    RunRecord,
    RunSpec,
    Store,
    StudySpec,
    check_claims,
    get_status,
    make_table,
    run_study,
)
from metastructure.study import index as index_module
from metastructure.study.index import FILE

MakeRecord = Callable[..., RunRecord]


@pytest.fixture(autouse=True)
def _write_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "WORTH_WRITING", 2)


@pytest.fixture
def claiming(study: StudySpec) -> StudySpec:
    """The study with a claim."""
    return StudySpec.model_validate(study.model_dump() | {"claims": ["flip:0.3 < clean"]})


def _fill(store: Store, study: StudySpec, make_record: MakeRecord, num_classes: int = 2) -> None:
    for run in study.runs():
        store.save(make_record(run, num_classes=num_classes), {})


@pytest.mark.parametrize("num_classes", [2, 3])
def test_table_and_claims_are_those_of_the_records(
    num_classes: int, claiming: StudySpec, make_record: MakeRecord, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    _fill(store, claiming, make_record, num_classes)
    records = store.load_done(claiming)
    assert not store.files.exists(FILE)
    for _ in ("made", "read"):
        results = store.load_results(claiming)
        assert store.files.exists(FILE)
        pd.testing.assert_frame_equal(make_table(results), make_table(records), check_exact=True)
        pd.testing.assert_frame_equal(check_claims(claiming, results), check_claims(claiming, records))


def test_it_saves_reading_the_records(
    study: StudySpec, make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    _fill(store, study, make_record)
    expected = make_table(store.load_results(study))
    monkeypatch.setattr(index_module, "parse_record", lambda *_: pytest.fail("a record was read again"))
    pd.testing.assert_frame_equal(make_table(Store(tmp_path).load_results(study)), expected)
    assert len(get_status(study, Store(tmp_path)).done) == 4


class _SavingEngine:
    """An engine whose runs take no time."""

    def __init__(self, make_record: MakeRecord) -> None:
        self.make_record = make_record

    def execute(self, runs: Iterable[RunSpec], _data: object, store: Store, _progress: object) -> list[str]:
        for run in runs:
            store.save(self.make_record(run), {})
        return []


def test_a_study_that_ends_leaves_it_behind(study: StudySpec, make_record: MakeRecord, tmp_path: Path) -> None:
    store = Store(tmp_path)
    run_study(study, store, _SavingEngine(make_record))
    assert store.files.exists(FILE)


def test_it_is_never_the_truth(study: StudySpec, make_record: MakeRecord, tmp_path: Path) -> None:
    store = Store(tmp_path)
    _fill(store, study, make_record)
    first, second, third, _ = study.runs()
    store.load_results(study)
    store.files.remove(f"runs/{first.identity}/record.json")
    other = make_record(third).model_copy(update={"spec": second, "identity": second.identity})
    store.files.write(f"runs/{second.identity}/record.json", other.model_dump_json().encode())
    store.files.write(f"runs/{third.identity}/record.json", b"{")
    status = get_status(study, store)
    assert [len(status.done), status.missing, status.damaged] == [2, (first,), (third,)]
    two = study.model_copy(update={"seeds": (0,)})
    assert store.load_results(two)[0].test.counts().tolist() == other.test.tables
    with pytest.raises(RunError, match="this record is damaged"):
        store.load_results(study)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"\x93NUMPY"])
def test_a_damaged_index_is_made_anew(
    content: bytes, study: StudySpec, make_record: MakeRecord, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    _fill(store, study, make_record)
    store.load_results(study)
    good = store.files.read(FILE)
    store.files.write(FILE, content)
    assert len(store.load_results(study)) == 4
    assert store.files.read(FILE) == good


def test_a_store_that_cannot_be_written_is_read_all_the_same(
    study: StudySpec, make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    _fill(store, study, make_record)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert len(store.load_results(study)) == 4
    assert len(get_status(study, store).done) == 4
    assert not store.files.exists(FILE)


def test_runs_that_saw_other_files_are_told(study: StudySpec, make_record: MakeRecord, tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number, run in enumerate(study.runs()):
        store.save(make_record(run).model_copy(update={"data_fingerprint": f"{number == 2}"}), {})
    with pytest.raises(RunError, match="runs of the data set 'blobs' saw different files"):
        store.load_results(study)
