"""The transition matrix and the clean class shares from noisy labels alone: no clean label, no image, no network.

`C` classes, `K` hidden classes found, `U` units (images, or bands of rows of the first ones), `S` blocks of one reach.
Distinct pixels of a small block are views of one hidden class, independent given it, except where the block straddles a
boundary; that share grows with the block, and moments extrapolated to distance 0 are free of it.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.optimize import linear_sum_assignment

from metastructure.label import LabelArray, check_label, count_classes
from metastructure.structure.agreement import EDGE_PROBABILITY, noise_edge, variance_ratios
from metastructure.structure.block_moments import BlockMoments, block_moments, mean_distance_px
from metastructure.structure.density import check_image
from metastructure.structure.estimate import ONE_IMAGE, Counts, Estimate, bootstrap_images
from metastructure.structure.latent_classes import LatentClasses, find_latent_classes
from metastructure.structure.windows import FloatArray
from metastructure.transition import TransitionMatrix

CONFIDENCE = 0.95
NUM_RESAMPLES = 200

SIDES_PX = (2, 3, 5, 8, 12, 18)
REACHES = ((0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5))
"""Indices into `SIDES_PX` of the blocks that one straight line to distance 0 is laid through, from near to far."""

NUM_UNITS = 16
"""The i-th image is cut into 16 / i bands, so that even one image says how much its moments scatter."""

MOST_MOMENTS, LEAST_GROUPS = 2**23, 50
"""Moments, 64 MiB of them, that are held apart by image, and the fewest groups of images that the bootstrap is over."""

SCATTER_RESAMPLES = 60
MIDDLE = (0.1587, 0.8413)
"""One standard deviation to each side of a normal mean; the moments' inverse has heavy tails."""

MOST_FAILED = 0.1
SCATTERS_EXPLAINED = 2.0
OUTSIDE = 0.05
OUTSIDE_SCATTERS = 4.0
"""Entries farther outside [0, 1] than both say that the model does not hold."""

Convention = Literal["background", "diagonal"]
TOO_THIN = (
    "the moments of pixels and their neighbours belong to no matrix: objects are thinner than about three pixels, or "
    "the noise is not independent from pixel to pixel"
)
NO_STRUCTURE = (
    "no structure: neighbouring pixels agree no more often than pixels drawn at random, so no matrix can be told from "
    "these labels"
)


class EstimatedTransition(BaseModel):
    """Q and the clean class shares, with intervals and what they rest on.

    Attributes
    ----------
    num_classes : int
        C.
    transition : C rows of C Estimate
        Rows are the clean class. NaN where a class was not found.
    class_shares : C Estimate
        Share of the pixels of each clean class.
    sigma_min : Estimate
        Smallest singular value of the rows found.
    identified : bool
        Whether every class that occurs in the labels was found as a hidden class.
    num_found : int
        K, hidden classes that can be told apart; 1 if there is no structure.
    convention : "background" or "diagonal"
        How the hidden classes got their names, which the noisy labels cannot say.
    disputed : bool
        Two classes: whether the other convention names them otherwise. Of more classes the largest need not be 0.
    sides_px : tuple of int
        Sides of the blocks used.
    reason : str or None
        Why something is unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    num_classes: int
    transition: tuple[tuple[Estimate, ...], ...]
    class_shares: tuple[Estimate, ...]
    sigma_min: Estimate
    identified: bool
    num_found: int
    convention: Convention
    disputed: bool
    sides_px: tuple[int, ...]
    reason: str | None

    def matrix(self) -> TransitionMatrix:
        """Return the values as a transition matrix; a class that was not found has a NaN row."""
        return TransitionMatrix([[entry.value for entry in row] for row in self.transition])

    def shares(self) -> FloatArray:
        """Return the values of the class shares, (C,)."""
        return np.array([share.value for share in self.class_shares])


class _Line(NamedTuple):
    """Moments extrapolated to distance 0, one row per unit, not yet divided by the number of blocks."""

    num_blocks: FloatArray  # (U, S)
    pairs: FloatArray  # (U, S, C²)
    triples: FloatArray  # (U, S, C³)
    weights: FloatArray  # (S,)
    bend: float
    """What a term distance² of the moments adds to their value at distance 0."""

    def pool(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return M₂ and M₃ of the units, each counted so many times."""
        blocks = times @ self.num_blocks
        C = round(self.pairs.shape[-1] ** 0.5)
        share = self.weights / np.where(blocks > 0, blocks, np.nan)
        pairs = np.einsum("u,s,usk->k", times, share, self.pairs, optimize=True)
        triples = np.einsum("u,s,usk->k", times, share, self.triples, optimize=True)
        return pairs.reshape(C, C), triples.reshape(C, C, C)


