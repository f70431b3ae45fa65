"""``metastructure train``: one network on one data-set folder, into one model file."""

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metastructure.cli.options import (
    A_DATA_SET,
    Device,
    DeviceOption,
    DevicesOption,
    JsonOption,
    ThreadsOption,
    check_there,
    complete_network,
    complete_noise,
)
from metastructure.cli.progress import show_progress
from metastructure.cli.warn import stderr_console

if TYPE_CHECKING:
    from metastructure.networks import NetworkSpec
    from metastructure.training import TrainingSettings


def train(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder with train and, if possible, val.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL", help="The model file, such as model.pt.")],
    network: Annotated[
        str, typer.Option(help="Name or package.module:function.", autocompletion=complete_network)
    ] = "residual_unet",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Crops a step.")] = None,
    crop: Annotated[int | None, typer.Option(min=32, help="Side of the crops in pixels.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The peak of its schedule.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="YAML", help="File of training settings.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any training setting; repeatable.")
    ] = None,
    classes: Annotated[int | None, typer.Option(min=2, max=255, help="Number of classes, background included.")] = None,
    names: Annotated[str | None, typer.Option(help="Names of the classes 0,1,... with commas between.")] = None,
    noise: Annotated[
        str, typer.Option(metavar="SPEC", help="Corrupt the training labels first.", autocompletion=complete_noise)
    ] = "clean",
    seed: Annotated[int, typer.Option(min=0, help="Of weights, batches and noise.")] = 0,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    devices: DevicesOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Train a network on a folder and write one model file.

    Settings on the command line win over --config; a network's own go into brackets: 'unet(width=32)'. While it
    trains, its state is kept in MODEL.checkpoint; after Ctrl-C the same command goes on from there.

    Example: metastructure train my-data -o model.pt --epochs 40
    """
    check_there(A_DATA_SET, data)
    from metastructure.training.paths import check_training_paths, checkpoint_path

    check_training_paths(data, out)
    done_before = out.is_file()
    with _tell_interruption(checkpoint_path(out)):
        from metastructure.noise import parse_noise

        model, spec = parse_noise(noise), parse_network(network)
        given = {"epochs": epochs, "batch_size": batch_size, "crop_px": crop, "learning_rate": learning_rate}
        options = {key: value for key, value in given.items() if value is not None}
        training = parse_settings(config, options, settings or [])

        from metastructure.training.data_folder import train_folder
        from metastructure.training.segmenter import Segmenter

        segmenter = Segmenter(
            spec,
            training,
            seed=seed,
            device=device.value,
            threads=threads,
            devices=devices,
            class_names=[name.strip() for name in names.split(",")] if names else (),
        )
        with show_progress("reading") as on_item, _show_epochs(training.epochs) as on_epoch:
            segmenter = train_folder(
                segmenter, data, out, noise=model, num_classes=classes, on_item=on_item, on_epoch=on_epoch
            )
    header = segmenter.model.header
    if as_json:
        parameters = sum(parameter.numel() for parameter in segmenter.model.network.parameters())
        print(json.dumps({"model": str(out), "num_parameters": parameters, **header.model_dump(mode="json")}, indent=1))
        return
    epochs_text = f"{len(header.loss)} epoch{'s' * (len(header.loss) != 1)}"
    what = "was trained before" if done_before else f"{epochs_text}, loss {header.loss[-1]:.4f}"
    threshold = f", threshold {header.threshold:.3f}" if header.num_classes == 2 else ""
    print(f"{out}: {header.network.title}, {header.num_classes} classes, {what}{threshold}")


def parse_network(text: str) -> "NetworkSpec":
    """Return the network that ``name``, ``name(width=32)`` or ``package.module:function(...)`` stands for.

    Raises
    ------
    ConfigError
        With what is known, if it stands for none.

    Examples
    --------
    >>> parse_network("unet(width=32)").settings
    {'width': 32}
    """
    import yaml
    from pydantic import ValidationError

    from metastructure.errors import ConfigError

    match = re.fullmatch(r"\s*([\w.:]+)\s*(?:\((.*)\))?\s*", text)
    if match is None:
        raise ConfigError(f"network {text!r}: write a name, or name(setting=value,...), such as 'unet(width=32)'.")
    name, inner = match.groups()
    pairs = [part.partition("=") for part in (inner or "").split(",") if part.strip()]
    if any(not sign for _, sign, _ in pairs):
        raise ConfigError(f"network {text!r}: a setting reads name=value.")
    try:
        own = {key.strip(): yaml.safe_load(value) for key, _, value in pairs}
    except yaml.YAMLError as error:
        raise ConfigError(f"network {text!r}: not valid YAML: {str(error).splitlines()[0]}.") from None

    from metastructure.networks import NetworkSpec

    try:
        return NetworkSpec.model_validate({"factory" if ":" in name else "name": name, "settings": own})
    except ValidationError as error:
        raise ConfigError(f"{error.errors()[0]['msg'].removeprefix('Value error, ')}.") from None


def parse_settings(config: Path | None, options: dict[str, Any], pairs: list[str]) -> "TrainingSettings":
    """Return the settings of a YAML file, overruled by named options, overruled by ``key=value`` texts.

    Raises
    ------
    ConfigError
        In one line with the key, and the known ones if it is none of them.
    """
    import yaml

    from metastructure.errors import ConfigError

    content: Any = {}
    try:
        if config is not None:
            if not config.is_file():
                raise ConfigError(f"{config}: no such file of training settings.")
            content = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
        parsed = {key: yaml.safe_load(value) for key, _, value in (pair.partition("=") for pair in pairs)}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{config or '--set'}: not valid YAML: {str(error).splitlines()[0]}.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{config}: training settings are lines of 'key: value'.")
    wrong = next((pair for pair in pairs if "=" not in pair), None)
    if wrong is not None:
        raise ConfigError(f"--set {wrong}: write key=value, such as --set optimizer=sgd.")

    from metastructure.training.settings import TrainingSettings
    from metastructure.training.validation import validate

    try:
        return validate(TrainingSettings, {**content, **options, **parsed})
    except ValueError as error:
        raise ConfigError(f"training settings: {error}") from None


@contextmanager
def _tell_interruption(checkpoint: Path) -> Iterator[None]:
    """Say after Ctrl-C that the same command starts afresh, where no state was kept that it could go on from."""
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint.is_file():
            raise
        print("error: interrupted before any state was kept; the same command starts afresh.", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None


@contextmanager
def _show_epochs(num_epochs: int) -> Iterator[Callable[[int, float], None]]:
    """Give ``on_epoch(epochs_done, loss)``, which moves a bar on stderr with the loss and the time left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TimeElapsedColumn(), TextColumn("left"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, expand=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("training", total=num_epochs, visible=False)

        def on_epoch(epochs_done: int, loss: float) -> None:
            text = f"epoch {epochs_done}/{num_epochs}, loss {loss:.4f}"
            progress.update(task, completed=epochs_done, description=text, visible=True)

        yield on_epoch
