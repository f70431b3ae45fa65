"""Finished runs for other programs: a table of all as CSV or Parquet, or one run each in MLflow or TensorBoard.

The packages for Parquet, MLflow and TensorBoard come with the extra ``trackers``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from metastructure.data.files import atomic_path
from metastructure.data.formats.extra import import_extra
from metastructure.errors import DataError, RunError
from metastructure.study.record import RunRecord
from metastructure.study.spec import StudySpec
from metastructure.study.store import Store
from metastructure.study.trackers import TRACKERS, flatten_spec, score_run

FRAMES: dict[str, str] = {"csv": ".csv", "parquet": ".parquet"}
"""Formats that are one file, with its suffix."""


def make_frame(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Return one row a run: what identifies it, its scores, its training, and every setting of its spec.

    Columns are ``identity``, ``data``, ``network``, ``recipe``, ``noise``, ``seed``, ``metric``, then the scores in the
    units of the study's table (points and %; see `metastructure.study.table.COLUMNS`), ``last_loss``, ``epochs``,
    ``seconds``, ``finished``, ``device``, ``data_fingerprint``, and the spec as ``spec.training.epochs`` and so on.
    """
    return pd.DataFrame([_make_row(record) for record in records])


def export_frame(records: Sequence[RunRecord], path: Path, style: str) -> None:
    """Write `make_frame` to a file of one of the formats FRAMES, whole or not at all.

    Raises
    ------
    MetastructureError
        If pyarrow, which Parquet needs, is not installed.
    """
    frame = make_frame(records)
    if style == "parquet":
        import_extra("pyarrow", "Parquet", "trackers")
    with atomic_path(path) as temporary:
        if style == "parquet":
            frame.to_parquet(temporary, engine="pyarrow", index=False)
        else:
            frame.to_csv(temporary, index=False)


def export_runs(records: Sequence[RunRecord], study_name: str, folder: Path, style: str) -> int:
    """Log finished runs below a folder with one of TRACKERS and return how many were new.

    A run that was logged there before, by its identity, is passed over.

    Raises
    ------
    MetastructureError
        If the package is not installed.
    DataError
        If the folder is a file.
    """
    if folder.is_file():
        raise DataError(f"{folder}: this is a file; name a folder for the logs.")
    return sum(TRACKERS[style](record, study_name, folder) for record in records)


def _make_row(record: RunRecord) -> dict[str, Any]:
    spec = record.spec
    return {
        "identity": record.identity,
        "data": spec.data_name,
        "network": spec.network.title,
        "recipe": spec.recipe,
        "noise": spec.noise,
        "seed": spec.seed,
        "metric": "dice" if record.num_classes == 2 else "miou",
        **score_run(record),
        "last_loss": record.loss[-1] if record.loss else float("nan"),
        "epochs": len(record.loss),
        "seconds": record.seconds,
        "finished": record.finished,
        "device": record.device,
        "data_fingerprint": record.data_fingerprint,
        **{f"spec.{key}": value for key, value in flatten_spec(spec).items()},
    }


def export_study(study: StudySpec, store: Store, style: str, out: Path | None = None) -> Path:
    """Write the finished runs of a study in one of the formats of FRAMES and TRACKERS and return where.

    Parameters
    ----------
    study : StudySpec
    store : Store
    style : str
        A key of FRAMES, for one file, or of TRACKERS, for a folder of logs.
    out : Path, optional
        The file or the folder; by default ``NAME.csv`` or ``trackers/mlflow`` in the store and so on.

    Raises
    ------
    ValueError
        If there is no such format.
    RunError
        If no run is done, or a record is damaged.
    """
    if style not in FRAMES and style not in TRACKERS:
        raise ValueError(f"style must be one of {', '.join([*FRAMES, *TRACKERS])}; got {style!r}.")
    records = store.load_done(study)
    if not records:
        raise RunError(f"{store.address}: no run of study {study.name!r} is done; run it first.")
    if style in FRAMES:
        path = out or store.root / f"{study.name}{FRAMES[style]}"
        export_frame(records, path, style)
        return path
    folder = out or store.root / "trackers" / style
    export_runs(records, study.name, folder, style)
    return folder
