"""The page and the texts of the theory: everything shown, escaped, within 80 columns, nothing fetched."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from metastructure.data.theory import check_theory
from metastructure.data.theory_report import TheoryReport, Verdict
from metastructure.report.charts import to_svg
from metastructure.report.theory_figures import draw_lemma_2, draw_theory
from metastructure.report.theory_page import FIGURES, render_theory, write_theory
from metastructure.report.theory_text import noise_table, statement_table, to_markdown, to_text
from metastructure.rng import generator


@pytest.fixture(scope="module", autouse=True)
def _few_resamples() -> Iterator[None]:
    """Intervals as wide as all values of 50 resamples: near 99 %, in an eighth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metastructure.data.theory.NUM_RESAMPLES", 50)
        yield


@pytest.fixture(scope="module")
def report() -> TheoryReport:
    coarse = generator(1).integers(0, 3, (2, 5, 6)).astype(np.uint8)
    return check_theory([np.kron(block, np.ones((6, 6), np.uint8)) for block in coarse])


def test_the_page_stands_alone_and_shows_every_statement(report: TheoryReport, tmp_path: Path) -> None:
    path = write_theory(report, tmp_path / "out", "metastructure measure theory")
    html = path.read_text(encoding="utf-8")
    HTMLParser().feed(html)
    for statement in report.statements:
        assert statement.name in html
        assert str(statement.verdict) in html
    assert html.count("<svg") == len(FIGURES)
    assert "metastructure measure theory" in html
    assert html.count("<script") == 1  # the page's own
    for word in ("<script src", '<link rel="stylesheet', 'src="http', "url(http"):
        assert word not in html
    kept = TheoryReport.model_validate_json((tmp_path / "out" / "theory.json").read_text(encoding="utf-8"))
    assert kept.model_dump_json() == report.model_dump_json()


def test_no_column_is_as_wide_as_its_longest_name(report: TheoryReport) -> None:
    """Names of noises may be whole matrices, and screens 400 px wide: a column must not grow with its content."""
    assert "max-content" not in render_theory(report)


def test_every_text_is_escaped(report: TheoryReport) -> None:
    assert "<b>x" not in render_theory(report.model_copy(update={"labels": "<b>x"}), "<b>x")


def test_a_figure_for_each_group_of_statements(report: TheoryReport) -> None:
    figures = draw_theory(report)
    assert set(figures) == set(FIGURES.values())
    assert set(FIGURES) <= {one.name for one in report.statements}
    assert report.statements[0].name in FIGURES
    for figure in figures.values():
        ElementTree.fromstring(to_svg(figure))
    first, again = (to_svg(draw_lemma_2(report)) for _ in range(2))
    assert first == again


def test_figures_without_intervals_can_be_drawn(report: TheoryReport) -> None:
    label = np.kron(generator(1).integers(0, 2, (5, 6)).astype(np.uint8), np.ones((6, 6), np.uint8))
    assert "<svg" in render_theory(check_theory([label]))


def test_the_text_fits_the_terminal_and_gives_verdicts_as_they_are(report: TheoryReport) -> None:
    lines = to_text(report).splitlines()
    assert max(map(len, lines)) <= 80
    fails = report.statements[3].model_copy(update={"verdict": Verdict.fails})
    unseen = report.statements[3].model_copy(update={"verdict": Verdict.unseen})
    for changed, word in ((fails, "FAILS"), (unseen, "not seen")):
        text = to_text(report.model_copy(update={"statements": (changed,)}))
        (line,) = (line for line in text.splitlines() if line.startswith(changed.name))
        assert line[28:].startswith(word)


def test_tables(report: TheoryReport) -> None:
    assert len(statement_table(report)) == 1 + len(report.statements)
    header, *rows = noise_table(report)
    assert len(rows) == len(report.lemma_2)
    assert {len(row) for row in rows} == {len(header)}
    merged = next(row for row in rows if row[0] == "rows merged")
    assert (merged[header.index("rank")], merged[header.index("predicted")]) == ("2", "0.5")
    assert to_markdown([["a", "b"], ["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
