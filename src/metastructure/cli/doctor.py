"""``metastructure doctor``: a look at the installation, and at a folder of data if one is given."""

from pathlib import Path
from typing import Annotated

import typer

from metastructure.cli.options import JsonOption


def doctor(
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Say whether this folder can be used, and how.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look at this installation: versions, extras, threads, devices, disk, and where results would go.

    Exit code 1 if something makes the package, or FOLDER, unusable.

    Example: metastructure doctor --data my-data
    """
    from metastructure.cli.diagnosis import diagnose, to_text

    found = diagnose(data)
    print(found.model_dump_json(indent=1) if as_json else to_text(found))
    if found.problems:
        raise typer.Exit(1)
