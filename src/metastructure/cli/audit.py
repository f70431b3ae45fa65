"""``metastructure audit``: what labels are worth that nobody vouches for."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metastructure.cli.options import Device, DeviceOption, JsonOption, ThreadsOption
from metastructure.cli.progress import show_progress
from metastructure.cli.repair import ConventionChoice

if TYPE_CHECKING:
    from metastructure.audit.audit_result import Audit

UNFINISHED = ("audit.json", "images.csv", "objects.csv", "regions", "pixels", "out-of-fold")
"""As `metastructure.audit.audit_outputs.WRITTEN`, which wrong use should not have to wait for."""


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
    out_of_fold: Annotated[
        bool, typer.Option("--out-of-fold", help="Train networks on parts of the labels that judge the others.")
    ] = False,
    folds: Annotated[int | None, typer.Option(min=2, help="Parts, as many as networks; by default 5.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each network; by default 20.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals, the folds and the networks.")] = 0,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say of labels, without clean ones: how wrong, in which way, does it matter, what to fix first.

    Looks for random pixels, wandering and displaced boundaries, strokes and boxes, missing and spurious objects,
    exchanged classes, moved labels, outliers and duplicates. Without images, for what labels alone can tell. Files are
    only read. DIR holds index.html, audit.json, images.csv, objects.csv, and the suspicious regions for napari and
    ImageJ. With --out-of-fold networks rank images and objects, and DIR keeps their predictions: after an interruption
    the same command goes on.

    Example: metastructure audit images labels -o audited
    """
    holds_both = (images / "labels").is_dir() or (images / "train" / "labels").is_dir()
    folders = (images, labels) if labels is not None else (images if holds_both else None, images)
    if out_of_fold and (out is None or folders[0] is None):
        raise typer.BadParameter("--out-of-fold needs images and DIR: audit IMAGES LABELS -o DIR --out-of-fold")
    if not out_of_fold and (folds is not None or epochs is not None):
        raise typer.BadParameter("--folds and --epochs go with --out-of-fold only")
    _check_folders(*folders)
    if out is not None:
        from metastructure.report.result_folder import check_result_folder

        check_result_folder(out, UNFINISHED if out_of_fold else ())
    options: dict[str, Any] = {
        "num_classes": classes,
        "convention": None if convention is None else convention.value,
        "seed": seed,
    }
    if out_of_fold:
        options |= {"device": device.value, "threads": threads} | ({} if folds is None else {"folds": folds})
        found = _audit_with_networks(*folders, out, epochs, options)
    else:
        from metastructure.audit.audit_folder import audit_folder

        with show_progress("auditing") as on_item:
            found = audit_folder(*folders, on_item=on_item, **options)
    from metastructure.audit.verdict import Judged, judge

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


def _check_folders(images: Path | None, labels: Path) -> None:
    from metastructure.errors import DataError

    for folder, what in ((labels, "labels"), (images, "images")):
        if folder is not None and not folder.is_dir():
            raise DataError(f"{folder}: no such folder of {what}.")


def _audit_with_networks(
    images: Path | None, labels: Path, out: Path | None, epochs: int | None, options: dict[str, Any]
) -> "Audit":
    from metastructure.audit.audit_with_networks import audit_with_networks
    from metastructure.audit.out_of_fold import ROBUST
    from metastructure.cli.training_progress import show_training

    assert images is not None
    assert out is not None
    settings = ROBUST if epochs is None else ROBUST.model_copy(update={"epochs": epochs})
    with show_training("training") as on_training:
        return audit_with_networks(images, labels, out, settings=settings, on_training=on_training, **options)
