"""A study end to end: resumed, never recomputed, honest about data that changed, and its table."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from metastructure.data.files import save_image
from metastructure.errors import ConfigError, DataError, RunError
from metastructure.noise import corrupt, parse_noise
from metastructure.study import (
    Progress,
    RunRecord,
    RunSpec,
    SerialEngine,
    Store,
    StudySpec,
    get_status,
    make_table,
    run_study,
    to_markdown,
    to_text,
)
from metastructure.study import run as run_module
from metastructure.study.page import write_study_page
from metastructure.study.run import corrupt_split, load_data
from metastructure.study.table import COLUMNS, format_table
from metastructure.training import Machine
from metastructure.training import loop as loop_module

ENGINE = SerialEngine(Machine(device="cpu", threads=1))


class Listener(Progress):
    """Remembers what it hears, and stops the study on demand."""

    def __init__(self, stop_in_run: int | None = None) -> None:
        self.started: list[str] = []
        self.done: list[str] = []
        self.stop_in_run = stop_in_run

    def run_started(self, run: RunSpec) -> None:
        self.started.append(run.title)

    def epoch_done(self, run: RunSpec, epochs_done: int, loss: float) -> None:
        if len(self.started) == self.stop_in_run:
            raise KeyboardInterrupt

    def run_done(self, run: RunSpec, record: RunRecord) -> None:
        self.done.append(run.title)


def _comparable(record: RunRecord) -> dict[str, object]:
    return record.model_dump(exclude={"seconds", "epoch_seconds", "finished"})


def test_interrupted_and_resumed_equals_undisturbed(
    tmp_path: Path, study: StudySpec, finished: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "CHECKPOINT_INTERVAL_S", 0.0)
    straight = finished.load_done(study)
    store = Store(tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        run_study(study, store, ENGINE, Listener(stop_in_run=2))
    status = get_status(study, store)
    assert [len(status.done), len(status.started), len(status.missing)] == [1, 1, 2]
    second = Listener()
    resumed = run_study(study, store, ENGINE, second)
    assert len(second.done) == 3
    assert [_comparable(record) for record in resumed] == [_comparable(record) for record in straight]

    third = Listener()
    run_study(study, store, ENGINE, third)
    assert third.started == [], "a finished run must not be computed again"
    leftovers = [path.name for path in (tmp_path / "stopped").rglob("*") if path.name.startswith(".")]
    assert leftovers == []
    assert not list(store.root.rglob("checkpoint.pt"))


def test_a_record_says_what_was_done(study: StudySpec, finished: Store) -> None:
    records = finished.load_done(study)
    clean, flipped = records[:2]
    assert clean.noise.changed_rate == 0
    assert flipped.noise.changed_rate == pytest.approx(0.3, abs=0.03)
    assert sum(map(sum, flipped.noise.table)) == 4 * 32 * 40
    assert np.asarray(clean.test.tables).sum() == 3 * 32 * 40
    assert clean.test.ids == sorted(clean.test.ids)
    assert clean.threshold is not None
    assert 0 < clean.threshold < 1
    assert clean.data_fingerprint == flipped.data_fingerprint
    assert RunRecord.model_validate_json(clean.model_dump_json()) == clean


def test_noise_is_fixed_by_seed_and_item_and_the_start_by_the_seed(
    tmp_path: Path, study: StudySpec, finished: Store
) -> None:
    records = finished.load_done(study)
    by_key = {(record.spec.noise, record.spec.seed): record for record in records}
    assert by_key["flip:0.3", 0].noise.table != by_key["flip:0.3", 1].noise.table
    alone = run_study(study.model_copy(update={"noises": ("flip:0.3",), "seeds": (1,)}), Store(tmp_path / "b"), ENGINE)
    assert _comparable(alone[0]) == _comparable(by_key["flip:0.3", 1]), "runs must not depend on each other"


def test_online_draws_differ_from_the_fixed_one_and_are_repeatable(
    tmp_path: Path, study: StudySpec, finished: Store
) -> None:
    online = study.model_copy(update={"draw": "online", "noises": ("flip:0.3",), "seeds": (0,)})
    first, second = (run_study(online, Store(tmp_path / name), ENGINE)[0] for name in ("a", "b"))
    assert _comparable(first) == _comparable(second)
    fixed = finished.load(list(study.runs())[1])
    assert fixed.spec.noise == "flip:0.3"
    assert first.identity != fixed.identity
    assert first.loss != fixed.loss
    labels = load_data("blobs", study.data["blobs"], tmp_path / "data").splits["train"]
    draws = [corrupt_split(labels, parse_noise("flip:0.3"), 0, 2, epoch)[0] for epoch in (None, 0, 1)]
    assert len({draw.tobytes() for draw in draws}) == 3


def test_data_that_changed_is_refused(tmp_path: Path, study: StudySpec) -> None:
    store = Store(tmp_path / "store")
    run_study(study.model_copy(update={"seeds": (0,)}), store, ENGINE)
    label = next((store.root / "data" / "blobs" / "train" / "labels").glob("*.png"))
    save_image(label, np.ones((32, 40), np.uint8))
    with pytest.raises(DataError, match="'blobs' changed since earlier runs of this study"):
        run_study(study, store, ENGINE)


def test_another_folder_under_the_same_name_is_refused(tmp_path: Path, study: StudySpec) -> None:
    def spec(name: str) -> StudySpec:
        for split in ("train", "val", "test"):
            pixels = np.random.default_rng(len(name)).integers(0, 2, (9, 20)).astype(np.uint8)
            save_image(tmp_path / name / split / "images" / "a.png", pixels)
            save_image(tmp_path / name / split / "labels" / "a.png", pixels)
        return StudySpec.model_validate(
            study.model_dump() | {"data": {"one": {"folder": str(tmp_path / name)}}, "noises": "clean", "seeds": [0]}
        )

    store = Store(tmp_path / "store")
    run_study(spec("a"), store, ENGINE)
    with pytest.raises(DataError, match="'one' changed"):
        run_study(spec("bb"), store, ENGINE)
    mixed = [store.load(run) for run in spec("a").runs()]
    other = mixed[0].spec.model_copy(update={"seed": 1})
    changes = {"data_fingerprint": "x", "spec": other, "identity": other.identity}
    store.save(mixed[0].model_copy(update=changes), {})
    with pytest.raises(RunError, match="saw different files"):
        store.load_done(spec("a").model_copy(update={"seeds": (0, 1)}))


def test_the_test_split_uses_the_threshold_of_the_validation_split(tmp_path: Path, study: StudySpec) -> None:
    # the same images, but in test the objects' labels hold the dim half only: its own best threshold would differ
    draw = np.random.default_rng(0)
    for split, level in (("train", 0.3), ("val", 0.3), ("test", 0.7)):
        for item in "abc":
            image = draw.random((32, 40))
            save_image(tmp_path / "data" / split / "images" / f"{item}.png", (255 * image).astype(np.uint8))
            save_image(tmp_path / "data" / split / "labels" / f"{item}.png", (image > level).astype(np.uint8))
    spec = study.model_dump() | {"data": {"x": {"folder": str(tmp_path / "data")}}, "noises": ["clean"], "seeds": [0]}
    store = Store(tmp_path / "store")
    spec["training"]["epochs"] = 30
    record = run_study(StudySpec.model_validate(spec), store, ENGINE)[0]
    predicted = record.test.counts().sum(axis=(0, 1))[1] / record.test.counts().sum()
    assert predicted > 0.6, "a threshold chosen on test would call about 30 % foreground"


def test_online_draws_reach_the_training(tmp_path: Path, study: StudySpec, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    def listen(*args: object, epoch: int | None = None, **kwargs: object) -> np.ndarray:
        asked.append(epoch)
        return corrupt(*args, epoch=epoch, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(run_module, "corrupt", listen)
    one = study.model_copy(update={"noises": ("flip:0.3",), "seeds": (0,)})
    run_study(one, Store(tmp_path / "fixed"), ENGINE)
    assert set(asked) == {None}
    asked.clear()
    run_study(one.model_copy(update={"draw": "online"}), Store(tmp_path / "online"), ENGINE)
    assert {0, 1} <= set(asked)


def test_images_are_normalised_one_by_one(tmp_path: Path, study: StudySpec) -> None:
    # one scale for all images would not tell: batch norm takes it out again
    def losses(scale: int) -> list[float]:
        draw = np.random.default_rng(0)
        for split in ("train", "val", "test"):
            for item, scale_of_item in (("a", 1), ("b", scale)):
                image = draw.integers(0, 200, (32, 40))
                folder = tmp_path / str(scale) / split
                save_image(folder / "images" / f"{item}.png", (image * scale_of_item + 7).astype(np.uint16))
                save_image(folder / "labels" / f"{item}.png", (image > 90).astype(np.uint8))
        data = {"x": {"folder": str(tmp_path / str(scale))}}
        spec = StudySpec.model_validate(study.model_dump() | {"data": data, "noises": ["clean"], "seeds": [0]})
        return run_study(spec, Store(tmp_path / f"store{scale}"), ENGINE)[0].loss

    # float32 rounding of the two normalisations differs in the last bits
    assert losses(1) == pytest.approx(losses(256), rel=1e-3)


def test_a_run_that_fails_is_reported_and_the_others_go_on(tmp_path: Path, study: StudySpec) -> None:
    wild = study.training.model_copy(update={"optimizer": "sgd", "learning_rate": 1e12, "schedule": "constant"})
    listener = Listener()
    broken = study.model_copy(update={"training": wild, "seeds": (0,)})
    with pytest.raises(RunError, match=r"2 of 2 runs failed; the first: blobs · clean .* diverged"):
        run_study(broken, Store(tmp_path), ENGINE, listener)
    assert len(listener.started) == 2


def test_a_noise_that_does_not_fit_the_classes_stops_at_once(tmp_path: Path, study: StudySpec) -> None:
    three = study.model_copy(update={"noises": ("matrix:[[0.8,0.1,0.1],[0,1,0],[0,0,1]]",)})
    with pytest.raises(ConfigError, match=r"'matrix:.*' does not fit the data set 'blobs': .*3 rows .* have 2 classes"):
        run_study(three.model_copy(update={"noises": ("clean", *three.noises)}), Store(tmp_path), ENGINE)
    assert not list(tmp_path.rglob("record.json")), "nothing may be computed before all noises are known to fit"


def test_a_network_that_cannot_be_built_stops_at_once(tmp_path: Path, study: StudySpec) -> None:
    for width in (-1, "wide"):
        network = {"name": "unet", "settings": {"width": width}}
        with pytest.raises(ValueError, match="network 'unet': width should be"):
            StudySpec.model_validate(study.model_dump() | {"networks": [network]})
    huge = {"name": "unet", "settings": {"width": 10**15}}
    broken = StudySpec.model_validate(study.model_dump() | {"networks": [huge]})
    with pytest.raises(ConfigError, match=rf"network unet\(width={10**15}\) cannot be built"):
        run_study(broken, Store(tmp_path), ENGINE)


def test_a_missing_folder_leaves_no_store(tmp_path: Path, study: StudySpec) -> None:
    spec = StudySpec.model_validate(study.model_dump() | {"data": {"x": {"folder": str(tmp_path / "none")}}})
    with pytest.raises(DataError, match="no such folder"):
        run_study(spec, Store(tmp_path / "store"), ENGINE)
    assert not (tmp_path / "store").exists()


def test_labels_that_are_all_ignore_cannot_be_trained_on(tmp_path: Path, study: StudySpec) -> None:
    nothing = study.model_copy(update={"noises": ("sample:0,fill=ignore",), "seeds": (0,)})
    with pytest.raises(RunError, match="every training pixel is IGNORE"):
        run_study(nothing, Store(tmp_path), ENGINE)


def test_a_damaged_record_is_named(tmp_path: Path, study: StudySpec, finished: Store) -> None:
    shutil.copytree(finished.root, tmp_path / "copy")
    store = Store(tmp_path / "copy")
    path = store.folder(next(study.runs())) / "record.json"
    path.write_text(path.read_text(encoding="utf-8")[:100], encoding="utf-8")
    with pytest.raises(RunError, match=r"record\.json: this record is damaged .* delete its folder"):
        store.load_done(study)


def test_many_classes(tmp_path: Path, study: StudySpec) -> None:
    streets = study.model_validate(
        study.model_dump()
        | {"data": {"street": {"generate": {"kind": "street", "train": 2, "val": 1, "test": 2, "height": 32}}}}
        | {"noises": ["clean", "flip:0.5"], "seeds": [0]}
    )
    table = make_table(run_study(streets, Store(tmp_path), ENGINE))
    assert table["metric"].tolist() == ["miou", "miou"]
    assert table["changed"].iloc[1] == pytest.approx(50, abs=3)
    assert table["auc"].isna().all()


def test_one_small_image_a_split_and_labels_without_foreground(tmp_path: Path, study: StudySpec) -> None:
    for split in ("train", "val", "test"):
        save_image(tmp_path / "data" / split / "images" / "a.png", np.full((9, 20), 3, np.uint8))
        save_image(tmp_path / "data" / split / "labels" / "a.png", np.zeros((9, 20), np.uint8))
    spec = study.model_dump() | {"data": {"one": {"folder": str(tmp_path / "data"), "num_classes": 2}}, "seeds": [0]}
    table = make_table(run_study(StudySpec.model_validate(spec), Store(tmp_path / "store"), ENGINE))
    assert table["auc"].isna().all()
    assert table["low"].isna().all()
    assert "–" in to_text(table)


# --- the table -------------------------------------------------------------------------------------------------------


def _record(base: RunRecord, noise: str, seed: int, tables: list[list[list[int]]]) -> RunRecord:
    spec = base.spec.model_copy(update={"noise": noise, "seed": seed})
    test = base.test.model_copy(update={"tables": tables, "ids": [f"t{index}" for index in range(len(tables))]})
    return base.model_copy(update={"spec": spec, "test": test})


def test_table_by_hand(study: StudySpec, finished: Store) -> None:
    base = finished.load_done(study)[0]
    # per-image Dice: clean 2*6/(2*6+0+0) = 1 and 2*4/(8+2) = 0.8; flipped 2*3/(6+2) = 0.75 and 2*1/(2+2) = 0.5
    clean = _record(base, "clean", 0, [[[4, 0], [0, 6]], [[4, 1], [1, 4]]])
    flipped = _record(base, "flip:0.3", 0, [[[5, 1], [1, 3]], [[7, 1], [1, 1]]])
    table = make_table([clean, flipped]).set_index("noise")
    assert list(make_table([clean]).columns) == list(COLUMNS)
    assert table.loc["clean", "score"] == pytest.approx(90)
    assert table.loc["flip:0.3", "score"] == pytest.approx(62.5)
    assert table.loc["flip:0.3", "difference"] == pytest.approx(-27.5)
    assert table.loc["flip:0.3", "pooled_dice"] == pytest.approx(100 * 2 * 4 / (8 + 4))
    assert table.loc["flip:0.3", "accuracy"] == pytest.approx(80)
    assert np.isnan(table.loc["clean", "difference"])
    # resampling two images gives only the pairs (a,a), (a,b), (b,b): the interval spans both images
    assert table.loc["flip:0.3", "low"] == pytest.approx(50)
    assert table.loc["flip:0.3", "high"] == pytest.approx(75)
    assert table.loc["flip:0.3", "difference_low"] == pytest.approx(-30)
    assert table.loc["flip:0.3", "difference_high"] == pytest.approx(-25)


def test_differences_pair_the_seeds_that_both_have(study: StudySpec, finished: Store) -> None:
    base = finished.load_done(study)[0]
    perfect, empty = [[[4, 0], [0, 6]]], [[[4, 0], [6, 0]]]
    half = [[[4, 0], [4, 2]]]  # Dice 0.5
    records = [
        _record(base, "clean", 0, perfect),
        _record(base, "flip:0.3", 0, half),
        _record(base, "flip:0.3", 1, empty),
    ]
    row = make_table(records).set_index("noise").loc["flip:0.3"]
    assert row["score"] == pytest.approx(25)
    assert row["difference"] == pytest.approx(-50)


def test_a_false_object_in_an_empty_image_counts_in_the_difference(study: StudySpec, finished: Store) -> None:
    base = finished.load_done(study)[0]
    # the second image holds no object: clean predicts none there (no Dice, skipped), random does (Dice 0, counted)
    clean = _record(base, "clean", 0, [[[4, 0], [0, 6]], [[10, 0], [0, 0]]])
    random = _record(base, "random:0.5", 0, [[[4, 0], [0, 6]], [[5, 5], [0, 0]]])
    table = make_table([clean, random]).set_index("noise")
    assert table.loc["clean", "score"] == pytest.approx(100)
    assert table.loc["random:0.5", "score"] == pytest.approx(50)
    assert table.loc["random:0.5", "difference"] == pytest.approx(-50)


def test_texts(study: StudySpec, finished: Store) -> None:
    table = make_table(finished.load_done(study))
    header, clean, flipped = format_table(table)
    assert header[:3] == ["label", "changed %", "Dice [95 %]"]
    assert clean[0] == "clean"
    assert clean[3] == "–"
    assert 25 < float(flipped[1]) < 35
    assert to_markdown(table).splitlines()[1].count("---") == len(header)
    assert max(map(len, to_text(table).splitlines())) <= 80


def test_page(tmp_path: Path, study: StudySpec, finished: Store) -> None:
    page_path = tmp_path / "page.html"
    with pytest.raises(RunError, match="no run of study 'tiny' is done"):
        write_study_page(study, Store(tmp_path / "empty"), page_path)
    write_study_page(study.model_copy(update={"seeds": (0, 1, 2)}), finished, page_path, "metastructure study run x")
    page = page_path.read_text(encoding="utf-8")
    assert "Only 4 of 6 runs done" in page
    assert "metastructure study run x" in page
    assert page.count("data:image/png;base64,") == 3 * (2 + 2 * 3)
    assert "<svg" in page
    addresses = set(re.findall(r"https?://[^\"'<> ]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}, "names of formats, not links"
    assert not re.search(r"<(script|link|iframe)[^>]+(src|href)=\"(?!data:)", page)


def test_the_store_is_plain_json(study: StudySpec, finished: Store) -> None:
    assert json.loads((finished.root / "study.json").read_text(encoding="utf-8"))["name"] == "tiny"
    samples = finished.load_samples(next(study.runs()))
    assert samples["image_0"].shape == samples["truth_0"].shape == samples["prediction_0"].shape == (32, 40)
