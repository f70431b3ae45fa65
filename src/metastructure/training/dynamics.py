"""Learning dynamics: what a network says of its own training pixels, epoch by epoch, and when it begins to memorise.

`H` rows, `W` columns, `K` channels, `C` classes. Two predictions are watched. The *own* one is the most probable class
of the network's output, which under plain training speaks of the noisy label; the *decoded* one has Q undone and speaks
of the clean label. Without a Q to undo they are the same. Clean labels are needed, so all of this is measurement:
nothing here is ever used for training, and early stopping without clean labels is something else.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar, final

import numpy as np
import numpy.typing as npt
from lightning_fabric import Fabric
from torch import nn

from metastructure.contingency import contingency_table
from metastructure.data.files import ImageArray
from metastructure.data.folder import zscore
from metastructure.label import IGNORE, LabelArray, check_label
from metastructure.metrics import accuracy, foreground_dice, mean_iou
from metastructure.training.decode import Decoder
from metastructure.training.predict import predict_probabilities

MAX_CROPS = 32
"""Training images looked at after each epoch, and as many validation images."""

NUM_ERRORS = 3.0
"""Standard errors by which the agreement must have fallen."""

MIN_EPOCHS_BELOW = 3
"""A fall that is not seen this often before the training ends is not one for good."""

Counts = npt.NDArray[np.int64]
Pixel = TypeVar("Pixel", bound=np.generic)


@final
class Watch:
    """Predicts a fixed set of training and validation crops and says how they agree with the labels.

    Parameters
    ----------
    images : sequence of (H, W) or (H, W, K) arrays
        The training images as they come; those looked at are normalised as in training.
    clean, noisy : sequences of (H, W) integer arrays
        One label each an image. A pixel that is IGNORE in either is not counted.
    num_classes : int
        C.
    crop_px : int
        Of each image the middle square of this side is predicted, or all of a smaller image.
    fabric : Fabric
        Device and precision.
    decoder : Decoder
        Of the training's plan.
    val_images, val_labels : sequences
        Clean ones, for the validation score; without them there is none.
    max_crops : int
        At most so many images of either split, evenly spaced over them.

    Raises
    ------
    ValueError
        If there are no images, or not as many labels as images.

    Notes
    -----
    Nothing random is drawn, so a training ends with the same weights with a watch as without. A call costs one forward
    pass over the crops and needs a table of C³ counts.
    """

    def __init__(
        self,
        images: Sequence[ImageArray],
        clean: Sequence[LabelArray],
        noisy: Sequence[LabelArray],
        *,
        num_classes: int,
        crop_px: int,
        fabric: Fabric,
        decoder: Decoder,
        val_images: Sequence[ImageArray] = (),
        val_labels: Sequence[LabelArray] = (),
        max_crops: int = MAX_CROPS,
    ) -> None:
        numbers = {len(images), len(clean), len(noisy)}
        if not images or len(numbers) > 1 or len(val_images) != len(val_labels):
            raise ValueError(
                "Give one clean and one noisy label an image, and at least one; got "
                f"{len(images)} images with {len(clean)} and {len(noisy)} labels, "
                f"{len(val_images)} validation images with {len(val_labels)}."
            )
        self.num_classes, self.fabric, self.decoder = num_classes, fabric, decoder
        picked, val_picked = (_pick(len(split), max_crops) for split in (images, val_images))
        self._pixels = [_centre_crop(zscore(images[index]), crop_px) for index in picked]
        self._clean = [_centre_crop(clean[index], crop_px) for index in picked]
        self._noisy = [_centre_crop(noisy[index], crop_px) for index in picked]
        self._val_pixels = [_centre_crop(zscore(val_images[index]), crop_px) for index in val_picked]
        self._val_labels = [_centre_crop(val_labels[index], crop_px) for index in val_picked]

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Return the numbers of `describe_agreement`, and ``validation``: `score_of` on the validation crops."""
        C = self.num_classes
        own, decoded = np.zeros((2, C, C, C), dtype=np.int64)
        predicted = predict_probabilities(network, self._pixels, self.fabric)
        for p_CHW, clean, noisy in zip(predicted, self._clean, self._noisy, strict=True):
            own += count_triples(clean, noisy, Decoder().label(p_CHW), C)
            decoded += count_triples(clean, noisy, self.decoder.label(p_CHW), C)
        found = describe_agreement(own, decoded)
        if self._val_pixels:
            table = np.zeros((C, C), dtype=np.int64)
            predicted = predict_probabilities(network, self._val_pixels, self.fabric)
            for p_CHW, label in zip(predicted, self._val_labels, strict=True):
                table += contingency_table(label, self.decoder.label(p_CHW), C)
            found |= _defined({"validation": score_of(table)})
        return found