def estimate_transition(
    noisy: Iterable[LabelArray],
    rng: np.random.Generator,
    num_classes: int | None = None,
    convention: Convention | None = None,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    probability: float = EDGE_PROBABILITY,
) -> EstimatedTransition:
    """Return the noise transition matrix and the clean class shares of noisy labels.

    Parameters
    ----------
    noisy : iterable of (H, W) arrays of integers
        The labels, gone through once if `num_classes` is given. IGNORE is left out.
    rng : numpy Generator
        For the bootstrap over images.
    num_classes : int, optional
        C; without it the most that any label holds.
    convention : "background" or "diagonal", optional
        How hidden classes are named, which noisy labels cannot say. ``"diagonal"``: so that the noisy label agrees with
        the clean one most. ``"background"``: the largest is class 0, the others as before. Without it ``"background"``
        for two classes, so that flips past one half are undone, and ``"diagonal"`` for more.
    confidence, num_resamples
        Of the intervals.
    probability : float in (0, 1)
        Chance at most to find structure in labels that have none.

    Raises
    ------
    TypeError, ValueError
        If a label breaks the contract (see `metastructure.label`), is not (H, W), or there is none.

    Notes
    -----
    Noise must be independent from pixel to pixel given the clean class, and the same everywhere. A boundary drawn in
    the wrong place is not noise of that kind: labels dilated or eroded come out as clean. Objects must be wider than
    about three pixels. Moments that bend with the distance bias the value. Two reaches tell by how much; an interval
    holds the bootstrap interval of the value and that of the value without this bias. The method, what it was compared
    with and the coverage measured: `docs/transition-from-noisy-labels.md`. Memory grows as N C³ up to some 64 MiB of
    moments (N = 950 with 11 classes); further images join earlier ones in turn, and the bootstrap is over these groups.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> clean = np.kron(generator(0).random((30, 30)) < 0.3, np.ones((20, 20), dtype=int))
    >>> uniform = generator(1).random(clean.shape)
    >>> noisy = np.where(clean == 1, uniform < 0.7, uniform < 0.2).astype(np.uint8)
    >>> found = estimate_transition([noisy], generator(2))
    >>> found.matrix().rows.round(2).tolist(), found.reason
    ([[0.8, 0.2], [0.3, 0.7]], 'one image only: no interval')
    """
    units, image_of, C = _collect(noisy, num_classes)
    convention = convention or ("background" if C == 2 else "diagonal")
    num_images = int(image_of[-1]) + 1
    seen = np.flatnonzero(units.singles.sum(axis=(0, 1)))
    K, reason = _count_hidden(units, seen, probability)
    if reason:
        return _unknown(C, convention, reason, K)
    lines = _lines(units, seen)
    found, scatter = _choose_reach(lines, K, rng)
    if not found:
        return _unknown(C, convention, TOO_THIN, K)
    best = next(iter(found))
    line, start = lines[best][1], found[best]
    outside = np.maximum(-start.rows, start.rows - 1)
    if (outside > np.maximum(OUTSIDE, OUTSIDE_SCATTERS * scatter[best])).any():
        return _unknown(C, convention, TOO_THIN, K)
    names, disputed = _name(start, seen, C, convention)
    values = _clipped(start, names, seen, C)
    other = _other_reach(best, found)
    unbend = 0.0 if other == best else line.bend / (line.bend - lines[other][1].bend)

    def solve(index: int, times: Counts) -> FloatArray:
        like = found[index]
        again = find_latent_classes(*lines[index][1].pool(times[image_of].astype(float)), K, like.axes)
        return _clipped(_align(again, like), names, seen, C)

    def statistic(times: Counts) -> FloatArray:
        bent = solve(best, times)
        return np.stack([bent, bent + unbend * (solve(other, times) - bent)]).ravel()

    intervals = bootstrap_images(statistic, num_images, rng, confidence, num_resamples).reshape(2, -1, 2)
    lows, highs = np.fmin.reduce(intervals[..., 0]), np.fmax.reduce(intervals[..., 1])
    missing = len(seen) - K
    reason = f"only {K} of the {len(seen)} classes in the labels can be told apart" if missing else None
    estimates = [
        _bounded(value, low, high, num_images, top)
        for value, low, high, top in zip(values, lows, highs, [1.0] * (C * C + C) + [np.inf], strict=True)
    ]
    return EstimatedTransition(
        num_classes=C,
        transition=tuple(tuple(estimates[row * C : (row + 1) * C]) for row in range(C)),
        class_shares=tuple(estimates[C * C : C * C + C]),
        sigma_min=estimates[-1],
        identified=not missing,
        num_found=K,
        convention=convention,
        disputed=disputed,
        sides_px=tuple(SIDES_PX[index] for index in REACHES[lines[best][0]]),
        reason=reason or (ONE_IMAGE if num_images < 2 else None),
    )


