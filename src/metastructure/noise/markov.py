"""The Markov boundary process of Yao et al.: a boundary that walks outwards or inwards, step by step."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from metastructure.label import IGNORE, LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.flipping import Flipping, Rate
from metastructure.noise.geometry import BAND_PIXELS

FlatIndex = npt.NDArray[np.signedinteger[Any]]


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
        strides = np.array(state.strides) // state.itemsize
        index_type = np.int64 if state.size >= 1 << 31 else np.int32
        neighbours: FlatIndex = np.concatenate([-strides, strides]).astype(index_type)
        front, listed = _find_front(state)
        for _ in range(self.steps):
            expand = rng.random() < self.preference
            chosen = front[draw_positions(rng, len(front), self.rate)]
            changed = (
                _expand(flat, chosen, neighbours, num_classes, rng)
                if expand
                else _shrink(flat, chosen, neighbours, num_classes)
            )
            front = np.concatenate([front, *_list_neighbours(changed, neighbours, listed)])
        noisy = state[(slice(1, -1),) * label.ndim].copy()
        return Flipping(rate=self.flip_rate)(noisy, rng, num_classes) if self.flip_rate else noisy


def _expand(
    flat: LabelArray, chosen: FlatIndex, neighbours: FlatIndex, num_classes: int, rng: np.random.Generator
) -> FlatIndex:
    """Give the chosen background pixels the class of an object next to them; return those that changed."""
    chosen = chosen[flat[chosen] == 0]
    grown: FlatIndex = chosen[_is_beside(flat, chosen, neighbours, 1, num_classes)]
    klass = np.ones(len(grown), dtype=flat.dtype)
    if num_classes > 2:  # of the object neighbours the one with the largest random key
        largest = np.zeros(len(grown), dtype=np.float32)
        for step in neighbours:
            other = flat[grown + step]
            key = 1 - rng.random(len(grown), dtype=np.float32)
            wins = (other > 0) & (other < num_classes) & (key > largest)
            klass[wins], largest[wins] = other[wins], key[wins]
    flat[grown] = klass
    return grown


def _shrink(flat: LabelArray, chosen: FlatIndex, neighbours: FlatIndex, num_classes: int) -> FlatIndex:
    """Give the chosen object pixels next to background to it; return those that changed."""
    chosen = chosen[(flat[chosen] > 0) & (flat[chosen] < num_classes)]
    lost: FlatIndex = chosen[_is_beside(flat, chosen, neighbours, 0, 1)]
    flat[lost] = 0
    return lost


def _is_beside(
    flat: LabelArray, chosen: FlatIndex, neighbours: FlatIndex, first: int, stop: int
) -> npt.NDArray[np.bool_]:
    """Return which of the chosen pixels share an edge with a pixel of the classes `first` to `stop` - 1."""
    beside = np.zeros(len(chosen), dtype=np.bool_)
    for step in neighbours:
        other = flat[chosen + step]
        beside |= (other >= first) & (other < stop)
    return beside


def _list_neighbours(changed: FlatIndex, neighbours: FlatIndex, listed: npt.NDArray[np.bool_]) -> Iterator[FlatIndex]:
    """Give the neighbours of changed pixels that are not listed yet, and list them."""
    for step in neighbours:
        beside = changed + step
        fresh: FlatIndex = beside[~listed[beside]]
        listed[fresh] = True
        yield fresh


def draw_positions(rng: np.random.Generator, num: int, rate: float) -> FlatIndex:
    """Return the positions out of `num` that a Bernoulli draw at `rate` picks, by drawing the gaps between them.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> draw_positions(generator(0), 3, 1.0).tolist(), draw_positions(generator(0), 3, 0.0).tolist()
    ([0, 1, 2], [])
    """
    positions: FlatIndex = np.empty(0, dtype=np.intp)
    last = -1
    while rate > 0 and last < num:
        gaps = rng.geometric(rate, size=16 + int(1.2 * rate * (num - last)))
        positions = np.concatenate([positions, last + np.cumsum(gaps)])
        last = int(positions[-1])
    picked: FlatIndex = positions[positions < num]
    return picked


def _find_front(state: LabelArray) -> tuple[FlatIndex, npt.NDArray[np.bool_]]:
    """Return the flat positions of pixels with a neighbour on the other side of background, and what not to add.

    The mask holds these pixels and IGNORE, the frame around the image included, which never changes. Worked in slabs of
    rows: the mask and the list are all that stays.
    """
    listed = np.zeros(state.shape, dtype=np.bool_)
    row_size = state[0].size
    height = max(1, BAND_PIXELS // row_size)
    parts = []
    for start in range(0, len(state), height):
        first = max(start - 1, 0)
        background = state[first : start + height + 1] == 0
        near = np.zeros(background.shape, dtype=np.bool_)
        for axis in range(state.ndim):
            differs = np.diff(background, axis=axis)
            near[tuple([slice(None)] * axis + [slice(None, -1)])] |= differs
            near[tuple([slice(None)] * axis + [slice(1, None)])] |= differs
        ignored = state[start : start + height] == IGNORE
        own = near[start - first : start - first + height] & ~ignored
        listed[start : start + height] = own | ignored
        parts.append((np.flatnonzero(own) + start * row_size).astype(np.int64 if state.size >= 1 << 31 else np.int32))
    return np.concatenate(parts), listed.reshape(-1)
