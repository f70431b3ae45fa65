"""A network for fault tests, which tells of its training steps and fails when told to; imported by Ray's workers too.

The folder ``RAY_PROBE`` holds ``steps.log``, one line ``START PROCESS PARENT`` a training step, where START is torch's
seed when the network was built, and ``faults.json``, from START to what happens: ``raise`` and ``die`` at once,
``pause`` in the first step of the second epoch, as long as it is written there.
"""

import json
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from metastructure.rng import derive_seed
from metastructure.training import loop

FIRST_OF_SECOND_EPOCH = 3
"""Of the steps of a process, for four images in batches of two."""


class Step(NamedTuple):
    """A training step: the seed of its run, where it was done, and the process that had started that one."""

    seed: int
    process: int
    parent: int


class Probe(nn.Module):
    """One convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.start, self.num_steps = torch.initial_seed(), 0
        self.convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, images_BKHW: torch.Tensor) -> torch.Tensor:
        if self.training:
            self._tell()
        return self.convolution(images_BKHW)

    def _tell(self) -> None:
        match self._fault():
            case "raise":
                raise ValueError("the probe was told to fail\nand says more in a second line")
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
        with (_folder() / "steps.log").open("a", encoding="utf-8") as log:
            log.write(f"{self.start} {os.getpid()} {os.getppid()}\n")
        self.num_steps += 1
        while self.num_steps == FIRST_OF_SECOND_EPOCH and self._fault() == "pause":
            time.sleep(0.02)

    def _fault(self) -> str | None:
        faults: dict[str, str] = json.loads((_folder() / "faults.json").read_text(encoding="utf-8"))
        return faults.get(str(self.start))


def build(in_channels: int, out_channels: int) -> Probe:
    """Return a probe; from now on this process keeps a checkpoint of every epoch."""
    loop.CHECKPOINT_INTERVAL_S = 0.0
    return Probe(in_channels, out_channels)


def reset() -> None:
    """Forget the steps and the faults."""
    (_folder() / "steps.log").write_text("", encoding="utf-8")
    set_faults({})


def set_faults(faults: dict[int, str]) -> None:
    """Say what happens from now on in the runs of some seeds."""
    content = json.dumps({_start(seed): fault for seed, fault in faults.items()})
    temporary = _folder() / "faults.new"
    temporary.write_text(content, encoding="utf-8")
    temporary.replace(_folder() / "faults.json")


def read_steps(seeds: tuple[int, ...]) -> list[Step]:
    """Return all steps since `reset`, in their order."""
    by_start = {_start(seed): seed for seed in seeds}
    lines = (_folder() / "steps.log").read_text(encoding="utf-8").splitlines()
    return [Step(by_start[int(start)], int(process), int(parent)) for start, process, parent in map(str.split, lines)]


def _start(seed: int) -> int:
    return derive_seed(seed, "", "network")


def _folder() -> Path:
    return Path(os.environ["RAY_PROBE"])
