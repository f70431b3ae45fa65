"""Finished runs for other programs: every format read back by its own reader; trackers named in a study file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metastructure.data.formats import extra as extra_module
from metastructure.errors import DataError, MetastructureError, RunError
from metastructure.study import Progress, RunRecord, SerialEngine, Store, StudySpec, make_table, run_study
from metastructure.study import trackers as trackers_module
from metastructure.study.export import FRAMES, export_frame, export_runs, export_study, make_frame
from metastructure.study.trackers import TRACKERS, Tracking, flatten_spec, score_run
from metastructure.training import Machine

MakeRecord = Callable[..., RunRecord]


@pytest.fixture
def records(study: StudySpec, make_record: MakeRecord) -> list[RunRecord]:
    """A record of each run."""
    return [make_record(run) for run in study.runs()]


def test_a_row_a_run(records: list[RunRecord]) -> None:
    frame = make_frame(records)
    assert len(frame) == 4
    assert frame["identity"].tolist() == [record.identity for record in records]
    assert frame["noise"].tolist() == ["clean", "flip:0.3", "clean", "flip:0.3"]
    assert frame["spec.training.epochs"].tolist() == [2] * 4
    assert frame["last_loss"].tolist() == [0.25] * 4
    # the mean over seeds of the runs' scores is the score of the study's table
    table = make_table(records).set_index("noise")
    for noise, rows in frame.groupby("noise"):
        assert rows["score"].mean() == pytest.approx(table.loc[noise, "score"])
        assert rows["pooled_dice"].mean() == pytest.approx(table.loc[noise, "pooled_dice"])


def test_scores_that_are_not_defined_are_left_out(study: StudySpec, make_record: MakeRecord) -> None:
    scores = score_run(make_record(next(study.runs()), num_classes=4))
    assert {"score", "accuracy"} <= set(scores)
    assert not {"auc", "threshold", "score_at_half"} & set(scores)


@pytest.mark.parametrize("style", list(FRAMES))
def test_frames_are_read_back(style: str, records: list[RunRecord], tmp_path: Path) -> None:
    if style == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"runs{FRAMES[style]}"
    export_frame(records, path, style)
    found = pd.read_parquet(path) if style == "parquet" else pd.read_csv(path)
    pd.testing.assert_frame_equal(found, make_frame(records), check_dtype=False)


def test_tensorboard_reads_what_was_logged(records: list[RunRecord], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    assert export_runs(records[:2], "tiny", tmp_path, "tensorboard") == 2
    assert export_runs(records, "tiny", tmp_path, "tensorboard") == 2, "each once"
    folders = sorted(path for path in (tmp_path / "tiny").iterdir())
    assert len(folders) == 4
    assert not [path for path in folders if path.name.startswith(".")]
    (folder,) = (path for path in folders if path.name.endswith(records[1].identity))
    with trackers_module._quiet():
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (1, pytest.approx(0.7)),
        (2, 0.5),
        (3, 0.25),
    ]
    for key, value in score_run(records[1]).items():
        assert events.Scalars(f"test/{key}")[0].value == pytest.approx(value)


def test_mlflow_reads_what_was_logged(records: list[RunRecord], tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    assert export_runs(records[:2], "tiny", tmp_path / "ml", "mlflow") == 2
    assert export_runs(records, "tiny", tmp_path / "ml", "mlflow") == 2, "each once"
    with trackers_module._quiet():
        from mlflow.tracking import MlflowClient
    with trackers_module._quiet(), trackers_module._allowing_file_stores():
        client = MlflowClient(tracking_uri=(tmp_path / "ml").as_uri())
        experiment = client.get_experiment_by_name("tiny")
        runs = {run.data.tags["identity"]: run for run in client.search_runs([experiment.experiment_id])}
        assert set(runs) == {record.identity for record in records}
        run = runs[records[1].identity]
        losses = client.get_metric_history(run.info.run_id, "loss")
    assert run.info.run_name == records[1].spec.title
    assert run.info.status == "FINISHED"
    assert run.data.params == {key: str(value) for key, value in flatten_spec(records[1].spec).items()}
    assert {key: run.data.metrics[f"test/{key}"] for key in score_run(records[1])} == score_run(records[1])
    assert [(metric.step, metric.value) for metric in losses] == [(1, 0.7), (2, 0.5), (3, 0.25)]


def test_every_format_has_a_default_place(study: StudySpec, make_record: MakeRecord, tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RunError, match="no run of study 'tiny' is done"):
        export_study(study, store, "csv")
    store.save(make_record(next(study.runs())), {})
    assert export_study(study, store, "csv") == tmp_path / "tiny.csv"
    assert len(pd.read_csv(tmp_path / "tiny.csv")) == 1
    with pytest.raises(ValueError, match="style must be one of csv, parquet, tensorboard, mlflow; got 'xml'"):
        export_study(study, store, "xml")
    with pytest.raises(DataError, match=r"tiny\.csv: this is a file; name a folder for the logs"):
        export_study(study, store, "tensorboard", tmp_path / "tiny.csv")


def test_a_missing_package_is_told_before_anything_runs(
    study: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(extra_module.importlib, "import_module", refuse)
    tracked = study.model_copy(update={"trackers": ("mlflow",)})
    with pytest.raises(
        MetastructureError, match=r"trackers: \[mlflow\] needs .* pip install 'metastructure\[trackers\]'"
    ):
        run_study(tracked, Store(tmp_path / "store"), SerialEngine(Machine(device="cpu", threads=1)))
    assert not (tmp_path / "store").exists()
    with pytest.raises(MetastructureError, match=r"pip install 'metastructure\[trackers\]'"):
        export_frame([], tmp_path / "x.parquet", "parquet")


def test_one_line_in_a_study_file_logs_every_finished_run(
    study: StudySpec, make_record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[tuple[str, str, Path]] = []

    def log(record: RunRecord, study_name: str, folder: Path) -> bool:
        logged.append((record.spec.title, study_name, folder))
        return True

    monkeypatch.setitem(TRACKERS, "tensorboard", log)
    one = study.model_dump() | {"seeds": [0], "noises": ["clean"]}
    plain = StudySpec.model_validate(one)
    tracked = StudySpec.model_validate(one | {"trackers": "tensorboard"})
    assert tracked.trackers == ("tensorboard",)
    assert [run.identity for run in tracked.runs()] == [run.identity for run in plain.runs()]
    store = Store(tmp_path)
    run_study(tracked, store, SerialEngine(Machine(device="cpu", threads=1)))
    (run,) = tracked.runs()
    assert set(logged) == {(run.title, "tiny", tmp_path / "trackers" / "tensorboard")}
    with pytest.raises(ValueError, match="trackers"):
        StudySpec.model_validate(one | {"trackers": ["wandb"]})


def test_a_log_that_cannot_be_written_warns_and_stops_nothing(
    study: StudySpec, records: list[RunRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(TRACKERS, "mlflow", fail)
    heard: list[str] = []

    class Listener(Progress):
        """Remembers."""

        def run_done(self, run: object, record: RunRecord) -> None:
            heard.append(record.identity)

    tracking = Tracking(study.model_copy(update={"trackers": ("mlflow",)}), tmp_path, Listener())
    with pytest.warns(UserWarning, match=r"mlflow: blobs · clean .* is not logged \(No space left on device\)"):
        tracking.run_done(records[0].spec, records[0])
    assert heard == [records[0].identity]


def test_what_is_tracked_is_passed_on() -> None:
    hooks = {name for name in vars(Progress) if not name.startswith("_")}
    assert hooks <= set(vars(Tracking)), "a hook that is not passed on is lost to who listens"


def test_numbers_stay_numbers(records: list[RunRecord]) -> None:
    flat = flatten_spec(records[0].spec)
    assert flat["training.learning_rate"] == 0.01
    assert flat["network.settings.width"] == 4
    assert all(isinstance(value, str | int | float | bool) for value in flat.values())
    assert not any(np.isnan(value) for value in flat.values() if isinstance(value, float))
