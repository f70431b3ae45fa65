"""Settings of a training (part of a run's identity) and of the machine it runs on (not part of it).

Torch is imported only where a loss or a machine needs it: a wrong key or number is told without waiting for it.
"""

import logging
import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from metastructure.errors import ConfigError
from metastructure.structure.latent_transition import Convention
from metastructure.training.early_learning import MIN_EPOCHS

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MIN_CROP_PX = 32
"""Below it the deepest scale of a U-Net is one pixel, of which batch norm has no variance in a batch of one."""

Augmentation = Literal["dihedral", "mirror", "none"]
TransitionSource = Literal["none", "known", "estimated"]


CANONICAL = frozenset({"cross_entropy", "forward"})
"""Losses that stand in their canonical text, so that most records and settings are read without waiting for torch."""


def _canonical_loss(spec: Any) -> str:
    if isinstance(spec, str) and spec in CANONICAL:
        return spec

    from metastructure.training.losses import parse_loss

    try:
        return str(parse_loss(spec))
    except ConfigError as error:
        raise ValueError(str(error)) from None


LossText = Annotated[str, BeforeValidator(_canonical_loss)]
"""A loss in its canonical text, parsed from any form of spec."""


REMOVED: dict[str, object] = {"correct": "none"}
"""Settings that are gone, with the value at which they did nothing; at another value they are unknown."""


class TrainingSettings(BaseModel):
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the training images, `crops_per_image` crops of each.
    batch_size : int
        Crops in a step.
    crop_px : int
        Side of the square crops, at least 32; smaller images are padded, their padding is IGNORE.
    crops_per_image : int
        Crops of each image in an epoch.
    augment : "dihedral", "mirror" or "none"
        ``dihedral``: flips and right-angle turns, all eight equally likely, for images without an up side;
        ``mirror``: left and right only, for scenes.
    loss : str
        Such as ``cross_entropy``, ``gce:q=0.5`` or ``dmi + iou``; see `metastructure.training.losses`.
    transition : "none", "known" or "estimated"
        Whether label noise is undone, and where its transition matrix Q comes from: ``known`` from whoever made the
        noise, ``estimated`` from the noisy labels alone. The losses ``forward`` and ``backward`` undo it themselves;
        with others density targets are made unbiased by Q⁻¹, and label targets are learnt as they are and Q is undone
        at prediction.
    convention : "diagonal" or "background"
        What an estimated Q assumes, since noisy labels cannot tell which hidden class is which: that most pixels of
        each class kept it, or that the hidden class with most pixels is class 0, so that flips may pass one half.
    target : "label" or "density"
        ``density``: the unbiased local density of the noisy label (`metastructure.training.targets`).
    half_width_px : int, optional
        Of the density's window; without it, by rule from the labels and Q.
    average : "none" or "ema"
        Which weights predict: the last, or their exponential moving average.
    ema_decay : float
        Weight of the past at each step.
    stop : "none" or "early"
        ``early``: if the training losses show that memorisation has begun, training ends and the weights from before
        predict (`metastructure.training.early_stop`).
    optimizer : "adamw" or "sgd"
        Adam with decoupled weight decay, or stochastic gradient descent with momentum.
    learning_rate : float
        The peak of the one-cycle schedule, the start of the others.
    weight_decay : float
        Pull of the weights towards 0.
    momentum : float
        Of SGD; AdamW has its own.
    schedule : "onecycle", "step" or "constant"
        ``step`` multiplies by `step_factor` every `step_epochs`.
    step_epochs : int
        Epochs between two steps of `schedule`.
    step_factor : float
        What a step of `schedule` multiplies the learning rate by.
    precision : str
        Fabric's: ``32-true`` or ``bf16-mixed``. It changes results, so it is part of the identity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Annotated[int, Field(ge=1)] = 20
    batch_size: Annotated[int, Field(ge=1)] = 16
    crop_px: Annotated[int, Field(ge=MIN_CROP_PX)] = 128
    crops_per_image: Annotated[int, Field(ge=1)] = 1
    augment: Augmentation = "dihedral"
    loss: LossText = "cross_entropy"
    transition: TransitionSource = "none"
    convention: Convention = "diagonal"
    target: Literal["label", "density"] = "label"
    half_width_px: Annotated[int, Field(ge=0)] | None = None
    average: Literal["none", "ema"] = "none"
    ema_decay: Annotated[float, Field(gt=0, lt=1)] = 0.99
    stop: Literal["none", "early"] = "none"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    schedule: Literal["onecycle", "step", "constant"] = "onecycle"
    step_epochs: Annotated[int, Field(ge=1)] = 20
    step_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    precision: Literal["32-true", "bf16-mixed"] = "32-true"

    @model_validator(mode="before")
    @classmethod
    def _forget_removed(cls, value: Any) -> Any:
        """Records and models of earlier versions hold settings that are gone, at values that changed nothing."""
        if not isinstance(value, dict):
            return value
        return {name: setting for name, setting in value.items() if REMOVED.get(name, ...) != setting}

    @model_validator(mode="after")
    def _check_ignored(self) -> "TrainingSettings":
        if self.half_width_px is not None and self.target != "density":
            raise ValueError("half_width_px belongs to the target 'density'; leave it out or set target: density")
        if self.convention != "diagonal" and self.transition != "estimated":
            raise ValueError("convention belongs to an estimated transition matrix; set transition: estimated")
        if self.transition == "none" and self.loss != "cross_entropy":  # which is known without waiting for torch
            from metastructure.training.losses import needs_transition, parse_loss

            if needs_transition(parse_loss(self.loss)):
                advice = "set transition: known or estimated"
                raise ValueError(f"the loss '{self.loss}' undoes a transition matrix; {advice}")
        return self

    @model_validator(mode="after")
    def _check_helps(self) -> "TrainingSettings":
        if self.stop == "early" and self.schedule == "step":
            raise ValueError("each step of the rate looks like memorisation to stop: early; set another schedule")
        if self.stop == "early" and self.epochs < MIN_EPOCHS:
            raise ValueError(f"stop: early needs at least {MIN_EPOCHS} epochs to see memorisation, not {self.epochs}")
        return self


class Machine(BaseModel):
    """Where a training runs; results do not depend on it beyond rounding.

    Parameters
    ----------
    device : str
        ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.
    threads : int, optional
        CPU threads of torch; without it, the cores this process may use.
    devices : int
        GPUs that share each training, by one process each (or processes on the CPU, which is slower than one and only
        shows that it works). The batches are those of one device; what is rounded otherwise differs, and batch norm,
        which sees a part of each batch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1)] | None = None
    devices: Annotated[int, Field(ge=1)] = 1

    def fabric(self, precision: str = "32-true") -> "Fabric":
        """Return a Fabric on one device of this machine, and set torch's threads.

        Raises
        ------
        ConfigError
            If a GPU is asked for and there is none, or more than there are.
        """
        import torch
        from lightning_fabric import Fabric

        available = torch.cuda.device_count()
        if self.device == "cuda" and not available:
            raise ConfigError("device 'cuda' was asked for but this machine has no GPU; use 'auto' or 'cpu'.")
        if self.device != "cpu" and self.devices > max(1, available):
            raise ConfigError(f"{self.devices} devices were asked for but this machine has {available} GPU(s).")
        torch.set_num_threads(self.num_threads)
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells precision and ranks
        fabric = Fabric(accelerator=self.device, devices=1, precision=precision)
        fabric.launch()
        return fabric

    @property
    def num_threads(self) -> int:
        """CPU threads: as set, or as many as the cores this process may use."""
        if self.threads is not None:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
