"""The Ray engine where no cluster is needed: what it refuses, and what a worker does."""

import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from metastructure._version import __version__
from metastructure.cli.study import app
from metastructure.data.folder import Dataset
from metastructure.errors import ConfigError, MetastructureError, RunError
from metastructure.study import RunRecord, RunSpec, Store, StudySpec, ray_cluster, ray_worker
from metastructure.study.engines import Failure
from metastructure.study.ray_engine import RayEngine
from metastructure.study.ray_mailbox import Mailbox, News
from metastructure.study.ray_worker import Teller, work
from metastructure.study.run import load_data
from metastructure.study.spec import Resources
from metastructure.training import Machine

MACHINE = Machine(device="cpu", threads=1)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_without_ray_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MetastructureError, match=r"^the ray engine needs .*pip install 'metastructure\[ray\]'$"):
        RayEngine(Resources())


@pytest.mark.parametrize("address", ["nowhere", "http://head:6379", "head:", ":6379", "head:port", "a b:1/x", "a:1/x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"a Ray address is auto, host:port or ray://host:port; got "):
        RayEngine(Resources(), address=address)


def test_parts_of_an_address() -> None:
    assert ray_cluster._split("head:6379") == ("head", 6379)
    assert ray_cluster._split("ray://10.0.0.7:10001") == ("10.0.0.7", 10001)
    assert ray_cluster._split("[::1]:6379") == ("::1", 6379)


def test_auto_where_no_cluster_runs_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    services = pytest.importorskip("ray._private.services")
    monkeypatch.setattr(services, "find_gcs_addresses", set)
    monkeypatch.setattr(services.ray._private.utils, "read_ray_address", lambda *_: None)
    with pytest.raises(RunError, match=r"^no Ray cluster runs on this machine; start one with 'ray start --head'"):
        ray_cluster.connect("auto")


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_that_does_not_answer_is_told_in_seconds(scheme: str) -> None:
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(RunError, match=rf"^no Ray cluster answers at {scheme}127\.0\.0\.1:{port}.*: ") as told:
        RayEngine(Resources(), address=f"{scheme}127.0.0.1:{port}")
    assert "\n" not in str(told.value)
    assert time.monotonic() - started < 2 * ray_cluster.CONNECT_S


def test_something_that_is_no_ray_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(ray_cluster, "ASK_S", 0.5)
    monkeypatch.setattr("ray._private.services.canonicalize_bootstrap_address", lambda address: address)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(RunError, match=rf"what answers at 127\.0\.0\.1:{port} is no Ray cluster"):
            RayEngine(Resources(), address=f"127.0.0.1:{port}")


def test_device_and_resources_must_agree() -> None:
    with pytest.raises(ConfigError, match="device 'cuda' needs a share of a GPU"):
        RayEngine(Resources(), "cuda")
    with pytest.raises(ConfigError, match=r"device 'cpu' and resources \{gpus: 0\.5\} contradict"):
        RayEngine(Resources(gpus=0.5), "cpu")


class _Nodes:
    """Stands for Ray, with one dead node and some that are alive."""

    def __init__(self, *alive: dict[str, float]) -> None:
        self.alive = alive

    def nodes(self) -> list[dict[str, Any]]:
        dead = {"Alive": False, "Resources": {"CPU": 64, "GPU": 8}}
        return [dead, *({"Alive": True, "Resources": node} for node in self.alive)]

    def cluster_resources(self) -> dict[str, float]:
        return {name: sum(node.get(name, 0) for node in self.alive) for name in ("CPU", "GPU")}


def test_what_no_node_has_is_said_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(resources: Resources, *nodes: dict[str, float]) -> None:
        monkeypatch.setattr(ray_cluster, "import_ray", lambda: _Nodes(*nodes))
        ray_cluster.check_offers(resources)

    check(Resources(cpus=4, gpus=0.5), {"CPU": 2}, {"CPU": 4, "GPU": 1})
    with pytest.raises(ConfigError, match=r"asks for 1 CPU, 0\.5 GPU a run \(resources\), but the cluster has no GPU"):
        check(Resources(gpus=0.5), {"CPU": 2}, {"CPU": 4})
    with pytest.raises(ConfigError, match=r"asks for 8 CPU a run .* its nodes have 2 CPU; 4 CPU, 1 GPU"):
        check(Resources(cpus=8), {"CPU": 2}, {"CPU": 4, "GPU": 1}, {"CPU": 2})
    with pytest.raises(ConfigError, match=r"4 CPU, 1 GPU a run .* no node of the cluster has"):
        check(Resources(cpus=4, gpus=1), {"CPU": 4}, {"CPU": 2, "GPU": 1})


def test_room_is_counted_by_what_runs_out_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "import_ray", lambda: _Nodes({"CPU": 8, "GPU": 1}, {"CPU": 3}))
    assert ray_cluster.count_slots(Resources()) == 11
    assert ray_cluster.count_slots(Resources(cpus=2)) == 5
    assert ray_cluster.count_slots(Resources(gpus=0.25)) == 4
    assert ray_cluster.count_slots(Resources(cpus=64)) == 1, "never none: nodes may come back"


def test_the_object_store_fits_the_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"bytes": 0}
    monkeypatch.setattr(ray_cluster.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free["bytes"]}))
    for free["bytes"], expected in ((64 * 2**20, 80 * 2**20), (1000 * 2**20, 800 * 2**20), (2**40, 8 * 2**30)):
        assert ray_cluster._store_bytes() == expected


