"""Random sampling: keep a fraction of each class's pixels, the rest become background or IGNORE."""

from math import ceil
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from metastructure.label import IGNORE, LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.draws import draw_mask, draw_mask_exact
from metastructure.transition import TransitionMatrix

CEIL_SLACK = 1e-9
"""0.07 x 100 is 7.000000000000001 in floating point and must keep 7 pixels, not 8."""


class Sampling(NoiseModel):
    """Keep a random fraction of the pixels of each sampled class (family RCL).

    Parameters
    ----------
    fraction : float in [0, 1]
        Share s of the pixels that keep their class.
    fill : "background" or "ignore"
        What the others become. With "background" the classes 1..C-1 are sampled and Q is one-sided,
        ``[[1, 0], [1-s, s]]`` for two classes. With "ignore" all classes are, background included, and
        what is left is correct: the label of someone who annotated a fraction of the pixels.
    exact : bool
        True keeps exactly ceil(s n) of the n pixels of each class, as the authors' code does; False decides
        for each pixel on its own.

    References
    ----------
    Luo, Liu, Guo, Yang, "Deep Neural Networks Learn Meta-Structures from Noisy Labels in Semantic
    Segmentation", AAAI 2022: randomised clean labels.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> label = np.array([[0, 1, 1, 1], [1, 255, 0, 0]])
    >>> noisy = Sampling(fraction=0.5)(label, generator(0, "a", "noise"))
    >>> int((noisy == 1).sum()), int(noisy[1, 1])
    (2, 255)
    """

    family: ClassVar[str] = "sample"
    main_field: ClassVar[str | None] = "fraction"

    fraction: Annotated[float, Field(ge=0, le=1)]
    fill: Literal["background", "ignore"] = "background"
    exact: bool = True

    def transition(self, num_classes: int) -> TransitionMatrix:
        """Return Q over the pixels that keep a class: one-sided for background, the identity for ignore."""
        if self.fill == "ignore":
            return TransitionMatrix.identity(num_classes)
        rows = np.eye(num_classes) * self.fraction
        rows[:, 0] += 1 - self.fraction
        return TransitionMatrix(rows)

    def known_share(self, num_classes: int) -> float:
        """Return the fraction if the rest is ignored, else 1."""
        return self.fraction if self.fill == "ignore" else 1.0

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        flat = label.reshape(-1)
        fill, first = (IGNORE, 0) if self.fill == "ignore" else (0, 1)
        if self.exact:
            sampled = range(first, num_classes)
            kept = draw_mask_exact(rng, flat, self.fraction, sampled, lambda n: ceil(self.fraction * n - CEIL_SLACK))
        else:
            kept = draw_mask(rng, flat.size, self.fraction)
        return np.where(kept, flat, label.dtype.type(fill)).reshape(label.shape)
