"""The page of a study: one self-contained HTML file with the table, the bars and a few test images.

It opens from disk and asks nothing of any network. What it shows was computed elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metastructure.data.files import write_text
from metastructure.label import LabelArray
from metastructure.report.bars import Bar, describe_value, draw_bars
from metastructure.report.charts import to_svg
from metastructure.report.html import render_html
from metastructure.report.learning import Learning, draw_learning
from metastructure.report.pictures import encode_png, show_difference, show_image, show_label, show_prediction


@dataclass(frozen=True, eq=False)
class Example:
    """One test image with, for each kind of label, such a label and what a network trained on them predicts.

    Attributes
    ----------
    id : str
    image : (H, W) or (H, W, 3) array
    truth : (H, W) label
    answers : mapping from the label's name to (noisy label, prediction)
    """

    id: str
    image: npt.NDArray[np.generic]
    truth: LabelArray
    answers: Mapping[str, tuple[LabelArray, LabelArray]]


@dataclass(frozen=True)
class Section:
    """One data set and network of a study.

    Attributes
    ----------
    title : str
    axis_title : str
        Of the bars.
    bars : sequence of Bar
    examples : sequence of Example
    num_classes : int
    learning : sequence of Learning
        How each network learnt, epoch by epoch; without it there is no such figure.
    """

    title: str
    axis_title: str
    bars: Sequence[Bar]
    examples: Sequence[Example]
    num_classes: int
    learning: Sequence[Learning] = ()


@dataclass(frozen=True)
class Page:
    """All that a study's page shows.

    Attributes
    ----------
    title, description : str
    header, rows : texts of the table
    sections : sequence of Section
    facts : mapping
        How the results came about: command, versions, date.
    notes : sequence of str
        Sentences below the table.
    claims : sequence of rows of texts
        What the study claimed and what became of it; the first row is the header. Without rows there is no section.
    claims_note : str
        Sentences below it.
    """

    title: str
    description: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    sections: Sequence[Section]
    facts: Mapping[str, str]
    notes: Sequence[str] = field(default_factory=tuple)
    claims: Sequence[Sequence[str]] = field(default_factory=tuple)
    claims_note: str = ""


def write_page(page: Page, path: Path) -> None:
    """Write the page to `path`, whole or not at all."""
    write_text(path, render_page(page))


def render_page(page: Page) -> str:
    """Return the page as HTML; every text in it is escaped."""
    from markupsafe import Markup

    sections = [
        {
            "title": section.title,
            "bars": Markup(draw_bars(section.bars, section.axis_title)),
            "bars_text": "; ".join(f"{bar.label}: {describe_value(bar.value)}" for bar in section.bars),
            "binary": section.num_classes == 2,
            "learning": Markup(to_svg(draw_learning(section.learning))) if section.learning else None,
            "learning_text": "; ".join(_describe_learning(panel) for panel in section.learning),
            "examples": [_encode_example(example, section.num_classes) for example in section.examples],
        }
        for section in page.sections
    ]
    return render_html("study.html.j2", page=page, sections=sections)


def _describe_learning(panel: Learning) -> str:
    fall = "does not fall for good" if panel.start is None else f"falls for good from epoch {panel.start}"
    return f"{panel.title}: agreement with the clean labels {fall}"


def _encode_example(example: Example, num_classes: int) -> dict[str, object]:
    return {
        "id": example.id,
        "image": encode_png(show_image(example.image)),
        "truth": encode_png(show_label(example.truth, num_classes)),
        "answers": [
            {
                "name": name,
                "noisy": encode_png(show_label(noisy, num_classes)),
                "prediction": encode_png(show_prediction(prediction, example.truth, num_classes)),
                "difference": encode_png(show_difference(prediction, example.truth, num_classes)),
            }
            for name, (noisy, prediction) in example.answers.items()
        ],
    }
