"""The store: whole files, records that nobody overwrites, damage and newer versions told, any place fsspec knows."""

import errno
import json
import os
import pickle
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pytest

from metastructure.errors import ConfigError, RunError
from metastructure.study import Progress, RunRecord, SerialEngine, Store, StudySpec, get_status, make_table, run_study
from metastructure.study import store as store_module
from metastructure.study.lease import describe_self, name_lease
from metastructure.study.record_json import DamagedRecord
from metastructure.study.status_text import list_status, status_to_text
from metastructure.study.store_files import (
    LocalFiles,
    RemoteFiles,
    StoreError,
    StoreFiles,
    open_files,
    scratch_folder,
)
from metastructure.training import Machine
from metastructure.training import loop as loop_module

MakeRecord = Callable[..., RunRecord]

ENGINE = SerialEngine(Machine(device="cpu", threads=1))


@pytest.fixture(params=["directory", "memory", "files by fsspec"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFiles:
    """Every kind of store."""
    if request.param == "directory":
        return LocalFiles(tmp_path / "store")
    if request.param == "memory":
        return open_files(f"memory://{tmp_path}/store")
    return RemoteFiles(fsspec.filesystem("file"), str(tmp_path / "store"), f"file://{tmp_path}/store")


def test_every_kind_of_files_keeps_the_contract(files: StoreFiles) -> None:
    assert files.list("runs") == {}
    assert not files.exists("runs/a/b.txt")
    files.remove("runs/a/b.txt")
    with pytest.raises(FileNotFoundError):
        files.read("runs/a/b.txt")
    with pytest.raises(FileNotFoundError):
        files.written_at("runs/a/b.txt")
    files.write("runs/a/b.txt", b"one")
    first = files.list("runs")["runs/a/b.txt"]
    assert first.size == 3
    files.write("runs/a/b.txt", b"two")
    assert files.read("runs/a/b.txt") == b"two"
    assert files.list("runs")["runs/a/b.txt"].stamp != first.stamp
    assert not files.create("runs/a/b.txt", b"three")
    assert files.read("runs/a/b.txt") == b"two"
    assert files.create("runs/c", b"")
    assert set(files.list("runs")) == {"runs/a/b.txt", "runs/c"}
    assert files.exists("runs/a/b.txt")
    assert not files.exists("runs/a"), "a folder is no file"
    assert list(files.read_all(["runs/none", "runs/a/b.txt"])) == [("runs/a/b.txt", b"two")]
    files.remove("runs/a/b.txt")
    assert set(files.list("runs")) == {"runs/c"}
    assert abs(files.now() - files.written_at("runs/c")) < 60
    assert [name for name in files.list("leases") if not name.startswith("leases/.nfs")] == []


def test_addresses(tmp_path: Path) -> None:
    assert isinstance(open_files(tmp_path), LocalFiles)
    assert open_files("runs/x").address == "runs/x"
    assert open_files(f"file://{tmp_path}").address == str(tmp_path)
    assert open_files(Path(f"file://{tmp_path}")).address == str(tmp_path), "a Path folds two slashes into one"
    assert open_files(Path("memory://study")).address == "memory://study"
    assert open_files("c:/x").address == "c:/x"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="file: this is a file; name a folder for the store"):
        open_files(tmp_path / "file")
    with pytest.raises(ConfigError, match="nowhere://x: no store can be opened there"):
        open_files("nowhere://x")
    assert Store("memory://a").root == scratch_folder("memory://a") != Store("memory://b").root


def test_without_second_names_a_create_is_still_exclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "link", refuse)
    files = LocalFiles(tmp_path)
    assert files.create("a", b"one")
    assert not files.create("a", b"two")
    assert files.read("a") == b"one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_a_store_travels_to_another_process_by_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: StudySpec, make_record: MakeRecord
) -> None:
    monkeypatch.chdir(tmp_path)
    store, run = Store("here", expiry_s=7), next(study.runs())
    store.save(make_record(run), {})
    content = pickle.dumps(store)
    monkeypatch.chdir("/")
    again = pickle.loads(content)
    assert again.is_done(run)
    assert again.expiry_s == 7
    assert pickle.loads(pickle.dumps(Store("memory://x"))).address == "memory://x"


def test_a_record_is_never_overwritten(study: StudySpec, make_record: MakeRecord, tmp_path: Path) -> None:
    store, run = Store(tmp_path), next(study.runs())
    record = make_record(run)
    store.save(record, {"ids": np.array(["a"])})
    store.save(record.model_copy(update={"seconds": 99.0}), {"ids": np.array(["b"])})
    assert store.load(run) == record
    assert store.load_samples(run)["ids"].tolist() == ["a"]


