"""Verdicts on the statements of the theory, each from intervals or from a tolerance with its reason.

"Holds" means that the numbers agree within the tolerance, "fails" that they lie outside it for sure, and anything in
between cannot be seen with these images.
"""

from collections.abc import Iterable, Sequence
from math import isnan

from scipy.stats import norm

from metastructure.data.theory_report import Lemma1Case, Statement, TheoryReport, Verdict
from metastructure.structure import Estimate, Lemma1, Lemma2Case, Theorem1, Theorem2Case
from metastructure.structure.lemma_1 import REFUTING_ERRORS

SLOPE_TOLERANCE = 0.1
"""Windows cut by the image's edge bend the predicted slope by about 0.04 on 256 x 256 pixels; -1/2, the slope of errors
that go together over a window's width, is five times as far."""

SURE = 2.0
"""Times the edge: noise alone comes there less than once in 10⁹, and a signal there is missed less than once in 100."""

SIMILARITY_TOLERANCE = 0.05
"""What the project asks of flips (at least 0.95) and of random labels (at most 0.05)."""

MUCH_WIDER = 3.0
"""Object widths: such a window covers several objects."""

FALL = 0.9
"""Of the best margin: the error of a margin is a few per cent."""

WHOLE_IMAGE = 0.8
VANISHED = 0.5
"""Of the predicted error; counts exact in each image take off about the window's share of it, at least 0.8."""


def judge_all(report: TheoryReport) -> tuple[Statement, ...]:
    """Return a verdict for each statement from the numbers of the report."""
    *randomised, boundary = report.lemma_1
    return (
        judge_lemma_1(randomised, report.num_classes),
        judge_slope(randomised),
        judge_counter_example(boundary, report.num_classes),
        judge_lemma_2(report.lemma_2),
        judge_theorem_1("Theorem 1, dilated", report.dilated),
        judge_theorem_1("Theorem 1, eroded", report.eroded),
        judge_theorem_2(report.lemma_2, report.theorem_2, [name for _, name in report.sweep]),
        judge_singular_rate(report),
        judge_wide_windows(report),
        judge_unseen_bias(report),
        judge_exact(report),
    )


def judge_lemma_1(cases: Sequence[Lemma1Case], num_classes: int) -> Statement:
    """Return whether densities of randomised labels are Qᵀ times the clean ones up to the predicted error."""
    verdicts = [_lemma_1_verdict(case.check, num_classes) for case in cases]
    worst = max(cases, key=lambda case: _worst_error(case.check))
    return Statement(
        name="Lemma 1",
        claim="The density of a randomised label is Qᵀ times that of the clean one, up to the predicted error.",
        criterion=f"Every ratio of measured to predicted error within {REFUTING_ERRORS:g} standard errors of 1 (by "
        "chance once in 16 000 if the error is normal), every count of changed pixels within "
        f"{count_errors(num_classes):.2g}, as unlikely over all {num_classes**2}. Not seen where {REFUTING_ERRORS:g} "
        "standard errors of the ratio exceed 1 at every half-width.",
        verdict=combine(verdicts),
        reason=f"Farthest off: {worst.name}, {_worst_error(worst.check):.1f} standard errors.",
    )


def judge_slope(cases: Sequence[Lemma1Case]) -> Statement:
    """Return whether the error shrinks like 1 / (2h + 1)."""
    verdicts = []
    for case in cases:
        slope, predicted = case.check.slope, case.check.predicted_slope
        bent = isnan(slope) or abs(predicted + 1) > SLOPE_TOLERANCE
        verdicts.append(Verdict.unseen if bent else _within(abs(slope + 1), SLOPE_TOLERANCE))
    listed = ", ".join(f"{case.name} {case.check.slope:.3f}" for case in cases)
    return Statement(
        name="Lemma 1, slope",
        claim="The error shrinks like 1 / (2h + 1): slope -1 on logarithmic axes.",
        criterion=f"Slope within {SLOPE_TOLERANCE:g} of -1. Not seen where windows cut by the edge, or too few "
        "half-widths, bend the predicted slope by more.",
        verdict=combine(verdicts),
        reason=f"Slopes: {listed}; predicted {cases[0].check.predicted_slope:.3f}.",
    )


