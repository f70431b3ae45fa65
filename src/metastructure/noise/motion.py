"""Objects annotated in the wrong place or at the wrong angle: each moves on its own."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.geometry import BAND_PIXELS, Mask
from metastructure.noise.objects import LabelObject, find_objects

Spread = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Displacement(NoiseModel):
    """Shift every object by a random vector of its own.

    Parameters
    ----------
    spread_px : float, above 0
        Standard deviation of the shift along each axis; shifts are Gaussian, rounded to whole pixels. What leaves
        the image is lost, what an object leaves becomes background, and where two meet the later in row order wins.

    References
    ----------
    Vădineanu et al., "An Analysis of the Impact of Annotation Errors on the Accuracy of Deep Learning for Cell
    Segmentation", MIDL 2022: constant shift as one of the systematic errors.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> label = np.zeros((30, 30), int)
    >>> label[12:16, 14:20] = 1
    >>> noisy = Displacement(spread_px=2)(label, generator(1, "a", "noise"))
    >>> int(noisy.sum()), bool((noisy == label).all())
    (24, False)
    """

    family: ClassVar[str] = "move"
    main_field: ClassVar[str | None] = "spread_px"

    spread_px: Spread

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        noisy = np.zeros_like(label)
        for piece in find_objects(label, num_classes):
            shift = np.rint(rng.normal(0, self.spread_px, label.ndim)).astype(np.intp)
            target, source = [], []
            for side, step, length in zip(piece.box, shift.tolist(), label.shape, strict=True):
                low, high = max(side.start + step, 0), min(side.stop + step, length)
                target.append(slice(low, max(low, high)))
                source.append(slice(low - side.start - step, max(low, high) - side.start - step))
            noisy[tuple(target)][piece.inside[tuple(source)]] = piece.klass
        return noisy


class Rotation(NoiseModel):
    """Turn every object about its centre by a random angle of its own.

    Parameters
    ----------
    spread_degrees : float, above 0
        Standard deviation of the Gaussian angle. A volume's objects turn within their slices (the H-W plane), about
        one axis through the object's centre. Pixels are resampled by nearest neighbour; where two objects meet the
        later in row order wins.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> label = np.zeros((30, 30), int)
    >>> label[14:16, 5:25] = 1
    >>> noisy = Rotation(spread_degrees=30)(label, generator(0, "a", "noise"))
    >>> int(np.ptp(np.nonzero(noisy)[0])) > 1
    True
    """

    family: ClassVar[str] = "rotate"
    main_field: ClassVar[str | None] = "spread_degrees"

    spread_degrees: Spread

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        noisy = np.zeros_like(label)
        for piece in find_objects(label, num_classes):
            angle = np.deg2rad(rng.normal(0, self.spread_degrees))
            for box, hit in rotate_object(piece, angle, label.shape):
                noisy[box][hit] = piece.klass
        return noisy


def rotate_object(piece: LabelObject, angle: float, shape: tuple[int, ...]) -> Iterator[tuple[tuple[slice, ...], Mask]]:
    """Give the part of an object that lies in the image after a turn, as boxes of a few rows with a mask each.

    Parameters
    ----------
    piece : LabelObject
        The object; it turns about its centre, in its last two axes.
    angle : float
        In radians, from rows towards columns.
    shape : (H, W) or (D, H, W)
        Shape of the image.

    Notes
    -----
    Each pixel of the turned box is looked up where it came from, so that no holes open.
    """
    row_centre, column_centre = (float(middle) for middle in piece.centre()[-2:])
    (top, left), (height, width) = (side.start for side in piece.box[-2:]), piece.inside.shape[-2:]
    cosine, sine = np.cos(angle), np.sin(angle)
    rows = np.array([top - 1, top + height]) - row_centre
    columns = np.array([left - 1, left + width]) - column_centre
    ends = []
    for reach, middle, length in (
        (np.add.outer(cosine * rows, -sine * columns), row_centre, shape[-2]),
        (np.add.outer(sine * rows, cosine * columns), column_centre, shape[-1]),
    ):
        low = max(int(np.floor(reach.min() + middle)), 0)
        ends.append((low, max(low, min(int(np.ceil(reach.max() + middle)) + 1, length))))
    (low, high), (first, stop) = ends
    across = np.arange(first, stop) - column_centre
    step = max(1, BAND_PIXELS // (8 * max(stop - first, 1)))
    for start in range(low, high, step):
        down = (np.arange(start, min(start + step, high)) - row_centre)[:, None]
        row = np.rint(row_centre + cosine * down + sine * across).astype(np.int32) - top
        column = np.rint(column_centre - sine * down + cosine * across).astype(np.int32) - left
        fits = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        hit = piece.inside[..., np.where(fits, row, 0), np.where(fits, column, 0)] & fits
        yield (*piece.box[:-2], slice(start, start + len(down)), slice(first, stop)), hit
