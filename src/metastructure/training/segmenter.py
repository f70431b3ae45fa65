"""A network that is fitted to images and labels, then labels other images: the whole of training behind four verbs.

`H` rows, `W` columns, `K` channels, `C` classes. Images are (H, W) or (H, W, K), as `load_image` gives them, in any
integer or float dtype; labels are (H, W) integers 0..C-1 with 255 for IGNORE.
"""

import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar, final, overload

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric

from metastructure.contingency import contingency_table
from metastructure.data.files import ImageArray
from metastructure.data.folder import zscore
from metastructure.errors import RunError
from metastructure.label import IGNORE, LabelArray, check_label, count_classes
from metastructure.metrics import ScoreHistogram
from metastructure.metrics.scores import Scores, make_scores
from metastructure.networks import NetworkSpec, build_network
from metastructure.rng import derive_seed
from metastructure.training.batches import PixelStore
from metastructure.training.decode import Probabilities
from metastructure.training.loop import train
from metastructure.training.model_file import Model, ModelHeader, load_model, save_model
from metastructure.training.plan import make_plan
from metastructure.training.predict import TILE_PX, join_strips, predict_strips, zscore_reader
from metastructure.training.settings import Machine, TrainingSettings
from metastructure.transition import TransitionMatrix

Label = npt.NDArray[np.uint8]
Result = TypeVar("Result")


