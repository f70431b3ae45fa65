"""A method that trains one clustering network for a folder: settings, training and file, which AC and IIC share.

`B` batch, `K` channels, `C` clusters, `H` rows, `W` columns.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, Field
from torch import nn

from metastructure.data.files import ImageArray
from metastructure.rng import generator
from metastructure.training.settings import Machine
from metastructure.unsupervised.base import Predictor, Work
from metastructure.unsupervised.cluster_network import (
    ClusterPredictor,
    build_seeded,
    folder_draw,
    load_clusters,
    maximise,
    name_clusters,
    settle_statistics,
)

NAMING_BATCHES = 16


class ClusterMethod(BaseModel, ABC):
    """The part of a `Method` that trains a network until the clusters of two views of an image tell of each other.

    It is no `Method` itself, so that each of those has a name in `METHODS`; a member derives from both.

    Attributes
    ----------
    drawn : str
        What `information` draws, as the purpose of its random generator.
    settles : bool
        Whether the statistics of batch norm are measured anew after training.
    clusters : int
        C. More than two are merged into objects and background by their brightness.
    width : int
        Channels of each layer.
    steps, batch_size, crop_px, learning_rate
        Of the training, with Adam on random crops.
    displacement_px : int
        The clusters of a pixel in one view should also tell those of pixels so far away in the other.
    """

    name: ClassVar[str]
    learns: ClassVar[bool] = True
    drawn: ClassVar[str]
    settles: ClassVar[bool] = False

    clusters: Annotated[int, Field(ge=2, le=64)] = 6
    width: Annotated[int, Field(ge=2, le=512)] = 24
    steps: Annotated[int, Field(ge=1)] = 300
    batch_size: Annotated[int, Field(ge=1)] = 8
    crop_px: Annotated[int, Field(ge=16)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 1e-3
    displacement_px: Annotated[int, Field(ge=0, le=10)] = 1

    @abstractmethod
    def build_network(self, num_channels: int) -> nn.Module:
        """Return a network from (B, `num_channels`, H, W) to logits (B, C, H, W), with any weights."""

    @abstractmethod
    def information(self, network: nn.Module, images_BKHW: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Return what the clusters of two views, drawn from `rng`, tell of each other; a scalar, in nats."""

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
        network = build_seeded(lambda: self.build_network(num_channels), work, self.name).to(fabric.device)

        def information(step: int) -> torch.Tensor:
            purpose = f"step {step}"
            rng = generator(work.seed, purpose, self.drawn)
            return self.information(network, draw(purpose, self.batch_size), rng)

        def naming_batches() -> Iterator[torch.Tensor]:
            return (draw(f"naming {index}", self.batch_size) for index in range(NAMING_BATCHES))

        maximise(
            network,
            information,
            steps=self.steps,
            learning_rate=self.learning_rate,
            name=self.name,
            on_progress=work.on_progress,
        )
        if self.settles:
            settle_statistics(network, naming_batches())
        return ClusterPredictor(network, name_clusters(network, naming_batches()), num_channels, work.side, fabric)

    def load(self, path: Path, work: Work) -> Predictor:
        """Return the predictor in a file that `ClusterPredictor.save` wrote.

        Raises
        ------
        DataError
            If the file holds something else, or the network of other settings.
        """
        fabric = Machine(device=work.device, threads=work.threads).fabric()
        return load_clusters(path, self.build_network, work.side, fabric)
