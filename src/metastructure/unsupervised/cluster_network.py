"""A clustering network of a whole folder: trained step by step, its clusters named, then used on images of any size.

`ClusterMethod` is made of these, and DFC of some. `B` batch, `K` channels, `C` clusters, `H` rows, `W` columns, `h`
rows of a strip.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from metastructure.data.files import ImageArray
from metastructure.errors import DataError, RunError
from metastructure.rng import derive_seed, generator
from metastructure.training.decode import Probabilities
from metastructure.training.predict import TILE_PX, TileReader, predict_strips
from metastructure.unsupervised.base import Score, Side, Work
from metastructure.unsupervised.clusters import ClusterSums, IsObject, score_objects
from metastructure.unsupervised.crops import draw_crops, standard_reader

MAGIC = "metastructure clusters"

Draw = Callable[[str, int], torch.Tensor]
"""From (purpose, number) to crops (number, K, h, w) of the folder, the same for the same arguments."""


def build_seeded(build: Callable[[], nn.Module], work: Work, purpose: str) -> nn.Module:
    """Return a network with first weights from the seed alone; torch's own generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(work.seed, "", purpose))
        return build()


def folder_draw(images: Sequence[ImageArray], crop_px: int, work: Work, device: torch.device) -> Draw:
    """Return the draw of square crops of `crop_px` from all images alike."""
    readers = [standard_reader(image, work.side) for image in images]
    shapes = [image.shape for image in images]

    def draw(purpose: str, num: int) -> torch.Tensor:
        rng = generator(work.seed, purpose, "crops")
        return draw_crops(readers, shapes, num, (crop_px, crop_px), rng).to(device)

    return draw


def maximise(
    network: nn.Module,
    information: Callable[[int], torch.Tensor],
    *,
    steps: int,
    learning_rate: float,
    name: str,
    on_progress: Callable[[int, int], None],
) -> None:
    """Train `network` with Adam so that what ``information(step)`` returns becomes large.

    Raises
    ------
    RunError
        If it is not a number.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    network.train()
    for step in range(steps):
        loss = -information(step)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        check_finite(loss, network, name, step + 1, learning_rate)
        on_progress(step + 1, steps)


def check_finite(loss: torch.Tensor, network: nn.Module, name: str, step: int, learning_rate: float) -> None:
    """Raise RunError if the loss or a weight is NaN or infinite."""
    if not (torch.isfinite(loss) and all(torch.isfinite(weight).all() for weight in network.parameters())):
        raise RunError(
            f"{name} diverged in step {step}: the loss is {float(loss.detach()):g}, and weights may have become "
            f"infinite; lower learning_rate (now {learning_rate:g})."
        )


@torch.no_grad()
def settle_statistics(network: nn.Module, batches: Iterator[torch.Tensor]) -> None:
    """Set the statistics of all batch norms to their plain mean over `batches`."""
    torch.optim.swa_utils.update_bn(batches, network)


@torch.no_grad()
def name_clusters(network: nn.Module, batches: Iterator[torch.Tensor]) -> IsObject:
    """Return which clusters are objects, by their brightness pooled over batches (B, K, H, W)."""
    network.eval()
    sums = []
    for images_BKHW in batches:
        probabilities = torch.softmax(network(images_BKHW), 1).transpose(0, 1).flatten(2).cpu().numpy()
        sums.append(ClusterSums.of(probabilities, images_BKHW.mean(1).flatten(1).cpu().numpy()))
    return sum(sums[1:], sums[0]).objects()


def predict_rows(
    network: nn.Module, read: TileReader, shape: tuple[int, ...], fabric: Fabric
) -> Iterator[tuple[slice, Probabilities]]:
    """Yield an image's rows from top to bottom with their cluster probabilities (C, h, W), tiled where it is large."""
    top = 0
    for strip in predict_strips(network, read, shape[:2], fabric, TILE_PX):
        yield slice(top, top + strip.shape[1]), strip
        top += strip.shape[1]


def score_image(
    network: nn.Module, read: TileReader, shape: tuple[int, ...], fabric: Fabric, objects: IsObject
) -> Score:
    """Return the score of one image, (H, W); the probabilities of all clusters are never held for the whole of it."""
    score = np.empty(shape[:2], dtype=np.float32)
    for rows, probabilities in predict_rows(network, read, shape, fabric):
        score[rows] = score_objects(probabilities, objects)
    return score


@dataclass(frozen=True, eq=False)
class ClusterPredictor:
    """A clustering network whose clusters are named, which can be kept as a file."""

    network: nn.Module
    objects: IsObject
    num_channels: int
    side: Side
    fabric: Fabric

    def __call__(self, image: ImageArray) -> Score:
        """Return the score of one image."""
        read = standard_reader(image, self.side)
        return score_image(self.network, read, image.shape, self.fabric, self.objects)

    def save(self, path: Path) -> None:
        """Write weights and names, over what is there."""
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}
        content = {"magic": MAGIC, "weights": weights, "objects": self.objects.tolist(), "channels": self.num_channels}
        torch.save(content, path)


def load_clusters(path: Path, build: Callable[[int], nn.Module], side: Side, fabric: Fabric) -> ClusterPredictor:
    """Return what `ClusterPredictor.save` wrote; nothing in the file is executed.

    Parameters
    ----------
    path : Path
    build : callable
        From the number of channels to the network.
    side, fabric
        As for `ClusterPredictor`.

    Raises
    ------
    DataError
        If the file holds something else, or another network's weights.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["magic"] != MAGIC:
            raise KeyError(content["magic"])
        network = build(int(content["channels"]))
        network.load_state_dict(content["weights"])
        objects = np.array(content["objects"], dtype=bool)
        return ClusterPredictor(network.to(fabric.device), objects, int(content["channels"]), side, fabric)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: this is no model of a clustering network with these settings.") from error
