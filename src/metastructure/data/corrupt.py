"""Noisy copies of a folder of labels, with a manifest that lets anyone make them again bit for bit.

The draw of a label depends on the seed and on its path below the folder, without the suffix, and on nothing else. While
it runs, finished files are noted in a journal beside them, so that an interrupted run goes on where it stopped.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from metastructure._version import __version__
from metastructure.data.journal import has_hash, hash_file, lie_apart, read_journal, start_journal
from metastructure.data.label_format import find_labels, read_label_file, write_label_file
from metastructure.data.manifest import (
    MANIFEST_NAME,
    FileRecord,
    Manifest,
    Recipe,
    describe_change,
    load_manifest,
    save_manifest,
)
from metastructure.data.masks import SAY_HOW_MANY, check_no_masks
from metastructure.data.numbered import check_not_numbered
from metastructure.errors import ConfigError, DataError
from metastructure.label import LabelArray, count_classes
from metastructure.noise import NoiseSpec, corrupt, parse_noise

JOURNAL_NAME = ".manifest.journal"
QUEUED_PER_JOB = 4
"""Files handed out ahead of the workers, so that a folder of any size is streamed."""

OnItem = Callable[[int, int], None]
Given = TypeVar("Given")
Made = TypeVar("Made")


class _Task(NamedTuple):
    recipe: Recipe
    labels: Path
    out: Path
    file: str


def corrupt_folder(
    labels: Path,
    out: Path,
    noise: NoiseSpec,
    *,
    seed: int = 0,
    num_classes: int | None = None,
    jobs: int = 1,
    on_item: OnItem | None = None,
) -> Manifest:
    """Write a noisy copy of every label in a folder, and ``manifest.json``.

    Parameters
    ----------
    labels : Path
        Folder of PNG and TIFF labels, sub-folders included; it is only read.
    out : Path
        Folder to write; names, sub-folders, format, dtype and palette are kept. It must be new, empty, or hold the
        same noise of the same labels, finished or not, whose missing files are then made.
    noise : NoiseSpec
        See `metastructure.noise.parse_noise`.
    seed : int, at least 0
    num_classes : int, optional
        C. Without it all labels are read once more, before anything is written, for the largest class, and masks of 0
        and 255 are refused.
    jobs : int, at least 1
        Processes; the labels do not depend on it.
    on_item : callable, optional
        ``on_item(done, total)`` after each file.

    Returns
    -------
    Manifest
        What was written to ``manifest.json``.

    Raises
    ------
    ConfigError
        If the noise does not fit the classes, or the seed or the number of jobs is not possible.
    DataError
        If a label cannot be used, or the folders do not go together; always with the path.
    """
    labels, out = Path(labels), Path(out)
    model = parse_noise(noise)
    if seed < 0 or jobs < 1:
        raise ConfigError(f"seed must be at least 0 and jobs at least 1; got seed {seed} and jobs {jobs}.")
    paths = find_labels(labels)
    _check_apart(labels, out)
    C = num_classes or _scan_classes(labels, paths)
    try:
        model.check_num_classes(C)
    except ValueError as error:
        raise ConfigError(f"noise '{model}': {error}") from None
    recipe = Recipe(metastructure=__version__, noise=str(model), seed=seed, num_classes=C, labels=str(labels.resolve()))
    done = _load_done(out, recipe)
    files = [path.relative_to(labels).as_posix() for path in paths]
    records = {file: done[file] for file in files if file in done and _is_intact(labels, out, done[file])}
    tasks = [_Task(recipe, labels, out, file) for file in files if file not in records]
    with start_journal(out / JOURNAL_NAME, recipe, records.values()) as add_record:
        for record in _run(_make_noisy, tasks, jobs):
            records[record.file] = record
            add_record(record)
            if on_item is not None:
                on_item(len(records), len(files))
    manifest = Manifest(recipe=recipe, files=tuple(records[file] for file in files))
    save_manifest(out / MANIFEST_NAME, manifest)
    (out / JOURNAL_NAME).unlink()
    return manifest


def check_manifest(
    manifest: Path, labels: Path | None = None, *, jobs: int = 1, on_item: OnItem | None = None
) -> tuple[str, ...]:
    """Return what is not as a manifest says, one line a file; nothing if all labels come out the same again.

    Parameters
    ----------
    manifest : Path
        A ``manifest.json`` beside its noisy labels.
    labels : Path, optional
        The clean labels, if they have moved since.
    jobs, on_item
        As for `corrupt_folder`.

    Notes
    -----
    Each clean file must have the hash it had, each noisy file too, and the noise drawn again must give the pixels that
    the noisy file holds. Nothing is written.

    Raises
    ------
    DataError
        If the manifest cannot be read, or the clean labels are not where it says.
    """
    manifest = Path(manifest)
    content = load_manifest(manifest)
    source = Path(labels or content.recipe.labels)
    if not source.is_dir():
        raise DataError(f"{source}: the clean labels are not there any more; say where they are.")
    tasks = ((_Task(content.recipe, source, manifest.parent, record.file), record) for record in content.files)
    listed = {record.file for record in content.files}
    problems = [
        f"{path.relative_to(folder).as_posix()}: this {name} file is not in the manifest"
        for folder, name in ((source, "clean"), (manifest.parent, "noisy"))
        for path in find_labels(folder)
        if path.relative_to(folder).as_posix() not in listed
    ]
    for index, (file, problem) in enumerate(_run(_find_problem, tasks, jobs), start=1):
        if problem:
            problems.append(f"{file}: {problem}")
        if on_item is not None:
            on_item(index, len(content.files))
    return tuple(sorted(problems))


def _make_noisy(task: _Task) -> FileRecord:
    source, target = task.labels / task.file, task.out / task.file
    if not target.parent.resolve().is_relative_to(task.out.resolve()):
        raise DataError(f"{target}: a link leads out of {task.out}; remove it.")
    clean = read_label_file(source, task.recipe.num_classes)
    noisy = _draw(clean.pixels, task)
    write_label_file(target, replace(clean, pixels=noisy))
    return _describe(task, clean.pixels, noisy)


def _describe(task: _Task, clean: LabelArray, noisy: LabelArray) -> FileRecord:
    return FileRecord(
        file=task.file,
        sha256_in=hash_file(task.labels / task.file),
        sha256_out=hash_file(task.out / task.file),
        sha256_pixels=_hash_pixels(noisy),
        **describe_change(clean, noisy, parse_noise(task.recipe.noise), task.recipe.num_classes),
    )


def _find_problem(pair: tuple[_Task, FileRecord]) -> tuple[str, str]:
    task, record = pair
    source, target = task.labels / task.file, task.out / task.file
    for path, expected, name in ((source, record.sha256_in, "clean"), (target, record.sha256_out, "noisy")):
        if not path.is_file():
            return task.file, f"the {name} file is missing"
        if hash_file(path) != expected:
            return task.file, f"the {name} file is not the one the manifest was written for"
    clean = read_label_file(source, task.recipe.num_classes).pixels
    again = _draw(clean, task)
    if _hash_pixels(again) not in {record.sha256_pixels} & {_hash_pixels(read_label_file(target).pixels)}:
        return task.file, "drawing the noise again gives other pixels"
    if _describe(task, clean, again) != record:
        return task.file, "the manifest says something else of this file than its pixels do"
    return task.file, ""


def _draw(clean: LabelArray, task: _Task) -> LabelArray:
    recipe, item = task.recipe, str(Path(task.file).with_suffix("").as_posix())
    try:
        return corrupt(clean, parse_noise(recipe.noise), seed=recipe.seed, item=item, num_classes=recipe.num_classes)
    except ValueError as error:
        raise DataError(f"{task.labels / task.file}: {error}") from None


def _run(function: Callable[[Given], Made], tasks: Iterable[Given], jobs: int) -> Iterator[Made]:
    """Give the results as they are ready, with a few tasks handed out ahead."""
    if jobs == 1:
        yield from map(function, tasks)
        return
    # spawned, not forked: a fork of a process with threads may hang
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = iter(tasks)
        running: set[Future[Made]] = {pool.submit(function, task) for task in islice(waiting, QUEUED_PER_JOB * jobs)}
        try:
            while running:
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(function, task) for task in islice(waiting, len(ready))}
                for future in ready:
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _check_apart(labels: Path, out: Path) -> None:
    if not lie_apart(labels, out):
        raise DataError(f"{out}: the noisy labels must go to a folder apart from the clean ones in {labels}.")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: this is a file; name a folder for the noisy labels.")


def _scan_classes(labels: Path, paths: list[Path]) -> int:
    """Return C of the whole folder."""
    held = [np.unique(read_label_file(path).pixels) for path in paths]
    check_no_masks(held, str(labels), SAY_HOW_MANY)
    check_not_numbered(held, lambda index: read_label_file(paths[index]).pixels, paths, SAY_HOW_MANY)
    return max(map(count_classes, held))


def _load_done(out: Path, recipe: Recipe) -> dict[str, FileRecord]:
    """Return the records of an earlier run of the same recipe; refuse a folder with anything else in it."""
    journal, finished = out / JOURNAL_NAME, out / MANIFEST_NAME
    if journal.is_file():
        made, records = read_journal(journal, Recipe, FileRecord)
    elif finished.is_file():
        manifest = load_manifest(finished)
        made, records = manifest.recipe, list(manifest.files)
    elif out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out}: this folder holds files already; name a new one for the noisy labels.")
    else:
        return {}
    if made is not None and made != recipe:
        raise DataError(
            f"{out}: this folder holds the noise '{made.noise}' with seed {made.seed}, {made.num_classes} classes, of "
            f"{made.labels} (version {made.metastructure}); name another one."
        )
    return {record.file: record for record in records}


def _is_intact(labels: Path, out: Path, record: FileRecord) -> bool:
    return has_hash(out / record.file, record.sha256_out) and has_hash(labels / record.file, record.sha256_in)


def _hash_pixels(label: LabelArray) -> str:
    little = np.ascontiguousarray(label, dtype=label.dtype.newbyteorder("<"))
    return hashlib.sha256(f"{label.dtype.name} {label.shape} ".encode() + little.tobytes()).hexdigest()
