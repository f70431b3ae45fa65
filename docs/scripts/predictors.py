"""Compare what labels alone show with the test scores of a study: docs/results/NAME-predictors.{md,csv,png}.

Run:  .venv/bin/python docs/scripts/predictors.py studies/structure-nuc.yaml --store runs/structure-nuc
With --redraw the predictors are taken from the CSV and not measured again. The section "Reading" of an existing page is
written by hand and kept. The figure is in `predictors_figure.py`, the page in `predictors_page.py`.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from predictors_figure import draw_figure
from predictors_page import MARGIN, NAMES, read_reading, write_page

from metastructure.rng import generator
from metastructure.study import Store, load_study
from metastructure.study.predictors import group_by_condition, measure_predictors, resample_scores
from metastructure.study.rank_agreement import PredictorComparison, compare_predictors

RESULTS = Path(__file__).parents[1] / "results"


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


if __name__ == "__main__":
    main()
