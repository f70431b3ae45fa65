"""The page of an audit: one self-contained HTML file with the verdict, its numbers, and the labels to look at first.

What it shows was computed elsewhere. Images and labels are read again, one at a time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from metastructure.audit.audit_outputs import WRITTEN, AuditedFiles, number_objects, write_outputs
from metastructure.audit.audit_result import Audit, Finding, ImageAudit, ObjectAudit
from metastructure.audit.verdict import NAMES, Verdict
from metastructure.data.files import write_text
from metastructure.label import IGNORE
from metastructure.report.audit_text import describe_network, describe_ranking
from metastructure.report.charts import to_svg
from metastructure.report.html import render_html
from metastructure.report.pictures import Rgb, show_label
from metastructure.report.result_folder import PAGE_NAME, check_result_folder
from metastructure.report.thumbnails import OBJECT_COLOUR, choose_side_px, encode_jpeg, show_over, show_small

MOST_CARDS = 48
MOST_CLASSES = 16
"""Beyond this the transition matrix is left to audit.json."""

BOX_COLOUR = "#56b4e9"


def write_audit(audit: Audit, verdict: Verdict, out: Path, command: str = "") -> Path:
    """Write tables, regions, JSON and page into a new or empty folder and return the path of the page.

    The folder may hold the predictions of the audit's networks, and what a call that was stopped has written.
    """
    check_result_folder(out, () if audit.network is None else WRITTEN)
    write_outputs(audit, verdict, out)
    write_text(out / PAGE_NAME, render_audit(audit, verdict, command))
    return out / PAGE_NAME


def render_audit(audit: Audit, verdict: Verdict, command: str = "") -> str:
    """Return the page as HTML; every text in it is escaped.

    Parameters
    ----------
    audit : Audit
        Its images and labels must still be there.
    verdict : Verdict
    command : str
        The command that made it, shown on the page.
    """
    from markupsafe import Markup

    shifts = [one.shift_px for one in audit.images if not np.isnan(one.shift_px)]
    return render_html(
        "audit.html.j2",
        audit=audit,
        verdict=verdict,
        mood=verdict.level.split()[0],
        findings=[_finding_row(one) for one in audit.findings],
        network_findings=[] if audit.network is None else [_finding_row(one) for one in audit.network.findings],
        ranking=describe_ranking(audit),
        transition=_transition_rows(audit),
        naming=_describe_naming(audit),
        shifts=Markup(draw_shifts(shifts)) if len(shifts) > 1 else "",
        shifts_text=f"Of {len(shifts)} images, how far the label reaches beyond the edge (above 0) or stays inside it, "
        f"in pixels: median {np.median(shifts):+.2f}, from {min(shifts):+.2f} to {max(shifts):+.2f}."
        if shifts
        else "",
        cards=_make_cards(audit),
        colour=OBJECT_COLOUR,
        box_colour=BOX_COLOUR,
        command=command,
    )


def draw_shifts(shifts_px: Sequence[float]) -> str:
    """Return an SVG histogram of signed shifts in pixels."""
    from matplotlib.figure import Figure

    reach = max(2.0, float(np.ceil(np.abs(shifts_px).max())))
    figure = Figure(figsize=(5.6, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.hist(shifts_px, bins=np.arange(-reach, reach + 0.25, 0.25).tolist(), color="#0072b2")
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_xlabel("label inside the edge  <  0 px  <  label beyond the edge")
    axes.set_ylabel("images")
    axes.spines[["top", "right"]].set_visible(False)
    return to_svg(figure)


def _finding_row(one: Finding) -> dict[str, str]:
    e, unit = one.evidence, one.unit.split(",")[0]
    factor, unit = (100, unit.replace("share", "%", 1)) if unit.startswith("share ") else (1, unit)
    span = "" if np.isnan(e.low) else f" [{factor * e.low:.3g}, {factor * e.high:.3g}]"
    number = "–" if np.isnan(e.value) else f"{factor * e.value:.3g}{span} {unit}"
    return {
        "name": NAMES[one.kind],
        "confidence": one.confidence,
        "number": number,
        "sentence": one.sentence,
        "null": one.null,
    }


def _transition_rows(audit: Audit) -> list[list[str]]:
    found = audit.random
    if not found.identified or audit.num_classes > MOST_CLASSES:
        return []
    return [
        [str(klass), *(_percent(cell.value, cell.low, cell.high) for cell in (*row, found.class_shares[klass]))]
        for klass, row in enumerate(found.transition)
    ]


def _percent(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return "–"
    return f"{100 * value:.1f}" + ("" if np.isnan(low) else f" [{100 * low:.1f}, {100 * high:.1f}]")


def _describe_naming(audit: Audit) -> str:
    named = {
        "background": "Class 0 is taken to be the largest.",
        "diagonal": "Labels are taken to be more often right than wrong.",
    }[audit.random.convention]
    return f"{named} The labels fit the other reading too." if audit.random.disputed else named


def _make_cards(audit: Audit) -> list[dict[str, object]]:
    ranked, scores = audit.ranked()[:MOST_CARDS], audit.network_scores()
    numbered, files = number_objects(audit.objects), AuditedFiles(audit)
    side_px = choose_side_px(2 * len(ranked))
    return [
        _make_card(files, audit.num_classes, one, [pair for pair in numbered if pair[1].image == one.name], side_px)
        | {"network": describe_network(audit, scores[one.name]) if one.name in scores else ""}
        for one in ranked
    ]


def _make_card(
    files: AuditedFiles, num_classes: int, one: ImageAudit, objects: list[tuple[int, ObjectAudit]], side_px: int
) -> dict[str, object]:
    label, image = files.load_label(one.name), files.load_image(one.name)
    if image is None or image.shape[:2] != label.shape or num_classes > 2:
        small = show_small(show_label(label, num_classes), side_px)
    else:
        small = show_small(image, side_px)
        small = show_over(small, ((label > 0) & (label != IGNORE)).astype(np.uint8))
    return {
        "name": one.name,
        "image": None if image is None else encode_jpeg(show_small(image, side_px)),
        "over": encode_jpeg(draw_boxes(small, label.shape, objects)),
        "suspicion": f"{one.suspicion:.2f}",
        "why": one.strongest or one.reason or "",
        "objects": "; ".join(f"{number}: {found.why}" for number, found in objects[:6])
        + (f"; and {len(objects) - 6} more" if len(objects) > 6 else ""),
    }


def draw_boxes(small: Rgb, shape: tuple[int, ...], objects: Sequence[tuple[int, ObjectAudit]]) -> Rgb:
    """Return a small picture of a label of `shape` (H, W) with the numbered boxes of suspicious objects."""
    drawn = Image.fromarray(small)
    pen = ImageDraw.Draw(drawn)
    scale = small.shape[0] / shape[0]
    for number, one in objects:
        top, left, bottom, right = (round(edge * scale) for edge in one.box)
        pen.rectangle((left - 1, top - 1, right, bottom), outline=BOX_COLOUR)
        pen.text((right + 2, top - 2), str(number), fill=BOX_COLOUR)
    return np.asarray(drawn)
