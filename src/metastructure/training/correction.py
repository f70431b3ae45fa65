"""Label correction: training labels that the network confidently contradicts are replaced by what it says.

`C` classes, `H` rows, `W` columns, `P` pixels of all images together.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from torch import nn

from metastructure.label import IGNORE, LabelArray
from metastructure.training.averaging import EpochMean
from metastructure.training.batches import PixelStore
from metastructure.training.decode import Probabilities
from metastructure.training.early_learning import find_elbow
from metastructure.training.predict import predict_probabilities

REPEAT_EPOCHS = 5
"""Labels are corrected again after so many epochs."""

Thresholds = npt.NDArray[np.float64]


def find_thresholds(pairs: Iterable[tuple[LabelArray, Probabilities]]) -> Thresholds:
    """Return for each class its mean probability over the pixels that are labelled so, (C,); NaN where none is.

    Parameters
    ----------
    pairs : iterable of ((H, W) label, (C, H, W) probabilities)
        At least one. IGNORE counts nowhere.

    Notes
    -----
    They are in the scale of the network and need no transition matrix: after training on labels of which only 10 % of
    class 1 are left it gives 0.1 to pixels of class 1, and so is the threshold.

    References
    ----------
    Northcutt, Jiang, Chuang, "Confident learning", JAIR 2021, eq. 2.

    Examples
    --------
    >>> p = np.array([[[0.75, 0.5, 1.0]], [[0.25, 0.5, 0.0]]], np.float32)
    >>> find_thresholds([(np.array([[0, 1, 0]]), p)])  # (0.75 + 1) / 2 and 0.5
    array([0.875, 0.5  ])
    """
    totals = []
    for label, p_CHW in pairs:
        known = label != IGNORE
        classes = label[known].astype(np.int64)
        of_label = np.take_along_axis(p_CHW[:, known], classes[None], axis=0)[0]
        totals.append([np.bincount(classes, weights, minlength=len(p_CHW)) for weights in (of_label, None)])
    sums, counts = np.sum(totals, axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts, dtype=np.float64)


def correct_label(label: LabelArray, p_CHW: Probabilities, thresholds: Thresholds) -> npt.NDArray[np.uint8]:
    """Return the label with confident pixels replaced, (H, W).

    Parameters
    ----------
    label : (H, W) integer array
        Noisy. IGNORE stays.
    p_CHW : (C, H, W) float array
    thresholds : (C,) array
        A pixel becomes the most probable of the classes that reach theirs; of equal ones the first. Where none does it
        keeps its label. None reaches NaN.

    Examples
    --------
    >>> p = np.array([[[0.9, 0.6, 0.1]], [[0.1, 0.4, 0.9]]])
    >>> correct_label(np.array([[1, 1, 255]]), p, np.array([0.8, 0.7])).tolist()
    [[0, 1, 255]]
    """
    reached_CHW = p_CHW >= thresholds[:, None, None]
    best_HW = np.where(reached_CHW, p_CHW, -1).argmax(axis=0)
    replaced = reached_CHW.any(axis=0) & (label != IGNORE)
    return np.where(replaced, best_HW, label).astype(np.uint8)


@final
class SelfCorrection:
    """Corrects the labels of a store once early learning is over, and every REPEAT_EPOCHS epochs from then on.

    Parameters
    ----------
    network : nn.Module
        The one that is trained.
    store : PixelStore
        Its labels are replaced.
    num_epochs : int
        Of the whole training; after the last nothing is corrected.
    fabric : Fabric

    Attributes
    ----------
    is_over : bool
        Never: corrected labels are learnt to the end.

    Notes
    -----
    Each correction begins with the noisy labels again, so that an error of one is not kept by the next. What is right
    is said by the mean of the weights over the steps of the epoch. If the loss curve has no elbow nothing is corrected.
    Cost: each time two predictions of all training images, one of them for the thresholds; and a checkpoint holds the
    corrected labels, a byte a pixel, so that those of a resumed training are the same to the last pixel.
    """

    is_over = False

    def __init__(self, network: nn.Module, store: PixelStore, num_epochs: int, fabric: Fabric) -> None:
        self._mean = EpochMean(network)
        self._store, self._num_epochs, self._fabric = store, num_epochs, fabric
        self._noisy_P = store.labels_P.clone()
        self._last_epoch: int | None = None

    def end_step(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        self._mean.update(network)

    def end_epoch(self, losses: Sequence[float]) -> list[str]:
        """Correct the labels if it is time to; return what there is to say.

        Parameters
        ----------
        losses : sequence of float
            Mean losses of all epochs so far.
        """
        mean, epoch = self._mean.take(), len(losses)
        if self._last_epoch is None:
            is_due = find_elbow(losses) is not None
        else:
            is_due = epoch == self._last_epoch + REPEAT_EPOCHS
        if not is_due or epoch == self._num_epochs:
            return []
        self._last_epoch = epoch
        self._store.labels_P = self._correct(mean)
        known = self._noisy_P != IGNORE
        share = float((self._store.labels_P != self._noisy_P)[known].double().mean()) if known.any() else 0.0
        return [f"{100 * share:.2f} % of the known labels corrected after epoch {epoch}"]

    def _correct(self, network: nn.Module) -> torch.Tensor:
        """Return the corrected labels, (P,)."""
        thresholds = find_thresholds(self._predict(network))
        corrected = [correct_label(label, p_CHW, thresholds).reshape(-1) for label, p_CHW in self._predict(network)]
        return torch.from_numpy(np.concatenate(corrected)).to(self._noisy_P.device)

    def _predict(self, network: nn.Module) -> Iterator[tuple[LabelArray, Probabilities]]:
        """Yield the noisy label and the network's probabilities of each image in turn."""
        store = self._store
        sizes = list(zip(store.heights.tolist(), store.widths.tolist(), strict=True))
        areas = [height * width for height, width in sizes]
        pixels, labels = torch.split(store.pixels_PK, areas), torch.split(self._noisy_P, areas)
        images = (part.T.reshape(-1, *size).cpu().numpy() for part, size in zip(pixels, sizes, strict=True))
        predictions = predict_probabilities(network, images, self._fabric)
        for label, size, p_CHW in zip(labels, sizes, predictions, strict=True):
            yield label.view(size).cpu().numpy(), p_CHW

    def finish(self, network: nn.Module) -> None:
        """Leave the network as it is."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs between two epochs."""
        return {"last_epoch": self._last_epoch, "labels": self._store.labels_P.cpu()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._last_epoch = state["last_epoch"]
        self._store.labels_P = state["labels"].to(self._noisy_P.device)
