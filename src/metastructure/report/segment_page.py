"""The pages of a segmentation without labels: one self-contained HTML file to look the labels through, or to choose.

What they show was computed elsewhere. Images and labels are read again, one at a time.
"""

import shlex
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TypeVar

from metastructure.data.files import load_image, load_label, write_text
from metastructure.report.html import render_html
from metastructure.report.segment_text import (
    describe_assumptions,
    describe_over_half,
    describe_seconds,
    describe_settings,
    describe_shares,
)
from metastructure.report.thumbnails import OBJECT_COLOUR, choose_side_px, encode_jpeg, show_over, show_small
from metastructure.unsupervised.folder_result import (
    Comparison,
    FolderSegmentation,
    SegmentedImage,
    spread_evenly,
)

Item = TypeVar("Item")

PAGE_NAME = "page.html"
MOST_SHOWN, MOST_ODD, MOST_ROWS = 100, 24, 12


def write_segment_page(found: FolderSegmentation | Comparison, command: str = "") -> Path:
    """Write ``OUT/page.html`` of one method or of several and return its path."""
    path = Path(found.out) / PAGE_NAME
    html = (
        render_segment_page(found, command)
        if isinstance(found, FolderSegmentation)
        else render_compare_page(found, command)
    )
    write_text(path, html)
    return path


def render_segment_page(found: FolderSegmentation, command: str = "") -> str:
    """Return the page of one method as HTML; every text in it is escaped.

    Parameters
    ----------
    found : FolderSegmentation
        Its images and labels must still be there.
    command : str
        The command that made it, shown on the page.
    """
    odd = set(found.odd)
    others = [item for item in found.items if item not in odd]
    first = _spread(found.odd, MOST_ODD)
    rest = _spread(others, MOST_SHOWN - len(first))
    side_px = choose_side_px(2 * (len(first) + len(rest)))
    return render_html(
        "segment.html.j2",
        found=found,
        assumed=[*describe_assumptions(found), *describe_over_half(found)],
        shares=describe_shares(found),
        num_odd=len(odd),
        num_others=len(others),
        odd=[_encode(item, found, side_px) for item in first],
        rest=[_encode(item, found, side_px) for item in rest],
        settings=describe_settings(found),
        colour=OBJECT_COLOUR,
        again=None
        if found.fitted is None
        else f"metastructure segment NEW_IMAGES NEW_OUT --fitted {shlex.quote(found.fitted)}",
        command=command,
    )


def render_compare_page(found: Comparison, command: str = "") -> str:
    """Return the page of several methods as HTML; every text in it is escaped."""
    results = [one.result for one in found.methods]
    files = sorted({item.file for result in results for item in result.items})
    shown = _spread(files, MOST_ROWS)
    side_px = choose_side_px(len(shown) * (1 + len(found.methods)))
    return render_html(
        "compare.html.j2",
        found=found,
        assumed=describe_assumptions(results[0]),
        num_images=len(files),
        methods=[
            {
                "title": one.title,
                "seconds": describe_seconds(one.result),
                "shares": describe_shares(one.result),
                "num_odd": len(one.result.odd),
                "labels": str(one.result.labels),
            }
            for one in found.methods
        ],
        rows=[_encode_row(file, found, side_px) for file in shown],
        agreement=[[_agreement_cell(dice) for dice in row] for row in found.agreement],
        failures={file: reason for result in results for file, reason in result.failures.items()},
        colour=OBJECT_COLOUR,
        command=command,
    )


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    return [items[index] for index in spread_evenly(len(items), most)]


def _encode(item: SegmentedImage, found: FolderSegmentation, side_px: int) -> dict[str, str]:
    small = show_small(load_image(Path(found.images) / item.file), side_px)
    over = show_over(small, load_label(found.labels / item.label, 2))
    return {
        "file": item.file,
        "size": f"{item.height} x {item.width} px",
        "share": f"{100 * item.foreground:.1f}\u00a0%",
        "remark": item.remark,
        "image": encode_jpeg(small),
        "over": encode_jpeg(over),
    }


def _encode_row(file: str, found: Comparison, side_px: int) -> dict[str, object]:
    small = show_small(load_image(Path(found.images) / file), side_px)
    cells = []
    for one in found.methods:
        item = next((item for item in one.result.items if item.file == file), None)
        cells.append(
            {
                "title": one.title,
                "over": item and encode_jpeg(show_over(small, load_label(one.result.labels / item.label, 2))),
                "share": item and f"{100 * item.foreground:.1f}\u00a0%",
                "remark": item and item.remark,
            }
        )
    return {"file": file, "image": encode_jpeg(small), "cells": cells}


def _agreement_cell(dice: float) -> dict[str, str]:
    """Return the text of a Dice and how deep its cell is painted."""
    return {"text": "–", "depth": "0"} if isnan(dice) else {"text": f"{dice:.2f}", "depth": f"{0.55 * dice:.2f}"}
