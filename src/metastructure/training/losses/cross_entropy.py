"""Cross-entropy, which is linear in its target. Axes as in `base`."""

from typing import ClassVar, final

import torch
from torch.nn import functional

from metastructure.label import IGNORE
from metastructure.training.losses.base import Loss, is_known, mean_over_known, weigh_known


@final
class CrossEntropy(Loss):
    """The mean of -Σ_c t_c log p_c.

    Notes
    -----
    Linear in the target, so a target that is right on average gives a loss that is right on average. Where a target
    has negative entries the loss has no lower bound: a network that can single out such a pixel lowers it for ever.

    References
    ----------
    Good, "Rational decisions", JRSS B 1952 (the logarithmic score: the expected loss is least at the true
    probabilities).

    Examples
    --------
    >>> logits = torch.tensor([[[[0.0, 2.0, 5.0]]]])
    >>> round(CrossEntropy()(logits, torch.tensor([[[1, 0, 255]]])).item(), 4)  # (ln 2 + ln(1 + e^2)) / 2
    1.41
    """

    name: ClassVar[str] = "cross_entropy"

    def _compute(
        self, logits_BCHW: torch.Tensor, target: torch.Tensor, weights_BHW: torch.Tensor | None
    ) -> torch.Tensor:
        if target.ndim == 4:
            return cross_entropy_of_soft(logits_BCHW, target, weights_BHW)
        if logits_BCHW.shape[1] > 1 and weights_BHW is None:
            total = functional.cross_entropy(logits_BCHW, target, ignore_index=IGNORE, reduction="sum")
            return total / is_known(target).sum().clamp(min=1)
        if logits_BCHW.shape[1] > 1:
            loss_BHW = functional.cross_entropy(logits_BCHW, target, ignore_index=IGNORE, reduction="none")
        else:
            foreground_BHW = (target == 1).to(logits_BCHW.dtype)
            loss_BHW = functional.binary_cross_entropy_with_logits(logits_BCHW[:, 0], foreground_BHW, reduction="none")
        return mean_over_known(loss_BHW, weigh_known(target, weights_BHW, logits_BCHW.dtype))


def cross_entropy_of_soft(
    logits_BCHW: torch.Tensor, target_BCHW: torch.Tensor, weights_BHW: torch.Tensor | None
) -> torch.Tensor:
    """Return the mean cross-entropy with a soft target; two classes need only the second channel."""
    target_BCHW = target_BCHW.to(logits_BCHW.dtype)
    if logits_BCHW.shape[1] > 1:
        loss_BHW = functional.cross_entropy(logits_BCHW, target_BCHW, reduction="none")
    else:
        loss_BHW = functional.binary_cross_entropy_with_logits(logits_BCHW[:, 0], target_BCHW[:, 1], reduction="none")
    return mean_over_known(loss_BHW, weigh_known(target_BCHW, weights_BHW, logits_BCHW.dtype))
