"""``metastructure annotators``: how far several annotators agree, how each errs, whom to trust."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from metastructure.cli.options import JsonOption
from metastructure.cli.progress import show_progress


def annotators(
    labels: Annotated[list[Path], typer.Argument(metavar="LABELS...", help="A folder of labels for each annotator.")],
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the images, under the labels' names.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="New folder for page and tables.")
    ] = None,
    consensus: Annotated[
        bool, typer.Option("--consensus", help="Write one label for each image into DIR, too.")
    ] = False,
    classes: Annotated[int | None, typer.Option(min=2, max=255, help="Number of classes, background included.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Say of several annotators, without clean labels: how far they agree, how each errs, whom to trust.

    Labels of one image have the same name in every folder; an annotator may have skipped images. From three on,
    agreement tells each one's transition matrix; of two, only what each one's own labels show. Files are only read. DIR
    holds index.html, annotators.json, annotators.csv, pairs.csv, images.csv and, with --consensus, a folder consensus.

    Example: metastructure annotators ann bo cy --images images -o compared
    """
    from metastructure.audit.annotator_files import find_annotators
    from metastructure.audit.annotator_verdict import JudgedAnnotators, judge_annotators
    from metastructure.report.result_folder import check_result_folder

    if out is not None:
        check_result_folder(out)
    elif consensus:
        raise typer.BadParameter("--consensus writes labels and needs -o DIR")
    with show_progress("comparing") as on_item:
        folders = find_annotators(labels, images, classes)
        found = folders.compare(seed, on_item)
    verdict, page = judge_annotators(found), None
    if out is not None:
        from metastructure.report.annotators_page import write_annotators

        command = shlex.join(["metastructure", *sys.argv[1:]])
        page = write_annotators(folders, found, verdict, out, command, with_consensus=consensus)
    if as_json:
        from metastructure.data.strict_json import to_json

        print(to_json(JudgedAnnotators(verdict=verdict, comparison=found)))
        return
    from metastructure.report.annotators_text import to_text

    print(to_text(found, verdict))
    print(f"\npage: {page}" if page else "\nfor the page with pictures and tables: add -o DIR")
