"""Labels for a folder of images without any label to learn from, in files of the same names.

Images are read, scored and written one at a time. Only a method that learns is fitted with all of them in memory.
"""

import hashlib
import json
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Literal, NamedTuple

import numpy as np
import tifffile

from metastructure._version import __version__
from metastructure.data.files import TIFF_SUFFIXES, atomic_path, save_image, write_text
from metastructure.data.journal import hash_outputs, lie_apart, start_journal
from metastructure.data.strict_json import to_json
from metastructure.errors import DataError, MetastructureError, RunError
from metastructure.training.paths import targets_in_folder
from metastructure.unsupervised.base import Method, Score, Side, Work, fit_alone
from metastructure.unsupervised.fitted_file import (
    METHOD_NAME,
    describe_method,
    load_fitted,
    read_fitted,
    save_fitted,
)
from metastructure.unsupervised.folder_look import FolderLook, OnPhase, join_failures, look_at_images
from metastructure.unsupervised.folder_result import LABELS_NAME, FolderSegmentation, SegmentedImage, used_versions
from metastructure.unsupervised.label_journal import (
    FIT_KEY,
    JOURNAL_NAME,
    Record,
    is_done,
    load_records,
)
from metastructure.unsupervised.methods import DEFAULT_METHOD, MethodSpec, parse_method
from metastructure.unsupervised.segment import THRESHOLD, Fitted

RESULT_NAME = "segmentation.json"


def segment_folder(
    images: Path | str,
    out: Path | str,
    method: MethodSpec = DEFAULT_METHOD,
    *,
    side: Side | Literal["auto"] = "auto",
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    probabilities: bool = False,
    on_phase: OnPhase | None = None,
) -> FolderSegmentation:
    """Fit a method to a folder of images and write a label for each; one that cannot be used does not stop the others.

    Parameters
    ----------
    images : Path or str
        Folder of PNG, JPEG and TIFF images, sub-folders included, or one image; it is only read. Sizes may differ.
        Where grey and colour ones are mixed, the method sees all of them grey.
    out : Path or str
        Folder to write: ``labels/SUB/NAME.tif`` for a TIFF, ``labels/SUB/NAME.png`` for others, of 0 and 1;
        ``segmentation.json``; and ``method.json``, with ``model.pt`` if need be, for `apply_fitted`. It must be new,
        empty, or hold labels of the same method, settings, side and seed: those that are done are kept.
    method : str, mapping or Method
        See `parse_method`.
    side, seed, device, threads
        See `fit_method`.
    probabilities : bool
        Write the score too, ``labels/SUB/NAME.probabilities.tif``, (H, W) float32.
    on_phase : callable, optional
        ``on_phase(what, done, total)``.

    Returns
    -------
    FolderSegmentation
        Its ``failures`` say which images have no label, and why.

    Raises
    ------
    DataError
        If there are no images, all show nothing, or `out` holds something else.
    RunError
        If no image can be labelled.
    ConfigError
        If the method is unknown or a setting impossible.
    """
    images, out = Path(images), Path(out)
    check_out(images, out, (out / JOURNAL_NAME).is_file())
    method = parse_method(method)
    look = look_to_fit(images, side, on_phase)
    return segment_looked(
        look, out, method, seed=seed, device=device, threads=threads, probabilities=probabilities, on_phase=on_phase
    )


def apply_fitted(
    fitted: Path | str,
    images: Path | str,
    out: Path | str,
    *,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    probabilities: bool = False,
    on_phase: OnPhase | None = None,
) -> FolderSegmentation:
    """Label a folder of images with a method that was fitted to others; nothing is fitted, the side stays.

    Parameters
    ----------
    fitted : Path or str
        What `segment_folder` wrote.
    images, out, device, threads, probabilities, on_phase
        See `segment_folder`.

    Raises
    ------
    DataError, RunError
        As `segment_folder`, and if `fitted` is no such folder.
    """
    fitted, images, out = Path(fitted), Path(images), Path(out)
    check_out(images, out, (out / JOURNAL_NAME).is_file())
    folder, content = read_fitted(fitted)
    look = look_at_images(images, content.side, content.channels, on_phase)
    recipe = {
        "metastructure": __version__,
        "method": content.method,
        "side": content.side,
        "seed": content.seed,
        "channels": content.channels,
        "fitted to": content.model_sha256,
    }
    load = partial(load_fitted, folder, device=device, threads=threads)
    found = _label(look, out, recipe, load, lambda _: "", probabilities, on_phase)
    return _finish(found, look, out, recipe, str(folder))


def segment_looked(
    look: FolderLook,
    out: Path,
    method: Method,
    *,
    seed: int,
    device: Literal["auto", "cpu", "cuda"],
    threads: int | None,
    probabilities: bool,
    on_phase: OnPhase | None,
) -> FolderSegmentation:
    """Segment a folder that was looked at already; see `segment_folder`."""
    recipe = {
        "metastructure": __version__,
        "method": describe_method(method),
        "side": look.side,
        "seed": seed,
        "channels": look.channels,
        "fitted to": _hash_images(look) if method.learns else None,
    }

    def fit() -> Fitted:
        if method.learns and (out / METHOD_NAME).is_file():
            return load_fitted(out, device=device, threads=threads)
        report = {} if on_phase is None else {"on_progress": partial(on_phase, "fitting")}
        work = Work(look.side, seed, device, threads, **report)
        if not method.learns:
            return Fitted(method, look.side, look.side_share, fit_alone(method, work))
        return Fitted(method, look.side, look.side_share, method.fit([look.load(name) for name in look.varied], work))

    def keep(fitted: Fitted) -> str:
        return "" if (out / METHOD_NAME).is_file() else save_fitted(fitted, out, look.channels, seed)

    found = _label(look, out, recipe, fit, keep, probabilities, on_phase)
    return _finish(found, look, out, recipe, str(out) if (out / METHOD_NAME).is_file() else None)


