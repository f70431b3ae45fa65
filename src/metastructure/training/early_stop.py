"""Stopping where memorisation begins: the weights of the flattest part of the loss curve predict."""

from collections.abc import Sequence
from typing import Any, final

from torch import nn

from metastructure.training.averaging import EpochMean
from metastructure.training.early_learning import find_tangent, is_memorising


@final
class EarlyStop:
    """Keeps the weights of the epoch before memorisation and says when to stop.

    Parameters
    ----------
    network : nn.Module
        The one that is trained.

    Attributes
    ----------
    is_over : bool
        Whether memorisation was seen; training should go no further.

    Notes
    -----
    Memorisation is seen some epochs after it began (`metastructure.training.early_learning`), so the weights of the
    last epoch of the flattest part so far are kept. They are the mean over the steps of that epoch: the rate of a
    one-cycle schedule has not come down by then, and averaging stands in for that. If nothing is seen, all is as usual.
    Cost: two copies of the weights.

    References
    ----------
    Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018.
    """

    def __init__(self, network: nn.Module) -> None:
        self.is_over = False
        self._mean = EpochMean(network)
        self._kept: dict[str, Any] | None = None

    def end_step(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        self._mean.update(network)

    def end_epoch(self, losses: Sequence[float]) -> list[str]:
        """Decide on the mean losses of all epochs so far; return what there is to say."""
        mean = self._mean.take()
        tangent = find_tangent(losses)
        if tangent is None:
            return []
        if tangent.epoch == len(losses) - 1:
            self._kept = {name: value.clone() for name, value in mean.state_dict().items()}
        self.is_over = is_memorising(losses)
        if not self.is_over:
            return []
        return [f"memorisation seen after epoch {len(losses)}; the weights of epoch {tangent.epoch + 1} predict"]

    def finish(self, network: nn.Module) -> None:
        """Put the kept weights into `network`, if memorisation was seen."""
        if self.is_over and self._kept is not None:
            network.load_state_dict(self._kept)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs between two epochs."""
        return {"is_over": self.is_over, "kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.is_over, self._kept = state["is_over"], state["kept"]
