"""Records from their JSON: whole and of a version that this package knows, or an error that says which it is not."""

from pydantic import ValidationError
from pydantic_core import from_json

from metastructure.errors import RunError
from metastructure.study.record import RunRecord

SCHEMA_VERSION = 1


class DamagedRecord(RunError):
    """A record that nobody can read."""


def parse_record(content: bytes, path: str, identity: str) -> RunRecord:
    """Return the record that a file holds.

    Parameters
    ----------
    content : bytes
    path : str
        For the messages.
    identity : str
        Of the run in whose folder it is.

    Raises
    ------
    DamagedRecord
        If it is not the JSON of a record, or that of another run's.
    RunError
        If a newer version of this package wrote it.
    """
    try:
        record = RunRecord.model_validate_json(content)  # quicker than by way of Python objects, as below
    except ValidationError as error:
        damage = error
    else:
        if record.identity != identity:
            raise DamagedRecord(f"{path}: this is the record of run {record.identity}; delete it to do this run.")
        return record
    try:
        fields = from_json(content)
    except ValueError as error:
        raise _damaged(path, error) from error
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise RunError(
            f"{path}: this record was written by a newer version of metastructure (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); update metastructure."
        )
    raise _damaged(path, damage) from damage


def _damaged(path: str, error: ValueError) -> DamagedRecord:
    return DamagedRecord(
        f"{path}: this record is damaged or from another version; delete its folder to run it again "
        f"({len(str(error).splitlines())} lines of detail from pydantic)."
    )
