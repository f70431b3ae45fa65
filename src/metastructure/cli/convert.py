"""``metastructure convert``: images, labels and annotations from one format into another."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from metastructure.cli.options import JsonOption
from metastructure.cli.progress import show_progress


class Target(StrEnum):
    """What to write."""

    png = "png"
    tif = "tif"
    ome_tif = "ome-tif"
    ome_zarr = "ome-zarr"
    coco = "coco"
    labelme = "labelme"
    roi = "roi"


def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A file, or a folder with its sub-folders.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder; for coco a new .json file.")],
    to: Annotated[Target, typer.Option(help="png, tif: a file for each plane; ome-tif, ome-zarr: stacks stay whole.")],
    classes: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Of the classes 1, 2, ... in annotations, such as cell,nucleus."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="IMAGES", help="Images of the same names; ImageJ regions need their size.")
    ] = None,
    labels: Annotated[bool, typer.Option("--labels", help="The pixels of SRC are classes, not values.")] = False,
    channel: Annotated[int | None, typer.Option(min=0, help="Take this channel only, from 0.")] = None,
    one_class: Annotated[
        bool, typer.Option("--one-class", help="Write 1 for all above 0: masks of 0 and 255, numbered objects.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Convert images, labels and annotations, so that all other commands can work on plain folders.

    Read are PNG, JPEG, TIFF (OME, ImageJ, stacks), OME-Zarr, NIfTI; COCO, LabelMe and ImageJ regions become labels.

    Example: metastructure convert annotations.json labels --to png --classes cell,nucleus

    Example: metastructure convert masks labels --to png --one-class

    Example: metastructure convert stacks planes --to tif
    """
    from metastructure.data.convert import convert_files

    names = None if classes is None else [name.strip() for name in classes.split(",")]
    if names is not None and (not all(names) or len(set(names)) < len(names)):
        raise typer.BadParameter("--classes takes different names with commas between them, such as cell,nucleus")
    with show_progress("converting") as on_item:
        done = convert_files(
            source,
            out,
            to.value,
            classes=names,
            images=images,
            is_label=labels,
            channel=channel,
            one_class=one_class,
            on_item=on_item,
        )
    if as_json:
        print(done.model_dump_json(indent=1))
        return
    objects = f" with {done.num_objects} objects" if done.num_objects else ""
    told = ", ".join(f"{name} = {klass}" for name, klass in done.classes.items())
    print(f"{len(done.files)} files{objects}: {out}" + (f"; classes {told}" if told else ""))
    if done.num_skipped:
        print(f"{done.num_skipped} annotations without an area (points, lines, boxes) are in no label.")
    if done.num_empty:
        print(f"{done.num_empty} outlines are too small to cover the centre of a pixel, and are in no label.")
