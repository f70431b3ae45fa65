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

LEAST_RATIO = 1.4
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
        Width of the band along the outlines in which the images do not tell object from background: pixels in doubt
        for each pixel of the outlines, no farther from one than the median local thickness.
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
    A spread below a pixel counts as one pixel: no width is known better. Evidence is taken to be that of `restored`;
    the limit was not measured with other starts.

    Examples
    --------
    A bar of 5 rows, sure up to its outline: nothing is doubtful, so nothing is gained.

    >>> bar = np.full((15, 40), -0.5)
    >>> bar[5:10, 5:35] = 0.5
    >>> chosen = choose_ems([bar])
    >>> chosen.ems, chosen.thickness_px, chosen.doubtful_px
    (None, 3.0, 0.0)
    """
    thickness = local_thickness(values > 0 for values in evidence)
    if not thickness.size:
        return EMSChoice(None, float("nan"), float("nan"), float("nan"))
    lower, median, upper = map(float, np.quantile(thickness, [0.25, 0.5, 0.75]))
    num_outline = num_doubtful = 0
    for values in evidence:
        outline = (values > 0) & ~binary_erosion(values > 0, border_value=1)
        if outline.any():
            num_outline += int(np.count_nonzero(outline))
            near = distance_transform_edt(~outline) <= median
            num_doubtful += int(np.count_nonzero(near & (np.abs(values) < DOUBTFUL)))
    doubtful, ems = num_doubtful / num_outline, None
    if doubtful >= LEAST_RATIO * max(upper - lower, 1.0):
        ems = MetaStructureExtraction(radius_px=max(1, round(median - 1)), fraction=FRACTION, invert=False)
    return EMSChoice(ems, median, upper - lower, doubtful)


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
