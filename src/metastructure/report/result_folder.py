"""The folder that a result is written to: all its numbers as one JSON file, and one page."""

from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel

from metastructure.data.files import write_text
from metastructure.data.strict_json import to_json
from metastructure.errors import DataError

PAGE_NAME = "index.html"


def check_result_folder(out: Path, unfinished: Collection[str] = ()) -> None:
    """Raise unless `out` is new or an empty folder; for before the work begins, too.

    Parameters
    ----------
    out : Path
    unfinished : collection of str
        Names of what a call that was stopped may have left in it.

    Raises
    ------
    DataError
        If it is a file, or holds anything, an earlier result for instance.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: this is a file; name a folder for the result.")
    if out.is_dir() and any(path.name not in unfinished for path in out.iterdir()):
        raise DataError(f"{out}: this folder holds files already; name a new one for the result.")


def write_result(out: Path, json_name: str, found: BaseModel, html: str) -> Path:
    """Write a result and its page into a folder and return the path of the page.

    Raises
    ------
    DataError
        As `check_result_folder`.
    """
    check_result_folder(out)
    write_text(out / json_name, to_json(found) + "\n")
    write_text(out / PAGE_NAME, html)
    return out / PAGE_NAME
