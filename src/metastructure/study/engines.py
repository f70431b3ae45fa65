"""Engines: how the runs of a study get done. Serial here; a distributed one fills the same interface."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

from metastructure.data.folder import Dataset
from metastructure.errors import RunError
from metastructure.study.progress import Progress
from metastructure.study.run import execute_run, load_data
from metastructure.study.spec import RunSpec
from metastructure.study.store import Store
from metastructure.training import Machine


class Engine(ABC):
    """Does runs and writes their records to a store."""

    @abstractmethod
    def execute(self, runs: Sequence[RunSpec], store: Store, progress: Progress) -> list[RunError]:
        """Do all runs, none of which is done, and return what failed; the others go on.

        An error of data or spec, which would stop every run alike, is raised at once.
        """


@final
class SerialEngine(Engine):
    """One run after another in this process.

    Parameters
    ----------
    machine : Machine
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def execute(self, runs: Sequence[RunSpec], store: Store, progress: Progress) -> list[RunError]:
        """Do the runs in the given order; each data set is read once and kept while its runs last."""
        failures: list[RunError] = []
        loaded: tuple[str, Dataset] | None = None
        for run in runs:
            if loaded is None or loaded[0] != run.data_name:
                loaded = run.data_name, load_data(run.data_name, run.data, store.root / "data")
                store.claim_data(run.data_name, loaded[1].fingerprint)
            progress.run_started(run)
            try:
                record = execute_run(run, loaded[1], store, self.machine, functools.partial(progress.epoch_done, run))
            except RunError as error:
                failures.append(error)
                progress.run_failed(run, error)
                continue
            progress.run_done(run, record)
        return failures
