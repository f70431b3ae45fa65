"""The checks of the theory in tables and sentences: for the terminal, the page and the documentation."""

import textwrap
from collections.abc import Sequence

from metastructure.data.theory_report import TheoryReport, Verdict
from metastructure.data.theory_verdicts import lemma_2_verdict, theorem_2_verdict

COLUMNS = 80
SHORT = {Verdict.holds: "holds", Verdict.fails: "FAILS", Verdict.unseen: "not seen"}
_INDENT = 28


def to_text(report: TheoryReport) -> str:
    """Return the verdicts as plain text of at most 80 columns."""
    lines = [*_wrap(describe_labels(report)), ""]
    for statement in report.statements:
        head = f"{statement.name:<27}"
        for index, line in enumerate(textwrap.wrap(statement.reason, COLUMNS - _INDENT - 9)):
            verdict = SHORT[statement.verdict] if index == 0 else ""
            lines.append(f"{head if index == 0 else '':<27} {verdict:<9}{line}".rstrip())
    return "\n".join([*lines, "", *_wrap("not seen: cannot be seen with these images. Statements, criteria: --json.")])


def describe_labels(report: TheoryReport) -> str:
    """Return what was checked."""
    return (
        f"{report.labels}: {report.num_images} of {report.num_found} labels, {report.num_present} of "
        f"{report.num_classes} classes occur, objects {report.object_width_px:.0f} px wide, windows of half-width "
        f"{report.half_width_px} px, seed {report.seed}"
    )


def statement_table(report: TheoryReport) -> list[list[str]]:
    """Return statement, verdict and numbers, header first."""
    rows = [[one.name, str(one.verdict), one.reason] for one in report.statements]
    return [["statement", "verdict", "numbers"], *rows]


def noise_table(report: TheoryReport) -> list[list[str]]:
    """Return Lemma 2 and Theorem 2 noise by noise, header first."""
    rows = [["noise", "rank", "found", "Lemma 2", "sigma_min", "predicted", "corrected", "uncorrected", "Theorem 2"]]
    for first, second in zip(report.lemma_2, report.theorem_2, strict=True):
        rows.append(
            [
                first.name,
                str(first.rank),
                str(first.num_surviving),
                SHORT[lemma_2_verdict(first)],
                f"{first.sigma_min:.3f}",
                f"{second.predicted:.3g}",
                str(second.corrected),
                str(second.uncorrected),
                SHORT[theorem_2_verdict(first, second)],
            ]
        )
    return rows


def to_markdown(table: Sequence[Sequence[str]]) -> list[str]:
    """Return a table, header first, as lines of Markdown."""
    header, *rows = table
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS)
