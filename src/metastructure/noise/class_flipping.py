"""Flipping with a rate of each class's own, or to one confusable class: conveniences over a matrix."""

from typing import ClassVar

import numpy as np
from pydantic import Field, field_validator

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.flipping import MatrixFlipping, Rate
from metastructure.transition import TransitionMatrix


class PairFlipping(NoiseModel):
    """Change each pixel's class with a given probability, always to the next class (family RCL).

    Parameters
    ----------
    rate : float in [0, 1]
        Probability that a pixel of class j becomes class j + 1; the last class becomes 0.
    exact : bool
        True changes exactly round(rate n) of the n pixels of each class; False draws pixel by pixel.

    References
    ----------
    Han et al., "Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels", NeurIPS
    2018: pair flipping.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> PairFlipping(rate=1.0)(np.array([[0, 1, 2, 255]]), generator(0, "a", "noise")).tolist()
    [[1, 2, 0, 255]]
    """

    family: ClassVar[str] = "pairflip"
    main_field: ClassVar[str | None] = "rate"

    rate: Rate
    exact: bool = False

    def transition(self, num_classes: int) -> TransitionMatrix:
        """Return the matrix with 1 - `rate` on the diagonal and `rate` to its right."""
        keep = np.eye(num_classes)
        return TransitionMatrix((1 - self.rate) * keep + self.rate * np.roll(keep, 1, axis=1))

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        return _flip_by(self.transition(num_classes), self.exact, label, rng, num_classes)


class ClassFlipping(NoiseModel):
    """Change each pixel's class with the rate of its class, evenly to any other class (family RCL).

    Parameters
    ----------
    rates : C floats in [0, 1]
        ``rates[j]`` is the probability that a pixel of clean class j leaves it.
    exact : bool
        True changes exactly round(rates[j] n) of the n pixels of class j; False draws pixel by pixel.

    References
    ----------
    Natarajan, Dhillon, Ravikumar, Tewari, "Learning with Noisy Labels", NeurIPS 2013: class-conditional
    noise.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> ClassFlipping(rates=(0.0, 1.0))(np.array([[0, 1, 255]]), generator(0, "a", "noise")).tolist()
    [[0, 0, 255]]
    """

    family: ClassVar[str] = "classflip"
    main_field: ClassVar[str | None] = "rates"

    rates: tuple[Rate, ...] = Field(min_length=2)
    exact: bool = False

    @field_validator("rates")
    @classmethod
    def _check_rates(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        if all(rate == 0 for rate in rates):
            raise ValueError("at least one rate must be above 0; write 'clean' for no noise")
        return rates

    def check_num_classes(self, num_classes: int) -> None:
        """Raise ValueError unless there is one rate per class."""
        if num_classes != len(self.rates):
            raise ValueError(f"{len(self.rates)} rates were given but the labels have {num_classes} classes.")

    def transition(self, num_classes: int) -> TransitionMatrix:
        """Return the matrix whose row j keeps 1 - rates[j] and spreads the rest evenly."""
        self.check_num_classes(num_classes)
        spread = np.repeat(np.array(self.rates)[:, None] / (num_classes - 1), num_classes, axis=1)
        np.fill_diagonal(spread, 1 - np.array(self.rates))
        return TransitionMatrix(spread)

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        return _flip_by(self.transition(num_classes), self.exact, label, rng, num_classes)


def _flip_by(
    transition: TransitionMatrix, exact: bool, label: LabelArray, rng: np.random.Generator, num_classes: int
) -> LabelArray:
    rows = tuple(tuple(row) for row in transition.rows.tolist())
    return MatrixFlipping(matrix=rows, exact=exact)(label, rng, num_classes)
