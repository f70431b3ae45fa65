"""``metastructure plan``: how many pixels and images must be labelled, on the user's own data."""

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from metastructure.cli.options import (
    A_DATA_SET,
    Device,
    DeviceOption,
    JsonOption,
    ThreadsOption,
    check_there,
    complete_network,
)
from metastructure.cli.warn import stderr_console
from metastructure.errors import ConfigError

NONE = "none"
QUICK_PIXELS, QUICK_IMAGES, QUICK_STEPS = (0.01, 0.05, 0.25), (0.15, 0.3, 0.6), 100

SHARES = "Shares of the {}, with commas between, such as 0.1,0.3,1; or none."


def plan(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Folder with train, fully labelled, and if possible test.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder for records and page.")],
    pixels: Annotated[str | None, typer.Option(metavar="LIST", help=SHARES.format("pixels"))] = None,
    images: Annotated[str | None, typer.Option(metavar="LIST", help=SHARES.format("images"))] = None,
    sloppy: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEC", help="Noise of all labels, such as dilate:2; repeat it, or none."),
    ] = None,
    loss: Annotated[float, typer.Option(metavar="POINTS", help="What may be lost against all labels.")] = 1.0,
    network: Annotated[
        str, typer.Option(help="Name or package.module:function.", autocompletion=complete_network)
    ] = "residual_unet",
    epochs: Annotated[int | None, typer.Option(min=1, help="By default as many as make 400 steps.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any training setting; repeatable.")
    ] = None,
    classes: Annotated[int | None, typer.Option(min=2, max=255, help="Number of classes, background included.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each kind of labels.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="A first look: four points a curve, 100 steps.")] = False,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how many pixels and images must be labelled, from a pilot that is.

    Trains on ever fewer of the labels in DATA, tests each network, fits the curve, and finds the smallest share within
    --loss of all labels; and how many careful labels the sloppy ones are worth. The labels in DATA are taken for true.
    After an interruption the same call goes on.

    Example: metastructure plan pilot out --images 0.1,0.3,1 --sloppy boxes
    """
    check_there(A_DATA_SET, data)
    from metastructure.cli.train import parse_network, parse_settings
    from metastructure.data.folder import find_items

    spec = parse_network(network)
    find_items(data, "train")  # a wrong path is told at once, not after waiting for torch
    default_pixels, default_images = (QUICK_PIXELS, QUICK_IMAGES) if quick else (None, None)
    chosen: dict[str, Any] = {
        "pixels": default_pixels if pixels is None else _parse_shares(pixels, "--pixels"),
        "images": default_images if images is None else _parse_shares(images, "--images"),
        "sloppy": None if sloppy is None else _drop_none(sloppy),
        "num_steps": QUICK_STEPS if quick else None,
    }
    robust = {"loss": "forward", "transition": "estimated"}
    training = parse_settings(None, robust | ({} if epochs is None else {"epochs": epochs}), settings or [])

    from metastructure.study.budget import plan_annotation
    from metastructure.study.budget_page import write_plan
    from metastructure.study.budget_text import to_text

    with _show_trainings() as on_progress:
        found = plan_annotation(
            data,
            out,
            loss=loss,
            network=spec,
            training=training,
            num_classes=classes,
            seeds=range(seeds),
            device=device.value,
            threads=threads,
            on_progress=on_progress,
            **{name: value for name, value in chosen.items() if value is not None},
        )
    page = write_plan(found, out, shlex.join(["metastructure", *sys.argv[1:]]))
    if as_json:
        from metastructure.data.strict_json import to_json

        print(to_json(found))
    else:
        print(f"{to_text(found)}\npage: {page}")


def _parse_shares(text: str, option: str) -> tuple[float, ...]:
    if text.strip() == NONE:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{option} {text}: write shares with commas between, such as 0.1,0.3,1; or none.") from None


def _drop_none(specs: list[str]) -> tuple[str, ...]:
    return tuple(spec for spec in specs if spec.strip() != NONE)


@contextmanager
def _show_trainings() -> Iterator[Callable[[str, int, int], None]]:
    """Give ``on_progress``: a bar with the time left on stderr or, where that is no terminal, a line a training."""
    from rich.progress import Progress

    console, started, told = stderr_console(), time.monotonic(), [""]
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=None)

        def on_progress(labels: str, done: int, total: int) -> None:
            progress.update(task, description=labels, completed=done, total=total)
            if not console.is_terminal and labels != told[0]:
                told[0] = labels
                text = f"{done}/{total} epochs done{_tell_left(started, done, total)}; next: {labels}"
                console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield on_progress


def _tell_left(started: float, done: int, total: int) -> str:
    if not done:
        return ""
    seconds = (time.monotonic() - started) * (total - done) / done
    return f", {seconds / 60:.0f} min left" if seconds > 100 else f", {seconds:.0f} s left"
