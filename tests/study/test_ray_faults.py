"""A study on a real cluster of two node processes: whatever dies, nothing finished is lost or done twice."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from metastructure.errors import RunError
from metastructure.study import (
    Progress,
    RunRecord,
    RunSpec,
    SerialEngine,
    Store,
    StudySpec,
    get_status,
    make_table,
    ray_engine,
    run_study,
)
from metastructure.study.ray_engine import RayEngine
from metastructure.study.spec import Resources
from metastructure.study.store_files import StoreError
from metastructure.training import Machine, loop

pytest.importorskip("ray")

SEEDS = (0, 1, 2, 3)
EPOCHS, STEPS_PER_EPOCH = 4, 2
STEPS = EPOCHS * STEPS_PER_EPOCH
PAUSED = STEPS_PER_EPOCH + 1
"""Steps of a run that is paused, of which a checkpoint holds the first epoch."""

PROBED = """
name: probed
data:
  blobs: {generate: {kind: nuc, train: 4, val: 2, test: 3, height: 32, width: 40}}
noises: ["flip:0.2"]
networks: [{factory: "ray_probe:build"}]
training: {epochs: 4, batch_size: 2, crop_px: 32, learning_rate: 0.01}
seeds: [0, 1, 2, 3]
"""

PATIENCE_S = 300.0
"""For anything to happen on a busy machine; nothing waits so long on an idle one."""


class Listener(Progress):
    """Remembers what it hears, and does something when a run ends."""

    def __init__(self, on_done: Callable[[], None] = lambda: None) -> None:
        self.on_done = on_done
        self.started: list[int] = []
        self.done: list[int] = []
        self.lost: list[int] = []
        self.failed: dict[int, RunError] = {}

    def run_started(self, run: RunSpec) -> None:
        self.started.append(run.seed)

    def run_lost(self, run: RunSpec, reason: str) -> None:
        self.lost.append(run.seed)

    def run_done(self, run: RunSpec, record: RunRecord) -> None:
        self.done.append(run.seed)
        self.on_done()

    def run_failed(self, run: RunSpec, error: RunError) -> None:
        self.failed[run.seed] = error


@pytest.fixture(scope="module")
def helpers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The modules beside this one, found here and by all processes that are started meanwhile."""
    here = str(Path(__file__).parent)
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(here)
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")])))
    patch.setenv("RAY_PROBE", str(tmp_path_factory.mktemp("probe")))
    patch.setattr(loop, "CHECKPOINT_INTERVAL_S", loop.CHECKPOINT_INTERVAL_S)  # the probe changes it
    import ray_local

    with ray_local.environment():
        yield ray_local
    patch.undo()


@pytest.fixture(scope="module")
def cluster(helpers: Any) -> Iterator[Any]:
    """Two nodes with one CPU each, to which this process is connected."""
    import ray

    with helpers.two_nodes() as cluster:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield cluster
        ray.shutdown()


@pytest.fixture(scope="module")
def engine(cluster: Any) -> RayEngine:
    """Runs of one CPU each on the cluster."""
    return RayEngine(Resources())


@pytest.fixture
def probe(helpers: Any) -> Any:
    """The probe, which fails nowhere."""
    import ray_probe

    ray_probe.reset()
    return ray_probe


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard, also where the tests run in the background of a shell, which turns it off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def undisturbed(helpers: Any, tmp_path_factory: pytest.TempPathFactory) -> list[RunRecord]:
    """Its records when one process does it."""
    import ray_probe

    ray_probe.reset()
    store = Store(tmp_path_factory.mktemp("undisturbed"))
    return run_study(_probed(), store, SerialEngine(Machine(device="cpu", threads=1)))


def _probed() -> StudySpec:
    return StudySpec.model_validate(yaml.safe_load(PROBED))


def _comparable(records: list[RunRecord]) -> list[dict[str, object]]:
    return [record.model_dump(exclude={"seconds", "epoch_seconds", "finished"}) for record in records]


def _check_same(records: list[RunRecord], undisturbed: list[RunRecord]) -> None:
    assert _comparable(records) == _comparable(undisturbed)
    assert make_table(records).equals(make_table(undisturbed))


def _count_steps(probe: Any) -> Counter[int]:
    return Counter(step.seed for step in probe.read_steps(SEEDS))


def _wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


