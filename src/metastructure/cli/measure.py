"""``metastructure measure``: what a folder of labels holds, and what is left in it of clean ones."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from metastructure.cli.measure_theory import theory
from metastructure.cli.options import JsonOption, check_there
from metastructure.cli.progress import show_progress

SUB_COMMANDS: dict[str, Any] = {"theory": theory}
"""What may stand in place of LABELS, by name; a folder of such a name is written ./NAME."""


class MeasureCommand(TyperCommand):
    """A command that measures LABELS, unless its first word names one of `SUB_COMMANDS`."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Return the context of the sub-command that is named, or of this command."""
        if args and args[0] in SUB_COMMANDS:
            app = typer.Typer(add_completion=False, rich_markup_mode=None)
            app.command()(SUB_COMMANDS[args[0]])
            command = typer.main.get_command(app)
            return command.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


def measure(
    labels: Annotated[
        Path, typer.Argument(metavar="LABELS", help="Folder of PNG and TIFF labels, sub-folders too, or a data set.")
    ],
    against: Annotated[
        Path | None, typer.Option(metavar="CLEAN", help="Clean labels of the same images, under the same names.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="IMAGES", help="Images under the same names, shown on the page.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="New folder for measurement.json and index.html."),
    ] = None,
    half_widths: Annotated[
        str | None,
        typer.Option(metavar="PX,PX", help="Half-widths of the windows; by default 1,2,4,8,16 as far as they fit."),
    ] = None,
    classes: Annotated[int | None, typer.Option(min=2, max=255, help="Number of classes, background included.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of intervals and simulations.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure labels: densities, surviving classes, how the pixels of each class lie.

    With --against also what is left of clean labels: similarity, transition matrix, Dice.
    "metastructure measure theory" checks the paper's lemmas; see its --help.

    Example: metastructure measure noisy --against clean -o measured
    """
    from metastructure.report.result_folder import check_result_folder

    if out is not None:
        check_result_folder(out)
    check_there("folder of labels", labels, against)
    check_there("folder of images", images)
    from metastructure.data.measure import measure_labels

    widths = None if half_widths is None else _parse_half_widths(half_widths)
    with show_progress("measuring") as on_item:
        found = measure_labels(
            labels, against, images, half_widths_px=widths, num_classes=classes, seed=seed, on_item=on_item
        )
    page = None if out is None else _write(found, out)
    if as_json:
        from metastructure.data.strict_json import to_json

        print(to_json(found))
        return
    from metastructure.report.measure_text import to_text

    print(to_text(found))
    print(f"\npage: {page}" if page else "\nfor the page with figures, and all numbers as JSON: add -o DIR")


def _write(found: Any, out: Path) -> Path:
    import shlex

    from metastructure.report.measure_page import write_measurement

    return write_measurement(found, out, shlex.join(["metastructure", *sys.argv[1:]]))


def _parse_half_widths(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"--half-widths must be whole numbers with commas between them, such as 2,4,8; got {text!r}"
        ) from None