def judge_counter_example(case: Lemma1Case, num_classes: int) -> Statement:
    """Return whether boundary noise, which is not randomised, breaks Lemma 1 as it must."""
    last = case.check.scales[-1]
    turned = {Verdict.holds: Verdict.fails, Verdict.fails: Verdict.holds, Verdict.unseen: Verdict.unseen}
    return Statement(
        name="Lemma 1, limit",
        claim="Boundary noise breaks Lemma 1: its errors go together over neighbours.",
        criterion=f"The lemma is refuted for {case.name} with its realised Q: a ratio more than {REFUTING_ERRORS:g} "
        "standard errors from 1.",
        verdict=turned[_lemma_1_verdict(case.check, num_classes)],
        reason=f"Measured over predicted error {last.ratio:.3g} at half-width {last.half_width_px}.",
    )


def judge_lemma_2(cases: Sequence[Lemma2Case]) -> Statement:
    """Return whether as many classes survive as Q has rank."""
    verdicts = [lemma_2_verdict(case) for case in cases]
    wrong = [case for case, verdict in zip(cases, verdicts, strict=True) if verdict == Verdict.fails]
    listed = "; ".join(f"{case.name}: {case.num_surviving} found, rank {case.rank}" for case in wrong)
    return Statement(
        name="Lemma 2",
        claim="As many classes survive as Q has rank.",
        criterion=f"The number counted in noisy densities equals the rank. Fails for a signal above {SURE:g} times the "
        f"edge where Q leaves none, or none above the edge where Q predicts {SURE:g} times as much. Not seen where Q "
        "predicts less.",
        verdict=combine_ranks(verdicts, [case.rank for case in cases]),
        reason=_count(verdicts) + (f" {listed}." if wrong else ""),
    )


def lemma_2_verdict(case: Lemma2Case) -> Verdict:
    """Return the verdict for one Q."""
    if case.reason:
        return Verdict.unseen
    surely_found = 1 + sum(a > SURE * b for a, b in zip(case.signal_to_noise, case.edges, strict=True))
    if surely_found > case.rank or case.num_surviving < min(case.rank, _surely_predicted(case)):
        return Verdict.fails
    return Verdict.holds if case.num_surviving == case.rank else Verdict.unseen


def judge_theorem_1(name: str, check: Theorem1) -> Statement:
    """Return whether every step of the boundary outwards or inwards takes similarity away."""
    verdicts = [_sign_verdict(step) for step in check.steps]
    listed = ", ".join(f"{case.similarity.value:.3f}" for case in check.cases)
    return Statement(
        name=name,
        claim="The farther the boundary moves, the less of the meta-structure is left.",
        criterion="The interval of every step lies below 0. Fails if one lies above; not seen if one holds 0.",
        verdict=combine_all(verdicts),
        reason=f"Similarity {listed}" + _one_image(check.steps[0]),
    )


def judge_theorem_2(
    lemma_2: Sequence[Lemma2Case], theorem_2: Sequence[Theorem2Case], flips: Sequence[str]
) -> Statement:
    """Return whether the similarity is what the rank of Q predicts, over all noises but the flips near s."""
    ends = {flips[0], flips[len(flips) - 1]}
    kept = [(a, b) for a, b in zip(lemma_2, theorem_2, strict=True) if b.name not in flips or b.name in ends]
    kept += [(a, b) for a, b in zip(lemma_2, theorem_2, strict=True) if b.name in flips and b.rank == 1]
    verdicts = [theorem_2_verdict(a, b) for a, b in kept]
    worst = max((b for _, b in kept), key=lambda case: _distance(case.corrected.value, case.predicted))
    return Statement(
        name="Theorem 2",
        claim="The similarity is (rank(Q) - 1) / (classes - 1): 1 if no class is lost, past the singular rate too.",
        criterion=_similarity_criterion(),
        verdict=combine_ranks(verdicts, [case.rank for _, case in kept]),
        reason=f"{_count(verdicts)} Farthest off: {worst.name}, {worst.corrected} for {worst.predicted:.3g}.",
    )


def theorem_2_verdict(lemma_2: Lemma2Case, case: Theorem2Case) -> Verdict:
    """Return the verdict for one Q; `lemma_2` says whether its signal can be seen."""
    found = equivalence(case.corrected, case.predicted)
    lost = case.corrected.value < case.predicted and _surely_predicted(lemma_2) < lemma_2.rank
    return Verdict.unseen if lost and found == Verdict.fails else found


