"""Objects drawn as polygons with few corners.

All objects are traced, simplified and filled together, in batches: street scenes hold hundreds of tiny ones. Outlines
run through the midpoints between pixels inside and outside; `row2` and `column2` are twice a position, and whole.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from metastructure.label import IGNORE, LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.geometry import BAND_PIXELS
from metastructure.noise.objects import FlatIndex, LabelObjects, expand_runs, find_objects

Index = npt.NDArray[np.intp]

CLOSED_TRIANGLE = 4
"""Points of the smallest polygon with an area, the first given again at the end."""

BATCH_RUNS = 1 << 12
"""Runs of objects worked at a time: their outlines' temporaries take a few megabytes."""

RIGHT, DOWN, LEFT, UP = range(4)
ROW_STEP = np.array([0, 1, 0, -1])
COLUMN_STEP = np.array([1, 0, -1, 0])


class PolygonSimplification(NoiseModel):
    """Replace every object's outline by a polygon that stays within a tolerance of it.

    Parameters
    ----------
    tolerance_px : float, above 0
        Largest distance of the outline's points from the polygon. An outline too small to leave a triangle stays as it
        is. Holes are simplified likewise; a volume is worked slice by slice, as it is drawn. Pixels that a polygon
        newly covers are taken from the background only; what it uncovers becomes background.

    References
    ----------
    Douglas, Peucker, "Algorithms for the reduction of the number of points required to represent a digitized line
    or its caricature", Cartographica 1973.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> rows, columns = np.mgrid[:21, :21]
    >>> disc = ((rows - 10) ** 2 + (columns - 10) ** 2 <= 64).astype(int)
    >>> noisy = PolygonSimplification(tolerance_px=3)(disc, generator(0, "a", "noise"))
    >>> bool(0 < noisy.sum() < disc.sum())
    True
    """

    family: ClassVar[str] = "polygon"
    main_field: ClassVar[str | None] = "tolerance_px"

    tolerance_px: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        noisy = np.zeros_like(label)
        for plane, drawn in zip(label, noisy, strict=True) if label.ndim == 3 else [(label, noisy)]:
            objects = find_objects(plane, num_classes)
            padded = np.pad(plane, 1, constant_values=IGNORE)
            canvas = drawn.reshape(-1)
            for first, stop in _batches(objects):  # last objects first: where two meet, the first in row order stays
                start, end, number = self._simplified(padded, objects, first, stop)
                classes = objects.classes[number]
                for run in zip(*(part[::-1].tolist() for part in (start, end, classes)), strict=True):
                    canvas[run[0] : run[1]] = run[2]
        return noisy

    def _simplified(
        self, padded: LabelArray, objects: LabelObjects, first: int, stop: int
    ) -> tuple[FlatIndex, FlatIndex, Index]:
        """Return the runs of the objects `first` to `stop` - 1 after simplification, object by object."""
        begin, end = objects.first_run[[first, stop]]
        starts, stops = objects.start[begin:end], objects.stop[begin:end]
        number = np.repeat(np.arange(first, stop), np.diff(objects.first_run[first : stop + 1]))
        outlines = _trace(padded, starts, stops, number)
        row2, column2 = outlines.row2.astype(np.float64), outlines.column2.astype(np.float64)
        kept = _keep_corners(row2, column2, outlines.num_points, 2 * self.tolerance_px)
        outline = np.repeat(np.arange(len(outlines.num_points)), outlines.num_points)
        redrawn = np.bincount(outline[kept], minlength=len(outlines.num_points)) >= CLOSED_TRIANGLE
        changed = np.zeros(stop - first, dtype=np.bool_)
        changed[outlines.number[redrawn] - first] = True
        used = (kept | ~redrawn[outline]) & changed[outlines.number[outline] - first]
        filled = _fill(outlines.row2[used], outlines.column2[used], outline[used], outlines.number, objects.shape)
        same = ~changed[number - first]
        parts = zip((starts[same], stops[same], number[same]), filled, strict=True)
        start, end, number = (np.concatenate(part) for part in parts)
        order = np.argsort(number, kind="stable")
        return start[order], end[order], number[order]


