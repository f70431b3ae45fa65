"""The public functions as a user's strict type checker sees them; never run, only checked.

`make test` checks it with our settings, `make wheel-check` with none, against an installed wheel.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
import pandas as pd

import metastructure as ms
from metastructure.audit import Audit, Verdict, audit_folder, judge
from metastructure.study import RunRecord
from metastructure.unsupervised import Fitted, Segmentation


def labels(path: Path) -> None:
    """Reading, corrupting and measuring."""
    label = ms.load_label(path, num_classes=3)
    rng = ms.generator(seed=0, item="a", purpose="noise")
    assert_type(rng, np.random.Generator)
    model = ms.parse_noise("flip:0.3 + dilate:2")
    assert_type(model, ms.NoiseModel)
    noisy = model(label, rng)
    assert_type(noisy, npt.NDArray[np.integer[Any]])
    table = ms.contingency_table(label, noisy)
    assert_type(ms.changed_rate(table), float)
    matrix = ms.TransitionMatrix.from_counts(table)
    assert_type(matrix, ms.TransitionMatrix)
    assert_type(matrix.rank(), int)
    assert_type(matrix.inverse(), npt.NDArray[np.float64])
    assert_type(ms.zscore(ms.load_image(path)), npt.NDArray[np.float32])
    assert_type(ms.measure_labels(path), ms.Measurement)
    assert_type(ms.load_dataset(path), ms.Dataset)
    assert_type(ms.evaluate_folders(path, path), ms.Scores)


def networks(images: list[npt.NDArray[Any]], targets: list[npt.NDArray[np.integer[Any]]], path: Path) -> None:
    """Training, predicting, and segmenting without labels."""
    segmenter = ms.Segmenter("residual_unet", epochs=2).fit(images, targets)
    assert_type(segmenter, ms.Segmenter)
    assert_type(ms.Segmenter.load(path), ms.Segmenter)
    assert_type(ms.segment(images, "otsu", side="bright"), Segmentation)
    assert_type(ms.fit_method(images, "otsu"), Fitted)


def studies(path: Path) -> None:
    """A grid of runs, and its table."""
    study, store = ms.load_study(path), ms.Store(path)
    assert_type(study, ms.StudySpec)
    records = ms.run_study(study, store, ms.SerialEngine(ms.Machine(device="cpu")))
    assert_type(records, list[RunRecord])
    table = ms.make_table(records)
    assert_type(table, pd.DataFrame)
    assert_type(ms.to_text(table), str)


def audits(path: Path) -> Iterator[Verdict]:
    """Labels that nobody vouches for."""
    audit = audit_folder(path, path)
    assert_type(audit, Audit)
    yield judge(audit)


def refused(path: Path) -> None:
    """What a checker must refuse: a line without an error makes its `type: ignore` one."""
    ms.load_label(3)  # type: ignore[arg-type]
    ms.parse_noise(0.3)  # type: ignore[arg-type]
    ms.Machine(device="tpu")  # type: ignore[arg-type]
    ms.no_such_name  # type: ignore[attr-defined]  # noqa: B018
    ms.load_study(path).seeds.append(3)  # type: ignore[attr-defined]
