"""Objects annotated in the wrong place or at the wrong angle: each moves on its own."""

from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
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
        objects = find_objects(label, num_classes)
        noisy = _without(label, objects)
        for piece in objects:
            shift = np.rint(rng.normal(0, self.spread_px, label.ndim)).astype(np.intp)
            _paint(noisy, piece.positions() + shift, piece.klass)
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
        objects = find_objects(label, num_classes)
        noisy = _without(label, objects)
        for piece in objects:
            _paint(noisy, rotated_positions(piece, np.deg2rad(rng.normal(0, self.spread_degrees))), piece.klass)
        return noisy


def rotated_positions(piece: LabelObject, angle: float) -> npt.NDArray[np.intp]:
    """Return the pixels of an object turned by `angle` (radians, from rows towards columns) in its last two axes.

    Notes
    -----
    Each pixel of the turned box is looked up where it came from, so that no holes open.
    """
    centre = piece.centre()
    corner = np.array([side.start for side in piece.box])
    reach = int(np.ceil(np.hypot(*piece.inside.shape[-2:]))) + 1
    around = [np.arange(-reach, reach + 1)] * 2
    if piece.inside.ndim == 3:
        around.insert(0, np.arange(piece.inside.shape[0]))
    target = np.stack(np.meshgrid(*around, indexing="ij"), axis=-1).reshape(-1, piece.inside.ndim)
    target[:, -2:] += np.rint(centre[-2:]).astype(np.intp)
    if piece.inside.ndim == 3:
        target[:, 0] += corner[0]
    source = target.astype(np.float64)
    offset = source[:, -2:] - centre[-2:]
    cosine, sine = np.cos(angle), np.sin(angle)
    source[:, -2:] = centre[-2:] + offset @ np.array([[cosine, -sine], [sine, cosine]])
    index = np.rint(source).astype(np.intp) - corner
    fits = ((index >= 0) & (index < piece.inside.shape)).all(axis=1)
    hit = fits.copy()
    hit[fits] = piece.inside[tuple(index[fits].T)]
    turned: npt.NDArray[np.intp] = target[hit]
    return turned


def _without(label: LabelArray, objects: list[LabelObject]) -> LabelArray:
    noisy = label.copy()
    for piece in objects:
        noisy[piece.box][piece.inside] = 0
    return noisy


def _paint(label: LabelArray, positions: npt.NDArray[np.intp], klass: int) -> None:
    within = ((positions >= 0) & (positions < label.shape)).all(axis=1)
    label[tuple(positions[within].T)] = klass