def simplify_line(points: npt.NDArray[np.float64], tolerance_px: float) -> npt.NDArray[np.float64]:
    """Return the points of a line, closed if its ends are equal, that Douglas and Peucker keep.

    Parameters
    ----------
    points : (N, 2) array
        Corners in order.
    tolerance_px : float
        No point left out lies farther than this from the line between its kept neighbours.

    Notes
    -----
    The same points as `skimage.measure.approximate_polygon`.

    Examples
    --------
    >>> simplify_line(np.array([[0.0, 0], [1, 0.2], [2, 0], [2, 5]]), 0.5).tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 5.0]]
    """
    return points[_keep_corners(points[:, 0], points[:, 1], np.array([len(points)]), tolerance_px)]


def _keep_corners(
    row: npt.NDArray[np.float64], column: npt.NDArray[np.float64], count: Index, tolerance: float
) -> npt.NDArray[np.bool_]:
    """Return which points of several lines, one after another, Douglas and Peucker keep: a level of all at a time.

    Squared distances are compared, times the squared length of the line between the kept neighbours: whole numbers
    for whole coordinates, so that ties (the first point wins) are the same on every processor.
    """
    kept = np.zeros(len(row), dtype=np.bool_)
    last = np.cumsum(count) - 1
    first = last - count + 1
    kept[first] = kept[last] = True
    while True:
        open_spans = last - first > 1
        first, last = first[open_spans], last[open_spans]
        if not len(first):
            return kept
        length = last - first - 1
        begin = np.cumsum(length) - length
        point = expand_runs(first + 1, length)
        down, right = row[point] - np.repeat(row[first], length), column[point] - np.repeat(column[first], length)
        span_down, span_right = row[last] - row[first], column[last] - column[first]
        square = span_down**2 + span_right**2
        square[square == 0] = 1  # a closed line: distance to its one end
        ahead_down, ahead_right = np.repeat(span_down, length), np.repeat(span_right, length)
        scale = np.repeat(square, length)
        along = down * ahead_down + right * ahead_right
        distance = (down * ahead_right - right * ahead_down) ** 2
        for beyond, end in ((np.flatnonzero(along <= 0), 0), (np.flatnonzero(along >= scale), 1)):  # the nearer end
            off_down, off_right = down[beyond] - end * ahead_down[beyond], right[beyond] - end * ahead_right[beyond]
            distance[beyond] = (off_down**2 + off_right**2) * scale[beyond]
        largest = np.maximum.reduceat(distance, begin)
        farthest = np.flatnonzero(distance == np.repeat(largest, length))
        farthest = farthest[np.searchsorted(farthest, begin)]  # of equals the first
        split = largest > tolerance**2 * square
        middle = (first + 1 + farthest - begin)[split]
        kept[middle] = True
        first, last = np.concatenate([first[split], middle]), np.concatenate([middle, last[split]])


class _Outlines(NamedTuple):
    """Closed outlines one after another, each with its first point again at the end."""

    row2: Index
    column2: Index
    num_points: Index
    """Points of each outline."""
    number: Index
    """Object of each outline."""


def _batches(objects: LabelObjects) -> Iterator[tuple[int, int]]:
    """Give the first object of each batch and the one after its last, the last batch first."""
    stop = len(objects)
    while stop:
        first = int(np.searchsorted(objects.first_run, objects.first_run[stop] - BATCH_RUNS))
        first = min(first, stop - 1)
        yield first, stop
        stop = first


