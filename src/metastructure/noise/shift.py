"""A signed shift of every boundary: an annotator who always draws too large, or too small."""

from math import ceil
from typing import ClassVar

import numpy as np
from pydantic import field_validator

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.boundary import grow_objects, shrink_objects
from metastructure.noise.geometry import apply_in_bands


class BoundaryShift(NoiseModel):
    """Move every object's boundary outwards, or inwards where `distance_px` is negative (family PCL).

    Parameters
    ----------
    distance_px : float, not 0
        Above 0 as `Dilation` with this radius, below 0 as `Erosion`; fractions are allowed, and change
        nothing until they reach another pixel distance (1, 1.41, 2, 2.24, ...).

    References
    ----------
    Vorontsov, Kadoury, "Label noise in segmentation networks: mitigation must deal with bias", DGM4MICCAI
    2021: biased boundaries do more harm than unbiased ones.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> BoundaryShift(distance_px=-1)(np.array([[1, 1, 1, 0, 0]]), generator(0, "a", "noise")).tolist()
    [[1, 1, 0, 0, 0]]
    """

    family: ClassVar[str] = "shift"
    main_field: ClassVar[str | None] = "distance_px"

    distance_px: float

    @field_validator("distance_px")
    @classmethod
    def _check_distance(cls, distance_px: float) -> float:
        if not 1 <= abs(distance_px) < float("inf"):
            raise ValueError(
                f"must be at least 1 or at most -1, since no two pixels are closer than 1; got {distance_px:g}"
            )
        return distance_px

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        move, radius_px = (grow_objects if self.distance_px > 0 else shrink_objects), abs(self.distance_px)
        return apply_in_bands(lambda band, _: move(band, num_classes, radius_px), label, ceil(radius_px))