def test_a_record_in_the_folder_of_another_run_is_damaged(
    study: StudySpec, make_record: MakeRecord, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    first, second, *_ = study.runs()
    store.save(make_record(first), {})
    store.files.write(f"runs/{second.identity}/record.json", (store.folder(first) / "record.json").read_bytes())
    with pytest.raises(DamagedRecord, match=f"this is the record of run {first.identity}"):
        store.load(second)
    assert get_status(study, store).damaged == (second,)


def test_a_run_whose_lease_was_lost_writes_nothing(study: StudySpec, make_record: MakeRecord, tmp_path: Path) -> None:
    store, run = Store(tmp_path, expiry_s=3600), next(study.runs())
    with store.hold(run) as lease:
        assert lease is not None
        store.files.create(name_lease(run.identity, 1), describe_self().model_dump_json().encode())
        with pytest.warns(UserWarning, match="another process took over blobs · clean .* for 3600 s; .* dropped"):
            store.save(make_record(run), {"ids": np.array(["a"])})
    assert not store.is_done(run)
    assert not store.folder(run).exists()
    assert [len(get_status(study, store).running), len(get_status(study, store).missing)] == [1, 3]


def test_status_says_who_runs_what(study: StudySpec, tmp_path: Path) -> None:
    store, (first, second, *_) = Store(tmp_path), study.runs()
    store.note_failure(second, RunError(f"{second.title}: no luck."))
    with store.hold(first) as lease, store.hold(second):  # which is tried again
        assert lease is not None
        status = get_status(study, store)
        text = status_to_text(study, status, store)
        assert text.splitlines()[:3] == [
            "tiny: 0 done, 2 running, 0 interrupted, 2 missing of 4 runs",
            "  running: blobs · clean · residual_unet(width=4) · plain · seed 0",
            f"      process {os.getpid()} on {lease.holder.host}, since {lease.holder.since}",
        ]
        listed = list_status(status, store)["running"][0]
        assert listed == {
            "run": first.title,
            "identity": first.identity,
            "host": lease.holder.host,
            "process": str(os.getpid()),
            "since": lease.holder.since,
        }
    assert [len(get_status(study, store).running), len(get_status(study, store).missing)] == [0, 4]


def test_a_run_whose_worker_died_has_failed_whatever_its_lease_says(study: StudySpec, tmp_path: Path) -> None:
    store, (run, *_) = Store(tmp_path), study.runs()
    with store.hold(run):
        Store(tmp_path).note_failure(run, RunError(f"{run.title}: its worker died 4 times."))  # as the driver does
        status = get_status(study, store)
        assert (status.failed, status.running) == ((run,), ())
    assert get_status(study, store).failed == (run,)
    with store.hold(run):
        assert [held for held, _ in get_status(study, store).running] == [run]


def test_a_damaged_record_is_told_and_done_again(tmp_path: Path, study: StudySpec, finished: Store) -> None:
    shutil.copytree(finished.root, tmp_path / "copy")
    store, (first, *_) = Store(tmp_path / "copy"), study.runs()
    whole = store.files.read(f"runs/{first.identity}/record.json")
    store.files.write(f"runs/{first.identity}/record.json", whole[:-5])
    status = get_status(study, store)
    assert status.damaged == (first,)
    assert "  damaged: blobs · clean" in status_to_text(study, status, store)
    with pytest.raises(DamagedRecord, match="this record is damaged"):
        store.load_results(study)
    with pytest.warns(UserWarning, match=r"is damaged; it is kept as record\.damaged\.json, and the run is done again"):
        records = run_study(study, store, ENGINE)
    assert make_table(records).equals(make_table(finished.load_done(study)))
    assert store.files.read(f"runs/{first.identity}/record.damaged.json") == whole[:-5]
    assert len(get_status(study, store).done) == 4


def test_what_a_newer_version_wrote_is_refused_and_kept(
    tmp_path: Path, study: StudySpec, make_record: MakeRecord
) -> None:
    store, run = Store(tmp_path), next(study.runs())
    store.save(make_record(run), {})
    newer = store.files.read(f"runs/{run.identity}/record.json").replace(b'"schema_version":1', b'"schema_version":2')
    store.files.write(f"runs/{run.identity}/record.json", newer)
    for act in (lambda: get_status(study, store), lambda: store.load(run), lambda: run_study(study, store, ENGINE)):
        with pytest.raises(RunError, match=r"written by a newer version of metastructure \(schema 2, .* knows 1\)"):
            act()
    with pytest.raises(RunError, match="schema 2"), store.hold(run):
        pass
    assert store.files.read(f"runs/{run.identity}/record.json") == newer

    store.files.write("store.json", json.dumps({"format": 2}).encode())
    for act in (lambda s: get_status(study, s), lambda s: s.load_done(study), lambda s: run_study(study, s, ENGINE)):
        with pytest.raises(RunError, match=r"this store was written by a newer version .* \(format 2, .* knows 1\)"):
            act(Store(tmp_path))


def test_a_store_that_cannot_be_written_is_told_and_loses_nothing(
    tmp_path: Path, study: StudySpec, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, (first, second, *_) = Store(tmp_path), study.runs()
    store.save(make_record(first), {})
    store.folder(second).mkdir()
    store.checkpoint(second).write_bytes(b"state")
    write_bytes = Path.write_bytes

    def fail(number: int) -> Callable[..., None]:
        def write(path: Path, content: bytes) -> None:
            write_bytes(path, content[: len(content) // 2])
            raise OSError(number, os.strerror(number), str(path))

        return write

    told = {
        errno.ENOSPC: "No space left on device.*; free some space and give the same command again. Finished",
        errno.EROFS: "Read-only file system.*; choose another place with --store",
        errno.EACCES: "Permission denied.*; choose another place with --store, or change its permissions",
        errno.EIO: "Input/output error.*; choose another place with --store, or mend",
    }
    for number, message in told.items():
        monkeypatch.setattr(Path, "write_bytes", fail(number))
        with pytest.raises(StoreError, match=message):
            store.save(make_record(second), {})
        with pytest.raises(StoreError, match=message), store.hold(second):
            pass
        assert store.files.now() > 0
        monkeypatch.undo()
    assert store.load(first) == make_record(first)
    assert store.checkpoint(second).read_bytes() == b"state"
    assert not store.is_done(second)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "checkpoint.pt",
        "record.json",
        "samples.npz",
    ]


def test_a_study_in_memory_is_interrupted_elsewhere_and_goes_on_here(
    study: StudySpec, finished: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loop_module, "CHECKPOINT_INTERVAL_S", 0.0)
    monkeypatch.setattr(store_module, "scratch_folder", lambda _: tmp_path / "here")
    one = study.model_copy(update={"noises": ("flip:0.3",), "seeds": (0,)})
    (run,) = one.runs()
    store = Store("memory://interrupted")

    class Stopper(Progress):
        """Stops after the first epoch."""

        def epoch_done(self, run: object, epochs_done: int, loss: float) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(one, store, ENGINE, Stopper())
    assert get_status(one, store).started == (run,)
    monkeypatch.setattr(store_module, "scratch_folder", lambda _: tmp_path / "there")
    there = Store("memory://interrupted")
    begun: list[int] = []

    class Listener(Progress):
        """Remembers the epochs."""

        def epoch_done(self, run: object, epochs_done: int, loss: float) -> None:
            begun.append(epochs_done)

    (record,) = run_study(one, there, ENGINE, Listener())
    assert begun == [2], "the first epoch came with the checkpoint"
    expected = finished.load(run)
    assert record.test == expected.test
    assert record.loss == expected.loss
    assert get_status(one, store).done == (run,)
    assert not there.files.exists(f"runs/{run.identity}/checkpoint.pt")
    assert there.load_samples(run)["ids"].tolist() == finished.load_samples(run)["ids"].tolist()
    assert list(there.files.list("leases")) == []


def test_a_checkpoint_that_takes_long_to_carry_keeps_the_lease(
    study: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "scratch_folder", lambda _: tmp_path)
    store, run = Store(f"memory://{tmp_path}/slow", expiry_s=0.4), next(study.runs())
    started, over = threading.Event(), threading.Event()
    write = store.files.write

    def write_slowly(name: str, content: bytes) -> None:
        if name.endswith("checkpoint.pt"):
            started.set()
            assert over.wait(timeout=60)
        write(name, content)

    monkeypatch.setattr(store.files, "write", write_slowly)
    with store.hold(run) as lease:
        assert lease is not None
        store.checkpoint(run).parent.mkdir(parents=True, exist_ok=True)
        store.checkpoint(run).write_bytes(b"weights")
        assert started.wait(timeout=60)
        lease_name = name_lease(run.identity, 0)
        before, until = store.files.written_at(lease_name), time.monotonic() + 60
        while not store.files.written_at(lease_name) > before:
            assert time.monotonic() < until, "nobody renewed the lease while the checkpoint went out"
            time.sleep(0.02)
        over.set()
    assert store.files.read(f"runs/{run.identity}/checkpoint.pt") == b"weights"
