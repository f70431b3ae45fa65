"""A folder of labels to be gone through more than once: what each file holds, loaded one at a time.

`N` labels, `C` classes, `H` rows, `W` columns. A volume counts as its slices.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metastructure.data.files import IMAGE_SUFFIXES
from metastructure.data.label_format import find_labels, read_label_file
from metastructure.data.masks import REWRITE, SAY_HOW_MANY, check_no_masks
from metastructure.data.numbered import check_not_numbered
from metastructure.errors import DataError
from metastructure.label import IGNORE, MAX_CLASSES

Label = npt.NDArray[np.uint8]

MOST_CLASSES_COUNTED = 64
"""Beyond this a folder is taken for photographs unless the caller says how many classes there are."""


class LabelEntry(NamedTuple):
    """One label: its path below the folder without the suffix, with ``[k]`` for slice k of a volume, and its file."""

    id: str
    path: Path
    slice: int | None


@dataclass(frozen=True, eq=False)
class LabelSet:
    """The labels of a folder, each read once and checked.

    Attributes
    ----------
    folder : Path
    entries : tuple of N LabelEntry
        Sorted by path.
    shapes : tuple of N (H, W)
    counts : (N, 256) array of int64
        Pixels of each class and, last, of IGNORE.
    """

    folder: Path
    entries: tuple[LabelEntry, ...]
    shapes: tuple[tuple[int, int], ...]
    counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Label]:
        return map(self.load, range(len(self)))

    def load(self, index: int) -> Label:
        """Return one label from its file, (H, W)."""
        return load_entry(self.entries[index].path, self.entries[index].slice)

    def choose(self, ids: Collection[str]) -> "LabelSet":
        """Return the set with the labels of these ids alone."""
        places = [place for place, entry in enumerate(self.entries) if entry.id in ids]
        return replace(
            self,
            entries=tuple(self.entries[place] for place in places),
            shapes=tuple(self.shapes[place] for place in places),
            counts=self.counts[places],
        )

    def count_classes(self) -> int:
        """Return the smallest C, at least 2, that fits every label."""
        present = np.flatnonzero(self.counts[:, :MAX_CLASSES].any(axis=0))
        return max(2, int(present.max(initial=0)) + 1)


def scan_labels(
    folder: Path,
    num_classes: int | None = None,
    on_label: Callable[[int, int], None] = lambda done, total: None,
    on_unusable: Callable[[Path, DataError], None] | None = None,
) -> LabelSet:
    """Return what a folder of labels holds; every file is read once.

    Parameters
    ----------
    folder : Path
        PNG and TIFF labels, sub-folders too. Of a data set, which holds ``train/labels``, those are taken; of a split,
        which holds ``labels`` beside ``images``, its labels.
    num_classes : int, optional
        C; a class beyond it is an error.
    on_label : callable, optional
        ``on_label(done, total)`` after each file.
    on_unusable : callable, optional
        ``on_unusable(path, error)`` for each file that cannot be read or breaks the contract, which is then left out;
        without it the first such error is raised, as it is if no file is left.

    Raises
    ------
    DataError
        If there is no label, one cannot be read or breaks the contract, or the files look like images: colours,
        0/255 masks, or, without `num_classes`, more than 64 classes or numbered objects.
    """
    folder = _find_part(Path(folder), "labels")
    paths = find_labels(folder)
    entries, shapes, counts = [], [], []
    first_error: DataError | None = None
    for done, path in enumerate(paths, start=1):
        try:
            pixels = read_label_file(path, num_classes).pixels
        except DataError as error:
            if on_unusable is None:
                raise
            on_unusable(path, error)
            first_error = first_error or error
            on_label(done, len(paths))
            continue
        stem = path.relative_to(folder).with_suffix("").as_posix()
        slices = [(stem, None, pixels)] if pixels.ndim == 2 else [(f"{stem}[{k}]", k, s) for k, s in enumerate(pixels)]
        for name, k, label in slices:
            entries.append(LabelEntry(name, path, k))
            shapes.append((label.shape[0], label.shape[1]))
            counts.append(np.bincount(label.reshape(-1).astype(np.uint8), minlength=IGNORE + 1))
        on_label(done, len(paths))
    if not entries and first_error is not None:
        raise first_error
    found = LabelSet(folder, tuple(entries), tuple(shapes), np.stack(counts).astype(np.int64, copy=False))
    if num_classes is None:
        _refuse_images(found)
    return found


def count_label_files(folder: Path) -> int:
    """Return how many files `scan_labels` reads, which raises the same errors; no pixel is read."""
    return len(find_labels(_find_part(Path(folder), "labels")))


def match_labels(labels: LabelSet, clean: LabelSet) -> LabelSet:
    """Return the clean labels in the order of `labels`, those without a counterpart left out.

    Raises
    ------
    DataError
        If a label has no clean one of the same name, or the two differ in size.
    """
    place = {entry.id: index for index, entry in enumerate(clean.entries)}
    missing = [entry for entry in labels.entries if entry.id not in place]
    if missing:
        more = f" (nor have {len(missing) - 1} others)" if len(missing) > 1 else ""
        raise DataError(
            f"{missing[0].path}: this label has no clean one{more}; expected {clean.folder / missing[0].id} with "
            "suffix .png or .tif. Both folders must name their files alike."
        )
    order = [place[entry.id] for entry in labels.entries]
    for index, other in enumerate(order):
        if labels.shapes[index] != clean.shapes[other]:
            raise DataError(
                f"{labels.entries[index].path}: this label is {describe_shape(labels.shapes[index])} pixels, but "
                f"{clean.entries[other].path} is {describe_shape(clean.shapes[other])}; they must be of one image."
            )
    return replace(
        clean,
        entries=tuple(clean.entries[other] for other in order),
        shapes=tuple(clean.shapes[other] for other in order),
        counts=clean.counts[order],
    )


def match_images(labels: LabelSet, folder: Path) -> Mapping[str, Path]:
    """Return the image file of each label by its id; no pixel is read.

    Raises
    ------
    DataError
        If the folder is missing, a label has no image of the same name, or labels are slices of a volume.
    """
    folder = _find_part(Path(folder), "images")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of images.")
    found = index_images(folder)
    for entry in labels.entries:
        if entry.slice is not None:
            raise DataError(f"{entry.path}: images of volumes cannot be shown; leave the images out.")
        if entry.id not in found:
            raise DataError(f"{entry.path}: this label has no image; expected {folder / entry.id} with any suffix.")
    return {entry.id: found[entry.id] for entry in labels.entries}


def load_entry(path: Path, slice_index: int | None = None) -> Label:
    """Return a label, or one slice of a volume, as uint8, which holds every class and IGNORE; (H, W)."""
    pixels = read_label_file(path).pixels if slice_index is None else _read_volume(path)[slice_index]
    return pixels.astype(np.uint8)


def pick_evenly(num: int, num_picked: int) -> list[int]:
    """Return at most `num_picked` of the places 0..num-1, evenly spaced, the first among them.

    Examples
    --------
    >>> pick_evenly(10, 3), pick_evenly(2, 3)
    ([0, 4, 9], [0, 1])
    """
    return sorted({int(place) for place in np.linspace(0, num - 1, min(num, num_picked))})


def describe_shape(shape: tuple[int, int]) -> str:
    """Return ``H x W``."""
    return f"{shape[0]} x {shape[1]}"


@lru_cache(maxsize=2)
def _read_volume(path: Path) -> npt.NDArray[np.integer]:
    return read_label_file(path).pixels  # of the labels and of the clean ones, read for all their slices at once


def index_images(folder: Path) -> dict[str, Path]:
    """Return the images of a folder and its sub-folders by their path below it, without the suffix."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    }


def _find_part(folder: Path, part: str) -> Path:
    """Return the labels or images of a data set or a split, else the folder itself."""
    if (folder / "train" / part).is_dir():
        return folder / "train" / part
    if (folder / "labels").is_dir() and (folder / "images").is_dir():
        return folder / part
    return folder


def _refuse_images(labels: LabelSet) -> None:
    check_no_masks(map(np.flatnonzero, labels.counts), str(labels.folder), SAY_HOW_MANY)
    if labels.count_classes() > MOST_CLASSES_COUNTED:
        klass = labels.count_classes() - 1
        path = labels.entries[int(np.flatnonzero(labels.counts[:, klass])[0])].path
        raise DataError(
            f"{path}: this file holds the value {klass}. If objects are numbered, write 1 for all of them "
            f"{REWRITE}; if it is an image, name the folder of labels; if these are classes, {SAY_HOW_MANY}."
        )
    paths = [entry.path for entry in labels.entries]
    check_not_numbered(map(np.flatnonzero, labels.counts), labels.load, paths, SAY_HOW_MANY)