@final
class Segmenter:
    """Learns to segment from images and labels.

    Parameters
    ----------
    network : str, mapping or NetworkSpec
        A name such as ``"residual_unet"``, or ``{"name": "unet", "settings": {"width": 32}}``.
    training : TrainingSettings, optional
        How to train. Without it, single settings can be given as keywords: ``epochs=20, crop_px=256``.
    seed : int, at least 0
        The same seed, settings and data give the same network.
    device : "auto", "cpu" or "cuda"
    threads : int, optional
        CPU threads; by default all cores this process may use.
    class_names : sequence of str
        Names of the classes 0..C-1, if they have any.

    Raises
    ------
    TypeError
        If settings are given twice or are unknown.
    ValueError
        If a setting is impossible.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = [(rng.random((40, 40)) < 0.5).astype(np.uint8) for _ in range(4)]
    >>> images = [label * 1000.0 for label in labels]
    >>> segmenter = Segmenter({"settings": {"width": 4}}, epochs=1, crop_px=32, device="cpu", threads=1)
    >>> segmenter.fit(images, labels).predict(images[0]).shape
    (40, 40)
    """

    def __init__(
        self,
        network: str | dict[str, Any] | NetworkSpec = "residual_unet",
        training: TrainingSettings | None = None,
        *,
        seed: int = 0,
        device: str = "auto",
        threads: int | None = None,
        class_names: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        unknown = sorted(set(settings) - set(TrainingSettings.model_fields))
        if unknown:
            raise TypeError(f"Unknown setting {unknown[0]!r}; known: {', '.join(TrainingSettings.model_fields)}.")
        if training is not None and settings:
            raise TypeError(f"Give the settings in `training` or as keywords, not both; got {sorted(settings)} too.")
        if seed < 0:
            raise ValueError(f"seed must be at least 0; got {seed}.")
        self.network = NetworkSpec.model_validate(network)
        self.training = training or TrainingSettings(**settings)
        self.seed = seed
        self.class_names = tuple(class_names)
        self.machine = Machine.model_validate({"device": device, "threads": threads})
        self._model: Model | None = None

    @classmethod
    def load(
        cls, path: Path | str, *, device: str = "auto", threads: int | None = None, factory: str | None = None
    ) -> Self:
        """Return the fitted segmenter in a model file.

        Parameters
        ----------
        path : Path or str
        device, threads
            As for the class.
        factory : str, optional
            The import path of a network that is not metastructure's own; it runs code, so it is named here again.

        Raises
        ------
        DataError, RunError
            As `metastructure.training.model_file.load_model`.
        """
        model = load_model(Path(path), factory)
        header = model.header
        segmenter = cls(
            header.network,
            header.training,
            seed=header.seed,
            device=device,
            threads=threads,
            class_names=header.class_names,
        )
        segmenter._model = model
        return segmenter

    def save(self, path: Path | str) -> None:
        """Write the fitted segmenter to one file, whole or not at all.

        Raises
        ------
        RunError
            If it is not fitted.
        """
        save_model(Path(path), self.model)

    @property
    def model(self) -> Model:
        """The trained network with its header.

        Raises
        ------
        RunError
            If it is not fitted.
        """
        if self._model is None:
            raise RunError("this segmenter is not fitted yet; call fit first, or load one.")
        return self._model

    def fit(
        self,
        images: Sequence[ImageArray] | ImageArray,
        labels: Sequence[LabelArray] | LabelArray,
        val_images: Sequence[ImageArray] | ImageArray = (),
        val_labels: Sequence[LabelArray] | LabelArray = (),
        num_classes: int | None = None,
        on_epoch: Callable[[int, float], None] | None = None,
        *,
        transition: TransitionMatrix | None = None,
        names: Sequence[str] | None = None,
        checkpoint: Path | None = None,
        identity: str = "",
    ) -> Self:
        """Train afresh on images and labels, and return itself.

        Parameters
        ----------
        images : sequence of (H, W) or (H, W, K) arrays
            Sizes may differ. Several images in one array are counted along its first axis.
        labels : sequence of (H, W) integer arrays
            Classes 0..C-1; 255 is never learnt.
        val_images, val_labels
            Clean ones, never trained on: for two classes they choose the threshold, which is 0.5 without them.
        num_classes : int, optional
            C; without it what `class_names` or the labels say.
        on_epoch : callable, optional
            ``on_epoch(epochs_done, mean_loss)``.
        transition : TransitionMatrix, optional
            Q of the noise in the labels, which the setting ``transition="known"`` undoes.
        names : sequence of str, optional
            What errors call the images; by default "image 0".
        checkpoint : Path, optional
            Where to keep the state; if the file exists, training goes on from it.
        identity : str
            Of the training; a checkpoint of another one is refused.

        Raises
        ------
        TypeError, ValueError
            If images and labels do not fit together, hold NaN, or have nothing to learn from.
        RunError
            If training diverges, or the checkpoint cannot be used.

        Warns
        -----
        UserWarning
            If no label holds one of the C classes, or a transition matrix was to be undone and cannot be.
        """
        if num_classes is None and self.class_names:
            num_classes = len(self.class_names)
        K = check_pairs(images, labels, num_classes, names)
        C = num_classes or max(map(count_classes, labels))
        if len(val_images) or len(val_labels):
            check_pairs(val_images, val_labels, C, [f"validation image {n}" for n in range(len(val_images))], K)
        if self.class_names and len(self.class_names) != C:
            raise ValueError(f"There are {len(self.class_names)} class names for {C} classes.")
        unseen = _find_unseen(labels, C)

        fabric = self._fabric
        torch.manual_seed(derive_seed(self.seed, "", "network"))
        network = build_network(self.network, K, C)
        store = PixelStore([zscore(image) for image in images], list(labels), self.training.crop_px, fabric.device)
        plan = make_plan(self.training, list(labels), C, transition, fabric.device)
        if plan.note is not None:
            warnings.warn(plan.note, stacklevel=2)
        history = train(
            network,
            store,
            self.training,
            make_target=plan.make_target,
            seed=self.seed,
            fabric=fabric,
            checkpoint=checkpoint,
            identity=identity,
            on_epoch=on_epoch,
        )
        header = ModelHeader(
            network=self.network,
            num_channels=K,
            num_classes=C,
            transition=_to_rows(plan.decoder.transition),
            class_names=self.class_names,
            unseen_classes=unseen,
            training=self.training,
            seed=self.seed,
            loss=tuple(history.loss),
            identity=identity,
        )
        self._model = Model(header, network.eval())
        if C == 2 and len(val_images):
            threshold = self._choose_threshold(val_images, val_labels)
            self._model = Model(header.model_copy(update={"threshold": threshold}), network)
        return self

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
        return _map(images, lambda image, name: self._predict_label(image, name, tile_px))

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
        return _map(images, lambda image, name: self._predict_map(image, name, tile_px))

    def predict_both(
        self, image: ImageArray, name: str = "image", tile_px: int = TILE_PX
    ) -> tuple[Label, Probabilities]:
        """Return label and class probabilities of one image, predicted once."""
        label = np.empty(image.shape[:2], dtype=np.uint8)
        strips = self._label_strips(image, name, tile_px, label)
        posterior = join_strips(map(self.model.decoder.posterior, strips), image.shape[:2])
        return label, posterior

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
            predicted = self._predict_label(image, names[-1], tile_px)
            tables.append(contingency_table(label, predicted, header.num_classes))
        if not tables:
            raise ValueError("Give at least one image and its label.")
        return make_scores(names, np.stack(tables), without=header.unseen_classes, seed=seed)

    def _predict_label(self, image: ImageArray, name: str, tile_px: int) -> Label:
        label = np.empty(image.shape[:2], dtype=np.uint8)
        for _ in self._label_strips(image, name, tile_px, label):
            pass
        return label

    def _label_strips(self, image: ImageArray, name: str, tile_px: int, label: Label) -> Iterator[Probabilities]:
        """Yield the network's probabilities in strips, and fill the rows of `label` that belong to each."""
        top = 0
        for strip in self._strips(image, name, tile_px):
            label[top : top + strip.shape[1]] = self.model.label(strip)
            top += strip.shape[1]
            yield strip

    def _predict_map(self, image: ImageArray, name: str, tile_px: int) -> Probabilities:
        strips = self._strips(image, name, tile_px)
        return join_strips(map(self.model.decoder.posterior, strips), image.shape[:2])

    def _strips(self, image: ImageArray, name: str, tile_px: int) -> Iterator[Probabilities]:
        K, trained = _count_channels(image, name), self.model.header.num_channels
        if trained != K:
            raise ValueError(f"{name} has {K} channels, but the network was fitted to {trained}; convert it.")
        try:
            read = zscore_reader(image)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        return predict_strips(self.model.network, read, image.shape[:2], self._fabric, tile_px)

    def _choose_threshold(self, images: Iterable[ImageArray], labels: Iterable[LabelArray]) -> float:
        """Return the threshold with the best mean Dice; 0.5 where no label holds foreground."""
        scores = ScoreHistogram.empty()
        for image, label in zip(images, labels, strict=True):
            p_CHW = join_strips(self._strips(image, "validation image", TILE_PX), image.shape[:2])
            scores += ScoreHistogram.from_image(self.model.decoder.score(p_CHW), label)
        best = scores.best_threshold()
        return 0.5 if np.isnan(best) else best

    @functools.cached_property
    def _fabric(self) -> Fabric:
        return self.machine.fabric(self.training.precision)


def check_pairs(
    images: Sequence[ImageArray] | ImageArray,
    labels: Sequence[LabelArray] | LabelArray,
    num_classes: int | None = None,
    names: Sequence[str] | None = None,
    num_channels: int | None = None,
) -> int:
    """Return K if images and labels go together, else raise.

    Raises
    ------
    TypeError, ValueError
        That names the image, for: another number of labels than images, sizes or channels that differ, NaN or infinite
        values, a class outside 0..C-1.

    Examples
    --------
    >>> check_pairs([np.zeros((2, 3))], [np.zeros((3, 2), int)])
    Traceback (most recent call last):
    ValueError: image 0 is 2 x 3 pixels but its label is 3 x 2; images are (H, W) or (H, W, K), labels (H, W).
    """
    if len(images) != len(labels) or not len(images):
        raise ValueError(f"Give one label an image, and at least one; got {len(images)} images, {len(labels)} labels.")
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        name = f"image {index}" if names is None else names[index]
        K = _count_channels(image, name)
        check_label(label, num_classes, f"the label of {name}")
        if image.shape[:2] != label.shape:
            raise ValueError(
                f"{name} is {_size(image.shape[:2])} pixels but its label is {_size(label.shape)}; "
                "images are (H, W) or (H, W, K), labels (H, W)."
            )
        if num_channels not in (None, K):
            raise ValueError(f"{name} has {K} channels, the ones before {num_channels}; convert all alike.")
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise ValueError(f"{name} holds NaN or infinite values; replace them first.")
        num_channels = K
    return num_channels or 1


def _count_channels(image: ImageArray, name: str) -> int:
    if not isinstance(image, np.ndarray) or image.dtype.kind not in "uifb":
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"{name} must be a numpy array of numbers; got {kind}.")
    if image.ndim not in (2, 3) or not image.size:
        raise ValueError(f"{name} must be (H, W) or (H, W, K); got shape {image.shape}. Give several images as a list.")
    return 1 if image.ndim == 2 else image.shape[2]