def test_options_that_do_not_fit_the_engine(study_file: Path) -> None:
    for options, told in (
        (["--address", "auto"], "--address is that of a Ray cluster; add --engine ray"),
        (["--engine", "ray", "--threads", "2"], "--threads is for --engine serial"),
        (["--engine", "dask"], "'dask'"),
    ):
        result = CliRunner().invoke(app, ["run", str(study_file), *options])
        assert result.exit_code == 2
        assert told in result.output


# --- a worker -------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(study: StudySpec) -> RunSpec:
    """The first run of the tiny study."""
    return next(study.runs())


@pytest.fixture
def data(tmp_path: Path, study: StudySpec) -> Dataset:
    """Its data."""
    return load_data("blobs", study.data["blobs"], tmp_path / "data")


@pytest.fixture
def store(tmp_path: Path, study: StudySpec) -> Store:
    """A store that somebody has begun to use."""
    store = Store(tmp_path / "store")
    store.save_study(study)
    return store


def test_a_worker_does_a_run_and_tells_of_it(
    run: RunSpec, data: Dataset, store: Store, finished: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_worker, "TELL_INTERVAL_S", 0.0)
    box = Mailbox()
    ended = work(run, data, store, MACHINE, box.put, __version__)
    assert isinstance(ended.result, RunRecord)
    assert ended.result.test == finished.load(run).test
    losses = ended.result.loss
    assert box.take() == [News(run.identity), News(run.identity, 1, losses[0]), News(run.identity, 2, losses[1])]
    assert box.take() == []
    assert isinstance(work(run, data, store, MACHINE, box.put, __version__).result, RunRecord)
    assert box.take() == [], "what is done is not begun"


def test_warnings_of_a_worker_come_back_and_raise_nothing_there(
    run: RunSpec, data: Dataset, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warn(*_: object) -> None:
        warnings.warn("look here", stacklevel=2)
        warnings.warn("of no interest", DeprecationWarning, stacklevel=2)

    monkeypatch.setattr(ray_worker, "try_run", warn)
    ended = work(run, data, store, MACHINE, print, __version__)
    assert (ended.result, ended.warnings) == (None, ("look here",))


def test_another_version_or_a_store_that_is_not_seen_stops_the_study(
    tmp_path: Path, run: RunSpec, data: Dataset, store: Store
) -> None:
    for where, version, told in (
        (store, "9.9", "has metastructure .*, the study was started with 9.9; install one version everywhere"),
        (Store(tmp_path / "elsewhere"), __version__, "does not see the store .*elsewhere; keep it where all nodes"),
        (Store("memory://not-shared"), __version__, "does not see the store memory://not-shared"),
    ):
        ended = work(run, data, where, MACHINE, print, version)
        assert isinstance(ended.result, Failure)
        with pytest.raises(ConfigError, match=told):
            ended.result.as_run_error()


def test_short_epochs_are_not_all_told(run: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 100.0}
    monkeypatch.setattr(ray_worker.time, "monotonic", lambda: clock["now"])
    told: list[News] = []
    teller = Teller(told.append)
    teller.run_started(run)
    for epoch, clock["now"] in enumerate((100.8, 101.8, 102.2, 103.0, 104.4), start=1):
        teller.epoch_done(run, epoch, 0.0)
    assert [news.epochs_done for news in told] == [0, 3, 5]


def test_the_mailbox_does_not_wait_for_torch() -> None:
    told = "import sys, metastructure.study.ray_mailbox; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0


def test_a_mailbox_loses_nothing_between_two_takes() -> None:
    box = Mailbox()
    senders = [threading.Thread(target=lambda: [box.put(News("a", n)) for n in range(100)]) for _ in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert len(box.take()) == 300
