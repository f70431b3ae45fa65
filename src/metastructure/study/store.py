"""The store of a study: one folder a run, every file written whole or not at all, shared by any number of processes.

``STORE/study.json`` is the spec it was last run with, ``store.json`` the format of the store, ``data.json`` the
fingerprints of its data sets. ``STORE/runs/IDENTITY/`` holds ``checkpoint.pt`` while a run is under way,
``record.json`` and ``samples.npz`` when it is done, and ``failed.txt`` what went wrong if its last try failed. A run is
done when its record exists, and a record is never overwritten. ``STORE/leases/`` says who does what
(`metastructure.study.lease`); ``index.npz`` is made from the records and can be deleted (`metastructure.study.index`).
"""

import io
import json
import re
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt

from metastructure.data.files import atomic_path
from metastructure.errors import DataError, RunError
from metastructure.study.index import Index
from metastructure.study.lease import EXPIRY_S, Lease, take_lease
from metastructure.study.record import RunRecord
from metastructure.study.record_json import DamagedRecord, parse_record
from metastructure.study.spec import RunSpec, StudySpec
from metastructure.study.store_files import Entry, LocalFiles, StoreError, open_files, scratch_folder

Samples = dict[str, npt.NDArray[np.generic]]

FORMAT = 1
"""Of the store; raised when an older version of this package would misread or spoil it."""

DAMAGED = "record.damaged.json"
"""What a damaged record is called once the run is done again."""

_RUN_FILE = re.compile(r"runs/([^/]+)/([^/]+)")


class RunFiles(NamedTuple):
    """What a store holds of one run: None for what is not there."""

    record: Entry | None = None
    checkpoint: Entry | None = None
    failed: Entry | None = None


