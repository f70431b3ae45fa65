"""The record of a finished run: everything that tables and reports need, in one JSON file.

`C` classes, `N` test images.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from metastructure.study.spec import RunSpec

Table = list[list[int]]


class NoiseSummary(BaseModel):
    """What the noise did to the training labels.

    Attributes
    ----------
    table : (C, C) counts, rows clean, columns noisy
    changed_rate : float or None
        Share of the known pixels that changed class.
    ignored_rate : float
        Share of the known pixels that the noise turned into IGNORE.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: Table
    changed_rate: float | None
    ignored_rate: float


class PlanSummary(BaseModel):
    """What the training did about the noise.

    Attributes
    ----------
    transition : (C, C) floats or None
        The Q that was undone, known or estimated.
    half_width_px : int or None
        Of the density target.
    note : str or None
        Why no Q was undone although one was asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transition: list[list[float]] | None = None
    half_width_px: int | None = None
    note: str | None = None


class Evaluation(BaseModel):
    """One split predicted, against clean labels.

    Attributes
    ----------
    ids : list of N str
    tables : list of N (C, C) counts
        Rows truth, columns prediction, at the chosen threshold.
    tables_at_half : list of N (C, C) counts, or None
        Binary only: the same at the fixed threshold 0.5, Q undone where the recipe does.
    auc : float or None
        Binary only, pooled over all pixels; None where a class is missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: list[str]
    tables: list[Table]
    tables_at_half: list[Table] | None = None
    auc: float | None = None

    def counts(self, at_half: bool = False) -> npt.NDArray[np.int64]:
        """Return the tables as one (N, C, C) array; with `at_half` those at 0.5 where there are any."""
        tables = self.tables_at_half if at_half and self.tables_at_half is not None else self.tables
        return np.asarray(tables, dtype=np.int64)


class RunRecord(BaseModel):
    """One finished run.

    Attributes
    ----------
    spec : RunSpec
    identity : str
    data_fingerprint : str
        SHA-256 of the data set's content.
    num_classes : int
    num_parameters : int
        Of the network.
    noise : NoiseSummary
    plan : PlanSummary
    loss, epoch_seconds : list of float
        Per epoch.
    dynamics : list of dict
        Per epoch where the study asks for it, else empty: see `metastructure.training.dynamics.describe_agreement`.
    notes : list of str
        What early stopping did.
    threshold : float or None
        Binary only: chosen on the validation split for the best mean Dice.
    val, test : Evaluation
    seconds : float
        Wall-clock time of the whole run on this machine.
    device, threads, versions, finished
        Where, with what and when it ran.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    spec: RunSpec
    identity: str
    data_fingerprint: str
    num_classes: int
    num_parameters: int
    noise: NoiseSummary
    plan: PlanSummary = PlanSummary()
    loss: list[float]
    epoch_seconds: list[float]
    notes: list[str] = []
    dynamics: list[dict[str, float]] = []
    threshold: float | None
    val: Evaluation
    test: Evaluation
    seconds: float
    device: str
    threads: int
    versions: dict[str, str]
    finished: str
