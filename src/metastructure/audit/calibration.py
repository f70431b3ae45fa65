"""How far predicted class probabilities can be believed: what labels say where a network was this sure.

`C` classes, `H` rows, `W` columns, `K` bins of confidence.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from metastructure.label import IGNORE, LabelArray, check_label

LOGIT_REACH = 12.0
NUM_BINS = 96
"""Bins are a quarter wide in the logit; beyond 12 float16 holds little."""

Probabilities = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often labels hold a class, by the probability that was predicted for it.

    Attributes
    ----------
    pixels, hits : (C, K) arrays
        Known pixels by the predicted probability of each class, and those among them whose label is that class.
    """

    pixels: FloatArray
    hits: FloatArray

    @classmethod
    def fit(cls, pairs: Iterable[tuple[Probabilities, LabelArray]], num_classes: int) -> "Calibration":
        """Return the calibration of one network on images that it was not trained on.

        Parameters
        ----------
        pairs : iterable of ((C, H, W) array of float, (H, W) array of integers)
            Predictions and labels; one pair is held at a time. IGNORE has no say.
        num_classes : int
            C.

        Raises
        ------
        ValueError
            If probabilities and label do not fit together.
        """
        pixels, hits = np.zeros((2, num_classes, NUM_BINS))
        for p_CHW, label in pairs:
            check_probabilities(p_CHW, label, num_classes)
            known = label != IGNORE
            for klass in range(num_classes):
                bins = _bins(p_CHW[klass][known])
                pixels[klass] += np.bincount(bins, minlength=NUM_BINS)
                hits[klass] += np.bincount(bins, label[known] == klass, minlength=NUM_BINS)
        return cls(pixels, hits)

    def __call__(self, p_CHW: Probabilities) -> Probabilities:
        """Return how likely the labels of these images hold each class, (C, H, W), sum 1 over C.

        Notes
        -----
        In each bin the share of hits, made to rise with the predicted probability (isotonic regression weighted by
        pixels). One pixel more is counted with the bin's own probability, so that no share is 0 or 1, and a bin without
        pixels says what was predicted.

        References
        ----------
        Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002.
        """
        middles = (np.arange(NUM_BINS) + 0.5) / NUM_BINS * 2 * LOGIT_REACH - LOGIT_REACH
        predicted = 1 / (1 + np.exp(-middles))
        believed = np.empty(p_CHW.shape, dtype=np.float32)
        for klass, (pixels, hits) in enumerate(zip(self.pixels, self.hits, strict=True)):
            share = (hits + predicted) / (pixels + 1)
            rising = isotonic_regression(share, weights=pixels + 1).x
            believed[klass] = rising[_bins(p_CHW[klass])]
        believed /= believed.sum(axis=0)
        return believed


def score_pixels(p_CHW: Probabilities, label: LabelArray, calibration: Calibration) -> Probabilities:
    """Return how likely each pixel's label is another class, (H, W) in [0, 1]; NaN where it is IGNORE.

    Parameters
    ----------
    p_CHW : (C, H, W) array of float
        Out-of-fold probabilities.
    label : (H, W) array of integers
    calibration : Calibration
        Of the network that made the probabilities.

    Raises
    ------
    ValueError
        If probabilities and label do not fit together.

    Examples
    --------
    >>> p, label = np.array([[[0.9, 0.9]], [[0.1, 0.1]]], np.float32), np.array([[0, 1]])
    >>> trusting = Calibration(np.zeros((2, NUM_BINS)), np.zeros((2, NUM_BINS)))
    >>> score_pixels(p, label, trusting).round(2).tolist()
    [[0.10999999940395355, 0.8899999856948853]]
    """
    check_probabilities(p_CHW, label, len(calibration.pixels))
    known = label != IGNORE
    believed = calibration(p_CHW)
    own = np.take_along_axis(believed, np.where(known, label, 0)[None].astype(np.intp), axis=0)[0]
    return np.where(known, 1 - own, np.float32(np.nan))


def check_probabilities(p_CHW: Probabilities, label: LabelArray, num_classes: int | None = None) -> None:
    """Raise ValueError or TypeError unless probabilities (C, H, W) and label (H, W) go together."""
    if not isinstance(p_CHW, np.ndarray) or p_CHW.ndim != 3 or len(p_CHW) < 2 or p_CHW.dtype.kind != "f":
        shape = f"{p_CHW.dtype} of shape {p_CHW.shape}" if isinstance(p_CHW, np.ndarray) else type(p_CHW).__name__
        raise ValueError(f"probabilities must be floats (C, H, W) with at least two classes; got {shape}.")
    if num_classes not in (None, len(p_CHW)):
        raise ValueError(f"probabilities must be of {num_classes} classes, as the calibration is; got {len(p_CHW)}.")
    check_label(label, len(p_CHW))
    if label.shape != p_CHW.shape[1:]:
        raise ValueError(f"the label must be as large as its probabilities, {p_CHW.shape[1:]}; got {label.shape}.")
    if not np.isfinite(p_CHW).all() or p_CHW.min() < 0:
        raise ValueError("probabilities must be finite and not below 0.")


def _bins(p: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
    """Return the bin of each probability, 0..K-1."""
    p = np.clip(p.astype(np.float64), 1e-9, 1 - 1e-9)
    place = (np.log(p) - np.log1p(-p) + LOGIT_REACH) / (2 * LOGIT_REACH) * NUM_BINS
    bins: npt.NDArray[np.intp] = np.clip(place, 0, NUM_BINS - 1).astype(np.intp)
    return bins
