"""Options that several commands share, so that they read and mean the same everywhere."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Kind(StrEnum):
    """What can be generated, as `metastructure.data.synthetic.KINDS` has it."""

    er = "er"
    mito = "mito"
    nuc = "nuc"
    street = "street"


def complete_noise(incomplete: str) -> list[str]:
    """Return the noises that what was typed may become; of a sum, the last term is completed."""
    from metastructure.noise.spec import NOISE

    return _complete(incomplete, NOISE, separator="+")


def complete_method(incomplete: str) -> list[str]:
    """Return the label-free methods that what was typed may become."""
    from metastructure.unsupervised.methods import METHODS

    return _complete(incomplete, [*METHODS, "all"])


def complete_network(incomplete: str) -> list[str]:
    """Return the networks that what was typed may become."""
    from metastructure.networks.spec import NETWORKS

    return _complete(incomplete, NETWORKS)


def check_there(what: str, *paths: Path | None) -> None:
    """Say at once that a path is wrong, not after waiting for what would read it.

    Raises
    ------
    DataError
        "PATH: no such WHAT." for the first path where nothing is.
    """
    from metastructure.errors import DataError

    for path in paths:
        if path is not None and not path.exists():
            raise DataError(f"{path}: no such {what}.")


def _complete(incomplete: str, names: Iterable[str], separator: str | None = None) -> list[str]:
    before, joint, last = incomplete.rpartition(separator) if separator else ("", "", incomplete)
    stem = last.lstrip()
    kept = before + joint + last[: len(last) - len(stem)]
    return [kept + name for name in names if name.startswith(stem)]


DeviceOption = Annotated[Device, typer.Option(help="Where to compute; auto takes a GPU where there is one.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="CPU threads; by default all cores.")]
DevicesOption = Annotated[int, typer.Option(min=1, help="GPUs of this machine that share each training.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
StudyArgument = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study file.")]
A_DATA_SET = "folder; a data set holds train, val and test"
"""What `check_there` says of a missing data set."""
StoreOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where the records are kept; by default runs/NAME here.")
]
