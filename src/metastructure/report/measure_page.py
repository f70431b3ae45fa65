"""The page of a measurement: one self-contained HTML file with tables, density maps and curves."""

from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from metastructure.data.measure_examples import MeasuredExample, choose_maps, find_left_out, load_examples, rank_classes
from metastructure.data.measurement import ClassMeasure, Comparison, Measurement
from metastructure.report.charts import Curve, Series, draw_curves, draw_series
from metastructure.report.html import render_html
from metastructure.report.measure_text import (
    ABSENT,
    class_table,
    comparison_facts,
    describe_estimate,
    describe_sample,
    describe_size,
    describe_surviving,
    similarity_table,
)
from metastructure.report.pictures import LUMA, encode_png, show_image, show_label
from metastructure.report.result_folder import write_result
from metastructure.report.shares import class_colour, show_share, to_hex

Pixel = TypeVar("Pixel", bound=np.generic)

MOST_CURVES = 12
MOST_TABLE_CLASSES = 32
SHOWN_SIDE_PX = 384
"""Larger pictures are thinned out; a page is looked at, not measured."""

MIDDLE_GREY = 140
"""The brightness at which ink turns from white to black."""

JSON_NAME = "measurement.json"


def write_measurement(measurement: Measurement, out: Path, command: str = "") -> Path:
    """Write ``measurement.json`` and ``index.html`` into a new or empty folder and return the path of the page."""
    html = render_measurement(measurement, load_examples(measurement), command)
    return write_result(out, JSON_NAME, measurement, html)


def render_measurement(measurement: Measurement, examples: list[MeasuredExample], command: str = "") -> str:
    """Return the page as HTML; every text in it is escaped.

    Parameters
    ----------
    measurement : Measurement
    examples : list of MeasuredExample
        From `metastructure.data.measure_examples.load_examples`.
    command : str
        The command that made it, shown on the page.
    """
    from markupsafe import Markup

    ranked = rank_classes(measurement)
    shown = [measurement.classes[klass] for klass in ranked[:MOST_CURVES]]
    curves = [_make_curve(one, measurement) for one in shown if not np.isnan(one.test.l_minus_r).all()]
    header, *rows = class_table(measurement)
    comparison = measurement.comparison
    return render_html(
        "measure.html.j2",
        m=measurement,
        size=describe_size(measurement),
        sample=describe_sample(measurement),
        surviving=describe_surviving(measurement),
        header=header,
        rows=[(class_colour(int(row[0]), measurement.num_classes), row) for row in rows],
        left_out=find_left_out(measurement),
        num_hidden=len(ranked) - len(shown),
        curves=Markup(_draw_curves(curves)) if curves else "",
        curves_text="; ".join(curve.title for curve in curves),
        comparison=comparison and _describe_comparison(measurement, comparison),
        maps=[f"class {klass}, half-width {h} px" for klass, h in choose_maps(measurement)],
        examples=[_encode(example, measurement.num_classes) for example in examples],
        scale=encode_png(show_share(np.linspace(0, 1, 128)[None].repeat(8, axis=0))),
        command=command,
    )


def _draw_curves(curves: list[Curve]) -> str:
    return draw_curves(curves, "distance r in px", "L(r) - r in px", "all labels")


def _make_curve(one: ClassMeasure, measurement: Measurement) -> Curve:
    whole = len(measurement.sample.ids) == measurement.num_images and one.l_minus_r == one.test.l_minus_r
    p = "undefined" if np.isnan(one.test.p_value) else f"{one.test.p_value:.2f}"
    return Curve(
        title=f"class {one.klass} ({100 * one.share:.1f} %), p = {p}",
        x=measurement.radii_px,
        observed=one.test.l_minus_r,
        low=one.test.low,
        high=one.test.high,
        other=None if whole else one.l_minus_r,
    )


def _describe_comparison(measurement: Measurement, comparison: Comparison) -> dict[str, object]:
    from markupsafe import Markup

    scales = comparison.similarity.scales
    series = [
        Series(name, [e.value for e in found], [e.low for e in found], [e.high for e in found])
        for name, found in (
            ("corrected", [scale.corrected for scale in scales]),
            ("uncorrected", [scale.uncorrected for scale in scales]),
            ("distance", [scale.distance for scale in scales]),
        )
    ]
    header, *rows = similarity_table(measurement)
    many = measurement.num_classes > MOST_TABLE_CLASSES
    return {
        "folder": comparison.folder,
        "header": header,
        "rows": rows,
        "facts": comparison_facts(measurement),
        "plot": Markup(draw_series([s.half_width_px for s in scales], series, "half-width of the windows in px")),
        "plot_text": "; ".join(f"{row[0]}: {row[1]}" for row in rows),
        "dice": [describe_estimate(one) for one in comparison.dice],
        "transition": None if many else [[_heat_cell(value) for value in row] for row in comparison.transition],
    }


def _heat_cell(share: float) -> dict[str, str]:
    """Return the text and colours of one entry of the transition matrix."""
    if np.isnan(share):
        return {"text": ABSENT, "paper": "#f5f6f8", "ink": "#595959"}
    paper = show_share(np.array([[share]]))
    is_dark = LUMA @ paper[0, 0] < MIDDLE_GREY
    return {"text": f"{100 * share:.1f}", "paper": to_hex(paper), "ink": "#ffffff" if is_dark else "#000000"}


def _encode(example: MeasuredExample, num_classes: int) -> dict[str, object]:
    return {
        "id": example.id,
        "image": None if example.image is None else encode_png(_thin(show_image(example.image))),
        "label": encode_png(_thin(show_label(example.label, num_classes))),
        "clean": None if example.clean is None else encode_png(_thin(show_label(example.clean, num_classes))),
        "maps": [
            {
                "label": encode_png(show_share(_thin(one.label))),
                "clean": None if one.clean is None else encode_png(show_share(_thin(one.clean))),
            }
            for one in example.maps
        ],
    }


def _thin(pixels: npt.NDArray[Pixel]) -> npt.NDArray[Pixel]:
    step = -(-max(pixels.shape[:2]) // SHOWN_SIDE_PX)
    return pixels[::step, ::step]
