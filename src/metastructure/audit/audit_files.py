"""Labels and their images by name; an image that is missing or of another size is told, and its label goes alone.

`N` labels, `H` rows, `W` columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metastructure.data.files import ImageArray, load_image
from metastructure.data.label_set import Label, LabelSet, describe_shape, index_images
from metastructure.errors import DataError

NO_FOLDER = "no folder of images was given"


@dataclass(frozen=True, eq=False)
class AuditFiles:
    """The labels of a folder, read one at a time, each with its image or the reason why it has none.

    Attributes
    ----------
    labels : LabelSet
    images : dict from id to Path
    reasons : dict from id to why the image cannot be used
    """

    labels: LabelSet
    images: dict[str, Path]
    reasons: dict[str, str]

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[str, Label, ImageArray | None]]:
        for entry, label in zip(self.labels.entries, self.labels, strict=True):
            path = self.images.get(entry.id)
            yield entry.id, label, None if path is None else load_image(path)

    def ids(self) -> list[str]:
        """Return the ids of all labels."""
        return [entry.id for entry in self.labels.entries]


def pair_files(labels: LabelSet, images: Path | None) -> AuditFiles:
    """Return the labels with the images of the same name; each image is read once, to see that it fits.

    Parameters
    ----------
    labels : LabelSet
    images : Path or None
        A folder, sub-folders too, or a data set or split, of which the images are taken.

    Raises
    ------
    DataError
        If the folder is missing, or holds no image of any label.
    """
    if images is None:
        return AuditFiles(labels, {}, dict.fromkeys((entry.id for entry in labels.entries), NO_FOLDER))
    folder = _find_images(images)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of images.")
    found = index_images(folder)
    paired, reasons = dict[str, Path](), dict[str, str]()
    for entry, shape in zip(labels.entries, labels.shapes, strict=True):
        reason = _why_unfit(found.get(entry.id), shape, is_slice=entry.slice is not None)
        if reason is None:
            paired[entry.id] = found[entry.id]
        else:
            reasons[entry.id] = reason
    if not found or not {entry.id for entry in labels.entries} & found.keys():
        first = labels.entries[0]
        raise DataError(
            f"{folder}: no image of any label; expected {folder / first.id} with any suffix for {first.path}. Both "
            "folders must name their files alike; or leave the images out."
        )
    return AuditFiles(labels, paired, reasons)


def _why_unfit(path: Path | None, shape: tuple[int, int], is_slice: bool) -> str | None:
    if is_slice:
        return "the label is a slice of a volume, whose images are not looked at"
    if path is None:
        return "there is no image of this name"
    try:
        image = load_image(path)
    except DataError as error:
        return str(error)
    if image.shape[:2] != shape:
        size = describe_shape((image.shape[0], image.shape[1]))
        return f"the image is {size} pixels but the label {describe_shape(shape)}"
    return None if (image != image.flat[0]).any() else "the image has one value throughout"


def _find_images(folder: Path) -> Path:
    if (folder / "train" / "images").is_dir():
        return folder / "train" / "images"
    if (folder / "labels").is_dir() and (folder / "images").is_dir():
        return folder / "images"
    return folder
