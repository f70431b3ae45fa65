"""Which labels of a folder are worth a second look, from out-of-fold probabilities.

`N` images, `C` classes, `H` rows, `W` columns. Each image is measured on its own (`label_evidence`); a folder says what
is usual there, so that what its annotators or its networks do everywhere is reported but ranks nobody.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.stats import rankdata

from metastructure.audit.calibration import Probabilities
from metastructure.audit.label_evidence import (
    Blob,
    BoundaryShift,
    Translation,
    contradiction,
    find_blob,
    find_shift,
    find_translation,
    soft_minimum,
)
from metastructure.label import IGNORE, LabelArray

NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

TAIL_SHARE, LEAST_IN_TAIL = 0.05, 4
"""Share of a folder whose highest measures are told apart by size, not by rank, and how many images that takes. Of
0.25, 0.1 and 0.05 the last ranked damaged labels of one training split best (benchmarks/audit_cleanlab.py with seed
100)."""

FloatArray = npt.NDArray[np.float64]
Kind = Literal["boundary", "translation", "region", "pixels"]
KINDS: tuple[Kind, ...] = ("boundary", "translation", "region", "pixels")

_FROZEN = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class ImageScore(BaseModel):
    """What is said against the label of one image.

    Attributes
    ----------
    name : str
    score : float
        In nats, above 0; higher is more suspect. NaN if all of the label is IGNORE.
    kind : "boundary", "translation", "region" or "pixels"
        What speaks loudest against it: a boundary that is off all around, a label that is moved as a whole, a region
        that is confidently another class, or scattered pixels that are.
    evidence : dict from kind to float
        -log of the share of images that would score at least as high; 0 where the image has no such measure.
    shift_px : float
        Boundary displacement of class `shift_class`, the most unusual one, above 0 where the label reaches too far;
        what is usual in the folder is part of it. NaN without a boundary.
    shift_class : int
    translation_px : (row, column) of int
        Where the label was moved to, if at all.
    translation_gain : float
        Log-likelihood won by moving it back; below 0 where it lies best as it is.
    region_px : int
        Pixels of the most contradicted region.
    region_at : (row, column) of float
        Its centre; NaN without one.
    soft_minimum : float
        Mean probability of the label's class over the worst pixels.
    """

    model_config = _FROZEN

    name: str
    score: float
    kind: Kind
    evidence: dict[Kind, float]
    shift_px: float
    shift_class: int
    translation_px: tuple[int, int]
    translation_gain: float
    region_px: int
    region_at: tuple[float, float]
    soft_minimum: float


class LabelScores(BaseModel):
    """The images of a folder, the most suspect first.

    Attributes
    ----------
    images : N ImageScore
    shift_px : dict from class to float
        The usual displacement of the boundary of each class 1..C-1: the folder's bias against its own networks, which
        learnt most of it. A bias that all labels share is not seen here (`estimate_boundary_bias` sees it).
    level : float
        Contradiction in nats that no pixel passes in half of the images.
    """

    model_config = _FROZEN

    images: tuple[ImageScore, ...]
    shift_px: dict[int, float]
    level: float


class _Measured(NamedTuple):
    """One image, on its own."""

    shifts: tuple[BoundaryShift, ...]
    translation: Translation
    blob: Blob
    soft_minimum: float


def score_labels(
    names: Sequence[str],
    load: Callable[[str], tuple[Probabilities, LabelArray]],
    on_item: Callable[[int, int], None] = lambda done, total: None,
) -> LabelScores:
    """Return the images of a folder, ranked by what out-of-fold probabilities say against their labels.

    Parameters
    ----------
    names : sequence of N str
    load : callable
        ``load(name)`` gives the probabilities, (C, H, W) float, and the label, (H, W) integers 0..C-1 or IGNORE. It is
        called twice for each image, and one image is held at a time.
    on_item : callable, optional
        ``on_item(done, total)``; each image counts twice.

    Raises
    ------
    ValueError
        If there are no images, or probabilities and label of one do not fit together.

    Notes
    -----
    Four measures, each turned into -log p, p the share of the folder's images that score at least as high (`surprise`),
    so that no scale needs tuning:

    - boundary: |b - b₀| / √(e² + s²), b the displacement of a class's boundary with standard error e, b₀ and s its
      median and its robust standard deviation (1.4826 MAD) over the folder; of several classes the largest. A boundary
      that errs to both sides has a large e.
    - translation: the gain of moving the label back.
    - region: the weight of the blob most contradicted above `level`.
    - pixels: the soft minimum of the probabilities of the label's pixels.

    For the first three p goes on falling with their size among the highest 5 % (`tail_surprise`; gain and weight
    by the logarithm of 1 plus their size). The score is the largest of these three -log p plus that of the fourth. An
    error of structure takes one form, hence the largest; that single pixels contradict the label bears any form out,
    hence the sum, as in Fisher's method. The order says who comes first, not how many are wrong: the measures
    themselves, which are in pixels and nats, say that.

    References
    ----------
    Fisher, "Statistical methods for research workers", 4th edition 1932, section 21.1.
    """
    if not names:
        raise ValueError("there are no images to score; give at least one with its label and probabilities.")
    total = 2 * len(names)
    highest = []
    for done, name in enumerate(names, start=1):
        highest.append(float(contradiction(*load(name)).max()))
        on_item(done, total)
    finite = [value for value in highest if np.isfinite(value)]
    level = float(np.median(finite)) if finite else float("nan")
    measured = []
    for done, name in enumerate(names, start=len(names) + 1):
        measured.append(_measure(*load(name), level))
        on_item(done, total)
    return _rank(names, measured, level)


def _measure(p_CHW: Probabilities, label: LabelArray, level: float) -> _Measured:
    known = label != IGNORE
    return _Measured(
        tuple(find_shift(p_CHW[klass], label == klass, known) for klass in range(1, len(p_CHW))),
        find_translation(p_CHW, label),
        find_blob(contradiction(p_CHW, label), level),
        soft_minimum(p_CHW, label),
    )


def _rank(names: Sequence[str], measured: Sequence[_Measured], level: float) -> LabelScores:
    shift_NC = np.array([[one.shift_px for one in image.shifts] for image in measured])
    unusual_NC, usual_C = _unusual(shift_NC, np.array([[one.error_px for one in image.shifts] for image in measured]))
    most = np.where(np.isnan(unusual_NC), -1.0, unusual_NC).argmax(axis=1)
    soft = np.array([image.soft_minimum for image in measured])
    values: dict[Kind, FloatArray] = {
        "boundary": unusual_NC[np.arange(len(names)), most],
        "translation": _signed_log(np.array([image.translation.gain for image in measured])),
        "region": np.where(np.isnan(soft), np.nan, _signed_log(np.array([image.blob.weight for image in measured]))),
        "pixels": -soft,
    }
    evidence = {kind: surprise(values[kind]) if kind == "pixels" else tail_surprise(values[kind]) for kind in KINDS}
    score = np.maximum.reduce([evidence["boundary"], evidence["translation"], evidence["region"]]) + evidence["pixels"]
    score = np.where(np.isnan(soft), np.nan, score)
    images = [
        ImageScore(
            name=name,
            score=float(score[n]),
            kind=max(KINDS, key=lambda kind: float(evidence[kind][n])),
            evidence={kind: float(evidence[kind][n]) for kind in KINDS},
            shift_px=float(shift_NC[n, most[n]]),
            shift_class=int(most[n]) + 1,
            translation_px=image.translation.moved_px,
            translation_gain=image.translation.gain,
            region_px=image.blob.num_pixels,
            region_at=(image.blob.row, image.blob.column),
            soft_minimum=image.soft_minimum,
        )
        for n, (name, image) in enumerate(zip(names, measured, strict=True))
    ]
    order = np.argsort(np.where(np.isnan(score), np.inf, -score), kind="stable")
    return LabelScores(
        images=tuple(images[n] for n in order),
        shift_px={klass: float(usual) for klass, usual in enumerate(usual_C, start=1)},
        level=level,
    )


def surprise(values: FloatArray) -> FloatArray:
    """Return -log of the share of values that are at least as high, ties by their mid-rank; 0 for NaN.

    Examples
    --------
    >>> surprise(np.array([1.0, np.nan, 3.0, 2.0])).round(2).tolist()
    [0.29, 0.0, 1.39, 0.69]
    """
    told = ~np.isnan(values)
    num = int(told.sum())
    found = np.zeros(len(values))
    found[told] = -np.log((num + 1 - rankdata(values[told])) / (num + 1))
    return found


def tail_surprise(values: FloatArray) -> FloatArray:
    """Return `surprise`, but for the highest 5 % that of an exponential tail through them; 0 for NaN.

    Notes
    -----
    Above the 95 % quantile t the excess of an exponential tail has the median m = s log 2, and -log p is
    -log 0.05 + (x - t)/s: a value that stands out stands out, however few images there are. The median keeps s from
    following the outliers. With fewer than four values above t, ranks decide.

    References
    ----------
    Pickands, "Statistical inference using extreme order statistics", Annals of Statistics 1975 (tails above a
    threshold).

    Examples
    --------
    >>> values = np.arange(100.0)
    >>> values[99] = 200
    >>> tail_surprise(values).round(2)[[50, 97, 98, 99]].tolist()
    [0.7, 3.69, 3.92, 27.89]
    """
    found, told = surprise(values), ~np.isnan(values)
    if not told.any():
        return found
    threshold = np.quantile(values[told], 1 - TAIL_SHARE)
    tail = told & (values > threshold)
    excess = values[tail] - threshold
    if len(excess) >= LEAST_IN_TAIL and np.isfinite(excess).all():
        found[tail] = -np.log(TAIL_SHARE) + excess * np.log(2) / np.median(excess)
    return found


def _signed_log(values: FloatArray) -> FloatArray:
    return np.sign(values) * np.log1p(np.abs(values))


def _unusual(shift_NC: FloatArray, error_NC: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how many standard deviations each displacement is from the folder's usual one, and the usual ones."""
    unusual, usual = np.full(shift_NC.shape, np.nan), np.full(shift_NC.shape[1], np.nan)
    for klass, (shift_N, error_N) in enumerate(zip(shift_NC.T, error_NC.T, strict=True)):
        told = ~np.isnan(shift_N)
        if not told.any():
            continue
        usual[klass] = np.median(shift_N[told])
        off = np.abs(shift_N[told] - usual[klass])
        known = ~np.isnan(error_N[told])
        error = np.where(known, error_N[told], np.median(error_N[told][known]) if known.any() else 0.0)
        spread = np.hypot(error, NORMAL_MAD * np.median(off))
        unusual[told, klass] = np.divide(off, spread, out=np.where(off > 0, np.inf, 0.0), where=spread > 0)
    return unusual, usual