@contextmanager
def _meanwhile(action: Callable[[], None]) -> Iterator[None]:
    """Do it in a thread of its own."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(action)
        yield
        future.result()


def test_records_are_those_of_one_process_and_data_is_placed_once_a_node(
    engine: RayEngine, tmp_path: Path, study: StudySpec, finished: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    from ray.experimental import get_object_locations

    put, placed = ray.put, []

    def spy(value: object) -> Any:
        placed.append(put(value))
        return placed[-1]

    monkeypatch.setattr(ray, "put", spy)
    records = run_study(study, Store(tmp_path / "store"), engine)
    _check_same(records, finished.load_done(study))
    nodes = {node["NodeID"] for node in ray.nodes()}
    assert len(placed) == 1
    assert set(get_object_locations(placed)[placed[0]]["node_ids"]) == nodes, "both nodes worked, each with its copy"

    @ray.remote
    def is_shared(data: Any) -> list[bool]:
        return [not image.flags.owndata and not image.flags.writeable for image in data.splits["train"].images]

    assert ray.get(is_shared.remote(placed[0])) == [True] * 4, "workers read the node's copy, they make none"


def test_a_killed_worker_is_replaced_and_goes_on(
    engine: RayEngine, tmp_path: Path, probe: Any, undisturbed: list[RunRecord]
) -> None:
    probe.set_faults({1: "pause"})

    def kill() -> None:
        _wait_for(lambda: _count_steps(probe)[1] == PAUSED)
        os.kill(next(step.process for step in probe.read_steps(SEEDS) if step.seed == 1), signal.SIGKILL)
        probe.set_faults({})

    listener = Listener()
    with _meanwhile(kill):
        _check_same(run_study(_probed(), Store(tmp_path), engine, listener), undisturbed)
    assert listener.lost == [1]
    assert sorted(listener.done) == [0, 1, 2, 3]
    again = PAUSED - STEPS_PER_EPOCH  # of the second epoch, which no checkpoint held
    assert _count_steps(probe) == {0: STEPS, 1: STEPS + again, 2: STEPS, 3: STEPS}


def test_failed_runs_are_told_with_their_traceback_and_the_others_go_on(
    engine: RayEngine, tmp_path: Path, probe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "RETRIES", 1)
    probe.set_faults({1: "raise", 2: "die"})
    listener, store = Listener(), Store(tmp_path)
    with pytest.raises(RunError, match=r"^2 of 4 runs failed; the first: blobs"):
        run_study(_probed(), store, engine, listener)
    assert sorted(listener.done) == [0, 3]
    assert listener.lost.count(2) == 1
    raised, died = listener.failed[1], listener.failed[2]
    assert str(raised).endswith("seed 1: ValueError: the probe was told to fail")
    assert "in _tell\n" in raised.__notes__[0]
    assert raised.__notes__[0].endswith("says more in a second line")
    assert re.search(r"seed 2: its worker died 2 times, at last by \w+Error: ", str(died))
    status = get_status(_probed(), store)
    assert [run.seed for run in status.failed] == [1, 2]
    assert all(store.failure(run) for run in status.failed)


def test_ctrl_c_leaves_a_store_that_goes_on(
    engine: RayEngine, tmp_path: Path, probe: Any, undisturbed: list[RunRecord], heard: None
) -> None:
    probe.set_faults({1: "pause"})
    store, first, second = Store(tmp_path), Listener(), Listener()

    def interrupt() -> None:
        _wait_for(lambda: _count_steps(probe)[1] == PAUSED and len(first.done) >= 1)
        os.kill(os.getpid(), signal.SIGINT)

    with _meanwhile(interrupt), pytest.raises(KeyboardInterrupt):
        run_study(_probed(), store, engine, first)
    probe.set_faults({})
    status = get_status(_probed(), store)
    assert not status.running, "whoever is interrupted gives its runs back"
    assert [run.seed for run in status.started if run.seed == 1] == [1]
    done = {run.seed for run in status.done}
    _check_same(run_study(_probed(), store, engine, second), undisturbed)
    _check_nothing_twice(probe, done, second)
    assert _count_steps(probe)[1] == STEPS + PAUSED - STEPS_PER_EPOCH


def _check_nothing_twice(probe: Any, done: set[int], second: Listener) -> None:
    """Check the steps of a study that was stopped when some runs were done, and went on."""
    assert 1 <= len(done) < len(SEEDS)
    assert not done & set(second.started)
    steps = _count_steps(probe)
    assert all(steps[seed] == STEPS for seed in done)
    assert all(STEPS <= steps[seed] <= STEPS + STEPS_PER_EPOCH for seed in SEEDS)


def test_a_killed_driver_loses_nothing_that_is_done(
    cluster: Any,
    engine: RayEngine,
    tmp_path: Path,
    probe: Any,
    undisturbed: list[RunRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_engine, "LOOK_AGAIN_S", 0.5)
    probe.set_faults({1: "pause"})
    (tmp_path / "probed.yaml").write_text(PROBED, encoding="utf-8")
    store, runs = Store(tmp_path / "store"), list(_probed().runs())
    command = [sys.executable, "-c", "from metastructure.cli import main; main()", "study", "run"]
    command += [
        str(tmp_path / "probed.yaml"),
        "--store",
        str(store.root),
        "--engine",
        "ray",
        "--address",
        cluster.address,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
        assert driver.stderr is not None

        def is_on_its_way() -> bool:
            assert driver.poll() is None, driver.stderr.read()
            return _count_steps(probe)[1] == PAUSED and any(map(store.is_done, runs))

        try:
            _wait_for(is_on_its_way)
        finally:
            driver.kill()
    _wait_for(lambda: not get_status(_probed(), store).running)  # Ray ends the workers of a driver that is gone
    probe.set_faults({})
    done = {run.seed for run in runs if store.is_done(run)}
    second = Listener()
    _check_same(run_study(_probed(), store, engine, second), undisturbed)
    _check_nothing_twice(probe, done, second)
    assert _count_steps(probe)[1] == STEPS + PAUSED - STEPS_PER_EPOCH


def test_a_full_disk_stops_the_study_and_it_goes_on_when_there_is_room(
    engine: RayEngine, tmp_path: Path, probe: Any, undisturbed: list[RunRecord]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.decode().strip()}")
    try:
        # a lease cannot be given back on a full disk, it must expire
        store, filler = Store(disk / "store", expiry_s=10.0), disk / "filler"

        def fill() -> None:
            with suppress(OSError), filler.open("ab") as file:  # a worker may take some of it, or leave some
                file.write(bytes(shutil.disk_usage(disk).free))
            probe.set_faults({})

        probe.set_faults({1: "pause"})
        listener = Listener(on_done=fill)
        with pytest.raises(StoreError, match=r"No space left on device\); free some space") as stopped:
            run_study(_probed(), store, engine, listener)
        assert "\n" not in str(stopped.value)
        assert listener.failed == {}
        filler.unlink()
        done = {run.seed for run in get_status(_probed(), store).done}
        assert done >= set(listener.done)
        second = Listener()
        _check_same(run_study(_probed(), store, engine, second), undisturbed)
        _check_nothing_twice(probe, done, second)
        assert not list(store.root.rglob("*.pt"))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_damaged_record_is_done_again_and_no_other(
    engine: RayEngine, tmp_path: Path, probe: Any, undisturbed: list[RunRecord]
) -> None:
    store = Store(tmp_path)
    run_study(_probed(), store, engine)
    record = store.folder(list(_probed().runs())[2]) / "record.json"
    record.write_text(record.read_text(encoding="utf-8")[:100], encoding="utf-8")
    probe.reset()
    with pytest.warns(UserWarning, match=r"seed 2: .*record is damaged"):
        records = run_study(_probed(), store, engine)
    _check_same(records, undisturbed)
    assert _count_steps(probe) == {2: STEPS}


def test_a_lost_node_is_done_without(
    cluster: Any, engine: RayEngine, tmp_path: Path, probe: Any, undisturbed: list[RunRecord]
) -> None:
    (node,) = cluster.worker_nodes
    raylet = node.all_processes["raylet"][0].process.pid
    probe.set_faults(dict.fromkeys(SEEDS, "pause"))
    on_node: dict[int, int] = {}

    def remove() -> None:
        _wait_for(lambda: [*_count_steps(probe).values()] == [PAUSED, PAUSED])
        on_node.update({step.seed: step.process for step in probe.read_steps(SEEDS) if step.parent == raylet})
        cluster.remove_node(node, allow_graceful=False)
        for process in on_node.values():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        probe.set_faults({})

    listener = Listener()
    with _meanwhile(remove):
        _check_same(run_study(_probed(), Store(tmp_path), engine, listener), undisturbed)
    assert len(on_node) == 1
    assert set(listener.lost) == set(on_node)
    again = {seed: PAUSED - STEPS_PER_EPOCH if seed in on_node else 0 for seed in SEEDS}
    assert _count_steps(probe) == {seed: STEPS + again[seed] for seed in SEEDS}
