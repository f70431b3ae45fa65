"""From what was counted of several annotators to the reports on each of them, on each pair and on each image.

`A` annotators, `N` images, `C` classes, `P` patterns of answers.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from metastructure.audit.annotator_answers import Answers
from metastructure.audit.annotator_fit import Fitted, PairTables, Voices, join_answers, place_voices
from metastructure.audit.annotator_outlines import Difference
from metastructure.audit.annotator_result import AnnotatorReport, ImageAgreement, PairAgreement
from metastructure.audit.judging import pooled_ratio, unknown
from metastructure.metrics import dice, foreground_dice, nanmean
from metastructure.rng import generator
from metastructure.structure.dawid_skene import NO_ANSWER, AnswerTable
from metastructure.structure.estimate import Estimate, why_undefined
from metastructure.structure.latent_transition import EstimatedTransition
from metastructure.structure.windows import FloatArray

NO_MATRIX = "agreement does not tell it"
NO_PIXEL = "no pixel of this class was found there"
NOT_FOUND = "this class was not found"
NO_OVERLAP = "no pixel in common with another annotator"
NO_OBJECT = "no object of classes 1 and above"
NO_PAIR = "no image was labelled by both"
NO_BOUNDARY = "no boundary of an object can be compared"


class Shapes(NamedTuple):
    """What the boundaries and objects of N images show.

    Attributes
    ----------
    to_consensus, between : N rows of A, and of pairs, Difference or None
        To the consensus, and between two annotators.
    num_tied, num_answered, num_speckled : int
        Pixels of the consensus that are tied, and that are known; labels without an outline.
    """

    to_consensus: list[list[Difference | None]]
    between: list[list[Difference | None]]
    num_tied: int
    num_answered: int
    num_speckled: int


class ComparedLabels(NamedTuple):
    """All that two passes over the labels leave.

    Attributes
    ----------
    names, ids : tuples of A and N str
    num_classes, seed : int
    answers : Answers
    pairs : PairTables
    voices : groups of annotators
    fitted : Fitted
    alone : A EstimatedTransition or None
        From each one's labels alone, where agreement does not tell.
    edges : A Estimate
        Shifts against the edges of the images.
    shapes : Shapes
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    num_classes: int
    seed: int
    answers: Answers
    pairs: PairTables
    voices: Voices
    fitted: Fitted
    alone: tuple[EstimatedTransition | None, ...]
    edges: tuple[Estimate, ...]
    shapes: Shapes

    def voice_of(self, annotator: int) -> int:
        """Return the voice that an annotator belongs to."""
        return next(voice for voice, members in enumerate(self.voices) if annotator in members)


def report_annotators(found: ComparedLabels) -> tuple[AnnotatorReport, ...]:
    """Return what is told of each annotator, in their order."""
    told, N, C = found.fitted.numbers, len(found.ids), found.num_classes
    places = place_voices(told, N)
    pooled = np.asarray(found.answers.counts.sum(axis=0))
    reports = []
    for index, name in enumerate(found.names):
        voice, alone = found.voice_of(index), found.alone[index]
        lone = NO_OVERLAP if alone is None and np.isnan(told.rows[voice, ..., 0]).all() else None
        in_zone = lone or (NO_MATRIX if alone else NO_PIXEL)
        own = np.bincount(found.answers.patterns[:, index] + 1, pooled, C + 1)[1:]
        has_label = (found.answers.patterns[:, index] != NO_ANSWER).astype(np.float64)
        column = [row[index] for row in found.shapes.to_consensus]
        reports.append(
            AnnotatorReport(
                name=name,
                num_images=int(np.count_nonzero(found.answers.counts @ has_label)),
                place=places[voice],
                dice=_as_share(told.dice[voice], N, lone or NO_MATRIX),
                error=_as_share(told.error[voice], N, lone or NO_MATRIX),
                inner_error=_as_share(told.inner_error[voice], N, lone or NO_MATRIX),
                transition=_matrix(told.rows[voice], N, lone or NOT_FOUND) if alone is None else alone.transition,
                near_transition=_matrix(told.near_rows[voice], N, in_zone),
                inner_transition=_matrix(told.inner_rows[voice], N, in_zone),
                label_shares=tuple((own / own.sum()).tolist() if own.sum() else [float("nan")] * C),
                consensus_shift_px=_ratio(column, "shift_px", "num_shifted", NO_BOUNDARY, found.seed, f"{name} shift"),
                edge_shift_px=found.edges[index],
                missed=_ratio(column, "num_missed", "num_expected", NO_OBJECT, found.seed, f"{name} missed"),
                added=_ratio(column, "num_added", "num_drawn", NO_OBJECT, found.seed, f"{name} added"),
            )
        )
    return tuple(reports)


