"""Engines: how the runs of a study get done. One after another here; `metastructure.study.ray_engine` spreads them."""

import contextlib
import errno
import functools
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

from metastructure.data.folder import Dataset
from metastructure.errors import ConfigError, MetastructureError, RunError
from metastructure.study.progress import Progress
from metastructure.study.record import RunRecord
from metastructure.study.run import execute_run
from metastructure.study.spec import Resources, RunSpec
from metastructure.study.store import Store
from metastructure.study.store_files import StoreError, explain_write_errors
from metastructure.training import Machine

LOOK_AGAIN_S = 5.0
"""How often the engine looks after runs that other processes do, once it has no other."""

STOPPERS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What writing a checkpoint would meet in every run."""


class Engine(ABC):
    """Does runs and writes their records to a store."""

    @abstractmethod
    def execute(
        self, runs: Sequence[RunSpec], datasets: Mapping[str, Dataset], store: Store, progress: Progress
    ) -> list[RunError]:
        """Do all runs, none of which is done, and return what failed; the others go on.

        A run that another process does is waited for.

        Parameters
        ----------
        runs : sequence of RunSpec
            All different.
        datasets : mapping from name to Dataset
            The data set of every run.
        store, progress
            Where records go, and who hears of it.

        Raises
        ------
        MetastructureError
            At once, if something would stop every run alike, such as a full disk. What is done stays done.
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
        while runs:
            elsewhere = []
            for run in runs:
                ended = try_run(run, datasets[run.data_name], store, self.machine, progress)
                if isinstance(ended, RunRecord):
                    progress.run_done(run, ended)
                elif isinstance(ended, Failure):
                    failures.append(ended.as_run_error())
                    progress.run_failed(run, failures[-1])
                else:
                    progress.run_elsewhere(run)
                    elsewhere.append(run)
            if len(elsewhere) == len(runs):
                time.sleep(LOOK_AGAIN_S)
            runs = elsewhere
        return failures


def choose_machine(
    resources: Resources, device: Literal["auto", "cpu", "cuda"] = "auto", threads: int | None = None
) -> Machine:
    """Return where this machine trains a study, which is a GPU if the study asks for one and `device` leaves it open.

    Raises
    ------
    ConfigError
        If the study asks for a GPU and this machine has none.
    """
    if device == "auto" and resources.gpus:
        import torch

        if not torch.cuda.is_available():
            raise ConfigError(
                f"the study asks for {resources.gpus:g} GPU a run (resources) and this machine has none; "
                "choose --device cpu, or leave gpus out."
            )
        device = "cuda"
    return Machine(device=device, threads=threads, devices=max(1, int(resources.gpus)) if device == "cuda" else 1)


@dataclass(frozen=True)
class Failure:
    """Why a run could not be finished.

    Attributes
    ----------
    error : MetastructureError
        In one line; what nobody foresaw has its traceback in a note.
    stops_study : bool
        Whether the other runs would fail alike.
    """

    error: MetastructureError
    stops_study: bool = False

    def as_run_error(self) -> RunError:
        """Return the error of a run that does not stop the others; raise one that does."""
        if self.stops_study or not isinstance(self.error, RunError):
            raise self.error
        return self.error


def try_run(
    run: RunSpec, data: Dataset, store: Store, machine: Machine, progress: Progress
) -> RunRecord | Failure | None:
    """Do one run as `execute_run` does, unless it is done or another process does it.

    Parameters
    ----------
    run, data, store, machine
        As for `execute_run`.
    progress : Progress
        Hears when the run starts, and of its epochs.

    Returns
    -------
    RunRecord, Failure or None
        None where another process does it. A failure that does not stop the study is kept in the store.
    """
    try:
        with store.hold(run) as lease:
            if lease is None:
                return None
            if store.is_done(run):
                return store.load(run)
            progress.run_started(run)
            record = execute_run(run, data, store, machine, functools.partial(progress.epoch_done, run))
            return record if store.is_done(run) else None  # taken over by another process, whose record will count
    except RunError as error:
        failure = error
    except MetastructureError as error:
        return Failure(error, stops_study=True)
    except Exception as error:  # of a network by factory, of torch out of memory: the other runs may do
        if isinstance(error, OSError) and error.errno in STOPPERS:
            return Failure(_explain(store, error), stops_study=True)
        failure = tell_unforeseen(run, error)
    with contextlib.suppress(StoreError):  # it is told anyhow
        store.note_failure(run, failure)
    return Failure(failure)


def tell_unforeseen(run: RunSpec, error: Exception) -> RunError:
    """Return the error of a run that met what nobody foresaw: one line, with the traceback in a note."""
    said = str(error).strip().splitlines()
    told = RunError(f"{run.title}: {type(error).__name__}{': ' + said[0] if said else ''}")
    told.add_note("".join(traceback.format_exception(error)).rstrip())
    return told


def _explain(store: Store, error: OSError) -> StoreError:
    try:
        with explain_write_errors(store.address):
            raise error
    except StoreError as explained:
        return explained
