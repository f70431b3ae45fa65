"""The looks at all images of a folder with the bias of their boundaries: what the findings are drawn from.

`N` images.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metastructure.audit.bias_result import BoundaryBias, ImageBias
from metastructure.audit.label_band import FloatArray, Index
from metastructure.audit.look import Look
from metastructure.audit.object_colour import Misfits, find_misfits
from metastructure.rng import generator


@dataclass(frozen=True, eq=False)
class Gathered:
    """All looks, in the order of their names.

    Attributes
    ----------
    looks : list of N Look
    bias : BoundaryBias or None
    num_classes, seed : int
    has_images : bool
        Whether a folder of images was given.
    """

    looks: list[Look]
    bias: BoundaryBias | None
    num_classes: int
    seed: int
    has_images: bool

    def rng(self, kind: str) -> np.random.Generator:
        """Return the generator of one kind of error."""
        return generator(self.seed, kind, "audit")

    @property
    def names(self) -> list[str]:
        """Names of the labels."""
        return [look.name for look in self.looks]

    @cached_property
    def image_bias(self) -> list[ImageBias | None]:
        """The bias of each image, None where it was not looked at."""
        found = {} if self.bias is None else {image.name: image for image in self.bias.images}
        return [found.get(look.name) for look in self.looks]

    @cached_property
    def shifts_px(self) -> FloatArray:
        """Bias of each image, (N,)."""
        return np.array([np.nan if image is None else image.shift_px for image in self.image_bias])

    @cached_property
    def moved_px(self) -> FloatArray:
        """Translation of each image, (N, 2); NaN where no edge was seen."""
        seen = [image if image is not None and not np.isnan(image.shift_px) else None for image in self.image_bias]
        return np.array([(np.nan, np.nan) if image is None else image.translation_px for image in seen])

    @cached_property
    def num_objects(self) -> FloatArray:
        """Objects of each label, (N,)."""
        return np.array(
            [np.nan if np.isinf(look.smoothing_px) else len(look.klass) for look in self.looks], dtype=np.float64
        )

    @cached_property
    def num_judged(self) -> FloatArray:
        """Objects of each label that can be compared with what is around them, (N,)."""
        return np.array([float((~np.isnan(look.contrast)).sum()) for look in self.looks])

    @cached_property
    def misfits(self) -> Misfits | None:
        """Objects that look like another class, all objects of the folder in one row; None if there is one class."""
        features = [look.features for look in self.looks if look.features.shape[1]]
        if self.num_classes < 3 or len({part.shape[1] for part in features}) != 1:
            return None
        klass = np.concatenate([look.klass for look in self.looks if look.features.shape[1]])
        return find_misfits(np.concatenate(features), klass, self.image_of_object) if len(klass) else None

    @cached_property
    def image_of_object(self) -> Index:
        """Place of the image of each object that has features."""
        sizes = [len(look.klass) if look.features.shape[1] else 0 for look in self.looks]
        return np.repeat(np.arange(len(self.looks)), sizes)

    @cached_property
    def num_misfits(self) -> FloatArray:
        """Objects of each image that look like another class, (N,)."""
        if self.misfits is None:
            return np.full(len(self.looks), np.nan)
        return np.bincount(self.image_of_object[self.misfits.is_misfit], minlength=len(self.looks)).astype(np.float64)
