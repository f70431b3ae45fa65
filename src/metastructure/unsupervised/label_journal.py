"""``OUT/labels.jsonl``: which labels of a folder are done and what made them, so that a stopped call goes on.

A record is of a finished image, or tells of the fitting.
"""

from pathlib import Path
from typing import Any

from metastructure.data.journal import hold_outputs, read_journal
from metastructure.errors import DataError

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
    made, records = read_journal(path, dict[str, Any], dict[str, Any])
    if made is not None and made != recipe:
        differs = ", ".join(key for key in recipe if made.get(key) != recipe[key]) or "format"
        raise DataError(
            f"{out}: this folder holds labels that were made otherwise ({differs} not the same; see {JOURNAL_NAME}); "
            "name another one."
        )
    fits = [record for record in records if FIT_KEY in record]
    return {record["file"]: record for record in records if "file" in record}, fits[-1] if fits else None


def is_done(record: Record | None, source: str, out: Path, targets: list[Path]) -> bool:
    """Return whether a record speaks of this image and its files are as they were written."""
    return record is not None and record["sha256_in"] == source and hold_outputs(record["written"], out, targets)
