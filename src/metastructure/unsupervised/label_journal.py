"""``OUT/labels.jsonl``: which labels of a folder are done and what made them, so that a stopped call goes on.

The first line is the recipe: all that a label depends on but its own image. Each later line is a finished image, with
the hashes of what was read and written, or tells of the fitting.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from metastructure.errors import DataError
from metastructure.unsupervised.folder_look import hash_file

JOURNAL_NAME = "labels.jsonl"
FIT_KEY = "fit_seconds"

Record = dict[str, Any]


def load_records(out: Path, recipe: Record) -> tuple[dict[str, Record], Record | None]:
    """Return the records of earlier calls by image, and what they told of the fitting.

    Raises
    ------
    DataError
        If they were made by another recipe.
    """
    path = out / JOURNAL_NAME
    if not path.is_file():
        return {}, None
    made, *records = list(_read_lines(path)) or [recipe]
    if made != recipe:
        differs = ", ".join(key for key in recipe if made.get(key) != recipe[key]) or "format"
        raise DataError(
            f"{out}: this folder holds labels that were made otherwise ({differs} not the same; see {JOURNAL_NAME}); "
            "name another one."
        )
    fits = [record for record in records if FIT_KEY in record]
    return {record["file"]: record for record in records if "file" in record}, fits[-1] if fits else None


@contextmanager
def start_journal(out: Path, recipe: Record, done: dict[str, Record]) -> Iterator[TextIO]:
    """Give a journal that holds what was done before; `add_record` adds to it."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / JOURNAL_NAME).open("w", encoding="utf-8") as journal:
        for content in (recipe, *done.values()):
            add_record(journal, content)
        yield journal


def add_record(journal: TextIO, record: Record) -> None:
    """Write a line, at once."""
    journal.write(json.dumps(record) + "\n")
    journal.flush()


def is_done(record: Record | None, source: str, out: Path, targets: list[Path]) -> bool:
    """Return whether a record speaks of this image and its files are as they were written."""
    if record is None or record["sha256_in"] != source:
        return False
    written = record["written"]
    names = [target.relative_to(out).as_posix() for target in targets]
    return all(
        name in written and target.is_file() and hash_file(target) == written[name]
        for name, target in zip(names, targets, strict=True)
    )


def _read_lines(path: Path) -> Iterator[Record]:
    """Yield what a journal holds; a line that a crash cut short ends it."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            content = json.loads(line)
        except json.JSONDecodeError:
            return
        yield content
