"""Prediction of whole images of any size, tiled where they are large.

`C` classes, `K` channels, `H` rows, `W` columns.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from monai.inferers.utils import sliding_window_inference
from torch import nn

TILE_PX = 512
OVERLAP = 0.25


@torch.no_grad()
def predict_probabilities(
    network: nn.Module,
    images: Iterable[npt.NDArray[np.float32]],
    fabric: Fabric,
    tile_px: int = TILE_PX,
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the class probabilities of each image in turn.

    Parameters
    ----------
    network : nn.Module
        From (B, K, H, W) to one logit, or to C.
    images : iterable of (K, H, W) float32 arrays
        Normalised as in training.
    fabric : Fabric
        Device and precision.
    tile_px : int
        Images with a side longer than this are predicted in overlapping tiles of this side, blended with a
        Gaussian weight (MONAI's `sliding_window_inference`).

    Yields
    ------
    (C, H, W) float32 array
        Sums to 1 over C; two classes from one logit.
    """
    network = network.to(fabric.device).eval()
    with fabric.autocast():
        for image in images:
            batch_1KHW = torch.from_numpy(image)[None].to(fabric.device, memory_format=torch.channels_last)
            if max(image.shape[1:]) <= tile_px:
                logits_1CHW = network(batch_1KHW)
            else:
                logits_1CHW = sliding_window_inference(
                    batch_1KHW, (tile_px, tile_px), 1, network, overlap=OVERLAP, mode="gaussian"
                )
            yield _to_probabilities(logits_1CHW[0].float()).cpu().numpy()


def _to_probabilities(logits_CHW: torch.Tensor) -> torch.Tensor:
    if len(logits_CHW) > 1:
        return torch.softmax(logits_CHW, 0)
    foreground = torch.sigmoid(logits_CHW)
    return torch.cat([1 - foreground, foreground])
