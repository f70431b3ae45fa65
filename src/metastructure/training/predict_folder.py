"""Labels for the images of a folder, in files of the same names; a call that was interrupted goes on.

``OUT/predictions.jsonl`` says which model made them and holds the hashes of every finished image and of what was
written for it. A file is done when model, image and output all still have those hashes.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tifffile

from metastructure._version import __version__
from metastructure.data.evaluate import PROBABILITIES_SUFFIX
from metastructure.data.files import IMAGE_SUFFIXES, TIFF_SUFFIXES, atomic_path, load_image, save_image
from metastructure.errors import DataError
from metastructure.training.decode import Probabilities
from metastructure.training.predict import TILE_PX
from metastructure.training.segmenter import Segmenter

JOURNAL_NAME = "predictions.jsonl"


class PredictedFiles(NamedTuple):
    """How many images were predicted now, and how many had been before."""

    predicted: int
    skipped: int


def predict_folder(
    segmenter: Segmenter,
    images: Path,
    out: Path,
    *,
    probabilities: bool = False,
    tile_px: int = TILE_PX,
    on_item: Callable[[int, int], None] | None = None,
) -> PredictedFiles:
    """Write the label of every image in a folder.

    Parameters
    ----------
    segmenter : Segmenter
        Fitted.
    images : Path
        Folder of PNG, JPEG and TIFF images, sub-folders included; it is only read.
    out : Path
        Folder to write: ``SUB/NAME.tif`` for a TIFF, ``SUB/NAME.png`` for others. It must be new, empty, or hold
        predictions of the same model.
    probabilities : bool
        Write ``SUB/NAME.probabilities.tif`` too, float32: (H, W) of foreground for two classes, else (C, H, W).
    tile_px : int
        Larger images are predicted in tiles of this side.
    on_item : callable, optional
        ``on_item(done, total)`` after each image.

    Raises
    ------
    DataError
        With the file concerned.
    """
    images, out = Path(images), Path(out)
    paths = _find_images(images)
    _check_apart(images, out)
    recipe = {"metastructure": __version__, "model": segmenter.model.fingerprint, "tile_px": tile_px}
    done = _load_done(out, recipe)
    out.mkdir(parents=True, exist_ok=True)
    predicted = 0
    with (out / JOURNAL_NAME).open("w", encoding="utf-8") as journal:
        journal.write(json.dumps(recipe) + "\n")
        journal.writelines(json.dumps(record) + "\n" for record in done.values())
        journal.flush()
        for index, path in enumerate(paths, start=1):
            name = path.relative_to(images).as_posix()
            targets = _targets(out / name, probabilities)
            source = _hash(path)
            record = done.get(name)
            if record is None or not _is_done(record, source, out, targets):
                _predict_file(segmenter, path, targets, tile_px)
                written = {target.relative_to(out).as_posix(): _hash(target) for target in targets}
                journal.write(json.dumps({"file": name, "sha256_in": source, "written": written}) + "\n")
                journal.flush()
                predicted += 1
            if on_item is not None:
                on_item(index, len(paths))
    return PredictedFiles(predicted, len(paths) - predicted)


def predict_file(
    segmenter: Segmenter, image: Path, out: Path, *, probabilities: bool = False, tile_px: int = TILE_PX
) -> None:
    """Write the label of one image to a new PNG or TIFF file; the rest as `predict_folder`.

    Raises
    ------
    DataError
        If the image cannot be used, or `out` exists or has another suffix.
    """
    image, out = Path(image), Path(out)
    if out.suffix.lower() not in {".png", *TIFF_SUFFIXES} or out.is_dir():
        raise DataError(f"{out}: the label of one image is one file; name it with .png or .tif.")
    targets = [out, *([_map_path(out)] if probabilities else [])]
    for target in targets:
        if target.exists():
            raise DataError(f"{target}: this file exists and is not overwritten; name another one, or delete it.")
    _predict_file(segmenter, image, targets, tile_px)


def _find_images(root: Path) -> list[Path]:
    if not root.is_dir():
        raise DataError(f"{root}: no such image or folder of images.")
    found = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not found:
        raise DataError(f"{root}: no images; put PNG, JPEG or TIFF files here.")
    names: dict[Path, Path] = {}
    for path in found:
        other = names.setdefault(path.with_suffix(""), path)
        if other != path:
            raise DataError(f"{path}: {other.name} has the same name but for the suffix; rename one of the two.")
    return found


def _check_apart(images: Path, out: Path) -> None:
    source, target = images.resolve(), out.resolve()
    if source == target or target.is_relative_to(source) or source.is_relative_to(target):
        raise DataError(f"{out}: images and predictions must lie in separate folders, neither inside the other.")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: this is a file; name a folder for the labels of a folder of images.")


def _load_done(out: Path, recipe: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the records of earlier calls by image; refuse a folder with anything else in it."""
    path = out / JOURNAL_NAME
    if not path.is_file():
        if out.is_dir() and any(out.iterdir()):
            raise DataError(f"{out}: this folder holds files already; name a new one for the predictions.")
        return {}
    made, *records = list(_read_lines(path)) or [recipe]
    if made != recipe:
        raise DataError(
            f"{out}: this folder holds predictions of another model, tile or version (see {JOURNAL_NAME}); "
            "name another one."
        )
    return {record["file"]: record for record in records}


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what a journal holds; a line cut short by a crash ends it."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            content = json.loads(line)
        except json.JSONDecodeError:
            return
        yield content


def _is_done(record: dict[str, Any], source: str, out: Path, targets: list[Path]) -> bool:
    written = record["written"]
    names = [target.relative_to(out).as_posix() for target in targets]
    return record["sha256_in"] == source and all(
        name in written and target.is_file() and _hash(target) == written[name]
        for name, target in zip(names, targets, strict=True)
    )


def _targets(path: Path, probabilities: bool) -> list[Path]:
    label = path if path.suffix.lower() in TIFF_SUFFIXES else path.with_suffix(".png")
    return [label, _map_path(label)] if probabilities else [label]


def _map_path(label: Path) -> Path:
    return label.with_name(label.stem + PROBABILITIES_SUFFIX)


def _predict_file(segmenter: Segmenter, path: Path, targets: list[Path], tile_px: int) -> None:
    """Write the label to the first target and the probability map to the second, if there is one."""
    image = load_image(path)
    try:
        if len(targets) == 1:
            label = segmenter.predict(image, tile_px=tile_px)
        else:
            label, p_CHW = segmenter.predict_both(image, tile_px=tile_px)
            _save_map(targets[1], p_CHW)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    save_image(targets[0], label)


def _save_map(path: Path, p_CHW: Probabilities) -> None:
    pixels: npt.NDArray[np.float32] = p_CHW[1] if len(p_CHW) == 2 else p_CHW
    with atomic_path(path) as temporary:
        axes = {"axes": "YX" if pixels.ndim == 2 else "CYX"}
        tifffile.imwrite(temporary, pixels, photometric="minisblack", compression="zlib", metadata=axes)


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
