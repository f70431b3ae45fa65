"""From the counted answers of several annotators to each one's transition matrix, with intervals over the images.

`A` annotators, `V` voices (annotators, those with equal labels as one), `C` classes, `P` patterns of answers, `N`
images.
"""

from itertools import combinations, pairwise
from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from metastructure.audit.annotator_answers import Answers
from metastructure.metrics import foreground_dice, nanmean
from metastructure.structure.dawid_skene import MAX_STEPS, NO_ANSWER, AnnotatorModel, AnswerTable, normalise
from metastructure.structure.estimate import Counts, bootstrap_images
from metastructure.structure.windows import FloatArray

CONFIDENCE = 0.95
NUM_RESAMPLES = 200
RESAMPLE_STEPS = 60

LEAST_KAPPA = 0.05
"""An annotator whose kappa with every other is below says nothing of the hidden classes."""

NEEDED = 3

Index = npt.NDArray[np.intp]
Voices = tuple[tuple[int, ...], ...]


class PairTables:
    """The contingency tables of each two of several annotators, from counted patterns.

    Parameters
    ----------
    patterns : (P, A) array
    num_classes : int
    """

    def __init__(self, patterns: Index, num_classes: int) -> None:
        self.pairs = list(combinations(range(patterns.shape[1]), 2))
        self._num_classes = num_classes
        self._cells = []
        for first, second in self.pairs:
            both = np.flatnonzero((patterns[:, first] != NO_ANSWER) & (patterns[:, second] != NO_ANSWER))
            self._cells.append((both, patterns[both, first] * num_classes + patterns[both, second]))

    def count(self, counts: FloatArray) -> Counts:
        """Return the tables of all pairs, (pairs, C, C), rows the first, from pixels by pattern, (P,)."""
        C = self._num_classes
        tables = [np.bincount(cell, counts[both], C * C) for both, cell in self._cells]
        return np.rint(tables).astype(np.int64).reshape(-1, C, C)


def cohen_kappa(tables: Counts) -> FloatArray:
    """Return the agreement beyond that of independent labels with the same class shares, over what there could be.

    NaN where both hold one class only, the same, or nothing.

    References
    ----------
    Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 1960.

    Examples
    --------
    Agreement is 0.7, by chance it would be 0.5.

    >>> float(cohen_kappa(np.array([[40, 10], [20, 30]])).round(3))
    0.4
    """
    total = tables.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        agreed = np.trace(tables, axis1=-2, axis2=-1) / total
        chance = (tables.sum(axis=-1) * tables.sum(axis=-2)).sum(axis=-1) / total**2
        return np.asarray(np.where(chance < 1, (agreed - chance) / (1 - chance), np.nan))


def find_voices(tables: Counts, num_annotators: int) -> Voices:
    """Return the annotators in groups; those with the same class in every pixel they share, of two classes, together.

    Labels that are equal to the pixel are copies, or come from one source; they are no independent witnesses.
    """
    voice_of = list(range(num_annotators))
    for table, (first, second) in zip(tables, combinations(range(num_annotators), 2), strict=True):
        if table.sum() == np.trace(table) and np.count_nonzero(np.diagonal(table)) > 1:
            old, new = sorted((voice_of[first], voice_of[second]), reverse=True)
            voice_of = [new if voice == old else voice for voice in voice_of]
    return tuple(tuple(np.flatnonzero(np.equal(voice_of, voice)).tolist()) for voice in sorted(set(voice_of)))


def join_answers(patterns: Index, voices: Voices) -> Index:
    """Return the answers of each voice, (P, V): that of the first of its annotators who gave one."""
    joined = np.full((len(patterns), len(voices)), NO_ANSWER)
    for voice, members in enumerate(voices):
        for member in reversed(members):
            answered = patterns[:, member] != NO_ANSWER
            joined[answered, voice] = patterns[answered, member]
    return joined


