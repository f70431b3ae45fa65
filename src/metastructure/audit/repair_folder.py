"""Repaired copies of a folder of labels: pixelwise noise undone, or boundaries moved back; the originals stay.

`C` classes, `H` rows, `W` columns; Q[clean, noisy]. While it runs, finished files are noted in a journal beside them,
so that an interrupted repair goes on where it stopped.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import yaml

from metastructure._version import __version__
from metastructure.audit.denoise import SINGULAR, check_invertible, denoise_label, pick_window, score_windows
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
from metastructure.audit.shift import nearest_distance_px, shift_label
from metastructure.data.files import atomic_path
from metastructure.data.journal import has_hash, hash_file, lie_apart, read_journal, start_journal
from metastructure.data.label_format import LabelFile, find_labels, read_label_file, write_label_file
from metastructure.data.label_set import LabelSet, pick_evenly, scan_labels
from metastructure.errors import ConfigError, DataError
from metastructure.label import IGNORE, LabelArray
from metastructure.rng import generator
from metastructure.structure.latent_transition import Convention, EstimatedTransition, estimate_transition
from metastructure.transition import TransitionMatrix

JOURNAL_NAME = ".repair.journal"
NUM_SCORED_LABELS = 64
"""Of a large folder this many labels, evenly spaced, choose the window."""

HARDLY_ANY = 0.002
"""An estimated share of wrong pixels whose interval stays below this is taken for none: it is of the size of the bias
that boundaries leave in the estimate."""

Known = TransitionMatrix | npt.ArrayLike
OnItem = Callable[[int, int], None]


class _Steps:
    """Counts the files gone through over all passes."""

    def __init__(self, total: int, on_item: OnItem | None) -> None:
        self.done, self.total, self._on_item = 0, total, on_item

    def step(self) -> None:
        self.done += 1
        if self._on_item is not None:
            self._on_item(self.done, self.total)


class _Repaired(NamedTuple):
    pixels: LabelArray
    objects: dict[str, int]
    why: str


def repair_folder(
    labels: Path | str,
    out: Path | str | None,
    *,
    method: str = "denoise",
    transition: Known | Literal["estimated"] = "estimated",
    convention: Convention | None = None,
    half_width_px: int | None = None,
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
        ``"denoise"``, see `denoise_label`, or ``"shift:PX"``, see `shift_label`: the negative of the bias.
    transition : "estimated", TransitionMatrix or its C rows
        Q. If estimated, from these labels, see `estimate_transition`. Only for ``"denoise"``, as are the next two.
    convention : "background" or "diagonal", optional
        Of the estimate: how hidden classes get their names.
    half_width_px : int, optional
        Of the first guess, cut to fit smaller labels. Without it the labels choose, see `score_windows`.
    num_classes : int, optional
        C; without it what the labels hold, and masks of 0 and 255 are refused.
    seed : int, at least 0
        Of the intervals of an estimated Q.
    dry_run : bool
        Do everything but write.
    on_item : callable, optional
        ``on_item(done, total)`` after each file of each pass.

    Raises
    ------
    ConfigError
        If the method is not one, or Q is singular or does not fit the labels.
    DataError
        If a label cannot be used, the folders do not go together, or Q cannot be estimated from these labels.
    """
    shift_px = _parse_method(method)
    if out is None and not dry_run:
        raise ConfigError("out is missing: name a new folder, or ask for a dry run.")
    folder = _find_folder(Path(labels))
    if out is not None:
        _check_apart(folder, Path(out))
    steps = _Steps((3 if shift_px is None and isinstance(transition, str) else 2) * len(find_labels(folder)), on_item)
    found = scan_labels(folder, num_classes, lambda done, total: steps.step())
    C = num_classes or found.count_classes()
    recipe = RepairRecipe(
        metastructure=__version__, numpy=np.__version__, labels=str(folder.resolve()), method=method, num_classes=C
    )
    if shift_px is None:
        recipe = _plan_denoising(recipe, found, transition, convention, half_width_px, seed, steps)
    elif not nearest_distance_px(abs(shift_px)):
        reason = f"a shift of {shift_px:g} px does not reach the next pixel"
        recipe = recipe.model_copy(update={"nothing_to_repair": reason})
    files = [path.relative_to(folder).as_posix() for path in find_labels(folder)]
    if dry_run or out is None:
        records = []
        for file in files:
            records.append(_repair_file(folder / file, None, file, recipe, shift_px))
            steps.step()
        return Repair(recipe=recipe, dry_run=True, files=tuple(records))
    return _write(recipe, folder, Path(out), files, shift_px, steps)


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


