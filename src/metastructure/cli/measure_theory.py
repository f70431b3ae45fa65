"""``metastructure measure theory``: the paper's lemmas and theorems in numbers, on a folder or on generated labels."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from metastructure.cli.options import JsonOption, Kind
from metastructure.cli.progress import show_progress


def theory(
    labels: Annotated[
        Path | None,
        typer.Argument(metavar="[LABELS]", help="Folder of clean PNG and TIFF labels; without it they are generated."),
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="Kind of generated labels; by default nuc.")] = None,
    images: Annotated[int, typer.Option(min=1, help="At most so many labels, evenly spaced.")] = 40,
    classes: Annotated[int | None, typer.Option(min=2, max=255, help="Number of classes, background included.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of noise, intervals and generated labels.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="New folder for theory.json and index.html.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the lemmas and theorems on labels, and show where they stop holding.

    The labels are taken for clean and corrupted with fixed noises. About a minute for 40 binary labels of 256 x 256.

    Example: metastructure measure theory labels -o checked
    """
    if labels is not None and kind is not None:
        raise typer.BadParameter("--kind is for generated labels; give it or LABELS, not both")
    from metastructure.data.theory import check_theory
    from metastructure.report.result_folder import check_result_folder

    if out is not None:
        check_result_folder(out)
    with show_progress("checking") as on_step:
        report = check_theory(
            labels or (kind or Kind.nuc).value, seed=seed, num_images=images, num_classes=classes, on_step=on_step
        )
    page = None
    if out is not None:
        import shlex

        from metastructure.report.theory_page import write_theory

        page = write_theory(report, out, shlex.join(["metastructure", *sys.argv[1:]]))
    if as_json:
        from metastructure.data.strict_json import to_json

        print(to_json(report))
        return
    from metastructure.report.theory_text import to_text

    print(to_text(report))
    print(f"\npage: {page}" if page else "\nfor the page with figures, and all numbers as JSON: add -o DIR")
