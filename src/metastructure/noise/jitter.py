"""Spatially correlated boundary jitter: a smooth random field displaces every contour."""

from collections.abc import Callable
from math import ceil
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.field import simulate_field
from metastructure.noise.geometry import Mask, apply_in_bands, nearest_class, squared_distance

CLIP = 3.5
"""Displacements beyond this many standard deviations are cut off (0.05 % of the field)."""


class BoundaryJitter(NoiseModel):
    """Displace boundaries by a smooth Gaussian random field (family PCL).

    Parameters
    ----------
    amplitude_px : float, above 0
        Standard deviation of the displacement, in pixels; it is cut off at 3.5 of them.
    correlation_px : float, at least 1
        Length along which the displacement stays alike: its correlation at this distance is 0.61.
    bias_px : float
        Mean displacement; above 0 the objects grow.

    Notes
    -----
    A pixel whose nearest pixel of another class lies d away is d - 0.5 from the boundary. It takes that class
    where the displacement reaches it: displacement >= d - 0.5 if the other class is the higher, -displacement
    >= d - 0.5 if it is the lower; so class 0 is displaced by all others, and of two objects the higher class
    wins where the field is positive. Without bias, a straight boundary moves by the field rounded to pixels.

    References
    ----------
    The Gaussian displacement of contours as annotator model: Heller, Dean, Papanikolopoulos, "Imperfect
    segmentation labels: how much do they matter?", LABELS workshop, MICCAI 2018 (they displace natural
    contours; the random field is ours).

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> label = np.tile(np.repeat([0, 1], 20), (60, 1))
    >>> noisy = BoundaryJitter(amplitude_px=2)(label, generator(0, "a", "noise"))
    >>> bool((noisy[:, :12] == 0).all() and (noisy[:, 28:] == 1).all() and (noisy != label).any())
    True
    """

    family: ClassVar[str] = "jitter"
    main_field: ClassVar[str | None] = "amplitude_px"

    amplitude_px: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    correlation_px: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 16.0
    bias_px: Annotated[float, Field(allow_inf_nan=False)] = 0.0

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        field = simulate_field(label.shape, self.correlation_px, rng)

        def displacement(first: int, stop: int) -> npt.NDArray[np.float32]:
            return np.clip(field.rows(first, stop), -CLIP, CLIP) * self.amplitude_px + self.bias_px

        return displace_boundaries(label, num_classes, displacement, CLIP * self.amplitude_px + abs(self.bias_px))


def displace_boundaries(
    label: LabelArray,
    num_classes: int,
    displacement: Callable[[int, int], npt.NDArray[np.floating]],
    limit_px: float,
) -> LabelArray:
    """Return `label` with its boundaries displaced, as `BoundaryJitter` says.

    Parameters
    ----------
    label : (H, W) or (D, H, W) array of integers
        Classes 0..C-1; IGNORE displaces nothing.
    num_classes : int
        C.
    displacement : callable
        ``displacement(first, stop)`` gives the displacement in pixels at these rows (slices of a volume).
    limit_px : float
        No displacement is larger.
    """

    def displaced(band: LabelArray, first: int) -> LabelArray:
        shift = displacement(first, first + len(band))
        reach = np.abs(shift) + 0.5
        farthest = float(reach.max())
        known = band < num_classes
        wanted = known & (squared_distance(_touches_another(band), int(farthest)) <= reach**2)
        index, classes, distance_px = nearest_class(
            band, num_classes, wanted, farthest, lambda own, other: own != other
        )
        noisy = band.copy().reshape(-1)
        towards = np.where(classes > noisy[index], 1, -1) * shift.reshape(-1)[index]
        moved = distance_px - 0.5 <= towards
        noisy[index[moved]] = classes[moved]
        return noisy.reshape(band.shape)

    return apply_in_bands(displaced, label, ceil(limit_px + 0.5))


def _touches_another(label: LabelArray) -> Mask:
    """Return True where a neighbour along an axis holds another value; the nearest other class is among these."""
    touching = np.zeros(label.shape, dtype=np.bool_)
    for axis in range(label.ndim):
        differs = np.diff(label, axis=axis) != 0
        low: tuple[slice, ...] = tuple([slice(None)] * axis + [slice(None, -1)])
        high: tuple[slice, ...] = tuple([slice(None)] * axis + [slice(1, None)])
        touching[low] |= differs
        touching[high] |= differs
    return touching
