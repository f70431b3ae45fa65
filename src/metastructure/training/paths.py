"""What can be said of the paths of a training or a prediction before a pixel is read or torch is imported.

A wrong path is then told at once, and not after seconds of imports or hours of training.
"""

import os
import zipfile
from pathlib import Path

from metastructure.data.evaluate import PROBABILITIES_SUFFIX
from metastructure.data.files import IMAGE_SUFFIXES, TIFF_SUFFIXES, find_files
from metastructure.data.folder import find_items
from metastructure.data.formats.ome_zarr import is_zarr
from metastructure.data.journal import lie_apart
from metastructure.errors import DataError

CHECKPOINT_SUFFIX = ".checkpoint"
"""The state of a training to ``model.pt`` is kept in ``model.pt.checkpoint`` until it is done."""

JOURNAL_NAME = "predictions.jsonl"


def checkpoint_path(out: Path) -> Path:
    """Return where the state of a training to the model file `out` is kept.

    Examples
    --------
    >>> checkpoint_path(Path("model.pt")).name
    'model.pt.checkpoint'
    """
    return out.with_name(out.name + CHECKPOINT_SUFFIX)


def check_training_paths(data: Path, out: Path) -> None:
    """Raise DataError unless `data` has the files of a data set and `out` can be, or is, a model file."""
    if not out.name or out.is_dir():
        raise DataError(f"{out}: this is a folder; name the model file to write, such as {out / 'model.pt'}.")
    if out.exists():
        check_model_file(out)
    for split in training_splits(data):
        find_items(data, split)
    _check_writable(out)


def training_splits(data: Path) -> tuple[str, ...]:
    """Return the splits of a data-set folder that a training reads: ``train`` and, if it is there, ``val``."""
    return ("train", "val") if (data / "val").is_dir() else ("train",)


def check_prediction_paths(model: Path, images: Path, out: Path, probabilities: bool = False) -> None:
    """Raise DataError unless there is a model file, an image or a folder of them, and room at `out`."""
    check_model_file(model)
    if images.is_file() or is_zarr(images):
        check_file_targets(out, probabilities)
    else:
        find_images(images)
        check_out_folder(images, out)
    _check_writable(out)


def check_model_file(path: Path) -> None:
    """Raise DataError unless `path` is a file that may hold a model; what it holds is seen when it is loaded."""
    if not path.is_file():
        raise DataError(f"{path}: no such model file; make one with 'metastructure train'.")
    if not zipfile.is_zipfile(path):  # the container of torch.save
        raise DataError(f"{path}: this is no model of metastructure, or it is damaged.")


def check_file_targets(out: Path, probabilities: bool) -> list[Path]:
    """Return the new files for one image, its label first; raise DataError if one of them cannot be made."""
    if out.suffix.lower() not in {".png", *TIFF_SUFFIXES} or out.is_dir():
        raise DataError(f"{out}: the label of one image is one file; name it with .png or .tif.")
    targets = [out, *([_map_path(out)] if probabilities else [])]
    for target in targets:
        if target.exists():
            raise DataError(f"{target}: this file exists and is not overwritten; name another one, or delete it.")
    return targets


def check_out_folder(images: Path, out: Path) -> None:
    """Raise DataError unless `out` lies apart from `images` and is new, empty, or holds predictions."""
    if not lie_apart(images, out):
        raise DataError(f"{out}: images and predictions must lie in separate folders, neither inside the other.")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: this is a file; name a folder for the labels of a folder of images.")
    if out.is_dir() and not (out / JOURNAL_NAME).is_file() and any(out.iterdir()):
        raise DataError(f"{out}: this folder holds files already; name a new one for the predictions.")


def find_images(root: Path) -> list[Path]:
    """Return the images of a folder and its sub-folders, sorted; hidden files and folders are passed over.

    Raises
    ------
    DataError
        If the folder is missing, holds no image, or two images differ in their suffix only.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such image or folder of images.")
    found = find_files(root, IMAGE_SUFFIXES)
    if not found:
        raise DataError(f"{root}: no images; put PNG, JPEG or TIFF files here.")
    return found


def targets_in_folder(path: Path, probabilities: bool) -> list[Path]:
    """Return the files written for an image that in the folder of predictions would lie at `path`.

    Examples
    --------
    >>> [target.name for target in targets_in_folder(Path("out/a.jpg"), probabilities=True)]
    ['a.png', 'a.probabilities.tif']
    """
    label = path if path.suffix.lower() in TIFF_SUFFIXES else path.with_suffix(".png")
    return [label, _map_path(label)] if probabilities else [label]


def _map_path(label: Path) -> Path:
    return label.with_name(label.stem + PROBABILITIES_SUFFIX)


def _check_writable(out: Path) -> None:
    """Raise DataError unless what `out` lies in, or the first folder above it that exists, can be written to."""
    folder = out if out.is_dir() else next(parent for parent in out.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise DataError(f"{out}: {folder} is a file, so nothing can be written below it; name another place.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"{out}: nothing can be written to {folder}; name another place, or change its permissions.")
