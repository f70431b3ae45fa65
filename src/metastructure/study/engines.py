"""Engines: how the runs of a study get done. Serial here; a distributed one fills the same interface."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import final

from metastructure.data.folder import Dataset
from metastructure.errors import RunError
from metastructure.study.progress import Progress
from metastructure.study.run import execute_run
from metastructure.study.spec import RunSpec
from metastructure.study.store import Store
from metastructure.training import Machine


class Engine(ABC):
    """Does runs and writes their records to a store."""

    @abstractmethod
    def execute(
        self, runs: Sequence[RunSpec], datasets: Mapping[str, Dataset], store: Store, progress: Progress
    ) -> list[RunError]:
        """Do all runs, none of which is done, and return what failed; the others go on.

        Parameters
        ----------
        runs : sequence of RunSpec
            All different.
        datasets : mapping from name to Dataset
            The data set of every run.
        store, progress
            Where records go, and who hears of it.
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

    def execute(
        self, runs: Sequence[RunSpec], datasets: Mapping[str, Dataset], store: Store, progress: Progress
    ) -> list[RunError]:
        """Do the runs in the given order."""
        failures: list[RunError] = []
        for run in runs:
            progress.run_started(run)
            store.forget_failure(run)
            try:
                on_epoch = functools.partial(progress.epoch_done, run)
                record = execute_run(run, datasets[run.data_name], store, self.machine, on_epoch)
            except RunError as error:
                failures.append(error)
                store.note_failure(run, error)
                progress.run_failed(run, error)
                continue
            progress.run_done(run, record)
        return failures