def count_triples(clean: LabelArray, noisy: LabelArray, prediction: LabelArray, num_classes: int) -> Counts:
    """Return how many pixels have each clean class, noisy class and prediction, (C, C, C) in this order.

    Pixels that are IGNORE in either label are not counted.

    Examples
    --------
    >>> clean, noisy, prediction = np.array([[[0, 1, 1, 255]], [[0, 0, 1, 1]], [[0, 1, 0, 1]]])
    >>> count_triples(clean, noisy, prediction, 2).tolist()
    [[[1, 0], [0, 0]], [[0, 1], [1, 0]]]
    """
    for name, label in (("clean", clean), ("noisy", noisy), ("prediction", prediction)):
        check_label(label, num_classes, name)
    counted = (clean != IGNORE) & (noisy != IGNORE)
    place = np.zeros(int(counted.sum()), dtype=np.intp)
    for label in (clean, noisy, prediction):
        place = place * num_classes + label[counted]
    counts = np.bincount(place, minlength=num_classes**3).reshape((num_classes,) * 3)
    return counts.astype(np.int64, copy=False)


def describe_agreement(own_CCC: Counts, decoded_CCC: Counts) -> dict[str, float]:
    """Return how predictions agree with noisy and with clean labels.

    Parameters
    ----------
    own_CCC, decoded_CCC : (C, C, C) arrays of counts
        From `count_triples`, of the own and of the decoded prediction; axes clean, noisy, prediction.

    Returns
    -------
    dict of floats
        A number that is not defined, such as a share of the changed pixels where none changed, is left out.

        ``pixels``, ``changed_pixels``: how many are counted, and how many of them the noise changed.
        ``noisy``: share of the pixels where the own prediction is the noisy label; ``noisy_changed`` and
        ``noisy_left``: the same over the pixels that the noise changed, and over those it left.
        ``clean``, ``clean_changed``, ``clean_left``: shares where the decoded prediction is the clean label.
        ``noisy_score``, ``clean_score``: `score_of` of the same predictions against the same labels.
        ``memory``: see Notes.

    Notes
    -----
    With one-sided noise a network that has memorised nothing says the noisy class of every changed pixel: 10 % sampling
    makes it say background. ``memory`` is the agreement of the own prediction with the noisy label beyond what follows
    from the clean class: Cohen's kappa within each clean class,

        κ = Σ_j n_j (A_j - E_j) / Σ_j n_j (1 - E_j),

    with A_j the agreement among the n_j pixels of clean class j and E_j what it would be if prediction and noisy label
    were independent there. It is 0 in expectation as long as the network tells pixels apart by their image alone and
    the noise does not depend on the image; 1 if it knows every noisy label. A bias of the boundaries depends on the
    image and counts as well.

    References
    ----------
    Cohen, "A coefficient of agreement for nominal scales", 1960. Barlow, Lai, Azen, "A comparison of methods for
    calculating a stratified kappa", 1991.

    Examples
    --------
    >>> own = np.array([[[6, 0], [2, 2]], [[0, 0], [0, 0]]])  # ten pixels of class 0, four of them flipped
    >>> found = describe_agreement(own, own)
    >>> found["noisy"], found["clean"], found["noisy_changed"], found["clean_changed"], found["clean_left"]
    (0.8, 0.8, 0.5, 0.5, 1.0)
    >>> round(found["memory"], 4)  # A = 0.8, E = 0.6 * 0.8 + 0.4 * 0.2
    0.5455
    """
    noisy_CC, clean_CC = own_CCC.sum(axis=0), decoded_CCC.sum(axis=1)
    pixels = int(own_CCC.sum())
    left = int(np.einsum("jjp->", own_CCC))
    noisy_left, clean_left = int(np.einsum("jjj->", own_CCC)), int(np.einsum("jjj->", decoded_CCC))
    changed = pixels - left
    return _defined(
        {
            "pixels": pixels,
            "changed_pixels": changed,
            "noisy": float(accuracy(noisy_CC)),
            "noisy_changed": _share(int(np.trace(noisy_CC)) - noisy_left, changed),
            "noisy_left": _share(noisy_left, left),
            "clean": float(accuracy(clean_CC)),
            "clean_changed": _share(int(np.trace(clean_CC)) - clean_left, changed),
            "clean_left": _share(clean_left, left),
            "noisy_score": score_of(noisy_CC),
            "clean_score": score_of(clean_CC),
            "memory": _stratified_kappa(own_CCC),
        }
    )


