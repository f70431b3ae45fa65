"""Leases: who does a run, so that processes on one store share the work instead of doubling it.

A lease is the file ``leases/IDENTITY.NUMBER.json``, made by a create that only one process can win, with host, process
and a random holder. Of several numbers the highest counts. The holder renews its file every few seconds; whoever finds
the highest one expired, given back, or of a process that is gone, creates the next number. A number is used for a
second holder only where all files of the run were removed (`metastructure.study.gc`), and a file is written by its own
holder only, so of two takers one wins, whatever either saw before.

Ages are taken between two files by the clock of the file system, so clocks of machines need not agree. A lease saves
work; that no record is ever overwritten does not rest on it (`metastructure.study.store.Store.save`).
"""

import datetime
import os
import re
import socket
import threading
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, final

from pydantic import BaseModel, ConfigDict, ValidationError

from metastructure.study.store_files import StoreError, StoreFiles

EXPIRY_S = 120.0
"""A lease that was not renewed for so long is free."""

RENEWALS = 6
"""Within `EXPIRY_S`."""

FOLDER = "leases"
_NAME = re.compile(rf"{FOLDER}/([0-9a-f]+)\.(\d+)\.json")


class Holder(BaseModel):
    """What a lease file says of whoever made it.

    Attributes
    ----------
    holder : str
        Random; another for each lease.
    host, process : str, int
        For people.
    place : str
        Host, boot and process name space; where it is that of the reader, `process` can be looked up.
    began : str
        When the process began, as its system tells it: process numbers are used again.
    since : str
        When the lease was made.
    given_back : bool
        The run was interrupted or failed there, and is free.
    """

    model_config = ConfigDict(frozen=True)

    holder: str
    host: str
    process: int
    place: str
    began: str
    since: str
    given_back: bool = False

    @property
    def title(self) -> str:
        """How people find the process."""
        return f"process {self.process} on {self.host}"


class Found(NamedTuple):
    """The lease that counts for a run.

    Attributes
    ----------
    number : int
    holder : Holder or None
        None if the file cannot be read.
    """

    number: int
    holder: Holder | None


@final
class Lease:
    """A lease that this process holds, renewed by a thread of its own until `release`.

    Parameters
    ----------
    files : StoreFiles
    identity : str
        Of the run.
    number : int
    holder : Holder
    expiry_s : float
    """

    def __init__(
        self,
        files: StoreFiles,
        identity: str,
        number: int,
        holder: Holder,
        expiry_s: float,
    ) -> None:
        self.files, self.identity, self.number, self.holder = files, identity, number, holder
        self.interval_s = expiry_s / RENEWALS
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_over, name=f"lease {identity}", daemon=True)
        self._thread.start()

    def is_lost(self) -> bool:
        """Return whether another process has taken the run over, as far as the files say now."""
        numbers = find_numbers(self.files).get(self.identity, [])
        if not numbers or numbers[-1] != self.number:
            return True
        found = read_holder(self.files, self.identity, self.number)  # the number may be another's after `study gc`
        return found is not None and found.holder != self.holder.holder

    def release(self, done: bool) -> None:
        """Stop renewing; remove the lease of a run that is done, give back that of one that is not.

        What cannot be written now is left to expire.
        """
        self._over.set()
        self._thread.join()
        with suppress(OSError, StoreError):
            if done:
                remove_leases(self.files, self.identity)
            elif not self.is_lost():
                given_back = self.holder.model_copy(update={"given_back": True})
                self.files.write(name_lease(self.identity, self.number), given_back.model_dump_json().encode())

    def _renew_until_over(self) -> None:
        content = self.holder.model_dump_json().encode()
        while not self._over.wait(self.interval_s):
            with suppress(OSError, StoreError):
                if self.is_lost():
                    return
                self.files.renew(name_lease(self.identity, self.number), content)


def take_lease(files: StoreFiles, identity: str, expiry_s: float = EXPIRY_S) -> Lease | None:
    """Return a lease on a run, or None where another process holds one that is good.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    numbers = find_numbers(files).get(identity, [])
    if numbers:
        found = Found(numbers[-1], read_holder(files, identity, numbers[-1]))
        if not is_free(files, identity, found, expiry_s):
            return None
    number = numbers[-1] + 1 if numbers else 0
    holder = describe_self()
    if not files.create(name_lease(identity, number), holder.model_dump_json().encode()):
        return None
    for old in numbers:
        with suppress(OSError, StoreError):
            files.remove(name_lease(identity, old))
    return Lease(files, identity, number, holder, expiry_s)


def is_free(files: StoreFiles, identity: str, found: Found, expiry_s: float, now: float | None = None) -> bool:
    """Return whether a lease no longer keeps others from its run.

    Parameters
    ----------
    files, identity, found
        The lease.
    expiry_s : float
        Seconds without renewal.
    now : float, optional
        By the clock of the file system; asked for where it is not given and needed.
    """
    if found.holder is not None and (found.holder.given_back or is_gone(found.holder)):
        return True
    try:
        renewed = files.written_at(name_lease(identity, found.number))
    except FileNotFoundError:
        return True  # given up since it was listed; the create of the next number decides
    return (files.now() if now is None else now) - renewed > expiry_s


def find_leases(files: StoreFiles) -> dict[str, Found]:
    """Return the lease that counts of every run that has one, by the run's identity."""
    numbers = find_numbers(files)
    return {identity: Found(each[-1], read_holder(files, identity, each[-1])) for identity, each in numbers.items()}


def find_numbers(files: StoreFiles) -> dict[str, list[int]]:
    """Return the numbers of all leases of every run, ascending."""
    found: dict[str, list[int]] = {}
    for name in files.list(FOLDER):
        match = _NAME.fullmatch(name)
        if match:
            found.setdefault(match[1], []).append(int(match[2]))
    return {identity: sorted(numbers) for identity, numbers in found.items()}


def remove_leases(files: StoreFiles, identity: str, numbers: Iterable[int] | None = None) -> None:
    """Remove leases of a run: all, which is safe once its record is there, or those of some numbers."""
    for number in find_numbers(files).get(identity, []) if numbers is None else numbers:
        files.remove(name_lease(identity, number))


def read_holder(files: StoreFiles, identity: str, number: int) -> Holder | None:
    """Return who made a lease; None if the file is gone or damaged."""
    try:
        return Holder.model_validate_json(files.read(name_lease(identity, number)))
    except (FileNotFoundError, ValidationError):
        return None


def name_lease(identity: str, number: int) -> str:
    """Return the name of a lease in its store."""
    return f"{FOLDER}/{identity}.{number:06d}.json"


def describe_self() -> Holder:
    """Return a new holder of this process."""
    return Holder(
        holder=uuid.uuid4().hex,
        host=socket.gethostname(),
        process=os.getpid(),
        place=_place(),
        began=_began(os.getpid()) or "",
        since=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def is_gone(holder: Holder) -> bool:
    """Return whether the holder's process is known to have ended; never known of another host or container."""
    return bool(holder.began) and holder.place == _place() and _began(holder.process) != holder.began


def _place() -> str:
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _began(process: int) -> str | None:
    """Return when a process of this place began, in ticks since boot; None if it ended, or on systems without /proc."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]  # state and starttime, see proc(5)
