"""DFC: a small network learns to cluster the pixels of one image, from its own likeliest clusters and their smoothness.

`K` channels, `C` clusters, `H` rows, `W` columns, `h`, `w` of a crop.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import nn
from torch.nn import functional

from metastructure.data.files import ImageArray
from metastructure.rng import generator
from metastructure.training.predict import TileReader
from metastructure.training.settings import Machine
from metastructure.unsupervised.base import Method, Predictor, Score, Work
from metastructure.unsupervised.cluster_network import (
    build_seeded,
    check_finite,
    predict_rows,
    score_image,
    settle_statistics,
)
from metastructure.unsupervised.clusters import ClusterSums, IsObject
from metastructure.unsupervised.crops import draw_crops, standard_reader

MOMENTUM = 0.9
"""As in Kim et al. 2020."""

STATISTICS_CROPS = 8
"""Of a large image, from which the statistics of batch norm are taken for prediction."""


class DFC(Method):
    """Differentiable feature clustering: each image trains a network of its own.

    Parameters
    ----------
    channels : int
        Features of each layer, and clusters at the start; most of them die out.
    blocks : int
        3 x 3 convolutions, each with a ReLU and batch norm.
    iterations : int
        Steps at most.
    min_clusters : int
        Training ends once so few clusters hold pixels. Should it fall to a single one, nothing is an object.
    continuity : float
        Weight of `continuity_loss` against the cross-entropy; more of it leaves fewer and smoother clusters.
    learning_rate : float
        Of SGD with momentum 0.9.
    crop_px : int
        Images with a longer side train on a random crop of this side a step, so that time and memory stay bounded.

    Notes
    -----
    The step: cluster each pixel by its largest response, then lower the cross-entropy of the responses to those
    clusters plus ``continuity`` times the differences between neighbours. As published, but for three things. The
    authors take 100 channels, two or three blocks and up to 1000 steps, on a GPU; `channels`, `blocks` and `iterations`
    give that back. Inputs are in standard deviations of the image and not in [0, 1], so that units do not matter. And
    the paper leaves clusters without names: here those brighter than a split of the cluster means are objects, see
    `metastructure.unsupervised.clusters`.

    ``learns`` is False: no image sees another, though each takes its own training. All start from the same weights,
    given by the seed.

    References
    ----------
    Kim, Kanezaki, Tanaka, "Unsupervised learning of image segmentation based on differentiable feature clustering",
    IEEE Transactions on Image Processing 29 (2020).
    """

    name: ClassVar[str] = "dfc"

    channels: Annotated[int, Field(ge=3, le=1024)] = 32
    blocks: Annotated[int, Field(ge=1, le=8)] = 2
    iterations: Annotated[int, Field(ge=1)] = 50
    min_clusters: Annotated[int, Field(ge=2)] = 3
    continuity: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.1
    crop_px: Annotated[int, Field(ge=32)] = 256

    def fit(self, images: Sequence[ImageArray], work: Work) -> Predictor:
        """Return the method itself: it learns nothing from other images."""
        fabric = Machine(device=work.device, threads=work.threads).fabric()

        def predict(image: ImageArray) -> Score:
            read, shape = standard_reader(image, work.side), image.shape
            network = self._train(read, shape, work, fabric)
            return score_image(network, read, shape, fabric, _name_clusters(network, read, shape, fabric))

        return predict

    def _train(self, read: TileReader, shape: tuple[int, ...], work: Work, fabric: Fabric) -> nn.Module:
        """Return a network trained on one image."""
        size = (min(shape[0], self.crop_px), min(shape[1], self.crop_px))
        rng = generator(work.seed, "dfc", "crops")
        num_channels = 1 if len(shape) == 2 else shape[2]
        network = build_seeded(lambda: build_network(num_channels, self.channels, self.blocks), work, "dfc")
        network = network.to(fabric.device).train()
        optimizer = torch.optim.SGD(network.parameters(), lr=self.learning_rate, momentum=MOMENTUM)
        crop_1Khw = draw_crops([read], [shape], 1, size, rng).to(fabric.device)
        for step in range(self.iterations):
            if shape[:2] != size:
                crop_1Khw = draw_crops([read], [shape], 1, size, rng).to(fabric.device)
            responses_1Chw = network(crop_1Khw)
            cluster_1hw = responses_1Chw.argmax(1)
            similarity = functional.cross_entropy(responses_1Chw, cluster_1hw)
            loss = similarity + self.continuity * continuity_loss(responses_1Chw)
            check_finite(loss, network, self.name, step + 1, self.learning_rate)
            if len(cluster_1hw.unique()) <= self.min_clusters:
                break
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        check_finite(loss, network, self.name, self.iterations, self.learning_rate)
        num_crops = 1 if shape[:2] == size else STATISTICS_CROPS
        crops = (draw_crops([read], [shape], 1, size, rng).to(fabric.device) for _ in range(num_crops))
        settle_statistics(network, crops)
        return network


def build_network(num_channels: int, channels: int, blocks: int) -> nn.Sequential:
    """Return a network from (B, `num_channels`, H, W) to the responses of `channels` clusters, (B, C, H, W).

    Notes
    -----
    ReLU before batch norm, and a last batch norm on the responses, which gives every cluster its chance (Kim et al.
    2020).
    """
    layers: list[nn.Module] = []
    for block in range(blocks):
        convolution = nn.Conv2d(channels if block else num_channels, channels, 3, padding=1)
        layers += [convolution, nn.ReLU(), nn.BatchNorm2d(channels)]
    return nn.Sequential(*layers, nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels))


def continuity_loss(responses_BCHW: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute difference of rows below each other plus that of columns beside each other.

    Notes
    -----
    Of Kim et al. 2020, with means instead of sums, as their code has it: the size of the image does not matter.
    0 for an axis of one pixel.

    Examples
    --------
    >>> float(continuity_loss(torch.tensor([[[[0.0, 1.0], [5.0, 8.0]]]])))  # (5 + 7) / 2 + (1 + 3) / 2
    8.0
    """
    zero = responses_BCHW.new_zeros(())
    differences = [responses_BCHW.diff(dim=axis).abs() for axis in (2, 3)]
    return sum((difference.mean() for difference in differences if difference.numel()), zero)


def _name_clusters(network: nn.Module, read: TileReader, shape: tuple[int, ...], fabric: Fabric) -> IsObject:
    sums = []
    for rows, probabilities in predict_rows(network, read, shape, fabric):
        sums.append(ClusterSums.of(probabilities, read(rows, slice(None)).mean(0)))
    return sum(sums[1:], sums[0]).objects()
