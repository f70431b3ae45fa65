"""Data sets as folders: ``train|val|test / images|labels``, same stem in both.

`H` rows, `W` columns, `K` channels. Sizes may differ from image to image; all images of a data set have the same
number of channels.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from metastructure.data.files import IMAGE_SUFFIXES, LABEL_SUFFIXES, ImageArray, load_image, load_label
from metastructure.data.masks import SAY_HOW_MANY, check_no_masks
from metastructure.data.numbered import check_not_numbered
from metastructure.errors import DataError
from metastructure.label import IGNORE, LabelArray, count_classes

SPLITS = ("train", "val", "test")

OnProblem = Callable[[str], None]

BESIDE = frozenset({"Thumbs.db", "manifest.json", "repair.csv", "repair.json", "predictions.jsonl"})
"""What lies beside images and labels without being meant as one: our own commands' records, and Windows' thumbnails."""


def _refuse(problem: str) -> NoReturn:
    raise DataError(problem) from None


@dataclass(frozen=True)
class Item:
    """One image and its label on disk; `id` is the stem both share."""

    id: str
    image: Path
    label: Path


@dataclass(frozen=True, eq=False)
class Split:
    """The images and labels of one split in memory, in the order of their ids.

    Attributes
    ----------
    ids : tuple of str
    images : tuple of (H, W) or (H, W, 3) arrays, as on disk
    labels : tuple of (H, W) integer arrays
    """

    ids: tuple[str, ...]
    images: tuple[ImageArray, ...]
    labels: tuple[LabelArray, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Dataset:
    """The splits of one data set in memory.

    Attributes
    ----------
    splits : dict from split name to Split
    num_classes : int
        C of all splits.
    num_channels : int
        K of all images, 1 or 3.
    fingerprint : str
        SHA-256 over names and contents of all files, which tells whether two runs saw the same data.
    """

    splits: dict[str, Split]
    num_classes: int
    num_channels: int
    fingerprint: str


def find_items(root: Path, split: str, on_problem: OnProblem = _refuse) -> tuple[Item, ...]:
    """Return the items of one split, sorted by id, without reading any pixel.

    Parameters
    ----------
    root : Path
    split : str
    on_problem : callable, optional
        As for `load_dataset`.

    Raises
    ------
    DataError
        If the folder, the split, or one side of a pair is missing, or two files share a stem.
    """
    if root.is_file():
        raise DataError(f"{root}: this is a file; name the folder that holds train, val and test.")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; a data set holds train, val and test.")
    folder = root / split
    if not folder.is_dir():
        on_problem(f"{folder}: this split is missing; make it with the folders images and labels.")
        return ()
    images = _by_stem(folder / "images", IMAGE_SUFFIXES, on_problem)
    labels = _by_stem(folder / "labels", LABEL_SUFFIXES, on_problem)
    if not images or not labels:
        return ()
    for stem, path in images.items():
        if stem not in labels:
            on_problem(f"{path}: this image has no label; expected {folder / 'labels' / stem}.png (or .tif).")
    for stem, path in labels.items():
        if stem not in images:
            on_problem(f"{path}: this label has no image; expected {folder / 'images' / stem} with any suffix.")
    return tuple(Item(stem, images[stem], labels[stem]) for stem in sorted(images.keys() & labels.keys()))


def load_dataset(
    root: Path | str,
    num_classes: int | None = None,
    splits: Sequence[str] = SPLITS,
    on_item: Callable[[int, int], None] | None = None,
    on_problem: OnProblem = _refuse,
) -> Dataset:
    """Return the data set in `root`, read and checked.

    Parameters
    ----------
    root : Path or str
        Folder with one folder a split, each with ``images`` and ``labels``.
    num_classes : int, optional
        C. Without it, what the labels of the first split hold, at least 2; a class beyond C is an error.
    splits : sequence of str
    on_item : callable, optional
        ``on_item(done, total)`` after each file pair.
    on_problem : callable, optional
        ``on_problem(message)`` for each thing that makes the folder unusable; the file or the split concerned is left
        out. Without it the first is raised.

    Raises
    ------
    DataError
        With the file or the split concerned, for whatever makes the folder unusable. Each split is judged on its own:
        one whose labels are IGNORE throughout, or masks of 0 and 255 (`check_no_masks`), is refused whatever the
        others and `num_classes` say. Without `num_classes`, numbered objects are too (`check_not_numbered`).
    """
    root = Path(root)
    items = {split: find_items(root, split, on_problem) for split in splits}
    total, done = sum(map(len, items.values())), 0
    digest = hashlib.sha256()
    loaded: dict[str, Split] = {}
    num_channels: int | None = None
    for split, members in items.items():
        kept, images, labels = [], [], []
        for item in members:
            try:
                image, label = load_pair(item, num_classes)
                num_channels = _check_channels(item, image, num_channels)
            except DataError as error:
                on_problem(str(error))
            else:
                kept.append(item)
                images.append(image)
                labels.append(label)
                digest.update(f"{split}/{item.id}".encode() + image.tobytes() + label.tobytes())
            done += 1
            if on_item is not None:
                on_item(done, total)
        if not labels:
            continue
        try:
            _check_labels(labels, root / split / "labels")
            if num_classes is None:
                files = [item.label for item in kept]
                held = (np.flatnonzero(np.bincount(label.reshape(-1))) for label in labels)
                check_not_numbered(held, labels.__getitem__, files, SAY_HOW_MANY)
        except DataError as error:
            on_problem(str(error))
            continue
        loaded[split] = Split(tuple(item.id for item in kept), tuple(images), tuple(labels))
        num_classes = num_classes or max(map(count_classes, labels))
    return Dataset(loaded, num_classes or 2, num_channels or 1, digest.hexdigest())


def load_pair(item: Item, num_classes: int | None = None) -> tuple[ImageArray, LabelArray]:
    """Return image and label of one item, whose sizes must agree."""
    image, label = load_image(item.image), load_label(item.label, num_classes)
    if image.shape[:2] != label.shape:
        raise DataError(
            f"{item.label}: the label is {label.shape[0]} x {label.shape[1]} pixels but its image "
            f"{item.image.name} is {image.shape[0]} x {image.shape[1]}; export it again at the image's size."
        )
    return image, label


def zscore(image: ImageArray) -> npt.NDArray[np.float32]:
    """Return the image as (K, H, W) with mean 0 and standard deviation 1 over all its values.

    A constant image becomes 0.

    Examples
    --------
    >>> zscore(np.array([[1, 3]], dtype=np.uint8)).tolist()
    [[[-1.0, 1.0]]]
    """
    pixels = np.asarray(image, dtype=np.float32)
    pixels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    deviation = float(pixels.std(dtype=np.float64))
    centred = pixels - np.float32(pixels.mean(dtype=np.float64))
    return np.ascontiguousarray(centred / np.float32(deviation) if deviation > 0 else np.zeros_like(pixels))


def _by_stem(folder: Path, suffixes: frozenset[str], on_problem: OnProblem) -> dict[str, Path]:
    if not folder.is_dir():
        on_problem(f"{folder}: no such folder; a split holds the folders images and labels.")
        return {}
    allowed = ", ".join(sorted(suffixes))
    found: dict[str, Path] = {}
    for path in _visible_files(folder):
        if path.suffix.lower() not in suffixes:
            on_problem(f"{path}: files here must be {allowed}; move other files elsewhere.")
        elif path.stem in found:
            on_problem(f"{path}: {found[path.stem].name} has the same stem; keep one of the two.")
        else:
            found[path.stem] = path
    if not found:
        on_problem(f"{folder}: no {folder.name}; put files here that are {allowed}.")
    return found


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.name not in BESIDE:
            yield path


def _check_channels(item: Item, image: ImageArray, num_channels: int | None) -> int:
    """Return K of an image, which must be that of the ones before."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    if num_channels not in (None, channels):
        raise DataError(
            f"{item.image}: this image has {channels} channels, the ones before {num_channels}; "
            "convert all to grey or all to colour."
        )
    return channels


def _check_labels(labels: Sequence[LabelArray], folder: Path) -> None:
    if all((label == IGNORE).all() for label in labels):
        raise DataError(f"{folder}: every pixel of these labels is IGNORE (255); label some of them.")
    check_no_masks(labels, str(folder))
