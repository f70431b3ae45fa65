"""AC: one network for a folder, whose clusters should agree whichever half of its surroundings a pixel sees.

`B` batch, `K` channels, `C` clusters, `H` rows, `W` columns.
"""

from typing import ClassVar, final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from metastructure.unsupervised.base import Method
from metastructure.unsupervised.cluster_method import ClusterMethod
from metastructure.unsupervised.information import mean_information

DILATIONS = (1, 2, 4)
"""Of the masked 3 x 3 convolutions."""

NUM_ORDERINGS = 8
"""Raster scans: from each of four corners, along rows or along columns."""


class Autoregressive(ClusterMethod, Method):
    """Autoregressive clustering (AC): maximal mutual information of clusters found under two scans of the image.

    Parameters
    ----------
    clusters : int
        C. More than two are merged into objects and background by their brightness.
    width : int
        Channels of each layer.
    steps, batch_size, crop_px, learning_rate
        Of the training, with Adam on random crops.
    displacement_px : int
        The clusters of a pixel under one scan should also tell those of pixels so far away under the other.

    Notes
    -----
    Each step draws two of the eight raster scans. Under a scan, a convolution sees a pixel and those before it and not
    those after it: the same kernel, with the weights of later pixels masked. Prediction masks nothing, as in the paper.

    Reduced to what a CPU does in minutes: three dilated masked convolutions at full resolution in place of a deep
    encoder and decoder with attention. The masks are not shifted. The statistics of batch norm are measured
    anew without masks before predicting, since unmasked sums have more terms than those seen in training.

    References
    ----------
    Ouali, Hudelot, Tami, "Autoregressive unsupervised image segmentation", ECCV 2020, section 3.
    """

    name: ClassVar[str] = "autoregressive"
    drawn: ClassVar[str] = "orderings"
    settles: ClassVar[bool] = True

    def build_network(self, num_channels: int) -> nn.Module:
        """Return a `MaskedClusterer`."""
        return MaskedClusterer(num_channels, self.width, self.clusters)

    def information(self, network: nn.Module, images_BKHW: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return what the clusters under two orderings tell of each other."""
        first, second = rng.choice(NUM_ORDERINGS, size=2, replace=False).tolist()
        one, other = (network(images_BKHW, ordering).softmax(1) for ordering in (first, second))
        return mean_information(one, other, self.displacement_px)


def seen_weights(ordering: int) -> torch.Tensor:
    """Return which weights of a 3 x 3 kernel see the pixel itself or earlier ones, (3, 3) float32 of 0 and 1.

    Parameters
    ----------
    ordering : int
        0 to 7. Bit 0 scans each line backwards, bit 1 takes the lines from last to first, bit 2 exchanges rows and
        columns: 0 is the order of reading.

    Examples
    --------
    >>> seen_weights(0).int().tolist()
    [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
    >>> seen_weights(5).int().tolist()  # columns from left to right, each from bottom to top
    [[1, 0, 0], [1, 1, 0], [1, 1, 0]]
    """
    seen = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    seen = seen.flip(1) if ordering & 1 else seen
    seen = seen.flip(0) if ordering & 2 else seen
    return seen.T if ordering & 4 else seen


@final
class MaskedConv(nn.Module):
    """A 3 x 3 convolution that under an ordering sees no later pixel; without one it sees all nine.

    Parameters
    ----------
    in_channels, out_channels, dilation : int
    """

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.weight = nn.Parameter(nn.Conv2d(in_channels, out_channels, 3).weight.detach())
        self.register_buffer("masks", torch.stack([seen_weights(ordering) for ordering in range(NUM_ORDERINGS)]))
        self.masks: torch.Tensor

    def forward(self, features_BKHW: torch.Tensor, ordering: int | None) -> torch.Tensor:
        """Return features (B, out channels, H, W)."""
        weight = self.weight if ordering is None else self.weight * self.masks[ordering]
        return functional.conv2d(features_BKHW, weight, padding=self.dilation, dilation=self.dilation)


@final
class MaskedClusterer(nn.Module):
    """Masked convolutions with batch norm at full resolution, then a 1 x 1 convolution to the clusters.

    Parameters
    ----------
    num_channels : int
        K.
    width : int
        Channels of each layer.
    clusters : int
        C.
    """

    def __init__(self, num_channels: int, width: int, clusters: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            MaskedConv(width if index else num_channels, width, dilation) for index, dilation in enumerate(DILATIONS)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in DILATIONS)
        self.head = nn.Conv2d(width, clusters, 1)

    def forward(self, images_BKHW: torch.Tensor, ordering: int | None = None) -> torch.Tensor:
        """Return the logits (B, C, H, W), under one ordering from 0 to 7, or with nothing masked."""
        features = images_BKHW
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            features = functional.relu(norm(convolution(features, ordering)))
        logits: torch.Tensor = self.head(features)
        return logits
