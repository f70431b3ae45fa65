"""Labels unlike the others of their folder, empty ones, and images or labels that occur twice.

`N` images.
"""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from metastructure.audit.audit_result import Confidence, Finding
from metastructure.audit.gathered import Gathered
from metastructure.audit.judging import most_telling, robust_z, tail_of_z, unknown
from metastructure.audit.label_band import FloatArray
from metastructure.structure.estimate import Estimate

LEAST_LABELS = 8
"""Fewer do not tell what is usual."""

SURE, DOUBTFUL = 0.01, 0.05
MOST_REASONS = 3


def usual_z(gathered: Gathered) -> FloatArray:
    """Return by how many robust standard deviations each label is unusual, (3, N).

    The rows are the logit of the foreground share, twice the root of the number of objects, which scatters by 1 at
    least (Anscombe), and the logarithm of their median area; NaN for empty labels.

    References
    ----------
    Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika 1948.
    """
    known = np.array([look.num_known for look in gathered.looks], dtype=np.float64)
    foreground = np.array([look.num_foreground for look in gathered.looks], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        logit = np.log((foreground + 0.5) / (known - foreground + 0.5))
        num = 2 * np.sqrt(gathered.num_objects + 0.375)
    area = np.array([np.log(np.median(look.area)) if len(look.area) else np.nan for look in gathered.looks])
    rows = [np.where(foreground > 0, logit, np.nan), np.where(gathered.num_objects > 0, num, np.nan), area]
    return np.stack([robust_z(row, least) for row, least in zip(rows, (0.0, 1.0, 0.0), strict=True)])


def find_outliers(gathered: Gathered) -> Finding:
    """Return whether labels differ from the others in foreground, or in number or size of their objects."""
    N = len(gathered.looks)
    evidence, chance = unknown(f"fewer than {LEAST_LABELS} labels"), np.ones(N)
    if N >= LEAST_LABELS:
        z = usual_z(gathered)
        chance = np.minimum(np.stack([tail_of_z(row) for row in z]).min(axis=0) * z.size, 1.0)
        num = float((chance < DOUBTFUL).sum())
        evidence = Estimate(value=num, low=float((chance < SURE).sum()), high=num)
    confidence: Confidence = "not tested"
    if N >= LEAST_LABELS:
        confidence = "clear" if (chance < SURE).any() else "weak" if (chance < DOUBTFUL).any() else "none"
    sentences: dict[Confidence, str] = {
        "clear": f"{evidence.low:.0f} of {N} labels are unlike the others in foreground, or in number or size of "
        f"objects; at less than {SURE:g} by chance, all looks counted.",
        "weak": f"{evidence.value:.0f} of {N} labels may be unlike the others in foreground, or in number or size of "
        "objects.",
        "none": f"0 of {N} labels are unlike the others in foreground, or in number or size of objects.",
        "not tested": f"Whether labels are unlike the others is unknown: {evidence.reason}.",
    }
    return Finding(
        kind="outlier",
        evidence=evidence,
        unit="labels",
        confidence=confidence,
        sentence=sentences[confidence],
        null=f"Student's law about the median, with the scale of the middle half, for {3 * N} looks",
        images=most_telling(
            gathered.names,
            -np.log(np.maximum(chance, 1e-300)),
            -np.log(SURE if confidence == "clear" else DOUBTFUL),
        ),
    )


def find_duplicates(gathered: Gathered) -> Finding:
    """Return whether an image occurs twice, with the same label or another, or a label that is not empty."""
    images, labels = (
        _groups([look.image_digest for look in gathered.looks]),
        _groups([look.label_digest if look.num_classes_seen > 1 else "" for look in gathered.looks]),
    )
    marked, contradicting = np.zeros(len(gathered.looks)), 0
    for group in images:
        differ = len({gathered.looks[index].label_digest for index in group}) > 1
        contradicting += differ
        marked[group] = 3 if differ else 2
    for group in labels:
        marked[group] = np.maximum(marked[group], 1)
    num = float(np.count_nonzero(marked))
    differing = f", {contradicting} of them with labels that differ" if contradicting else ""
    told = [f"{_count_of(images, 'image')} more than once{differing}"] if images else []
    told += [f"{_count_of(labels, 'label')} more than once"] if labels else []
    return Finding(
        kind="duplicate",
        evidence=Estimate(value=num, low=num, high=num),
        unit="labels",
        confidence="clear" if num else "none",
        sentence=f"{'; '.join(told)}." if num else "No image and no label occurs twice.",
        null="none needed: pixels are equal or not",
        images=most_telling(gathered.names, marked),
    )


def is_empty(gathered: Gathered) -> FloatArray:
    """Return 1 for labels without a known pixel, or with one class throughout, else 0, (N,)."""
    return np.array([float(look.num_classes_seen < 2) for look in gathered.looks])


def find_empty(gathered: Gathered) -> Finding:
    """Return whether labels hold nothing, or one class only."""
    marked = is_empty(gathered)
    num, unknown_ones = float(marked.sum()), sum(look.num_known == 0 for look in gathered.looks)
    told = f" ({unknown_ones} of them are IGNORE throughout)" if unknown_ones else ""
    return Finding(
        kind="empty",
        evidence=Estimate(value=num, low=num, high=num),
        unit="labels",
        confidence="clear" if num else "none",
        sentence=f"{num:.0f} of {len(marked)} labels hold one class only{told}.",
        null="none needed: pixels are counted",
        images=most_telling(gathered.names, marked),
    )


def find_unreadable(unusable: Mapping[str, str], num_labels: int) -> Finding:
    """Return whether files cannot be used as labels; `unusable` maps their names to the reasons."""
    num = float(len(unusable))
    reasons = list(unusable.values())
    more = f" And {len(reasons) - MOST_REASONS} more." if len(reasons) > MOST_REASONS else ""
    return Finding(
        kind="unreadable",
        evidence=Estimate(value=num, low=num, high=num),
        unit="files",
        confidence="clear" if unusable else "none",
        sentence=f"{num:.0f} of {num_labels + len(unusable)} files cannot be used and were left out: "
        f"{' '.join(reasons[:MOST_REASONS])}{more}"
        if unusable
        else f"All {num_labels} labels can be read.",
        null="none needed: a file can be read or not",
        images=tuple(unusable),
    )


def _count_of(groups: list[list[int]], noun: str) -> str:
    return f"1 {noun} occurs" if len(groups) == 1 else f"{len(groups)} {noun}s occur"


def _groups(digests: list[str]) -> list[list[int]]:
    """Return the places of equal digests that occur more than once; empty ones do not count."""
    places = defaultdict[str, list[int]](list)
    for index, digest in enumerate(digests):
        if digest:
            places[digest].append(index)
    return [group for group in places.values() if len(group) > 1]