def _collect(noisy: Iterable[LabelArray], num_classes: int | None) -> tuple[BlockMoments, Counts, int]:
    """Return the moments by unit, the image of each unit, and C; images beyond the most join earlier ones in turn."""
    if num_classes is None:
        noisy = list(noisy)
        num_classes = max((count_classes(check_label(label)) for label in noisy), default=2)
    elif num_classes < 2:
        raise ValueError(f"num_classes must be at least 2; got {num_classes}.")
    most = max(LEAST_GROUPS, MOST_MOMENTS // (len(SIDES_PX) * sum(num_classes**power for power in range(4))))
    units, image_of, last_of = list[BlockMoments](), list[int](), list[BlockMoments]()
    for index, label in enumerate(noisy):
        check_image(label, num_classes, f"Label {index}")
        parts = block_moments(label, SIDES_PX, num_classes, max(1, NUM_UNITS // (index + 1)))
        if index < most:
            units += parts
            image_of += [index] * (len(units) - len(image_of))
            last_of.append(units[-1])
            continue
        for part in parts:
            for total, more in zip(last_of[index % most], part, strict=True):
                total += more
    if not units:
        raise ValueError("There are no labels to measure: give at least one.")
    return BlockMoments(*map(np.stack, zip(*units, strict=True))), np.array(image_of), num_classes


def _count_hidden(units: BlockMoments, seen: Counts, probability: float) -> tuple[int, str | None]:
    """Return how many hidden classes the block densities hold beyond chance, and why nothing can be estimated."""
    blocks = units.num_blocks.sum(axis=0)
    if not blocks[: len(REACHES[0])].all():
        return 0, f"no block of {SIDES_PX[1]} x {SIDES_PX[1]} pixels is known throughout"
    if len(seen) == 1:
        return 1, "the labels hold one class only"
    most = 1
    for index, side in enumerate(SIDES_PX):
        if not blocks[index]:
            continue
        n = side * side
        mean = (units.singles[:, index].sum(axis=0) / blocks[index])[seen]
        pairs = (units.pairs[:, index].sum(axis=0) / blocks[index])[np.ix_(seen, seen)]
        noise = (np.diag(mean) - pairs) / n
        ratios = variance_ratios(pairs - np.outer(mean, mean) + noise, noise)
        independent = blocks[index] * (side // 2) ** 2 / n
        edge = noise_edge(max(len(ratios), 1), independent, probability / len(SIDES_PX))
        most = max(most, 1 + int((ratios > edge).sum()))
    return min(most, len(seen)), NO_STRUCTURE if most == 1 else None


def _lines(units: BlockMoments, seen: Counts) -> list[tuple[int, _Line]]:
    """Return, for each reach that has blocks, its place in `REACHES` and the extrapolation to distance 0."""
    distances = np.array([mean_distance_px(side) for side in SIDES_PX])
    lines = []
    for place, reach in enumerate(REACHES):
        chosen = list(reach)
        if not units.num_blocks[:, chosen].sum(axis=0).all():
            continue
        weights = np.linalg.pinv(np.vander(distances[chosen], 2, increasing=True))[0]
        U, S, K = len(units.num_blocks), len(chosen), len(seen)
        pairs = units.pairs[:, chosen][..., seen, :][..., seen].reshape(U, S, K**2)
        triples = units.triples[:, chosen][..., seen, :, :][..., seen, :][..., seen].reshape(U, S, K**3)
        bend = float(weights @ distances[chosen] ** 2)
        lines.append((place, _Line(units.num_blocks[:, chosen], pairs, triples, weights, bend)))
    return lines


def _choose_reach(
    lines: Sequence[tuple[int, _Line]], K: int, rng: np.random.Generator
) -> tuple[dict[int, LatentClasses], dict[int, FloatArray]]:
    """Return the hidden classes and the scatter of their rows (K, C) by reach, the best reach first.

    Far blocks scatter less and straddle more boundaries. The best has the least scatter plus bias, averaged over the
    entries; the bias is summed over the steps from the nearest reach, less what the scatter of each step explains.
    """
    ones = np.ones(len(lines[0][1].num_blocks))
    times = rng.multinomial(len(ones), ones / len(ones), size=SCATTER_RESAMPLES)
    whole: dict[int, LatentClasses] = {}
    again: dict[int, FloatArray] = {}
    for index, (_, line) in reversed(list(enumerate(lines))):
        found = find_latent_classes(*line.pool(ones), K)
        if np.isnan(found.rows).any():
            continue
        whole[index] = _align(found, whole[max(whole)]) if whole else found
        again[index] = np.stack([_rows_again(line, row, whole[index], K) for row in times])
    reaches = sorted(whole)
    scatter = {index: _scatter(again[index]) for index in reaches}
    bias = {index: np.zeros_like(scatter[index]) for index in reaches}
    for near, far in pairwise(reaches):
        step = np.abs(whole[far].rows - whole[near].rows)
        explained = SCATTERS_EXPLAINED * _scatter(again[far] - again[near])
        bias[far] = bias[near] + np.clip(step - explained, 0, None)
    order = sorted(reaches, key=lambda index: float(np.mean(scatter[index] + bias[index])))
    return {index: whole[index] for index in order}, scatter


def _other_reach(best: int, found: Iterable[int]) -> int:
    """Return the next nearer reach, else the next farther one, else the best itself."""
    nearer, farther = [index for index in found if index < best], [index for index in found if index > best]
    return max(nearer) if nearer else min(farther, default=best)


def _rows_again(line: _Line, times: Counts, found: LatentClasses, K: int) -> FloatArray:
    return _align(find_latent_classes(*line.pool(times.astype(float)), K, found.axes), found).rows


def _scatter(rows: FloatArray) -> FloatArray:
    """Return half the range of the middle 68 % of resamples (R, K, C); infinite if a tenth has no solution."""
    failed = np.isnan(rows).any(axis=(1, 2))
    if failed.mean() > MOST_FAILED:
        return np.full(rows.shape[1:], np.inf)
    low, high = np.quantile(rows[~failed], MIDDLE, axis=0)
    return np.asarray((high - low) / 2)


def _align(found: LatentClasses, like: LatentClasses) -> LatentClasses:
    """Return the hidden classes in the order in which their rows resemble those of `like` most."""
    if np.isnan(found.rows).any():
        return found
    distance = ((found.rows[None] - like.rows[:, None]) ** 2).sum(axis=2)
    _, order = linear_sum_assignment(distance)
    return LatentClasses(found.shares[order], found.rows[order], found.axes[:, order])


def _name(found: LatentClasses, seen: Counts, C: int, convention: Convention) -> tuple[Counts, bool]:
    """Return the class of each hidden class, and whether the names of two classes are disputed."""
    _, diagonal = linear_sum_assignment(-found.rows)
    largest = int(np.argmax(found.shares))
    background = diagonal
    if seen[0] == 0:
        rest = np.delete(np.arange(len(found.shares)), largest)
        background = np.zeros(len(found.shares), dtype=diagonal.dtype)
        background[rest] = 1 + linear_sum_assignment(-found.rows[rest][:, 1:])[1]
    chosen = background if convention == "background" else diagonal
    return seen[chosen], C == 2 and not np.array_equal(background, diagonal)


def _clipped(found: LatentClasses, names: Counts, seen: Counts, C: int) -> FloatArray:
    """Return the C² entries, the C shares and σ_min as probabilities, NaN for classes not found."""
    rows, shares = np.full((C, C), np.nan), np.where(np.isin(np.arange(C), seen), np.nan, 0.0)
    probabilities = np.clip(found.rows, 0, 1)
    rows[names] = 0
    rows[np.ix_(names, seen)] = probabilities / probabilities.sum(axis=1, keepdims=True)
    shares[names] = found.shares
    sigma = float("nan") if np.isnan(found.rows).any() else TransitionMatrix(rows).sigma_min()
    return np.concatenate([rows.ravel(), shares, [sigma]])


def _bounded(value: float, low: float, high: float, num_images: int, top: float) -> Estimate:
    if np.isnan(value):
        return Estimate(value=value, low=value, high=value, reason="this class was not found")
    if num_images < 2:
        return Estimate(value=value, low=float("nan"), high=float("nan"), reason=ONE_IMAGE)
    return Estimate(value=value, low=max(0.0, min(low, value)), high=min(top, max(high, value)))


def _unknown(C: int, convention: Convention, reason: str, num_found: int) -> EstimatedTransition:
    nothing = Estimate(value=float("nan"), low=float("nan"), high=float("nan"), reason=reason)
    return EstimatedTransition(
        num_classes=C,
        transition=((nothing,) * C,) * C,
        class_shares=(nothing,) * C,
        sigma_min=nothing,
        identified=False,
        num_found=num_found,
        convention=convention,
        disputed=False,
        sides_px=(),
        reason=reason,
    )
