"""What a worker of a cluster does: one run, with news of it on the way. Nothing here imports Ray.

A worker is a process on any node. It gets the data set from its node's object store, where all workers of the node read
the same memory, and it writes to the study's store, which all nodes must see.
"""

import socket
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from metastructure._version import __version__
from metastructure.data.folder import Dataset
from metastructure.errors import ConfigError
from metastructure.study.engines import Failure, try_run
from metastructure.study.progress import Progress
from metastructure.study.ray_mailbox import News
from metastructure.study.record import RunRecord
from metastructure.study.spec import RunSpec
from metastructure.study.store import Store
from metastructure.training import Machine

TELL_INTERVAL_S = 2.0
"""Epochs that follow each other faster are not all told of: a thousand workers share one mailbox."""


@final
class Teller(Progress):
    """Tells of a run, not more often than somebody can read.

    Parameters
    ----------
    tell : callable
        Gets the news.
    """

    def __init__(self, tell: Callable[[News], object]) -> None:
        self.tell, self.told = tell, -TELL_INTERVAL_S

    def run_started(self, run: RunSpec) -> None:
        """Tell it."""
        self._tell(News(run.identity))

    def epoch_done(self, run: RunSpec, epochs_done: int, loss: float) -> None:
        """Tell it if the last news are old enough."""
        if time.monotonic() - self.told >= TELL_INTERVAL_S:
            self._tell(News(run.identity, epochs_done, loss))

    def _tell(self, news: News) -> None:
        self.tell(news)
        self.told = time.monotonic()


@dataclass(frozen=True)
class Ended:
    """What `try_run` returned on a worker, and the warnings that it gave there."""

    result: RunRecord | Failure | None
    warnings: tuple[str, ...] = ()


def work(
    run: RunSpec, data: Dataset, store: Store, machine: Machine, tell: Callable[[News], object], version: str
) -> Ended:
    """Do a run, unless it is done or another process does it.

    Parameters
    ----------
    run, data, store, machine
        As for `metastructure.study.engines.try_run`.
    tell : callable
        Gets the news.
    version : str
        Of metastructure where the study was started; another one here would give other results.
    """
    host = socket.gethostname()
    if version != __version__:
        told = f"node {host} has metastructure {__version__}, the study was started with {version}; install one version"
        return Ended(Failure(ConfigError(f"{told} everywhere."), stops_study=True))
    if not store.files.exists("study.json"):
        told = f"node {host} does not see the store {store.address}; keep it where all nodes can reach it."
        return Ended(Failure(ConfigError(told), stops_study=True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", UserWarning)
        result = try_run(run, data, store, machine, Teller(tell))
    return Ended(result, tuple(str(warning.message) for warning in caught))
