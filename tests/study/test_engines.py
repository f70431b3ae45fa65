"""What all engines share: a run that fails stops no other, a full disk does, and other processes are waited for."""

import errno
import resource
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from metastructure.errors import ConfigError, RunError
from metastructure.study import Progress, RunRecord, RunSpec, SerialEngine, Store, StudySpec, get_status, run_study
from metastructure.study import engines as engines_module
from metastructure.study.engines import Failure, choose_machine, try_run
from metastructure.study.run import load_data
from metastructure.study.spec import Resources
from metastructure.study.store_files import StoreError
from metastructure.training import Machine
from metastructure.training import loop as loop_module
from metastructure.training.checkpoint import save_checkpoint

MACHINE = Machine(device="cpu", threads=1)


class Listener(Progress):
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.failed: list[RunError] = []

    def run_started(self, run: RunSpec) -> None:
        self.heard.append(f"start {run.seed}")

    def run_elsewhere(self, run: RunSpec) -> None:
        self.heard.append(f"elsewhere {run.seed}")

    def run_done(self, run: RunSpec, record: RunRecord) -> None:
        self.heard.append(f"done {run.seed}")

    def run_failed(self, run: RunSpec, error: RunError) -> None:
        self.heard.append(f"failed {run.seed}")
        self.failed.append(error)


@pytest.fixture
def one_label(study: StudySpec) -> StudySpec:
    """Two runs, of seeds 0 and 1."""
    return study.model_copy(update={"noises": ("clean",)})


def _fail(monkeypatch: pytest.MonkeyPatch, seed: int, error: Callable[[RunSpec], Exception]) -> None:
    execute_run = engines_module.execute_run

    def execute(run: RunSpec, *rest: object) -> RunRecord:
        if run.seed == seed:
            raise error(run)
        return execute_run(run, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(engines_module, "execute_run", execute)


def test_what_nobody_foresaw_fails_one_run_and_is_told_with_its_traceback(
    tmp_path: Path, one_label: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail(monkeypatch, 0, lambda run: ZeroDivisionError("by nothing\nand again"))
    listener, store = Listener(), Store(tmp_path)
    with pytest.raises(RunError, match="1 of 2 runs failed; the first: blobs"):
        run_study(one_label, store, SerialEngine(MACHINE), listener)
    assert listener.heard == ["start 0", "failed 0", "start 1", "done 1"]
    (error,) = listener.failed
    assert str(error).endswith("seed 0: ZeroDivisionError: by nothing")
    assert error.__notes__[0].startswith("Traceback")
    assert error.__notes__[0].endswith("and again")
    (failed,) = get_status(one_label, store).failed
    assert store.failure(failed) == "ZeroDivisionError: by nothing"


@pytest.mark.parametrize("error", [ConfigError("no such noise"), OSError(errno.ENOSPC, "No space left on device")])
def test_what_would_stop_every_run_stops_the_study(
    tmp_path: Path, one_label: StudySpec, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    _fail(monkeypatch, 0, lambda run: error)
    listener, store = Listener(), Store(tmp_path)
    with pytest.raises((ConfigError, StoreError), match=r"no such noise|No space left on device\); free some space"):
        run_study(one_label, store, SerialEngine(MACHINE), listener)
    assert listener.heard == ["start 0"]
    assert not get_status(one_label, store).running, "its lease is given back"


def test_a_disk_that_is_full_at_a_checkpoint_is_told_as_such(
    tmp_path: Path, one_label: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, state: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loop_module, "CHECKPOINT_INTERVAL_S", 0.0)
    monkeypatch.setattr(loop_module, "save_checkpoint", full)
    store = Store(tmp_path)
    with pytest.raises(StoreError, match=rf"^{tmp_path}: cannot be written \(No space left on device\)"):
        run_study(one_label, store, SerialEngine(MACHINE))


def test_a_checkpoint_that_cannot_be_written_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as good as a full disk, and needs no rights
    try:
        with pytest.raises(OSError, match="File too large"):  # which torch's own writer hides in a RuntimeError
            save_checkpoint(tmp_path / "checkpoint.pt", {"weights": torch.zeros(1000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_another_process_is_waited_for_and_not_done_twice(
    tmp_path: Path, one_label: StudySpec, finished: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines_module, "LOOK_AGAIN_S", 0.05)
    first, _ = one_label.runs()
    store, other, listener = Store(tmp_path), Store(tmp_path), Listener()

    def do_elsewhere() -> None:
        while "done 1" not in listener.heard:
            threading.Event().wait(0.02)
        other.save(finished.load(first), {})
        leave.__exit__(None, None, None)

    leave = other.hold(first)
    assert leave.__enter__() is not None
    thread = threading.Thread(target=do_elsewhere)
    thread.start()
    records = run_study(one_label, store, SerialEngine(MACHINE), listener)
    thread.join()
    assert [record.spec.seed for record in records] == [0, 1]
    assert listener.heard[:3] == ["elsewhere 0", "start 1", "done 1"]
    assert set(listener.heard[3:-1]) <= {"elsewhere 0"}
    assert listener.heard[-1] == "done 0"


def test_a_held_run_is_neither_done_nor_failed(tmp_path: Path, one_label: StudySpec) -> None:
    run = next(one_label.runs())
    data = load_data("blobs", one_label.data["blobs"], tmp_path / "data")
    store, other = Store(tmp_path / "store"), Store(tmp_path / "store")
    with other.hold(run):
        assert try_run(run, data, store, MACHINE, Progress()) is None
    assert isinstance(try_run(run, data, store, MACHINE, Progress()), RunRecord)


def test_failures_that_stop_the_study_are_raised() -> None:
    error = RunError("this run")
    assert Failure(error).as_run_error() is error
    with pytest.raises(RunError, match="this run"):
        Failure(error, stops_study=True).as_run_error()


@pytest.mark.parametrize("has_gpu", [False, True])
def test_a_study_that_asks_for_a_gpu_gets_one_or_an_error(monkeypatch: pytest.MonkeyPatch, has_gpu: bool) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: has_gpu)
    assert choose_machine(Resources(), threads=3) == Machine(device="auto", threads=3)
    assert choose_machine(Resources(gpus=0.5), "cpu") == Machine(device="cpu")
    if has_gpu:
        assert choose_machine(Resources(gpus=0.5)) == Machine(device="cuda")
    else:
        with pytest.raises(ConfigError, match=r"asks for 0\.5 GPU a run \(resources\) and this machine has none"):
            choose_machine(Resources(gpus=0.5))


def test_resources_are_no_part_of_the_identity_and_gpus_are_shares_or_whole(study: StudySpec) -> None:
    other = StudySpec.model_validate(study.model_dump() | {"resources": {"cpus": 3, "gpus": 0.25}})
    assert [run.identity for run in other.runs()] == [run.identity for run in study.runs()]
    assert StudySpec.model_validate(study.model_dump() | {"resources": {"gpus": 2}}).resources.gpus == 2
    with pytest.raises(ValueError, match=r"gpus is at most 1, or a whole number; got 1\.5"):
        StudySpec.model_validate(study.model_dump() | {"resources": {"gpus": 1.5}})