def _write(
    recipe: RepairRecipe, folder: Path, out: Path, files: list[str], shift_px: float | None, steps: _Steps
) -> Repair:
    done = _load_done(out, recipe)
    kept = {file: done[file] for file in files if file in done and _is_intact(folder, out, done[file])}
    records: list[FileRepair] = []
    with start_journal(out / JOURNAL_NAME, recipe, kept.values()) as add_record:
        for file in files:
            record = kept.get(file)
            if record is None:
                record = _repair_file(folder / file, out / file, file, recipe, shift_px)
                add_record(record)
            records.append(record)
            steps.step()
    repair = Repair(recipe=recipe, dry_run=False, files=tuple(records))
    save_repair(out, repair)
    (out / JOURNAL_NAME).unlink()
    return repair


def _plan_denoising(
    recipe: RepairRecipe,
    found: LabelSet,
    transition: Known | Literal["estimated"],
    convention: Convention | None,
    half_width_px: int | None,
    seed: int,
    steps: _Steps,
) -> RepairRecipe:
    """Return the recipe with Q and the window in it, or with the reason why there is nothing to do."""
    estimate, Q, nothing = None, None, ""
    if isinstance(transition, str):
        if transition != "estimated":
            raise ConfigError(f"transition must be 'estimated' or the rows of a matrix; got {transition!r}.")
        rng = generator(seed, "", "repair")
        estimate = estimate_transition(_count(found, steps), rng, recipe.num_classes, convention)
        if np.count_nonzero(found.counts[:, :IGNORE].sum(axis=0)) < 2:
            nothing = "the labels hold one class at most"
        else:
            Q = _check_estimate(estimate, found.folder, is_named=convention is not None)
            nothing = _explain_no_noise(estimate)
    else:
        Q = _check_known(transition, recipe.num_classes)
        if np.array_equal(Q.rows, np.eye(Q.num_classes)):
            nothing = "the transition matrix is the identity: no label is wrong"
    settings: dict[str, object] = {"estimate": estimate, "nothing_to_repair": nothing}
    settings["transition_from"] = "given" if estimate is None else "estimated"
    if Q is not None:
        settings["transition"] = tuple(map(tuple, Q.rows.tolist()))
    if Q is not None and not nothing:
        if half_width_px is None:
            scores = score_windows(map(found.load, pick_evenly(len(found), NUM_SCORED_LABELS)), Q)
            half_width_px = pick_window(scores)
            settings["window_dice"] = {score.half_width_px: score.dice for score in scores}
        elif half_width_px < 0:
            raise ConfigError(f"the half-width must be at least 0 pixels; got {half_width_px}.")
        settings["half_width_px"] = half_width_px
    return recipe.model_copy(update=settings)


def _check_known(transition: Known, num_classes: int) -> TransitionMatrix:
    try:
        matrix = transition if isinstance(transition, TransitionMatrix) else TransitionMatrix(transition)
        check_invertible(matrix)
    except (ValueError, TypeError) as error:
        raise ConfigError(str(error)) from None
    if matrix.num_classes != num_classes:
        raise ConfigError(
            f"the transition matrix has {matrix.num_classes} classes and the labels have {num_classes}; give a matrix "
            "with a row for each class, or say how many classes there are."
        )
    return matrix


