"""How many classes survive in noisy labels (Lemma 2), from their densities alone, and what Q says where it is known.

`C` classes, `k` directions in which the noisy density varies.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from metastructure.contingency import contingency_table
from metastructure.label import LabelArray
from metastructure.structure.agreement import EDGE_PROBABILITY, check_probability, signal_to_noise
from metastructure.structure.estimate import ONE_IMAGE, Counts, Estimate, bootstrap_images
from metastructure.structure.moments import pool
from metastructure.structure.noise_spread import find_edges
from metastructure.structure.pairs import Pair, collect_moments, find_num_classes
from metastructure.structure.similarity import CONFIDENCE, HALF_WIDTH_PX, NUM_RESAMPLES
from metastructure.structure.windows import FloatArray, WindowName
from metastructure.transition import TransitionMatrix, sigma_min_interval


class SurvivingClasses(BaseModel):
    """The number of surviving classes with the evidence for it.

    Attributes
    ----------
    num_classes : int
        C, asked for or counted.
    num_surviving : int
        One more than the entries of `signal_to_noise` above their edge; 0 where `reason` says why none is known.
    signal_to_noise : tuple of k Estimate
        Variance of the noisy density beyond its sampling error, as a multiple of it, largest first; infinite
        without noise.
    edges : tuple of k floats
        What each of them exceeds by chance with at most `probability` if it is nothing but noise: the higher, the fewer
        pixels that noise lives in.
    edge : float
        The highest of them.
    probability : float
    sigma_min : Estimate or None
        Smallest singular value of the transition matrix, if clean labels were given.
    reason : str or None
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    num_classes: int
    num_surviving: int
    signal_to_noise: tuple[Estimate, ...]
    edges: tuple[float, ...]
    edge: float
    probability: float
    sigma_min: Estimate | None
    reason: str | None


def estimate_surviving(
    noisy: Iterable[LabelArray],
    rng: np.random.Generator,
    clean: Iterable[LabelArray] | None = None,
    half_width_px: int = HALF_WIDTH_PX,
    window: WindowName = "box",
    num_classes: int | None = None,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    probability: float = EDGE_PROBABILITY,
) -> SurvivingClasses:
    """Return how many classes can still be told apart in noisy labels.

    Parameters
    ----------
    noisy : iterable of (H, W) arrays of integers
        The labels; IGNORE is left out.
    rng : numpy Generator
        For the bootstrap over images.
    clean : iterable of (H, W) arrays of integers, optional
        The clean labels in the same order: with them comes σ_min. They change nothing in the count.
    half_width_px, window, num_classes
        As for `metastructure.structure.density.density`.
    confidence, num_resamples
        Of the intervals.
    probability : float in (0, 1)
        Chance at most to count a class too many.

    Raises
    ------
    TypeError, ValueError
        As `metastructure.structure.similarity.similarity`; also if there are not as many clean labels as noisy ones,
        or `probability` is not between 0 and 1.

    Notes
    -----
    By Lemma 1 the covariance of the noisy density is Qᵀ A Q + N, with A the covariance of the clean density, of
    rank C - 1 if all classes occur, and N the known sampling covariance. So the eigenvalues of N⁻¹ (D - N) that are
    not 0 are as many as Q leaves dimensions of A. They are compared with the edge of the noise (`noise_edge`) that
    holds for as many independent windows as the noise in their direction is spread over (`find_edges`).

    A count too low is possible at any noise: a class so rare or so mixed that its signal lies below the edge is not
    found with these images. A realised Q has full rank almost always; its rank is therefore not reported.

    References
    ----------
    Luo, Liu, Guo, Yang, AAAI 2022, lemma 2.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> clean = np.kron([[0, 1, 2], [1, 2, 0]], np.ones((30, 30), dtype=int))
    >>> merged = np.where(clean == 2, 1, clean)  # classes 1 and 2 can no longer be told apart
    >>> flips = generator(0).random(clean.shape) < 0.3
    >>> noisy = np.where(flips, 2, merged)
    >>> estimate_surviving([noisy], generator(1)).num_surviving
    2
    """
    check_probability(probability)
    noisy = list(noisy)
    pairs: list[Pair] = [(label, label) for label in noisy] if clean is None else _together(list(clean), noisy)
    C = find_num_classes(pairs) if num_classes is None else num_classes
    (moments,), _ = collect_moments(((label, label) for label in noisy), [half_width_px], window, C)

    def statistic(times: Counts) -> FloatArray:
        found = signal_to_noise(pool(moments, times))
        return np.pad(found, (0, C - len(found)), constant_values=np.nan)

    whole = pool(moments)
    values, edges = signal_to_noise(whole), find_edges(noisy, whole, half_width_px, window, probability)
    intervals = bootstrap_images(statistic, len(noisy), rng, confidence, num_resamples)
    reason = why_unknown(values, whole.num_pixels)
    return SurvivingClasses(
        num_classes=C,
        num_surviving=0 if reason else 1 + int((values > edges).sum()),
        signal_to_noise=tuple(
            Estimate(value=value, low=low, high=high, reason=reason or (ONE_IMAGE if len(noisy) < 2 else None))
            for value, (low, high) in zip(values, intervals, strict=False)
        ),
        edges=tuple(edges.tolist()),
        edge=max(edges.tolist(), default=float("inf")),
        probability=probability,
        sigma_min=None if clean is None else _sigma_min(pairs, C, rng, confidence, num_resamples),
        reason=reason,
    )


def _together(clean: list[LabelArray], noisy: list[LabelArray]) -> list[Pair]:
    if len(clean) != len(noisy):
        raise ValueError(f"There must be a clean label for each noisy one; got {len(clean)} and {len(noisy)}.")
    return list(zip(clean, noisy, strict=True))


def _sigma_min(
    pairs: Sequence[Pair], num_classes: int, rng: np.random.Generator, confidence: float, num_resamples: int
) -> Estimate:
    tables = [contingency_table(clean, noisy, num_classes) for clean, noisy in pairs]
    value = TransitionMatrix.from_counts(np.sum(tables, axis=0)).sigma_min()
    low, high = sigma_min_interval(tables, rng, confidence, num_resamples)
    reason = "no pixel is known in both labels" if np.isnan(value) else None
    return Estimate(value=value, low=low, high=high, reason=reason or (ONE_IMAGE if len(pairs) < 2 else None))


def why_unknown(values: FloatArray, num_pixels: float) -> str | None:
    """Return why the values of `signal_to_noise` do not say how many classes survive, None if they do."""
    if not num_pixels:
        return "no pixel has a known pixel in its window"
    if np.isnan(values).any():
        return "the labels have no two known pixels side by side: their sampling error is not known"
    return None
