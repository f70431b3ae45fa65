"""Whether EMS on centre lines helps, and with what radius, told from the images alone.

Points around the centre lines forget how wide a candidate is at each place; a network trained on them gives every place
the common width. That is a gain where widths are seen worse than they differ, and a loss elsewhere.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion, distance_transform_edt
from skimage.morphology import skeletonize

from metastructure.unsupervised.base import Score
from metastructure.unsupervised.ems import BoolArray, MetaStructureExtraction

DOUBTFUL = 0.25
"""Evidence below this, on either side, leaves open what a pixel is."""

LEAST_RATIO = 1.3
"""From which EMS is used: doubtful width by spread of the thickness. Chosen by ``docs/scripts/ems_choice.py``."""

FRACTION = 0.3
"""Of the skeleton's pixels that is kept."""


class EMSChoice(NamedTuple):
    """What was chosen, and why.

    Attributes
    ----------
    ems : MetaStructureExtraction or None
        None to train on whole candidates.
    thickness_px : float
        Median local thickness, from the centre line to the nearest background pixel.
    spread_px : float
        Of the local thickness, between its quartiles.
    doubtful_px : float
        Width of the band along the outlines in which the images do not tell object from background.
    """

    ems: MetaStructureExtraction | None
    thickness_px: float
    spread_px: float
    doubtful_px: float


def choose_ems(evidence: Sequence[Score]) -> EMSChoice:
    """Return EMS of skeletons, its radius the typical half-width of the objects, or none.

    Parameters
    ----------
    evidence : sequence of (H, W) arrays
        What each image says for the object, above 0 in it, about 0.5 where it is sure.

    Notes
    -----
    Both sides of the comparison are lengths in the same pixels, so the choice does not depend on the resolution of the
    images, as long as objects are some pixels wide. A thickness is not known better than to a pixel.

    Examples
    --------
    A bar of 5 rows, sure up to its outline: nothing is doubtful, so nothing is gained.

    >>> bar = np.full((15, 40), -0.5)
    >>> bar[5:10, 5:35] = 0.5
    >>> chosen = choose_ems([bar])
    >>> chosen.ems, chosen.thickness_px, chosen.doubtful_px
    (None, 3.0, 0.0)
    """
    candidates = [_smaller_part(values > 0) for values in evidence]
    thickness = local_thickness(candidates)
    outline = sum(int(np.count_nonzero(mask & ~binary_erosion(mask, border_value=1))) for mask in candidates)
    if not thickness.size or not outline:
        return EMSChoice(None, float("nan"), float("nan"), float("nan"))
    lower, median, upper = np.quantile(thickness, [0.25, 0.5, 0.75])
    doubtful = sum(int(np.count_nonzero(np.abs(values) < DOUBTFUL)) for values in evidence) / outline
    ems = None
    if doubtful >= LEAST_RATIO * max(float(upper - lower), 1.0):
        ems = MetaStructureExtraction(radius_px=max(1, round(float(median) - 1)), fraction=FRACTION)
    return EMSChoice(ems, float(median), float(upper - lower), doubtful)


def local_thickness(candidates: Iterable[BoolArray]) -> npt.NDArray[np.float64]:
    """Return, for each pixel of the candidates' skeletons, its distance to the nearest background pixel.

    Parameters
    ----------
    candidates : iterable of (H, W) arrays of bool

    Returns
    -------
    (N,) array
        In pixels, of all candidates one after another; a line 2 r + 1 pixels wide has r + 1.

    Examples
    --------
    >>> bar = np.zeros((9, 30), dtype=bool)
    >>> bar[3:6, 5:25] = True
    >>> float(np.median(local_thickness([bar])))
    2.0
    """
    values = [distance_transform_edt(mask)[skeletonize(mask)] for mask in candidates if mask.any() and not mask.all()]
    return np.concatenate([np.zeros(0), *values])


def _smaller_part(candidate: BoolArray) -> BoolArray:
    """Return what EMS takes for the object."""
    return ~candidate if 2 * np.count_nonzero(candidate) > candidate.size else candidate
