"""Outlines of objects: closed rings of corners, filled by the rule of pixel centres and traced along pixel edges.

A corner is (row, column). Pixel (r, c) covers rows r to r + 1 and columns c to c + 1, so its centre lies at
(r + 0.5, c + 0.5), as COCO, LabelMe and ImageJ have it. `H` rows, `W` columns, `N` corners.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ring = npt.NDArray[np.float64]
"""(N, 2) corners in turn; the last is joined to the first."""

Mask = npt.NDArray[np.bool_]


def fill_rings(rings: Sequence[Ring], shape: tuple[int, int]) -> tuple[Mask, tuple[int, int]]:
    """Return the pixels whose centres lie inside an odd number of rings, and the top left corner of their box.

    Parameters
    ----------
    rings : sequence of (N, 2) arrays
        A hole is a ring inside another; it may run either way round. A ring that crosses itself counts by the same
        rule.
    shape : (H, W)
        What lies outside is cut off.

    Returns
    -------
    (h, w) array of bool, (top, left)
        Of the box that the rings cover in the image, which may be empty.

    Notes
    -----
    A centre on an edge belongs to the side with the larger row or column, so that polygons with a common edge share no
    pixel and leave none out. An edge crosses the row of centres y = r + 0.5 if its lower end <= y < its upper end; the
    crossing is computed from its upper corner, whichever way the ring runs, so that an edge used twice cancels itself.
    Cost: edges times the rows that they cross.

    Examples
    --------
    >>> triangle = np.array([[0, 0], [3, 0], [3, 3]])
    >>> fill_rings([triangle], (3, 4))[0].astype(int)
    array([[0, 0, 0],
           [1, 0, 0],
           [1, 1, 0]])
    """
    corners = np.concatenate([np.asarray(ring, dtype=np.float64) for ring in rings])
    low, high = corners.min(axis=0), corners.max(axis=0)
    top, left = (int(np.clip(np.floor(x), 0, n)) for x, n in zip(low, shape, strict=True))
    bottom, right = (int(np.clip(np.ceil(x), 0, n)) for x, n in zip(high, shape, strict=True))
    toggles = np.zeros((max(0, bottom - top), max(0, right - left) + 1), dtype=np.int64)
    for ring in rings:
        starts = np.asarray(ring, dtype=np.float64)
        for start, end in zip(starts, np.roll(starts, -1, axis=0), strict=True):
            (y0, x0), (y1, x1) = (start, end) if start[0] < end[0] else (end, start)
            first, last = (int(np.clip(np.ceil(y - 0.5), top, bottom)) for y in (y0, y1))
            if last <= first:
                continue
            centres = np.arange(first, last) + 0.5
            crossing = x0 + (centres - y0) * ((x1 - x0) / (y1 - y0))
            columns = np.clip(np.ceil(crossing - 0.5), left, right).astype(np.int64) - left
            np.add.at(toggles, (np.arange(first, last) - top, columns), 1)
    inside: Mask = np.cumsum(toggles, axis=1)[:, :-1] % 2 == 1
    return inside, (top, left)


def trace_rings(mask: Mask) -> list[Ring]:
    """Return the outlines of a mask along the edges of its pixels: outer rings clockwise, holes the other way.

    Pixels that touch at a corner belong together, those of a hole only along an edge. Filled again, the rings give the
    mask. Corners lie where the outline turns.

    Parameters
    ----------
    mask : (H, W) array of bool

    Examples
    --------
    >>> [ring.tolist() for ring in trace_rings(np.array([[1, 1, 0], [1, 0, 0]], dtype=bool))]
    [[[0.0, 0.0], [0.0, 2.0], [1.0, 2.0], [1.0, 1.0], [2.0, 1.0], [2.0, 0.0]]]
    """
    steps = _edge_steps(mask)
    rings = []
    while steps:
        start = next(iter(steps))
        at, heading = start, steps[start][0]
        corners = list[tuple[int, int]]()
        while True:
            choices = steps[at]
            left_turn = (-heading[1], heading[0])
            step = left_turn if len(choices) > 1 and left_turn in choices else choices[0]
            corners.append(at)
            choices.remove(step)
            if not choices:
                del steps[at]
            at, heading = (at[0] + step[0], at[1] + step[1]), step
            if at == start and (at not in steps or not _turns_on(steps[at], heading)):
                break
        rings.append(_without_straight(np.array(corners, dtype=np.float64)))
    return rings


def join_rings(rings: Sequence[Ring]) -> Ring:
    """Return several rings as one, each further one joined by a cut that is walked there and back.

    For formats that know no holes: a cut has no area, and by the odd rule it changes no pixel. It runs between the
    nearest corners.
    """
    joined = np.asarray(rings[0], dtype=np.float64)
    for ring in rings[1:]:
        distance = ((joined[:, None] - ring[None]) ** 2).sum(axis=2)
        here, there = np.unravel_index(int(distance.argmin()), distance.shape)
        turned = np.roll(ring, -int(there), axis=0)
        joined = np.concatenate([joined[: here + 1], turned, turned[:1], joined[here:]])
    return joined


def ellipse_ring(centre: tuple[float, float], radii: tuple[float, float]) -> Ring:
    """Return an ellipse as a ring with corners at most about a quarter of a pixel apart."""
    num = max(16, int(np.ceil(8 * np.pi * max(radii))))
    angle = np.arange(num) * (2 * np.pi / num)
    return np.stack([centre[0] + radii[0] * np.sin(angle), centre[1] + radii[1] * np.cos(angle)], axis=1)


def ring_area(ring: Ring) -> float:
    """Return the area inside a ring, in square pixels: positive if it runs clockwise, as seen with row 0 on top.

    Examples
    --------
    >>> ring_area(np.array([[0, 0], [0, 3], [2, 3], [2, 0]]))
    6.0
    """
    rows, columns = np.asarray(ring, dtype=np.float64).T
    return float((columns * np.roll(rows, -1) - np.roll(columns, -1) * rows).sum() / 2)


def _edge_steps(mask: Mask) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Return for each corner on the outline the steps that go on from it, with the mask on their right."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    sides = {
        (0, 1): (inner & ~padded[:-2, 1:-1], (0, 0)),
        (1, 0): (inner & ~padded[1:-1, 2:], (0, 1)),
        (0, -1): (inner & ~padded[2:, 1:-1], (1, 1)),
        (-1, 0): (inner & ~padded[1:-1, :-2], (1, 0)),
    }
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for step, (edges, (down, right)) in sides.items():
        for row, column in np.argwhere(edges).tolist():
            steps.setdefault((row + down, column + right), []).append(step)
    return steps


def _turns_on(choices: list[tuple[int, int]], heading: tuple[int, int]) -> bool:
    """Return whether a ring that is back at its start goes on: another part of it touches there."""
    return (-heading[1], heading[0]) in choices


def _without_straight(corners: Ring) -> Ring:
    """Return the corners without those between two steps of one direction."""
    after = np.roll(corners, -1, axis=0) - corners
    before = np.roll(after, 1, axis=0)
    turns: Mask = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return corners[turns]
