"""The page of `predictors.py`: its tables and sentences as Markdown, around a section that is written by hand."""

import datetime
import platform
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import scipy

from metastructure._version import __version__
from metastructure.counts import count
from metastructure.structure import Estimate
from metastructure.study import RunRecord, StudySpec
from metastructure.study.rank_agreement import PredictorComparison, decided_pairs, rank_gaps, spearman
from metastructure.study.table import METRIC_NAMES

NAMES = {
    "similarity": "similarity",
    "uncorrected": "similarity, uncorrected",
    "label_dice": "Dice of the label",
    "agreement": "pixel agreement",
    "label_iou": "mean IoU of the label",
    "sigma_min": "σ_min",
}
"""The predictors that the page compares; the number of surviving classes is shown and takes too few values to rank."""

PANELS = ("similarity", "label_dice", "agreement")
"""Those of them that the figure draws, and whose failures the page lists."""

MARGIN = 1.0
"""Points: differences between two conditions with one seed each are not taken for decided below this."""

MIN_GAP = 3.0
"""Places: what is listed as a failure of a predictor."""

READING = "## Reading"


def write_page(
    study: StudySpec,
    records: list[RunRecord],
    table: pd.DataFrame,
    draws: np.ndarray,
    comparisons: dict[str, PredictorComparison],
    reading: str,
) -> str:
    """Return the Markdown."""
    metric = METRIC_NAMES[table["metric"].iloc[0]]
    num_runs = sum(1 for _ in study.runs())
    unfinished = [f"**{len(records)} of {num_runs} runs are done.**", ""] if len(records) < num_runs else []
    inverted = ", ".join(f"`{noise}`" for noise in table.loc[table["inverted"], "noise"])
    image = f"{study.name}-predictors"
    lines = [
        f"# {study.name}: does it predict training?",
        "",
        study.description,
        "",
        *unfinished,
        f"![Test {metric} against similarity, Dice of the label and pixel agreement]({image}.png)",
        "",
        reading,
        "## Which predictor ranks the conditions as training does",
        "",
        *_markdown(_rho_rows(comparisons["all"], metric)),
        "",
        *_explain(table, draws, metric, inverted),
        "",
        "## Against other outcomes",
        "",
        *_markdown(_other_rows(comparisons, metric)),
        "",
        "## Differences",
        "",
        "ρ of the similarity minus ρ of the other, same conditions, 95 % interval.",
        "",
        *_markdown(_difference_rows(comparisons, metric)),
        "",
        "## Where each fails",
        "",
        f"Conditions ranked {MIN_GAP:.0f} or more places above (+) or below (-) their place in the test.",
        "",
        *[f"- {NAMES[name]}: {_outliers(table, name)}" for name in PANELS],
        "",
        "## Conditions",
        "",
        *_markdown(_condition_rows(table, metric)),
        "",
        "σ_min of the realised transition matrix; for moved boundaries it is the average over pixels of unlike kind.",
        "",
        *_facts(study, records, image),
        "",
    ]
    return "\n".join(lines)


