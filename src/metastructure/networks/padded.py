"""Any input size for a network that needs its sides to be multiples of a stride."""

from typing import final

import torch
from torch import nn
from torch.nn import functional


@final
class Padded(nn.Module):
    """Pad the input on the right and below to a multiple of `stride`, and crop the logits back.

    Parameters
    ----------
    network : nn.Module
        From (B, K, H, W) to (B, C, H, W) where H and W are multiples of `stride`.
    stride : int

    Notes
    -----
    Edge pixels are repeated, which is defined for every size; reflection needs a side longer than the padding.

    In training, a batch of one image that shrinks to a single pixel is padded by one more stride: batch norm needs two
    values of each channel.
    """

    def __init__(self, network: nn.Module, stride: int) -> None:
        super().__init__()
        self.network = network
        self.stride = stride

    def forward(self, images_BKHW: torch.Tensor) -> torch.Tensor:
        """Return logits (B, C, H, W) for images of any size."""
        height, width = images_BKHW.shape[-2:]
        below, right = -height % self.stride, -width % self.stride
        if self.training and len(images_BKHW) == 1 and height + below == width + right == self.stride:
            right += self.stride
        if below or right:
            images_BKHW = functional.pad(images_BKHW, (0, right, 0, below), mode="replicate")
        logits_BCHW: torch.Tensor = self.network(images_BKHW)
        return logits_BCHW[..., :height, :width] if below or right else logits_BCHW
