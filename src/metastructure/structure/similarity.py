"""How much of the meta-structure of clean labels is left in noisy ones, in [0, 1].

`N` images, `C` classes. The definition, the proof of its invariance and the correction for the sampling error are in
docs/meta-structure.md.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from metastructure.structure.agreement import mean_distance, measure_agreement
from metastructure.structure.estimate import Counts, Estimate, bootstrap_images, why_undefined
from metastructure.structure.moments import Moments, pool
from metastructure.structure.pairs import Pair, collect_moments
from metastructure.structure.windows import FloatArray, WindowName

HALF_WIDTH_PX = 4
CONFIDENCE = 0.95
NUM_RESAMPLES = 500


class ScaleSimilarity(BaseModel):
    """The similarity at one half-width.

    Attributes
    ----------
    half_width_px : int
    corrected : Estimate
        Of the pixels of all images together, the sampling error of the noisy densities taken off: what a model that
        may average over ever more images can learn.
    uncorrected : Estimate
        With the sampling error: what windows of this size see in these images.
    distance : Estimate
        Mean total variation between the two densities, in [0, 1]; not invariant, 0 for equal labels.
    num_dimensions : int
        Independent dimensions of the clean densities, the classes present less one: the similarity is a mean over them.
    per_image : tuple of N floats
        `corrected` of each image alone, over the classes present in it.
    per_image_uncorrected : tuple of N floats
    per_image_reasons : tuple of N str or None
        Why a value of `per_image` is NaN.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    half_width_px: int
    corrected: Estimate
    uncorrected: Estimate
    distance: Estimate
    num_dimensions: int
    per_image: tuple[float, ...]
    per_image_uncorrected: tuple[float, ...]
    per_image_reasons: tuple[str | None, ...]


class Similarity(BaseModel):
    """The similarity of two sets of labels at one or several half-widths.

    Attributes
    ----------
    window : str
        ``box``, ``disc`` or ``gaussian``.
    num_classes, num_images : int
    confidence : float
        Of all intervals.
    scales : tuple of ScaleSimilarity
        One a half-width, in the order asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    window: str
    num_classes: int
    num_images: int
    confidence: float
    scales: tuple[ScaleSimilarity, ...]


def similarity(
    pairs: Iterable[Pair],
    rng: np.random.Generator,
    half_widths_px: Sequence[int] = (HALF_WIDTH_PX,),
    window: WindowName = "box",
    num_classes: int | None = None,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
) -> Similarity:
    """Return the similarity of the meta-structures of clean and noisy labels.

    Parameters
    ----------
    pairs : iterable of (clean, noisy), each (H, W) arrays of integers
        Two labels of the same image, IGNORE allowed in each; gone through once. Images may differ in size.
    rng : numpy Generator
        For the bootstrap; from `metastructure.rng.generator`.
    half_widths_px : sequence of int
        Half-widths of the windows; each must be smaller than the shorter side of every image.
    window : "box", "disc" or "gaussian"
    num_classes : int, optional
        C. Without it what the pairs hold, for which they are kept in memory.
    confidence : float in (0, 1)
        Of the intervals.
    num_resamples : int
        Bootstrap resamples of the images.

    Returns
    -------
    Similarity
        For each half-width the pooled values with intervals and the values per image. Values are NaN, with a reason,
        for clean labels of one class, windows without known pixels, and, if corrected, noisy labels so thin that no
        two known pixels are side by side. One image has no interval.

    Raises
    ------
    TypeError, ValueError
        If there is no pair, a label breaks the contract, the two of a pair differ in shape, a class is not below
        `num_classes`, or a half-width does not fit; the message names the pair.

    Notes
    -----
    The mean squared canonical correlation between the density vectors over the independent dimensions of the clean
    one: 1 if some linear map of the noisy densities gives the clean ones, 0 if none gives any of it. Every dimension
    weighs the same, however rare its class. A class that the clean labels lack adds no dimension; one that only the
    noisy labels lack costs its own.

    The correction can pass 1 by the error of the estimate; values are clipped to [0, 1] at the very end, and the ends
    of intervals too. Intervals allow for the bias of a sum of squares (`bootstrap_images`): those of unrelated labels
    reach down to 0, and all hold the value.

    References
    ----------
    Hotelling, "Relations between two sets of variates", Biometrika 1936; for correlations corrected for a known error
    variance Spearman, "The proof and measurement of association between two things", 1904.

    Examples
    --------
    >>> from metastructure.rng import generator
    >>> clean = np.kron([[0, 1, 0], [1, 1, 0]], np.ones((8, 8), dtype=int))
    >>> inverted = similarity([(clean, 1 - clean)], generator(0)).scales[0]
    >>> inverted.corrected.value, inverted.corrected.reason, inverted.distance.value > 0.5
    (1.0, 'one image only: no interval', True)
    """
    scales, C = collect_moments(pairs, half_widths_px, window, num_classes)
    return Similarity(
        window=window,
        num_classes=C,
        num_images=len(scales[0]),
        confidence=confidence,
        scales=tuple(
            _at_scale(int(h), moments, rng, confidence, num_resamples)
            for h, moments in zip(half_widths_px, scales, strict=True)
        ),
    )


def _at_scale(
    half_width_px: int, moments: Sequence[Moments], rng: np.random.Generator, confidence: float, num_resamples: int
) -> ScaleSimilarity:
    def statistic(times: Counts) -> FloatArray:
        pooled = pool(moments, times)
        agreement = measure_agreement(pooled)
        return np.array([agreement.corrected, agreement.uncorrected, mean_distance(pooled)])

    whole = pool(moments)
    agreement = measure_agreement(whole)
    values = statistic(np.ones(len(moments), dtype=np.int64))
    intervals = bootstrap_images(statistic, len(moments), rng, confidence, num_resamples)
    alone = [measure_agreement(image) for image in moments]
    corrected, uncorrected, distance = (
        clip_estimate(value, interval, why_undefined(value, agreement.reason, len(moments)))
        for value, interval in zip(values, intervals, strict=True)
    )
    return ScaleSimilarity(
        half_width_px=half_width_px,
        corrected=corrected,
        uncorrected=uncorrected,
        distance=distance,
        num_dimensions=agreement.num_dimensions,
        per_image=tuple(clip(one.corrected) for one in alone),
        per_image_uncorrected=tuple(clip(one.uncorrected) for one in alone),
        per_image_reasons=tuple(one.reason for one in alone),
    )


def clip(value: float) -> float:
    """Return the value moved into [0, 1]; NaN stays NaN."""
    return float(np.clip(value, 0, 1))


def clip_estimate(value: float, interval: FloatArray, reason: str | None = None) -> Estimate:
    """Return the estimate with value and interval moved into [0, 1]."""
    return Estimate(value=clip(value), low=clip(interval[0]), high=clip(interval[1]), reason=reason)
