"""A journal of finished files, kept beside them while a folder is worked through.

Its first line is the recipe: all that a result depends on but its own file. Each later line is a finished file, with
the hashes of what was read and written, so that an interrupted call goes on where it stopped.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from metastructure.errors import DataError

logger = logging.getLogger(__name__)

Recipe = TypeVar("Recipe")
Record = TypeVar("Record")


def read_journal(path: Path, recipe: type[Recipe], record: type[Record]) -> tuple[Recipe | None, list[Record]]:
    """Return what a journal holds, in the types given; a line that a crash cut short ends it.

    The recipe is None if not even the first line is whole.
    """
    made: Recipe | None = None
    records: list[Record] = []
    as_recipe, as_record = TypeAdapter(recipe), TypeAdapter(record)
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if made is None:
                made = as_recipe.validate_json(line)
            else:
                records.append(as_record.validate_json(line))
    except ValidationError:
        logger.info("%s: its last line was cut short by a crash and is passed over", path)
    logger.info("%s: %d files are recorded as done", path, len(records))
    return made, records


@contextmanager
def start_journal(path: Path, recipe: object, records: Iterable[object]) -> Iterator[Callable[[object], None]]:
    """Write a journal of what was done before, and give a function that adds a record to it, at once.

    The folder is made if need be. Recipe and records are pydantic models, or dictionaries of what JSON can hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:

        def add(content: object) -> None:
            stream.write(TypeAdapter[Any](type(content)).dump_json(content) + b"\n")
            stream.flush()

        for content in (recipe, *records):
            add(content)
        yield add


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror}).") from None


def has_hash(path: Path, sha256: str) -> bool:
    """Return whether `path` is a file of this hash."""
    return path.is_file() and hash_file(path) == sha256


def hash_outputs(out: Path, targets: Iterable[Path]) -> dict[str, str]:
    """Return the hash of each file, by its path below `out`."""
    return {target.relative_to(out).as_posix(): hash_file(target) for target in targets}


def hold_outputs(written: dict[str, str], out: Path, targets: Iterable[Path]) -> bool:
    """Return whether each of the files was written, and is as it was then; `written` is from `hash_outputs`."""
    return all(has_hash(target, written.get(target.relative_to(out).as_posix(), "")) for target in targets)


def lie_apart(one: Path, other: Path) -> bool:
    """Return whether neither folder is, or lies in, the other; links are followed.

    Examples
    --------
    >>> lie_apart(Path("images"), Path("images/../labels")), lie_apart(Path("images"), Path("images/out"))
    (True, False)
    """
    source, target = one.resolve(), other.resolve()
    return not (source.is_relative_to(target) or target.is_relative_to(source))
