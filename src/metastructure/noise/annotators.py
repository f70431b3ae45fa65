"""Several annotators of one image, each with habits of their own, and what they agree on.

`N` annotators, `C` classes.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from metastructure.label import IGNORE, LabelArray, check_label
from metastructure.noise.base import NoiseModel
from metastructure.noise.flipping import Rate
from metastructure.noise.jitter import BoundaryJitter
from metastructure.noise.omission import Omission
from metastructure.noise.shift import BoundaryShift


class Annotator(NoiseModel):
    """One annotator, who misses some objects and draws the others too large or small and unsteadily.

    Parameters
    ----------
    bias_px : float
        Mean displacement of the boundary; above 0 the objects come out too large.
    jitter_px : float, at least 0
        Standard deviation of the displacement along the boundary, see `BoundaryJitter`.
    correlation_px : float, at least 1
        Length along which the displacement stays alike.
    omission : float in [0, 1]
        Probability that an object is missed.

    References
    ----------
    Vorontsov, Kadoury, "Label noise in segmentation networks: mitigation must deal with bias", DGM4MICCAI 2021 (bias
    against random error); Vădineanu et al., MIDL 2022 (omission).

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> Annotator(omission=1.0)(np.array([[0, 1, 1]]), generator(0, "a", "noise")).tolist()
    [[0, 0, 0]]
    """

    family: ClassVar[str] = "annotator"

    bias_px: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    jitter_px: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    correlation_px: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 16.0
    omission: Rate = 0.0

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        seen = Omission(rate=self.omission)(label, rng, num_classes)
        if self.jitter_px:
            return BoundaryJitter(
                amplitude_px=self.jitter_px, correlation_px=self.correlation_px, bias_px=self.bias_px
            )(seen, rng, num_classes)
        steady = abs(self.bias_px) >= 1
        return BoundaryShift(distance_px=self.bias_px)(seen, rng, num_classes) if steady else seen


class Consensus(NoiseModel):
    """The majority label of several annotators, each of whom annotates the image anew.

    Parameters
    ----------
    annotators : tuple of Annotator
        At least two. `simulate_labels` gives their labels one by one.

    References
    ----------
    Warfield, Zou, Wells, "Simultaneous truth and performance level estimation (STAPLE)", IEEE TMI 2004, for what
    majority voting is compared with.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> blind, careful = Annotator(omission=1.0), Annotator()
    >>> label = np.array([[0, 1, 1]])
    >>> Consensus(annotators=(blind, careful, careful))(label, generator(0, "a", "noise")).tolist()
    [[0, 1, 1]]
    """

    family: ClassVar[str] = "consensus"
    main_field: ClassVar[str | None] = "annotators"

    annotators: tuple[Annotator, ...] = Field(min_length=2)

    def simulate_labels(
        self, label: LabelArray, rng: np.random.Generator, num_classes: int | None = None
    ) -> list[LabelArray]:
        """Return one label per annotator, in their order; arguments as for a call of the model."""
        return [annotator(label, rng, num_classes) for annotator in self.annotators]

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        return majority_label(self.simulate_labels(label, rng, num_classes), num_classes)


def majority_label(labels: Sequence[LabelArray], num_classes: int) -> LabelArray:
    """Return the class that most annotators gave each pixel.

    Parameters
    ----------
    labels : sequence of N integer arrays of one shape
        Where an annotator has IGNORE, he has no vote.
    num_classes : int
        C.

    Returns
    -------
    array of integers
        Of classes with as many votes the lowest; IGNORE where nobody voted. The dtype of the first label.

    Raises
    ------
    ValueError
        If there is no label, the shapes differ, or a label breaks the contract.

    Examples
    --------
    >>> votes = [np.array([[0, 1, 255]]), np.array([[2, 1, 255]]), np.array([[0, 2, 255]])]
    >>> majority_label(votes, 3).tolist()
    [[0, 1, 255]]
    """
    votes = _count_votes(labels, num_classes)
    winner: LabelArray = votes.argmax(axis=0).astype(labels[0].dtype)
    winner[votes.sum(axis=0) == 0] = IGNORE
    return winner


def soft_label(labels: Sequence[LabelArray], num_classes: int) -> npt.NDArray[np.float32]:
    """Return the share of the annotators' votes that each class got, (C, ...) of float32.

    Parameters
    ----------
    labels, num_classes
        As for `majority_label`.

    Returns
    -------
    (C, H, W) or (C, D, H, W) array of float32
        Sums to 1 over the classes, or to 0 where nobody voted.

    Examples
    --------
    >>> soft_label([np.array([[0, 1]]), np.array([[1, 255]])], 2).tolist()
    [[[0.5, 0.0]], [[0.5, 1.0]]]
    """
    votes = _count_votes(labels, num_classes).astype(np.float32)
    shares: npt.NDArray[np.float32] = votes / np.maximum(votes.sum(axis=0), 1)
    return shares


def _count_votes(labels: Sequence[LabelArray], num_classes: int) -> npt.NDArray[np.uint16]:
    if not labels:
        raise ValueError("A consensus needs at least one label; got none.")
    shapes = {label.shape for label in labels}
    if len(shapes) > 1:
        raise ValueError(f"The labels of one image must have the same shape; got {sorted(shapes)}.")
    votes = np.zeros((num_classes, *labels[0].shape), dtype=np.uint16)
    for label in labels:
        check_label(label, num_classes)
        for klass in range(num_classes):
            votes[klass] += label == klass
    return votes
