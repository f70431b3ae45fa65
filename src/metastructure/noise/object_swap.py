"""Whole objects given the wrong class."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import field_validator

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.flipping import Rate
from metastructure.noise.objects import find_objects
from metastructure.transition import TransitionMatrix


class ObjectSwap(NoiseModel):
    """Draw each object's class anew from the row of a confusion matrix that belongs to its clean class.

    Parameters
    ----------
    confusion : float in [0, 1], or C rows of C probabilities
        One number is the probability that an object takes another object class, each equally likely. A matrix has
        rows for the clean class, background first, whose row must be (1, 0, ..., 0); its column 0 misses objects.

    References
    ----------
    Zhang et al., "Disentangling Human Error from the Ground Truth in Segmentation of Medical Images", NeurIPS 2020:
    annotators as confusion matrices.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> ObjectSwap(confusion=1.0)(np.array([[1, 1, 0, 2]]), generator(0, "a", "noise")).tolist()
    [[2, 2, 0, 1]]
    """

    family: ClassVar[str] = "swap"
    main_field: ClassVar[str | None] = "confusion"

    confusion: Rate | tuple[tuple[float, ...], ...]

    @field_validator("confusion")
    @classmethod
    def _check_confusion(
        cls, confusion: float | tuple[tuple[float, ...], ...]
    ) -> float | tuple[tuple[float, ...], ...]:
        if isinstance(confusion, tuple):
            if len({len(row) for row in confusion} | {len(confusion)}) != 1:
                lengths = [len(row) for row in confusion]
                raise ValueError(f"the matrix must be square; its rows have {lengths} entries")
            if TransitionMatrix(confusion).rows[0, 0] != 1:
                raise ValueError(f"background is no object: row 0 must be 1, 0, ...; got {list(confusion[0])}")
        return confusion

    def check_num_classes(self, num_classes: int) -> None:
        """Raise ValueError if there are not two object classes to swap, or the matrix is of another size."""
        if not isinstance(self.confusion, tuple):
            if num_classes < 3:
                raise ValueError(f"swap needs at least two object classes; the labels have {num_classes - 1}.")
        elif len(self.confusion) != num_classes:
            raise ValueError(f"The matrix has {len(self.confusion)} rows but the labels have {num_classes} classes.")

    def transition(self, num_classes: int) -> TransitionMatrix:
        """Return the confusion matrix; the pixels of an object share one draw."""
        self.check_num_classes(num_classes)
        return TransitionMatrix(self._rows(num_classes))

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        objects = find_objects(label, num_classes)
        steps = np.cumsum(self._rows(num_classes), axis=1)[:, :-1]
        colour = (rng.random(len(objects))[:, None] >= steps[objects.classes]).sum(axis=1).astype(label.dtype)
        return objects.paint(colour)

    def _rows(self, num_classes: int) -> npt.NDArray[np.float64]:
        if isinstance(self.confusion, tuple):
            return np.array(self.confusion, dtype=np.float64)
        rows = np.eye(num_classes)
        rows[1:, 1:] = TransitionMatrix.symmetric(self.confusion, num_classes - 1).rows
        return rows
