"""Class probabilities for every image of a folder, from networks that never saw that image's label.

`N` images, `C` classes, `H` rows, `W` columns. The images are dealt to k folds; k networks are each trained on all
folds but one, and predict that one. Models, probabilities and a journal lie in one folder, from which a stopped call
goes on.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metastructure._version import __version__
from metastructure.audit.calibration import Probabilities
from metastructure.audit.predictions import JOURNAL_NAME, OutOfFold, map_path
from metastructure.data.files import atomic_path, load_image
from metastructure.data.journal import has_hash, hash_file, lie_apart, read_journal, start_journal
from metastructure.data.label_set import LabelSet, match_images, scan_labels
from metastructure.errors import DataError
from metastructure.networks import NetworkSpec
from metastructure.rng import derive_seed, generator
from metastructure.training.paths import checkpoint_path
from metastructure.training.segmenter import Segmenter
from metastructure.training.settings import TrainingSettings

ROBUST = TrainingSettings(loss="forward", transition="estimated")
"""Undoes pixelwise noise: its transition matrix is estimated from the labels alone."""

NUM_FOLDS = 5


def out_of_fold(
    images: Path | str,
    labels: Path | str,
    out: Path | str,
    *,
    names: Collection[str] | None = None,
    num_classes: int | None = None,
    folds: int = NUM_FOLDS,
    seed: int = 0,
    network: str | dict[str, Any] | NetworkSpec = "residual_unet",
    settings: TrainingSettings = ROBUST,
    threads: int | None = None,
    device: str = "auto",
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> OutOfFold:
    """Return class probabilities for each image from a network that was trained without it.

    Parameters
    ----------
    images, labels : Path or str
        Folders with the same names in both. Labels without pixels that are known are predicted, and teach nothing.
    out : Path or str
        Folder to write: new, empty, or of an earlier call with the same files and settings, which goes on.
    names : collection of str, optional
        Take only the images of these names; what else lies in the folders may be unusable.
    num_classes : int, optional
        C; without it what the labels hold.
    folds : int, 2 to the number of different images
    seed : int, at least 0
        Of the folds and of the trainings.
    network : str, mapping or NetworkSpec
        As for `Segmenter`.
    settings : TrainingSettings
        Of each training; by default pixelwise label noise is undone.
    threads, device
        As for `Segmenter`. They change no result beyond rounding.
    on_progress : callable, optional
        ``on_progress(done, total)``; an epoch counts one, and a predicted image.

    Raises
    ------
    DataError
        If a file cannot be used, or `out` holds something else.
    RunError
        If a training diverges.
    ValueError
        If there are fewer different images than folds.

    Notes
    -----
    Images with equal pixels are in one fold, for a network that has seen a duplicate's label has seen the image's.
    A training holds the pixels of its images in memory; of the probabilities only those of one image are held.
    """
    images, labels, out = Path(images), Path(labels), Path(out)
    for folder in (images, labels):
        if not lie_apart(folder, out):
            raise DataError(f"{out}: this lies in {folder}, or the other way round; name a folder apart from it.")
    found = scan_labels(labels, num_classes, on_unusable=None if names is None else lambda path, error: None)
    found = found if names is None else found.choose(names)
    paths = match_images(found, images)
    C = num_classes or found.count_classes()
    fold_of = deal_folds(paths, folds, seed)
    recipe = _recipe(found, paths, C, folds, seed, NetworkSpec.model_validate(network), settings)
    done = _load_done(out, recipe)
    result = OutOfFold(out, C, fold_of)
    steps = _Steps(on_progress, folds * settings.epochs + len(found))
    with start_journal(out / JOURNAL_NAME, recipe, done.values()) as add_record:
        for fold in range(folds):
            missing = [name for name, own in fold_of.items() if own == fold and not _is_done(out, name, done)]
            steps.count(sum(own == fold for own in fold_of.values()) - len(missing))
            if not missing:
                steps.count(settings.epochs)
                continue
            segmenter = Segmenter(
                network, settings, seed=derive_seed(seed, f"fold {fold}", "training"), device=device, threads=threads
            )
            fitted = _fit(segmenter, found, paths, result, fold, _identity(recipe, fold), steps)
            for name in missing:
                target = map_path(out, name)
                _save(target, fitted.predict_probabilities(load_image(paths[name])))
                add_record({"name": name, "fold": fold, "sha256": hash_file(target)})
                steps.count(1)
    return result


def deal_folds(images: Mapping[str, Path], folds: int, seed: int) -> dict[str, int]:
    """Return the fold of each image, 0 to folds - 1, of sizes as even as duplicates allow.

    Raises
    ------
    ValueError
        If there are fewer different images than folds, or fewer than two folds.

    Notes
    -----
    Images of equal pixels form a group. The groups are dealt in random order, the large ones first, each to the
    smallest fold.
    """
    groups: dict[str, list[str]] = {}
    for name, path in images.items():
        pixels = load_image(path)
        key = hashlib.sha256(f"{pixels.dtype} {pixels.shape}".encode() + pixels.tobytes()).hexdigest()
        groups.setdefault(key, []).append(name)
    if not 2 <= folds <= len(groups):
        raise ValueError(
            f"folds must lie in 2..{len(groups)}, the number of different images; got {folds}."
            if len(groups) > 1
            else "all images are the same; out-of-fold predictions need at least two different ones."
        )
    members = list(groups.values())
    shuffled = [members[place] for place in generator(seed, "", "folds").permutation(len(members))]
    sizes, dealt = [0] * folds, dict[str, int]()
    for group in sorted(shuffled, key=len, reverse=True):
        fold = sizes.index(min(sizes))
        sizes[fold] += len(group)
        dealt |= dict.fromkeys(group, fold)
    return {name: dealt[name] for name in images}


class _Steps:
    """Counts what is done, and tells it."""

    def __init__(self, on_progress: Callable[[int, int], None], total: int) -> None:
        self._tell, self._done, self._total = on_progress, 0, total

    def count(self, number: int) -> None:
        """Count steps that are done."""
        if number:
            self._done += number
            self._tell(self._done, self._total)


def _fit(
    segmenter: Segmenter,
    labels: LabelSet,
    images: Mapping[str, Path],
    result: OutOfFold,
    fold: int,
    identity: str,
    steps: _Steps,
) -> Segmenter:
    """Return the network of one fold, from its file if it was trained before."""
    path, machine, epochs = result.folder / "models" / f"fold-{fold}.pt", segmenter.machine, segmenter.training.epochs
    if path.is_file():
        factory = segmenter.network.factory
        steps.count(epochs)
        return Segmenter.load(path, device=machine.device, threads=machine.threads, factory=factory)
    chosen = [
        (index, entry)
        for index, entry in enumerate(labels.entries)
        if result.fold_of[entry.id] != fold and labels.counts[index, :-1].any()
    ]
    if not chosen:
        raise DataError(f"{labels.folder}: no label outside of fold {fold} holds a known pixel; use fewer folds.")
    told = 0

    def on_epoch(epochs_done: int, loss: float) -> None:
        nonlocal told
        steps.count(epochs_done - told)
        told = epochs_done

    checkpoint = checkpoint_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        segmenter.fit(
            [load_image(images[entry.id]) for _, entry in chosen],
            [labels.load(index) for index, _ in chosen],
            num_classes=result.num_classes,
            on_epoch=on_epoch,
            names=[str(images[entry.id]) for _, entry in chosen],
            checkpoint=checkpoint,
            identity=identity,
        )
    except ValueError as error:
        raise DataError(f"{labels.folder}: {error}") from None
    steps.count(epochs - told)
    segmenter.save(path)
    checkpoint.unlink(missing_ok=True)
    return segmenter


def _recipe(
    labels: LabelSet,
    images: Mapping[str, Path],
    num_classes: int,
    folds: int,
    seed: int,
    network: NetworkSpec,
    settings: TrainingSettings,
) -> dict[str, Any]:
    """Return all that the probabilities depend on."""
    data = hashlib.sha256()
    for entry in labels.entries:
        data.update(f"{entry.id} {hash_file(images[entry.id])} {hash_file(entry.path)}\n".encode())
    return {
        "metastructure": __version__,
        "data": data.hexdigest(),
        "num_classes": num_classes,
        "folds": folds,
        "seed": seed,
        "network": network.model_dump(mode="json", exclude_defaults=True),
        "training": settings.model_dump(mode="json", exclude_defaults=True),
    }


def _identity(recipe: Mapping[str, Any], fold: int) -> str:
    return hashlib.sha256(f"{sorted(recipe.items())} {fold}".encode()).hexdigest()[:16]


def _load_done(out: Path, recipe: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the records of earlier calls by name; refuse a folder of anything else."""
    journal = out / JOURNAL_NAME
    if not journal.is_file():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise DataError(f"{out}: this holds something else already; name a new folder.")
        return {}
    made, records = read_journal(journal, dict[str, Any], dict[str, Any])
    if made is not None and made != recipe:
        changed = ", ".join(key for key in recipe if made.get(key) != recipe[key])
        raise DataError(f"{out}: this folder holds predictions of another {changed}; name a new one.")
    return {record["name"]: record for record in records}


def _is_done(out: Path, name: str, done: Mapping[str, Mapping[str, Any]]) -> bool:
    return name in done and has_hash(map_path(out, name), str(done[name]["sha256"]))


def _save(path: Path, p_CHW: Probabilities) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, p_CHW.astype(np.float16))
