"""Folders of labels, one for each annotator, matched by name and read one file at a time; the consensus on disk.

`A` annotators, `N` images, `H` rows, `W` columns. A volume counts as its slices.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from metastructure.audit.annotator_result import AnnotatorComparison
from metastructure.audit.audit_files import pair_files
from metastructure.audit.compare_annotators import OnItem, compare_annotators
from metastructure.audit.consensus import consensus_label
from metastructure.data.files import ImageArray, load_image
from metastructure.data.label_format import read_label_file, write_label_file
from metastructure.data.label_set import Label, LabelSet, describe_shape, scan_labels
from metastructure.errors import DataError


class FolderLabels(Mapping[str, Label]):
    """The labels of one annotator by the name of the image, each read from its file when asked for.

    Parameters
    ----------
    labels : LabelSet
    """

    def __init__(self, labels: LabelSet) -> None:
        self.labels = labels
        self._place = {entry.id: index for index, entry in enumerate(labels.entries)}

    def __getitem__(self, name: str) -> Label:
        return self.labels.load(self._place[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)

    def __contains__(self, name: object) -> bool:
        return name in self._place


class FolderImages(Mapping[str, ImageArray]):
    """Images by name, each read from its file when asked for.

    Parameters
    ----------
    paths : mapping from name to Path
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = paths

    def __getitem__(self, name: str) -> ImageArray:
        return load_image(self._paths[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, name: object) -> bool:
        return name in self._paths


@dataclass(frozen=True, eq=False)
class AnnotatorFolders:
    """What several annotators labelled, and the images beside it.

    Attributes
    ----------
    labels : mapping from annotator to FolderLabels
    images : FolderImages or None
    num_classes : int
    notes : tuple of str
        Images that cannot be used, and why.
    """

    labels: dict[str, FolderLabels]
    images: FolderImages | None
    num_classes: int
    notes: tuple[str, ...]

    def compare(self, seed: int = 0, on_item: OnItem | None = None) -> AnnotatorComparison:
        """Return the comparison of the annotators (`compare_annotators`), with the notes on files."""
        found = compare_annotators(self.labels, self.images, self.num_classes, seed=seed, on_item=on_item)
        return found.model_copy(update={"notes": (*found.notes, *self.notes)})

    def given(self, image: str) -> dict[str, Label]:
        """Return the labels of one image by annotator."""
        return {name: of[image] for name, of in self.labels.items() if image in of}


def find_annotators(
    folders: Sequence[Path], images: Path | None = None, num_classes: int | None = None
) -> AnnotatorFolders:
    """Return what the folders of several annotators hold; every file is read once.

    Parameters
    ----------
    folders : sequence of Path
        One for each annotator, of PNG and TIFF labels, sub-folders too. Labels of one image have the same name;
        annotators may skip images.
    images : Path, optional
        Images under the labels' names.
    num_classes : int, optional
        C; without it what the labels hold.

    Raises
    ------
    DataError
        If there are fewer than two folders, a label cannot be used, labels of one image differ in size, or no image
        was labelled by two.
    """
    if len(folders) < 2:
        raise DataError(
            f"{folders[0] if folders else 'no folder'}: to compare annotators takes at least two folders of labels; "
            "one alone is for 'metastructure audit'."
        )
    names = name_folders(folders)
    sets = {name: scan_labels(Path(folder), num_classes) for name, folder in zip(names, folders, strict=True)}
    _check_sizes(sets)
    C = num_classes or max(one.count_classes() for one in sets.values())
    union = _unite(sets)
    if len(union) == sum(map(len, sets.values())):
        first, second = (next(iter(one.entries)).path for one in list(sets.values())[:2])
        raise DataError(
            f"{first}: no image was labelled by two annotators; {second} has another name, as have all others. Labels "
            "of one image must be named alike."
        )
    labels = {name: FolderLabels(one) for name, one in sets.items()}
    if images is None:
        return AnnotatorFolders(labels, None, C, ())
    files = pair_files(union, Path(images))
    notes = tuple(f"{name}: {reason}; its edges were not looked at" for name, reason in sorted(files.reasons.items()))
    return AnnotatorFolders(labels, FolderImages(files.images), C, notes)


def name_folders(folders: Sequence[Path]) -> list[str]:
    """Return a short name for each folder: the end of its path, as long as is needed to tell them apart.

    Raises
    ------
    DataError
        If one folder is named twice.

    Examples
    --------
    >>> name_folders([Path("study/ann"), Path("study/bo")])
    ['ann', 'bo']
    >>> name_folders([Path("ann/labels"), Path("bo/labels")])
    ['ann/labels', 'bo/labels']
    """
    parts = [Path(folder).resolve().parts for folder in folders]
    for place, one in enumerate(parts):
        if one in parts[:place]:
            raise DataError(f"{folders[place]}: this folder is named twice; name each annotator's folder once.")
    length = 1
    while len({one[-length:] for one in parts}) < len(parts):
        length += 1
    return ["/".join(one[-length:]) for one in parts]


def write_consensus(folders: AnnotatorFolders, found: AnnotatorComparison, out: Path) -> int:
    """Write the consensus of each image into `out`, named and stored like the first annotator's label of it.

    Parameters
    ----------
    folders : AnnotatorFolders
        From `find_annotators`; the labels are read again.
    found : AnnotatorComparison
        From ``folders.compare()``: whose word weighs how much, see `consensus_label`.
    out : Path
        Folder to write into, made if need be. Sub-folders, format, dtype and size (H, W), or (D, H, W) of a volume, are
        those of the first label; a file of that name is overwritten.

    Returns
    -------
    int
        Files written, one for each image or volume.

    Raises
    ------
    DataError
        If a label is not there any more, or can no longer be used.

    Examples
    --------
    Two draw the same square of 4 by 4 pixels, the third one pixel more on every side.

    >>> import tempfile
    >>> import metastructure as ms
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, margin in (("ann", 2), ("bo", 2), ("cy", 1)):
    ...         label = np.zeros((8, 8), np.uint8)
    ...         label[margin:-margin, margin:-margin] = 1
    ...         Path(folder, name).mkdir()
    ...         ms.save_image(Path(folder, name, "cell.png"), label)
    ...     folders = find_annotators([Path(folder, name) for name in ("ann", "bo", "cy")])
    ...     num_files = write_consensus(folders, folders.compare(), Path(folder, "consensus"))
    ...     num_files, ms.load_label(Path(folder, "consensus", "cell.png")).sum()
    (1, np.uint64(16))
    """
    written = set[str]()
    for of in folders.labels.values():
        by_file = defaultdict[Path, list[str]](list)
        for entry in of.labels.entries:
            by_file[entry.path].append(entry.id)
        for path, ids in by_file.items():
            target = path.relative_to(of.labels.folder)
            if target.with_suffix("").as_posix() in written:
                continue
            written.add(target.with_suffix("").as_posix())
            source = read_label_file(path)
            parts = [consensus_label(folders.given(image), found)[0] for image in ids]
            pixels = np.stack(parts) if source.pixels.ndim == 3 else parts[0]
            write_label_file(out / target, replace(source, pixels=pixels.astype(source.pixels.dtype)))
    return len(written)


def _check_sizes(sets: Mapping[str, LabelSet]) -> None:
    """Raise if two labels of one image differ in size, or volumes of one name in their number of slices."""
    shapes, paths, depths = dict[str, tuple[int, int]](), dict[str, Path](), dict[str, tuple[int, Path]]()
    for one in sets.values():
        num_slices = defaultdict[Path, int](int)
        for entry, shape in zip(one.entries, one.shapes, strict=True):
            num_slices[entry.path] += entry.slice is not None
            if shapes.setdefault(entry.id, shape) != shape:
                _refuse(entry.path, describe_shape(shape), paths[entry.id], describe_shape(shapes[entry.id]))
            paths.setdefault(entry.id, entry.path)
        for path, num in num_slices.items():
            stem = path.relative_to(one.folder).with_suffix("").as_posix()
            other, where = depths.setdefault(stem, (num, path))
            if other != num:
                _refuse(path, f"{num or 'no'} slices of", where, f"{other or 'no'} slices of")


def _refuse(path: Path, size: str, other: Path, other_size: str) -> NoReturn:
    raise DataError(f"{path}: this label is {size} pixels, but {other} is {other_size}; they must be of one image.")


def _unite(sets: Mapping[str, LabelSet]) -> LabelSet:
    """Return every image once, with the first label of it."""
    entries, shapes, counts, seen = [], [], [], set[str]()
    for one in sets.values():
        for entry, shape, count in zip(one.entries, one.shapes, one.counts, strict=True):
            if entry.id not in seen:
                seen.add(entry.id)
                entries.append(entry)
                shapes.append(shape)
                counts.append(count)
    first = next(iter(sets.values()))
    return replace(first, entries=tuple(entries), shapes=tuple(shapes), counts=np.stack(counts))
