"""Random labels: every pixel drawn from one distribution, whatever its class."""

from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.draws import draw_classes
from metastructure.transition import ROW_SUM_TOLERANCE, TransitionMatrix


class RandomLabel(NoiseModel):
    """Replace the label by independent draws that know nothing of it (family RL, Q of rank 1).

    Parameters
    ----------
    distribution : float in [0, 1], or C probabilities; optional
        One number is the probability of foreground, shared evenly by the classes 1..C-1; C numbers are the
        probabilities of the classes. Without it all classes are equally likely.

    References
    ----------
    Luo, Liu, Guo, Yang, "Deep Neural Networks Learn Meta-Structures from Noisy Labels in Semantic
    Segmentation", AAAI 2022: random labels.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> RandomLabel(distribution=0.0)(np.array([[0, 1, 255]]), generator(0, "a", "noise")).tolist()
    [[0, 0, 255]]
    """

    family: ClassVar[str] = "random"
    main_field: ClassVar[str | None] = "distribution"

    distribution: Annotated[float, Field(ge=0, le=1)] | tuple[float, ...] | None = None

    @field_validator("distribution")
    @classmethod
    def _check_distribution(cls, value: float | tuple[float, ...] | None) -> float | tuple[float, ...] | None:
        if isinstance(value, tuple) and (min(value) < 0 or abs(sum(value) - 1) > ROW_SUM_TOLERANCE):
            raise ValueError(f"the probabilities must be at least 0 and sum to 1; got {list(value)}")
        return value

    def check_num_classes(self, num_classes: int) -> None:
        """Raise ValueError if a probability for each of another number of classes was given."""
        if isinstance(self.distribution, tuple) and len(self.distribution) != num_classes:
            raise ValueError(
                f"{len(self.distribution)} class probabilities were given but the labels have {num_classes} classes."
            )

    def transition(self, num_classes: int) -> TransitionMatrix:
        """Return the rank-1 matrix with the distribution in every row."""
        self.check_num_classes(num_classes)
        return TransitionMatrix(np.tile(self._probabilities(num_classes), (num_classes, 1)))

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        rows = np.tile(self._probabilities(num_classes), (num_classes, 1))
        return draw_classes(rng, np.zeros(label.size, dtype=np.uint8), rows).reshape(label.shape)

    def _probabilities(self, num_classes: int) -> npt.NDArray[np.float64]:
        if isinstance(self.distribution, tuple):
            return np.asarray(self.distribution)
        foreground = 1 - 1 / num_classes if self.distribution is None else self.distribution
        shares = np.full(num_classes, foreground / (num_classes - 1))
        shares[0] = 1 - foreground
        return shares
