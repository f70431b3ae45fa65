"""The index of a store: what tables and claims need of every record, in one file that is read in a moment.

It is never the truth. A row counts while the record has the size and the time of writing that the row was made from;
what is missing or changed is read from the record again, and the file can be deleted at any time.
"""

import io
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple, Self, final

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json

from metastructure.study.record import Evaluation, NoiseSummary, RunRecord
from metastructure.study.record_json import DamagedRecord, parse_record
from metastructure.study.spec import RunSpec
from metastructure.study.store_files import Entry, StoreError, StoreFiles

FILE = "index.npz"
FORMAT = 1

WORTH_WRITING = 100
"""The file is written once so many records had to be read; a smaller store has none."""

Counts = npt.NDArray[np.int64]


class Row(NamedTuple):
    """What is kept of a record.

    Attributes
    ----------
    entry : Entry
        Of the file that it was made from.
    facts : dict or None
        None if the record is damaged.
    counts, counts_at_half : (N, C, C), or None
        Of the test split.
    """

    entry: Entry
    facts: dict[str, Any] | None = None
    counts: Counts | None = None
    counts_at_half: Counts | None = None


@final
class Index:
    """Rows by the identity of their run."""

    def __init__(self, rows: dict[str, Row]) -> None:
        self.rows = rows

    @classmethod
    def open(cls, files: StoreFiles, entries: dict[str, Entry]) -> Self:
        """Return an index of exactly the records that a listing shows, by identity.

        The file is written again where that saves time the next time and the store can be written.

        Raises
        ------
        RunError
            If a newer version of this package wrote a record.
        """
        known = _load(files) if len(entries) >= WORTH_WRITING else {}
        rows = {identity: known[identity] for identity, entry in entries.items() if _is_fresh(known, identity, entry)}
        fresh = len(rows)
        rows |= _read(files, {identity: entry for identity, entry in entries.items() if identity not in rows})
        if len(rows) - fresh >= WORTH_WRITING:
            with suppress(OSError, StoreError):
                files.write(FILE, _pack(rows))
        return cls(rows)

    def is_damaged(self, identity: str) -> bool:
        """Return whether a record is there but cannot be read."""
        return self.rows[identity].facts is None

    def result(self, run: RunSpec) -> RunRecord:
        """Return the part of a record that is kept, see `metastructure.study.store.Store.load_results`."""
        row = self.rows[run.identity]
        facts = row.facts or {}
        return RunRecord.model_construct(
            spec=run,
            identity=run.identity,
            data_fingerprint=facts["data_fingerprint"],
            num_classes=facts["num_classes"],
            threshold=facts["threshold"],
            noise=NoiseSummary.model_construct(changed_rate=facts["changed_rate"], ignored_rate=facts["ignored_rate"]),
            test=Evaluation.model_construct(
                ids=facts["ids"], auc=facts["auc"], tables=row.counts, tables_at_half=row.counts_at_half
            ),
        )


def _is_fresh(known: dict[str, Row], identity: str, entry: Entry) -> bool:
    return identity in known and known[identity].entry == entry


def _read(files: StoreFiles, entries: dict[str, Entry]) -> dict[str, Row]:
    names = {f"runs/{identity}/record.json": identity for identity in entries}
    rows = {}
    for name, content in files.read_all(list(names)):
        identity = names[name]
        try:
            record = parse_record(content, f"{files.address.rstrip('/')}/{name}", identity)
        except DamagedRecord:
            rows[identity] = Row(entries[identity])
            continue
        facts = {
            "data_fingerprint": record.data_fingerprint,
            "num_classes": record.num_classes,
            "threshold": record.threshold,
            "changed_rate": record.noise.changed_rate,
            "ignored_rate": record.noise.ignored_rate,
            "auc": record.test.auc,
            "ids": record.test.ids,
        }
        half = None if record.test.tables_at_half is None else record.test.counts(at_half=True)
        rows[identity] = Row(entries[identity], facts, record.test.counts(), half)
    return rows


def _pack(rows: dict[str, Row]) -> bytes:
    """Return the file: the counts of all rows end to end, and as JSON the rest, each list of ids once."""
    ids: dict[tuple[str, ...], int] = {}
    heads: list[list[Any]] = []
    counts: list[Counts] = []
    for identity, row in rows.items():
        facts = None
        if row.facts is not None:
            assert row.counts is not None  # of a record that could be read
            facts = {**row.facts, "ids": ids.setdefault(tuple(row.facts["ids"]), len(ids))}
            counts += [row.counts] if row.counts_at_half is None else [row.counts, row.counts_at_half]
        heads.append([identity, *row.entry, facts, row.counts_at_half is not None])
    head = {"format": FORMAT, "ids": list(ids), "rows": heads}
    flat = np.concatenate([array.ravel() for array in counts]) if counts else np.empty(0, np.int64)
    if flat.size and flat.max() <= np.iinfo(np.int32).max:
        flat = flat.astype(np.int32)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, head=np.frombuffer(json.dumps(head).encode(), np.uint8), counts=flat)
    return file.getvalue()


def _load(files: StoreFiles) -> dict[str, Row]:
    """Return the rows of the file; none if it is missing, damaged or of another format."""
    try:
        with np.load(io.BytesIO(files.read(FILE)), allow_pickle=False) as archive:
            head, flat = from_json(archive["head"].tobytes()), archive["counts"]
        return dict(_unpack(head["rows"], head["ids"], flat)) if head["format"] == FORMAT else {}
    except Exception:  # whatever is wrong with it, the records are there
        return {}


def _unpack(heads: list[list[Any]], ids: list[list[str]], flat: Counts) -> Iterable[tuple[str, Row]]:
    place = 0
    for identity, size, stamp, facts, has_half in heads:
        entry = Entry(size, stamp)
        if facts is None:
            yield identity, Row(entry)
            continue
        facts["ids"] = ids[facts["ids"]]
        N, C = len(facts["ids"]), facts["num_classes"]
        shape, length = (N, C, C), N * C * C
        parts = [flat[at : at + length].reshape(shape) for at in range(place, place + (1 + has_half) * length, length)]
        place += len(parts) * length
        yield identity, Row(entry, facts, parts[0], parts[1] if has_half else None)