@final
class Store:
    """Records of runs below one directory or address.

    Parameters
    ----------
    root : Path or str
        A directory, made when something is first written, or an address that fsspec knows, such as
        ``s3://bucket/study``.
    expiry_s : float
        A process that has not renewed its lease on a run for so long loses it.

    Attributes
    ----------
    root : Path
        The directory; of a store elsewhere, where this machine keeps its checkpoints and data sets meanwhile.
    address : str
        What people call the store.
    """

    def __init__(self, root: Path | str, expiry_s: float = EXPIRY_S) -> None:
        self.files = open_files(root)
        self.address, self.expiry_s = self.files.address, expiry_s
        self.root = self.files.root if isinstance(self.files, LocalFiles) else scratch_folder(self.address)
        self._leases: dict[str, Lease] = {}
        self._is_checked = False

    def __reduce__(self) -> tuple[type["Store"], tuple[str, float]]:
        """Return how another process opens the same store; leases stay here."""
        where = str(self.root.absolute()) if isinstance(self.files, LocalFiles) else self.address
        return Store, (where, self.expiry_s)

    def folder(self, run: RunSpec) -> Path:
        """Return the run's own folder on this machine."""
        return self.root / "runs" / run.identity

    def checkpoint(self, run: RunSpec) -> Path:
        """Return where the run keeps its state while it trains, on this machine."""
        return self.folder(run) / "checkpoint.pt"

    def is_done(self, run: RunSpec) -> bool:
        """Return whether the run has a record."""
        return self.files.exists(_name(run, "record.json"))

    def failure(self, run: RunSpec) -> str | None:
        """Return what went wrong in the last try of the run, or None if it did not fail."""
        try:
            text = self.files.read(_name(run, "failed.txt")).decode(errors="replace")
        except FileNotFoundError:
            return None
        return text.removeprefix(f"{run.title}: ")

    def note_failure(self, run: RunSpec, error: RunError) -> None:
        """Keep what went wrong, until somebody holds the run again."""
        self.files.write(_name(run, "failed.txt"), str(error).encode())

    def _forget_failure(self, run: RunSpec) -> None:
        self.files.remove(_name(run, "failed.txt"))

    def scan(self) -> dict[str, RunFiles]:
        """Return what is there of every run, by identity, from one listing.

        Raises
        ------
        RunError
            If a newer version of this package wrote the store.
        """
        self.check_format()
        parts = {"record.json": "record", "checkpoint.pt": "checkpoint", "failed.txt": "failed"}
        found: dict[str, dict[str, Entry]] = {}
        for name, entry in self.files.list("runs").items():
            match = _RUN_FILE.fullmatch(name)
            if match:
                kept = found.setdefault(match[1], {})
                if match[2] in parts:
                    kept[parts[match[2]]] = entry
        return {identity: RunFiles(**kept) for identity, kept in found.items()}

    def load(self, run: RunSpec) -> RunRecord:
        """Return the record of a finished run.

        Raises
        ------
        RunError
            If it is missing, damaged, or was written by another version.
        """
        path = self._path(_name(run, "record.json"))
        try:
            record = parse_record(self.files.read(_name(run, "record.json")), path, run.identity)
        except FileNotFoundError:
            raise RunError(f"{path}: {run.title} has not run yet.") from None
        return record.model_copy(update={"spec": run})  # another study may call the same recipe otherwise

    def load_done(self, study: StudySpec, skip_damaged: bool = False) -> list[RunRecord]:
        """Return the records of all finished runs of a study, in its order.

        Parameters
        ----------
        study : StudySpec
        skip_damaged : bool
            Leave out records that cannot be read instead of raising.

        Raises
        ------
        RunError
            If a record is damaged, or two records saw different content under one data set's name.
        """
        self.check_format()
        records = []
        for run in study.runs():
            try:
                if self.is_done(run):
                    records.append(self.load(run))
            except DamagedRecord:
                if not skip_damaged:
                    raise
        self._check_same_data(records)
        return records

    def load_results(self, study: StudySpec) -> list[RunRecord]:
        """Return what tables and claims need of the same records: quick where there are thousands.

        The records have `spec`, `identity`, `data_fingerprint`, `num_classes`, `threshold`, the rates of `noise` and
        all of `test`; other attributes are not there.

        Raises
        ------
        RunError
            As `load_done`.
        """
        index = self.index()
        runs = [run for run in study.runs() if run.identity in index.rows]
        for run in runs:
            if index.is_damaged(run.identity):
                self.load(run)  # which says what is wrong
        records = [index.result(run) for run in runs]
        self._check_same_data(records)
        return records

    def index(self, scanned: dict[str, RunFiles] | None = None) -> Index:
        """Return the index of all records, brought up to date with a listing."""
        entries = {
            identity: files.record
            for identity, files in (self.scan() if scanned is None else scanned).items()
            if files.record is not None
        }
        return Index.open(self.files, entries)

    def _check_same_data(self, records: Iterable[RunRecord]) -> None:
        seen: dict[str, str] = {}
        for record in records:
            if seen.setdefault(record.spec.data_name, record.data_fingerprint) != record.data_fingerprint:
                raise RunError(
                    f"{self.address}: runs of the data set {record.spec.data_name!r} saw different files; "
                    "delete the store, or the runs of the old files."
                )

    @contextmanager
    def hold(self, run: RunSpec) -> Iterator[Lease | None]:
        """Give the lease on a run while inside, or None where another process has it.

        With the lease in hand the failure of an earlier try is forgotten, and a damaged record is set aside with a
        warning, so that the run is done again. After the first look inside ask `is_done`: the other process may have
        ended in between.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        lease = take_lease(self.files, run.identity, self.expiry_s)
        if lease is None:
            yield None
            return
        carrier = None if isinstance(self.files, LocalFiles) else _Carrier(self, run, lease)
        self._leases[run.identity] = lease
        try:
            self._forget_failure(run)
            if carrier is not None:
                carrier.start()
            self._set_damaged_aside(run)
            yield lease
        finally:
            del self._leases[run.identity]
            done = False
            with suppress(OSError, StoreError):
                done = self.is_done(run)
                if carrier is not None:
                    carrier.stop(upload=not done)
            lease.release(done)

    def _set_damaged_aside(self, run: RunSpec) -> None:
        name = _name(run, "record.json")
        if not self.is_done(run):
            return
        content = self.files.read(name)
        try:
            parse_record(content, self._path(name), run.identity)
        except DamagedRecord:
            self.files.write(_name(run, DAMAGED), content)
            self.files.remove(name)
            warnings.warn(
                f"{self._path(name)}: this record is damaged; it is kept as {DAMAGED}, and the run is done again.",
                stacklevel=2,
            )

    def save(self, record: RunRecord, samples: Samples) -> None:
        """Write the samples, then the record, and remove the checkpoint that is no longer needed.

        A record that is there already stays as it is. Where another process has taken the run over, for this one did
        not renew its lease in time, nothing is written: the other's record will count, and a warning says so.

        Raises
        ------
        StoreError
            If the store cannot be written; the checkpoint stays.
        """
        run = record.spec
        lease = self._leases.get(run.identity)
        if lease is not None and lease.is_lost():
            warnings.warn(
                f"{self.address}: another process took over {run.title}, because this one did not renew its lease for "
                f"{self.expiry_s:g} s; the result from here is dropped.",
                stacklevel=2,
            )
            return
        archive = io.BytesIO()
        np.savez_compressed(archive, allow_pickle=False, **samples)
        if not self.is_done(run):
            self.files.write(_name(run, "samples.npz"), archive.getvalue())
        self.files.create(_name(run, "record.json"), record.model_dump_json(indent=None).encode())
        self.files.remove(_name(run, "checkpoint.pt"))
        self.checkpoint(run).unlink(missing_ok=True)
        self._forget_failure(run)

    def load_samples(self, run: RunSpec) -> Samples:
        """Return the sample images of a finished run; empty if they were not kept."""
        try:
            content = self.files.read(_name(run, "samples.npz"))
        except FileNotFoundError:
            return {}
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def claim_data(self, name: str, fingerprint: str) -> None:
        """Remember what a data set held when it was first used, so that no table mixes two versions of it.

        Raises
        ------
        DataError
            If earlier runs of this store saw other content under this name.
        """
        try:
            known: dict[str, str] = json.loads(self.files.read("data.json"))
        except FileNotFoundError:
            known = {}
        if known.get(name) == fingerprint:
            return
        if known.setdefault(name, fingerprint) != fingerprint:
            raise DataError(
                f"{self.address}: the data set {name!r} changed since earlier runs of this study; "
                "give the study a new name, or delete its store."
            )
        self.files.write("data.json", json.dumps(known, indent=1).encode())

    def save_study(self, study: StudySpec) -> None:
        """Write the spec, for whoever finds the directory, and the format of the store."""
        self.check_format()
        self.files.create("store.json", json.dumps({"format": FORMAT}).encode())
        self.files.write("study.json", study.model_dump_json(indent=1).encode())

    def check_format(self) -> None:
        """Raise RunError if a newer version of this package wrote the store."""
        if self._is_checked:
            return
        try:
            found = json.loads(self.files.read("store.json"))["format"]
        except FileNotFoundError:
            found = FORMAT  # written before there was such a file
        except (ValueError, KeyError, TypeError):
            raise RunError(
                f"{self._path('store.json')}: this file is damaged; write {json.dumps({'format': FORMAT})} into it if "
                "the store is of this version."
            ) from None
        if found > FORMAT:
            raise RunError(
                f"{self.address}: this store was written by a newer version of metastructure (format {found}, this one "
                f"knows {FORMAT}); update metastructure, or name another store."
            )
        self._is_checked = True

    def _path(self, name: str) -> str:
        return f"{self.address.rstrip('/')}/{name}"


@final
class _Carrier:
    """Keeps the checkpoint of a run of a remote store in step with the file that the training writes here."""

    def __init__(self, store: Store, run: RunSpec, lease: Lease) -> None:
        self.lease = lease
        self.files, self.name, self.path = store.files, _name(run, "checkpoint.pt"), store.checkpoint(run)
        self.carried: int | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Download, then upload now and then in a thread of its own: a lease is renewed however long that takes."""
        self.download()
        self._thread = threading.Thread(target=self._upload_until_over, daemon=True)
        self._thread.start()

    def stop(self, upload: bool) -> None:
        """Stop; upload what was written last, unless the lease is lost."""
        self._over.set()
        if self._thread is None:
            return
        self._thread.join()
        if upload and not self.lease.is_lost():
            self.upload()

    def _upload_until_over(self) -> None:
        while not self._over.wait(self.lease.interval_s):
            with suppress(OSError, StoreError):
                if self.lease.is_lost():
                    return
                self.upload()

    def download(self) -> None:
        """Put the store's checkpoint here; remove what an earlier try left if the store has none."""
        try:
            content = self.files.read(self.name)
        except FileNotFoundError:
            self.path.unlink(missing_ok=True)
            return
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(content)
        self.carried = self.path.stat().st_mtime_ns

    def upload(self) -> None:
        """Put the checkpoint in the store if it was written since."""
        with suppress(FileNotFoundError):
            written = self.path.stat().st_mtime_ns
            if written != self.carried:
                self.files.write(self.name, self.path.read_bytes())
                self.carried = written


def _name(run: RunSpec, file: str) -> str:
    return f"runs/{run.identity}/{file}"
