"""Labels for the images of a folder, in files of the same names; a call that was interrupted goes on.

``OUT/predictions.jsonl`` says which model made them and holds the hashes of every finished image and of what was
written for it. A file is done when model, image and output all still have those hashes.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tifffile

from metastructure._version import __version__
from metastructure.data.files import atomic_path, load_image, save_image
from metastructure.data.formats.ome_zarr import is_zarr
from metastructure.data.formats.opening import open_stack
from metastructure.data.journal import hash_file, hash_outputs, hold_outputs, read_journal, start_journal
from metastructure.errors import DataError, RunError
from metastructure.training.decode import Probabilities
from metastructure.training.paths import (
    JOURNAL_NAME,
    check_file_targets,
    check_out_folder,
    find_images,
    targets_in_folder,
)
from metastructure.training.predict import TILE_PX
from metastructure.training.segmenter import Segmenter
from metastructure.training.tiling import check_tile
from metastructure.training.whole_image import Label

TOLD_FAILURES = 3


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
    """Write the label of every image in a folder; one that cannot be used does not keep the others from theirs.

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

    Returns
    -------
    PredictedFiles
        How many images were predicted now, and how many had been before.

    Raises
    ------
    DataError
        If there are no images, or `out` is something else.
    RunError
        At the end, if some images cannot be used: how many, and of the first ones file and reason. The labels of the
        others are written.
    ValueError
        If `tile_px` is no multiple of 32, or below 64.
    """
    images, out = Path(images), Path(out)
    check_tile(tile_px)
    paths = find_images(images)
    check_out_folder(images, out)
    recipe = {"metastructure": __version__, "model": segmenter.model.fingerprint, "tile_px": tile_px}
    done = _load_done(out, recipe)
    predicted, failures = 0, list[str]()
    with ExitStack() as stack:
        add_record: Callable[[object], None] | None = None  # a call that writes no label leaves no journal either
        for index, path in enumerate(paths, start=1):
            name = path.relative_to(images).as_posix()
            targets = targets_in_folder(out / name, probabilities)
            try:
                source, record = hash_file(path), done.get(name)
                if not record or record["sha256_in"] != source or not hold_outputs(record["written"], out, targets):
                    pixels = _predict(segmenter, path, probabilities, tile_px)
                    if add_record is None:
                        add_record = stack.enter_context(start_journal(out / JOURNAL_NAME, recipe, done.values()))
                    _write(pixels, targets, path)
                    add_record({"file": name, "sha256_in": source, "written": hash_outputs(out, targets)})
                    predicted += 1
            except DataError as error:
                failures.append(str(error))
            if on_item is not None:
                on_item(index, len(paths))
    if failures:
        raise RunError(_describe(failures, len(paths), out))
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
    targets = check_file_targets(out, probabilities)
    _write(_predict(segmenter, image, probabilities, tile_px), targets, image)


def _load_done(out: Path, recipe: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the records of earlier calls by image; refuse those of another recipe."""
    path = out / JOURNAL_NAME
    if not path.is_file():
        return {}
    made, records = read_journal(path, dict[str, Any], dict[str, Any])
    if made is not None and made != recipe:
        raise DataError(
            f"{out}: this folder holds predictions of another model, tile or version (see {JOURNAL_NAME}); "
            "name another one."
        )
    return {record["file"]: record for record in records}


def _predict(segmenter: Segmenter, path: Path, probabilities: bool, tile_px: int) -> tuple[Label, Probabilities | None]:
    """Return the label of an image file and, if it is wanted, its probability map."""
    image: Any = open_stack(path).plane() if is_zarr(path) else load_image(path)  # a plane is read tile by tile
    try:
        if probabilities:
            return segmenter.predict_both(image, tile_px=tile_px)
        return segmenter.predict(image, tile_px=tile_px), None
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _write(pixels: tuple[Label, Probabilities | None], targets: list[Path], image: Path) -> None:
    """Write the label to the first target, like its image, and the probability map, if wanted, to the second."""
    label, p_CHW = pixels
    if p_CHW is not None:
        _save_map(targets[1], p_CHW)
    save_image(targets[0], label, like=image)


def _save_map(path: Path, p_CHW: Probabilities) -> None:
    pixels: npt.NDArray[np.float32] = p_CHW[1] if len(p_CHW) == 2 else p_CHW
    with atomic_path(path) as temporary:
        axes = {"axes": "YX" if pixels.ndim == 2 else "CYX"}
        tifffile.imwrite(temporary, pixels, photometric="minisblack", compression="zlib", metadata=axes)


def _describe(failures: list[str], num_images: int, out: Path) -> str:
    """Return how many images failed, and why the first of them did."""
    failed = f"{len(failures)} of {num_images} images could not be predicted"
    rest = num_images - len(failures)
    others = f", the labels of the others are in {out}" if rest else "; nothing was written"
    more = len(failures) - TOLD_FAILURES
    told = " ".join(failures[:TOLD_FAILURES]) + (f" And {more} more." if more > 0 else "")
    return f"{failed}{others}. {told}"