def judge_singular_rate(report: TheoryReport) -> Statement:
    """Return whether symmetric flips lose everything at s and nothing on either side."""
    flips = {name: rate for rate, name in report.sweep}
    pairs = [(a, b) for a, b in zip(report.lemma_2, report.theorem_2, strict=True) if b.name in flips]
    verdicts = [theorem_2_verdict(a, b) for a, b in pairs]
    unseen = [flips[b.name] for (_, b), verdict in zip(pairs, verdicts, strict=True) if verdict == Verdict.unseen]
    at_s = next(b for _, b in pairs if b.rank == 1)
    listed = f" Not seen: {', '.join(f'{rate:.4g}' for rate in unseen)}." if unseen else ""
    return Statement(
        name="Limit: singular rate",
        claim="Symmetric flips leave nothing at the rate (C - 1) / C and everything on either side of it.",
        criterion=_similarity_criterion(),
        verdict=combine_ranks(verdicts, [case.rank for _, case in pairs]),
        reason=f"{at_s.corrected.value:.3f} at {report.singular_rate:.4g}. {_count(verdicts)}{listed}",
    )


def judge_wide_windows(report: TheoryReport) -> Statement:
    """Return whether windows much wider than the objects see less of the weakest class under flips."""
    best = max(report.windows, key=lambda case: -1.0 if isnan(case.margin) else case.margin)
    widest = report.windows[-1]
    verdict = Verdict.holds if widest.margin <= FALL * best.margin else Verdict.unseen
    if 2 * widest.half_width_px + 1 < MUCH_WIDER * report.object_width_px or not best.margin > 1:
        verdict = Verdict.unseen
    elif best is widest:
        verdict = Verdict.fails
    return Statement(
        name="Limit: wide windows",
        claim="Windows much wider than the objects see less of the weakest class.",
        criterion=f"Signal over edge at the widest window at most {FALL:g} of the best (the error of each is a few per "
        f"cent). Fails if the widest is the best; not seen where no window is {MUCH_WIDER:g} objects wide, or none "
        "sees the signal.",
        verdict=verdict,
        reason=f"Objects {report.object_width_px:.0f} px wide. Signal over edge {best.margin:.3g} with windows of "
        f"{2 * best.half_width_px + 1} px, {widest.margin:.3g} with {2 * widest.half_width_px + 1} px.",
    )


def judge_unseen_bias(report: TheoryReport) -> Statement:
    """Return whether a boundary bias shows less in windows wider than the objects."""
    first, last = report.windows[0], report.windows[-1]
    if isnan(first.dilated.low) or isnan(last.dilated.low):
        verdict = Verdict.unseen
    elif last.dilated.low > first.dilated.high:
        verdict = Verdict.holds
    else:
        verdict = Verdict.fails if last.dilated.high < first.dilated.low else Verdict.unseen
    return Statement(
        name="Limit: bias in wide windows",
        claim="A boundary bias much smaller than the window hardly shows.",
        criterion="Similarity of dilated labels higher in the widest window than in the narrowest, their intervals "
        "apart. Fails if lower, apart.",
        verdict=verdict,
        reason=f"Windows of {2 * first.half_width_px + 1} px: {first.dilated}; of {2 * last.half_width_px + 1} px: "
        f"{last.dilated}.",
    )


def judge_exact(report: TheoryReport) -> Statement:
    """Return whether exact counts at the singular rate leave nothing, and break the error of Lemma 1."""
    drawn, exact = report.exact
    lost = [equivalence(case.corrected, 0.0) for case in report.exact]
    vanished = Verdict.unseen if report.widest_share < WHOLE_IMAGE else _within(exact.ratios[-1], VANISHED)
    return Statement(
        name="Limit: exact counts",
        claim="Flips of exactly (C - 1) / C of each class in each image leave nothing, whatever rank the realised "
        "matrix has; in windows that hold the whole image their error vanishes, which breaks Lemma 1.",
        criterion=f"Similarity within {SIMILARITY_TOLERANCE:g} of 0, and error at most {VANISHED:g} of the predicted "
        f"in windows that hold {WHOLE_IMAGE:g} of the image or more.",
        verdict=combine_all([*lost, vanished]),
        reason=f"Realised rank {drawn.realised_rank} drawn, {exact.realised_rank} exact; similarity "
        f"{drawn.corrected.value:.3f} and {exact.corrected.value:.3f}; error over predicted in the widest window "
        f"{drawn.ratios[-1]:.3g} and {exact.ratios[-1]:.3g}.",
    )