def _find_unseen(labels: Iterable[LabelArray], num_classes: int) -> tuple[int, ...]:
    """Return the classes that no label holds, and warn of them; raise if there is no class at all."""
    seen = {int(klass) for label in labels for klass in np.unique(label)} - {IGNORE}
    if not seen:
        raise ValueError("every training pixel is IGNORE (255); there is nothing to learn from.")
    unseen = tuple(klass for klass in range(num_classes) if klass not in seen)
    if unseen:
        listed = ", ".join(map(str, unseen))
        what = f"class {listed}" if len(unseen) == 1 else f"the classes {listed}"
        warnings.warn(f"no training label holds {what}; it will never be predicted rightly.", stacklevel=3)
    return unseen


def _to_rows(transition: TransitionMatrix | None) -> tuple[tuple[float, ...], ...] | None:
    return None if transition is None else tuple(tuple(row) for row in transition.rows.tolist())


def _map(
    images: ImageArray | Sequence[ImageArray] | Iterator[ImageArray], function: Callable[[ImageArray, str], Result]
) -> Result | list[Result] | Iterator[Result]:
    if isinstance(images, np.ndarray):
        return function(images, "image")
    found = (function(image, f"image {index}") for index, image in enumerate(images))
    return list(found) if isinstance(images, Sequence) else found


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
