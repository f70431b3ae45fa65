"""``metastructure segment``: labels for a folder of images that has none."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metastructure.cli.options import Device, DeviceOption, JsonOption, ThreadsOption, check_there, complete_method
from metastructure.cli.warn import stderr_console
from metastructure.errors import RunError

if TYPE_CHECKING:
    from metastructure.unsupervised.folder_result import Comparison, FolderSegmentation

ALL = "all"


class SideChoice(StrEnum):
    """Whether objects are brighter or darker than what surrounds them."""

    auto = "auto"
    bright = "bright"
    dark = "dark"


def segment(
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help="A folder, sub-folders too, or one image.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder for labels and page.")],
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="NAME or NAME:setting=value,...; repeat it to compare, or all.",
            autocompletion=complete_method,
        ),
    ] = None,
    side: Annotated[
        SideChoice, typer.Option(help="Of the objects; auto takes them to be the smaller part.")
    ] = SideChoice.auto,
    fitted: Annotated[
        Path | None, typer.Option(metavar="DIR", help="OUT of an earlier call, whose method labels IMAGES too.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write NAME.probabilities.tif too, float32.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Segment images that have no labels, and write a page to look the result through.

    OUT/labels holds 0 and 1: a TIFF gives a TIFF, other images a PNG. With several methods each has its own
    OUT/METHOD/labels, and OUT/page.html shows them side by side. An unknown NAME is answered with all known ones. After
    an interruption the same call goes on.

    Example: metastructure segment images out --method otsu --side bright
    """
    if fitted is not None and (method or side is not SideChoice.auto or seed):
        raise typer.BadParameter("--fitted brings its own method, side and seed; leave --method, --side, --seed out")
    check_there("image or folder of images", images)
    from metastructure.training.paths import find_images

    if not images.is_file():
        find_images(images)  # a wrong path is told at once, not after waiting for torch
    work: dict[str, Any] = {"device": device.value, "threads": threads, "probabilities": probabilities}
    with show_phases() as on_phase:
        work["on_phase"] = on_phase
        if fitted is not None:
            from metastructure.unsupervised.segment_folder import apply_fitted

            found: FolderSegmentation | Comparison = apply_fitted(fitted, images, out, **work)
        else:
            found = _segment(images, out, method or [], side=side.value, seed=seed, **work)

    from metastructure.report.segment_page import write_segment_page
    from metastructure.report.segment_text import describe_failures, to_text

    page = write_segment_page(found, shlex.join(["metastructure", *sys.argv[1:]]))
    if as_json:
        from metastructure.data.strict_json import to_json

        print(to_json(found))
    else:
        print(f"{to_text(found)}\npage: {page}")
    failures = describe_failures(found)
    if failures:
        raise RunError(failures)


def _segment(images: Path, out: Path, specs: list[str], **settings: Any) -> "FolderSegmentation | Comparison":
    """Return what comes of one method, or of several."""
    from metastructure.unsupervised.methods import DEFAULT_METHOD, METHODS

    if len(specs) < 2 and ALL not in specs:
        from metastructure.unsupervised.segment_folder import segment_folder

        return segment_folder(images, out, specs[0] if specs else DEFAULT_METHOD, **settings)

    from metastructure.unsupervised.compare_methods import compare_methods

    every = [one for spec in specs for one in (METHODS if spec == ALL else [spec])]
    return compare_methods(images, out, every, **settings)


@contextmanager
def show_phases() -> Iterator[Callable[[str, int, int], None]]:
    """Give ``on_phase(what, done, total)``, which names and moves a bar on stderr, if that is a terminal."""
    from rich.progress import Progress

    console = stderr_console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=None)
        yield lambda what, done, total: progress.update(task, description=what, completed=done, total=total)