def report_shares(found: ComparedLabels) -> tuple[tuple[Estimate, ...], ...]:
    """Return the shares of the hidden classes: of all pixels, near boundaries, and away from them."""
    reason, told = NO_MATRIX if found.fitted.models is None else NOT_FOUND, found.fitted.numbers
    return tuple(
        tuple(_as_share(cell, len(found.ids), reason) for cell in shares)
        for shares in (told.shares, told.near_shares, told.inner_shares)
    )


def _ratio(
    column: Sequence[Difference | None], value: str, weight: str, reason: str, seed: int, purpose: str
) -> Estimate:
    """Return the pooled mean of a distance, or the share of objects, over the images."""
    known = [one for one in column if one is not None]
    below = [getattr(one, weight) for one in known]
    above = [
        getattr(one, value) * (size if value.endswith("_px") else 1) for one, size in zip(known, below, strict=True)
    ]
    if not known:
        return unknown(reason)
    found = pooled_ratio(above, below, generator(seed, purpose, "annotators"), reason)
    if value.endswith("_px"):
        return found
    return _as_share(np.array([found.value, found.low, found.high]), sum(size > 0 for size in below), reason)


def _as_share(cell: FloatArray, num_images: int, reason: str) -> Estimate:
    """Return value, low and high in [0, 1] as an estimate."""
    value, low, high = np.clip(cell, 0, 1).tolist()
    return Estimate(value=value, low=low, high=high, reason=why_undefined(value, reason, num_images))


def _matrix(rows: FloatArray, num_images: int, reason: str) -> tuple[tuple[Estimate, ...], ...]:
    return tuple(tuple(_as_share(cell, num_images, reason) for cell in row) for row in rows)


def report_pairs(found: ComparedLabels) -> tuple[PairAgreement, ...]:
    """Return what is told of each two annotators."""
    told, answers = found.fitted.numbers, found.answers
    pooled = np.asarray(answers.counts.sum(axis=0))
    excess = _excess(found)
    reports = []
    for index, ((one, other), table) in enumerate(zip(found.pairs.pairs, found.pairs.count(pooled), strict=True)):
        both = (answers.patterns[:, [one, other]] != NO_ANSWER).all(axis=1)
        num_shared = int(np.count_nonzero(answers.counts @ both.astype(np.float64)))
        first, second = found.names[one], found.names[other]
        column = [row[index] for row in found.shapes.between]
        reports.append(
            PairAgreement(
                first=first,
                second=second,
                num_images=num_shared,
                dice=_as_share(told.pair_dice[index], num_shared, NO_OBJECT if num_shared else NO_PAIR),
                class_dice=tuple(dice(table).tolist()),
                kappa=_kappa(told.pair_kappa[index], num_shared),
                excess=excess[index],
                distance_px=_ratio(
                    column, "distance_px", "num_places", NO_BOUNDARY, found.seed, f"{first} {second} distance"
                ),
            )
        )
    return tuple(reports)


