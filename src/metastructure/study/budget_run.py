"""The trainings of a plan of the annotation: those that are missing, with news of how far they are."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

from metastructure.data.folder import Dataset
from metastructure.data.journal import lie_apart
from metastructure.errors import ConfigError, DataError, RunError
from metastructure.networks import build_network
from metastructure.noise import parse_noise
from metastructure.study.engines import SerialEngine
from metastructure.study.progress import Progress
from metastructure.study.record import RunRecord
from metastructure.study.spec import RunSpec, StudySpec
from metastructure.study.store import Store
from metastructure.training.settings import Machine

STUDY_NAME, DATA_NAME = "plan", "data"

OnProgress = Callable[[str, int, int], None]
"""``on_progress(labels, epochs_done, epochs_in_all)``."""


def check_plan_folder(data: Path, out: Path) -> None:
    """Raise DataError unless `out` lies apart from `data` and is new, empty, or holds a plan."""
    if not lie_apart(data, out):
        raise DataError(f"{out}: the plan must lie apart from the data {data}, neither folder inside the other.")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: this is a file; name a folder for the plan.")
    if out.is_dir() and any(out.iterdir()) and not _holds_plan(out / "study.json"):
        raise DataError(f"{out}: this folder holds other files already; name a new one for the plan.")


def run_trainings(
    studies: Sequence[StudySpec],
    dataset: Dataset,
    store: Store,
    machine: Machine,
    on_progress: OnProgress | None = None,
) -> list[list[RunRecord]]:
    """Do the runs of studies of one data set that have no record yet and return the records of all, a list a study.

    Unlike `run_study` it takes the data set as it is given, of which no folder may hold the splits.

    Raises
    ------
    ConfigError, DataError
        At once, if a noise does not fit the data, or the store is of other data.
    RunError
        After all runs were tried, if some failed.
    """
    for noise in studies[0].noises:
        try:
            parse_noise(noise).check_num_classes(dataset.num_classes)
        except ValueError as error:
            raise ConfigError(f"noise '{noise}' does not fit the data set: {error}") from None
    build_network(studies[0].networks[0], dataset.num_channels, dataset.num_classes)
    try:
        store.claim_data(DATA_NAME, dataset.fingerprint)
    except DataError:
        raise DataError(f"{store.root}: this folder holds the plan of other data; name a new one.") from None
    store.save_study(studies[0])
    todo = [run for study in studies for run in study.runs() if not store.is_done(run)]
    progress = _Teller(on_progress, sum(run.training.epochs for run in todo)) if on_progress else Progress()
    failures = SerialEngine(machine).execute(todo, {DATA_NAME: dataset}, store, progress)
    if failures:
        raise RunError(f"{len(failures)} of {len(todo)} trainings failed; the first: {failures[0]}")
    return [store.load_done(study) for study in studies]


def _holds_plan(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("name") == STUDY_NAME)
    except (OSError, ValueError, AttributeError):
        return False


@final
class _Teller(Progress):
    """Turns the news of single runs into one count of epochs."""

    def __init__(self, tell: OnProgress, total: int) -> None:
        self.tell, self.total, self.before = tell, total, 0

    def run_started(self, run: RunSpec) -> None:
        """Name the labels."""
        self.tell(run.noise, self.before, self.total)

    def epoch_done(self, run: RunSpec, epochs_done: int, loss: float) -> None:
        """Move on."""
        self.tell(run.noise, self.before + epochs_done, self.total)

    def run_done(self, run: RunSpec, record: RunRecord) -> None:
        """Count the run."""
        self.before += run.training.epochs

    def run_failed(self, run: RunSpec, error: RunError) -> None:
        """Count the run."""
        self.before += run.training.epochs
