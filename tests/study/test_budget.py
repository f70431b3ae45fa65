"""A plan of the annotation from a folder to its result: what is trained, what is kept, what is refused."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metastructure.data.synthetic.folder import write_dataset
from metastructure.errors import ConfigError, DataError, RunError
from metastructure.study import RunRecord, budget_run
from metastructure.study.budget import plan_annotation
from metastructure.study.budget_result import COLUMNS, AnnotationPlan, to_csv
from metastructure.study.table import score
from metastructure.training.settings import TrainingSettings

PLAIN = TrainingSettings(epochs=1, batch_size=4, crop_px=32)
SETTINGS: dict[str, Any] = {
    "pixels": (0.01, 0.2),
    "images": (0.25, 0.5),
    "sloppy": ("dilate:1",),
    "network": {"settings": {"width": 4}},
    "training": PLAIN,
    "device": "cpu",
    "threads": 1,
    "num_resamples": 50,
}


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight training and three test images."""
    return _write(tmp_path_factory.mktemp("pilot") / "data", train=8, test=3)


@pytest.fixture(scope="module")
def made(pilot: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[AnnotationPlan, Path]:
    """A plan over two seeds, and its folder; read it, do not write to it."""
    out = tmp_path_factory.mktemp("made") / "out"
    return plan_annotation(pilot, out, seeds=(0, 1), **SETTINGS), out


def _write(folder: Path, kind: str = "nuc", seed: int = 0, **counts: int) -> Path:
    write_dataset(kind, folder, counts=counts, height=32, width=36, seed=seed)
    return folder


def _records(out: Path) -> list[RunRecord]:
    return [RunRecord.model_validate_json(path.read_text()) for path in sorted(out.glob("runs/*/record.json"))]


def _count_calls() -> tuple[list[tuple[str, int, int]], Callable[[str, int, int], None]]:
    calls: list[tuple[str, int, int]] = []
    return calls, lambda labels, done, total: calls.append((labels, done, total))


def test_shares_are_realised_ones_and_all_labels_are_the_last_point(made: tuple[AnnotationPlan, Path]) -> None:
    plan, out = made
    images, pixels = plan.curve("images"), plan.curve("pixels")
    assert images is not None
    assert pixels is not None
    assert [point.share for point in images.points] == [0.25, 0.5, 1.0]
    assert [point.labels for point in images.points] == ["unlabelled:0.75", "unlabelled:0.5", "clean"]
    assert images.whole == plan.num_train == 8
    assert (plan.num_test, plan.num_classes, plan.metric, plan.seeds) == (3, 2, "dice", (0, 1))
    assert pixels.whole == 8 * 32 * 36
    shares = [point.share for point in pixels.points]
    assert shares == pytest.approx([0.01, 0.2, 1.0], rel=0.1)
    assert shares[0] > 0.01  # a share of each class, rounded up
    assert len(_records(out)) == 2 * (1 + 2 + 2 + 1)


def test_scores_are_means_over_seeds_at_one_half(made: tuple[AnnotationPlan, Path]) -> None:
    plan, out = made
    clean = [record for record in _records(out) if record.spec.noise == "clean"]
    expected = score(np.stack([record.test.counts(at_half=True) for record in clean]))
    assert plan.full.value == pytest.approx(expected)
    for curve in plan.curves:
        assert curve.points[-1].score == plan.full
        assert curve.drop.value == pytest.approx(plan.full.value - curve.points[0].score.value)
    sloppy = [record for record in _records(out) if record.spec.noise == "dilate:1"]
    assert plan.sloppy[0].point.score.value == pytest.approx(score(np.stack([r.test.counts(True) for r in sloppy])))
    assert plan.sloppy[0].point.share == 1.0


def test_each_seed_labels_its_own_images_and_exactly_so_many(made: tuple[AnnotationPlan, Path]) -> None:
    _, out = made
    for seed in (0, 1):
        ignored = sorted(
            round(record.noise.ignored_rate, 6)
            for record in _records(out)
            if record.spec.seed == seed and record.spec.noise.startswith("unlabelled")
        )
        assert ignored == [0.5, 0.75]
    assert len({r.spec.noise for r in _records(out) if r.spec.noise.startswith("unlabelled")}) == 4


def test_a_finished_plan_trains_nothing_and_comes_out_the_same(made: tuple[AnnotationPlan, Path], pilot: Path) -> None:
    plan, out = made
    calls, tell = _count_calls()
    again = plan_annotation(pilot, out, seeds=(0, 1), on_progress=tell, **SETTINGS)
    assert calls == []
    assert again.model_dump_json() == plan.model_dump_json()


def test_a_stopped_plan_goes_on_and_other_shares_add_to_it(pilot: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def stop(labels: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    small = SETTINGS | {"pixels": (), "sloppy": ()}
    with pytest.raises(KeyboardInterrupt):
        plan_annotation(pilot, out, on_progress=stop, **small)
    calls, tell = _count_calls()
    plan = plan_annotation(pilot, out, on_progress=tell, **small)
    assert 1 <= len({labels for labels, _, _ in calls}) < 3  # of three kinds of labels
    assert calls[-1][1] == calls[-1][2]
    assert plan.curve("pixels") is None
    fresh = plan_annotation(pilot, tmp_path / "fresh", **small)
    assert _without_time(fresh) == _without_time(plan)
    calls, tell = _count_calls()
    plan_annotation(pilot, out, on_progress=tell, **(small | {"images": (0.25, 0.75), "sloppy": ("erode:1",)}))
    assert {labels.partition(":")[0] for labels, _, _ in calls} == {"unlabelled", "erode"}
    assert calls[-1][1:] == (2, 2)


def _without_time(plan: AnnotationPlan) -> dict[str, Any]:
    return plan.model_copy(update={"seconds": 0.0}).model_dump(mode="json")


def test_several_classes_are_scored_by_miou_on_images_held_out(tmp_path: Path) -> None:
    data = _write(tmp_path / "street", "street", train=8)
    plan = plan_annotation(data, tmp_path / "out", **(SETTINGS | {"pixels": (), "images": (0.5,), "sloppy": ()}))
    assert plan.metric == "miou"
    assert plan.num_classes > 2
    assert (plan.num_train, plan.num_test) == (6, 2)
    assert "2 of the 8 training images" in plan.tested_on
    expected = score(np.stack([r.test.counts() for r in _records(tmp_path / "out") if r.spec.noise == "clean"]))
    assert plan.full.value == pytest.approx(expected)


def test_steps_decide_the_epochs_unless_they_are_set(pilot: Path, tmp_path: Path) -> None:
    """Eight images in batches of four are two steps an epoch."""
    some = SETTINGS | {"pixels": (), "images": (0.5,), "sloppy": ()}
    unset = TrainingSettings(batch_size=4, crop_px=32)
    assert plan_annotation(pilot, tmp_path / "a", num_steps=5, **(some | {"training": unset})).training.epochs == 3
    assert plan_annotation(pilot, tmp_path / "b", num_steps=5, **some).training.epochs == 1


def test_shares_that_come_to_the_same_images_are_one_point(pilot: Path, tmp_path: Path) -> None:
    some = SETTINGS | {"pixels": (), "images": (0.24, 0.25, 0.26, 0.97, 1), "sloppy": ()}
    (curve,) = plan_annotation(pilot, tmp_path / "out", **some).curves
    assert [point.share for point in curve.points] == [0.25, 1.0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pixels": (0.0, 0.5)}, "shares of the pixels lie above 0"),
        ({"images": (1.5,)}, "shares of the images lie above 0"),
        ({"images": (math.nan,)}, "shares of the images lie above 0"),
        ({"images": (0.05, 0.5)}, "0.05 of 8 training images is less than one image"),
        ({"images": (0.99,), "pixels": (1.0,)}, "nothing to compare"),
        ({"sloppy": ("dilatee:2",)}, "did you mean 'dilate'"),
        ({"sloppy": ("clean",)}, "must differ"),
        ({"sloppy": ("flip:rate=0.1,matrix=3",)}, "no field 'matrix'"),
        ({"loss": 0.0}, "positive number of points"),
        ({"loss": math.inf}, "positive number of points"),
        ({"seeds": (0, 0)}, "each once"),
        ({"network": "unett"}, "unknown network"),
    ],
)
def test_wrong_settings_are_told_in_a_sentence(pilot: Path, tmp_path: Path, change: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan_annotation(pilot, tmp_path / "out", **(SETTINGS | change))
    assert not (tmp_path / "out").exists()


def test_a_noise_that_does_not_fit_the_classes_is_told_before_training(pilot: Path, tmp_path: Path) -> None:
    matrix = "matrix:[[1,0,0],[0,1,0],[0,0,1]]"
    with pytest.raises(ConfigError, match="does not fit the data set"):
        plan_annotation(pilot, tmp_path / "out", **(SETTINGS | {"sloppy": (matrix,)}))


def test_the_folder_of_something_else_is_left_alone(pilot: Path, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text('{"name": "another"}')
    with pytest.raises(DataError, match="holds other files"):
        plan_annotation(pilot, tmp_path, **SETTINGS)
    with pytest.raises(DataError, match="must lie apart"):
        plan_annotation(pilot, pilot / "out", **SETTINGS)
    with pytest.raises(DataError, match="this is a file"):
        plan_annotation(pilot, tmp_path / "study.json", **SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["study.json"]


def test_other_data_need_another_folder(made: tuple[AnnotationPlan, Path], tmp_path: Path) -> None:
    _, out = made
    before = (out / "study.json").read_bytes()
    other = _write(tmp_path / "other", seed=5, train=8, test=3)
    with pytest.raises(DataError, match="holds the plan of other data"):
        plan_annotation(other, out, seeds=(0, 1), **SETTINGS)
    assert (out / "study.json").read_bytes() == before


def test_failed_trainings_are_told_after_the_others_were_tried(
    pilot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, runs: Any, *_: Any) -> list[RunError]:
        return [RunError(f"{runs[0].title}: no luck.")]

    monkeypatch.setattr(budget_run.SerialEngine, "execute", fail)
    with pytest.raises(RunError, match=r"1 of 6 trainings failed; the first: .* no luck"):
        plan_annotation(pilot, tmp_path / "out", **SETTINGS)


def test_the_table_has_a_line_a_point(made: tuple[AnnotationPlan, Path]) -> None:
    header, *lines = to_csv(made[0]).splitlines()
    assert header == ",".join(COLUMNS)
    assert [line.partition(",")[0] for line in lines] == ["images"] * 3 + ["pixels"] * 3 + ["sloppy"]
    assert lines[0].startswith("images,unlabelled:0.75,0.25,")


def test_the_result_survives_json(made: tuple[AnnotationPlan, Path]) -> None:
    from metastructure.data.strict_json import to_json

    text = to_json(made[0])
    assert to_json(AnnotationPlan.model_validate_json(text)) == text