def _excess(found: ComparedLabels) -> list[float]:
    """Return, for each pair, the share of pixels agreed on less what the models explain; NaN where there is none."""
    models, patterns, answers = found.fitted.models, found.answers.patterns, found.answers
    excess = [float("nan")] * len(found.pairs.pairs)
    if models is None:
        return excess
    table = AnswerTable(join_answers(patterns, found.voices), found.num_classes)
    inner = np.asarray(answers.inner.sum(axis=0))
    zones = [(models.near, np.asarray(answers.counts.sum(axis=0)) - inner), (models.inner, inner)]
    beliefs = [table.posterior(model) * pixels[:, None] for model, pixels in zones]
    for index, (one, other) in enumerate(found.pairs.pairs):
        first, second = found.voice_of(one), found.voice_of(other)
        both = (patterns[:, [one, other]] != NO_ANSWER).all(axis=1)
        total = sum(float(pixels[both].sum()) for _, pixels in zones)
        if first == second or not total:
            continue
        agreed = sum(float(pixels[both & (patterns[:, one] == patterns[:, other])].sum()) for _, pixels in zones)
        explained = sum(
            float(belief[both].sum(axis=0) @ np.nan_to_num(model.rows[first] * model.rows[second]).sum(axis=1))
            for belief, (model, _) in zip(beliefs, zones, strict=True)
        )
        excess[index] = (agreed - explained) / total
    return excess


def _kappa(cell: FloatArray, num_images: int) -> Estimate:
    value, low, high = np.clip(cell, -1, 1).tolist()
    reason = "both hold one class only, the same" if num_images else NO_PAIR
    return Estimate(value=value, low=low, high=high, reason=why_undefined(value, reason, num_images))


def report_images(found: ComparedLabels) -> tuple[ImageAgreement, ...]:
    """Return what is told of each image, those with the lowest Dice first."""
    patterns, pairs, names = found.answers.patterns, found.pairs, found.names
    given = patterns != NO_ANSWER
    shared = given.sum(axis=1) > 1
    lowest = np.where(given, patterns, found.num_classes).min(axis=1)
    disputed = shared & (patterns.max(axis=1) > lowest)
    reports = []
    for image, counts, inner in zip(found.ids, _rows(found.answers.counts), _rows(found.answers.inner), strict=True):
        scores = foreground_dice(pairs.count(counts))
        of_each = [
            float(nanmean(np.array([s for s, pair in zip(scores, pairs.pairs, strict=True) if one in pair])))
            for one in range(len(names))
        ]
        answered = counts @ given > 0
        furthest = int(np.nanargmin(of_each)) if answered.sum() > 2 and not np.isnan(of_each).all() else None
        reports.append(
            ImageAgreement(
                name=image,
                num_annotators=int(answered.sum()),
                dice=float(nanmean(scores)),
                disputed_share=_over(counts @ disputed, counts @ shared),
                inner_disputed_share=_over(inner @ disputed, counts @ disputed),
                furthest="" if furthest is None else names[furthest],
            )
        )
    return tuple(sorted(reports, key=lambda one: (np.isnan(one.dice), one.dice, one.name)))


def _rows(table: sparse.csr_array) -> Iterator[FloatArray]:
    """Give the rows of a sparse table one by one, dense."""
    for index in range(table.shape[0]):
        yield table[[index]].toarray()[0]


def _over(above: float, below: float) -> float:
    return float(above / below) if below else float("nan")


def note_annotators(found: ComparedLabels, reports: Sequence[AnnotatorReport], reason: str | None) -> tuple[str, ...]:
    """Return what could not be used or told, in sentences."""
    notes = []
    if reason:
        notes.append(f"Who errs is not told by agreement: {reason}. Each one's labels were looked at alone.")
    for members in found.voices:
        if len(members) > 1:
            *most, last = (found.names[one] for one in members)
            notes.append(
                f"{', '.join(most)} and {last} gave the same class to every pixel they share: copies, or one source. "
                "They count as one."
            )
    for one in reports:
        if one.dice.reason == NO_OVERLAP:
            notes.append(f"{one.name}: {NO_OVERLAP}.")
        if 1.0 in one.label_shares:
            notes.append(f"{one.name}: every label holds one class only, {one.label_shares.index(1.0)}.")
    if found.shapes.num_speckled:
        notes.append(
            f"{found.shapes.num_speckled} labels have too many random pixels: boundaries and objects were not compared."
        )
    return tuple(notes)
