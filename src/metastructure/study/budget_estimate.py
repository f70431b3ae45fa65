"""From the records of a plan to its curves, budgets and what sloppy labels are worth, with intervals.

`R` resamples, row 0 being the images and seeds as they are; `P` points, `S` seeds, `N` test images, `C` classes.
Shares lie in (0, 1], scores are in points (0-100).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from metastructure.metrics.overlap import FloatArray
from metastructure.structure.estimate import Estimate
from metastructure.study.budget_curve import TAIL, Curves, PowerLaws, fit_curves
from metastructure.study.budget_result import BudgetCurve, Line, Point, PowerLaw, SloppyLabels, Told, Unit
from metastructure.study.table import score

NUM_DRAWN = 61
"""Places at which a curve is kept for drawing."""


@final
@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of kinds of labels, resampled over test images and seeds, the same ones for all.

    Attributes
    ----------
    labels : tuple of P str
        As noises.
    scores_RP : (R, P) array
    seeds_RS : (R, S) array of int
        Which seeds were drawn.
    """

    labels: tuple[str, ...]
    scores_RP: FloatArray
    seeds_RS: npt.NDArray[np.int64]

    def with_shares(self, shares_PS: FloatArray) -> "Points":
        """Return the scores as points of a curve; a share is the mean over the seeds drawn."""
        return Points(self.labels, shares_PS[:, self.seeds_RS].mean(axis=2).T, self.scores_RP)


@final
@dataclass(frozen=True, eq=False)
class Points:
    """Points of a curve, resampled.

    Attributes
    ----------
    labels : tuple of P str
    shares_RP, scores_RP : (R, P) arrays
    """

    labels: tuple[str, ...]
    shares_RP: FloatArray
    scores_RP: FloatArray

    def pick(self, labels: Sequence[str]) -> "Points":
        """Return the points of some labels, in their order."""
        places = [self.labels.index(one) for one in labels]
        return Points(tuple(labels), self.shares_RP[:, places], self.scores_RP[:, places])

    def by_share(self) -> "Points":
        """Return the points by rising share."""
        order = np.argsort(self.shares_RP[0], kind="stable")
        return self.pick([self.labels[place] for place in order])

    def points(self) -> tuple[Point, ...]:
        """Return each point with its interval."""
        return tuple(
            Point(labels=name, share=float(self.shares_RP[0, place]), score=estimate(self.scores_RP[:, place]))
            for place, name in enumerate(self.labels)
        )


def resample_scores(
    labels: Sequence[str], tables_PSNCC: npt.NDArray[np.int64], rng: np.random.Generator, num_resamples: int = 1000
) -> Scores:
    """Return the scores as they are, then as they come out of other test images and seeds.

    Parameters
    ----------
    labels : sequence of P str
    tables_PSNCC : array of counts
        Rows truth, columns prediction.
    rng : numpy Generator
    num_resamples : int
        Those in which no drawn image holds an object have no Dice and are left out.

    References
    ----------
    Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007: seeds and images are resampled apart.
    """
    S, N = tables_PSNCC.shape[1:3]
    seeds_RS = np.vstack([np.arange(S), rng.integers(S, size=(num_resamples, S))])
    images_RN = np.vstack([np.arange(N), rng.integers(N, size=(num_resamples, N))])
    rows = zip(seeds_RS, images_RN, strict=True)
    scores_RP = np.array([[score(tables[np.ix_(s, n)]) for tables in tables_PSNCC] for s, n in rows])
    kept = np.isfinite(scores_RP).all(axis=1)
    return Scores(tuple(labels), scores_RP[kept], seeds_RS[kept])


def make_curve(unit: Unit, whole: int, points: Points, loss: float) -> tuple[BudgetCurve, Curves]:
    """Return the curve of one unit with its budget, and the curves of all resamples.

    Parameters
    ----------
    unit : "pixels" or "images"
    whole : int
        Of them, in all labels.
    points : Points
        In any order; the largest share is 1.
    loss : float
        What may be lost against the curve's score at 1.
    """
    points = points.by_share()
    curves, no_law = fit_curves(points.shares_RP, points.scores_RP)
    smallest = points.shares_RP[0, 0]
    enough_R = curves.scores(np.ones(1))[:, 0] - loss
    budget = estimate(np.clip(curves.shares(enough_R), smallest, 1))
    drop = estimate(points.scores_RP[:, -1] - points.scores_RP[:, 0])
    told = _judge(drop, loss)
    if told == "smallest":
        budget = Estimate(value=smallest, low=smallest, high=smallest)
    if told == "unknown":
        budget = _undefined(_describe_flat(drop))
    law = None
    if isinstance(curves, PowerLaws):
        law = PowerLaw(a=estimate(curves.a), b=estimate(curves.b), c=estimate(curves.c))
    found = BudgetCurve(
        unit=unit,
        whole=whole,
        points=points.points(),
        law=law,
        no_law=no_law,
        line=_draw(curves, smallest),
        drop=drop,
        told=told,
        budget=budget,
    )
    return found, curves


def weigh_sloppy(points: Points, images: tuple[BudgetCurve, Curves] | None) -> tuple[SloppyLabels, ...]:
    """Return for each kind of sloppy labels the share of carefully labelled images that leads to the same score.

    Parameters
    ----------
    points : Points
        All images labelled, in the sloppy ways; of the same draws as the curve.
    images : tuple or None
        From `make_curve`.
    """
    found = []
    for place, point in enumerate(points.points()):
        if images is None:
            worth = _undefined("the curve of labelled images was not asked for")
        elif images[0].drop.low <= 0:
            worth = _undefined(_describe_flat(images[0].drop))
        else:
            worth = estimate(np.clip(images[1].shares(points.scores_RP[:, place]), images[0].smallest, 1))
        found.append(SloppyLabels(point=point, worth=worth))
    return tuple(found)


def estimate(values_R: FloatArray) -> Estimate:
    """Return the first value with the 95 % percentile interval of the others.

    Examples
    --------
    >>> estimate(np.array([2.0, *range(41)]))
    Estimate(value=2.0, low=1.0, high=39.0, reason=None)
    """
    low, high = np.quantile(values_R[1:], [TAIL, 1 - TAIL])
    return Estimate(value=float(values_R[0]), low=float(low), high=float(high))


def _judge(drop: Estimate, loss: float) -> Told:
    if drop.high < 0:
        return "unknown"
    if drop.high < loss:
        return "smallest"
    return "found" if drop.low > 0 else "unknown"


def _describe_flat(drop: Estimate) -> str:
    interval = f"{drop.value:+.1f} points [{drop.low:+.1f}, {drop.high:+.1f}]"
    if drop.high < 0:
        return (
            f"all labels scored {interval} against the smallest share, so that single trainings differ by more than "
            "their labels; take more seeds or longer trainings"
        )
    return f"what all labels score more than the smallest share, {interval}, is not above its noise"


def _undefined(reason: str) -> Estimate:
    return Estimate(value=float("nan"), low=float("nan"), high=float("nan"), reason=reason)


def _draw(curves: Curves, smallest: float) -> Line:
    shares_G = np.geomspace(smallest, 1, NUM_DRAWN)
    scores_RG = curves.scores(shares_G)
    low_G, high_G = np.quantile(scores_RG[1:], [TAIL, 1 - TAIL], axis=0)
    shares, scores, low, high = (tuple(map(float, row)) for row in (shares_G, scores_RG[0], low_G, high_G))
    return Line(shares=shares, scores=scores, low=low, high=high)
