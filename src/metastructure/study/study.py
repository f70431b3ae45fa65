"""A study as a whole: run what is missing, say how far it is, collect its records."""

from dataclasses import dataclass

from metastructure.data.folder import Dataset
from metastructure.errors import ConfigError, RunError
from metastructure.networks import build_network
from metastructure.noise import parse_noise
from metastructure.study.counts import count
from metastructure.study.engines import Engine
from metastructure.study.progress import Progress
from metastructure.study.record import RunRecord
from metastructure.study.run import load_data
from metastructure.study.spec import RunSpec, StudySpec
from metastructure.study.store import Store


@dataclass(frozen=True)
class Status:
    """How far a study is: each of its runs in one of these."""

    done: tuple[RunSpec, ...]
    failed: tuple[RunSpec, ...]
    started: tuple[RunSpec, ...]
    missing: tuple[RunSpec, ...]


def get_status(study: StudySpec, store: Store) -> Status:
    """Return which runs are done, which failed when last tried, which can go on, and which are not begun."""
    done, failed, started, missing = [], [], [], []
    for run in study.runs():
        if store.is_done(run):
            done.append(run)
        elif store.failure(run) is not None:
            failed.append(run)
        elif store.checkpoint(run).is_file():
            started.append(run)
        else:
            missing.append(run)
    return Status(tuple(done), tuple(failed), tuple(started), tuple(missing))


def run_study(study: StudySpec, store: Store, engine: Engine, progress: Progress | None = None) -> list[RunRecord]:
    """Do the runs of a study that have no record yet and return the records of all.

    A finished run is never computed twice; an interrupted one goes on from its checkpoint.

    Raises
    ------
    RunError
        After all runs were tried, if some failed.
    DataError, ConfigError
        At once: they would stop every run alike. Also where a data set is no longer what earlier runs saw.
    """
    datasets = {name: load_data(name, spec, store.root / "data") for name, spec in study.data.items()}
    _check_fit(study, datasets)
    for name, data in datasets.items():
        store.claim_data(name, data.fingerprint)
    store.save_study(study)
    todo = [run for run in study.runs() if not store.is_done(run)]
    failures = engine.execute(todo, datasets, store, progress or Progress()) if todo else []
    if failures:
        raise RunError(f"{len(failures)} of {count(len(todo), 'run')} failed; the first: {failures[0]}")
    return store.load_done(study)


def _check_fit(study: StudySpec, datasets: dict[str, Dataset]) -> None:
    """Raise ConfigError for a noise or a network that cannot work on a data set, before anything is computed."""
    for name, data in datasets.items():
        for noise in study.noises:
            try:
                parse_noise(noise).check_num_classes(data.num_classes)
            except ValueError as error:
                raise ConfigError(f"noise '{noise}' does not fit the data set '{name}': {error}") from None
        for network in study.networks:
            build_network(network, data.num_channels, data.num_classes)
