"""Random flipping: each pixel changes class by a transition matrix, symmetric or any."""

from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.draws import draw_classes, draw_mask, draw_mask_exact
from metastructure.transition import TransitionMatrix

Rate = Annotated[float, Field(ge=0, le=1)]


class Flipping(NoiseModel):
    """Change each pixel's class with a given probability, evenly to any other class (family RCL).

    Parameters
    ----------
    rate : float in [0, 1]
        Probability that a pixel leaves its class. Q is singular at (C-1)/C, 0.5 for two classes; beyond it
        the sign of the signal is inverted.
    exact : bool
        True changes exactly the nearest integer to `rate` n of the n pixels of each class (half to even);
        False decides for each pixel on its own.

    References
    ----------
    Luo, Liu, Guo, Yang, "Deep Neural Networks Learn Meta-Structures from Noisy Labels in Semantic
    Segmentation", AAAI 2022: randomised clean labels.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> Flipping(rate=1.0)(np.array([[0, 1, 255]]), generator(0, "a", "noise")).tolist()
    [[1, 0, 255]]
    """

    family: ClassVar[str] = "flip"
    main_field: ClassVar[str | None] = "rate"

    rate: Rate
    exact: bool = False

    def transition(self, num_classes: int) -> TransitionMatrix:
        """Return the symmetric matrix."""
        return TransitionMatrix.symmetric(self.rate, num_classes)

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        flat = label.reshape(-1)
        if num_classes > 2 and not self.exact:
            return draw_classes(rng, flat, self.transition(num_classes).rows).reshape(label.shape)
        if self.exact:
            flipped = draw_mask_exact(rng, flat, self.rate, range(num_classes), lambda n: round(self.rate * n))
        else:
            flipped = draw_mask(rng, flat.size, self.rate)
        if num_classes == 2:
            return (flat ^ flipped).reshape(label.shape)
        others = TransitionMatrix.symmetric(1.0, num_classes).rows
        return np.where(flipped, draw_classes(rng, flat, others), flat).reshape(label.shape)


class MatrixFlipping(NoiseModel):
    """Draw each pixel's class from the row of a transition matrix that belongs to its clean class.

    Parameters
    ----------
    matrix : C rows of C probabilities
        ``Q[j, m] = P(noisy = m | clean = j)``; rows are the clean class and sum to 1.
    exact : bool
        True gives each class exactly the counts n Q[j], rounded by largest remainder; False draws pixel by
        pixel.

    References
    ----------
    Natarajan, Dhillon, Ravikumar, Tewari, "Learning with Noisy Labels", NeurIPS 2013:
    class-conditional noise.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> one_sided = MatrixFlipping(matrix=[[1, 0], [0.75, 0.25]], exact=True)
    >>> one_sided(np.array([[0, 1, 1, 1, 1]]), generator(0, "a", "noise")).sum()
    np.int64(1)
    """

    family: ClassVar[str] = "matrix"
    main_field: ClassVar[str | None] = "matrix"

    matrix: tuple[tuple[float, ...], ...]
    exact: bool = False

    @field_validator("matrix")
    @classmethod
    def _check_matrix(cls, matrix: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if len({len(row) for row in matrix} | {len(matrix)}) != 1:
            lengths = [len(row) for row in matrix]
            raise ValueError(f"the matrix must be square; its rows have {lengths} entries")
        TransitionMatrix(matrix)
        return matrix

    def check_num_classes(self, num_classes: int) -> None:
        """Raise ValueError unless the matrix has one row per class."""
        if num_classes != len(self.matrix):
            raise ValueError(
                f"The transition matrix has {len(self.matrix)} rows but the labels have {num_classes} classes."
            )

    def transition(self, num_classes: int) -> TransitionMatrix:
        """Return the matrix."""
        self.check_num_classes(num_classes)
        return TransitionMatrix(self.matrix)

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        rows = np.asarray(self.matrix)
        if not self.exact:
            return draw_classes(rng, label.reshape(-1), rows).reshape(label.shape)
        noisy = label.copy()
        flat, original = noisy.reshape(-1), label.reshape(-1)
        for klass in range(num_classes):
            pixels = rng.permutation(np.flatnonzero(original == klass))
            flat[pixels] = np.repeat(np.arange(num_classes), _split(len(pixels), rows[klass]))
        return noisy


def _split(total: int, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return integers that sum to `total` in the given shares, by largest remainder (ties to the first)."""
    ideal = total * shares
    counts = np.floor(ideal).astype(np.int64)
    by_remainder = np.argsort(counts - ideal, kind="stable")
    counts[by_remainder[: total - int(counts.sum())]] += 1
    return counts