def score_of(table: Counts) -> float:
    """Return the Dice of the foreground for two classes, the mean IoU for more, of all pixels together, in [0, 1]."""
    return float(foreground_dice(table) if len(table) == 2 else mean_iou(table))


def memorisation_start(history: Sequence[Mapping[str, float]]) -> int | None:
    """Return the epoch from which the agreement with the clean labels has fallen for good; None if it never does.

    Parameters
    ----------
    history : sequence of mappings
        What a `Watch` said after each epoch; ``clean`` and ``pixels`` are used.

    Returns
    -------
    int or None
        The first epoch, counted from 1, after which ``clean`` stays below its best by more than the tolerance to the
        last; None if that is said of fewer than the last `MIN_EPOCHS_BELOW`.

    Notes
    -----
    The tolerance is `NUM_ERRORS` standard errors of the difference of two epochs, √(2 (a (1 - a) / n + s²)): a is the
    best agreement and n the number of pixels, for the binomial error; s is how far the curve jumps from epoch to epoch,
    since weights move on and pixels of one image go together. s is the median of |a(e+1) - 2 a(e) + a(e-1)|, over
    0.6745 √6 so that it is the standard deviation of independent normal jumps; a straight rise or fall adds nothing.

    A fall says that the network moves from the clean labels to the noisy ones. Where the noise moves boundaries that is
    a bias being learnt, not single pixels being memorised.

    Examples
    --------
    >>> curve = [0.6, 0.8, 0.9, 0.9, 0.89, 0.85, 0.81, 0.77, 0.73, 0.69]
    >>> memorisation_start([{"clean": share, "pixels": 10_000} for share in curve])  # the tolerance is 0.018
    6
    """
    curve = np.array([epoch["clean"] for epoch in history if "clean" in epoch])
    if len(curve) < MIN_EPOCHS_BELOW + 1:
        return None
    best = float(curve.max())
    jump = float(np.median(np.abs(np.diff(curve, 2)))) / (0.6745 * np.sqrt(6))
    error = np.sqrt(2 * (best * (1 - best) / history[0]["pixels"] + jump**2))
    last_within = int(np.flatnonzero(curve >= best - NUM_ERRORS * error)[-1])
    return last_within + 2 if len(curve) - 1 - last_within >= MIN_EPOCHS_BELOW else None


def _pick(length: int, number: int) -> list[int]:
    """Return at most `number` of `length` places, evenly spaced."""
    return np.unique(np.linspace(0, length - 1, min(length, number)).round().astype(int)).tolist() if length else []


def _centre_crop(pixels: npt.NDArray[Pixel], size: int) -> npt.NDArray[Pixel]:
    H, W = pixels.shape[-2:]
    top, left = max(0, H - size) // 2, max(0, W - size) // 2
    return pixels[..., top : top + size, left : left + size]


def _stratified_kappa(own_CCC: Counts) -> float:
    """Return kappa within clean classes; NaN where no class has two noisy classes or all agreement is by chance."""
    varied = own_CCC[(own_CCC.any(axis=2).sum(axis=1)) > 1].astype(np.float64)
    totals = varied.sum(axis=(1, 2))
    agreement = np.trace(varied, axis1=1, axis2=2)
    expected = (varied.sum(axis=2) * varied.sum(axis=1)).sum(axis=1) / totals
    possible = float((totals - expected).sum())
    return float((agreement - expected).sum()) / possible if possible > 0 else float("nan")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _defined(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if not np.isnan(value)}
