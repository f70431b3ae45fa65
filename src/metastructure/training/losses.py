"""Losses on logits and integer labels, each blind to IGNORE.

`B` batch, `C` classes, `H` rows, `W` columns. One logit channel means two classes, the logit being foreground's.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

from metastructure.label import IGNORE

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def cross_entropy(logits_BCHW: torch.Tensor, labels_BHW: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy over the pixels that are not IGNORE, a scalar; 0 if all are.

    Parameters
    ----------
    logits_BCHW : (B, 1, H, W) or (B, C, H, W) tensor
    labels_BHW : (B, H, W) tensor of int64

    Examples
    --------
    >>> logits = torch.tensor([[[[0.0, 2.0, 5.0]]]])
    >>> round(cross_entropy(logits, torch.tensor([[[1, 0, 255]]])).item(), 4)  # (ln 2 + ln(1 + e^2)) / 2
    1.41
    """
    num_known = (labels_BHW != IGNORE).sum().clamp(min=1)
    if logits_BCHW.shape[1] > 1:
        total = functional.cross_entropy(logits_BCHW, labels_BHW, ignore_index=IGNORE, reduction="sum")
        return total / num_known
    known_BHW = labels_BHW != IGNORE
    target_BHW = torch.where(known_BHW, labels_BHW, 0).to(logits_BCHW.dtype)
    loss_BHW = functional.binary_cross_entropy_with_logits(logits_BCHW[:, 0], target_BHW, reduction="none")
    return (loss_BHW * known_BHW).sum() / num_known


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy}
"""Every loss by its name in training settings."""
