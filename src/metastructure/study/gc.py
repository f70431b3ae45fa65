"""What a store no longer needs: found first, removed on demand; never the record of a run."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metastructure.counts import count
from metastructure.study.lease import find_leases, find_numbers, is_free
from metastructure.study.spec import StudySpec
from metastructure.study.store import DAMAGED, Store

CHECKPOINT = "checkpoint of a finished run"
LEASE = "lease that nobody holds"
TEMPORARY = "temporary file"
RECORD = "damaged record"
UNLISTED = "run that the study no longer has"

_IN_FOLDER = re.compile(r"runs/([^/]+)/(.+)")
_LEASE_FILE = re.compile(r"leases/([0-9a-f]+)\.(\d+)\.json")

TEMPORARY_AGE_S = 3600.0
"""A younger temporary file may be one that is being written."""


@dataclass(frozen=True)
class Litter:
    """A file that can go.

    Attributes
    ----------
    name : str
        In the store.
    kind : str
        Why: one of the texts above.
    size : int
        In bytes.
    """

    name: str
    kind: str
    size: int


def find_litter(study: StudySpec, store: Store, unlisted: bool = False) -> list[Litter]:
    """Return what can go without a loss, by name.

    Checkpoints of finished runs, leases that expired or were given back, temporary files that are an hour old, and
    damaged records, which the next run of the study makes anew. What belongs to a run that a process holds stays.

    Parameters
    ----------
    study : StudySpec
    store : Store
    unlisted : bool
        Also whole folders of runs that are not in this study, records included; another study that shares the store
        may want them.

    Raises
    ------
    RunError
        If a newer version of this package wrote the store or a record.
    """
    scanned = store.scan()
    index = store.index(scanned)
    now = store.files.now()
    held = {
        identity
        for identity, found in find_leases(store.files).items()
        if not is_free(store.files, identity, found, store.expiry_s, now)
    }
    listed = {run.identity for run in study.runs()}
    found = list(_find_leases(store, held, now))
    for name, entry in store.files.list("runs").items():
        match = _IN_FOLDER.fullmatch(name)
        if match is None or match[1] in held:
            continue
        identity, file = match.groups()
        is_known = identity in index.rows
        if unlisted and identity not in listed:
            kind = UNLISTED
        elif file.startswith(".") and _is_old(store, name, now):
            kind = TEMPORARY
        elif file == DAMAGED or (file == "record.json" and is_known and index.is_damaged(identity)):
            kind = RECORD
        elif file == "checkpoint.pt" and is_known and not index.is_damaged(identity):
            kind = CHECKPOINT
        else:
            continue
        found.append(Litter(name, kind, entry.size))
    return sorted(found, key=lambda litter: litter.name)


def remove_litter(store: Store, litter: Sequence[Litter]) -> None:
    """Remove what `find_litter` found, and the folders that it leaves empty.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    for one in litter:
        store.files.remove(one.name)
    for identity in {match[1] for one in litter if (match := _IN_FOLDER.fullmatch(one.name))}:
        store.files.remove_folder_if_empty(f"runs/{identity}")


def _find_leases(store: Store, held: set[str], now: float) -> Iterator[Litter]:
    highest = {identity: numbers[-1] for identity, numbers in find_numbers(store.files).items()}
    for name, entry in store.files.list("leases").items():
        match = _LEASE_FILE.fullmatch(name)
        if match is None:
            if name.rpartition("/")[2].startswith(".") and _is_old(store, name, now):
                yield Litter(name, TEMPORARY, entry.size)
        elif match[1] not in held or int(match[2]) < highest[match[1]]:
            yield Litter(name, LEASE, entry.size)


def _is_old(store: Store, name: str, now: float) -> bool:
    try:
        return now - store.files.written_at(name) > TEMPORARY_AGE_S
    except FileNotFoundError:  # written whole and renamed since it was listed
        return False


def litter_to_text(litter: Sequence[Litter], dry_run: bool) -> str:
    """Return one line for each kind with its number and size, and what was done with it."""
    kinds: dict[str, list[int]] = {}
    for one in litter:
        kinds.setdefault(one.kind, []).append(one.size)
    lines = [f"{len(sizes):6}  {kind} ({sum(sizes) / 2**20:.1f} MiB)" for kind, sizes in sorted(kinds.items())]
    told = f"{count(len(litter), 'file')}, {sum(one.size for one in litter) / 2**20:.1f} MiB"
    lines.append(f"dry run, nothing removed: {told}" if dry_run else f"removed: {told}")
    return "\n".join(lines) + "\n"
