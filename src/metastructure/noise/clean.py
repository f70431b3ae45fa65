"""No noise: the label as it is, the reference of every comparison."""

from typing import ClassVar

import numpy as np

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.transition import TransitionMatrix


class Clean(NoiseModel):
    """Return a copy of the label (family CL).

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> Clean()(np.array([[0, 1]]), generator(0, "a", "noise")).tolist()
    [[0, 1]]
    """

    family: ClassVar[str] = "clean"

    def transition(self, num_classes: int) -> TransitionMatrix:
        """Return the identity."""
        return TransitionMatrix.identity(num_classes)

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        return label.copy()
