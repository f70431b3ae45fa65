"""Repaired copies of a folder of labels: pixelwise noise undone, boundaries moved back, or relabelled by networks.

The originals stay.

`C` classes, `H` rows, `W` columns; Q[clean, noisy]. While it runs, finished files are noted in a journal beside them,
so that an interrupted repair goes on where it stopped.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from metastructure._version import __version__
from metastructure.audit.predictions import OutOfFold
from metastructure.audit.repair_methods import Mend
from metastructure.audit.repair_plan import Known, OnItem, RepairPlan, Steps, load_matching
from metastructure.audit.repair_result import (
    MANIFEST_NAME,
    TABLE_NAME,
    FileRepair,
    Repair,
    RepairRecipe,
    count_changes,
    load_repair,
    save_repair,
)
from metastructure.data.files import atomic_path
from metastructure.data.journal import has_hash, hash_file, lie_apart, read_journal, start_journal
from metastructure.data.label_format import find_labels, read_label_file, write_label_file
from metastructure.data.label_set import scan_labels
from metastructure.errors import ConfigError, DataError
from metastructure.label import IGNORE
from metastructure.structure.latent_transition import Convention
from metastructure.transition import TransitionMatrix

JOURNAL_NAME = ".repair.journal"
METHODS = ("auto", "denoise", "shift", "relabel", "relabel:all")
NOTHING = "nothing to repair: "


def repair_folder(
    labels: Path | str,
    out: Path | str | None,
    *,
    method: str = "denoise",
    transition: Known | Literal["estimated"] = "estimated",
    convention: Convention | None = None,
    half_width_px: int | None = None,
    images: Path | str | None = None,
    predictions: OutOfFold | Path | str | None = None,
    num_classes: int | None = None,
    seed: int = 0,
    dry_run: bool = False,
    on_item: OnItem | None = None,
) -> Repair:
    """Write a repaired copy of every label in a folder, with ``repair.json`` and ``repair.csv``.

    Parameters
    ----------
    labels : Path
        Folder of PNG and TIFF labels, sub-folders included; it is only read. Of a data set its training labels.
    out : Path or None
        Folder to write; names, sub-folders, format, dtype and palette are kept, and a label without a changed pixel is
        copied byte for byte. It must be new, empty, or hold the same repair, finished or not. None in a dry run.
    method : str
        ``"denoise"``, see `denoise_label`. ``"shift:PX"``, see `shift_label`: the negative of the bias, which
        ``"shift"`` estimates from the images. ``"relabel"``, see `relabel`, for labels that stand out among those of
        their folder, ``"relabel:all"`` for every one. ``"auto"``: the first of denoise, shift and relabel that labels,
        images and predictions give clear reason for.
    transition : "estimated", TransitionMatrix or its C rows
        Q. If estimated, from these labels, see `estimate_transition`. Only for ``"denoise"``, as are the next two,
        which ``"auto"`` takes too.
    convention : "background" or "diagonal", optional
        Of the estimate: how hidden classes get their names.
    half_width_px : int, optional
        Of the first guess, cut to fit smaller labels. Without it the labels choose, see `score_windows`.
    images : Path, optional
        Images under the labels' names, for ``"shift"`` and ``"auto"``.
    predictions : OutOfFold or Path, optional
        For ``"relabel"`` and ``"auto"``: what `out_of_fold` kept.
    num_classes : int, optional
        C; without it what the labels hold, and masks of 0 and 255 are refused.
    seed : int, at least 0
        Of the intervals of an estimated Q.
    dry_run : bool
        Do everything but write.
    on_item : callable, optional
        ``on_item(done, total)`` after each file of each pass.

    Returns
    -------
    Repair
        The recipe, and of each file how many pixels changed and what each class gained and lost. IGNORE stays IGNORE.

    Raises
    ------
    ConfigError
        If the method is not one, `out` is missing without a dry run, or Q is singular or does not fit the labels.
    DataError
        If a label cannot be used, the folders do not go together, or Q cannot be estimated from these labels.

    Examples
    --------
    A square of 4 by 4 pixels, drawn 1 px too large; `flip` noise would take ``method="denoise"``.

    >>> import tempfile
    >>> import metastructure as ms
    >>> label = np.zeros((8, 8), np.uint8)
    >>> label[1:7, 1:7] = 1
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     noisy, repaired = Path(folder, "noisy"), Path(folder, "repaired")
    ...     noisy.mkdir()
    ...     ms.save_image(noisy / "cell.png", label)
    ...     repair = repair_folder(noisy, repaired, method="shift:-1")
    ...     [record.num_changed for record in repair.files], ms.load_label(repaired / "cell.png").sum()
    ([20], np.uint64(16))
    """
    _check_method(method)
    if out is None and not dry_run:
        raise ConfigError("out is missing: name a new folder, or ask for a dry run.")
    folder = _find_folder(Path(labels))
    if out is not None:
        _check_apart(folder, Path(out))
    steps = Steps(2 * len(find_labels(folder)), on_item)
    found = scan_labels(folder, num_classes, lambda done, total: steps.step())
    kept = None if predictions is None else load_matching(predictions, found, num_classes)
    C = num_classes or max(found.count_classes(), kept.num_classes if kept else 2)
    recipe = RepairRecipe(
        metastructure=__version__, numpy=np.__version__, labels=str(folder.resolve()), method=method, num_classes=C
    )
    planned = RepairPlan(found, images, kept, seed, steps)
    if method == "denoise":
        recipe = planned.denoising(recipe, transition, convention, half_width_px)
    elif method == "auto":
        recipe = planned.choose(recipe, convention, half_width_px)
    elif method == "shift":
        recipe = planned.shifting(recipe)
    mend, recipe = planned.start(recipe)
    files = [path.relative_to(folder).as_posix() for path in find_labels(folder)]
    if dry_run or out is None:
        records = []
        for file in files:
            records.append(_repair_file(folder / file, None, file, recipe, mend))
            steps.step()
        return Repair(recipe=recipe, dry_run=True, files=tuple(records))
    return _write(recipe, folder, Path(out), files, mend, steps)


def load_transition(path: Path) -> TransitionMatrix:
    """Return the matrix in a YAML or JSON file of C rows of C numbers, rows the clean class.

    Raises
    ------
    ConfigError
        If it holds no such matrix.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; write the matrix as [[0.9, 0.1], [0.2, 0.8]], rows the clean class.")
    try:
        return TransitionMatrix(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{path}: this is no transition matrix, such as [[0.9, 0.1], [0.2, 0.8]] ({reason})."
        ) from None


