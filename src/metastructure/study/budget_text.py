"""A plan of the annotation in words: the verdict, what it assumes, and what it does not know."""

from collections.abc import Callable

from metastructure.counts import count
from metastructure.structure.estimate import Estimate
from metastructure.study.budget_result import AnnotationPlan, BudgetCurve, SloppyLabels
from metastructure.study.table import METRIC_NAMES


def to_text(plan: AnnotationPlan) -> str:
    """Return verdict and doubts, a line each."""
    return "\n".join([*describe_verdict(plan), *(f"note: {note}" for note in describe_doubts(plan))])


def describe_verdict(plan: AnnotationPlan) -> list[str]:
    """Return a sentence on the score of all labels, one a curve, and one a kind of sloppy labels."""
    images = f"{plan.num_train} training images labelled in full"
    first = f"{METRIC_NAMES[plan.metric]} with all labels: {points(plan.full)} points ({images})."
    curves = [_describe_budget(curve, plan) for curve in plan.curves]
    return [first, *curves, *(_describe_sloppy(one, plan) for one in plan.sloppy)]


def describe_doubts(plan: AnnotationPlan) -> list[str]:
    """Return what the numbers rest on and what they leave open."""
    doubts = [f"tested on {plan.tested_on}; their labels are taken for true, and so are those of all training images."]
    if len(plan.seeds) == 1:
        doubts.append("one seed: the intervals are of the test images alone; another training may differ by more.")
    doubts += [
        f"{curve.unit}: no power law was fitted ({curve.no_law}); the points are joined by lines that never fall."
        for curve in plan.curves
        if curve.no_law
    ]
    return doubts


def points(score: Estimate) -> str:
    """Return a score with its interval.

    Examples
    --------
    >>> points(Estimate(value=90.04, low=88.5, high=91.96))
    '90.0 [88.5, 92.0]'
    """
    return f"{score.value:.1f} [{score.low:.1f}, {score.high:.1f}]"


def percent(share: float) -> str:
    """Return a share in per cent, to two digits below 10 %.

    Examples
    --------
    >>> percent(0.3149), percent(0.03149), percent(0.003), percent(1)
    ('31', '3.1', '0.3', '100')
    """
    return f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.2g}"


def describe_share(share: Estimate) -> str:
    """Return a share with its interval in per cent, or that it cannot be told.

    Examples
    --------
    >>> describe_share(Estimate(value=0.25, low=0.1, high=0.5))
    '25 % [10, 50]'
    """
    if share.reason is not None:
        return "cannot be told"
    return f"{percent(share.value)} % [{percent(share.low)}, {percent(share.high)}]"


def describe_amount(curve: BudgetCurve, plan: AnnotationPlan) -> Callable[[float], str]:
    """Return what says how much a share of a curve is: so many images, or so many pixels in each."""

    def amount(share: float) -> str:
        if curve.unit == "images":
            return f"{count(max(1, round(share * curve.whole)), 'image')} of {curve.whole}"
        return f"about {share * curve.whole / plan.num_train:,.0f} pixels in each image"

    return amount


def _describe_budget(curve: BudgetCurve, plan: AnnotationPlan) -> str:
    amount, name = describe_amount(curve, plan), curve.unit.capitalize()
    enough = f"within {plan.loss:g} {'point' if plan.loss == 1 else 'points'} of all labels"
    if curve.told == "unknown":
        return f"{name}: how many are enough cannot be told: {curve.budget.reason}."
    if curve.told == "smallest":
        return (
            f"{name}: the smallest share tried, {percent(curve.smallest)} % ({amount(curve.smallest)}), is {enough} "
            "already; smaller ones were not tried."
        )
    sentence = f"{name}: {describe_share(curve.budget)} of them labelled, {amount(curve.budget.value)}, is {enough}."
    if curve.budget.low <= curve.smallest:
        sentence += f" Shares below {percent(curve.smallest)} % were not tried."
    return sentence


def _describe_sloppy(one: SloppyLabels, plan: AnnotationPlan) -> str:
    name = f"All images labelled as {one.point.labels}: {points(one.point.score)} points"
    images = plan.curve("images")
    if one.worth.reason is not None or images is None:
        return f"{name}; what they are worth in careful labels cannot be told: {one.worth.reason}."
    if one.worth.high <= images.smallest:
        fewest = count(round(images.smallest * images.whole), "image")
        return f"{name}, worth no more than the smallest share tried, {fewest} labelled carefully."
    sentence = f"{name}, worth {describe_share(one.worth)} of the images labelled carefully"
    if one.worth.value >= 1:
        return f"{sentence}: no worse than careful labels by this curve."
    return f"{sentence}: they pay if one takes less than {one.worth.value:.2g} of the time of a careful one."
