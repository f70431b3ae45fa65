"""From records to the table of a study: one row per data set, network and noise, with intervals.

`S` seeds, `N` test images, `C` classes. For two classes the score is the mean Dice over test images, for more the
mean IoU of the pooled test pixels.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metastructure.metrics import accuracy, foreground_dice, mean_iou, nanmean
from metastructure.study.record import RunRecord
from metastructure.study.resample import bootstrap_scores

REFERENCE_NOISE = "clean"

COLUMNS = {
    "data": "data set, as named in the study",
    "network": "network and its settings",
    "recipe": "how it was trained, as named in the study",
    "noise": "label noise of the training labels",
    "seeds": "number of seeds the row averages over",
    "changed": "realised share of training pixels that changed class, %",
    "ignored": "realised share of training pixels that became IGNORE, %",
    "metric": "what `score` is: dice (mean over test images) or miou (pooled), in points (0-100)",
    "score": "mean over seeds and test images",
    "low": "lower end of its 95 % interval",
    "high": "upper end of its 95 % interval",
    "difference": "score minus that of clean labels, same recipe, seeds and images",
    "difference_low": "lower end of its 95 % interval",
    "difference_high": "upper end of its 95 % interval",
    "score_at_half": "binary: score at the fixed threshold 0.5, Q undone where the recipe does, instead of the one "
    "chosen on clean validation labels",
    "pooled_dice": "Dice of all test pixels together (mean over the classes 1..C-1)",
    "auc": "binary: area under the ROC curve over all test pixels, %",
    "accuracy": "share of test pixels that are right, %",
    "threshold": "binary: mean threshold chosen on the clean validation labels",
}
"""Every column and what it says."""


def make_table(records: Sequence[RunRecord], num_resamples: int = 1000) -> pd.DataFrame:
    """Return the table of a study, rows in the order of the records.

    Parameters
    ----------
    records : sequence of RunRecord
        Of one study; seeds are averaged.
    num_resamples : int
        Of the bootstrap over seeds and test images.

    Returns
    -------
    DataFrame with the columns COLUMNS
        NaN where a value is not defined or a reference is missing.
    """
    groups: dict[tuple[str, str, str, str], list[RunRecord]] = {}
    for record in records:
        key = (record.spec.data_name, record.spec.network.title, record.spec.recipe, record.spec.noise)
        groups.setdefault(key, []).append(record)
    rows = []
    for (data, network, recipe, noise), members in groups.items():
        reference = groups.get((data, network, recipe, REFERENCE_NOISE), [])
        rows.append(_make_row(members, [] if noise == REFERENCE_NOISE else reference, num_resamples))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def score(counts_SNCC: npt.NDArray[np.int64]) -> float:
    """Return the score of S seeds on N images, in points: mean per-image Dice for C = 2, else mean pooled mIoU."""
    if counts_SNCC.shape[-1] == 2:
        return 100 * float(nanmean(foreground_dice(counts_SNCC)))
    return 100 * float(nanmean(mean_iou(counts_SNCC.sum(axis=1))))


def _make_row(members: list[RunRecord], reference: list[RunRecord], num_resamples: int) -> dict[str, Any]:
    spec = members[0].spec
    binary = members[0].num_classes == 2
    counts = np.stack([record.test.counts() for record in members])
    absolute = bootstrap_scores([counts], spec.noise, num_resamples)
    return {
        "data": spec.data_name,
        "network": spec.network.title,
        "recipe": spec.recipe,
        "noise": spec.noise,
        "seeds": len(members),
        "changed": 100 * float(np.mean([_or_nan(record.noise.changed_rate) for record in members])),
        "ignored": 100 * float(np.mean([record.noise.ignored_rate for record in members])),
        "metric": "dice" if binary else "miou",
        "score": absolute.value,
        "low": absolute.low,
        "high": absolute.high,
        **_difference(members, reference, num_resamples),
        "score_at_half": score(np.stack([record.test.counts(at_half=True) for record in members]))
        if binary
        else float("nan"),
        "pooled_dice": 100 * float(nanmean(foreground_dice(counts.sum(axis=1)))),
        "auc": 100 * float(np.mean([_or_nan(record.test.auc) for record in members])),
        "accuracy": 100 * float(nanmean(accuracy(counts.sum(axis=1)))),
        "threshold": float(np.mean([_or_nan(record.threshold) for record in members])),
    }


def _difference(members: list[RunRecord], reference: list[RunRecord], num_resamples: int) -> dict[str, float]:
    """Return the paired difference to the reference over the seeds both have, with its interval."""
    nothing = dict.fromkeys(("difference", "difference_low", "difference_high"), float("nan"))
    by_seed = {record.spec.seed: record for record in reference}
    pairs = [(record, by_seed[record.spec.seed]) for record in members if record.spec.seed in by_seed]
    if not pairs or any(one.test.ids != other.test.ids for one, other in pairs):
        return nothing
    mine, theirs = (np.stack([pair[side].test.counts() for pair in pairs]) for side in (0, 1))
    interval = bootstrap_scores([mine, theirs], members[0].spec.noise, num_resamples)
    return dict(zip(nothing, interval, strict=True))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def format_table(table: pd.DataFrame, brief: bool = False) -> list[list[str]]:
    """Return header and rows as short texts for people: scores to 0.1 point, intervals in brackets.

    Columns that are the same for every row (one data set, one network, one seed) are left out.

    Parameters
    ----------
    table : DataFrame
        From `make_table`: scores in points (0-100), shares in percent.
    brief : bool
        Leave out the side metrics too, which makes it fit 80 columns.

    Returns
    -------
    list of lists of str
        The header, then one list a row, all of one length; "–" where a value is NaN.

    Examples
    --------
    >>> row = dict.fromkeys(COLUMNS, float("nan")) | {"data": "nuc", "network": "unet", "recipe": "plain", "seeds": 1}
    >>> row |= {"noise": "dilate:2", "metric": "dice", "changed": 4.04, "ignored": 0.0}
    >>> row |= {"score": 87.94, "low": 86.6, "high": 89.3}
    >>> format_table(pd.DataFrame([row]), brief=True)
    [['label', 'changed %', 'Dice [95 %]', 'minus clean [95 %]'], ['dilate:2', '4.0', '87.9 [86.6, 89.3]', '–']]
    """
    constant = {name for name in ("data", "network", "recipe", "seeds") if table[name].nunique() <= 1}
    metric = " / ".join(METRIC_NAMES[name] for name in dict.fromkeys(table["metric"]))
    header = [name for name in ("data", "network", "recipe") if name not in constant]
    header += ["label", "changed %", f"{metric} [95 %]", "minus clean [95 %]"]
    binary = (table["metric"] == "dice").any()
    side = {"accuracy": "accuracy"}
    if binary:
        side = {"score_at_half": "Dice at 0.5", "pooled_dice": "pooled Dice", "auc": "AUC", **side}
    shown = {} if brief else side
    header += list(shown.values())
    header += [] if "seeds" in constant else ["seeds"]
    lines = [header]
    for row in table.to_dict("records"):
        changed = f"{row['changed']:.1f}" + (f" (+{row['ignored']:.0f} ignored)" if row["ignored"] > 0 else "")
        cells = [str(row[name]) for name in ("data", "network", "recipe") if name not in constant]
        cells += [str(row["noise"]), changed, _with_interval(row, "score", "low", "high")]
        cells.append(_with_interval(row, "difference", "difference_low", "difference_high", sign="+"))
        cells += [_number(row[name]) for name in shown]
        cells += [] if "seeds" in constant else [str(row["seeds"])]
        lines.append(cells)
    return lines


METRIC_NAMES = {"dice": "Dice", "miou": "mIoU"}


def to_markdown(table: pd.DataFrame) -> str:
    """Return `format_table` as a Markdown table."""
    header, *rows = format_table(table)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def to_text(table: pd.DataFrame) -> str:
    """Return the brief `format_table` with aligned columns."""
    lines = format_table(table, brief=True)
    widths = [max(map(len, column)) for column in itertools.zip_longest(*lines, fillvalue="")]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def _with_interval(row: Any, value: str, low: str, high: str, sign: str = "") -> str:
    if np.isnan(row[value]):
        return "–"
    text = f"{row[value]:{sign}.1f}"
    return text if np.isnan(row[low]) else f"{text} [{row[low]:{sign}.1f}, {row[high]:{sign}.1f}]"


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.1f}"
