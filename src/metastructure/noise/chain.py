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
            try:
                step.check_num_classes(num_classes)
            except ValueError as error:
                raise ValueError(f"step '{step}': {error}") from None

    def transition(self, num_classes: int) -> TransitionMatrix | None:
        """Return the product of the steps' matrices.

        None if a step has none, or if a step ignores pixels unevenly after another has changed classes: which of the
        changed pixels are left then depends on the image.
        """
        identity = product = TransitionMatrix.identity(num_classes)
        for step in self.steps:
            matrix = step.transition(num_classes)
            if matrix is None or (step.known_share(num_classes) is None and product != identity):
                return None
            product = product @ matrix
        return product

    def known_share(self, num_classes: int) -> float | None:
        """Return the product of the steps' shares, or None if a step has none."""
        shares = [step.known_share(num_classes) for step in self.steps]
        return None if None in shares else float(np.prod([share for share in shares if share is not None]))

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        for step in self.steps:
            label = step(label, rng, num_classes)
        return label

    def __str__(self) -> str:
        """Return the spec that makes this model again."""
        return " + ".join(str(step) for step in self.steps)
