"""A study as a whole: run what is missing, collect its records."""

from metastructure.counts import count
from metastructure.data.folder import Dataset
from metastructure.errors import ConfigError, RunError
from metastructure.networks import build_network
from metastructure.noise import parse_noise
from metastructure.study.engines import Engine
from metastructure.study.progress import Progress
from metastructure.study.record import RunRecord
from metastructure.study.run import load_data
from metastructure.study.spec import StudySpec
from metastructure.study.status import get_status
from metastructure.study.store import Store
from metastructure.study.trackers import Tracking, check_trackers, track


def run_study(study: StudySpec, store: Store, engine: Engine, progress: Progress | None = None) -> list[RunRecord]:
    """Do the runs of a study that have no record yet and return the records of all.

    A finished run is never computed twice; an interrupted one goes on from its checkpoint; one with a damaged record is
    done again. Processes on one store share the runs, and each returns when all are done.

    Parameters
    ----------
    study : StudySpec
        What is to be run, see `load_study`.
    store : Store
        Folder of records and checkpoints; generated data go into it too.
    engine : Engine
        Where runs are computed: ``SerialEngine(Machine())`` is one after the other here. Results do not depend on it.
    progress : Progress, optional
        Hears of each run that starts, ends or fails, and of epochs; without it nobody does.

    Returns
    -------
    list of RunRecord
        One a run, in the order of ``study.runs()``; `make_table` takes them.

    Raises
    ------
    RunError
        After all runs were tried, if some failed.
    DataError, ConfigError, MetastructureError
        At once: they would stop every run alike. Also where a data set is no longer what earlier runs saw.

    Examples
    --------
    Two short runs on generated nuclei; the second call computes nothing.

    >>> import tempfile
    >>> import metastructure as ms
    >>> study = StudySpec.model_validate({
    ...     "name": "small",
    ...     "data": {"nuc": {"generate": {"kind": "nuc", "train": 2, "val": 1, "test": 2, "height": 32, "width": 32},
    ...                      "num_classes": 2}},
    ...     "noises": ["clean", "dilate:1"],
    ...     "networks": [{"name": "residual_unet", "settings": {"width": 2}}],
    ...     "training": {"epochs": 1, "batch_size": 2, "crop_px": 32},
    ...     "seeds": [0],
    ... })
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for _ in range(2):
    ...         records = run_study(study, Store(folder), ms.SerialEngine(ms.Machine(threads=1)))
    >>> [(record.spec.noise, len(record.test.ids)) for record in records]
    [('clean', 2), ('dilate:1', 2)]
    """
    store.check_format()
    check_trackers(study.trackers)
    datasets = {name: load_data(name, spec, store.root / "data") for name, spec in study.data.items()}
    _check_fit(study, datasets)
    for name, data in datasets.items():
        store.claim_data(name, data.fingerprint)
    store.save_study(study)
    done = {run.identity for run in get_status(study, store).done}
    todo = [run for run in study.runs() if run.identity not in done]
    listener, logs = progress or Progress(), store.root / "trackers"
    if study.trackers:
        listener = Tracking(study, logs, listener)
    failures = engine.execute(todo, datasets, store, listener) if todo else []
    store.index()  # written here, the first look at thousands of records need not wait for it
    if failures:
        raise RunError(f"{len(failures)} of {count(len(todo), 'run')} failed; the first: {failures[0]}")
    records = store.load_done(study)
    for record in records:  # those of an earlier time too
        track(study, record, logs)
    return records


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