def _write(recipe: RepairRecipe, folder: Path, out: Path, files: list[str], mend: Mend, steps: Steps) -> Repair:
    done = _load_done(out, recipe)
    kept = {file: done[file] for file in files if file in done and _is_intact(folder, out, done[file])}
    records: list[FileRepair] = []
    with start_journal(out / JOURNAL_NAME, recipe, kept.values()) as add_record:
        for file in files:
            record = kept.get(file)
            if record is None:
                record = _repair_file(folder / file, out / file, file, recipe, mend)
                add_record(record)
            records.append(record)
            steps.step()
    repair = Repair(recipe=recipe, dry_run=False, files=tuple(records))
    save_repair(out, repair)
    (out / JOURNAL_NAME).unlink()
    return repair


def _repair_file(source: Path, target: Path | None, file: str, recipe: RepairRecipe, mend: Mend) -> FileRepair:
    before = read_label_file(source, recipe.num_classes)
    after = mend(Path(file).with_suffix("").as_posix(), before.pixels)
    num_changed, gained, lost = count_changes(before.pixels, after.pixels, recipe.num_classes)
    if target is not None:
        if num_changed:
            write_label_file(target, replace(before, pixels=after.pixels))
        else:
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)
    return FileRepair(
        file=file,
        sha256_in=hash_file(source),
        sha256_out=hash_file(target) if target is not None else "",
        num_known=int((before.pixels != IGNORE).sum()),
        num_changed=num_changed,
        gained=gained,
        lost=lost,
        objects=after.objects,
        method=recipe.method,
        why=after.why if num_changed or after.why.startswith(NOTHING) else f"{NOTHING}{after.why}",
    )


def _check_method(method: str) -> None:
    name, _, value = method.partition(":")
    if method in METHODS or (name == "shift" and value and _is_finite(value)):
        return
    known = ", ".join(map(repr, METHODS))
    raise ConfigError(f"method must be {known} or 'shift:PX', such as 'shift:-1.5'; got {method!r}.")


def _is_finite(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _find_folder(labels: Path) -> Path:
    """Return where the labels of a data set or a split lie, else the folder itself."""
    for part in (labels / "train" / "labels", labels / "labels"):
        if part.is_dir() and (part.parent / "images").is_dir():
            return part
    return labels


def _check_apart(labels: Path, out: Path) -> None:
    if not lie_apart(labels, out):
        raise DataError(f"{out}: the repaired labels must go to a folder apart from the originals in {labels}.")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: this is a file; name a folder for the repaired labels.")


def _load_done(out: Path, recipe: RepairRecipe) -> dict[str, FileRepair]:
    """Return the records of an earlier call of the same repair; refuse a folder with anything else in it."""
    journal = out / JOURNAL_NAME
    if journal.is_file():
        made, records = read_journal(journal, RepairRecipe, FileRepair)
    elif (out / MANIFEST_NAME).is_file():
        repair = load_repair(out / MANIFEST_NAME)
        made, records = repair.recipe, list(repair.files)
    elif out.is_dir() and any(path.name != TABLE_NAME for path in out.iterdir()):
        raise DataError(f"{out}: this folder holds files already; name a new one for the repaired labels.")
    else:
        return {}
    if made is not None and made.model_dump_json() != recipe.model_dump_json():
        raise DataError(
            f"{out}: this folder holds another repair: {made.method} of {made.labels} by version {made.metastructure}, "
            "perhaps with another transition matrix; name another one."
        )
    return {record.file: record for record in records}


def _is_intact(folder: Path, out: Path, record: FileRepair) -> bool:
    return has_hash(out / record.file, record.sha256_out) and has_hash(folder / record.file, record.sha256_in)