def look_to_fit(images: Path, side: Side | Literal["auto"], on_phase: OnPhase | None) -> FolderLook:
    """Return what a folder holds; raise unless something can be fitted to it."""
    if side not in ("auto", "bright", "dark"):
        raise ValueError(f"side must be auto, bright or dark; got {side!r}.")
    look = look_at_images(images, side, on_phase=on_phase)
    if not look.varied:
        raise DataError(
            f"{images}: every image that can be read is constant, or shows nothing but noise; there is nothing to "
            "tell apart."
        )
    return look


def check_out(images: Path, out: Path, goes_on: bool) -> None:
    """Raise DataError unless `out` lies apart from `images` and is new, empty, or, if it `goes_on`, begun."""
    if images.is_dir() and not lie_apart(images, out):
        raise DataError(f"{out}: images and labels must lie in separate folders, neither inside the other.")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: this is a file; name a new folder for labels and page.")
    if out.is_dir() and not goes_on and any(out.iterdir()):
        raise DataError(f"{out}: this folder holds files already; name a new one for labels and page.")


def _hash_images(look: FolderLook) -> str:
    """Return one hash of all that a method is fitted to."""
    content = [(name, look.hashes[name]) for name in look.varied]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class _Labelled(NamedTuple):
    """Records by image, what is told of the fitting, why an image has no label, how many labels were written now."""

    done: dict[str, Record]
    fit: Record
    failures: dict[str, str]
    num_new: int


def _label(
    look: FolderLook,
    out: Path,
    recipe: Record,
    fit: Callable[[], Fitted],
    keep: Callable[[Fitted], str],
    probabilities: bool,
    on_phase: OnPhase | None,
) -> _Labelled:
    """Write the labels that are not done; nothing is fitted if all are."""
    done, told = load_records(out, recipe)
    targets = {name: targets_in_folder(out / LABELS_NAME / name, probabilities) for name in look.hashes}
    left = [name for name in targets if not is_done(done.get(name), look.hashes[name], out, targets[name])]
    if not left and told is not None:
        return _Labelled(done, told, {}, 0)
    fitted, fit_seconds, notes = _fit(fit)
    failures = dict[str, str]()
    with start_journal(out / JOURNAL_NAME, recipe, done.values()) as add_record:
        not_kept = keep(fitted)
        told = told or {FIT_KEY: fit_seconds, "notes": [*notes, not_kept] if not_kept else notes}
        add_record(told)
        for index, name in enumerate(left, start=1):
            done.pop(name, None)
            try:
                done[name] = _label_one(fitted, look, name, targets[name], out)
            except (MetastructureError, ValueError) as error:
                path = str(look.root / name)
                failures[name] = str(error) if path in str(error) else f"{path}: {error}"
            else:
                add_record(done[name])
            if on_phase is not None:
                on_phase("labelling", index, len(left))
    return _Labelled(done, told, failures, len(left) - len(failures))


def _fit(fit: Callable[[], Fitted]) -> tuple[Fitted, float, list[str]]:
    """Return what was fitted, the seconds it took, and what it warned of or chose."""
    start = perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        fitted = fit()
    return fitted, perf_counter() - start, [*(str(one.message) for one in caught), *fitted.notes]


def _label_one(fitted: Fitted, look: FolderLook, name: str, targets: list[Path], out: Path) -> Record:
    start = perf_counter()
    score = fitted.score(look.load(name))
    label = (score > THRESHOLD).astype(np.uint8)
    seconds = perf_counter() - start
    if len(targets) == 2:
        _save_score(targets[1], score)
    save_image(targets[0], label, like=look.root / name)
    return {
        "file": name,
        "sha256_in": look.hashes[name],
        "written": hash_outputs(out, targets),
        "shape": label.shape,
        "foreground": float(label.mean()),
        "seconds": seconds,
    }


def _save_score(path: Path, score: Score) -> None:
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, score, photometric="minisblack", compression="zlib", metadata={"axes": "YX"})


def _finish(labelled: _Labelled, look: FolderLook, out: Path, recipe: Record, fitted: str | None) -> FolderSegmentation:
    """Return the result and write it."""
    failures = {**look.failures, **labelled.failures}
    records = [labelled.done[name] for name in look.hashes if name in labelled.done]
    if not records:
        raise RunError(f"No image of {look.root} could be labelled. {join_failures(failures)}")
    found = FolderSegmentation(
        images=str(look.root),
        out=str(out),
        method=recipe["method"],
        side=look.side,
        side_share=look.side_share,
        num_asked=len(look.varied),
        channels=look.channels,
        mixed=look.mixed,
        seed=recipe["seed"],
        fitted=fitted,
        fit_seconds=labelled.fit[FIT_KEY],
        label_seconds=sum(record["seconds"] for record in records),
        num_new=labelled.num_new,
        items=tuple(_describe(record, look) for record in records),
        notes=tuple(labelled.fit["notes"]),
        failures=dict(sorted(failures.items())),
        versions=used_versions(),
    )
    write_text(out / RESULT_NAME, to_json(found) + "\n")
    return found


def _describe(record: Record, look: FolderLook) -> SegmentedImage:
    file = Path(record["file"])
    label = file if file.suffix.lower() in TIFF_SUFFIXES else file.with_suffix(".png")
    height, width = record["shape"]
    return SegmentedImage(
        file=file.as_posix(),
        label=label.as_posix(),
        height=height,
        width=width,
        foreground=record["foreground"],
        blank=look.blank.get(record["file"]),
    )
