"""The page of a comparison of annotators: verdict, agreement, how each draws, the images they agree on least.

What it shows was computed elsewhere. Images and labels are read again, one at a time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metastructure.audit.annotator_files import AnnotatorFolders, write_consensus
from metastructure.audit.annotator_outputs import CONSENSUS_NAME, write_comparison
from metastructure.audit.annotator_result import AnnotatorComparison, AnnotatorReport, ImageAgreement, PairAgreement
from metastructure.audit.annotator_verdict import AnnotatorVerdict
from metastructure.audit.consensus import consensus_label
from metastructure.data.files import ImageArray, write_text
from metastructure.label import IGNORE, LabelArray
from metastructure.report.charts import to_svg
from metastructure.report.html import render_html
from metastructure.report.pictures import Rgb, show_label
from metastructure.report.result_folder import PAGE_NAME, check_result_folder
from metastructure.report.thumbnails import choose_side_px, encode_jpeg, show_over, show_small
from metastructure.structure.estimate import Estimate

MOST_CARDS = 12
MOST_SHOWN = 8
"""Annotators beside each image."""

MOST_CLASSES = 6
"""Beyond this the matrices are left to annotators.json."""

LIGHTEST, DARKEST = 0.08, 0.55
"""Opacity of the cells of the least and of the most alike."""

CONSENSUS_COLOUR, EDGE_COLOUR = "#0072b2", "#d55e00"


def write_annotators(
    folders: AnnotatorFolders,
    found: AnnotatorComparison,
    verdict: AnnotatorVerdict,
    out: Path,
    command: str = "",
    with_consensus: bool = False,
) -> Path:
    """Write tables, JSON, page and, if asked for, the consensus labels into a new or empty folder; return the page."""
    check_result_folder(out)
    if with_consensus:
        write_consensus(folders, found, out / CONSENSUS_NAME)
    write_comparison(found, verdict, out)
    write_text(out / PAGE_NAME, render_annotators(folders, found, verdict, command, with_consensus))
    return out / PAGE_NAME


def render_annotators(
    folders: AnnotatorFolders,
    found: AnnotatorComparison,
    verdict: AnnotatorVerdict,
    command: str = "",
    with_consensus: bool = False,
) -> str:
    """Return the page as HTML; every text in it is escaped.

    Parameters
    ----------
    folders : AnnotatorFolders
        Its labels and images must still be there.
    found : AnnotatorComparison
    verdict : AnnotatorVerdict
    command : str
        The command that made it, shown on the page.
    with_consensus : bool
        Whether consensus labels lie beside it.
    """
    from markupsafe import Markup

    has_shift = any(not np.isnan(one.consensus_shift_px.value) for one in found.annotators)
    few = found.num_classes <= MOST_CLASSES
    return render_html(
        "annotators.html.j2",
        found=found,
        verdict=verdict,
        heat=_heat_rows(found),
        shifts=Markup(draw_shifts(found.annotators, found.against)) if has_shift else "",
        pairs=[_pair_row(pair) for pair in found.pairs],
        scores=[_score_row(one) for one in found.annotators],
        habits=[_habit_row(one) for one in found.annotators],
        matrices=[_matrix_table(one, found.method == "agreement") for one in found.annotators] if few else [],
        cards=_make_cards(folders, found),
        consensus=CONSENSUS_NAME if with_consensus else "",
        command=command,
    )


def draw_shifts(annotators: Sequence[AnnotatorReport], against: str) -> str:
    """Return an SVG of how far each annotator draws outside the consensus (`against`) and the edges, with intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.0 + 0.5 * len(annotators)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(annotators))[::-1]
    for name, colour, aside, shifts in (
        (against, CONSENSUS_COLOUR, 0.14, [one.consensus_shift_px for one in annotators]),
        ("the edges of the images", EDGE_COLOUR, -0.14, [one.edge_shift_px for one in annotators]),
    ):
        if all(np.isnan(one.value) for one in shifts):
            continue
        axes.barh(places + aside, [one.value for one in shifts], height=0.24, color=colour, alpha=0.55, label=name)
        for place, one in zip(places, shifts, strict=True):
            axes.plot([one.low, one.high], [place + aside] * 2, color=colour, linewidth=2.4, solid_capstyle="butt")
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_yticks(places, [one.name for one in annotators])
    axes.set_xlabel("objects drawn too small  <  0 px  <  too large")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return to_svg(figure)


