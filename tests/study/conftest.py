"""Fixtures of the study tests: records that nothing had to be trained for."""

from collections.abc import Callable

import numpy as np
import pytest

from metastructure.study import RunRecord, RunSpec
from metastructure.study.record import Evaluation, NoiseSummary


@pytest.fixture(scope="session")
def make_record() -> Callable[..., RunRecord]:
    """From a run to a record of it on `num_images` test images, another for each run."""

    def make(run: RunSpec, num_images: int = 3, num_classes: int = 2) -> RunRecord:
        draw = np.random.default_rng(int(run.identity, 16))
        C = num_classes
        tables = draw.integers(1, 400, (num_images, C, C)).tolist()
        half = draw.integers(1, 400, (num_images, C, C)).tolist()
        ids = [f"image_{index:03}" for index in range(num_images)]
        evaluation = Evaluation(
            ids=ids, tables=tables, tables_at_half=half if C == 2 else None, auc=0.75 if C == 2 else None
        )
        return RunRecord(
            spec=run,
            identity=run.identity,
            data_fingerprint=f"content of {run.data_name}",
            num_classes=C,
            num_parameters=1234,
            noise=NoiseSummary(
                table=np.eye(C, dtype=int).tolist(), changed_rate=float(draw.random()), ignored_rate=0.0
            ),
            loss=[0.7, 0.5, 0.25],
            epoch_seconds=[1.0, 1.0, 1.0],
            threshold=float(draw.random()) if C == 2 else None,
            val=evaluation,
            test=evaluation,
            seconds=3.0,
            device="x86_64",
            threads=1,
            versions={"metastructure": "0", "torch": "0", "python": "3"},
            finished="2026-11-22T00:00:00+00:00",
        )

    return make
