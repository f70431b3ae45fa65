"""Random pixels, boundaries that wander, boundaries that are off as a whole, and labels moved as a whole.

`N` images.
"""

import numpy as np
from scipy import stats

from metastructure.audit.audit_result import Confidence, Finding
from metastructure.audit.gathered import Gathered
from metastructure.audit.judging import judge, most_telling, percent, pooled_ratio, unknown
from metastructure.structure.estimate import Estimate
from metastructure.structure.latent_transition import EstimatedTransition

RANDOM_DOUBTFUL, RANDOM_CLEAR = 0.006, 0.01
"""Of the pixels. Exact generated labels come out at up to 0.006, with an interval from 0.003, for boundaries in thin
networks; 2 % flips at 0.020 to 0.025, from 0.014."""

HIDING_SHARE = 0.05
"""Where more pixels are random, the other kinds are not judged: random pixels make objects and edges of their own."""

WANDER_DOUBTFUL_PX, WANDER_CLEAR_PX = 0.5, 0.8
"""Exact generated labels come out at 0.2 to 0.5 px, a wander of 1 px at 0.9."""

BIAS_DOUBTFUL_PX, BIAS_CLEAR_PX = 0.5, 0.75
"""Blur and rims that grow brighter inwards put the edge up to 0.5 px off (benchmarks/results/boundary_bias.md)."""

MOVED_BY_CHANCE = 0.01
"""Share of images that `register` moves although they are in place; 0 to 1 of 340 (benchmarks/results)."""

SURE, DOUBTFUL = 0.01, 0.1
NO_IMAGES = "there are no images to compare with"
NO_EDGES = "no image shows an edge that follows its boundary"


def random_share(random: EstimatedTransition) -> Estimate:
    """Return the share of the pixels whose class is wrong at random, from Q and the class shares.

    Notes
    -----
    The interval joins the ends of those of the entries of Q, which is wider than need be. Where two classes could be
    named either way the reading with fewer wrong pixels is taken.
    """
    if not random.identified:
        return unknown(random.reason or "the transition matrix cannot be told from these labels")
    shares, C = random.shares(), random.num_classes
    orders = [list(range(C))] + ([[1, 0]] if random.disputed else [])
    readings = []
    for order in orders:
        kept = [random.transition[row][klass] for klass, row in enumerate(order)]
        named = shares[order]
        wrong = [
            float(np.nansum([share * (1 - part) for share, part in zip(named, parts, strict=True)]))
            for parts in zip(*((entry.value, entry.high, entry.low) for entry in kept), strict=True)
        ]
        readings.append(wrong)
    value, low, high = min(readings)
    if np.isnan(random.transition[0][0].low) or low == high:
        low = high = np.nan if random.reason else value
    return Estimate(value=value, low=low, high=high, reason=random.reason)


def find_random(gathered: Gathered, share: Estimate) -> Finding:
    """Return whether pixels are wrong one by one."""
    confidence = judge(share, RANDOM_DOUBTFUL, RANDOM_CLEAR)
    lonely = np.array([look.lonely_share for look in gathered.looks])
    sentences: dict[Confidence, str] = {
        "clear": f"{percent(share.value)} of the pixels carry a random class.",
        "weak": f"Perhaps {percent(share.value)} of the pixels carry a random class.",
        "none": f"No more than chance: {percent(share.value)} of the pixels seem random.",
        "not tested": f"The share of random pixels is unknown: {share.reason}.",
    }
    return Finding(
        kind="random",
        evidence=share,
        unit="share of pixels",
        confidence=confidence,
        sentence=sentences[confidence],
        null=f"what boundaries leave in the estimate for exact labels: up to {percent(RANDOM_DOUBTFUL)}",
        images=most_telling(gathered.names, lonely) if confidence in ("clear", "weak") else (),
    )


def wander_px(gathered: Gathered) -> np.ndarray:
    """Return the wander of each image whose edges can be told from chance, (N,)."""
    pairs = np.array([look.wander_pairs for look in gathered.looks], dtype=np.float64)
    products = np.array([look.wander_products for look in gathered.looks])
    is_seen = ~np.isnan(gathered.shifts_px) & ~(gathered.moved_px != 0).any(axis=1) & (pairs > 0)
    wander: np.ndarray = np.full(len(pairs), np.nan)
    wander[is_seen] = np.sqrt(np.maximum(products[is_seen] / pairs[is_seen], 0))
    return wander


