"""When early learning ends and when memorisation begins, read off the training losses alone.

Networks first learn what labels have in common, and later the errors of single labels. While only the first happens the
curve of the mean training loss saturates, which is to say that it is convex: it stays above each of its tangents. A
second process that sets in later bends it below the tangent at its flattest part.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SLOW = 0.1
"""Early learning has ended where the loss falls at less than this share of its fastest (Liu et al. 2022 take 0.1)."""

FALL_EPOCHS = 2
"""A fall is taken over so many epochs."""

WINDOW_EPOCHS = 4
"""A tangent is a straight line fitted to so many epochs."""

LASTING_EPOCHS = 3
"""So many epochs in a row must lie below the tangent."""

NOISE_FACTOR = 4.0
"""By so many standard deviations of the losses' noise, and"""

SHARE = 0.1
"""by so much of the fall up to the elbow; without any label noise, a lowered rate alone was seen to reach 0.06."""

MIN_EPOCHS = 1 + FALL_EPOCHS + WINDOW_EPOCHS + LASTING_EPOCHS
"""Fewer epochs cannot show memorisation."""

Losses = Sequence[float]


class Tangent(NamedTuple):
    """The line through the flattest part of a curve.

    Attributes
    ----------
    epoch : int
        The last epoch of the part, counted from 0.
    loss : float
        Of the line at that epoch.
    fall : float
        Of the line in an epoch; at least 0.
    """

    epoch: int
    loss: float
    fall: float


def find_elbow(losses: Losses) -> int | None:
    """Return the first epoch, from 0, in which the loss falls slowly; None while it does not.

    Slowly is at less than SLOW of the fastest fall so far, both over FALL_EPOCHS epochs.

    References
    ----------
    Liu et al., "Adaptive early-learning correction for segmentation from noisy annotations", CVPR 2022, section 3.1,
    compare slopes in this way, of a curve fitted to the training IoU of each class.

    Examples
    --------
    >>> find_elbow([1.0, 0.5, 0.2, 0.1, 0.08, 0.06, 0.05])  # falls over two epochs: 0.8, 0.4, 0.12, 0.04, 0.03
    5
    """
    fastest = 0.0
    for epoch in range(FALL_EPOCHS, len(losses)):
        fall = losses[epoch - FALL_EPOCHS] - losses[epoch]
        fastest = max(fastest, fall)
        if fastest > 0 and fall < SLOW * fastest:
            return epoch
    return None


def find_tangent(losses: Losses) -> Tangent | None:
    """Return the line through the flattest WINDOW_EPOCHS epochs from the elbow on; of equals the last; None before."""
    elbow = find_elbow(losses)
    if elbow is None:
        return None
    lines = [_fit(losses, end) for end in range(elbow + WINDOW_EPOCHS - 1, len(losses))]
    return min(reversed(lines), key=lambda line: line.fall, default=None)


def is_memorising(losses: Losses) -> bool:
    """Return whether the last LASTING_EPOCHS losses lie clearly below the tangent, by NOISE_FACTOR and by SHARE.

    Notes
    -----
    The noise is the median absolute second difference of the losses from the elbow on, as a standard deviation. No
    convex curve fires, whatever its size or speed; so memorisation that does not bend the curve is not seen.

    Examples
    --------
    >>> saturating = [0.4 + 0.6 * 0.3**epoch for epoch in range(12)]
    >>> is_memorising(saturating), is_memorising([*saturating, 0.33, 0.25, 0.2])
    (False, True)
    """
    tangent, elbow = find_tangent(losses), find_elbow(losses)
    if tangent is None or elbow is None or len(losses) - 1 < tangent.epoch + LASTING_EPOCHS:
        return False
    epochs = np.arange(len(losses) - LASTING_EPOCHS, len(losses))
    below = tangent.loss - tangent.fall * (epochs - tangent.epoch) - np.asarray(losses[-LASTING_EPOCHS:])
    noise = _noise(np.asarray(losses[elbow:]))
    return bool((below > max(NOISE_FACTOR * noise, SHARE * (losses[0] - losses[elbow]))).all())


def _fit(losses: Losses, end: int) -> Tangent:
    """Return the least-squares line through the epochs up to `end`, of a slope that does not rise."""
    part = np.asarray(losses[end + 1 - WINDOW_EPOCHS : end + 1])
    offsets = np.arange(WINDOW_EPOCHS) - (WINDOW_EPOCHS - 1) / 2
    fall = max(0.0, -float(offsets @ part) / float(offsets @ offsets))
    return Tangent(end, float(part.mean() - fall * offsets[-1]), fall)


def _noise(losses: npt.NDArray[np.float64]) -> float:
    """Return the standard deviation of white noise whose second differences have the same median size."""
    return float(np.median(np.abs(np.diff(losses, 2)))) / (0.6745 * 6**0.5)
