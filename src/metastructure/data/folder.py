"""Data sets as folders: ``train|val|test / images|labels``, same stem in both.

`H` rows, `W` columns, `K` channels. Sizes may differ from image to image; all images of a data set have the same
number of channels.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metastructure.data.files import IMAGE_SUFFIXES, LABEL_SUFFIXES, ImageArray, load_image, load_label
from metastructure.errors import DataError
from metastructure.label import IGNORE, LabelArray, count_classes

SPLITS = ("train", "val", "test")


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


def find_items(root: Path, split: str) -> tuple[Item, ...]:
    """Return the items of one split, sorted by id, without reading any pixel.

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
        raise DataError(f"{folder}: this split is missing; make it with the folders images and labels.")
    images = _by_stem(folder / "images", IMAGE_SUFFIXES)
    labels = _by_stem(folder / "labels", LABEL_SUFFIXES)
    if not images:
        raise DataError(f"{folder / 'images'}: no images; put PNG, JPEG or TIFF files here.")
    for stem, path in images.items():
        if stem not in labels:
            raise DataError(f"{path}: this image has no label; expected {folder / 'labels' / stem}.png (or .tif).")
    for stem, path in labels.items():
        if stem not in images:
            raise DataError(f"{path}: this label has no image; expected {folder / 'images' / stem} with any suffix.")
    return tuple(Item(stem, images[stem], labels[stem]) for stem in sorted(images))


def load_dataset(
    root: Path | str,
    num_classes: int | None = None,
    splits: Sequence[str] = SPLITS,
    on_item: Callable[[int, int], None] | None = None,
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

    Raises
    ------
    DataError
        With the file concerned, for whatever makes the folder unusable.
    """
    root = Path(root)
    items = {split: find_items(root, split) for split in splits}
    total, done = sum(map(len, items.values())), 0
    digest = hashlib.sha256()
    loaded: dict[str, Split] = {}
    num_channels: int | None = None
    for split, members in items.items():
        images, labels = [], []
        for item in members:
            image, label = load_pair(item, num_classes)
            channels = 1 if image.ndim == 2 else image.shape[2]
            if num_channels not in (None, channels):
                raise DataError(
                    f"{item.image}: this image has {channels} channels, the ones before {num_channels}; "
                    "convert all to grey or all to colour."
                )
            num_channels = channels
            images.append(image)
            labels.append(label)
            digest.update(f"{split}/{item.id}".encode() + image.tobytes() + label.tobytes())
            done += 1
            if on_item is not None:
                on_item(done, total)
        loaded[split] = Split(tuple(item.id for item in members), tuple(images), tuple(labels))
        if num_classes is None:
            num_classes = max(map(count_classes, labels))
    _refuse_masks(root, loaded)
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


def _by_stem(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; a split holds the folders images and labels.")
    found: dict[str, Path] = {}
    for path in _visible_files(folder):
        if path.suffix.lower() not in suffixes:
            raise DataError(f"{path}: files here must be {', '.join(sorted(suffixes))}; move other files elsewhere.")
        if path.stem in found:
            raise DataError(f"{path}: {found[path.stem].name} has the same stem; keep one of the two.")
        found[path.stem] = path
    return found


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.name != "Thumbs.db":
            yield path


def _refuse_masks(root: Path, splits: dict[str, Split]) -> None:
    """Refuse 0/255 masks, in which 255 means foreground: read as labels they would have no foreground at all."""
    labels = [label for split in splits.values() for label in split.labels]
    has_foreground = any(((label > 0) & (label != IGNORE)).any() for label in labels)
    if not has_foreground and any((label == IGNORE).any() and (label == 0).any() for label in labels):
        raise DataError(
            f"{root}: its labels hold only 0 and 255, and 255 means IGNORE; "
            "if 255 is your foreground, rewrite it as class 1."
        )
