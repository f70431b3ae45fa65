"""EMS, the extraction of meta-structure: from a candidate label the few points that carry its spatial density.

Skeletonise the candidate, move each skeleton pixel at random, keep a random fraction. What is left has none of the
candidate's boundary, only where its objects are dense.
"""

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import convolve, distance_transform_edt, label
from skimage.morphology import skeletonize

BoolArray = npt.NDArray[np.bool_]

_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=np.uint8)


class MetaStructureExtraction(BaseModel):
    """Settings of EMS.

    Parameters
    ----------
    points : "skeleton" or "candidate"
        What points are drawn from: the candidate's centre lines, or all of its pixels, whose local density then is that
        of the candidate itself.
    radius_px : int, at least 0
        Each point moves by whole pixels, uniform in [-radius_px, radius_px] along rows and along columns.
    adaptive : bool
        Whether a point's radius is instead the local thickness, its distance to the candidate's boundary: points then
        fill the objects instead of following their centre lines.
    prune_px : int, at least 0
        Branches of the skeleton up to this length, which grow from a rough boundary, are cut off first.
    fraction : float in (0, 1]
        Of the points that is kept.
    invert : bool
        Whether a candidate of more than half of the pixels is turned round first.

    References
    ----------
    Luo, Liu, Guo and Yang, "Deep neural networks learn meta-structures from noisy labels in semantic segmentation",
    AAAI 2022: skeleton, radius 1, fraction 0.1, inversion.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: Literal["skeleton", "candidate"] = "skeleton"
    radius_px: Annotated[int, Field(ge=0)] = 1
    adaptive: bool = False
    prune_px: Annotated[int, Field(ge=0)] = 0
    fraction: Annotated[float, Field(gt=0, le=1)] = 0.1
    invert: bool = True

    def __call__(self, candidate: BoolArray, rng: np.random.Generator) -> BoolArray:
        """Return the points drawn from one candidate, as an array like it.

        Parameters
        ----------
        candidate : (H, W) array of bool
        rng : numpy Generator

        Notes
        -----
        Points that leave the image stop at its edge, points that meet count once. An empty candidate, or a full one
        (which inversion makes empty), gives no points.

        Examples
        --------
        >>> bar = np.zeros((5, 9), dtype=bool)
        >>> bar[1:4, 1:8] = True
        >>> ems = MetaStructureExtraction(radius_px=0, fraction=1)
        >>> int(ems(bar, np.random.default_rng(0)).sum())
        6
        """
        if self.invert and 2 * np.count_nonzero(candidate) > candidate.size:
            candidate = ~candidate
        found = np.zeros(candidate.shape, dtype=bool)
        if not candidate.any():
            return found
        structure = candidate
        if self.points == "skeleton":
            structure = prune(skeletonize(candidate), self.prune_px)
        row, column = np.nonzero(structure)
        kept = rng.random(row.size) < self.fraction
        row, column = row[kept], column[kept]
        reach: npt.NDArray[np.int64] | int = self.radius_px
        if self.adaptive:
            reach = distance_transform_edt(candidate)[row, column].astype(np.int64)
        found[_move(row, reach, rng, candidate.shape[0]), _move(column, reach, rng, candidate.shape[1])] = True
        return found


def prune(skeleton: BoolArray, length_px: int) -> BoolArray:
    """Return a skeleton without its branches of up to `length_px` pixels.

    Parameters
    ----------
    skeleton : (H, W) array of bool
        One pixel wide.
    length_px : int, at least 0

    Notes
    -----
    End points are taken away `length_px` times; what is left then grows back as often from its new end points along the
    old skeleton, so long branches keep their length. The pixel where a branch meets its line stays, and so does a piece
    of which nothing would be left.

    Examples
    --------
    >>> spur = np.zeros((4, 11), dtype=bool)
    >>> spur[3, :] = spur[:3, 5] = True
    >>> prune(spur, 2).sum(axis=1).tolist()
    [0, 0, 1, 11]
    """
    if length_px == 0:
        return skeleton
    left = skeleton.copy()
    for _ in range(length_px):
        left &= _count_neighbours(left) != 1
    tips = left & (_count_neighbours(left) <= 1)
    for _ in range(length_px):  # from the tips only, so a spur in the middle of a line does not come back
        tips = (_count_neighbours(tips) > 0) & skeleton & ~left
        left |= tips
    pieces, _ = label(skeleton, structure=np.ones((3, 3)))
    survives = np.zeros(int(pieces.max()) + 1, dtype=bool)
    survives[pieces[left]] = True
    pruned: BoolArray = left | (skeleton & ~survives[pieces])
    return pruned


def _count_neighbours(points: BoolArray) -> npt.NDArray[np.uint8]:
    counts: npt.NDArray[np.uint8] = convolve(points.astype(np.uint8), _NEIGHBOURS, mode="constant")
    return counts


def _move(
    place: npt.NDArray[np.int64], reach: npt.NDArray[np.int64] | int, rng: np.random.Generator, size: int
) -> npt.NDArray[np.int64]:
    moved = place + rng.integers(-np.asarray(reach), np.asarray(reach) + 1, size=place.size)
    inside: npt.NDArray[np.int64] = np.clip(moved, 0, size - 1)
    return inside
