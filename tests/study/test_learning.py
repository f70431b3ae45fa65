"""Studies that keep their learning dynamics: in the record, on the page, and nowhere else."""

from pathlib import Path

import pytest

from metastructure.study import RunRecord, SerialEngine, Store, StudySpec, run_study
from metastructure.study.learning import make_learning
from metastructure.study.page import write_study_page
from metastructure.training import Machine


@pytest.fixture(scope="module")
def watched(study: StudySpec) -> StudySpec:
    """The small study with dynamics, one seed."""
    return study.model_copy(update={"dynamics": True, "seeds": (0,)})


@pytest.fixture(scope="module")
def store(watched: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store in which it has run."""
    found = Store(tmp_path_factory.mktemp("watched"))
    run_study(watched, found, SerialEngine(Machine(device="cpu", threads=1)))
    return found


def test_without_dynamics_identities_and_records_are_as_before(study: StudySpec, finished: Store) -> None:
    without = StudySpec.model_validate(study.model_dump(exclude={"dynamics"}))
    assert [run.identity for run in without.runs()] == [run.identity for run in study.runs()]
    record = finished.load_done(study)[0]
    assert record.dynamics == []
    old = record.model_dump(exclude={"dynamics": True, "spec": {"dynamics"}})
    assert RunRecord.model_validate(old) == record


def test_with_dynamics_only_they_are_new(study: StudySpec, watched: StudySpec, finished: Store, store: Store) -> None:
    alone, records = finished.load_done(study)[:2], store.load_done(watched)
    assert not {run.identity for run in watched.runs()} & {run.identity for run in study.runs()}
    for before, record in zip(alone, records, strict=True):
        assert (before.loss, before.val, before.test) == (record.loss, record.val, record.test)
        assert len(record.dynamics) == len(record.loss)
        assert RunRecord.model_validate_json(record.model_dump_json()) == record
    clean, flipped = (record.dynamics[-1] for record in records)
    assert clean["noisy"] == clean["clean"]
    assert "memory" not in clean
    assert flipped["pixels"] == 4 * 32 * 32  # of images of 32 x 40 the middle
    assert flipped["changed_pixels"] / flipped["pixels"] == pytest.approx(0.3, abs=0.04)
    assert 0 <= flipped["validation"] <= 1


def test_the_page_shows_them_where_there_are_any(
    study: StudySpec, watched: StudySpec, finished: Store, store: Store, tmp_path: Path
) -> None:
    write_study_page(watched, store, tmp_path / "with.html")
    write_study_page(study, finished, tmp_path / "without.html")
    page = (tmp_path / "with.html").read_text(encoding="utf-8")
    assert "Learning curves. clean: agreement with the clean labels does not fall for good; flip:0.3: " in page
    assert "Learning curves" not in (tmp_path / "without.html").read_text(encoding="utf-8")


def test_curves_are_those_of_the_record(watched: StudySpec, store: Store) -> None:
    record = store.load_done(watched)[1]
    curve = [0.5, 0.9, 0.9, 0.9, 0.9, 0.7, 0.7, 0.7, 0.7]
    made = [{"clean": share, "noisy": 1 - share, "pixels": 1e6} for share in curve]
    panel = make_learning(record.model_copy(update={"dynamics": made}))
    assert (panel.title, panel.start) == ("flip:0.3", 6)
    assert panel.clean == curve
    assert panel.noisy == [1 - share for share in curve]
    assert len(panel.validation) == len(panel.clean_changed) == 9
