"""How far a study is: failures are kept and come first, counts add up, lines fit a terminal of 80 columns."""

from collections.abc import Callable
from pathlib import Path

import pytest

from metastructure.errors import RunError
from metastructure.study import RunRecord, RunSpec, SerialEngine, Store, StudySpec, get_status, load_study, run_study
from metastructure.study import engines as engines_module
from metastructure.study.status_text import MOST_LISTED, list_status, status_to_text
from metastructure.training import Machine

ROOT = Path(__file__).parents[2]

MakeRecord = Callable[..., RunRecord]


GRID = """
name: grid
description: 180 runs.
data:
  nuc: {generate: {kind: nuc, train: 4, val: 2, test: 2, height: 32, width: 32}}
  er: {generate: {kind: er, train: 4, val: 2, test: 2, height: 32, width: 32}}
noises: [clean, "flip:0.45", "sample:0.1", "dilate:2", "omit:0.3"]
networks: [residual_unet]
training: {epochs: 20, batch_size: 16, crop_px: 32}
recipes:
  plain: {}
  ema: {average: ema}
  brier: {loss: brier}
  early: {stop: early}
  slow: {learning_rate: 0.001}
  forward: {loss: forward, transition: estimated}
seeds: [0, 1, 2]
"""


def test_a_large_grid_is_counted_and_not_listed(tmp_path: Path, make_record: MakeRecord) -> None:
    (tmp_path / "grid.yaml").write_text(GRID, encoding="utf-8")
    study, store = load_study(tmp_path / "grid.yaml"), Store(tmp_path / "store")
    runs = list(study.runs())
    for run in runs[:5] + runs[60:62]:  # the first recipe, all labels of one seed and two of the next
        store.save(make_record(run), {})
    store.note_failure(runs[7], RunError(f"{runs[7].title}: training diverged in epoch 3."))
    store.checkpoint(runs[7]).write_bytes(b"")  # a failed run is failed, whatever it left
    store.folder(runs[9]).mkdir(parents=True)
    store.checkpoint(runs[9]).write_bytes(b"")
    lines = status_to_text(study, get_status(study, store), store).splitlines()
    assert lines[0] == "grid: 7 done, 1 failed, 1 interrupted, 171 missing of 180 runs"
    assert lines[1:4] == [
        "  failed: nuc · sample:0.1 · residual_unet · ema · seed 0",
        "      training diverged in epoch 3.",
        "  interrupted: nuc · omit:0.3 · residual_unet · ema · seed 0",
    ]
    assert lines[4:6] == [
        "  nuc · residual_unet · plain: 7 of 15 runs done",
        "      clean 2/3, flip:0.45 2/3, sample:0.1 1/3, dilate:2 1/3, omit:0.3 1/3",
    ]
    assert lines[6] == "  nuc · residual_unet · ema: 0 of 15 runs done"
    assert len(lines) == 6 + 11
    every = status_to_text(study, get_status(study, store), store, every_run=True)
    assert every.splitlines()[1].startswith(f"  failed       {runs[7].identity}  nuc")
    assert sum(run.identity in every for run in runs) == 180
    listed = list_status(get_status(study, store), store)
    assert {name: len(entries) for name, entries in listed.items()} == {
        "failed": 1,
        "damaged": 0,
        "interrupted": 1,
        "running": 0,
        "done": 7,
        "missing": 171,
    }
    assert listed["failed"][0]["error"] == "training diverged in epoch 3."


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.name)
def test_every_status_fits_80_columns_and_lists_a_few(path: Path, tmp_path: Path, make_record: MakeRecord) -> None:
    study, store = load_study(path), Store(tmp_path)
    runs = list(study.runs())
    for run in runs[::2]:
        store.note_failure(run, RunError(f"{run.title}: " + "something long went wrong; " * 9))
    store.save(make_record(runs[-1]), {})
    status = get_status(study, store)
    lines = status_to_text(study, status, store).splitlines()
    assert max(map(len, lines)) <= 80
    num_failed = len(status.failed)
    assert sum(line.startswith("  failed: ") for line in lines) == min(num_failed, MOST_LISTED + 1)
    assert (f"  failed: and {num_failed - MOST_LISTED} more" in lines) is (num_failed > MOST_LISTED)


def test_a_failure_is_kept_until_the_run_is_tried_again(
    tmp_path: Path, study: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = study.model_copy(update={"seeds": (0,)})
    store, engine = Store(tmp_path), SerialEngine(Machine(device="cpu", threads=1))
    execute_run = engines_module.execute_run

    def fail(run: RunSpec, *rest: object) -> None:
        raise RunError(f"{run.title}: no luck.")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engines_module, "execute_run", fail)
    with pytest.raises(RunError, match="2 of 2 runs failed"):
        run_study(one, store, engine)
    status = get_status(one, store)
    assert [len(status.failed), len(status.missing)] == [2, 0]
    assert [store.failure(run) for run in status.failed] == ["no luck.", "no luck."]
    with pytest.raises(RunError, match="1 of 1 run failed"):
        run_study(one.model_copy(update={"noises": ("clean",)}), store, engine)

    monkeypatch.setattr(engines_module, "execute_run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_study(one, store, engine)
    assert [len(get_status(one, store).failed), len(get_status(one, store).missing)] == [1, 1]

    monkeypatch.setattr(engines_module, "execute_run", execute_run)
    run_study(one, store, engine)
    assert len(get_status(one, store).done) == 2
    assert not list(tmp_path.rglob("failed.txt"))


def test_one_run_is_one_run(tmp_path: Path, study: StudySpec) -> None:
    one = study.model_copy(update={"seeds": (0,), "noises": ("clean",)})
    text = status_to_text(one, get_status(one, Store(tmp_path)), Store(tmp_path))
    assert text == (
        "tiny: 0 done, 0 interrupted, 1 missing of 1 run\n  blobs · residual_unet(width=4) · plain: 0 of 1 run done\n"
    )
