"""Compare what labels alone show with the test scores of a study: docs/results/NAME-predictors.{md,csv,png}.

Run:  .venv/bin/python docs/scripts/predictors.py studies/structure-nuc.yaml --store runs/structure-nuc
With --redraw the predictors are taken from the CSV and not measured again. The section "Reading" of an existing page is
written by hand and kept.
"""

import argparse
import datetime
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from metastructure._version import __version__
from metastructure.report import FAMILIES
from metastructure.rng import generator
from metastructure.structure import Estimate
from metastructure.study import RunRecord, Store, StudySpec, load_study
from metastructure.study.predictors import PREDICTORS, group_by_condition, measure_predictors, resample_scores
from metastructure.study.rank_agreement import (
    PredictorComparison,
    compare_predictors,
    decided_pairs,
    rank_gaps,
    spearman,
)
from metastructure.study.table import METRIC_NAMES

RESULTS = Path(__file__).parents[1] / "results"
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
MARKERS = {"clean": "*", "randomised": "o", "perturbed": "s", "random": "X"}
MARGIN = 1.0
"""Points: differences between two conditions with one seed each are not taken for decided below this."""

MIN_GAP = 3.0
"""Places: what is listed as a failure of a predictor."""

TICKS = (0, 20, 40, 60, 70, 80, 85, 90, 95)
"""Points, on the axis of the figure."""

HALO = [withStroke(linewidth=2, foreground="white")]

NUM_LAYOUTS = 6
"""Orders in which the figure's labels are placed, the best of which is kept."""

READING = "## Reading"


