"""A noise that strikes a fraction of the images only."""

from typing import ClassVar

import numpy as np
from pydantic import SerializeAsAny

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel, format_value
from metastructure.noise.chain import Chain
from metastructure.noise.flipping import Rate
from metastructure.transition import TransitionMatrix


class AtFraction(NoiseModel):
    """Apply a model to a fraction of the images and leave the others as they are.

    Parameters
    ----------
    model : NoiseModel
        What is applied; written ``model at fraction`` in specs, in parentheses if it is a chain.
    fraction : float in [0, 1]
        Probability that an image is struck, decided by the image's own generator before anything else.

    Examples
    --------
    >>> from metastructure.noise import parse_noise
    >>> from metastructure.rng import generator
    >>> model = parse_noise("flip:1 at 0.25")
    >>> sum(int(model(np.array([[0]]), generator(0, str(item), "noise"))[0, 0]) for item in range(400))
    101
    """

    family: ClassVar[str] = "at"

    model: SerializeAsAny[NoiseModel]
    fraction: Rate

    def check_num_classes(self, num_classes: int) -> None:
        """Raise ValueError if the model does not fit C classes."""
        self.model.check_num_classes(num_classes)

    def transition(self, num_classes: int) -> TransitionMatrix | None:
        """Return the matrix over the known pixels of all images, struck or not, or None if the model has none.

        Struck images weigh less where the model ignores pixels; if it does so unevenly and changes classes, there is
        no matrix either.
        """
        matrix, share = self.model.transition(num_classes), self.model.known_share(num_classes)
        identity = TransitionMatrix.identity(num_classes)
        if matrix is None or matrix == identity:
            return matrix
        if share is None:
            return None
        struck = self.fraction * share
        if struck + 1 - self.fraction == 0:
            return identity
        return TransitionMatrix(
            (struck * matrix.rows + (1 - self.fraction) * identity.rows) / (struck + 1 - self.fraction)
        )

    def known_share(self, num_classes: int) -> float | None:
        """Return the share over all images, struck or not."""
        share = self.model.known_share(num_classes)
        return None if share is None else 1 - self.fraction * (1 - share)

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        return self.model(label, rng, num_classes) if rng.random() < self.fraction else label.copy()

    def __str__(self) -> str:
        """Return the spec that makes this model again."""
        inner = f"({self.model})" if isinstance(self.model, Chain | AtFraction) else str(self.model)
        return f"{inner} at {format_value(self.fraction)}"
