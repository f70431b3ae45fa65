"""Composition: one noise after another, left to right."""

from typing import ClassVar

import numpy as np
from pydantic import Field, SerializeAsAny

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.transition import TransitionMatrix


class Chain(NoiseModel):
    """Apply several models in turn, each to the result of the one before.

    Parameters
    ----------
    steps : tuple of NoiseModel
        At least two; written ``a + b`` in specs.

    Examples
    --------
    >>> from metastructure.noise import parse_noise
    >>> from metastructure.rng import generator
    >>> both = parse_noise("dilate:1 + flip:1")
    >>> both(np.array([[0, 0, 1]]), generator(0, "a", "noise")).tolist()
    [[1, 0, 0]]
    """

    family: ClassVar[str] = "chain"

    steps: tuple[SerializeAsAny[NoiseModel], ...] = Field(min_length=2)

    def check_num_classes(self, num_classes: int) -> None:
        """Raise ValueError if a step does not fit C classes."""
        for step in self.steps:
            step.check_num_classes(num_classes)

    def transition(self, num_classes: int) -> TransitionMatrix | None:
        """Return the product of the steps' matrices, or None if a step has none."""
        product = TransitionMatrix.identity(num_classes)
        for step in self.steps:
            matrix = step.transition(num_classes)
            if matrix is None:
                return None
            product = product @ matrix
        return product

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        for step in self.steps:
            label = step(label, rng, num_classes)
        return label

    def __str__(self) -> str:
        """Return the spec that makes this model again."""
        return " + ".join(str(step) for step in self.steps)
