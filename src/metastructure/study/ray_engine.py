"""The Ray engine: one task a run, on the workers of a cluster, each with the share of CPU and GPU that the study names.

The process that calls it, the driver, puts each data set into the object store once; Ray copies it once to each node
that has a task for it. Workers write to the study's store themselves. Runs of a worker or a node that died are begun
anew, and go on from their last checkpoint.
"""

import contextlib
import time
import warnings
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, final

from metastructure._version import __version__ as VERSION
from metastructure.data.folder import Dataset
from metastructure.errors import ConfigError, RunError
from metastructure.study.engines import LOOK_AGAIN_S, Engine, Failure, tell_unforeseen
from metastructure.study.progress import Progress
from metastructure.study.ray_cluster import check_offers, connect, count_slots, first_line, import_ray
from metastructure.study.ray_mailbox import Mailbox, News
from metastructure.study.ray_worker import Ended, work
from metastructure.study.record import RunRecord
from metastructure.study.spec import Resources, RunSpec
from metastructure.study.store import Store
from metastructure.study.store_files import StoreError
from metastructure.training import Machine

RETRIES = 3
"""Of a run whose worker or node died. A run that kills its workers, for want of memory say, must end some day."""

TICK_S = 0.25
"""How often news are fetched."""

STOP_S = 10.0
"""How long workers may take to put down what they do when the study is stopped."""

AHEAD = 2
"""Tasks in Ray's hands for each that can run at once, so that no worker waits for the driver."""


