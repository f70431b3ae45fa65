"""Checks of the paper's second lemma and two theorems on labels, as numbers that can refute them.

`C` classes, Q the transition matrix that the noise was drawn with. The statements, their assumptions and where they
stop holding are in docs/meta-structure.md; lemma 1 has its own file, `metastructure.structure.lemma_1`.

References
----------
Luo, Liu, Guo, Yang, "Deep Neural Networks Learn Meta-Structures from Noisy Labels in Semantic Segmentation", AAAI 2022.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import rankdata

from metastructure.contingency import changed_rate, contingency_table
from metastructure.label import IGNORE
from metastructure.structure.agreement import mean_distance, measure_agreement, signal_to_noise, variance_ratios
from metastructure.structure.estimate import Counts, Estimate, bootstrap_images, why_undefined
from metastructure.structure.moments import Moments, pool
from metastructure.structure.noise_spread import find_edges
from metastructure.structure.pairs import Pair, collect_moments
from metastructure.structure.similarity import (
    CONFIDENCE,
    HALF_WIDTH_PX,
    NUM_RESAMPLES,
    ScaleSimilarity,
    clip_estimate,
    similarity,
)
from metastructure.structure.surviving import why_unknown
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
    edges : tuple of floats
        What counts as a class, for each of `signal_to_noise`: more where the noise lives in fewer pixels.
    edge : float
        The highest of them.
    detectable : int
        What `num_surviving` should be with these images: one more than the predictions above their edge.
    reason : str or None
        Why the signal is not known; both counts are 0 then.
    """

    name: str
    rank: int
    num_surviving: int
    sigma_min: float
    signal_to_noise: tuple[float, ...]
    predicted: tuple[float, ...]
    edges: tuple[float, ...]
    edge: float
    detectable: int
    reason: str | None = None


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
    (moments,), _ = collect_moments(pairs, [half_width_px], window, C)
    whole = pool(moments)
    measured, predicted = signal_to_noise(whole), _predicted_ratios(whole, transition.rows)
    edges = find_edges([noisy for _, noisy in pairs], whole, half_width_px, window)
    edge = max(edges.tolist(), default=float("inf"))
    beside = np.append(edges, np.full(C, edge))[: len(predicted)]
    reason = why_unknown(measured, whole.num_pixels)
    return Lemma2Case(
        name=name,
        rank=_rank(pairs, transition),
        num_surviving=0 if reason else 1 + int((measured > edges).sum()),
        sigma_min=transition.sigma_min(),
        signal_to_noise=tuple(measured.tolist()),
        predicted=tuple(predicted.tolist()),
        edges=tuple(edges.tolist()),
        edge=edge,
        detectable=0 if reason else 1 + int((predicted > beside).sum()),
        reason=reason,
    )


def _predicted_ratios(whole: Moments, rows: FloatArray) -> FloatArray:
    if not whole.num_pixels:
        return np.zeros(0)
    C = len(rows)
    shares = whole.products[0, 1 : C + 1] / whole.num_pixels
    pixel = np.diag(shares @ rows) - np.einsum("j,jm,jn->mn", shares, rows, rows)
    noise = pixel * whole.shrinkage / whole.num_pixels
    return variance_ratios(rows.T @ whole.covariance()[:C, :C] @ rows + noise, noise)


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
    decreasing : bool or None
        Every step is below 0; `steps` say how surely. None where a step is undefined.
    """

    cases: tuple[Theorem1Case, ...]
    steps: tuple[Estimate, ...]
    spearman: float
    decreasing: bool | None


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

    found = [measure_agreement(pool(case)) for case in moments]

    def statistic(times: Counts) -> FloatArray:
        values = np.array([measure_agreement(pool(case, times)).corrected for case in moments])
        return np.concatenate([values, np.diff(np.clip(values, 0, 1))])

    values = statistic(np.ones(len(moments[0]), dtype=np.int64))
    intervals = bootstrap_images(statistic, len(moments[0]), rng, confidence, num_resamples)
    num, num_images = len(cases), len(moments[0])
    reasons = [one.reason if np.isnan(one.corrected) else None for one in found]
    similarities = [
        clip_estimate(value, interval, why_undefined(value, reason, num_images))
        for value, interval, reason in zip(values[:num], intervals[:num], reasons, strict=True)
    ]
    steps = [
        Estimate(value=value, low=low, high=high, reason=why_undefined(value, before or after, num_images))
        for value, (low, high), (before, after) in zip(values[num:], intervals[num:], pairwise(reasons), strict=True)
    ]
    changed = [
        changed_rate(np.sum([contingency_table(clean, noisy, num_classes) for clean, noisy in pairs], axis=0))
        for _, pairs in cases
    ]
    return Theorem1(
        cases=tuple(
            Theorem1Case(name=name, changed=rate, similarity=estimate, distance=mean_distance(pool(case)))
            for (name, _), rate, estimate, case in zip(cases, changed, similarities, moments, strict=True)
        ),
        steps=tuple(steps),
        spearman=_rank_correlation(np.asarray(changed), np.array([one.value for one in similarities])),
        decreasing=None if np.isnan(values[num:]).any() else bool((values[num:] < 0).all()),
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
    return tuple(
        _theorem_2_case(
            name,
            similarity(pairs, rng, [half_width_px], window, transition.num_classes, confidence, num_resamples).scales[
                0
            ],
            _rank(pairs, transition),
            transition.sigma_min(),
        )
        for name, pairs, transition in cases
    )


def _theorem_2_case(name: str, found: ScaleSimilarity, rank: int, sigma_min: float) -> Theorem2Case:
    return Theorem2Case(
        name=name,
        rank=rank,
        sigma_min=sigma_min,
        predicted=(rank - 1) / found.num_dimensions if found.num_dimensions else float("nan"),
        corrected=found.corrected,
        uncorrected=found.uncorrected,
    )


def _rank(pairs: Sequence[Pair], transition: TransitionMatrix) -> int:
    """Return the rank of Q over the classes that occur in the clean labels."""
    present = np.unique(np.concatenate([np.unique(clean) for clean, _ in pairs]))
    values = np.linalg.svd(transition.rows[present[present != IGNORE]], compute_uv=False)
    return int((values > _RANK_THRESHOLD).sum())
