"""``metastructure evaluate``: predicted labels, or a model, against true labels."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metastructure.cli.options import Device, DeviceOption, JsonOption, ThreadsOption, check_there
from metastructure.cli.progress import show_progress
from metastructure.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metastructure.metrics.interval import Interval
    from metastructure.metrics.scores import Scores

NAME_WIDTH = 14


def evaluate(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="Folder of predicted labels; with --model, a split.")
    ],
    labels: Annotated[Path | None, typer.Argument(metavar="LABELS", help="Folder of true labels.")] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Predict the images of a split, such as my-data/test.")
    ] = None,
    classes: Annotated[int | None, typer.Option(min=2, max=255, help="Number of classes, background included.")] = None,
    out: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="New file, a row an image and class.")
    ] = None,
    tile: Annotated[int, typer.Option(min=64, help="Larger images go in tiles of this side, in pixels.")] = 512,
    factory: Annotated[
        str | None, typer.Option(help="package.module:function of a network that is not metastructure's.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals.")] = 0,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score predicted labels against true ones, with 95 % bootstrap intervals over images.

    Pairs have the same path but for the suffix. A class that neither label holds has no score.

    Example: metastructure evaluate predicted my-data/test/labels

    Example: metastructure evaluate --model model.pt my-data/test
    """
    if out is not None and out.exists():
        raise DataError(f"{out}: this file exists and is not overwritten; name another one, or delete it.")
    names: Sequence[str] = ()
    unseen: Sequence[int] = ()
    if model is not None:
        if labels is not None or classes is not None:
            raise typer.BadParameter("--model takes one split and knows its classes; give no LABELS and no --classes")
        check_there("model file; make one with 'metastructure train'", model)
        check_there("folder", predictions)
        from metastructure.training.data_folder import evaluate_split
        from metastructure.training.segmenter import Segmenter

        segmenter = Segmenter.load(model, device=device.value, threads=threads, factory=factory)
        names, unseen = segmenter.class_names, segmenter.model.header.unseen_classes
        with show_progress("evaluating") as on_item:
            scores = evaluate_split(segmenter, predictions, tile_px=tile, seed=seed, on_item=on_item)
        scores = replace(scores, ids=tuple(Path(image).stem for image in scores.ids))
    else:
        if labels is None:
            raise typer.BadParameter("LABELS is missing; or give --model MODEL and a split such as my-data/test")
        check_there("folder of labels", labels, predictions)
        from metastructure.data.evaluate import evaluate_folders

        with show_progress("evaluating") as on_item:
            scores = evaluate_folders(predictions, labels, classes, seed=seed, on_item=on_item)
    if out is not None:
        from metastructure.data.files import write_text

        write_text(out, to_csv(scores))
    print(json.dumps(to_dict(scores, names), indent=1) if as_json else to_text(scores, names, unseen))


def to_text(scores: "Scores", names: "Sequence[str]" = (), unseen: "Sequence[int]" = ()) -> str:
    """Return the scores in points as a table of at most 80 columns."""
    lines: list[tuple[str, ...]] = [("class", "pixels %", "Dice [95 %]", "IoU [95 %]", "Dice per image")]
    for row in scores.classes:
        name = (names[row.klass] if names else str(row.klass))[:NAME_WIDTH]
        share = "–" if math.isnan(row.share) else f"{100 * row.share:.1f}"
        lines.append((name, share, *map(_format, (row.dice, row.iou, row.image_dice))))
    if len(scores.classes) > 2:
        objects = f"mean of 1..{len(scores.classes) - 1}"
        lines.append((objects, "", _format(scores.dice), "", _format(scores.image_dice)))
    lines.append(("mean of all", "", "", _format(scores.iou), ""))
    lines.append(("accuracy", "", _format(scores.accuracy), "", ""))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(cells))
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    text.append(f"{len(scores.ids)} images; scores in points, intervals over images; – where nothing can be said.")
    text += [f"Class {klass} was in no training label, so it has no score." for klass in unseen]
    return "\n".join(line.rstrip() for line in text)


def to_dict(scores: "Scores", names: "Sequence[str]" = ()) -> dict[str, Any]:
    """Return the scores as JSON holds them: shares in 0..1, null for NaN."""
    rows = [
        {
            "class": row.klass,
            **({"name": names[row.klass]} if names else {}),
            "share": _or_null(row.share),
            "dice": _interval(row.dice),
            "iou": _interval(row.iou),
            "image_dice": _interval(row.image_dice),
        }
        for row in scores.classes
    ]
    overall = {key: _interval(getattr(scores, key)) for key in ("dice", "image_dice", "accuracy")}
    images = [{"id": item, "table": table.tolist()} for item, table in zip(scores.ids, scores.tables_NCC, strict=True)]
    return {**overall, "miou": _interval(scores.iou), "classes": rows, "images": images}


def to_csv(scores: "Scores") -> str:
    """Return one row an image and class: pixels of the class in label and prediction, Dice, IoU, image accuracy."""
    from metastructure.metrics import accuracy, dice, iou

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("image", "class", "label_pixels", "predicted_pixels", "dice", "iou", "image_accuracy"))
    for item, table in zip(scores.ids, scores.tables_NCC, strict=True):
        for klass, values in enumerate(zip(table.sum(axis=1), table.sum(axis=0), dice(table), iou(table), strict=True)):
            writer.writerow((item, klass, *values[:2], *map(_or_empty, (*values[2:], float(accuracy(table))))))
    return stream.getvalue()


def _format(interval: "Interval") -> str:
    value, low, high = (100 * number for number in interval)
    if math.isnan(value):
        return "–"
    return f"{value:.1f}" if math.isnan(low) else f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _interval(interval: "Interval") -> dict[str, float | None]:
    return {key: _or_null(value) for key, value in interval._asdict().items()}


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _or_empty(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6f}"
