"""The Markov boundary process of Yao et al.: a boundary that walks outwards or inwards, step by step."""

from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from metastructure.label import IGNORE, LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.flipping import Flipping, Rate

FlatIndex = npt.NDArray[np.intp]


class MarkovBoundary(NoiseModel):
    """Let the boundary between objects and background walk at random (family PCL).

    Parameters
    ----------
    steps : int, at least 1
        T, the number of steps.
    preference : float in [0, 1]
        theta_1, the probability that a step expands the objects rather than shrinks them.
    rate : float in [0, 1]
        theta_2, the probability that a pixel at the boundary changes sides in a step.
    flip_rate : float in [0, 1]
        theta_3, symmetric flipping of single pixels after the last step.

    Notes
    -----
    In an expanding step every background pixel that shares an edge with an object joins it with probability
    theta_2 (with several classes around it, one of these neighbours is copied at random); in a shrinking step
    every object pixel that shares an edge with background is lost with that probability. Boundaries between
    two objects stay. The authors' program also smooths the result, which is not part of their definition and
    is left out. They use T = 180 to 200, theta_1 = 0.2 or 0.8, theta_2 = 0.05 on images of 256 x 256.

    References
    ----------
    Yao, Zhang, Zheng, Goswami, Prasanna, Chen, "Learning to Segment from Noisy Annotations: A Spatial
    Correction Approach", ICLR 2023 (arXiv 2308.02498), Definition 1.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> model = MarkovBoundary(steps=2, preference=1.0, rate=1.0)
    >>> model(np.array([[0, 0, 0, 1, 0]]), generator(0, "a", "noise")).tolist()
    [[0, 1, 1, 1, 1]]
    """

    family: ClassVar[str] = "markov"
    main_field: ClassVar[str | None] = "steps"

    steps: Annotated[int, Field(ge=1, strict=True)]
    preference: Rate = 0.5
    rate: Rate = 0.05
    flip_rate: Rate = 0.0

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        state = np.pad(label, 1, constant_values=IGNORE)
        flat = state.reshape(-1)
        steps = np.array(state.strides) // state.itemsize
        neighbours = np.concatenate([-steps, steps])
        near = _is_at_boundary(state)
        front = np.flatnonzero(near)
        listed = near.reshape(-1)
        for _ in range(self.steps):
            expand = rng.random() < self.preference
            chosen = front[rng.random(len(front), dtype=np.float32) < self.rate]
            changed = (
                _expand(flat, chosen, neighbours, num_classes, rng)
                if expand
                else _shrink(flat, chosen, neighbours, num_classes)
            )
            around = (changed[:, None] + neighbours).ravel()
            fresh = np.unique(around[~listed[around]])
            listed[fresh] = True
            front = np.concatenate([front, fresh])
        noisy = state[(slice(1, -1),) * label.ndim].copy()
        return Flipping(rate=self.flip_rate)(noisy, rng, num_classes) if self.flip_rate else noisy


def _expand(
    flat: LabelArray, chosen: FlatIndex, neighbours: FlatIndex, num_classes: int, rng: np.random.Generator
) -> FlatIndex:
    """Give the chosen background pixels the class of an object next to them; return those that changed."""
    chosen = chosen[flat[chosen] == 0]
    around = flat[chosen[:, None] + neighbours]
    is_object = (around > 0) & (around < num_classes)
    num_objects = is_object.sum(axis=1)
    # the k-th of the object neighbours, k uniform
    wanted = (rng.random(len(chosen), dtype=np.float32) * num_objects).astype(np.intp)
    picked = (np.cumsum(is_object, axis=1) == (wanted + 1)[:, None]).argmax(axis=1)
    grows = num_objects > 0
    grown: FlatIndex = chosen[grows]
    flat[grown] = around[grows, picked[grows]]
    return grown


def _shrink(flat: LabelArray, chosen: FlatIndex, neighbours: FlatIndex, num_classes: int) -> FlatIndex:
    """Give the chosen object pixels next to background to it; return those that changed."""
    chosen = chosen[(flat[chosen] > 0) & (flat[chosen] < num_classes)]
    lost: FlatIndex = chosen[(flat[chosen[:, None] + neighbours] == 0).any(axis=1)]
    flat[lost] = 0
    return lost


def _is_at_boundary(state: LabelArray) -> npt.NDArray[np.bool_]:
    """Return True where exactly one of a pixel and a neighbour along an axis is background."""
    background = state == 0
    near = np.zeros(state.shape, dtype=np.bool_)
    for axis in range(state.ndim):
        differs = np.diff(background, axis=axis)
        near[tuple([slice(None)] * axis + [slice(None, -1)])] |= differs
        near[tuple([slice(None)] * axis + [slice(1, None)])] |= differs
    return near
