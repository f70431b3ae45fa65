"""The training loop, from top to bottom.

A training is a pure function of (network, data, settings, seed): every epoch draws its batches from the seed and its
own number, so a training that was stopped and resumed ends with the same weights, bit for bit, as one that was not.
Several processes that Fabric has launched share each batch: the same crops in the same order as in one process.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from metastructure.errors import RunError
from metastructure.label import LabelArray
from metastructure.rng import derive_seed
from metastructure.training.averaging import make_average
from metastructure.training.batches import PixelStore, count_batches
from metastructure.training.checkpoint import load_checkpoint, save_checkpoint
from metastructure.training.early_stop import EarlyStop
from metastructure.training.losses import Loss, parse_loss
from metastructure.training.settings import TrainingSettings

CHECKPOINT_INTERVAL_S = 15.0
"""At most this much work is lost when a run dies (an epoch, where one takes longer)."""


@dataclass
class History:
    """What happened, epoch by epoch.

    Attributes
    ----------
    loss : list of float
        Mean training loss of each epoch.
    seconds : list of float
        Wall-clock time of each epoch.
    watched : list of dict
        What `watch` said after each epoch.
    notes : list of str
        What early stopping did.
    """

    loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    watched: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def train(
    network: nn.Module,
    store: PixelStore,
    settings: TrainingSettings,
    *,
    seed: int,
    fabric: Fabric,
    checkpoint: Path | None = None,
    identity: str = "",
    compute_loss: Loss | None = None,
    make_target: Callable[[torch.Tensor], torch.Tensor] | None = None,
    redraw: Callable[[int], Sequence[LabelArray]] | None = None,
    watch: Callable[[nn.Module], dict[str, float]] | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> History:
    """Train `network` in place and return what happened.

    Parameters
    ----------
    network : nn.Module
        From (B, K, H, W) to logits; moved to Fabric's device.
    store : PixelStore
        The training images and their (noisy) labels.
    settings : TrainingSettings
    seed : int
        Of the batches, and of whatever the network draws.
    fabric : Fabric
        Device, precision, and the processes that share the batches (launched; the gradient is their mean, weighted by
        crops). For a loss that is a mean over pixels, where none is IGNORE, and a network without batch norm, that is
        the gradient in one process up to rounding.
    checkpoint : Path, optional
        Where to keep the state; if the file exists the training goes on from it.
    identity : str
        Written into the checkpoint and demanded when it is read.
    compute_loss : Loss, optional
        Without it that of the settings; a plan fills in the transition matrix that some need.
    make_target : callable, optional
        From integer labels (B, H, W) to what the loss compares with; without it the labels themselves.
    redraw : callable, optional
        ``redraw(epoch)`` gives new labels for that epoch, as many and as large as the store's.
    watch : callable, optional
        Looks at the network after each epoch, in evaluation mode; its numbers are kept. It must draw nothing random.
    on_epoch : callable, optional
        ``on_epoch(epochs_done, mean_loss)`` after each epoch.

    Raises
    ------
    RunError
        If the loss is not a number, or the checkpoint cannot be used.
    """
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _make_optimizer(network, settings)
    steps_per_epoch = count_batches(len(store), settings.batch_size, settings.crops_per_image)
    scheduler = _make_scheduler(optimizer, settings, steps_per_epoch)
    history, first_epoch = History(), 0
    model, fast_optimizer = fabric.setup(network, optimizer)
    average = make_average(network, settings)
    early = EarlyStop(network) if settings.stop == "early" else None
    if checkpoint is not None and checkpoint.is_file():  # after the set-up, which decides the device of all states
        state = load_checkpoint(checkpoint, identity)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        history, first_epoch = History(**state["history"]), state["epoch"]
        if average is not None:
            average.load_state_dict(state["average"])
        if early is not None:
            early.load_state_dict(state["early"])
    compute_loss = compute_loss or parse_loss(settings.loss)
    model.train()
    saved = time.monotonic()

    for epoch in range(first_epoch, settings.epochs):
        if early is not None and early.is_over:
            break
        started = time.monotonic()
        torch.manual_seed(derive_seed(seed, f"epoch {epoch}", "network"))
        if redraw is not None:
            store.replace_labels(redraw(epoch))
        total = torch.zeros((), device=fabric.device)
        sizes = settings.batch_size, settings.crops_per_image
        batches = store.epoch(epoch, seed, *sizes, settings.augment, fabric.global_rank, fabric.world_size)
        for images_BKHW, labels_BHW, weight in batches:
            target = labels_BHW if make_target is None else make_target(labels_BHW)
            loss = compute_loss(model(images_BKHW), target) * weight
            fast_optimizer.zero_grad()
            fabric.backward(loss)
            fast_optimizer.step()
            scheduler.step()
            if average is not None:
                average.update_parameters(network)
            if early is not None:
                early.end_step(network)
            total += loss.detach()

        mean_loss = float(fabric.all_reduce(total, reduce_op="mean")) / steps_per_epoch
        if not mean_loss == mean_loss or mean_loss == float("inf"):
            raise RunError(
                f"training diverged in epoch {epoch + 1}: the loss is {mean_loss}; lower the learning rate "
                f"(now {settings.learning_rate:g})."
            )
        history.loss.append(mean_loss)
        if early is not None:
            history.notes += early.end_epoch(history.loss)
        history.seconds.append(time.monotonic() - started)
        if watch is not None:
            history.watched.append(_watch(watch, network if average is None else average.module))
            model.train()
        if checkpoint is not None and fabric.is_global_zero and time.monotonic() - saved > CHECKPOINT_INTERVAL_S:
            state = {"identity": identity, "epoch": epoch + 1, "history": dataclasses.asdict(history)}
            state |= {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            state |= {"average": None if average is None else average.state_dict()}
            state |= {"early": None if early is None else early.state_dict()}
            save_checkpoint(checkpoint, state | {"scheduler": scheduler.state_dict()})
            saved = time.monotonic()
        if on_epoch is not None:
            on_epoch(epoch + 1, mean_loss)
    if average is not None:
        network.load_state_dict(average.module.state_dict())
    if early is not None:
        early.finish(network)
    return history


@torch.no_grad()
def _watch(watch: Callable[[nn.Module], dict[str, float]], network: nn.Module) -> dict[str, float]:
    return watch(network.eval())


def _make_optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    rates: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=settings.momentum, **rates)
    return torch.optim.AdamW(network.parameters(), **rates)


def _make_scheduler(optimizer: torch.optim.Optimizer, settings: TrainingSettings, steps_per_epoch: int) -> LRScheduler:
    if settings.schedule == "onecycle":
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=settings.epochs * steps_per_epoch, cycle_momentum=False
        )
    period = settings.step_epochs * steps_per_epoch if settings.schedule == "step" else 10**9
    return torch.optim.lr_scheduler.StepLR(optimizer, period, settings.step_factor)
