"""The store of a study: a directory with one folder a run, every file written whole or not at all.

``STORE/study.json`` is the spec it was last run with, ``data.json`` the fingerprints of its data sets;
``STORE/runs/IDENTITY/`` holds ``checkpoint.pt`` while a run is under way, ``record.json`` and ``samples.npz`` when it
is done, and ``failed.txt`` what went wrong if its last try failed. A run is done when its record exists.
"""

import json
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from metastructure.data.files import atomic_path, write_text
from metastructure.errors import DataError, RunError
from metastructure.study.record import RunRecord
from metastructure.study.spec import RunSpec, StudySpec

Samples = dict[str, npt.NDArray[np.generic]]


@final
class Store:
    """Records of runs below one directory.

    Parameters
    ----------
    root : Path or str
        Made when something is first written.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def folder(self, run: RunSpec) -> Path:
        """Return the run's own folder."""
        return self.root / "runs" / run.identity

    def checkpoint(self, run: RunSpec) -> Path:
        """Return where the run keeps its state while it trains."""
        return self.folder(run) / "checkpoint.pt"

    def is_done(self, run: RunSpec) -> bool:
        """Return whether the run has a record."""
        return (self.folder(run) / "record.json").is_file()

    def failure(self, run: RunSpec) -> str | None:
        """Return what went wrong in the last try of the run, or None if it did not fail."""
        path = self._failure_path(run)
        return path.read_text(encoding="utf-8").removeprefix(f"{run.title}: ") if path.is_file() else None

    def note_failure(self, run: RunSpec, error: RunError) -> None:
        """Keep what went wrong, until the run is tried again."""
        write_text(self._failure_path(run), str(error))

    def forget_failure(self, run: RunSpec) -> None:
        """Remove what `note_failure` kept, if anything."""
        self._failure_path(run).unlink(missing_ok=True)

    def _failure_path(self, run: RunSpec) -> Path:
        return self.folder(run) / "failed.txt"

    def load(self, run: RunSpec) -> RunRecord:
        """Return the record of a finished run.

        Raises
        ------
        RunError
            If it is missing, damaged, or was written by another version.
        """
        path = self.folder(run) / "record.json"
        try:
            record = RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{path}: {run.title} has not run yet.") from None
        except (ValidationError, UnicodeDecodeError) as error:
            raise RunError(
                f"{path}: this record is damaged or from another version; delete its folder to run it again "
                f"({len(str(error).splitlines())} lines of detail from pydantic)."
            ) from error
        return record.model_copy(update={"spec": run})  # another study may call the same recipe otherwise

    def load_done(self, study: StudySpec) -> list[RunRecord]:
        """Return the records of all finished runs of a study, in its order.

        Raises
        ------
        RunError
            If a record is damaged, or two records saw different content under one data set's name.
        """
        records = [self.load(run) for run in study.runs() if self.is_done(run)]
        seen: dict[str, str] = {}
        for record in records:
            if seen.setdefault(record.spec.data_name, record.data_fingerprint) != record.data_fingerprint:
                raise RunError(
                    f"{self.root}: runs of the data set {record.spec.data_name!r} saw different files; "
                    "delete the store, or the runs of the old files."
                )
        return records

    def save(self, record: RunRecord, samples: Samples) -> None:
        """Write the samples, then the record, and remove the checkpoint that is no longer needed."""
        folder = self.folder(record.spec)
        with atomic_path(folder / "samples.npz") as temporary:
            np.savez_compressed(temporary, allow_pickle=False, **samples)
        write_text(folder / "record.json", record.model_dump_json(indent=None))
        self.checkpoint(record.spec).unlink(missing_ok=True)
        self.forget_failure(record.spec)

    def load_samples(self, run: RunSpec) -> Samples:
        """Return the sample images of a finished run; empty if they were not kept."""
        path = self.folder(run) / "samples.npz"
        if not path.is_file():
            return {}
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def claim_data(self, name: str, fingerprint: str) -> None:
        """Remember what a data set held when it was first used, so that no table mixes two versions of it.

        Raises
        ------
        DataError
            If earlier runs of this store saw other content under this name.
        """
        path = self.root / "data.json"
        known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if known.get(name) == fingerprint:
            return
        if known.setdefault(name, fingerprint) != fingerprint:
            raise DataError(
                f"{self.root}: the data set {name!r} changed since earlier runs of this study; "
                "give the study a new name, or delete its store."
            )
        write_text(path, json.dumps(known, indent=1))

    def save_study(self, study: StudySpec) -> None:
        """Write the spec, for whoever finds the directory."""
        write_text(self.root / "study.json", study.model_dump_json(indent=1))
