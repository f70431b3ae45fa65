"""The files of a plan of the annotation: numbers as JSON and CSV, the curves as a picture, and one page."""

from pathlib import Path

from markupsafe import Markup

from metastructure.counts import count
from metastructure.data.files import atomic_path, write_text
from metastructure.data.strict_json import to_json
from metastructure.report.budget_chart import Level, Panel, draw_budget
from metastructure.report.charts import to_svg
from metastructure.report.html import render_html
from metastructure.structure.estimate import Estimate
from metastructure.study.budget_result import AnnotationPlan, BudgetCurve, to_csv
from metastructure.study.budget_text import describe_doubts, describe_verdict, percent, points
from metastructure.study.table import METRIC_NAMES

PAGE_NAME = "plan.html"
AXES = {"images": "images labelled, % of the training images", "pixels": "pixels labelled, % of those in every image"}
DPI = 150


def write_plan(plan: AnnotationPlan, out: Path, command: str = "") -> Path:
    """Write ``plan.json``, ``plan.csv``, ``plan.png`` and ``plan.html`` and return the path of the page.

    Parameters
    ----------
    plan : AnnotationPlan
    out : Path
        The plan's folder; files of an earlier call are replaced.
    command : str
        The command that made it, shown on the page.
    """
    figure = draw_budget([_make_panel(curve, plan) for curve in plan.curves], _score_title(plan))
    with atomic_path(out / "plan.png") as temporary:
        figure.savefig(temporary, dpi=DPI, metadata={"Software": None})
    write_text(out / "plan.json", to_json(plan) + "\n")
    write_text(out / "plan.csv", to_csv(plan))
    write_text(out / PAGE_NAME, render_plan(plan, command))
    return out / PAGE_NAME


def render_plan(plan: AnnotationPlan, command: str = "") -> str:
    """Return the page as HTML; every text in it is escaped."""
    figure = draw_budget([_make_panel(curve, plan) for curve in plan.curves], _score_title(plan))
    return render_html(
        "plan.html.j2",
        data=plan.data,
        verdict=describe_verdict(plan),
        doubts=describe_doubts(plan),
        chart=Markup(to_svg(figure)),
        score_title=_score_title(plan),
        tables=[_make_table(curve) for curve in plan.curves],
        laws={curve.unit: describe_law(curve) for curve in plan.curves if curve.law},
        facts=_collect_facts(plan, command),
    )


def describe_law(curve: BudgetCurve) -> str:
    """Return the fitted power law in words, or nothing."""
    if curve.law is None:
        return ""
    a, b, c = (f"{one.value:.3g} [{one.low:.3g}, {one.high:.3g}]" for one in (curve.law.a, curve.law.b, curve.law.c))
    return f"score = a - b share^-c with a = {a}, b = {b}, c = {c}"


def _score_title(plan: AnnotationPlan) -> str:
    return f"test {METRIC_NAMES[plan.metric]} in points"


def _make_panel(curve: BudgetCurve, plan: AnnotationPlan) -> Panel:
    budget = None if curve.told == "unknown" else _triple(curve.budget)
    return Panel(
        title=f"{curve.unit.capitalize()} labelled",
        axis_title=AXES[curve.unit],
        shares=[point.share for point in curve.points],
        scores=[_triple(point.score) for point in curve.points],
        line_shares=curve.line.shares,
        line_scores=curve.line.scores,
        line_low=curve.line.low,
        line_high=curve.line.high,
        enough=curve.line.scores[-1] - plan.loss,
        budget=budget,
        levels=[Level(one.point.labels, one.point.score.value) for one in plan.sloppy]
        if curve.unit == "images"
        else [],
    )


def _make_table(curve: BudgetCurve) -> dict[str, object]:
    rows = [[point.labels, f"{percent(point.share)} %", points(point.score)] for point in curve.points]
    return {"title": curve.unit.capitalize(), "rows": rows}


def _collect_facts(plan: AnnotationPlan, command: str) -> dict[str, str]:
    facts = {"command": command} if command else {}
    facts["images"] = f"{plan.num_train} trained on, {plan.num_test} tested on; {plan.num_classes} classes"
    facts["network"] = plan.network.title
    facts["training"] = ", ".join(f"{name} {value}" for name, value in plan.training.model_dump().items())
    facts["seeds"] = ", ".join(map(str, plan.seeds))
    facts["computing time"] = f"{plan.seconds / 60:.1f} min, {count(len(plan.seeds), 'training')} a kind of labels"
    facts["versions"] = ", ".join(f"{name} {version}" for name, version in plan.versions.items())
    return facts


def _triple(one: Estimate) -> tuple[float, float, float]:
    return one.value, one.low, one.high
