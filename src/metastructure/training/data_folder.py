"""A segmenter and a data set on disk: trained on its splits with a checkpoint, tested on one of them."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from metastructure.data.files import ImageArray, load_label
from metastructure.data.folder import Dataset, Split, find_items, load_dataset, load_pair
from metastructure.data.masks import check_no_masks
from metastructure.errors import ConfigError, DataError
from metastructure.label import LabelArray
from metastructure.metrics.scores import Scores
from metastructure.noise import NoiseModel, NoiseSpec, corrupt, parse_noise
from metastructure.training.model_file import read_header
from metastructure.training.paths import check_training_paths, checkpoint_path, training_splits
from metastructure.training.predict import TILE_PX
from metastructure.training.segmenter import Segmenter


def train_folder(
    segmenter: Segmenter,
    data: Path,
    out: Path,
    *,
    noise: NoiseSpec = "clean",
    num_classes: int | None = None,
    on_item: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Segmenter:
    """Train on a data-set folder, write the model file, and return the fitted segmenter.

    Parameters
    ----------
    segmenter : Segmenter
        Says how.
    data : Path
        With ``train`` and, if there is one, ``val``, each with ``images`` and ``labels``.
    out : Path
        The model file. If it is this very training's, it is loaded instead; any other file is left alone.
    noise : NoiseSpec
        For experiments: what is done to the training labels before.
    num_classes : int, optional
        C; without it what the class names or the training labels say.
    on_item : callable, optional
        ``on_item(done, total)`` while files are read.
    on_epoch : callable, optional
        ``on_epoch(epochs_done, mean_loss)``.

    Raises
    ------
    DataError
        If a file cannot be used, or `out` is something else.
    ConfigError
        If the noise does not fit the labels, or the class names do not fit the number of classes.
    RunError
        If the training diverges, or the checkpoint beside `out` belongs to another one.

    Notes
    -----
    The training is known by a hash of files, noise, network, settings and seed.
    """
    data, out = Path(data), Path(out)
    check_training_paths(data, out)
    model = parse_noise(noise)
    num_names = len(segmenter.class_names)
    if num_classes is not None and num_names not in (0, num_classes):
        raise ConfigError(f"there are {num_names} class names for {num_classes} classes; give one name a class.")
    dataset = load_dataset(data, num_classes or num_names or None, training_splits(data), on_item)
    identity = _identify(segmenter, dataset, model)
    if out.exists():
        if read_header(out).identity != identity:
            raise DataError(f"{out}: this file holds another model; name a new one, or delete it.")
        machine = segmenter.machine
        factory = segmenter.network.factory
        return Segmenter.load(out, device=machine.device, threads=machine.threads, factory=factory)
    clean, val = dataset.splits["train"], dataset.splits.get("val", Split((), (), ()))
    labels = _corrupt(clean, model, segmenter.seed, dataset.num_classes)
    checkpoint = checkpoint_path(out)
    try:
        segmenter.fit(
            clean.images,
            labels,
            val.images,
            val.labels,
            dataset.num_classes,
            on_epoch,
            transition=model.transition(dataset.num_classes),
            names=[f"train/images/{item}" for item in clean.ids],
            checkpoint=checkpoint,
            identity=identity,
        )
    except ValueError as error:
        raise DataError(f"{data}: {error}") from None
    segmenter.save(out)
    checkpoint.unlink(missing_ok=True)
    return segmenter


def evaluate_split(
    segmenter: Segmenter,
    folder: Path,
    *,
    tile_px: int = TILE_PX,
    seed: int = 0,
    on_item: Callable[[int, int], None] | None = None,
) -> Scores:
    """Return the scores of a model on one split, such as ``my-data/test``, one image in memory at a time.

    Parameters
    ----------
    segmenter : Segmenter
        Fitted.
    folder : Path
        With ``images`` and ``labels``.
    tile_px, seed
        As for `Segmenter.evaluate`.
    on_item : callable, optional
        ``on_item(done, total)``.

    Raises
    ------
    DataError
        With the file concerned.
    """
    folder = Path(folder).absolute()
    if (folder / "test" / "images").is_dir() and not (folder / "images").is_dir():
        raise DataError(f"{folder}: name one of its splits, such as {folder / 'test'}.")
    items = find_items(folder.parent, folder.name)
    num_classes = segmenter.model.header.num_classes
    check_no_masks((load_label(item.label, num_classes) for item in items), str(folder / "labels"))

    def pairs() -> Iterator[tuple[ImageArray, LabelArray]]:
        for done, item in enumerate(items):
            yield load_pair(item, num_classes)
            if on_item is not None:
                on_item(done + 1, len(items))

    try:
        return segmenter.evaluate(pairs(), [str(item.image) for item in items], tile_px=tile_px, seed=seed)
    except ValueError as error:
        raise DataError(str(error)) from None


def _identify(segmenter: Segmenter, data: Dataset, noise: NoiseModel) -> str:
    content = {
        "network": segmenter.network.model_dump(mode="json", exclude_defaults=True),
        "training": segmenter.training.model_dump(mode="json", exclude_defaults=True),
        "seed": segmenter.seed,
        "class_names": segmenter.class_names,
        "num_classes": data.num_classes,
        "noise": str(noise),
        "data": data.fingerprint,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _corrupt(split: Split, noise: NoiseModel, seed: int, num_classes: int) -> list[LabelArray]:
    try:
        return [
            corrupt(label, noise, seed=seed, item=item, num_classes=num_classes)
            for item, label in zip(split.ids, split.labels, strict=True)
        ]
    except ValueError as error:
        raise ConfigError(f"noise '{noise}' does not fit these labels: {error}") from error
