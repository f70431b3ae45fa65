"""``metastructure data generate|check``: generated data sets, and a look at a folder before it is used."""

import json
from pathlib import Path
from typing import Annotated

import typer

from metastructure.cli.options import A_DATA_SET, JsonOption, Kind, check_there
from metastructure.cli.progress import show_progress

app = typer.Typer(help="Generate data sets, and check folders.", no_args_is_help=True, rich_markup_mode=None)


@app.command(epilog="Example: metastructure data generate er OUT --train 100 --size 256 --bits 16")
def generate(
    kind: Annotated[Kind, typer.Argument(help="Endoplasmic reticulum, mitochondria, nuclei, or a street.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    train: Annotated[int, typer.Option(min=0, help="Training images.")] = 64,
    val: Annotated[int, typer.Option(min=0, help="Validation images.")] = 16,
    test: Annotated[int, typer.Option(min=0, help="Test images.")] = 32,
    size: Annotated[int, typer.Option(min=16, help="Height in pixels, and width unless given.")] = 256,
    width: Annotated[int | None, typer.Option(min=16, help="Width in pixels.")] = None,
    bits: Annotated[int, typer.Option(help="8 or 16 bits a pixel.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write a generated data set with perfect labels; an interrupted call goes on where it stopped."""
    from metastructure.data.synthetic.folder import write_dataset
    from metastructure.errors import ConfigError

    counts = {name: number for name, number in (("train", train), ("val", val), ("test", test)) if number}
    with show_progress(f"generating {kind.value}") as on_item:
        try:
            settings = write_dataset(
                kind.value,
                out,
                counts=counts,
                height=size,
                width=width or size,
                bit_depth=bits,
                seed=seed,
                on_item=on_item,
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
    print(json.dumps({"out": str(out), **json.loads(settings.read_text("utf-8"))}, indent=1) if as_json else out)


@app.command(epilog="Example: metastructure data check ../shared/data/nuc --classes 2")
def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="With train, val and test.")],
    classes: Annotated[int | None, typer.Option(min=2, max=255, help="Number of classes, background included.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read every file of a data set and say what it holds, and all that is wrong with it.

    Exit code 1 if anything is wrong: a study needs train, val and test, training alone needs train.
    """
    check_there(A_DATA_SET, folder)
    from metastructure.data.summary import summarise_folder

    with show_progress("reading") as on_item:
        summary = summarise_folder(folder, classes, on_item=on_item)
    if as_json:
        print(json.dumps(summary.as_dict(), indent=1))
    else:
        print(summary.as_text())
    if summary.problems:
        raise typer.Exit(1)
