"""What can go: named by kind, removed on demand, and never what is wanted or held."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from metastructure.study import RunRecord, Store, StudySpec, get_status
from metastructure.study.gc import (
    CHECKPOINT,
    LEASE,
    RECORD,
    TEMPORARY,
    UNLISTED,
    Litter,
    find_litter,
    litter_to_text,
    remove_litter,
)
from metastructure.study.lease import describe_self, name_lease

MakeRecord = Callable[..., RunRecord]


def _write(path: Path, content: bytes = b"12345", age_s: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    now = path.stat().st_mtime
    os.utime(path, (now - age_s, now - age_s))


@pytest.fixture
def store(study: StudySpec, make_record: MakeRecord, tmp_path: Path) -> Store:
    """One run done, one damaged, one running, one failed, and one of another study; litter of every kind."""
    found = Store(tmp_path / "store")
    done, damaged, interrupted, failed = study.runs()
    found.save(make_record(done), {})
    _write(found.checkpoint(done))
    _write(found.folder(damaged) / "record.json", b"{")
    _write(found.folder(done) / "record.damaged.json", b"{")
    _write(found.checkpoint(interrupted))
    _write(found.folder(failed) / ".record.abc.json", age_s=7200)
    _write(found.folder(interrupted) / ".checkpoint.abc.pt")
    _write(found.folder(failed) / ".record.young.json")
    _write(found.folder(failed) / "failed.txt")
    (other,) = study.model_copy(update={"seeds": (9,), "noises": ("clean",)}).runs()
    found.save(make_record(other), {})
    given_back = describe_self().model_copy(update={"given_back": True}).model_dump_json().encode()
    found.files.create(name_lease(interrupted.identity, 3), given_back)
    found.files.create(name_lease(interrupted.identity, 4), describe_self().model_dump_json().encode())
    old = found.root / name_lease(failed.identity, 0)
    _write(old, describe_self().model_copy(update={"place": "elsewhere"}).model_dump_json().encode(), age_s=9999)
    _write(found.root / "leases" / ".lease.abc", age_s=7200)
    _write(found.root / "leases" / ".lease.young")
    return found


def test_litter_is_named(study: StudySpec, store: Store) -> None:
    done, damaged, interrupted, failed = study.runs()
    found = {one.name: one.kind for one in find_litter(study, store)}
    assert found == {
        f"runs/{done.identity}/checkpoint.pt": CHECKPOINT,
        f"runs/{done.identity}/record.damaged.json": RECORD,
        f"runs/{damaged.identity}/record.json": RECORD,
        f"runs/{failed.identity}/.record.abc.json": TEMPORARY,
        "leases/.lease.abc": TEMPORARY,
        name_lease(interrupted.identity, 3): LEASE,
        name_lease(failed.identity, 0): LEASE,
    }, "the interrupted run is held by this process; a young temporary file may be in use"


def test_what_is_wanted_stays(study: StudySpec, store: Store) -> None:
    done, damaged, interrupted, _ = study.runs()
    before = get_status(study, store)
    remove_litter(store, find_litter(study, store))
    after = get_status(study, store)
    assert (after.done, after.running, after.failed) == (before.done, before.running, before.failed)
    assert [run for run, _ in after.running] == [interrupted]
    assert store.checkpoint(interrupted).exists()
    assert after.done == (done,)
    assert after.missing == (damaged,)
    assert not store.folder(damaged).exists()
    assert find_litter(study, store) == []
    assert len(store.scan()) == 4, "the run of the other study too"


def test_runs_of_other_studies_go_when_asked_for(study: StudySpec, store: Store) -> None:
    (other,) = study.model_copy(update={"seeds": (9,), "noises": ("clean",)}).runs()
    found = find_litter(study, store, unlisted=True)
    unlisted = {one.name for one in found if one.kind == UNLISTED}
    assert unlisted == {f"runs/{other.identity}/record.json", f"runs/{other.identity}/samples.npz"}
    with store.hold(other):
        assert not [one for one in find_litter(study, store, unlisted=True) if one.kind == UNLISTED], "it is held"
    remove_litter(store, found)
    assert not store.folder(other).exists()
    assert len(get_status(study, store).done) == 1


def test_text() -> None:
    litter = [Litter("a", CHECKPOINT, 3 * 2**20), Litter("b", CHECKPOINT, 2**19), Litter("c", LEASE, 0)]
    assert litter_to_text(litter, dry_run=True).splitlines() == [
        "     2  checkpoint of a finished run (3.5 MiB)",
        "     1  lease that nobody holds (0.0 MiB)",
        "dry run, nothing removed: 3 files, 3.5 MiB",
    ]
    assert litter_to_text([], dry_run=False) == "removed: 0 files, 0.0 MiB\n"
