"""The verbs of a trained model: it labels images given as arrays, and is scored against true labels.

`H` rows, `W` columns, `K` channels, `C` classes. Images are (H, W) or (H, W, K) in any integer or float dtype.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar, overload

import numpy as np
from lightning_fabric import Fabric

from metastructure.contingency import contingency_table
from metastructure.data.files import ImageArray
from metastructure.data.formats.stack import Plane
from metastructure.label import LabelArray
from metastructure.metrics.scores import Scores, make_scores
from metastructure.training.decode import Probabilities
from metastructure.training.model_file import Model
from metastructure.training.pairs import as_label, check_pairs
from metastructure.training.predict import TILE_PX
from metastructure.training.whole_image import Label, predict_label, predict_label_and_map, predict_map

Result = TypeVar("Result")


class Predictor(ABC):
    """Predicts with the model that its child has fitted or loaded."""

    @property
    @abstractmethod
    def model(self) -> Model:
        """The trained network with its header."""

    @property
    @abstractmethod
    def _fabric(self) -> Fabric:
        """Device and precision."""

    @overload
    def predict(self, images: ImageArray, *, tile_px: int = ...) -> Label: ...
    @overload
    def predict(self, images: Sequence[ImageArray], *, tile_px: int = ...) -> list[Label]: ...
    @overload
    def predict(self, images: Iterator[ImageArray], *, tile_px: int = ...) -> Iterator[Label]: ...

    def predict(
        self, images: ImageArray | Sequence[ImageArray] | Iterator[ImageArray], *, tile_px: int = TILE_PX
    ) -> Label | list[Label] | Iterator[Label]:
        """Return the label of one image, or of each of several.

        Parameters
        ----------
        images : array, sequence of arrays, or iterator of arrays
            An array is always one image, (H, W) or (H, W, K), of any size.
        tile_px : int
            Larger images are predicted in overlapping tiles of this side, a multiple of 32.

        Returns
        -------
        (H, W) uint8 array of classes 0..C-1
            A list of them for a sequence; for an iterator an iterator, which reads one image at a time.

        Raises
        ------
        ValueError
            If an image holds NaN, or has another number of channels than the ones it was fitted to.
        RunError
            If it is not fitted.

        Notes
        -----
        Memory beyond the image and its label: one tile in the network, and strips of `tile_px` rows.
        """
        model = self.model
        return _map(images, lambda image, name: predict_label(model, image, self._fabric, name, tile_px))

    @overload
    def predict_probabilities(self, images: ImageArray, *, tile_px: int = ...) -> Probabilities: ...
    @overload
    def predict_probabilities(self, images: Sequence[ImageArray], *, tile_px: int = ...) -> list[Probabilities]: ...
    @overload
    def predict_probabilities(self, images: Iterator[ImageArray], *, tile_px: int = ...) -> Iterator[Probabilities]: ...

    def predict_probabilities(
        self, images: ImageArray | Sequence[ImageArray] | Iterator[ImageArray], *, tile_px: int = TILE_PX
    ) -> Probabilities | list[Probabilities] | Iterator[Probabilities]:
        """Return class probabilities, (C, H, W) float32 that sum to 1 over C; otherwise as `predict`."""
        model = self.model
        return _map(images, lambda image, name: predict_map(model, image, self._fabric, name, tile_px))

    def predict_both(
        self, image: ImageArray, name: str = "image", tile_px: int = TILE_PX
    ) -> tuple[Label, Probabilities]:
        """Return label and class probabilities of one image, predicted once."""
        return predict_label_and_map(self.model, image, self._fabric, name, tile_px)

    def evaluate(
        self,
        pairs: Iterable[tuple[ImageArray, LabelArray]],
        ids: Sequence[str] | None = None,
        *,
        tile_px: int = TILE_PX,
        seed: int = 0,
    ) -> Scores:
        """Return the scores of the predictions against true labels, one image in memory at a time.

        Parameters
        ----------
        pairs : iterable of (image, label)
            Arrays as for `fit`; ``zip(images, labels)``.
        ids : sequence of str, optional
            What scores and errors call the images; by default "image 0" and on.
        tile_px : int
            As for `predict`.
        seed : int
            Of the bootstrap over images.

        Returns
        -------
        Scores
            NaN for classes that no training label held.

        Raises
        ------
        ValueError
            If an image cannot be used, or its label has another size.
        """
        header, tables, names = self.model.header, [], []
        for index, (image, label) in enumerate(pairs):
            names.append(f"image {index}" if ids is None else ids[index])
            check_pairs([image], [label], header.num_classes, names[-1:])
            predicted = predict_label(self.model, image, self._fabric, names[-1], tile_px)
            tables.append(contingency_table(as_label(label), predicted, header.num_classes))
        if not tables:
            raise ValueError("Give at least one image and its label.")
        return make_scores(names, np.stack(tables), without=header.unseen_classes, seed=seed)


def _map(
    images: ImageArray | Sequence[ImageArray] | Iterator[ImageArray], function: Callable[[ImageArray, str], Result]
) -> Result | list[Result] | Iterator[Result]:
    if isinstance(images, np.ndarray | Plane):
        return function(images, "image")
    if isinstance(images, str | bytes | os.PathLike):
        raise TypeError(f"predict takes arrays, not paths; give load_image({images!r}), or use predict_folder.")
    if not isinstance(images, Sequence | Iterator):
        raise TypeError(f"images must be an array, a list of arrays, or an iterator; got {type(images).__name__}.")
    found = (function(image, f"image {index}") for index, image in enumerate(images))
    return list(found) if isinstance(images, Sequence) else found
