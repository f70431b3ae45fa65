"""Images, or slices of volumes, that nobody annotated."""

from typing import ClassVar, Literal

import numpy as np

from metastructure.label import IGNORE, LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.flipping import Rate
from metastructure.transition import TransitionMatrix


class Unlabelled(NoiseModel):
    """Leave a fraction of the images, or of the slices of a volume, without annotation: all IGNORE.

    Parameters
    ----------
    fraction : float in [0, 1]
        Probability that an image (or a slice) is left out; drawn for each on its own, so that a folder's share is
        this only on average.
    unit : "image" or "slice"
        What is left out. A 2-D label is one slice.

    References
    ----------
    Çiçek, Abdulkadir, Lienkamp, Brox, Ronneberger, "3D U-Net: Learning Dense Volumetric Segmentation from Sparse
    Annotation", MICCAI 2016: volumes of which some slices are annotated.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> Unlabelled(fraction=1)(np.array([[0, 1]]), generator(0, "a", "noise")).tolist()
    [[255, 255]]
    """

    family: ClassVar[str] = "unlabelled"
    main_field: ClassVar[str | None] = "fraction"

    fraction: Rate
    unit: Literal["image", "slice"] = "image"

    def transition(self, num_classes: int) -> TransitionMatrix:
        """Return the identity: the pixels that keep a class keep the right one."""
        return TransitionMatrix.identity(num_classes)

    def known_share(self, num_classes: int) -> float:
        """Return the share of images or slices that keep their label."""
        return 1 - self.fraction

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        slices = label.ndim == 3 and self.unit == "slice"
        left_out = rng.random(len(label) if slices else 1) < self.fraction
        noisy = label.copy()
        noisy[left_out if slices else left_out.repeat(len(label))] = IGNORE
        return noisy