def why_not_agreement(answers: Answers, voices: Voices, num_classes: int) -> str | None:
    """Return why agreement does not tell who errs; None if it does."""
    joined, pooled = join_answers(answers.patterns, voices), np.asarray(answers.counts.sum(axis=0))
    seen = np.unique(joined[joined != NO_ANSWER])
    A = answers.patterns.shape[1]
    if len(seen) < 2:
        return "the labels hold one class only"
    if len(voices) < NEEDED:
        if len(voices) == A:
            return "two annotators: where they differ, agreement cannot tell which of them errs"
        return f"{A} annotators, but labels of {len(voices)} only; three are needed to tell who errs"
    table = PairTables(joined, num_classes)
    kappa = np.nan_to_num(np.abs(cohen_kappa(table.count(pooled))))
    telling = sorted(
        {one for pair, value in zip(table.pairs, kappa, strict=True) if value >= LEAST_KAPPA for one in pair}
    )
    if len(telling) < NEEDED:
        return f"only {len(telling)} of them agree with another beyond chance; three are needed to tell who errs"
    if ((joined[:, telling] != NO_ANSWER).sum(axis=1) < NEEDED).all():
        return "no pixel was labelled by three of them"
    return None


class Models(NamedTuple):
    """The models of the pixels near a boundary and of those away from every one, and of how many pixels each.

    Given class and zone voices err independently: what is hard for one, at a boundary, is hard for all.
    """

    near: AnnotatorModel
    inner: AnnotatorModel
    num_near: float
    num_inner: float

    def whole(self) -> AnnotatorModel:
        """Return the matrices and shares of all pixels."""
        parts = [(self.near, self.num_near), (self.inner, self.num_inner)]
        masses = [num * np.nan_to_num(model.shares) for model, num in parts]
        tables = sum(mass[:, None] * np.nan_to_num(model.rows) for mass, (model, _) in zip(masses, parts, strict=True))
        shares = normalise(np.sum(masses, axis=0))
        return AnnotatorModel(shares[None], normalise(np.asarray(tables)), shares)


class Numbers(NamedTuple):
    """All that is told of agreement, as one value and interval each; the last axis is value, low, high.

    Attributes
    ----------
    pair_dice, pair_kappa : (pairs, 3)
        Of annotators.
    rows, near_rows, inner_rows : (V, C, C, 3)
    shares, near_shares, inner_shares : (C, 3)
    dice, error, inner_error : (V, 3)
    gaps : (V, V, 3)
        Dice of one voice less that of another.
    """

    pair_dice: FloatArray
    pair_kappa: FloatArray
    rows: FloatArray
    near_rows: FloatArray
    inner_rows: FloatArray
    shares: FloatArray
    near_shares: FloatArray
    inner_shares: FloatArray
    dice: FloatArray
    error: FloatArray
    inner_error: FloatArray
    gaps: FloatArray


class Fitted(NamedTuple):
    """The numbers, and the models behind them; None where agreement does not tell."""

    numbers: Numbers
    models: Models | None


