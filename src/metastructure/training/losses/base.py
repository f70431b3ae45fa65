"""What every loss shares: a frozen model that takes logits, a target and weights, and gives one number.

`B` batch, `C` classes, `H` rows, `W` columns, `N` pixels, `R` regions (the images of a batch, or the batch as one).
Logits of one channel mean two classes, the logit being foreground's. A target is either labels, (B, H, W) of int64 with
IGNORE, or soft: (B, C, H, W) class weights that sum to 1 where a pixel is known and are all 0 where it is not. Soft
entries may leave [0, 1], as those of unbiased density targets do.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, final

import torch
from pydantic import BaseModel, ConfigDict
from torch.nn import functional

from metastructure.label import IGNORE
from metastructure.noise.base import format_value


class Loss(BaseModel, ABC):
    """A loss and its settings, without state.

    Attributes
    ----------
    name : str
        The name in specs and in the table `metastructure.training.losses.LOSSES`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]

    @final
    def __call__(
        self, logits_BCHW: torch.Tensor, target: torch.Tensor, weights_BHW: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss over the known pixels, a scalar; 0 with zero gradient if none is known.

        Computed in float32 at least, also under autocast.

        Parameters
        ----------
        logits_BCHW : (B, 1, H, W) or (B, C, H, W) tensor
        target : (B, H, W) tensor of int64, or (B, C, H, W) tensor of floats
            Labels with IGNORE, or a soft target, of two channels for one logit.
        weights_BHW : (B, H, W) tensor of floats, at least 0, optional
            How much each pixel counts. A pixel of weight 0 is as good as unknown.

        Raises
        ------
        ValueError, TypeError
            If shapes or types do not fit.
        """
        _check_target(logits_BCHW, target, weights_BHW)
        with torch.autocast(logits_BCHW.device.type, enabled=False):
            half = logits_BCHW.dtype in (torch.float16, torch.bfloat16)
            return self._compute(logits_BCHW.float() if half else logits_BCHW, target, weights_BHW)

    @abstractmethod
    def _compute(
        self, logits_BCHW: torch.Tensor, target: torch.Tensor, weights_BHW: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the scalar."""

    def __str__(self) -> str:
        """Return the spec that makes this loss again: the name alone where every setting has its default."""
        fields = type(self).model_fields.items()
        values = {key: getattr(self, key) for key, field in fields if getattr(self, key) != field.default}
        settings = ",".join(f"{key}={format_value(value)}" for key, value in values.items())
        return f"{self.name}:{settings}" if settings else self.name


class PixelLoss(Loss):
    """A loss that is a mean over pixels."""

    @final
    def _compute(
        self, logits_BCHW: torch.Tensor, target: torch.Tensor, weights_BHW: torch.Tensor | None
    ) -> torch.Tensor:
        loss_BHW = self._per_pixel(log_probabilities(logits_BCHW), soften(target, logits_BCHW))
        return mean_over_known(loss_BHW, weigh_known(target, weights_BHW, logits_BCHW.dtype))

    @abstractmethod
    def _per_pixel(self, log_p_BCHW: torch.Tensor, target_BCHW: torch.Tensor) -> torch.Tensor:
        """Return (B, H, W), finite also where the target is all 0."""


class RegionLoss(Loss):
    """A loss that is no mean over pixels: it compares sums over a region.

    Parameters
    ----------
    per : "batch" or "image"
        The region: all pixels of the batch together, or each image, the loss then being the mean over the images
        in which anything is known.
    """

    per: Literal["batch", "image"] = "batch"

    @final
    def _compute(
        self, logits_BCHW: torch.Tensor, target: torch.Tensor, weights_BHW: torch.Tensor | None
    ) -> torch.Tensor:
        p_BCN = log_probabilities(logits_BCHW).exp().flatten(2)
        target_BCN = soften(target, logits_BCHW).flatten(2)
        weights_BN = weigh_known(target, weights_BHW, logits_BCHW.dtype).flatten(1)
        if self.per == "batch":
            p_BCN, target_BCN = (tensor.transpose(0, 1).flatten(1)[None] for tensor in (p_BCN, target_BCN))
            weights_BN = weights_BN.flatten()[None]
        return self._of_regions(p_BCN, weights_BN[:, None] * target_BCN, weights_BN)

    @abstractmethod
    def _of_regions(
        self, p_RCN: torch.Tensor, weighted_target_RCN: torch.Tensor, weights_RN: torch.Tensor
    ) -> torch.Tensor:
        """Return the scalar from probabilities, weights times target, and weights (0 where unknown)."""


def log_probabilities(logits_BCHW: torch.Tensor) -> torch.Tensor:
    """Return the log-probabilities of all classes, two for one logit.

    Examples
    --------
    >>> log_probabilities(torch.tensor([[[[0.0]]]])).exp().flatten().tolist()
    [0.5, 0.5]
    """
    if logits_BCHW.shape[1] > 1:
        return functional.log_softmax(logits_BCHW, dim=1)
    return torch.cat([functional.logsigmoid(-logits_BCHW), functional.logsigmoid(logits_BCHW)], dim=1)


def count_classes(logits_BCHW: torch.Tensor) -> int:
    """Return C: the number of channels, or 2 for one."""
    return max(2, logits_BCHW.shape[1])


def is_known(target: torch.Tensor) -> torch.Tensor:
    """Return where labels are not IGNORE, or a soft target is not all 0: (B, H, W) of bool."""
    return target != IGNORE if target.ndim == 3 else (target != 0).any(dim=1)


def soften(target: torch.Tensor, logits_BCHW: torch.Tensor) -> torch.Tensor:
    """Return a soft target as it is, and labels as 0 and 1 with all 0 for IGNORE; of the logits' dtype.

    Examples
    --------
    >>> soften(torch.tensor([[[1, 255]]]), torch.zeros(1, 1, 1, 2)).squeeze().tolist()
    [[0.0, 0.0], [1.0, 0.0]]
    """
    if target.ndim == 4:
        return target.to(logits_BCHW.dtype)
    known_B1HW = is_known(target)[:, None]
    B, H, W = target.shape
    hot_BCHW = logits_BCHW.new_zeros((B, count_classes(logits_BCHW), H, W))
    return hot_BCHW.scatter_(1, target[:, None] * known_B1HW, known_B1HW.to(logits_BCHW.dtype))


def weigh_known(target: torch.Tensor, weights_BHW: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor:
    """Return the weights where the target is known, 1 if there are none, and 0 elsewhere."""
    known_BHW = is_known(target).to(dtype)
    return known_BHW if weights_BHW is None else known_BHW * weights_BHW


def mean_over_known(loss_BHW: torch.Tensor, weights_BHW: torch.Tensor) -> torch.Tensor:
    """Return the weighted mean, 0 if all weights are."""
    return divide_safely((loss_BHW * weights_BHW).sum(), weights_BHW.sum())


def divide_safely(total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Return total / count, and `total` where the count is not positive; no NaN, in the gradient neither."""
    return total / torch.where(count > 0, count, 1)


def _check_target(logits_BCHW: torch.Tensor, target: torch.Tensor, weights_BHW: torch.Tensor | None) -> None:
    shape = tuple(logits_BCHW.shape)
    if len(shape) != 4:
        raise ValueError(f"Logits must be (B, C, H, W); got shape {shape}.")
    B, _, H, W = shape
    if tuple(target.shape) == (B, H, W):
        if target.dtype != torch.int64:
            raise TypeError(f"Labels (B, H, W) must be int64; got {target.dtype}. Use `.long()`.")
    elif tuple(target.shape) != (B, count_classes(logits_BCHW), H, W):
        raise ValueError(
            f"For logits of shape {shape} a target must be labels {(B, H, W)} or class weights "
            f"{(B, count_classes(logits_BCHW), H, W)}; got shape {tuple(target.shape)}."
        )
    elif not target.is_floating_point():
        raise TypeError(f"Class weights (B, C, H, W) must be floats; got {target.dtype}.")
    if weights_BHW is not None and tuple(weights_BHW.shape) != (B, H, W):
        raise ValueError(f"weights must be {(B, H, W)}, one a pixel; got shape {tuple(weights_BHW.shape)}.")
