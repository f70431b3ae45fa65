"""The sum of several losses."""

from typing import ClassVar, final

import torch
from pydantic import Field, SerializeAsAny

from metastructure.training.losses.base import Loss


@final
class LossSum(Loss):
    """The sum of its terms, each with weight 1.

    Parameters
    ----------
    terms : tuple of Loss
        At least two; written ``a + b`` in specs.

    Examples
    --------
    >>> from metastructure.training.losses import parse_loss
    >>> both = parse_loss("brier + iou")
    >>> round(both(torch.zeros(1, 1, 1, 2), torch.tensor([[[1, 0]]])).item(), 4)  # 1/2 + 2/3
    1.1667
    """

    name: ClassVar[str] = "sum"

    terms: tuple[SerializeAsAny[Loss], ...] = Field(min_length=2)

    def _compute(
        self, logits_BCHW: torch.Tensor, target: torch.Tensor, weights_BHW: torch.Tensor | None
    ) -> torch.Tensor:
        return torch.stack([term(logits_BCHW, target, weights_BHW) for term in self.terms]).sum()

    def __str__(self) -> str:
        """Return the spec that makes this loss again."""
        return " + ".join(str(term) for term in self.terms)
