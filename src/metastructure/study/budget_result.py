"""What a plan of the annotation says: scores, curves, budgets and what sloppy labels are worth; as JSON and as a table.

Shares are of the training images, or of their known pixels, in (0, 1]; scores and losses are in points (0-100).
"""

import csv
import io
from typing import Literal

from pydantic import BaseModel, ConfigDict

from metastructure.networks import NetworkSpec
from metastructure.structure.estimate import Estimate
from metastructure.training.settings import TrainingSettings

Unit = Literal["pixels", "images"]
Told = Literal["found", "smallest", "unknown"]

COLUMNS = ("curve", "labels", "share", "score", "low", "high")


class Model(BaseModel):
    """Frozen, unknown keys refused, NaN kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Point(Model):
    """What one kind of labels led to, over all seeds.

    Attributes
    ----------
    labels : str
        As a noise of the clean labels.
    share : float
        Of the images or pixels that were labelled; realised, mean over seeds.
    score : Estimate
        On the test images.
    """

    labels: str
    share: float
    score: Estimate


class Line(Model):
    """A curve at many shares, to be drawn; sequences of the same length."""

    shares: tuple[float, ...]
    scores: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class PowerLaw(Model):
    """``a - b share^-c``."""

    a: Estimate
    b: Estimate
    c: Estimate


class BudgetCurve(Model):
    """Score against the share that is labelled.

    Attributes
    ----------
    unit : "pixels" or "images"
    whole : int
        Known pixels, or images, that all labels cover.
    points : tuple of Point
        By share, the last one all.
    law : PowerLaw or None
        None where straight lines over the logarithm of the share join the points.
    no_law : str or None
        Why there is none.
    line : Line
    drop : Estimate
        Score with all labels minus that with the smallest share, as measured.
    told : "found", "smallest" or "unknown"
        ``smallest``: already the smallest share tried is within the loss. ``unknown``: the curve is flatter than its
        noise, so that no budget can be told.
    budget : Estimate
        The smallest share within the loss; never below the smallest share tried. NaN if unknown.
    """

    unit: Unit
    whole: int
    points: tuple[Point, ...]
    law: PowerLaw | None
    no_law: str | None
    line: Line
    drop: Estimate
    told: Told
    budget: Estimate

    @property
    def smallest(self) -> float:
        """The smallest share tried."""
        return self.points[0].share


class SloppyLabels(Model):
    """All images with labels of one sloppy kind.

    Attributes
    ----------
    point : Point
    worth : Estimate
        Share of the images that, labelled carefully, leads to the same score: between the smallest share tried and 1.
        NaN if the curve of the images is flatter than its noise, or was not asked for.
    """

    point: Point
    worth: Estimate


class AnnotationPlan(Model):
    """The whole result.

    Attributes
    ----------
    data : str
    metric : "dice" or "miou"
        Two classes: mean Dice of the foreground over test images, at the threshold 0.5. More: mean IoU of all test
        pixels.
    loss : float
        What may be lost against full labels.
    tested_on : str
        Which images are tested on, in a sentence.
    num_train, num_test, num_classes : int
    seeds : tuple of int
    network, training
        How every network was made and trained.
    full : Estimate
        Score with all labels.
    curves : tuple of BudgetCurve
    sloppy : tuple of SloppyLabels
    seconds : float
        Computing time of all runs.
    versions : dict
    """

    data: str
    metric: Literal["dice", "miou"]
    loss: float
    tested_on: str
    num_train: int
    num_test: int
    num_classes: int
    seeds: tuple[int, ...]
    network: NetworkSpec
    training: TrainingSettings
    full: Estimate
    curves: tuple[BudgetCurve, ...]
    sloppy: tuple[SloppyLabels, ...]
    seconds: float
    versions: dict[str, str]

    def curve(self, unit: Unit) -> BudgetCurve | None:
        """Return the curve of a unit, if it was asked for."""
        return next((curve for curve in self.curves if curve.unit == unit), None)


def to_csv(plan: AnnotationPlan) -> str:
    """Return the points of all curves, and those of sloppy labels, as CSV with the columns COLUMNS."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    groups = [(curve.unit, curve.points) for curve in plan.curves]
    for name, points in [*groups, ("sloppy", tuple(one.point for one in plan.sloppy))]:
        for point in points:
            score = point.score
            writer.writerow([name, point.labels, point.share, score.value, score.low, score.high])
    return stream.getvalue()