def fit_answers(answers: Answers, voices: Voices, num_classes: int, rng: np.random.Generator, is_told: bool) -> Fitted:
    """Return the models of the answers, if agreement tells of them, and all numbers with bootstrap intervals.

    Parameters
    ----------
    answers : Answers
    voices : groups of annotators
    num_classes : int
    rng : numpy Generator
    is_told : bool
        Whether to fit models; without them what follows from one is NaN.
    """
    C, V = num_classes, len(voices)
    pairs = PairTables(answers.patterns, C)
    table = AnswerTable(join_answers(answers.patterns, voices), C)
    ones = np.ones(answers.counts.shape[0])
    whole = table.fit(ones @ answers.counts) if is_told else None
    models = None
    if whole is not None:
        inner = ones @ answers.inner
        starts = (table.start_from(ones @ answers.counts - inner, whole), table.start_from(inner, whole))
        models = _fit_zones(table, answers, ones, starts, MAX_STEPS)

    def statistic(times: Counts) -> FloatArray:
        counted = pairs.count(times @ answers.counts)
        parts = [foreground_dice(counted), cohen_kappa(counted)]
        if models is not None:
            again = _fit_zones(table, answers, times, (models.near, models.inner), RESAMPLE_STEPS)
            both = again.whole()
            score = _score(both)
            parts += [both.rows, again.near.rows, again.inner.rows, both.shares, again.near.shares, again.inner.shares]
            parts += [score, _error(both), _error(again.inner), score[:, None] - score]
        return np.concatenate([np.ravel(part) for part in parts])

    values = statistic(ones.astype(np.int64))
    spans = bootstrap_images(statistic, len(ones), rng, CONFIDENCE, NUM_RESAMPLES)
    told = np.column_stack([values, spans])
    shapes = [(len(pairs.pairs),)] * 2 + [(V, C, C)] * 3 + [(C,)] * 3 + [(V,)] * 3 + [(V, V)]
    sizes = [int(np.prod(shape)) for shape in shapes]
    told = np.concatenate([told, np.full((sum(sizes) - len(told), 3), np.nan)])
    ends = np.cumsum([0, *sizes])
    cut = [told[start:end].reshape(*shape, 3) for (start, end), shape in zip(pairwise(ends), shapes, strict=True)]
    return Fitted(Numbers(*cut), models)


def _fit_zones(
    table: AnswerTable,
    answers: Answers,
    times: npt.ArrayLike,
    starts: tuple[AnnotatorModel, AnnotatorModel],
    max_steps: int,
) -> Models:
    """Return the models of both zones, each image counted so many times."""
    inner = np.asarray(times) @ answers.inner
    near = np.asarray(times) @ answers.counts - inner
    fits = [table.fit(counts, start, max_steps) for counts, start in zip((near, inner), starts, strict=True)]
    return Models(fits[0], fits[1], float(near.sum()), float(inner.sum()))


def place_voices(numbers: Numbers, num_images: int) -> list[int]:
    """Return the place of each voice by its Dice, 0 where it is not known.

    A voice shares the place of those above it unless the interval of the difference to the best of them excludes 0,
    widened for the number of pairs (Bonferroni) and for few images (Student's law in place of the normal one).
    """
    score = numbers.dice[:, 0]
    order = [voice for voice in np.argsort(-np.nan_to_num(score, nan=-1), kind="stable") if not np.isnan(score[voice])]
    if num_images < 2 or len(order) < 2:  # one image has no interval: nothing can be told apart
        return [int(voice in order) for voice in range(len(score))]
    tail = (1 - CONFIDENCE) / 2
    widened = stats.t.isf(tail / comb(len(score), 2), num_images - 1) / stats.norm.isf(tail)
    places, place, best = [0] * len(score), 0, None
    for rank, voice in enumerate(order, start=1):
        if best is not None:
            value, low, _ = numbers.gaps[best, voice]
        if best is None or value - widened * (value - low) > 0:
            place, best = rank, voice
        places[voice] = place
    return places


def _score(model: AnnotatorModel) -> FloatArray:
    """Return the Dice with the hidden classes, as `foreground_dice` of the tables π_j Q_a[j, m], (V,)."""
    tables = np.nan_to_num(model.shares[:, None] * model.rows)
    both = model.shares + tables.sum(axis=1)
    hits = 2 * np.diagonal(tables, axis1=1, axis2=2)
    score: FloatArray = nanmean(np.divide(hits, both, out=np.full_like(both, np.nan), where=both > 0)[:, 1:], axis=1)
    return np.where(np.isnan(model.rows).all(axis=(1, 2)), np.nan, score)


def _error(model: AnnotatorModel) -> FloatArray:
    kept = np.nan_to_num(np.diagonal(model.rows, axis1=1, axis2=2)) @ model.shares
    known = ~np.isnan(model.rows).all(axis=(1, 2))
    return np.where(known, 1 - kept, np.nan)