def main() -> None:
    """Measure, compare, and write the page, the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--redraw", action="store_true", help="take the predictors from the CSV")
    arguments = parser.parse_args()
    study, store = load_study(arguments.study), Store(arguments.store)
    stem = arguments.out / f"{study.name}-predictors"
    records = store.load_done(study)
    csv = stem.with_name(stem.name + ".csv")
    table = pd.read_csv(csv) if arguments.redraw else measure_predictors(study, store)
    if len(table) != len(group_by_condition(records)):
        raise SystemExit(f"{csv}: more runs are done than when this was written; measure again without --redraw.")
    if table.groupby([name for name in ("data", "network", "recipe") if name in table]).ngroups > 1:
        raise SystemExit(f"{arguments.study}: give a study of one data set, network and recipe; scores of two differ.")
    if not arguments.redraw:
        table.to_csv(csv, index=False)
    draws = resample_scores(records, generator(0, study.name, "test data"))
    comparisons = compare_all(table, draws)
    draw_figure(table, comparisons["all"], stem.with_name(stem.name + ".png"))
    page = stem.with_name(stem.name + ".md")
    page.write_text(write_page(study, records, table, draws, comparisons, read_reading(page)), encoding="utf-8")
    print(page)


def compare_all(table: pd.DataFrame, draws: np.ndarray) -> dict[str, PredictorComparison]:
    """Return the comparisons with the test score, with it but without inverted labels if any, with AUC and at 0.5."""
    rng = generator(0, "", "predictors")
    upright = ~table["inverted"].to_numpy(bool)
    names = list(NAMES)
    found = {"all": compare_predictors(table, rng, "score", names, draws, MARGIN)}
    if not upright.all():
        found["upright"] = compare_predictors(table[upright], rng, "score", names, draws[:, upright], MARGIN)
    for outcome in ("auc_either", "score_at_half"):
        found[outcome] = compare_predictors(table, rng, outcome, names)
    return found


# --- the figure ------------------------------------------------------------------------------------------------------


def draw_figure(table: pd.DataFrame, comparison: PredictorComparison, path: Path) -> None:
    """Draw the test score against each of three predictors; the axis is logarithmic in what is missing to 100."""
    figure = Figure(figsize=(17, 7.6), dpi=100)
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(PANELS), sharey=True)
    figure.subplots_adjust(left=0.045, right=0.995, top=0.94, bottom=0.13, wspace=0.04)
    agreements = {agreement.predictor: agreement for agreement in comparison.agreements}
    metric = METRIC_NAMES[table["metric"].iloc[0]]
    missing = 100 - table[["low", "score", "high"]].clip(upper=99.9)
    for axes, name in zip(panels, PANELS, strict=True):
        axes.set_yscale("log")
        axes.set_yticks([100 - tick for tick in TICKS], [str(tick) for tick in TICKS])
        axes.minorticks_off()
        axes.set_ylim(min(100, missing["low"].max() * 1.15), missing["high"].min() / 1.35)
        axes.set_xlim(-0.06, 1.06)
        axes.grid(color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_xlabel(PREDICTORS[name].split(":")[0])
        axes.set_title(f"{NAMES[name]}: Spearman's ρ {show(agreements[name].rho)}", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        for family, rows in table.groupby("family", sort=False):
            colour = FAMILIES[family][1]
            low, middle, high = (missing.loc[rows.index, end] for end in ("low", "score", "high"))
            axes.vlines(rows[name], low, high, color=colour, linewidth=1.2)
            size = 120 if family == "clean" else 38
            style = {"marker": MARKERS[family], "color": colour, "edgecolor": "white", "linewidth": 0.6}
            axes.scatter(rows[name], middle, s=size, zorder=3, **style)
    panels[0].set_ylabel(f"test {metric} in points, logarithmic in 100 - {metric} (line: 95 % interval)")
    used = [family for family in FAMILIES if (table["family"] == family).any()]
    handles = [
        Line2D([], [], color=FAMILIES[f][1], marker=MARKERS[f], linestyle="", markersize=8, label=FAMILIES[f][0])
        for f in used
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(used), frameon=False)
    for axes, name in zip(panels, PANELS, strict=True):
        shown = table[table[name].notna() & table["score"].notna()]
        label_points(axes, shown[name].to_numpy(), missing.loc[shown.index].to_numpy(), list(shown["noise"]))
    figure.savefig(path)


def label_points(axes: Axes, x: np.ndarray, y: np.ndarray, texts: Sequence[str]) -> None:
    """Write each text near its point, x (n,) and y (n, 3) with the ends of its interval; a line leads to those far off.

    No two texts overlap and none covers a point. Of several orders of placing them the cheapest is taken.
    """
    renderer = axes.figure.canvas.get_renderer()
    style = {"fontsize": 8.5, "ha": "left", "va": "bottom", "zorder": 4, "path_effects": HALO}
    drawn = [axes.text(0, 0, text, **style) for text in texts]
    sizes = np.array([text.get_window_extent(renderer).size for text in drawn])
    points = axes.transData.transform(np.column_stack([x, y[:, 1]]))
    ends = [axes.transData.transform(np.column_stack([x, y[:, side]])) for side in (0, 2)]
    bars = np.concatenate([ends[0] + share * (ends[1] - ends[0]) for share in np.linspace(0, 1, 12)])
    inside = axes.get_window_extent()
    rng = generator(0, "", "labels")
    layouts = [_place(points, bars, sizes, inside, rng.permutation(len(texts))) for _ in range(NUM_LAYOUTS)]
    cost, corners, anchors = min(layouts, key=lambda layout: layout[0])
    if not np.isfinite(cost):
        raise SystemExit("no free place for a label; make the figure larger.")
    to_data = axes.transData.inverted().transform
    for text, corner, anchor, point in zip(drawn, corners, anchors, points, strict=True):
        text.set_position(to_data(corner))
        if np.linalg.norm(anchor - point) > 13:
            axes.plot(*to_data([anchor, point]).T, color="#777777", linewidth=0.6, zorder=2)


def _place(
    points: np.ndarray, bars: np.ndarray, sizes: np.ndarray, inside: Bbox, order: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the cost of placing the texts in this order, their lower left corners, and where their lines end.

    Costs in pixels: the distance, 12 for a text on an interval, 120 for a line under a text, 40 for lines that meet.
    """
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    distances = np.array([8, 12, 18, 26, 36, 50, 68, 90, 120, 155, 200])
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    steps = (distances[:, None, None] * directions).reshape(-1, 2)
    sides = (np.tile(directions, (len(distances), 1)) - 1) / 2
    corners, anchors = np.zeros_like(points), np.zeros_like(points)
    boxes, lines = np.zeros((0, 2, 2)), np.zeros((0, 2))
    total = 0.0
    for index in order:
        anchor = points[index] + steps
        low = anchor + sides * sizes[index]
        box = np.stack([low, low + sizes[index]], axis=1)
        line = points[index] + np.linspace(0.2, 1, 9)[:, None] * steps[:, None]
        outside = (low < inside.min + 2).any(axis=1) | (box[:, 1] > inside.max - 2).any(axis=1)
        clash = ((box[:, None, 0] < boxes[:, 1] + 2) & (box[:, None, 1] > boxes[:, 0] - 2)).all(axis=2).any(axis=1)
        met = np.concatenate([lines, np.delete(points, index, axis=0)])
        cost = np.linalg.norm(steps, axis=1) + 12 * _within(bars, box, 1).any(axis=1)
        cost += 120 * _within(lines, box, 1).any(axis=1) + 40 * _are_near(line, met)
        cost += 120 * _within(line.reshape(-1, 2), boxes, 1).any(axis=0).reshape(len(line), -1).any(axis=1)
        cost[outside | clash | _within(points, box, 5).any(axis=1)] = np.inf
        best = int(cost.argmin())
        total += float(cost[best])
        corners[index], anchors[index] = low[best], anchor[best]
        boxes, lines = np.concatenate([boxes, box[best][None]]), np.concatenate([lines, line[best]])
    return total, corners, anchors


def _are_near(lines: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return which of k lines of sampled points (k, m, 2) pass within 4 pixels of one of n points, (k,)."""
    gaps = lines[:, :, None] - points
    return ((gaps**2).sum(axis=3) < 16).any(axis=(1, 2))


def _within(points: np.ndarray, boxes: np.ndarray, pad: float) -> np.ndarray:
    """Return which of n points lie in which of k boxes (k, 2, 2), (k, n)."""
    return ((points > boxes[:, None, 0] - pad) & (points < boxes[:, None, 1] + pad)).all(axis=2)


# --- the page --------------------------------------------------------------------------------------------------------


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
        f"- {records[0].spec.network.title}, {study.training.epochs} epochs, seeds {seeds}; labels drawn again as each "
        "run was trained on them and checked against its record; box window, half-width 4 px",
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


if __name__ == "__main__":
    main()
