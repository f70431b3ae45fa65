"""How well a foreground probability ranks pixels: histograms of scores, the AUC, and the choice of a threshold.

Scores are kept as two histograms over the logit, background and foreground, so that any number of images streams
through constant memory and histograms of images add up. Binary labels only.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from metastructure.label import LabelArray

NUM_BINS = 1 << 16
LOGIT_LOW, LOGIT_HIGH = -90.0, 20.0
"""Beyond these lie only the exact 0 and 1 and subnormal probabilities of float32, which fall into the end bins."""

BIN_WIDTH = (LOGIT_HIGH - LOGIT_LOW) / NUM_BINS


@dataclass(frozen=True, eq=False)
class ScoreHistogram:
    """Counts of background and foreground pixels by predicted probability.

    Attributes
    ----------
    counts : (2, NUM_BINS) array of int64
        Row 0 background, row 1 foreground; bins are even in the logit, 1.7e-3 wide.
    dice_sum, dice_num : (NUM_BINS,) arrays
        For the threshold at each bin's lower edge, the Dice summed over images and the number of images that have
        one (an image without foreground has none as long as nothing is predicted in it).
    """

    counts: npt.NDArray[np.int64]
    dice_sum: npt.NDArray[np.float64]
    dice_num: npt.NDArray[np.int64]

    @classmethod
    def empty(cls) -> Self:
        """Return the histogram of no pixels, to add others to."""
        return cls(np.zeros((2, NUM_BINS), np.int64), np.zeros(NUM_BINS), np.zeros(NUM_BINS, np.int64))

    @classmethod
    def from_image(cls, probability: npt.NDArray[np.floating], label: LabelArray) -> Self:
        """Return the histogram of one image; pixels of other classes than 0 and 1 (IGNORE) are left out.

        Parameters
        ----------
        probability : (H, W) array in [0, 1]
            Of foreground.
        label : (H, W) array of integers
            The truth, classes 0 and 1.
        """
        tiny = np.finfo(np.float64).tiny
        p = np.asarray(probability, dtype=np.float64)
        logit = np.log(np.maximum(p, tiny)) - np.log(np.maximum(1 - p, tiny))
        bins = np.clip((logit - LOGIT_LOW) / BIN_WIDTH, 0, NUM_BINS - 1).astype(np.intp)
        counts = np.stack([np.bincount(bins[label == klass], minlength=NUM_BINS) for klass in (0, 1)]).astype(np.int64)
        background_called, hits = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
        below = background_called + hits + counts[1].sum()
        return cls(counts, np.divide(2.0 * hits, below, out=np.zeros(NUM_BINS), where=below > 0), (below > 0) + 0)

    def __add__(self, other: "ScoreHistogram") -> "ScoreHistogram":
        """Return the histogram of both sets of pixels."""
        return ScoreHistogram(
            self.counts + other.counts, self.dice_sum + other.dice_sum, self.dice_num + other.dice_num
        )

    def auc(self) -> float:
        """Return the area under the ROC curve; NaN if a class is missing.

        The probability that a foreground pixel scores above a background one, ties (same bin) counting half:
        the Mann-Whitney statistic (Hanley and McNeil 1982).

        Examples
        --------
        >>> p, y = np.array([[0.1, 0.4, 0.35, 0.8]]), np.array([[0, 0, 1, 1]])
        >>> ScoreHistogram.from_image(p, y).auc()
        0.75
        """
        background, foreground = self.counts
        pairs = int(background.sum()) * int(foreground.sum())
        if pairs == 0:
            return float("nan")
        below = np.cumsum(background) - background
        return float((foreground * (below + background / 2)).sum() / pairs)

    def best_threshold(self) -> float:
        """Return the threshold on the probability with the highest mean Dice over images; NaN without foreground.

        Prediction is ``probability >= threshold``. Where several are equally good, the middle of the longest run
        of equally good ones is taken, so that an empty gap between the classes is cut in its middle.

        Examples
        --------
        >>> p, y = np.array([[0.1, 0.2, 0.7, 0.8]]), np.array([[0, 0, 1, 1]])
        >>> 0.2 < ScoreHistogram.from_image(p, y).best_threshold() < 0.7
        True
        """
        if not self.counts[1].any():
            return float("nan")
        score = np.divide(self.dice_sum, self.dice_num, out=np.full(NUM_BINS, -1.0), where=self.dice_num > 0)
        first, last = _longest_run(score == score.max())
        if last == 0:
            return 0.0
        logit = LOGIT_LOW + (first + last) / 2 * BIN_WIDTH
        return float(1 / (1 + np.exp(-logit)))


def _longest_run(flags: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first and last index of the longest run of True (the first such run)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2] - 1
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest])
