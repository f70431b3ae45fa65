"""Finished runs in TensorBoard and MLflow: parameters, the loss of every epoch, and the final scores.

Logs lie in a folder on this machine, one run each under its identity; a run is logged there once.
"""

import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np

from metastructure.data.formats.extra import import_extra
from metastructure.errors import RunError
from metastructure.study.progress import Progress
from metastructure.study.record import RunRecord
from metastructure.study.spec import RunSpec, StudySpec
from metastructure.study.table import make_table

SCORES = ("score", "score_at_half", "pooled_dice", "auc", "accuracy", "threshold", "changed", "ignored")
"""Columns of a study's table that a single run has too, see `metastructure.study.table.COLUMNS`."""

Tracker = Callable[[RunRecord, str, Path], bool]
"""``tracker(record, study_name, folder)`` logs a run below the folder; False if it is there already."""


def log_to_tensorboard(record: RunRecord, study_name: str, folder: Path) -> bool:
    """Write event files to ``FOLDER/STUDY/TITLE-IDENTITY``: ``loss`` by epoch, ``test/SCORE``, and hyper-parameters."""
    with _quiet():
        import_extra("tensorboard", "the TensorBoard log", "trackers")
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

    name = re.sub(r"[^\w.,=+-]+", "_", record.spec.title)[:80]
    path = folder / study_name / f"{name}-{record.identity}"
    if path.exists():
        return False
    unfinished = path.with_name(f".{path.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    scores = {f"test/{key}": value for key, value in score_run(record).items()}
    with _quiet(), SummaryWriter(str(unfinished)) as writer:
        for summary in hparams(flatten_spec(record.spec), scores):  # type: ignore[no-untyped-call]
            writer.file_writer.add_summary(summary)
        for epoch, loss in enumerate(record.loss, start=1):
            writer.add_scalar("loss", loss, epoch)
        for key, value in scores.items():
            writer.add_scalar(key, value, len(record.loss))
    unfinished.replace(path)
    return True


def log_to_mlflow(record: RunRecord, study_name: str, folder: Path) -> bool:
    """Write a run of the experiment STUDY to a local file store: parameters, ``loss`` by epoch, ``test/SCORE``."""
    with _quiet():
        entities = import_extra("mlflow.entities", "the MLflow log", "trackers")
        tracking = import_extra("mlflow.tracking", "the MLflow log", "trackers")
        folder.mkdir(parents=True, exist_ok=True)
    with _quiet(), _allowing_file_stores():
        client = tracking.MlflowClient(tracking_uri=folder.resolve().as_uri())
        found = client.get_experiment_by_name(study_name)
        experiment = client.create_experiment(study_name) if found is None else found.experiment_id
        done = client.search_runs(
            [experiment], f"tags.identity = '{record.identity}' and attributes.status = 'FINISHED'", max_results=1
        )
        if done:
            return False
        run = client.create_run(
            experiment, tags={"identity": record.identity, "finished": record.finished}, run_name=record.spec.title
        ).info.run_id
        when = 0
        client.log_batch(
            run,
            params=[entities.Param(key, str(value)) for key, value in flatten_spec(record.spec).items()],
            metrics=[
                *(entities.Metric("loss", loss, when, epoch) for epoch, loss in enumerate(record.loss, start=1)),
                *(
                    entities.Metric(f"test/{key}", value, when, len(record.loss))
                    for key, value in score_run(record).items()
                ),
            ],
        )
        client.set_terminated(run, "FINISHED")
    return True


TRACKERS: dict[str, Tracker] = {"tensorboard": log_to_tensorboard, "mlflow": log_to_mlflow}
"""Every tracker that a study file can name."""


def score_run(record: RunRecord) -> dict[str, float]:
    """Return the scores of one run in the units of the study's table; those that are not defined are left out."""
    row = make_table([record], num_resamples=0).iloc[0]
    return {name: float(row[name]) for name in SCORES if not np.isnan(row[name])}


def flatten_spec(spec: RunSpec) -> dict[str, str | int | float | bool]:
    """Return the settings of a run as ``training.epochs`` and so on; lists as JSON, what is not set left out.

    Examples
    --------
    >>> from metastructure.study.spec import DataSpec, NetworkSpec, TrainingSettings
    >>> flat = flatten_spec(RunSpec(data_name="a", data="x", noise="clean", network="unet", training={}, seed=3))
    >>> flat["noise"], flat["network.name"], flat["training.epochs"], "data.folder" in flat
    ('clean', 'unet', 20, False)
    """
    return dict(_flatten("", spec.model_dump(mode="json", exclude={"data": {"folder"}})))


def _flatten(prefix: str, value: Any) -> Iterator[tuple[str, str | int | float | bool]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else str(key), inner)
    elif isinstance(value, list):
        yield prefix, json.dumps(value)
    elif value is not None:
        yield prefix, value


def track(study: StudySpec, record: RunRecord, folder: Path) -> None:
    """Log a run with every tracker of its study, each in a folder of its own name; what cannot be written warns."""
    for name in study.trackers:
        try:
            TRACKERS[name](record, study.name, folder / name)
        except OSError as error:
            warnings.warn(
                f"{folder / name}: {record.spec.title} is not logged ({error.strerror or error}); its record is kept.",
                stacklevel=2,
            )


def check_trackers(names: Sequence[str]) -> None:
    """Raise MetastructureError if the package of a tracker is not installed, before anything is computed."""
    for name in names:
        with _quiet():
            import_extra(name, f"trackers: [{name}]", "trackers")


@final
class Tracking(Progress):
    """Logs every run that is done, and passes on all it hears."""

    def __init__(self, study: StudySpec, folder: Path, listener: Progress) -> None:
        self.study, self.folder, self.listener = study, folder, listener

    def run_started(self, run: RunSpec) -> None:
        """Pass it on."""
        self.listener.run_started(run)

    def epoch_done(self, run: RunSpec, epochs_done: int, loss: float) -> None:
        """Pass it on."""
        self.listener.epoch_done(run, epochs_done, loss)

    def run_lost(self, run: RunSpec, reason: str) -> None:
        """Pass it on."""
        self.listener.run_lost(run, reason)

    def run_done(self, run: RunSpec, record: RunRecord) -> None:
        """Log it and pass it on."""
        track(self.study, record, self.folder)
        self.listener.run_done(run, record)

    def run_failed(self, run: RunSpec, error: RunError) -> None:
        """Pass it on."""
        self.listener.run_failed(run, error)

    def run_elsewhere(self, run: RunSpec) -> None:
        """Pass it on."""
        self.listener.run_elsewhere(run)


@contextmanager
def _allowing_file_stores() -> Iterator[None]:
    """Set what MLflow 3.7 and later ask for before they open a local file store."""
    name = "MLFLOW_ALLOW_FILE_STORE"
    before = os.environ.get(name)
    os.environ[name] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what these packages say of their own future (`DeprecationWarning`, `FutureWarning`)."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning, PendingDeprecationWarning):
            warnings.simplefilter("ignore", category)
        yield
