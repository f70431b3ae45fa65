"""``metastructure repair``: copies of noisy labels with what can be mended mended."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metastructure.cli.options import Device, DeviceOption, JsonOption, ThreadsOption, check_there
from metastructure.cli.progress import show_progress

if TYPE_CHECKING:
    from metastructure.audit.repair_result import Repair

ESTIMATED = "estimated"


class ConventionChoice(StrEnum):
    """How the hidden classes of an estimated matrix get their names."""

    background = "background"
    diagonal = "diagonal"


def repair(
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="Folder of PNG and TIFF labels, sub-folders too.")],
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="A new folder; not needed with --dry-run.")] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="SPEC",
            help="denoise; shift:PX to move every boundary, such as shift:-1.5, or shift; relabel; auto.",
        ),
    ] = "denoise",
    transition: Annotated[
        str, typer.Option(metavar="FILE", help="YAML or JSON of C rows, rows the clean class; or: estimated.")
    ] = ESTIMATED,
    convention: Annotated[
        ConventionChoice | None,
        typer.Option(help="Class 0 is the largest (background), or labels are more often right than wrong (diagonal)."),
    ] = None,
    half_width: Annotated[
        int | None, typer.Option(min=0, metavar="PX", help="Of the window; by default the labels choose.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Images under the labels' names, for shift, relabel and auto.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For relabel: an audit with --out-of-fold, or with --images a new folder."),
    ] = None,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    classes: Annotated[int | None, typer.Option(min=2, max=255, help="Number of classes, background included.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of intervals, and of networks trained here.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write repaired copies of all labels in a folder; the originals are only read.

    denoise undoes noise that hits pixels one by one, at random. It cannot move a boundary that was drawn in the wrong
    place: shift does, by the negative of a bias you know, or of the one that --images show. relabel takes labels that
    stand out from the others and changes what networks that never saw them are sure is wrong (relabel:all: all labels).
    auto takes the first of these that labels, --images and --predictions give clear reason for. OUT/repair.csv has a
    line for each file. After an interruption the same call goes on.

    Example: metastructure repair noisy mended --dry-run
    """
    if out is None and not dry_run:
        raise typer.BadParameter("OUT is missing; for example: metastructure repair noisy mended, or add --dry-run")
    relabels = method in ("relabel", "relabel:all")
    if relabels and predictions is None:
        raise typer.BadParameter(
            f"--method {method} needs --predictions DIR: an audit with --out-of-fold or, with --images, a new folder"
        )
    if predictions is not None and not (relabels or method == "auto"):
        raise typer.BadParameter("--predictions goes with --method relabel, relabel:all or auto only")
    if images is not None and not (relabels or method in ("shift", "auto")):
        raise typer.BadParameter("--images goes with --method shift, relabel, relabel:all or auto only")
    if method != "denoise" and (transition != ESTIMATED or convention is not None or half_width is not None):
        raise typer.BadParameter("--transition, --convention and --half-width go with --method denoise only")
    if transition != ESTIMATED and convention is not None:
        raise typer.BadParameter("--convention is for an estimated matrix; leave it out with --transition FILE")
    check_there("folder of labels", labels)
    check_there("folder of images", images)
    if relabels and images is not None and predictions is not None:
        _train(images, labels, predictions, classes, seed, device.value, threads)
    from metastructure.audit.repair_folder import load_transition, repair_folder

    with show_progress("repairing") as on_item:
        found = repair_folder(
            labels,
            out,
            method=method,
            transition=ESTIMATED if transition == ESTIMATED else load_transition(Path(transition)),
            convention=None if convention is None else convention.value,
            half_width_px=half_width,
            images=images,
            predictions=predictions,
            num_classes=classes,
            seed=seed,
            dry_run=dry_run,
            on_item=on_item,
        )
    if as_json:
        from metastructure.data.strict_json import to_json

        print(to_json(found))
    else:
        print("\n".join(_describe(found, out)))


def _train(
    images: Path, labels: Path, out: Path, classes: int | None, seed: int, device: str, threads: int | None
) -> None:
    """Train the networks whose predictions relabel, unless `out` holds them; a stopped call goes on."""
    from metastructure.audit.audit_with_networks import predict_usable
    from metastructure.cli.training_progress import show_training

    with show_training("training") as on_progress:
        predict_usable(
            images,
            labels,
            out,
            num_classes=classes,
            seed=seed,
            device=device,
            threads=threads,
            on_progress=on_progress,
        )


def _describe(found: "Repair", out: Path | None) -> list[str]:
    recipe = found.recipe
    lines = [f"{recipe.method}: {recipe.chosen_because}"] if recipe.chosen_because else []
    if recipe.transition is not None:
        kept = ", ".join(f"{row[klass]:.3f}" for klass, row in enumerate(recipe.transition))
        lines.append(f"transition matrix, {recipe.transition_from}: share that keeps its class, by class: {kept}")
    if recipe.half_width_px is not None:
        lines.append(f"window: {2 * recipe.half_width_px + 1} x {2 * recipe.half_width_px + 1} pixels")
    if recipe.nothing_to_repair:
        lines.append(f"nothing to repair: {recipe.nothing_to_repair}")
    known = sum(record.num_known for record in found.files)
    changed = sum(record.num_changed for record in found.files)
    lost = {
        name: sum(record.objects.get(name, 0) for record in found.files)
        for name in ("vanished", "merged", "split", "added", "removed")
    }
    if any(lost.values()):
        lines.append("objects: " + ", ".join(f"{count} {name}" for name, count in lost.items() if count))
    where = "dry run, nothing written" if found.dry_run else f"{out}/repair.csv"
    lines.append(
        f"{len(found.files)} labels, {found.num_changed_files} changed, {100 * changed / max(known, 1):.2f} % of the "
        f"pixels: {where}"
    )
    return lines
