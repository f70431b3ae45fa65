"""IIC: one network for a folder, whose clusters should not change when an image is turned, mirrored or lit differently.

`B` batch, `K` channels, `C` clusters, `H` rows, `W` columns.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, final

import torch
from pydantic import Field
from torch import nn

from metastructure.data.files import ImageArray
from metastructure.rng import generator
from metastructure.training.settings import Machine
from metastructure.unsupervised.base import Method, Predictor, Work
from metastructure.unsupervised.cluster_network import (
    ClusterPredictor,
    build_seeded,
    folder_draw,
    load_clusters,
    maximise,
    name_clusters,
)
from metastructure.unsupervised.information import mean_information

DILATIONS = (1, 2, 4)
"""Of the 3 x 3 convolutions, which together see 15 pixels each way across."""

NUM_SYMMETRIES = 8
"""Of a square: four right-angle turns, each with and without a mirror."""

NAMING_BATCHES = 16


class IIC(Method):
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
    learns: ClassVar[bool] = True

    clusters: Annotated[int, Field(ge=2, le=64)] = 6
    auxiliary: Annotated[int, Field(ge=0, le=256)] = 10
    width: Annotated[int, Field(ge=2, le=512)] = 24
    steps: Annotated[int, Field(ge=1)] = 300
    batch_size: Annotated[int, Field(ge=1)] = 8
    crop_px: Annotated[int, Field(ge=16)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 1e-3
    displacement_px: Annotated[int, Field(ge=0, le=10)] = 1
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.4
    brightness: Annotated[float, Field(ge=0, le=10)] = 0.4
    noise: Annotated[float, Field(ge=0, le=10)] = 0.2

    @property
    def _heads(self) -> tuple[int, ...]:
        return (self.clusters, self.auxiliary) if self.auxiliary else (self.clusters,)

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the predictor of one network trained on random crops of all images.

        Raises
        ------
        RunError
            If training diverges.
        """
        fabric = Machine(device=work.device, threads=work.threads).fabric()
        draw = folder_draw(images, self.crop_px, work, fabric.device)
        num_channels = 1 if images[0].ndim == 2 else images[0].shape[2]
        network = build_seeded(lambda: Clusterer(num_channels, self.width, self._heads), work, self.name).to(
            fabric.device
        )
        assert isinstance(network, Clusterer)

        def information(step: int) -> torch.Tensor:
            images_BKHW = draw(f"step {step}", self.batch_size)
            rng = generator(work.seed, f"step {step}", "views")
            symmetry = int(rng.integers(NUM_SYMMETRIES))
            seed = torch.Generator().manual_seed(int(rng.integers(2**62)))
            changed_BKHW = turn(self._relight(images_BKHW, seed), symmetry)
            plain, changed = network.all_heads(images_BKHW), network.all_heads(changed_BKHW)
            pairs = [(a.softmax(1), turn_back(b.softmax(1), symmetry)) for a, b in zip(plain, changed, strict=True)]
            return torch.stack([mean_information(a, b, self.displacement_px) for a, b in pairs]).sum()

        maximise(
            network,
            information,
            steps=self.steps,
            learning_rate=self.learning_rate,
            name=self.name,
            on_progress=work.on_progress,
        )
        batches = (draw(f"naming {index}", self.batch_size) for index in range(NAMING_BATCHES))
        return ClusterPredictor(network, name_clusters(network, batches), num_channels, work.side, fabric)

    def load(self, path: Path, work: Work) -> Predictor:
        """Return the predictor in a file that `ClusterPredictor.save` wrote.

        Raises
        ------
        DataError
            If the file holds something else, or the network of other settings.
        """
        fabric = Machine(device=work.device, threads=work.threads).fabric()
        return load_clusters(path, lambda channels: Clusterer(channels, self.width, self._heads), work.side, fabric)

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
