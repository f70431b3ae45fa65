"""Objects that an annotator missed, and objects annotated where there are none."""

from typing import ClassVar

import numpy as np

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.flipping import Rate
from metastructure.noise.objects import find_objects
from metastructure.transition import TransitionMatrix

TRIES = 20
"""Places tried for a copy before it is given up."""


class Omission(NoiseModel):
    """Turn whole objects into background, each with a given probability.

    Parameters
    ----------
    rate : float in [0, 1]
        Probability that an object is missed.

    References
    ----------
    Vădineanu et al., "An Analysis of the Impact of Annotation Errors on the Accuracy of Deep Learning for Cell
    Segmentation", MIDL 2022: omission.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> Omission(rate=1)(np.array([[1, 1, 0, 2, 255]]), generator(0, "a", "noise")).tolist()
    [[0, 0, 0, 0, 255]]
    """

    family: ClassVar[str] = "omit"
    main_field: ClassVar[str | None] = "rate"

    rate: Rate

    def transition(self, num_classes: int) -> TransitionMatrix:
        """Return the one-sided matrix; the pixels of an object share one draw."""
        rows = np.eye(num_classes) * (1 - self.rate)
        rows[:, 0] += self.rate
        return TransitionMatrix(rows)

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        noisy = label.copy()
        for piece in find_objects(label, num_classes):
            if rng.random() < self.rate:
                noisy[piece.box][piece.inside] = 0
        return noisy


class Inclusion(NoiseModel):
    """Paste copies of objects where there is only background.

    Parameters
    ----------
    rate : float in [0, 1]
        Probability that an object is copied, once, to a place drawn evenly from those its box fits into. A copy
        that meets anything but background is tried elsewhere, at most 20 times, and then left out.

    References
    ----------
    Vădineanu et al., "An Analysis of the Impact of Annotation Errors on the Accuracy of Deep Learning for Cell
    Segmentation", MIDL 2022: inclusion.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> noisy = Inclusion(rate=1)(np.array([[1, 1, 0, 0, 0, 0]]), generator(0, "a", "noise"))
    >>> int(noisy.sum())
    4
    """

    family: ClassVar[str] = "include"
    main_field: ClassVar[str | None] = "rate"

    rate: Rate

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        noisy = label.copy()
        for piece in find_objects(label, num_classes):
            if rng.random() >= self.rate:
                continue
            room = np.array(label.shape) - piece.inside.shape + 1
            for _ in range(TRIES):
                corner = rng.integers(room)
                box = tuple(slice(start, start + size) for start, size in zip(corner, piece.inside.shape, strict=True))
                if (noisy[box][piece.inside] == 0).all():
                    noisy[box][piece.inside] = piece.klass
                    break
        return noisy
