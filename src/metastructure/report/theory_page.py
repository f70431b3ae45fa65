"""The page of the checks of the theory: one self-contained HTML file, a figure a statement."""

from pathlib import Path

from metastructure.data.theory_report import Statement, TheoryReport
from metastructure.report.charts import to_svg
from metastructure.report.html import render_html
from metastructure.report.result_folder import write_result
from metastructure.report.theory_figures import draw_theory
from metastructure.report.theory_text import describe_labels, noise_table

JSON_NAME = "theory.json"

FIGURES = {
    "Lemma 1": "lemma-1",
    "Lemma 2": "lemma-2",
    "Theorem 1, dilated": "theorem-1",
    "Theorem 2": "theorem-2",
    "Limit: singular rate": "singular-rate",
    "Limit: wide windows": "windows",
    "Limit: exact counts": "exact-counts",
}
"""Below which statement a figure stands; the statements between share it."""


def write_theory(report: TheoryReport, out: Path, command: str = "") -> Path:
    """Write ``theory.json`` and ``index.html`` into a new or empty folder and return the path of the page."""
    return write_result(out, JSON_NAME, report, render_theory(report, command))


def render_theory(report: TheoryReport, command: str = "") -> str:
    """Return the page as HTML; every text in it is escaped.

    Parameters
    ----------
    report : TheoryReport
    command : str
        The command that made it, shown on the page.
    """
    from markupsafe import Markup

    figures = draw_theory(report)
    header, *rows = noise_table(report)
    return render_html(
        "theory.html.j2",
        report=report,
        described=describe_labels(report),
        sections=[
            {"statements": group, "figure": Markup(to_svg(figures[FIGURES[group[0].name]]))}
            for group in _group(report.statements)
        ],
        header=header,
        rows=rows,
        command=command,
    )


def _group(statements: tuple[Statement, ...]) -> list[list[Statement]]:
    """Return the statements in groups that share a figure."""
    groups: list[list[Statement]] = []
    for statement in statements:
        if statement.name in FIGURES:
            groups.append([])
        groups[-1].append(statement)
    return groups