def read_reading(page: Path) -> str:
    """Return the section written by hand of an existing page, or an empty one."""
    if page.is_file():
        found = re.search(rf"^{READING}\n.*?(?=^## )", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        if found:
            return found.group().rstrip() + "\n"
    return f"{READING}\n\n(to be written)\n"


def show(estimate: Estimate, sign: str = "") -> str:
    """Return a value with its interval for people."""
    if np.isnan(estimate.value):
        return "–"
    interval = "" if np.isnan(estimate.low) else f" [{estimate.low:{sign}.2f}, {estimate.high:{sign}.2f}]"
    return f"{estimate.value:{sign}.2f}{interval}"


def _rho_rows(comparison: PredictorComparison, metric: str) -> list[list[str]]:
    rows = [["predictor", f"ρ, {metric}", "with other test images", "τ", "decided pairs in order, %", "missing"]]
    for found in comparison.agreements:
        other = found.rho_on_other_tests
        between = "–" if np.isnan(other.low) else f"{other.low:.2f} to {other.high:.2f}"
        values = [show(found.rho), between, show(found.tau), _percent(found.in_order), str(found.num_missing)]
        rows.append([NAMES[found.predictor], *values])
    return rows


def _other_rows(comparisons: dict[str, PredictorComparison], metric: str) -> list[list[str]]:
    titles = {
        "upright": f"{metric}, without inverted",
        "auc_either": "AUC either way",
        "score_at_half": f"{metric} at 0.5",
    }
    shown = {key: title for key, title in titles.items() if key in comparisons}
    rows = [["predictor", *(f"ρ, {title}" for title in shown.values())]]
    rows[0] += ["without inverted: decided pairs in order, %"] if "upright" in shown else []
    for place, name in enumerate(NAMES):
        found = [comparisons[key].agreements[place] for key in shown]
        decided = [_percent(found[0].in_order)] if "upright" in shown else []
        rows.append([NAMES[name], *(show(agreement.rho) for agreement in found), *decided])
    return rows


def _difference_rows(comparisons: dict[str, PredictorComparison], metric: str) -> list[list[str]]:
    titles = {"all": metric, "upright": f"{metric}, without inverted", "auc_either": "AUC either way"}
    shown = {key: title for key, title in titles.items() if key in comparisons}
    rows = [["similarity minus", *shown.values()]]
    for name in list(NAMES)[1:]:
        pairs = [
            d for key in shown for d in comparisons[key].differences if (d.first, d.second) == ("similarity", name)
        ]
        rows.append([NAMES[name], *(show(pair.difference, "+") for pair in pairs)])
    return rows


def _condition_rows(table: pd.DataFrame, metric: str) -> list[list[str]]:
    rows = [["label", "family", *NAMES.values(), "surviving", f"test {metric} [95 %]", "at 0.5", "AUC"]]
    for row in table.sort_values("score", ascending=False, kind="stable").to_dict("records"):
        values = [show(Estimate(value=row[name], low=row[f"{name}_low"], high=row[f"{name}_high"])) for name in NAMES]
        test = f"{row['score']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"
        surviving = "–" if np.isnan(row["surviving"]) else f"{row['surviving']:g}"
        side = [f"{row[name]:.1f}" for name in ("score_at_half", "auc")]
        rows.append([f"`{row['noise']}`", row["family"], *values, surviving, test, *side])
    return rows


def _outliers(table: pd.DataFrame, name: str, most: int = 5) -> str:
    gaps = rank_gaps(table[name].to_numpy(float), table["score"].to_numpy(float))
    order = [index for index in np.argsort(-np.abs(np.nan_to_num(gaps)), kind="stable") if abs(gaps[index]) >= MIN_GAP]
    told = [f"`{table['noise'][index]}` {gaps[index]:+g}" for index in order[:most]]
    more = f" and {len(order) - most} more" if len(order) > most else ""
    return ", ".join(told) + more if told else "none"


def _explain(table: pd.DataFrame, draws: np.ndarray, metric: str, inverted: str) -> list[str]:
    y = table["score"].to_numpy(float)
    order = np.abs(decided_pairs(y, draws, MARGIN))
    alike = table["family"].isin(["clean", "randomised"]).to_numpy() & ~table["inverted"].to_numpy(bool)
    among, open_among = (
        alike.sum() * (alike.sum() - 1) // 2,
        int((1 - order[np.ix_(alike, alike)]).sum() - alike.sum()) // 2,
    )
    ceiling = np.mean([spearman(y, drawn) for drawn in draws])
    n = len(table)
    lines = [
        f"{n} conditions. ρ is Spearman's, ties at mid-ranks, 95 % percentile intervals from resampled conditions. "
        "They are the units, since the images within one all speak of the same rank. They were chosen and not drawn, "
        "so the interval is about conditions like these. The second column resamples the test images too. "
        f"Against {metric} on resampled test images the measured {metric} itself has a ρ of {ceiling:.3f}: more cannot "
        "be expected of any predictor.",
        "",
        f"Of the {n * (n - 1) // 2} pairs {int(order.sum()) // 2} are decided: the paired interval over test images "
        f"leaves out 0, and the difference is above {MARGIN:g} point, as one seed says nothing of others. Of the "
        f"{among} pairs among clean and randomised labels {open_among} are undecided, and the share of decided pairs "
        "in order leaves them out. A pair that a predictor ties counts one half.",
    ]
    if inverted:
        lines += [
            "",
            f"Past the singular rate: {inverted}. The meta-structure is all there, similarity says so, and the network "
            f"learns it with its sign turned. Plain training has no flag for this, so {metric} falls; the larger of "
            "AUC and 100 - AUC (AUC either way) does not.",
        ]
    return lines


def _facts(study: StudySpec, records: list[RunRecord], image: str) -> list[str]:
    versions = {f"{name} {value}" for record in records for name, value in record.versions.items()}
    seeds = ", ".join(map(str, study.seeds))
    command = "docs/scripts/predictors.py " + shlex.join(word for word in sys.argv[1:] if word != "--redraw")
    measured = {"metastructure": __version__, "numpy": np.__version__, "scipy": scipy.__version__}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return [
        f"- Command: `{command}`, after `metastructure study run`; all columns: [{image}.csv]({image}.csv)",
        f"- {records[0].spec.network.title}, {count(study.training.epochs, 'epoch')}, seeds {seeds}; labels drawn "
        "again as each run was trained on them and checked against its record; box window, half-width 4 px",
        f"- Runs: {', '.join(sorted(versions))}, the last finished {max(record.finished for record in records)}",
        f"- Page of {today}, with {', '.join(f'{name} {value}' for name, value in measured.items())}, python "
        f"{platform.python_version()}",
    ]


def _percent(estimate: Estimate) -> str:
    if np.isnan(estimate.value):
        return "–"
    return f"{100 * estimate.value:.0f} [{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]"


def _markdown(rows: list[list[str]]) -> list[str]:
    header, *body = rows
    return ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *body)]