def _trace(padded: LabelArray, start: FlatIndex, stop: FlatIndex, number: Index) -> _Outlines:
    """Return the outlines of the objects that the runs make up, holes included.

    Notes
    -----
    The contours of `skimage.measure.find_contours` at 0.5 with high values connected, and their first points. A point
    is a side of a pixel: its position times 4, plus the direction. The next point is around the pixel's corner, or on
    the pixel ahead, or on the one diagonally ahead; an object holds every pixel of its class that touches it.
    """
    width = padded.shape[1]
    flat = padded.reshape(-1)
    line, offset = np.divmod(start, width - 2)
    left = (line + 1).astype(np.intp) * width + offset + 1
    length = stop - start
    sides = [left * 4 + LEFT, (left + length - 1) * 4 + RIGHT]
    piece = np.cumsum(length, dtype=np.intp) // BAND_PIXELS
    ends = np.searchsorted(piece, np.arange(piece[-1] + 2))
    for begin, end in pairwise(ends.tolist()):
        pixels = expand_runs(left[begin:end], length[begin:end])
        own = flat[pixels]
        for facing, step in ((DOWN, width), (UP, -width)):
            sides.append(pixels[flat[pixels + step] != own] * 4 + facing)
    side = np.sort(np.concatenate(sides))
    pixel, direction = side >> 2, side & 3
    steps = ROW_STEP * width + COLUMN_STEP
    ahead = steps[(direction + 1) & 3]
    across = ahead + steps[direction]
    own = flat[pixel]
    diagonal = flat[pixel + across] == own
    straight = flat[pixel + ahead] == own
    following = pixel + np.where(diagonal, across, np.where(straight, ahead, 0))
    turned = direction + np.where(diagonal, 3, np.where(straight, 0, 1))
    after = np.searchsorted(side, following * 4 + (turned & 3))
    corner = pixel + np.array([0, -1, -width - 1, -width])[direction]  # of the four pixels around the step's corner
    path, count = _walk(after.tolist(), np.argsort(corner)[::-1].tolist())
    path_row, path_column = np.divmod(pixel[path], width)
    first = np.cumsum(count) - count
    order = np.argsort(start)
    run = np.searchsorted(left[order], pixel[path[first]], side="right") - 1
    turn = direction[path]
    row2, column2 = 2 * (path_row - 1) + ROW_STEP[turn], 2 * (path_column - 1) + COLUMN_STEP[turn]
    return _Outlines(row2, column2, count, number[order[run]])


def _walk(after: list[int], order: list[int]) -> tuple[Index, Index]:
    """Return the cycles of a permutation, each from the follower of its first element in `order`, closed."""
    path: list[int] = []
    ends = [0]
    for begin in order:
        if after[begin] >= 0:
            element = begin
            while (following := after[element]) >= 0:
                after[element] = -1
                path.append(following)
                element = following
            path.append(path[ends[-1]])
            ends.append(len(path))
    return np.array(path, dtype=np.intp), np.diff(ends)


def _fill(
    row2: Index, column2: Index, outline: Index, number: Index, shape: tuple[int, ...]
) -> tuple[Index, Index, Index]:
    """Return the runs of pixels in an odd number of outlines of their object, object by object.

    Parameters
    ----------
    row2, column2, outline : (P,) arrays
        Twice the position of each point, and its outline.
    number : (outlines,) array
        Object of each outline.
    shape : (H, W)
        Shape of the label.

    Notes
    -----
    The pixels of `skimage.draw.polygon`, so those on an outline are in it. A row crosses an outline's edges in
    places where it enters and leaves by turns; no outline has a pixel centre among its points.
    """
    height, width = shape
    edge = np.flatnonzero(outline[1:] == outline[:-1])
    down = row2[edge] < row2[edge + 1]
    upper, lower = np.where(down, edge, edge + 1), np.where(down, edge + 1, edge)
    first_row = (row2[upper] + 1) // 2
    num_rows = (row2[lower] + 1) // 2 - first_row
    row = expand_runs(first_row, num_rows)
    upper, lower = np.repeat(upper, num_rows), np.repeat(lower, num_rows)
    drop = 2 * (row2[lower] - row2[upper])
    column, rest = np.divmod(
        column2[upper] * drop // 2 + (2 * row - row2[upper]) * (column2[lower] - column2[upper]), drop
    )
    line = outline[upper] * height + row
    crossing = np.sort(line * (width + 1) + column + 1)
    hit = rest == 0
    flat_edge = edge[(row2[edge] == row2[edge + 1]) & (row2[edge] % 2 == 0)]
    left = (np.minimum(column2[flat_edge], column2[flat_edge + 1]) + 1) // 2
    along = np.abs(column2[flat_edge + 1] - column2[flat_edge]) // 2
    level = (outline[flat_edge] * height + row2[flat_edge] // 2) * (width + 1)
    on_edge = np.unique(np.concatenate([(line * (width + 1) + column)[hit], expand_runs(level + left, along)]))
    outside = on_edge[np.searchsorted(crossing, on_edge, side="right") % 2 == 0]  # each line has an even number
    turns = np.concatenate([crossing, outside, outside + 1])
    line, column = np.divmod(turns, width + 1)
    turns = np.sort((number[line // height] * height + line % height) * (width + 1) + column).reshape(-1, 2)
    turns = turns[turns[:, 0] < turns[:, 1]]
    line, column = np.divmod(turns[:, 0], width + 1)
    start = line % height * width + column
    return start, start + turns[:, 1] - turns[:, 0], line // height
