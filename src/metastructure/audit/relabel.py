"""A label mended where out-of-fold probabilities contradict it with confidence.

`C` classes, `H` rows, `W` columns. Objects are connected regions of the classes 1..C-1.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from metastructure.audit.calibration import Probabilities
from metastructure.audit.label_evidence import EIGHT_NEIGHBOURS, contradiction
from metastructure.label import LabelArray
from metastructure.noise.objects import number_objects

SURE = 0.95
"""Probability of another class, against the label's, from which a pixel is confidently wrong."""

RIM_PX = 2.0
"""How far a change reaches beyond the confidently wrong pixels, over ones where the label is the less likely class."""


class RelabelledLabel(NamedTuple):
    """A mended label, and what changed.

    Attributes
    ----------
    label : (H, W) array of the same dtype
    num_changed : int
        Pixels.
    num_added, num_removed : int
        Objects of the new label that share no pixel with an object of their class in the old one, and the other way
        round.
    """

    label: LabelArray
    num_changed: int
    num_added: int
    num_removed: int


def relabel(label: LabelArray, p_CHW: Probabilities, *, sure: float = SURE) -> RelabelledLabel:
    """Return the label with the pixels that are confidently wrong changed to the likeliest class.

    Parameters
    ----------
    label : (H, W) array of integers
        Classes 0..C-1. IGNORE stays.
    p_CHW : (C, H, W) array of float
        Probabilities of a network that has not learnt this label.
    sure : float in (0.5, 1)
        A pixel is confidently wrong if the likeliest other class has at least this share of the probability of the two.

    Raises
    ------
    TypeError, ValueError
        If the label breaks the contract or does not fit the probabilities, or `sure` is out of range.

    Notes
    -----
    Where a boundary lies wrong, a network is sure of the middle of the strip between the two boundaries and unsure of
    its rims. So pixels of which the label is not the likeliest class are changed too if a confidently wrong one lies
    within 2 px, over pixels like themselves. A rim where the network is nowhere sure stays as it was drawn.

    Examples
    --------
    >>> p1 = np.array([[0.9, 0.6, 0.01, 0.4, 0.6]], np.float32)
    >>> mended = relabel(np.array([[0, 0, 1, 0, 0]]), np.stack([1 - p1, p1]), sure=0.8)
    >>> mended.label.tolist(), mended.num_changed, mended.num_added, mended.num_removed
    ([[1, 1, 0, 0, 0]], 3, 1, 1)
    """
    if not 0.5 < sure < 1:
        raise ValueError(f"sure must lie between 0.5 and 1; got {sure:g}.")
    odds = contradiction(p_CHW, label)
    contradicted, certain = odds > 0, odds >= np.log(sure / (1 - sure))
    changed = certain
    if certain.any():
        near = ndimage.distance_transform_edt(~certain) <= RIM_PX
        changed = ndimage.binary_propagation(certain, structure=EIGHT_NEIGHBOURS, mask=contradicted & near)
    mended = np.where(changed, p_CHW.argmax(axis=0), label).astype(label.dtype)
    C = len(p_CHW)
    return RelabelledLabel(mended, int(changed.sum()), _count_new(label, mended, C), _count_new(mended, label, C))


def _count_new(before: LabelArray, after: LabelArray, num_classes: int) -> int:
    """Return the objects of `after` without a pixel of their class in `before`."""
    numbers, classes = number_objects(after, num_classes)
    kept = np.unique(numbers[(before == after) & (numbers > 0)])
    return len(classes) - 1 - len(kept)
