"""Objects drawn as polygons with few corners."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from skimage.draw import polygon2mask
from skimage.measure import approximate_polygon, find_contours

from metastructure.label import LabelArray
from metastructure.noise.base import NoiseModel
from metastructure.noise.geometry import Mask
from metastructure.noise.objects import find_objects

CLOSED_TRIANGLE = 4
"""Points of the smallest polygon with an area, the first given again at the end."""


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
    or its caricature", 1973, as implemented by scikit-image.

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
        noisy = label.copy()
        for plane in noisy if label.ndim == 3 else noisy[np.newaxis]:
            objects = find_objects(plane, num_classes)
            for piece in objects:
                plane[piece.box][piece.inside] = 0
            for piece in objects:
                free = plane[piece.box] == 0
                plane[piece.box][free & self._simplified(piece.inside)] = piece.klass
        return noisy

    def _simplified(self, inside: Mask) -> Mask:
        padded = np.pad(inside, 1)
        covered = np.zeros_like(padded)
        for outline in find_contours(padded, 0.5, fully_connected="high"):
            corners = approximate_polygon(outline, self.tolerance_px)
            covered ^= polygon2mask(padded.shape, corners if len(corners) >= CLOSED_TRIANGLE else outline)
        simplified: Mask = covered[1:-1, 1:-1]
        return simplified