@final
class RayEngine(Engine):
    """Runs on the workers of a Ray cluster, many at once. Use as a context manager, which disconnects at the end.

    Parameters
    ----------
    resources : Resources
        What each run gets.
    device : str
        ``auto`` (a GPU if `resources` has a share of one), ``cpu`` or ``cuda``.
    address : str, optional
        Of the cluster: ``auto``, ``host:port`` or ``ray://host:port``. Without it one is started on this machine. A
        process that is connected to a cluster stays with it.

    Raises
    ------
    ConfigError
        If device, resources and cluster do not fit each other.
    RunError
        If no cluster answers.
    """

    def __init__(
        self, resources: Resources, device: Literal["auto", "cpu", "cuda"] = "auto", address: str | None = None
    ) -> None:
        if device == "cuda" and not resources.gpus:
            raise ConfigError("device 'cuda' needs a share of a GPU: write resources: {gpus: 1} in the study file.")
        if device == "cpu" and resources.gpus:
            raise ConfigError(f"device 'cpu' and resources {{gpus: {resources.gpus:g}}} contradict; leave one out.")
        self.resources = resources
        self.machine = Machine(
            device="cuda" if resources.gpus else "cpu", threads=resources.cpus, devices=max(1, int(resources.gpus))
        )
        self.is_mine = connect(address)
        try:
            check_offers(resources)
        except ConfigError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect, if this engine connected; that ends a cluster that was started for it."""
        if self.is_mine:
            import_ray().shutdown()
            self.is_mine = False

    def execute(
        self, runs: Sequence[RunSpec], datasets: Mapping[str, Dataset], store: Store, progress: Progress
    ) -> list[RunError]:
        """Do the runs, begun in the given order as workers come free."""
        ray = import_ray()
        used = {run.data_name for run in runs}
        placed = {name: ray.put(data) for name, data in datasets.items() if name in used}
        inbox = _Inbox(ray)
        task = ray.remote(_work).options(
            num_cpus=self.resources.cpus,
            num_gpus=self.resources.gpus,
            max_retries=0,  # Ray's own would try a run that asks for too much memory for ever
        )
        waiting = deque(_Task(run) for run in runs)
        under_way: dict[Any, _Task] = {}
        failures: list[RunError] = []
        try:
            while waiting or under_way:
                room = AHEAD * count_slots(self.resources) - len(under_way)
                for one in _take_due(waiting, room):
                    data = placed[one.run.data_name]
                    under_way[task.remote(one.run, data, store, self.machine, inbox.mailbox)] = one
                ended = _wait(ray, list(under_way))
                _pass_on(inbox.take(), under_way.values(), progress)
                for reference in ended:
                    one = under_way.pop(reference)
                    waiting.extendleft(_end(_get(ray, reference, one, store), one, failures, progress))
        finally:
            _stop(ray, list(under_way))
            inbox.close()
        return failures


def _work(run: RunSpec, data: Dataset, store: Store, machine: Machine, mailbox: Any) -> Ended:
    return work(run, data, store, machine, mailbox.put.remote, VERSION)


@dataclass
class _Task:
    """A run to be done. `losses` counts how often its worker died; it is not due before `due`, a monotonic time."""

    run: RunSpec
    losses: int = 0
    due: float = 0.0
    is_started: bool = False

    def start(self, progress: Progress) -> None:
        """Say that it began, unless that was said."""
        if not self.is_started:
            self.is_started = True
            progress.run_started(self.run)


def _take_due(waiting: deque[_Task], room: int) -> Iterable[_Task]:
    """Yield tasks that are due, as many as there is room for, and take them out of the queue."""
    now = time.monotonic()
    for _ in range(len(waiting)):
        if room <= 0:
            return
        task = waiting.popleft()
        if task.due <= now:
            room -= 1
            yield task
        else:
            waiting.append(task)


def _wait(ray: Any, references: list[Any]) -> list[Any]:
    """Return those that ended, after a tick at the latest."""
    if not references:
        time.sleep(TICK_S)
        return []
    ray.wait(references, num_returns=1, timeout=TICK_S)
    ended: list[Any] = ray.wait(references, num_returns=len(references), timeout=0)[0]
    return ended


def _end(ended: Ended | str, task: _Task, failures: list[RunError], progress: Progress) -> list[_Task]:
    """Tell how a task ended, and return what is to be done again."""
    if isinstance(ended, str):
        progress.run_lost(task.run, ended)
        return [_Task(task.run, task.losses + 1)]
    for text in ended.warnings:
        warnings.warn(f"{task.run.title}: {text}", stacklevel=4)
    if isinstance(ended.result, RunRecord):
        task.start(progress)
        progress.run_done(task.run, ended.result)
    elif isinstance(ended.result, Failure):
        failures.append(ended.result.as_run_error())
        task.start(progress)
        progress.run_failed(task.run, failures[-1])
    else:
        progress.run_elsewhere(task.run)
        return [_Task(task.run, task.losses, time.monotonic() + LOOK_AGAIN_S)]
    return []


def _get(ray: Any, reference: Any, task: _Task, store: Store) -> Ended | str:
    """Return the end of a task, or how its worker was lost if it can be tried again."""
    try:
        ended: Ended = ray.get(reference)
        return ended
    except ray.exceptions.RayTaskError as error:
        failure = tell_unforeseen(task.run, error)
    except ray.exceptions.RayError as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        if task.losses < RETRIES:
            return reason
        failure = RunError(f"{task.run.title}: its worker died {RETRIES + 1} times, at last by {reason}")
    with contextlib.suppress(StoreError):  # it is told anyhow
        store.note_failure(task.run, failure)
    return Ended(Failure(failure))


def _pass_on(news: Iterable[News], tasks: Iterable[_Task], progress: Progress) -> None:
    """Tell the news of tasks that are under way."""
    found = {task.run.identity: task for task in tasks}
    for one in news:
        if task := found.get(one.identity):
            task.start(progress)
            if one.epochs_done:
                progress.epoch_done(task.run, one.epochs_done, one.loss)


def _stop(ray: Any, references: list[Any]) -> None:
    """End what is under way: with a chance to put it down, then by force."""
    for force in (False, True):
        for reference in references:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.cancel(reference, force=force)
        if references:
            _, references = ray.wait(references, num_returns=len(references), timeout=STOP_S)


@final
class _Inbox:
    """The news of all workers: they put them into a mailbox on the driver's node, which is emptied now and then."""

    def __init__(self, ray: Any) -> None:
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self.ray = ray
        self.mailbox = ray.remote(Mailbox).options(num_cpus=0, max_restarts=-1, scheduling_strategy=here).remote()
        self.asked = self.mailbox.take.remote()

    def take(self) -> list[News]:
        """Return what is there, without waiting."""
        if not self.ray.wait([self.asked], timeout=0)[0]:
            return []
        try:
            news: list[News] = self.ray.get(self.asked)
        except self.ray.exceptions.RayError:  # it died and starts anew; only news are lost
            news = []
        self.asked = self.mailbox.take.remote()
        return news

    def close(self) -> None:
        """End the mailbox."""
        self.ray.kill(self.mailbox)