def find_jitter(gathered: Gathered, stopped_by: str | None) -> Finding:
    """Return whether boundaries wander about the edges of the images."""
    each = wander_px(gathered)
    pairs = np.where(np.isnan(each), 0, [look.wander_pairs for look in gathered.looks])
    products = np.array([look.wander_products for look in gathered.looks])
    reason = stopped_by or (NO_EDGES if gathered.has_images else NO_IMAGES)
    variance = unknown(reason) if stopped_by else pooled_ratio(products, pairs, gathered.rng("jitter"), reason)
    value, low, high = (
        float(np.sqrt(max(part, 0.0))) if not np.isnan(part) else part
        for part in (variance.value, variance.low, variance.high)
    )
    evidence = Estimate(value=value, low=low, high=high, reason=variance.reason)
    confidence = judge(evidence, WANDER_DOUBTFUL_PX, WANDER_CLEAR_PX)
    shown = f"{value:.1f} px"
    sentences: dict[Confidence, str] = {
        "clear": f"Boundaries wander about the edges of the images with a standard deviation of {shown}.",
        "weak": f"Boundaries may wander about the edges of the images by {shown}, little more than exact ones would.",
        "none": f"Boundaries follow the edges of the images: they wander by {shown}, as exact ones do.",
        "not tested": f"Whether boundaries wander is unknown: {evidence.reason}.",
    }
    return Finding(
        kind="jitter",
        evidence=evidence,
        unit="px, standard deviation",
        confidence=confidence,
        sentence=sentences[confidence],
        null="neighbouring stretches of a boundary, whose offsets from the edge the noise of the image moves "
        f"independently; exact labels give up to {WANDER_DOUBTFUL_PX:g} px",
        images=most_telling(gathered.names, each, WANDER_DOUBTFUL_PX) if confidence in ("clear", "weak") else (),
    )


def judge_bias(bias: Estimate) -> Confidence:
    """Return how sure one may be that boundaries lie farther off than blur explains, to whichever side."""
    sign = -1.0 if bias.value < 0 else 1.0
    low, high = sorted((sign * bias.low, sign * bias.high))
    return judge(Estimate(value=sign * bias.value, low=low, high=high), BIAS_DOUBTFUL_PX, BIAS_CLEAR_PX)


def find_bias(gathered: Gathered, stopped_by: str | None) -> Finding:
    """Return whether boundaries lie outside or inside the edges of the images."""
    if stopped_by is not None:
        evidence = unknown(stopped_by)
    else:
        evidence = unknown(NO_IMAGES) if gathered.bias is None else gathered.bias.shift_px
    sign, confidence = -1.0 if evidence.value < 0 else 1.0, judge_bias(evidence)
    side = "outside" if sign > 0 else "inside"
    shown = f"{abs(evidence.value):.1f} px {side} the edges of the images"
    sentences: dict[Confidence, str] = {
        "clear": f"Boundaries lie {shown}: objects are drawn too {'large' if sign > 0 else 'small'}.",
        "weak": f"Boundaries may lie {shown}, little more than blur explains.",
        "none": f"Boundaries lie {shown}, within what blur explains.",
        "not tested": f"Whether boundaries are off is unknown: {evidence.reason}.",
    }
    return Finding(
        kind="bias",
        evidence=evidence,
        unit="px, above 0 outside",
        confidence=confidence,
        sentence=sentences[confidence],
        null="the same profile with the image rolled under the label says which images have an edge to tell; on exact "
        f"labels the edge is up to {BIAS_DOUBTFUL_PX:g} px off",
        images=most_telling(gathered.names, sign * gathered.shifts_px, BIAS_DOUBTFUL_PX)
        if confidence in ("clear", "weak")
        else (),
    )


def find_moved(gathered: Gathered) -> Finding:
    """Return whether whole labels are moved against their images."""
    length = np.linalg.norm(gathered.moved_px, axis=1)
    is_seen = ~np.isnan(length)
    reason = NO_EDGES if gathered.has_images else NO_IMAGES
    evidence = pooled_ratio(np.nan_to_num(length) > 0, is_seen, gathered.rng("moved"), reason)
    num, num_seen = int((length[is_seen] > 0).sum()), int(is_seen.sum())
    chance = float(stats.binom.sf(num - 1, max(num_seen, 1), MOVED_BY_CHANCE))
    confidence: Confidence = "none"
    if np.isnan(evidence.value):
        confidence = "not tested"
    elif chance < DOUBTFUL:
        confidence = "clear" if chance < SURE else "weak"
    middle = float(np.median(length[is_seen & (length > 0)])) if num else 0.0
    sentences: dict[Confidence, str] = {
        "clear": f"{num} of {num_seen} labels are moved as a whole against their images, by {middle:.1f} px (median).",
        "weak": f"{num} of {num_seen} labels may be moved as a whole against their images, by {middle:.1f} px.",
        "none": f"No more labels are moved against their images than by chance: {num} of {num_seen}.",
        "not tested": f"Whether labels are moved is unknown: {evidence.reason}.",
    }
    return Finding(
        kind="moved",
        evidence=evidence,
        unit="share of labels",
        confidence=confidence,
        sentence=sentences[confidence],
        null="the edge after moving the label back against the image rolled under it; at most "
        f"{percent(MOVED_BY_CHANCE)} of labels that are in place seem moved",
        images=most_telling(gathered.names, length),
    )
