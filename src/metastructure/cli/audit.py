"""``metastructure audit``: what labels are worth that nobody vouches for."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from metastructure.cli.options import JsonOption
from metastructure.cli.progress import show_progress
from metastructure.cli.repair import ConventionChoice


def audit(
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help="Folder of images, a data set, or LABELS alone.")],
    labels: Annotated[
        Path | None, typer.Argument(metavar="LABELS", help="Folder of PNG and TIFF labels under the same names.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="New folder for page, tables and regions.")
    ] = None,
    classes: Annotated[int | None, typer.Option(min=2, max=255, help="Number of classes, background included.")] = None,
    convention: Annotated[
        ConventionChoice | None,
        typer.Option(help="Class 0 is the largest (background), or labels are more often right than wrong (diagonal)."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Say of labels, without clean ones: how wrong, in which way, does it matter, what to fix first.

    Looks for random pixels, wandering and displaced boundaries, strokes and boxes, missing and spurious objects,
    exchanged classes, moved labels, outliers and duplicates. Without images, for what labels alone can tell. Files are
    only read. DIR holds index.html, audit.json, images.csv, objects.csv, and the suspicious regions for napari and
    ImageJ.

    Example: metastructure audit images labels -o audited
    """
    from metastructure.audit.audit_folder import audit_folder
    from metastructure.audit.verdict import Judged, judge
    from metastructure.report.result_folder import check_result_folder

    if out is not None:
        check_result_folder(out)
    holds_both = (images / "labels").is_dir() or (images / "train" / "labels").is_dir()
    folders = (images, labels) if labels is not None else (images if holds_both else None, images)
    with show_progress("auditing") as on_item:
        found = audit_folder(
            *folders,
            num_classes=classes,
            convention=None if convention is None else convention.value,
            seed=seed,
            on_item=on_item,
        )
    verdict = judge(found)
    page = None
    if out is not None:
        from metastructure.report.audit_page import write_audit

        page = write_audit(found, verdict, out, shlex.join(["metastructure", *sys.argv[1:]]))
    if as_json:
        from metastructure.data.strict_json import to_json

        print(to_json(Judged(verdict=verdict, audit=found)))
        return
    from metastructure.report.audit_text import to_text

    print(to_text(found, verdict))
    print(f"\npage: {page}" if page else "\nfor the page with pictures, tables and regions: add -o DIR")
