"""Opening and closing: what disappears or fuses when an annotator works with too coarse a brush."""

from typing import ClassVar

import numpy as np

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.boundary import RadiusPx
from metastructure.noise.geometry import apply_in_bands, is_within


class Opening(NoiseModel):
    """Remove from each class what a disc of `radius_px` does not fit into; it becomes background (family
    PCL).

    Parameters
    ----------
    radius_px : int, at least 1
        Erosion and dilation of each class by this Euclidean radius. The image's edge and IGNORE do not erode.

    References
    ----------
    Serra, "Image Analysis and Mathematical Morphology", Academic Press 1982.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> label = np.array([[0, 1, 0, 0, 1, 1, 1, 0]])
    >>> Opening(radius_px=1)(label, generator(0, "a", "noise")).tolist()
    [[0, 0, 0, 0, 1, 1, 1, 0]]
    """

    family: ClassVar[str] = "open"
    main_field: ClassVar[str | None] = "radius_px"

    radius_px: RadiusPx

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        def opened(band: LabelArray, _: int) -> LabelArray:
            noisy = band.copy()
            known = band < num_classes
            for klass in range(1, num_classes):
                inside = band == klass
                if inside.any():
                    core = inside & ~is_within(known & ~inside, self.radius_px)
                    noisy[inside & ~is_within(core, self.radius_px)] = 0
            return noisy

        return apply_in_bands(opened, label, 2 * self.radius_px)


class Closing(NoiseModel):
    """Fill the background that a disc of `radius_px` cannot reach around each class (family PCL).

    Parameters
    ----------
    radius_px : int, at least 1
        Dilation and erosion of each class by this Euclidean radius: gaps, holes and bays narrower than about
        twice the radius are filled. Only background changes; where two classes claim a pixel the lower gets
        it.

    References
    ----------
    Serra, "Image Analysis and Mathematical Morphology", Academic Press 1982.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> label = np.array([[1, 1, 0, 0, 1, 0, 0, 0, 2]])
    >>> Closing(radius_px=1)(label, generator(0, "a", "noise")).tolist()
    [[1, 1, 1, 1, 1, 0, 0, 0, 2]]
    """

    family: ClassVar[str] = "close"
    main_field: ClassVar[str | None] = "radius_px"

    radius_px: RadiusPx

    def _corrupt(self, label: LabelArray, rng: np.random.Generator, num_classes: int) -> LabelArray:
        def closed(band: LabelArray, _: int) -> LabelArray:
            noisy = band.copy()
            for klass in range(num_classes - 1, 0, -1):
                inside = band == klass
                if inside.any():
                    outside = ~is_within(inside, self.radius_px)
                    noisy[(band == 0) & ~outside & ~is_within(outside, self.radius_px)] = klass
            return noisy

        return apply_in_bands(closed, label, 2 * self.radius_px)
