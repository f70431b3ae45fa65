"""Training data as flat tensors, from which a whole batch of augmented crops is one gather.

`B` batch, `K` channels, `H` rows, `W` columns, `P` pixels of all images together. Images of different sizes lie end
to end, so ragged data sets cost no padding; flips and right-angle turns are a change of the indices and cost nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, Self, final

import numpy as np
import numpy.typing as npt
import torch

from metastructure.label import IGNORE, LabelArray
from metastructure.rng import derive_seed
from metastructure.training.settings import Augmentation

ALL = slice(None)


@final
class PixelStore:
    """Images and labels of a training split on one device.

    Parameters
    ----------
    images : sequence of (K, H, W) float32 arrays
        Normalised, sizes may differ.
    labels : sequence of (H, W) integer arrays
    crop_px : int
        Side of the crops. A smaller image is padded at its right and below by reflection, its label by IGNORE.
    device : torch device

    Raises
    ------
    ValueError
        If there are no images, or as many labels as images are not given.
    """

    def __init__(
        self,
        images: Sequence[npt.NDArray[np.float32]],
        labels: Sequence[LabelArray],
        crop_px: int,
        device: torch.device | str = "cpu",
    ) -> None:
        if not images or len(images) != len(labels):
            raise ValueError(f"Give one label an image, and at least one; got {len(images)} and {len(labels)}.")
        self.crop_px, self.device = crop_px, torch.device(device)
        padded = [_pad_image(image, crop_px) for image in images]
        shapes = torch.tensor([image.shape[1:] for image in padded])
        self.heights, self.widths = shapes.unbind(1)
        areas = self.heights * self.widths
        self.offsets = torch.cumsum(areas, 0) - areas
        K = images[0].shape[0]
        self.pixels_PK = torch.from_numpy(np.concatenate([image.reshape(K, -1).T for image in padded])).to(device)
        self.replace_labels(labels)

    def replace_labels(self, labels: Sequence[LabelArray]) -> None:
        """Take other labels for the same images, as many and as large as the first ones.

        Raises
        ------
        ValueError
            If number or sizes differ.
        """
        padded = [_pad_label(label, self.crop_px) for label in labels]
        if [label.shape for label in padded] != list(zip(self.heights.tolist(), self.widths.tolist(), strict=True)):
            raise ValueError("Each label must have the size of its image.")
        flat = np.concatenate([label.reshape(-1) for label in padded]).astype(np.uint8, copy=False)
        self.labels_P = torch.from_numpy(flat).to(self.device)

    def __len__(self) -> int:
        return len(self.offsets)

    def to(self, device: torch.device | str) -> Self:
        """Move the pixels to a device, in place, and return the store."""
        self.device = torch.device(device)
        self.pixels_PK, self.labels_P = self.pixels_PK.to(device), self.labels_P.to(device)
        return self

    def crops(
        self,
        members: torch.Tensor,
        generator: torch.Generator,
        augment: Augmentation,
        part: slice = ALL,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one random crop of each member, or of those in a part of them.

        Parameters
        ----------
        members : (B,) tensor of int64
            Indices of images.
        generator : torch Generator on the CPU
        augment : "dihedral", "mirror" or "none"
            See `TrainingSettings`.
        part : slice, optional
            Of the members. A crop is the same whatever part it is asked for with: the draws are those of all.

        Returns
        -------
        images_BKHW : float32, channels last in memory
        labels_BHW : int64
        """
        size, B = self.crop_px, len(members)
        draws = torch.rand(2, B, generator=generator)
        top = (draws[0] * (self.heights[members] - size + 1)).long()
        left = (draws[1] * (self.widths[members] - size + 1)).long()
        row = torch.arange(size)[None, :, None].expand(B, size, size)
        column = torch.arange(size)[None, None, :].expand(B, size, size)
        if augment != "none":
            mirror, upend, transpose = torch.randint(2, (3, B, 1, 1), generator=generator).bool()
            column = torch.where(mirror, size - 1 - column, column)
            if augment == "dihedral":
                row = torch.where(upend, size - 1 - row, row)
                row, column = torch.where(transpose, column, row), torch.where(transpose, row, column)
        members, top, left, row, column = (values[part] for values in (members, top, left, row, column))
        B = len(members)
        flat = row + top[:, None, None]
        flat = flat * self.widths[members][:, None, None] + column + left[:, None, None]
        flat = (flat + self.offsets[members][:, None, None]).to(self.device, non_blocking=True)
        images_BHWK = self.pixels_PK.index_select(0, flat.reshape(-1)).view(B, size, size, -1)
        labels_BHW = self.labels_P[flat].long()
        return images_BHWK.permute(0, 3, 1, 2), labels_BHW

    def epoch(
        self,
        epoch: int,
        seed: int,
        batch_size: int,
        crops_per_image: int,
        augment: Augmentation,
        rank: int = 0,
        world_size: int = 1,
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
        """Yield the batches of one epoch, which depend on (seed, epoch) alone, each with its weight.

        Every image gives `crops_per_image` crops, in random order; the last batch may be smaller. Of `world_size`
        processes that share the work, the one of this rank gets its part of each batch, as even as can be; the weight
        is the part's number of crops over the mean of the parts, 1 in one process. Where a batch has fewer crops than
        there are processes, those left over get one crop of weight 0, because all must take part in each step.
        """
        generator = torch.Generator().manual_seed(derive_seed(seed, f"epoch {epoch}", "batches"))
        order = torch.randperm(len(self) * crops_per_image, generator=generator) % len(self)
        for members in torch.split(order, batch_size):
            first, last = (len(members) * edge // world_size for edge in (rank, rank + 1))
            weight = (last - first) * world_size / len(members)
            part = slice(first, last) if last > first else slice(0, 1)
            yield *self.crops(members, generator, augment, part), weight


def count_batches(num_images: int, batch_size: int, crops_per_image: int) -> int:
    """Return the number of batches in an epoch."""
    return -(-num_images * crops_per_image // batch_size)


def _pad_image(image: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    below, right = _shortfall(image.shape[1:], size)
    mode: Literal["reflect", "edge"] = "reflect" if min(image.shape[1:]) > 1 else "edge"
    return np.pad(image, ((0, 0), (0, below), (0, right)), mode=mode)


def _pad_label(label: LabelArray, size: int) -> LabelArray:
    below, right = _shortfall(label.shape, size)
    return np.pad(label, ((0, below), (0, right)), constant_values=IGNORE)


def _shortfall(shape: tuple[int, ...], size: int) -> tuple[int, int]:
    return max(0, size - shape[0]), max(0, size - shape[1])