def equivalence(found: Estimate, expected: float, tolerance: float = SIMILARITY_TOLERANCE) -> Verdict:
    """Return whether an interval lies within `expected` ± `tolerance`, outside it, or across its end.

    References
    ----------
    Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing the equivalence
    of average bioavailability", Journal of Pharmacokinetics and Biopharmaceutics 1987.

    Examples
    --------
    >>> [str(equivalence(Estimate(value=0.9, low=0.88, high=high), 1.0)) for high in (0.92, 0.96)]
    ['fails', 'cannot be seen with these images']
    """
    if isnan(found.low) or isnan(expected):
        return Verdict.unseen
    if found.low >= expected - tolerance and found.high <= expected + tolerance:
        return Verdict.holds
    apart = found.high < expected - tolerance or found.low > expected + tolerance
    return Verdict.fails if apart else Verdict.unseen


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Return fails if one does, else holds if one does: cases that cannot be seen say nothing either way."""
    found = set(verdicts)
    return next((verdict for verdict in (Verdict.fails, Verdict.holds) if verdict in found), Verdict.unseen)


def combine_all(verdicts: Sequence[Verdict]) -> Verdict:
    """Return fails if one does, holds if all do."""
    if Verdict.fails in verdicts:
        return Verdict.fails
    return Verdict.unseen if Verdict.unseen in verdicts else Verdict.holds


def combine_ranks(verdicts: Sequence[Verdict], ranks: Sequence[int]) -> Verdict:
    """Return fails if one does, holds if both a Q of full rank and a singular one hold.

    Labels that show nothing agree with every singular Q; only a Q of full rank can tell them from labels that do.
    """
    full = [verdict for verdict, rank in zip(verdicts, ranks, strict=True) if rank == max(ranks)]
    singular = [verdict for verdict, rank in zip(verdicts, ranks, strict=True) if rank < max(ranks)]
    return combine_all([combine(full), combine(singular)])


def count_errors(num_classes: int) -> float:
    """Return how many standard errors one of C x C counts exceeds as rarely as one count does `REFUTING_ERRORS`.

    Examples
    --------
    >>> [round(count_errors(num_classes), 1) for num_classes in (1, 2, 11)]
    [4.0, 4.3, 5.0]
    """
    return float(norm.isf(norm.sf(REFUTING_ERRORS) / num_classes**2))


def _lemma_1_verdict(check: Lemma1, num_classes: int) -> Verdict:
    off = any(scale.standard_errors > REFUTING_ERRORS for scale in check.scales)
    if off or check.bias_error > count_errors(num_classes):
        return Verdict.fails
    visible = any(REFUTING_ERRORS * scale.ratio_error < 1 for scale in check.scales)
    return Verdict.holds if visible else Verdict.unseen


def _worst_error(check: Lemma1) -> float:
    return max([check.bias_error, *(scale.standard_errors for scale in check.scales)])


def _surely_predicted(case: Lemma2Case) -> int:
    return 1 + sum(value > SURE * case.edge for value in case.predicted)


def _sign_verdict(step: Estimate) -> Verdict:
    if step.high < 0:
        return Verdict.holds
    return Verdict.fails if step.low > 0 else Verdict.unseen


def _within(value: float, tolerance: float) -> Verdict:
    return Verdict.holds if value <= tolerance else Verdict.fails


def _distance(value: float, predicted: float) -> float:
    distance = abs(value - predicted)
    return -1.0 if isnan(distance) else distance


def _one_image(step: Estimate) -> str:
    return "; no interval, for there is one image only." if isnan(step.low) else "."


def _count(verdicts: Sequence[Verdict]) -> str:
    counts = (verdicts.count(Verdict.holds), verdicts.count(Verdict.fails), verdicts.count(Verdict.unseen))
    return "Of {} noises {} hold, {} fail, {} cannot be seen.".format(len(verdicts), *counts)


def _similarity_criterion() -> str:
    return (
        f"The interval lies within {SIMILARITY_TOLERANCE:g} of the prediction (what the project asks of flips and of "
        "random labels). Fails if it lies outside; not seen if it does both, or if the signal that Q leaves is below "
        f"{SURE:g} times the edge of the noise."
    )
