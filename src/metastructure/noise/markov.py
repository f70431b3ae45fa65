"""The Markov boundary process of Yao et al.: a boundary that walks outwards or inwards, step by step."""

from collections.abc import Generator
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from metastructure.label import IGNORE, LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.flipping import Flipping, Rate
from metastructure.noise.geometry import BAND_PIXELS

FlatIndex = npt.NDArray[np.signedinteger[Any]]
Bytes = npt.NDArray[np.uint8]

PIECE_PIXELS = 1 << 12
"""Pixels of the front whose neighbours are looked up at a time."""

SPARE_PIXELS = 1 << 13
"""Room for new pixels of the front before those no longer at a boundary are looked for again."""

GAPS = 1 << 11
"""Gaps between hits drawn ahead."""


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
        noisy = self._walk(label, rng, num_classes) if self.rate else label.copy()
        return Flipping(rate=self.flip_rate)(noisy, rng, num_classes) if self.flip_rate else noisy

    def _walk(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        state = np.full([length + 2 for length in label.shape], IGNORE, dtype=np.uint8)
        inner = (slice(1, -1),) * label.ndim
        state[inner] = label
        flat = state.reshape(-1)
        strides = np.array(state.strides)
        neighbours: FlatIndex = np.concatenate([-strides, strides]).astype(_index_type(state.size))
        front, listed = _find_front(state)
        num = len(front)
        trials = draw_trials(rng, self.rate)
        next(trials)
        for expand in rng.random(self.steps) < self.preference:
            chosen = front[trials.send(num)]
            if expand:
                changed = _expand(flat, chosen[flat[chosen] == 0], neighbours, num_classes, rng)
            else:
                changed = _shrink(flat, chosen[flat[chosen] > 0], neighbours)
            fresh = _list_neighbours(changed, neighbours, listed)
            if num + len(fresh) > len(front):
                num = _prune(front[:num], flat, neighbours, listed)
                room = num + len(fresh) + max(num // 16, SPARE_PIXELS)
                if room > len(front):
                    front.resize(room, refcheck=False)  # in place
            front[num : num + len(fresh)] = fresh
            num += len(fresh)
        del front, listed  # before the copy
        return state[inner].astype(label.dtype)


def _index_type(size: int) -> type[np.signedinteger[Any]]:
    return np.int64 if size >= 1 << 31 else np.int32


def _expand(
    flat: Bytes, chosen: FlatIndex, neighbours: FlatIndex, num_classes: int, rng: np.random.Generator
) -> FlatIndex:
    """Give the chosen background pixels the class of an object next to them; return those that changed."""
    if num_classes == 2:
        grown: FlatIndex = chosen[_is_beside(flat, chosen, neighbours, 1, 2)]
        flat[grown] = 1
        return grown
    parts = []
    for start in range(0, len(chosen), PIECE_PIXELS):
        part = chosen[start : start + PIECE_PIXELS]
        other = flat[neighbours[:, None] + part]
        key = rng.random(other.shape, dtype=np.float32)
        key[~_is_object(other, num_classes)] = -1
        klass = other[key.argmax(axis=0), np.arange(len(part))]  # of the objects beside it the one drawn highest
        beside = _is_object(klass, num_classes)
        parts.append((part[beside], klass[beside]))
    for part, klass in parts:
        flat[part] = klass
    return np.concatenate([part for part, _ in parts]) if parts else chosen


def _is_object(classes: Bytes, num_classes: int) -> npt.NDArray[np.bool_]:
    return classes - np.uint8(1) < np.uint8(num_classes - 1)  # background becomes 255 here, IGNORE 254


def _shrink(flat: Bytes, chosen: FlatIndex, neighbours: FlatIndex) -> FlatIndex:
    """Give the chosen object pixels next to background to it; return those that changed."""
    lost: FlatIndex = chosen[_is_beside(flat, chosen, neighbours, 0, 1)]
    flat[lost] = 0
    return lost


def _is_beside(flat: Bytes, chosen: FlatIndex, neighbours: FlatIndex, first: int, stop: int) -> npt.NDArray[np.bool_]:
    """Return which of the chosen pixels share an edge with a pixel of the classes `first` to `stop` - 1."""
    lowest, span, column = np.uint8(first), np.uint8(stop - first), neighbours[:, None]
    parts = [
        np.logical_or.reduce(flat[column + chosen[start : start + PIECE_PIXELS]] - lowest < span, axis=0)
        for start in range(0, max(len(chosen), 1), PIECE_PIXELS)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _list_neighbours(changed: FlatIndex, neighbours: FlatIndex, listed: npt.NDArray[np.bool_]) -> FlatIndex:
    """Return the neighbours of changed pixels that are not listed yet, and list them."""
    beside = (neighbours[:, None] + changed).reshape(-1)
    fresh: FlatIndex = beside[~listed[beside]]
    listed[fresh] = True
    fresh.sort()
    once = np.empty(len(fresh), dtype=np.bool_)
    once[:1] = True
    np.not_equal(fresh[1:], fresh[:-1], out=once[1:])
    return fresh[once]


def _prune(front: FlatIndex, flat: Bytes, neighbours: FlatIndex, listed: npt.NDArray[np.bool_]) -> int:
    """Move the pixels that are still at a boundary to the start of the front, strike off the others, and count."""
    num = 0
    for start in range(0, len(front), PIECE_PIXELS):
        part = front[start : start + PIECE_PIXELS].copy()
        kept = ((flat[neighbours[:, None] + part] == 0) != (flat[part] == 0)).any(axis=0)
        listed[part[~kept]] = False
        part = part[kept]
        front[num : num + len(part)] = part
        num += len(part)
    return num


def draw_trials(rng: np.random.Generator, rate: float) -> Generator[FlatIndex, int, None]:
    """Answer each number of Bernoulli trials that is sent, after a first None, with the positions of those that hit.

    The gaps between hits are drawn ahead, for many calls at a time; `rate` is above 0.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> trials = draw_trials(generator(0), 1.0)
    >>> next(trials).tolist(), trials.send(3).tolist(), trials.send(2).tolist()
    ([], [0, 1, 2], [0, 1])
    """
    hits: FlatIndex = np.empty(0, dtype=np.intp)
    last = -1  # the last hit drawn, counted from the next trial
    num = 0
    while True:
        while last < num:
            gaps = rng.geometric(rate, size=GAPS + int(0.5 * rate * (num - last)))
            gaps[0] += last
            hits = np.concatenate([hits, np.cumsum(gaps, out=gaps)])
            last = int(hits[-1])
        end = int(hits.searchsorted(num))
        chosen, hits = hits[:end], hits[end:] - num
        last -= num
        num = yield chosen


def _find_front(state: Bytes) -> tuple[FlatIndex, npt.NDArray[np.bool_]]:
    """Return the flat positions of pixels with a neighbour on the other side of background, and what not to add.

    The mask holds these pixels and IGNORE, the frame around the image included, which never changes. Worked in slabs of
    rows: the mask and the list are all that stays.
    """
    listed = np.zeros(state.shape, dtype=np.bool_)
    row_size = state[0].size
    slabs = range(0, len(state), height := max(1, BAND_PIXELS // row_size))
    for start in slabs:
        first = max(start - 1, 0)
        background = state[first : start + height + 1] == 0
        near = np.zeros(background.shape, dtype=np.bool_)
        for axis in range(state.ndim):
            differs = np.diff(background, axis=axis)
            near[tuple([slice(None)] * axis + [slice(None, -1)])] |= differs
            near[tuple([slice(None)] * axis + [slice(1, None)])] |= differs
        near[state[first : start + height + 1] == IGNORE] = False
        listed[start : start + height] = near[start - first : start - first + height]
    front = np.empty(np.count_nonzero(listed), dtype=_index_type(state.size))
    num = 0
    for start in slabs:
        places = np.flatnonzero(listed[start : start + height])
        front[num : num + len(places)] = places
        front[num : num + len(places)] += start * row_size
        num += len(places)
        listed[start : start + height] |= state[start : start + height] == IGNORE
    return front, listed.reshape(-1)
