"""Options that several commands share, so that they read and mean the same everywhere."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


DeviceOption = Annotated[Device, typer.Option(help="Where to compute; auto takes a GPU where there is one.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="CPU threads; by default all cores.")]
DevicesOption = Annotated[int, typer.Option(min=1, help="GPUs of this machine that share each training.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study file.")]
StoreOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where the records are kept; by default runs/NAME here.")
]
