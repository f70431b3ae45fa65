"""IIC: one network for a folder, whose clusters should not change when an image is turned, mirrored or lit differently.

`B` batch, `K` channels, `C` clusters, `H` rows, `W` columns.
"""

from typing import Annotated, ClassVar, final

import numpy as np
import torch
from pydantic import BaseModel, Field
from torch import nn

from metastructure.unsupervised.base import Method
from metastructure.unsupervised.cluster_method import ClusterMethod
from metastructure.unsupervised.information import mean_information

DILATIONS = (1, 2, 4)
"""Of the 3 x 3 convolutions, which together see 15 pixels each way across."""

NUM_SYMMETRIES = 8
"""Of a square: four right-angle turns, each with and without a mirror."""


class _Heads(BaseModel):
    """The settings that IIC lists before the others of `ClusterMethod`; titles of results follow that order."""

    clusters: Annotated[int, Field(ge=2, le=64)] = 6
    auxiliary: Annotated[int, Field(ge=0, le=256)] = 10


class IIC(ClusterMethod, _Heads, Method):
    """Invariant information clustering: maximal mutual information of the clusters of an image and of a changed copy.

    Parameters
    ----------
    clusters : int
        C of the main head. More than two are merged into objects and background by their brightness.
    auxiliary : int
        Clusters of a second head, which only helps to train the features; 0 for none.
    width : int
        Channels of each layer.
    steps, batch_size, crop_px, learning_rate
        Of the training, with Adam on random crops.
    displacement_px : int
        The clusters of a pixel should also tell those of pixels so far away, each way.
    contrast, brightness, noise : float
        Largest change of contrast (as a factor: 0.4 draws from 0.6 to 1.4), shift of brightness and deviation of added
        noise, the last two in standard deviations of the image.

    Notes
    -----
    Loss and pairs are those of the paper for segmentation, with its auxiliary over-clustering, but reduced to what a
    CPU does in minutes: three dilated convolutions at full resolution in place of a VGG with pooling, which would lose
    objects a few pixels thin; both heads are trained in each step and not by turns; one sub-head. The paper gives each
    class a cluster; here mutual information, which rewards clusters of equal size as objects seldom are, gets more
    `clusters` than that, and they are merged.

    References
    ----------
    Ji, Henriques, Vedaldi, "Invariant information clustering for unsupervised image classification and segmentation",
    ICCV 2019.
    """

    name: ClassVar[str] = "iic"
    drawn: ClassVar[str] = "views"

    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.4
    brightness: Annotated[float, Field(ge=0, le=10)] = 0.4
    noise: Annotated[float, Field(ge=0, le=10)] = 0.2

    def build_network(self, num_channels: int) -> nn.Module:
        """Return a `Clusterer` of one head or two."""
        heads = (self.clusters, self.auxiliary) if self.auxiliary else (self.clusters,)
        return Clusterer(num_channels, self.width, heads)

    def information(self, network: nn.Module, images_BKHW: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return what the clusters of images and of changed copies tell of each other, summed over the heads."""
        assert isinstance(network, Clusterer)
        symmetry = int(rng.integers(NUM_SYMMETRIES))
        seed = torch.Generator().manual_seed(int(rng.integers(2**62)))
        changed_BKHW = turn(self._relight(images_BKHW, seed), symmetry)
        plain, changed = network.all_heads(images_BKHW), network.all_heads(changed_BKHW)
        pairs = [(a.softmax(1), turn_back(b.softmax(1), symmetry)) for a, b in zip(plain, changed, strict=True)]
        return torch.stack([mean_information(a, b, self.displacement_px) for a, b in pairs]).sum()

    def _relight(self, images_BKHW: torch.Tensor, seed: torch.Generator) -> torch.Tensor:
        """Return images with a contrast and a brightness of their own each, and noise."""
        shape = (len(images_BKHW), 1, 1, 1)
        factor, shift = (2 * torch.rand(shape, generator=seed) - 1 for _ in range(2))
        noise = torch.randn(images_BKHW.shape, generator=seed)
        changed: torch.Tensor = images_BKHW.cpu() * (1 + self.contrast * factor) + self.brightness * shift
        return (changed + self.noise * noise).to(images_BKHW.device)


@final
class Clusterer(nn.Module):
    """Dilated 3 x 3 convolutions with batch norm at full resolution, then one 1 x 1 convolution for each head.

    Parameters
    ----------
    num_channels : int
        K.
    width : int
        Channels of each layer.
    heads : tuple of int
        Clusters of each; the first is the one that predicts.
    """

    def __init__(self, num_channels: int, width: int, heads: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, dilation in enumerate(DILATIONS):
            channels = width if index else num_channels
            layers += [nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Conv2d(width, clusters, 1) for clusters in heads)

    def all_heads(self, images_BKHW: torch.Tensor) -> list[torch.Tensor]:
        """Return the logits (B, C, H, W) of every head."""
        features = self.features(images_BKHW)
        return [head(features) for head in self.heads]

    def forward(self, images_BKHW: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, C, H, W) of the main head."""
        logits: torch.Tensor = self.heads[0](self.features(images_BKHW))
        return logits


def turn(images_BKHW: torch.Tensor, symmetry: int) -> torch.Tensor:
    """Return images under one of the 8 symmetries of a square: `symmetry` % 4 right-angle turns, from 4 on mirrored."""
    turned = torch.rot90(images_BKHW, symmetry % 4, (2, 3))
    return turned.flip(3) if symmetry >= 4 else turned


def turn_back(images_BKHW: torch.Tensor, symmetry: int) -> torch.Tensor:
    """Undo `turn`."""
    images_BKHW = images_BKHW.flip(3) if symmetry >= 4 else images_BKHW
    return torch.rot90(images_BKHW, -(symmetry % 4), (2, 3))
