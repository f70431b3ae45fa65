"""Checks of the paper's second lemma and two theorems on labels, as numbers that can refute them.

`C` classes, Q the transition matrix that the noise was drawn with. The statements, their assumptions and where they
stop holding are in docs/meta-structure.md; lemma 1 has its own file, `metastructure.structure.lemma_1`.

References
----------
Luo, Liu, Guo, Yang, "Deep Neural Networks Learn Meta-Structures from Noisy Labels in Semantic Segmentation", AAAI 2022.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import rankdata

from metastructure.contingency import changed_rate, contingency_table
from metastructure.structure.agreement import measure_agreement, noise_edge, signal_to_noise, variance_ratios
from metastructure.structure.estimate import Counts, Estimate, bootstrap_images
from metastructure.structure.moments import Moments, pool
from metastructure.structure.pairs import Pair, collect_moments
from metastructure.structure.similarity import CONFIDENCE, HALF_WIDTH_PX, NUM_RESAMPLES, clip_estimate
from metastructure.structure.windows import FloatArray, WindowName
from metastructure.transition import TransitionMatrix

_RANK_THRESHOLD = 1e-9


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


RandomisedCase = tuple[str, Sequence[Pair], TransitionMatrix]
"""A name, pairs of clean and noisy label, and the Q that the noise was drawn with."""


class Lemma2Case(_Result):
    """Lemma 2 for one Q.

    Attributes
    ----------
    name : str
    rank : int
        Of the known Q, over the classes that occur in the clean labels.
    num_surviving : int
        Counted in the noisy densities alone.
    sigma_min : float
        Of the known Q.
    signal_to_noise, predicted : tuple of floats
        Measured in the noisy labels; from Q and the clean densities. Largest first.
    edge : float
        What counts as a class.
    detectable : int
        What `num_surviving` should be with these images: one more than the predictions above the edge.
    """

    name: str
    rank: int
    num_surviving: int
    sigma_min: float
    signal_to_noise: tuple[float, ...]
    predicted: tuple[float, ...]
    edge: float
    detectable: int


def check_lemma_2(
    cases: Iterable[RandomisedCase], half_width_px: int = HALF_WIDTH_PX, window: WindowName = "box"
) -> tuple[Lemma2Case, ...]:
    """Return the number of classes found in noisy densities beside rank(Q), for each case.

    Parameters
    ----------
    cases : iterable of (name, pairs, transition)
    half_width_px, window
        As for `density`.

    Notes
    -----
    The lemma is refuted by a case whose `num_surviving` is above `rank`, or below it although `detectable` is not.
    """
    return tuple(_lemma_2_case(*case, half_width_px, window) for case in cases)


def _lemma_2_case(
    name: str, pairs: Sequence[Pair], transition: TransitionMatrix, half_width_px: int, window: WindowName
) -> Lemma2Case:
    C = transition.num_classes
    whole, present = _pooled(pairs, C, half_width_px, window)
    shares = np.nan_to_num(whole.products[0, 1 : C + 1] / whole.num_pixels)
    rows = transition.rows
    pixel = np.diag(shares @ rows) - np.einsum("j,jm,jn->mn", shares, rows, rows)
    noise = pixel * whole.shrinkage / whole.num_pixels
    predicted = variance_ratios(rows.T @ whole.covariance()[:C, :C] @ rows + noise, noise)
    measured = signal_to_noise(whole)
    edge = noise_edge(max(len(measured), 1), whole.num_independent())
    return Lemma2Case(
        name=name,
        rank=_rank(transition, present),
        num_surviving=1 + int((measured > edge).sum()),
        sigma_min=transition.sigma_min(),
        signal_to_noise=tuple(measured.tolist()),
        predicted=tuple(predicted.tolist()),
        edge=edge,
        detectable=1 + int((predicted > edge).sum()),
    )


class Theorem1Case(_Result):
    """Theorem 1 at one strength: what share of pixels changed, and what is left of the meta-structure."""

    name: str
    changed: float
    similarity: Estimate
    distance: float


class Theorem1(_Result):
    """Theorem 1: the larger the bias of the boundary, the less is left of the meta-structure.

    Attributes
    ----------
    cases : tuple of Theorem1Case
        In the order given.
    steps : tuple of Estimate
        Similarity of each case less that of the case before, on the same resamples of the images.
    spearman : float
        Rank correlation of similarity and changed pixels; -1 if the theorem holds, NaN if one does not vary.
    decreasing : bool
        Every step is below 0; `steps` say how surely.
    """

    cases: tuple[Theorem1Case, ...]
    steps: tuple[Estimate, ...]
    spearman: float
    decreasing: bool


def check_theorem_1(
    cases: Iterable[tuple[str, Sequence[Pair]]],
    num_classes: int,
    rng: np.random.Generator,
    half_width_px: int = HALF_WIDTH_PX,
    window: WindowName = "box",
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
) -> Theorem1:
    """Return the similarity over growing boundary bias.

    Parameters
    ----------
    cases : iterable of (name, pairs)
        The same images in the same order, the bias growing from case to case; at least two cases.
    num_classes : int
    rng, half_width_px, window, confidence, num_resamples
        As for `metastructure.structure.similarity.similarity`.

    Raises
    ------
    ValueError
        If there are fewer than two cases or they differ in their number of images.
    """
    cases = list(cases)
    if len(cases) < 2 or len({len(pairs) for _, pairs in cases}) != 1:
        raise ValueError("Theorem 1 compares at least two strengths of noise on the same images.")
    moments = [collect_moments(pairs, [half_width_px], window, num_classes)[0][0] for _, pairs in cases]

    def statistic(times: Counts) -> FloatArray:
        values = np.array([measure_agreement(pool(case, times)).corrected for case in moments])
        return np.concatenate([values, np.diff(np.clip(values, 0, 1))])

    values = statistic(np.ones(len(moments[0]), dtype=np.int64))
    intervals = bootstrap_images(statistic, len(moments[0]), rng, confidence, num_resamples)
    num = len(cases)
    similarities = [clip_estimate(*found) for found in zip(values[:num], intervals[:num], strict=True)]
    steps = [
        Estimate(value=value, low=low, high=high)
        for value, (low, high) in zip(values[num:], intervals[num:], strict=True)
    ]
    changed = [
        changed_rate(np.sum([contingency_table(clean, noisy, num_classes) for clean, noisy in pairs], axis=0))
        for _, pairs in cases
    ]
    return Theorem1(
        cases=tuple(
            Theorem1Case(name=name, changed=rate, similarity=estimate, distance=_distance(pool(case)))
            for (name, _), rate, estimate, case in zip(cases, changed, similarities, moments, strict=True)
        ),
        steps=tuple(steps),
        spearman=_rank_correlation(np.asarray(changed), np.array([one.value for one in similarities])),
        decreasing=bool((values[num:] < 0).all()),
    )


def _rank_correlation(first: FloatArray, second: FloatArray) -> float:
    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (first, second)]
    lengths = [np.linalg.norm(rank) for rank in ranks]
    return float(ranks[0] @ ranks[1] / np.prod(lengths)) if all(lengths) else float("nan")


class Theorem2Case(_Result):
    """Theorem 2 for one Q.

    Attributes
    ----------
    name : str
    rank, sigma_min
        Of the known Q, the rank over the classes that occur in the clean labels.
    predicted : float
        (rank - 1) / (number of classes that occur - 1): 1 for full rank.
    corrected, uncorrected : Estimate
        The similarity measured.
    """

    name: str
    rank: int
    sigma_min: float
    predicted: float
    corrected: Estimate
    uncorrected: Estimate


def check_theorem_2(
    cases: Iterable[RandomisedCase],
    rng: np.random.Generator,
    half_width_px: int = HALF_WIDTH_PX,
    window: WindowName = "box",
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
) -> tuple[Theorem2Case, ...]:
    """Return the similarity beside what rank(Q) predicts: 1 if no class is lost, and 1 / (C - 1) less for each lost.

    Parameters
    ----------
    cases : iterable of (name, pairs, transition)
    rng, half_width_px, window, confidence, num_resamples
        As for `metastructure.structure.similarity.similarity`.
    """
    found = []
    for name, pairs, transition in cases:
        C = transition.num_classes
        (moments,), _ = collect_moments(pairs, [half_width_px], window, C)

        def statistic(times: Counts, moments: list[Moments] = moments) -> FloatArray:
            agreement = measure_agreement(pool(moments, times))
            return np.array([agreement.corrected, agreement.uncorrected])

        whole = measure_agreement(pool(moments))
        intervals = bootstrap_images(statistic, len(moments), rng, confidence, num_resamples)
        corrected, uncorrected = (
            clip_estimate(value, interval, whole.reason if np.isnan(value) else None)
            for value, interval in zip((whole.corrected, whole.uncorrected), intervals, strict=True)
        )
        rank = _rank(transition, _present(pool(moments), C))
        found.append(
            Theorem2Case(
                name=name,
                rank=rank,
                sigma_min=transition.sigma_min(),
                predicted=(rank - 1) / whole.num_dimensions if whole.num_dimensions else float("nan"),
                corrected=corrected,
                uncorrected=uncorrected,
            )
        )
    return tuple(found)


def _pooled(
    pairs: Sequence[Pair], num_classes: int, half_width_px: int, window: WindowName
) -> tuple[Moments, FloatArray]:
    (moments,), _ = collect_moments(pairs, [half_width_px], window, num_classes)
    whole = pool(moments)
    return whole, _present(whole, num_classes)


def _present(moments: Moments, num_classes: int) -> FloatArray:
    return np.asarray(moments.products[0, 1 : num_classes + 1] > 0)


def _rank(transition: TransitionMatrix, present: FloatArray) -> int:
    values = np.linalg.svd(transition.rows[present.astype(bool)], compute_uv=False)
    return int((values > _RANK_THRESHOLD).sum())


def _distance(moments: Moments) -> float:
    return moments.distance / moments.num_pixels if moments.num_pixels else float("nan")
