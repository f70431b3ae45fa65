"""Weak annotation: points, scribbles, boxes and discs in place of outlines."""

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator
from skimage.morphology import skeletonize

from metastructure.label import IGNORE, LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.boundary import RadiusPx
from metastructure.noise.geometry import is_within
from metastructure.noise.objects import find_objects
from metastructure.transition import TransitionMatrix

Fill = Literal["ignore", "background"]


class Points(NoiseModel):
    """Keep a few random pixels of every object.

    Parameters
    ----------
    per_object : int, at least 1
        Pixels kept of each object, drawn evenly without replacement; a smaller object stays whole.
    fill : "ignore" or "background"
        What the other pixels become. With "ignore" the pieces of the background are annotated by points too.

    References
    ----------
    Bearman, Russakovsky, Ferrari, Fei-Fei, "What's the Point: Semantic Segmentation with Point Supervision", ECCV 2016.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> noisy = Points()(np.array([[0, 1, 1, 1], [0, 1, 1, 1]]), generator(0, "a", "noise"))
    >>> [int((noisy == value).sum()) for value in (0, 1, 255)]
    [1, 1, 6]
    """

    family: ClassVar[str] = "points"
    main_field: ClassVar[str | None] = "per_object"

    per_object: Annotated[int, Field(ge=1, strict=True)] = 1
    fill: Fill = "ignore"

    def transition(self, num_classes: int) -> TransitionMatrix | None:
        """Return the identity over the pixels that keep a class if the rest is ignored, else None."""
        return TransitionMatrix.identity(num_classes) if self.fill == "ignore" else None

    def known_share(self, num_classes: int) -> float | None:
        """Return None if the rest is ignored, as large objects keep a smaller share of themselves, else 1."""
        return None if self.fill == "ignore" else 1.0

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        objects = find_objects(label, num_classes, background=self.fill == "ignore")
        noisy = _canvas(label, self.fill)
        pixels = np.concatenate([[0], np.cumsum(objects.stop - objects.start, dtype=np.intp)])  # before each run
        for klass, (first, stop) in zip(objects.classes, pairwise(pixels[objects.first_run].tolist()), strict=True):
            count = min(self.per_object, stop - first)
            chosen = first + rng.choice(stop - first, count, replace=False)
            run = np.searchsorted(pixels, chosen, side="right") - 1
            noisy.reshape(-1)[objects.start[run] + (chosen - pixels[run])] = klass
        return noisy


class Scribbles(NoiseModel):
    """Keep a brush stroke along the middle of each class.

    Parameters
    ----------
    width_px : odd int, at least 1
        Width of the stroke around the skeleton; it never leaves the class.
    fill : "ignore" or "background"
        What the other pixels become. With "ignore" the background is scribbled on too.

    References
    ----------
    Lin, Dai, Jia, He, Sun, "ScribbleSup: Scribble-Supervised Convolutional Networks for Semantic Segmentation",
    CVPR 2016. The skeletons are scikit-image's, as for `Skeleton`.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> label = np.pad(np.ones((5, 12), int), 2)
    >>> noisy = Scribbles(width_px=1, fill="background")(label, generator(0, "a", "noise"))
    >>> bool(0 < noisy.sum() < 20)
    True
    """

    family: ClassVar[str] = "scribbles"
    main_field: ClassVar[str | None] = "width_px"

    width_px: RadiusPx = 3
    fill: Fill = "ignore"

    @field_validator("width_px")
    @classmethod
    def _check_width(cls, width_px: int) -> int:
        if width_px % 2 == 0:
            raise ValueError(f"a stroke around a line of pixels has an odd width; got {width_px}")
        return width_px

    def transition(self, num_classes: int) -> TransitionMatrix | None:
        """Return the identity over the pixels that keep a class if the rest is ignored, else None."""
        return TransitionMatrix.identity(num_classes) if self.fill == "ignore" else None

    def known_share(self, num_classes: int) -> float | None:
        """Return None if the rest is ignored, as large objects keep a smaller share of themselves, else 1."""
        return None if self.fill == "ignore" else 1.0

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        noisy = _canvas(label, self.fill)
        for klass in range(0 if self.fill == "ignore" else 1, num_classes):
            inside = label == klass
            if inside.any():
                noisy[inside & is_within(skeletonize(inside), self.width_px // 2)] = klass
        return noisy


class Boxes(NoiseModel):
    """Replace every object by its bounding box; of overlapping boxes the smaller lies on top.

    References
    ----------
    Dai, He, Sun, "BoxSup: Exploiting Bounding Boxes to Supervise Convolutional Networks for Semantic Segmentation",
    ICCV 2015.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> Boxes()(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 2]]), generator(0, "a", "noise")).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 2]]
    """

    family: ClassVar[str] = "boxes"

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        objects = find_objects(label, num_classes)
        noisy = _canvas(label, "background")
        boxes = objects.boxes()
        for number in np.argsort(-np.diff(boxes)[..., 0].prod(axis=1), kind="stable"):
            noisy[tuple(slice(*ends) for ends in boxes[number].tolist())] = objects.classes[number]
        return noisy


class Discs(NoiseModel):
    """Replace every object by a disc (in a volume: a ball) at its centre, as particles are picked.

    Parameters
    ----------
    radius_px : int, at least 1
        Pixels within this distance of an object's centre of mass; where discs overlap the later in row order wins.

    References
    ----------
    Liu et al., "DeepETPicker: Fast and accurate 3D particle picking for cryo-electron tomography using weakly
    supervised deep learning", Nature Communications 2024.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> label = np.zeros((5, 5), int)
    >>> label[2, 0:5] = 1
    >>> Discs(radius_px=1)(label, generator(0, "a", "noise"))[1:4, 1:4].tolist()
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    """

    family: ClassVar[str] = "discs"
    main_field: ClassVar[str | None] = "radius_px"

    radius_px: RadiusPx

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        noisy = _canvas(label, "background")
        for piece in find_objects(label, num_classes):
            centre = piece.centre()
            low = np.maximum(np.ceil(centre - self.radius_px), 0).astype(int)
            high = np.minimum(np.floor(centre + self.radius_px) + 1, label.shape).astype(int)
            box = tuple(slice(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True))
            grid = np.ogrid[box]
            squared = sum((axis - middle) ** 2 for axis, middle in zip(grid, centre, strict=True))
            noisy[box][squared <= self.radius_px**2] = piece.klass
        return noisy


def _canvas(label: LabelArray, fill: Fill) -> LabelArray:
    return np.full_like(label, IGNORE if fill == "ignore" else 0)