def _check_estimate(estimate: EstimatedTransition, folder: Path, is_named: bool) -> TransitionMatrix:
    give = "Give the transition matrix if you know it; otherwise no repair is better than a guess."
    if not estimate.identified:
        raise DataError(f"{folder}: the transition matrix cannot be estimated ({estimate.reason}). {give}")
    if estimate.disputed and not is_named:
        raise DataError(
            f"{folder}: the labels fit two readings, of which each is the other with the classes exchanged: noise with "
            "more than half of the labels wrong, or a foreground that covers more than half of the pixels. Choose the "
            "convention 'background' for the first and 'diagonal' for the second."
        )
    sigma = estimate.sigma_min
    if sigma.value < SINGULAR or sigma.low <= 0:
        raise DataError(
            f"{folder}: the estimated transition matrix may be singular (smallest singular value {sigma}): such noise "
            f"leaves classes that cannot be told apart. {give}"
        )
    return estimate.matrix()


def _explain_no_noise(estimate: EstimatedTransition) -> str:
    """Return why labels count as free of noise, empty if they do not."""
    shares, rows = estimate.shares(), estimate.transition
    wrong, most = 0.0, 0.0
    for klass, share in enumerate(shares):
        kept = rows[klass][klass]
        wrong += share * (1 - kept.value)
        most += share * (1 - (kept.value if np.isnan(kept.low) else kept.low))
    if not most < HARDLY_ANY:
        return ""
    return f"an estimated {100 * wrong:.2f} % of the pixels carry a wrong class (at most {100 * most:.2f} %)"


def _repair_file(
    source: Path, target: Path | None, file: str, recipe: RepairRecipe, shift_px: float | None
) -> FileRepair:
    before = read_label_file(source, recipe.num_classes)
    after = _repair_label(before.pixels, recipe, shift_px)
    num_changed, gained, lost = count_changes(before.pixels, after.pixels, recipe.num_classes)
    if target is not None:
        if num_changed:
            write_label_file(target, LabelFile(after.pixels, before.palette, before.one_bit))
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
        why=after.why if num_changed or recipe.nothing_to_repair else f"nothing to repair: {after.why}",
    )


def _repair_label(label: LabelArray, recipe: RepairRecipe, shift_px: float | None) -> _Repaired:
    if shift_px is not None:
        return _shift(label, shift_px, recipe)
    if recipe.nothing_to_repair:
        return _Repaired(label, {}, f"nothing to repair: {recipe.nothing_to_repair}")
    if (label == IGNORE).all():
        return _Repaired(label, {}, "every pixel is IGNORE")
    h = min(recipe.half_width_px or 0, min(label.shape[-2:]) - 1)
    repaired = denoise_label(label, TransitionMatrix(recipe.transition or ()), half_width_px=h)
    if np.array_equal(repaired, label):
        return _Repaired(label, {}, "no pixel is likelier to be wrong than right, given those around it")
    return _Repaired(repaired, {}, "these pixels are likelier to be wrong than right, given those around them")


def _shift(label: LabelArray, shift_px: float, recipe: RepairRecipe) -> _Repaired:
    shifted = shift_label(label, shift_px, recipe.num_classes)
    objects = {
        "before": shifted.num_before,
        "after": shifted.num_after,
        "vanished": shifted.num_vanished,
        "merged": shifted.num_merged,
        "split": shifted.num_split,
    }
    if recipe.nothing_to_repair:
        return _Repaired(shifted.label, objects, f"nothing to repair: {recipe.nothing_to_repair}")
    if np.array_equal(shifted.label, label):
        return _Repaired(label, objects, "no boundary between an object and class 0")
    damage = [f"{objects[name]} {name}" for name in ("vanished", "merged", "split") if objects[name]]
    warning = f"; objects: {', '.join(damage)}" if damage else ""
    return _Repaired(shifted.label, objects, f"boundary moved by {shifted.radius_px:+.2f} px{warning}")


def _parse_method(method: str) -> float | None:
    """Return the shift in pixels, or None for denoising."""
    name, _, value = method.partition(":")
    if method == "denoise":
        return None
    try:
        shift_px = float(value)
    except ValueError:
        shift_px = float("nan")
    if name != "shift" or not np.isfinite(shift_px):
        raise ConfigError(f"method must be 'denoise' or 'shift:PX', such as 'shift:-1.5'; got {method!r}.")
    return shift_px


def _count(labels: LabelSet, steps: _Steps) -> Iterator[LabelArray]:
    last = None
    for entry, label in zip(labels.entries, labels, strict=True):
        if entry.path != last:
            steps.step()
        last = entry.path
        yield label


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
