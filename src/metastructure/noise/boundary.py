"""Perturbed clean labels: dilation, erosion and skeleton, which move boundaries and have no pixelwise Q."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from skimage.morphology import skeletonize

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.geometry import apply_in_bands, is_within, nearest_class
from metastructure.noise.objects import find_objects

RadiusPx = Annotated[int, Field(ge=1, strict=True)]
Classes = tuple[Annotated[int, Field(ge=0)], ...] | None


class Dilation(NoiseModel):
    """Grow objects by a disc of `radius_px` (family PCL).

    Parameters
    ----------
    radius_px : int, at least 1
        Pixels whose centre is within this Euclidean distance of an object join it.
    classes : tuple of int, optional
        The classes that grow, over every other class. Without it all classes but the background 0 grow, over
        background only. Where two classes reach a pixel the nearer takes it, at a tie the lower.

    References
    ----------
    Luo, Liu, Guo, Yang, "Deep Neural Networks Learn Meta-Structures from Noisy Labels in Semantic
    Segmentation", AAAI 2022: perturbed clean labels.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> Dilation(radius_px=1)(np.array([[0, 0, 1, 0, 2, 0, 0]]), generator(0, "a", "noise")).tolist()
    [[0, 1, 1, 1, 2, 2, 0]]
    """

    family: ClassVar[str] = "dilate"
    main_field: ClassVar[str | None] = "radius_px"

    radius_px: RadiusPx
    classes: Classes = None

    def check_num_classes(self, num_classes: int) -> None:
        """Raise ValueError if a class to grow is not one of the label's."""
        _check_classes(self.classes, num_classes)

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        return apply_in_bands(
            lambda band, _: grow_objects(band, num_classes, self.radius_px, self.classes), label, self.radius_px
        )


class Erosion(NoiseModel):
    """Shrink objects by a disc of `radius_px`; what they lose becomes background (family PCL).

    Parameters
    ----------
    radius_px : int, at least 1
        Pixels of an object within this Euclidean distance of another class are lost. The image's edge and
        IGNORE do not erode.
    classes : tuple of int, optional
        The classes that shrink; without it all but the background 0.

    References
    ----------
    Luo, Liu, Guo, Yang, "Deep Neural Networks Learn Meta-Structures from Noisy Labels in Semantic
    Segmentation", AAAI 2022: perturbed clean labels.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> Erosion(radius_px=1)(np.array([[1, 1, 1, 0, 1, 1, 0]]), generator(0, "a", "noise")).tolist()
    [[1, 1, 0, 0, 0, 0, 0]]
    """

    family: ClassVar[str] = "erode"
    main_field: ClassVar[str | None] = "radius_px"

    radius_px: RadiusPx
    classes: Classes = None

    def check_num_classes(self, num_classes: int) -> None:
        """Raise ValueError if a class to shrink is not one of the label's."""
        _check_classes(self.classes, num_classes)

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        return apply_in_bands(
            lambda band, _: shrink_objects(band, num_classes, self.radius_px, self.classes),
            label,
            self.radius_px,
        )


class Skeleton(NoiseModel):
    """Thin each class to its one-pixel centre line; the rest becomes background (family PCL).

    References
    ----------
    Zhang, Suen, "A fast parallel algorithm for thinning digital patterns", CACM 1984, in two dimensions;
    Lee, Kashyap, Chu, "Building skeleton models via 3-D medial surface/axis thinning algorithms", 1994, in
    three. Both as implemented by scikit-image.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> bar = np.pad(np.ones((3, 5), int), 1)
    >>> Skeleton()(bar, generator(0, "a", "noise")).sum() < bar.sum()
    np.True_
    """

    family: ClassVar[str] = "skeleton"

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        if num_classes == 2:
            thin: LabelArray = skeletonize(label == 1).astype(label.dtype)
            return thin
        noisy = np.zeros_like(label)
        for piece in find_objects(label, num_classes):  # a class's pieces are thinned apart: none sees another
            noisy[piece.box][skeletonize(piece.inside)] = piece.klass
        return noisy


def grow_objects(label: LabelArray, num_classes: int, radius_px: float, classes: Classes = None) -> LabelArray:
    """Return `label` with the named classes (all but 0) grown by a disc, as `Dilation` says."""
    grown = range(1, num_classes) if classes is None else classes
    seeds = np.isin(label, grown)
    changeable = label == 0 if classes is None else (label < num_classes) & ~seeds
    near = changeable & is_within(seeds, radius_px)
    noisy = label.copy()
    if len(grown) == 1:
        noisy[near] = grown[0]
        return noisy
    index, nearest, _ = nearest_class(label, num_classes, near, radius_px, lambda _, other: np.isin(other, grown))
    noisy.reshape(-1)[index] = nearest
    return noisy


def shrink_objects(label: LabelArray, num_classes: int, radius_px: float, classes: Classes = None) -> LabelArray:
    """Return `label` with the named classes (all but 0) shrunk by a disc, as `Erosion` says."""
    noisy = label.copy()
    known = label < num_classes
    for klass in range(1, num_classes) if classes is None else classes:
        inside = label == klass
        if inside.any():
            noisy[inside & is_within(known & ~inside, radius_px)] = 0
    return noisy


def _check_classes(classes: Classes, num_classes: int) -> None:
    beyond = [klass for klass in classes or () if klass >= num_classes]
    if beyond:
        raise ValueError(f"classes names {beyond[0]} but the labels have the classes 0..{num_classes - 1}.")
