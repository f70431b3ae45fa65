"""A network that is fitted to images and labels, then labels other images: the whole of training behind four verbs.

`H` rows, `W` columns, `K` channels, `C` classes. Images are (H, W) or (H, W, K), as `load_image` gives them, in any
integer or float dtype; labels are (H, W) integers 0..C-1 with 255 for IGNORE.
"""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, final

from lightning_fabric import Fabric

from metastructure.errors import DataError, RunError
from metastructure.label import count_classes
from metastructure.networks import NetworkSpec
from metastructure.training.fit import fit_model
from metastructure.training.model_file import Model, ModelHeader, load_model, save_model
from metastructure.training.pairs import Images, Labels, as_label, check_pairs, find_unseen, refuse_masks
from metastructure.training.predictor import Predictor
from metastructure.training.settings import Machine, TrainingSettings
from metastructure.training.validation import validate
from metastructure.training.whole_image import choose_threshold
from metastructure.transition import TransitionMatrix


@final
class Segmenter(Predictor):
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
    devices : int
        GPUs of this machine that share the training (`metastructure.training.distributed`); one predicts.
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
    >>> import numpy as np
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
        devices: int = 1,
        class_names: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        unknown = sorted(set(settings) - set(TrainingSettings.model_fields))
        if unknown:
            raise TypeError(f"Unknown setting {unknown[0]!r}; known: {', '.join(TrainingSettings.model_fields)}.")
        if training is not None and settings:
            raise TypeError(f"Give the settings in `training` or as keywords, not both; got {sorted(settings)} too.")
        if not isinstance(training, TrainingSettings | None):
            raise TypeError(f"training must be TrainingSettings; got {type(training).__name__}.")
        if not isinstance(network, str | Mapping | NetworkSpec):
            raise TypeError(
                f"network must be a name, a mapping or a NetworkSpec; got {type(network).__name__}. Name a network of "
                "your own by its import path: {'factory': 'package.module:function'}."
            )
        if isinstance(class_names, str):
            raise TypeError(f"class_names must be a list of names; got the text {class_names!r}.")
        self.network = validate(NetworkSpec, network)
        self.training = training or validate(TrainingSettings, settings)
        self.seed = _check_seed(seed)
        self.class_names = tuple(class_names)
        self.machine = validate(Machine, {"device": device, "threads": threads, "devices": devices})
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

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write the fitted segmenter to one file, whole or not at all.

        Parameters
        ----------
        path : Path or str
        overwrite : bool
            Whether a file that is there may be replaced.

        Raises
        ------
        DataError
            If the file exists, or is a folder.
        RunError
            If it is not fitted.
        """
        path, model = Path(path), self.model
        if path.is_dir():
            raise DataError(f"{path}: this is a folder; name the model file to write, such as {path / 'model.pt'}.")
        if path.exists() and not overwrite:
            raise DataError(f"{path}: this file exists; name another one, or overwrite it with overwrite=True.")
        save_model(path, model)

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
        images: Images,
        labels: Labels,
        val_images: Images = (),
        val_labels: Labels = (),
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
            Classes 0..C-1, or False and True; 255 is never learnt.
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
            If images and labels do not fit together, hold NaN, have nothing to learn from, or are masks of 0 and 255.
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
        labels = [as_label(label) for label in labels]
        C = num_classes or max(map(count_classes, labels))
        if len(val_images) or len(val_labels):
            check_pairs(val_images, val_labels, C, [f"validation image {n}" for n in range(len(val_images))], K)
        if self.class_names and len(self.class_names) != C:
            raise ValueError(f"There are {len(self.class_names)} class names for {C} classes.")
        refuse_masks(labels)
        header = ModelHeader(
            network=self.network,
            num_channels=K,
            num_classes=C,
            class_names=self.class_names,
            unseen_classes=find_unseen(labels, C),
            training=self.training,
            seed=self.seed,
            identity=identity,
        )
        model = fit_model(
            header,
            images,
            labels,
            self.machine,
            self._fabric,
            transition=transition,
            checkpoint=checkpoint,
            on_epoch=on_epoch,
        )
        if C == 2 and len(val_images):
            threshold = choose_threshold(model, val_images, map(as_label, val_labels), self._fabric)
            model = Model(model.header.model_copy(update={"threshold": threshold}), model.network)
        self._model = model
        return self

    @functools.cached_property
    def _fabric(self) -> Fabric:
        return self.machine.fabric(self.training.precision)


def _check_seed(seed: object) -> int:
    try:
        number = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"seed must be an integer; got {seed!r}.") from None
    if number < 0:
        raise ValueError(f"seed must be at least 0; got {number}.")
    return number
