"""The claims of a study against its records: two tests a claim, one for each way of averaging over images.

`S` seeds, `N` test images, `C` classes. Two classes are scored by Dice, more by mIoU; both once as the mean over
images of each image's score, once on the pixels of all images together.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metastructure.metrics import foreground_dice, mean_iou
from metastructure.metrics.equivalence import Difference, adjust_holm, estimate_difference, pseudo_values
from metastructure.study.claims import Claim, parse_claim
from metastructure.study.record import RunRecord
from metastructure.study.spec import StudySpec

LEVEL = 0.05
"""Of all tests of a study on one score together."""

SMALLEST_ADJUSTED = 0.001
"""No adjusted p-value is given below the smallest level at which `benchmarks/claim_size.py` checks the test."""

CLAIM_COLUMNS = {
    "data": "data set, as named in the study",
    "network": "network and its settings",
    "recipe": "how both sides were trained; 'A | B' where the left side is A and the right side B",
    "claim": "what is claimed: ~ equal within the margin, < left below right, > left above right",
    "margin": "what counts as equal, in points",
    "score": "image (mean over images of each one's score) or pooled (all pixels together)",
    "metric": "dice for two classes, miou for more; empty where no run of the data set is done",
    "seeds": "seeds that the test rests on; with 1 it speaks of this one seed only",
    "images": "test images that have a score",
    "difference": "left minus right, in points",
    "low": "lower end of its 90 % interval: a bound with 95 % confidence, not adjusted",
    "high": "upper end, likewise",
    "p_above": "for ~: p-value of 'the difference is above -margin' alone, not adjusted",
    "p_below": "for ~: p-value of 'the difference is below +margin' alone, not adjusted",
    "p": "p-value of the claim, not adjusted; for ~ the larger of the two above",
    "p_adjusted": "the same, adjusted for all claims of the study on this score (Holm)",
    "p_opposite": "p-value of the claim's opposite, adjusted likewise",
    "verdict": "supported, refuted, undecided, or not run where runs are missing",
}
"""Every column and what it says."""

Group = dict[int, RunRecord]
Counts = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def check_claims(study: StudySpec, records: Sequence[RunRecord]) -> pd.DataFrame:
    """Return what the records say of each claim, two rows for each data set, network and recipe it is made for.

    Parameters
    ----------
    study : StudySpec
    records : sequence of RunRecord
        Of its finished runs. A claim is tested when all runs of both sides are done, so that nobody stops a study at
        the seed that pleases; until then it is "not run", and counts in the correction nonetheless.

    Returns
    -------
    DataFrame with the columns CLAIM_COLUMNS
        "supported": the adjusted p-value of the claim is at most LEVEL. "refuted": that of the opposite is (for ``<``
        the difference is above 0, for ``>`` below 0, for ``~`` beyond the margin). "undecided": neither.

    Raises
    ------
    ValueError
        If the two sides of a claim were tested on different images.
    """
    groups: dict[tuple[str, str, str, str], Group] = {}
    for record in records:
        key = (record.spec.data_name, record.spec.network.title, record.spec.recipe, record.spec.noise)
        groups.setdefault(key, {})[record.spec.seed] = record
    num_classes = {record.spec.data_name: record.num_classes for record in records}
    rows = []
    for claim, data, network, (left, right) in _spell_out(study):
        mine = groups.get((data, network, left, claim.left.noise), {})
        theirs = groups.get((data, network, right, claim.right.noise), {})
        is_run = all(seed in mine and seed in theirs for seed in study.seeds)
        where = {
            "data": data,
            "network": network,
            "recipe": left if left == right else f"{left} | {right}",
            "claim": str(claim),
            "margin": study.margin,
        }
        for score in ("image", "pooled"):
            C = num_classes.get(data)
            metric = "" if C is None else "dice" if C == 2 else "miou"
            found = _compare(mine, theirs, study.seeds, score) if is_run else None
            rows.append({**where, "score": score, "metric": metric, **_test(claim, found, study.margin)})
    return _judge(pd.DataFrame(rows, columns=list(CLAIM_COLUMNS)))


def _spell_out(study: StudySpec) -> Iterator[tuple[Claim, str, str, tuple[str, str]]]:
    """Yield each claim with the data set, the network and the two recipes it is made for."""
    for text in study.claims:
        claim = parse_claim(text)
        named = claim.left.recipe, claim.right.recipe
        pairs = [(name, name) for name in study.recipes] if named == (None, None) else [named]
        for data, network, pair in itertools.product(study.data, study.networks, pairs):
            yield claim, data, network.title, pair  # type: ignore[misc]


def _compare(left: Group, right: Group, seeds: Sequence[int], score: str) -> Difference:
    """Return the difference in points, paired by seed and image."""
    ids = {tuple(side[seed].test.ids) for side in (left, right) for seed in seeds}
    if len(ids) > 1:
        titles = " and ".join(side[seeds[0]].spec.title for side in (left, right))
        raise ValueError(f"{titles} were tested on different images; run them again on the same ones.")
    counts_2SNCC = np.stack([[side[seed].test.counts() for seed in seeds] for side in (left, right)])
    whole_2S, left_out_2SN = _score_images(counts_2SNCC) if score == "image" else _score_pooled(counts_2SNCC)
    values_2SN = pseudo_values(whole_2S, left_out_2SN)
    return estimate_difference(values_2SN[0] - values_2SN[1], float((whole_2S[0] - whole_2S[1]).mean()))


def _score_images(counts_2SNCC: Counts) -> tuple[FloatArray, FloatArray]:
    """Return the mean of the images' scores, (2, S), and the same with each image left out, (2, S, N).

    An image is skipped where it has no score, and is no test image at all where it never has one.
    """
    values_2SN = _overlap(counts_2SNCC)
    known_2SN = ~np.isnan(values_2SN)
    if known_2SN.any():
        ever_N = known_2SN.any(axis=(0, 1))
        values_2SN, known_2SN = values_2SN[..., ever_N], known_2SN[..., ever_N]
    values_2SN = np.where(known_2SN, values_2SN, 0.0)
    sums, numbers = (array.sum(axis=-1, keepdims=True) for array in (values_2SN, known_2SN))
    return _divide(sums, numbers)[..., 0], _divide(sums - values_2SN, numbers - known_2SN)


def _score_pooled(counts_2SNCC: Counts) -> tuple[FloatArray, FloatArray]:
    """Return the score of all pixels together, (2, S), and the same with each image left out, (2, S, N)."""
    pooled_2SCC = counts_2SNCC.sum(axis=2)
    return _overlap(pooled_2SCC), _overlap(pooled_2SCC[:, :, None] - counts_2SNCC)


def _overlap(counts: Counts) -> FloatArray:
    """Return Dice of the foreground for two classes, mIoU for more, in points."""
    return 100 * (foreground_dice(counts) if counts.shape[-1] == 2 else mean_iou(counts))


def _divide(above: FloatArray, below: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return ratio


def _test(claim: Claim, found: Difference | None, margin: float) -> dict[str, Any]:
    """Return the numbers of one test; p-values not yet adjusted."""
    if found is None:
        return {"seeds": 0, "images": 0}
    p, p_opposite = {
        "~": lambda: (found.p_within(margin), found.p_beyond(margin)),
        "<": lambda: (found.p_below(), found.p_above()),
        ">": lambda: (found.p_above(), found.p_below()),
    }[claim.relation]()
    sides = {"p_above": found.p_above(-margin), "p_below": found.p_below(margin)} if claim.relation == "~" else {}
    interval = found.interval(1 - 2 * LEVEL)
    return {
        "seeds": found.num_seeds,
        "images": found.num_images,
        "difference": interval.value,
        "low": interval.low,
        "high": interval.high,
        **sides,
        "p": p,
        "p_opposite": p_opposite,
    }


def _judge(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with adjusted p-values and verdicts; each score is a family of tests of its own."""
    for _, rows in table.groupby("score").groups.items():
        table.loc[rows, "p_adjusted"] = _adjust(table.loc[rows, "p"])
        table.loc[rows, "p_opposite"] = _adjust(table.loc[rows, "p_opposite"])
    table["verdict"] = np.select(
        [table["seeds"] == 0, table["p_adjusted"] <= LEVEL, table["p_opposite"] <= LEVEL],
        ["not run", "supported", "refuted"],
        "undecided",
    )
    return table


def _adjust(p_values: "pd.Series[float]") -> FloatArray:
    return np.maximum(adjust_holm(np.asarray(p_values, dtype=np.float64)), SMALLEST_ADJUSTED)