def _heat_rows(found: AnnotatorComparison) -> list[tuple[str, list[dict[str, str]]]]:
    """Return, for each annotator, the cells of his row: Dice and shade."""
    dice = {frozenset((pair.first, pair.second)): pair.dice.value for pair in found.pairs}
    names = [one.name for one in found.annotators]
    known = [value for value in dice.values() if not np.isnan(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    return [
        (one, [_heat_cell(dice.get(frozenset((one, other)), float("nan")), low, high) for other in names])
        for one in names
    ]


def _heat_cell(dice: float, low: float, high: float) -> dict[str, str]:
    if np.isnan(dice):
        return {"text": "–", "shade": "0"}
    shade = LIGHTEST + (DARKEST - LIGHTEST) * ((dice - low) / (high - low) if high > low else 0.5)
    return {"text": f"{dice:.3f}", "shade": f"{shade:.2f}"}


def _pair_row(pair: PairAgreement) -> list[str]:
    numbers = [_number(pair.dice, 3), _number(pair.kappa, 3), _number(pair.distance_px, 2)]
    return [f"{pair.first}, {pair.second}", str(pair.num_images), *numbers]


def _score_row(one: AnnotatorReport) -> list[str]:
    numbers = [_number(one.dice, 3), _number(one.error, 1, 100), _number(one.inner_error, 1, 100)]
    return [one.name, str(one.place) if one.place else "–", str(one.num_images), *numbers]


def _habit_row(one: AnnotatorReport) -> list[str]:
    shifts = [_number(shift, 2, signed=True) for shift in (one.consensus_shift_px, one.edge_shift_px)]
    return [one.name, *shifts, _number(one.missed, 1, 100), _number(one.added, 1, 100)]


def _number(found: Estimate, digits: int, factor: float = 1, signed: bool = False) -> str:
    if np.isnan(found.value):
        return "–"
    form = f"{'+' if signed else ''}.{digits}f"
    span = "" if np.isnan(found.low) else f" [{factor * found.low:{form}}, {factor * found.high:{form}}]"
    return f"{factor * found.value:{form}}{span}"


def _matrix_table(one: AnnotatorReport, with_inner: bool) -> dict[str, object]:
    classes = range(len(one.transition))
    header = ["hidden class", *(f"gives {klass}" for klass in classes)]
    rows = [[str(klass), *(_number(cell, 1, 100) for cell in row)] for klass, row in enumerate(one.transition)]
    if with_inner:
        header += [f"inside {klass}" for klass in classes]
        for row, inner in zip(rows, one.inner_transition, strict=True):
            row += [_number(cell, 1, 100) for cell in inner]
    return {"name": one.name, "header": header, "rows": rows}


def _make_cards(folders: AnnotatorFolders, found: AnnotatorComparison) -> list[dict[str, object]]:
    disputed = [one for one in found.images if one.num_annotators > 1 and one.disputed_share > 0][:MOST_CARDS]
    side_px = choose_side_px(sum(min(one.num_annotators, MOST_SHOWN) + 2 for one in disputed))
    return [_make_card(folders, found, one, side_px) for one in disputed]


def _make_card(
    folders: AnnotatorFolders, found: AnnotatorComparison, one: ImageAgreement, side_px: int
) -> dict[str, object]:
    given = folders.given(one.name)
    image = folders.images[one.name] if folders.images is not None and one.name in folders.images else None
    shown = [*list(given.items())[:MOST_SHOWN], ("consensus", consensus_label(given, found)[0])]
    pictures = [(name, encode_jpeg(_show(image, label, found.num_classes, side_px))) for name, label in shown]
    return {
        "name": one.name,
        "dice": "–" if np.isnan(one.dice) else f"{one.dice:.2f}",
        "disputed": f"{100 * one.disputed_share:.1f}",
        "furthest": one.furthest,
        "left_out": max(0, len(given) - MOST_SHOWN),
        "image": None if image is None else encode_jpeg(show_small(image, side_px)),
        "labels": pictures,
    }


def _show(image: ImageArray | None, label: LabelArray, num_classes: int, side_px: int) -> Rgb:
    if image is None or num_classes > 2:
        return show_small(show_label(label, num_classes), side_px)
    return show_over(show_small(image, side_px), ((label > 0) & (label != IGNORE)).astype(np.uint8))
