"""Two processes on one store: the work is shared, not doubled; what dies or fails in one is seen by the other."""

import functools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from metastructure.study import Progress, RunRecord, RunSpec, SerialEngine, Store, StudySpec, make_table, run_study
from metastructure.study import engines as engines_module
from metastructure.training import Machine

MakeRecord = Callable[..., RunRecord]

CHILD = """
import sys, time
from pathlib import Path
from metastructure.study import Progress, SerialEngine, Store, load_study, run_study
from metastructure.training import Machine

class Teller(Progress):
    def run_started(self, run):
        print("started", run.identity, flush=True)
    def epoch_done(self, run, epochs_done, loss):
        time.sleep(float(sys.argv[4]))

study, store, name = load_study(sys.argv[1]), Store(sys.argv[2]), sys.argv[3]
Path(sys.argv[2], name).touch()
while not Path(sys.argv[2], "go").exists():
    time.sleep(0.02)
records = run_study(study, store, SerialEngine(Machine(device="cpu", threads=1)), Teller())
print("records", len(records), flush=True)
"""


def _start(study_file: Path, root: Path, name: str, seconds_an_epoch: float) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", CHILD, str(study_file), str(root), name, str(seconds_an_epoch)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_two_processes_share_a_study(study_file: Path, study: StudySpec, finished: Store, tmp_path: Path) -> None:
    processes = [_start(study_file, tmp_path, name, 0.2) for name in ("one", "two")]
    while not all((tmp_path / name).exists() for name in ("one", "two")):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.02)
    (tmp_path / "go").touch()
    outputs = [process.communicate(timeout=300)[0].splitlines() for process in processes]
    started = [line.split()[1] for output in outputs for line in output if line.startswith("started")]
    assert sorted(started) == sorted(run.identity for run in study.runs()), "each run once"
    assert all(output[-1] == "records 4" for output in outputs), "each waits until all are done"
    assert all(len(output) > 1 for output in outputs), "each did something"
    store = Store(tmp_path)
    assert make_table(store.load_done(study)).equals(make_table(finished.load_done(study)))
    assert list(store.files.list("leases")) == []


def test_what_a_killed_process_held_is_taken_over_at_once(
    study_file: Path, study: StudySpec, finished: Store, tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    process = _start(study_file, tmp_path, "killed", 3600)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("started")
    process.kill()
    process.communicate()
    records = run_study(study, Store(tmp_path), SerialEngine(Machine(device="cpu", threads=1)))
    assert make_table(records).equals(make_table(finished.load_done(study)))


class Listener(Progress):
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.waits = threading.Event()

    def run_started(self, run: RunSpec) -> None:
        self.heard.append(("started", run.identity))

    def run_done(self, run: RunSpec, record: RunRecord) -> None:
        self.heard.append(("done", run.identity))

    def run_elsewhere(self, run: RunSpec) -> None:
        self.waits.set()


@pytest.mark.parametrize("ending", ["done", "lost"])
def test_what_another_process_holds_is_waited_for(
    ending: str, study: StudySpec, make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines_module, "LOOK_AGAIN_S", 0.01)

    def execute(run: RunSpec, data: object, store: Store, *_: object) -> RunRecord:
        store.save(make_record(run), {})
        return make_record(run)

    monkeypatch.setattr(engines_module, "execute_run", execute)
    first, second, *_ = study.runs()
    mine, theirs, listener = Store(tmp_path), Store(tmp_path), Listener()
    engine = SerialEngine(Machine(device="cpu", threads=1))
    work = functools.partial(engine.execute, [first, second], {"blobs": None}, mine, listener)  # type: ignore[dict-item]
    with theirs.hold(first):
        thread = threading.Thread(target=work)
        thread.start()
        assert listener.waits.wait(timeout=60)
        if ending == "done":
            theirs.save(make_record(first), {})
    thread.join(timeout=60)
    assert not thread.is_alive()
    mine_done = [("started", second.identity), ("done", second.identity)]
    theirs_done = [("done", first.identity)]
    assert listener.heard == mine_done + ([] if ending == "done" else [("started", first.identity)]) + theirs_done
    assert list(mine.files.list("leases")) == []


def test_a_run_lost_while_it_was_done_here_is_left_to_the_taker(
    study: StudySpec, make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines_module, "LOOK_AGAIN_S", 0.01)
    run = next(study.runs())
    theirs = Store(tmp_path, expiry_s=0.0)
    other = make_record(run).model_copy(update={"seconds": 99.0})
    begun: list[str] = []

    def execute(run: RunSpec, data: object, store: Store, *_: object) -> RunRecord:
        begun.append(run.identity)
        time.sleep(0.05)
        with theirs.hold(run) as lease:
            assert lease is not None
            with pytest.warns(UserWarning, match="another process took over"):
                store.save(make_record(run), {})
            theirs.save(other, {})
        return make_record(run)

    monkeypatch.setattr(engines_module, "execute_run", execute)
    mine = Store(tmp_path, expiry_s=3600)
    engine = SerialEngine(Machine(device="cpu", threads=1))
    assert engine.execute([run], {"blobs": None}, mine, Progress()) == []  # type: ignore[dict-item]
    assert begun == [run.identity]
    assert mine.load(run) == other
