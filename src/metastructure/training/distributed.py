"""One training on several devices of this machine: Fabric starts a process for each, they share every batch.

Only the training is spread. The caller stays one process, predicts on one device, and hears of each epoch as usual. The
processes are spawned, so a script that trains on several devices needs the guard ``if __name__ == "__main__"``.
"""

import dataclasses
import logging
import os
import pickle
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch
import torch.multiprocessing
from lightning_fabric import Fabric
from torch import nn
from torch.multiprocessing.spawn import ProcessException

from metastructure.errors import ConfigError, MetastructureError, RunError
from metastructure.label import LabelArray
from metastructure.training.batches import PixelStore
from metastructure.training.loop import History, train
from metastructure.training.losses import Loss
from metastructure.training.settings import Machine, TrainingSettings

LOOPBACK = "127.0.0.1"

logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
"""Its greeting is no news to the caller; set here, since a new process greets before it does anything of ours."""


class TrainOptions(TypedDict, total=False):
    """What `train` takes besides its machine."""

    seed: int
    checkpoint: Path | None
    identity: str
    compute_loss: Loss | None
    make_target: Callable[[torch.Tensor], torch.Tensor] | None
    redraw: Callable[[int], Sequence[LabelArray]] | None
    watch: Callable[[nn.Module], dict[str, float]] | None
    on_epoch: Callable[[int, float], None] | None


def train_on(
    machine: Machine,
    fabric: Fabric,
    network: nn.Module,
    store: PixelStore,
    settings: TrainingSettings,
    **options: Unpack[TrainOptions],
) -> History:
    """Train `network` in place on as many devices as the machine is to use, and return what happened.

    Parameters
    ----------
    machine : Machine
    fabric : Fabric
        Of one device; it trains here if the machine has one, and gets the network back otherwise.
    network, store, settings, **options
        As for `metastructure.training.loop.train`.

    Raises
    ------
    ConfigError
        If what must be sent to other processes cannot be, or the network is to be watched.
    RunError
        If training diverges, the checkpoint cannot be used, or a process dies.
    """
    if machine.devices == 1:
        return train(network, store, settings, fabric=fabric, **options)
    if options.get("watch") is not None:
        raise ConfigError("learning dynamics are watched on one device; set devices to 1.")
    options.setdefault("on_epoch", None)
    with tempfile.TemporaryDirectory(prefix="metastructure-") as folder:
        end = Path(folder) / "end.pt"
        _launch(machine, settings.precision, (network, store.to("cpu"), settings, options, end))
        state = torch.load(end, map_location="cpu", weights_only=True)
    if state["error"] is not None:
        raise RunError(state["error"])
    network.load_state_dict(state["network"])
    network.to(fabric.device)
    return History(**state["history"])


def _launch(machine: Machine, precision: str, work: tuple[Any, ...]) -> None:
    """Run `_take_part` in one process for each device; the first one's epochs are told here."""
    network, store, settings, options, end = work
    on_epoch = options["on_epoch"]
    fabric = Fabric(accelerator=machine.device, strategy="ddp_spawn", devices=machine.devices, precision=precision)
    os.environ.setdefault("MASTER_ADDR", LOOPBACK)
    threads = max(1, machine.num_threads // machine.devices)
    told = torch.multiprocessing.get_context("spawn").SimpleQueue()
    listener = threading.Thread(target=_listen, args=(told, on_epoch), daemon=True)
    listener.start()
    try:
        fabric.launch(_take_part, network, store, settings, options | {"on_epoch": None}, end, told, threads)
    except ProcessException as error:
        raise RunError(f"a process of a training on {machine.devices} devices died: {error}".strip()) from error
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(f"this training cannot be sent to other processes: {error}") from error
    finally:
        told.put(None)
        listener.join()


def _listen(told: Any, on_epoch: Callable[[int, float], None] | None) -> None:
    while (news := told.get()) is not None:
        if on_epoch is not None:
            on_epoch(*news)


def _take_part(
    fabric: Fabric,
    network: nn.Module,
    store: PixelStore,
    settings: TrainingSettings,
    options: TrainOptions,
    end: Path,
    told: Any,
    threads: int,
) -> None:
    """Train as one of several processes; the first leaves the result, or what went wrong, for the caller."""
    torch.set_num_threads(threads)

    def tell(epoch: int, loss: float) -> None:
        if fabric.is_global_zero:
            told.put((epoch, loss))

    result: dict[str, Any] = {"error": None}
    try:
        options["on_epoch"] = tell
        history = train(network, store.to(fabric.device), settings, fabric=fabric, **options)
        result |= {"network": network.state_dict(), "history": dataclasses.asdict(history)}
    except MetastructureError as error:  # the same in every process, since they see the same loss
        result["error"] = str(error)
    if fabric.is_global_zero:
        torch.save(result, end)
