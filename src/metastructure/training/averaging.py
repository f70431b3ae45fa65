"""Averages of the weights over a training, which predict better than the last weights where labels are noisy."""

import functools
from typing import final

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from metastructure.training.settings import TrainingSettings


def make_average(network: nn.Module, settings: TrainingSettings) -> AveragedModel | None:
    """Return the running average of a network's weights and batch-norm statistics; None if none is wanted.

    References
    ----------
    Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992 (EMA as practised: Tarvainen,
    Valpola, "Mean teachers are better role models", NeurIPS 2017).
    """
    if settings.average == "none":
        return None
    return AveragedModel(network, multi_avg_fn=functools.partial(_move, settings.ema_decay), use_buffers=True)


@torch.no_grad()
def _move(decay: float, averages: list[torch.Tensor], values: list[torch.Tensor], num_averaged: torch.Tensor) -> None:
    """Take the next values into exponentially weighted means whose weights sum to 1 from the first step on.

    The mean of n + 1 values with weights 1, d, d², ... moves by (1 - d) / (1 - dⁿ⁺¹) of the way to the newest. The
    usual rule, 1 - d, would leave much weight on the first step of a short training.
    """
    if averages[0].is_floating_point():
        share = (1 - decay) / (1 - decay ** (int(num_averaged) + 1))
        torch._foreach_lerp_(averages, values, share)
    else:  # counters of batches
        torch._foreach_copy_(averages, values)


@final
class EpochMean:
    """The mean of a network's weights and batch-norm statistics over the steps of one epoch."""

    def __init__(self, network: nn.Module) -> None:
        self._average = AveragedModel(network, use_buffers=True)

    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        self._average.update_parameters(network)

    def take(self) -> nn.Module:
        """Return the network with the mean weights, which hold until the next `update` begins another mean."""
        self._average.n_averaged.zero_()
        network: nn.Module = self._average.module
        return network
