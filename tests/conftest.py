"""Fixtures for the whole suite: where real data lies, and a study small enough to run in seconds."""

from pathlib import Path

import pytest

from metastructure.study import SerialEngine, Store, StudySpec, load_study, run_study
from metastructure.training import Machine

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def real_data() -> Path:
    """The folder of the real data sets; tests that use it carry the marker `realdata`."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}")
    return REAL_DATA


STUDY = """
name: tiny
description: Two labels of generated nuclei.
data:
  blobs: {generate: {kind: nuc, train: 4, val: 2, test: 3, height: 32, width: 40}}
noises: [clean, "flip:0.3"]
networks: [{name: residual_unet, settings: {width: 4}}]
training: {epochs: 2, batch_size: 2, crop_px: 32, learning_rate: 0.01}
seeds: [0, 1]
"""


@pytest.fixture(scope="session")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four runs of a second or less."""
    path = tmp_path_factory.mktemp("study") / "tiny.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def study(study_file: Path) -> StudySpec:
    """The same, read."""
    return load_study(study_file)


@pytest.fixture(scope="session")
def finished(study: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store in which it has run; read it, do not write to it."""
    store = Store(tmp_path_factory.mktemp("finished"))
    run_study(study, store, SerialEngine(Machine(device="cpu", threads=1)))
    return store
