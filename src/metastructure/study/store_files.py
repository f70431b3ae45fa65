"""The files of a store, in a local directory or anywhere that fsspec reaches: read, written whole, created once.

Names are relative to the store, with ``/``. A failure to write is a StoreError in one sentence; what was there stays.
"""

import errno
import os
import re
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

from metastructure.data.files import atomic_path
from metastructure.errors import ConfigError, MetastructureError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped, unused-ignore]

HINTS = {
    errno.ENOSPC: "free some space and give the same command again",
    errno.EDQUOT: "free some space and give the same command again",
    errno.EROFS: "choose another place with --store",
    errno.EACCES: "choose another place with --store, or change its permissions",
    errno.EPERM: "choose another place with --store, or change its permissions",
}
"""What to do about the errors of a file system that people meet."""


class StoreError(MetastructureError):
    """A store cannot be written. That would stop every run alike, so it is no RunError."""


NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})
"""What file systems without second names say (FAT, some in user space)."""


class Entry(NamedTuple):
    """A file of a listing.

    Attributes
    ----------
    size : int
        In bytes.
    stamp : str
        Another text whenever the content was written again.
    """

    size: int
    stamp: str


class StoreFiles(ABC):
    """The files below one address."""

    address: str

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the content; FileNotFoundError if there is none."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write the content, whole or not at all, over what was there."""

    @abstractmethod
    def create(self, name: str, content: bytes) -> bool:
        """Write the content whole if the file is new; False, with nothing changed, if there is one.

        Of any number of callers at once, in any processes, one gets True.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove the file if there is one."""

    @abstractmethod
    def remove_folder_if_empty(self, name: str) -> None:
        """Remove a folder that holds nothing, where the file system has such."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""

    @abstractmethod
    def list(self, folder: str) -> dict[str, Entry]:
        """Return every file below a folder of the store, hidden ones too, by name."""

    @abstractmethod
    def written_at(self, name: str) -> float:
        """Return when the file was last written, in seconds by the clock of the file system."""

    @abstractmethod
    def renew(self, name: str, content: bytes) -> None:
        """Set the time of a file, whose content is `content`, to now."""

    def now(self) -> float:
        """Return the time by the clock of the file system, which need not be that of this machine.

        Where nothing can be written it is the clock of this machine.
        """
        probe = f"leases/.now-{uuid.uuid4().hex}"
        try:
            self.write(probe, b"")
            return self.written_at(probe)
        except (OSError, StoreError):
            return time.time()
        finally:
            with suppress(OSError, StoreError):
                self.remove(probe)

    def read_all(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield names with their contents; those that are gone are left out."""
        for name in names:
            try:
                yield name, self.read(name)
            except FileNotFoundError:
                continue


def open_files(address: Path | str) -> StoreFiles:
    """Return the files at a path, or at an address such as ``s3://bucket/study`` or ``memory://study``.

    A `Path` may hold an address too: it folds the two slashes into one, which is undone here.

    Raises
    ------
    ConfigError
        If the path is a file, or fsspec does not know the protocol or lacks the package for it.
    """
    found = re.match(r"([a-z][a-z0-9+.-]+)(://|:/(?=[^/]))(.*)", str(address), re.DOTALL)
    if found is None:
        return _open_directory(Path(address))
    protocol, slashes, rest = found.groups()
    if protocol in ("file", "local"):
        return _open_directory(Path(rest if slashes == "://" else f"/{rest}"))
    import fsspec

    try:
        file_system, root = fsspec.core.url_to_fs(f"{protocol}://{rest}", use_listings_cache=False)
    except (ValueError, ImportError) as error:
        raise ConfigError(f"{address}: no store can be opened there: {str(error).rstrip('.')}.") from error
    return RemoteFiles(file_system, str(root), f"{protocol}://{rest}")


def _open_directory(path: Path) -> "LocalFiles":
    if path.is_file():
        raise ConfigError(f"{path}: this is a file; name a folder for the store.")
    return LocalFiles(path)


@final
class LocalFiles(StoreFiles):
    """Files below a directory, on a disk or a network file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = str(root)

    def read(self, name: str) -> bytes:
        """Return the content."""
        return (self.root / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write to a temporary file, which then takes the place of the old one."""
        with self._explained(name), atomic_path(self.root / name) as temporary:
            temporary.write_bytes(content)

    def create(self, name: str, content: bytes) -> bool:
        """Write to a temporary file and give it a second name, which is refused where there is one (NFS too)."""
        path = self.root / name
        with self._explained(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
            try:
                temporary.write_bytes(content)
                os.link(temporary, path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                return _create_in_place(path, content)
            finally:
                temporary.unlink(missing_ok=True)
        return True

    def remove(self, name: str) -> None:
        """Remove the file if there is one."""
        with self._explained(name):
            (self.root / name).unlink(missing_ok=True)

    def remove_folder_if_empty(self, name: str) -> None:
        """Remove the folder; nothing happens if it holds something or is not there."""
        with suppress(OSError):
            (self.root / name).rmdir()

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        return (self.root / name).is_file()

    def list(self, folder: str) -> dict[str, Entry]:
        """Return every file below a folder; what vanishes meanwhile is left out."""
        found: dict[str, Entry] = {}
        try:
            with os.scandir(self.root / folder) as inside:
                entries = sorted(inside, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return found
        for entry in entries:
            name = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                found |= self.list(name)
                continue
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue
            found[name] = Entry(status.st_size, f"{status.st_mtime_ns}")
        return found

    def written_at(self, name: str) -> float:
        """Return the time of the last change."""
        return (self.root / name).stat().st_mtime

    def renew(self, name: str, content: bytes) -> None:
        """Touch the file; FileNotFoundError if it is gone."""
        os.utime(self.root / name)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        with explain_write_errors(str(self.root / name)):
            yield


def _create_in_place(path: Path, content: bytes) -> bool:
    """Create a file under its own name: as exclusive, but for a moment it is there and not whole."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return False
    return True


@final
class RemoteFiles(StoreFiles):
    """Files that fsspec reaches, each written by a single put, after which it is there whole.

    `create` is as exclusive as the file system's ``pipe_file(mode="create")``: on S3 a conditional put.
    """

    def __init__(self, file_system: "AbstractFileSystem", root: str, address: str) -> None:
        self.file_system, self.root, self.address = file_system, root.rstrip("/"), address

    def read(self, name: str) -> bytes:
        """Return the content."""
        return bytes(self.file_system.cat_file(self._path(name)))

    def write(self, name: str, content: bytes) -> None:
        """Put the content."""
        with self._explained(name):
            self._make_parent(name)
            self.file_system.pipe_file(self._path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Put the content on the condition that there is none."""
        with self._explained(name):
            self._make_parent(name)
            try:
                self.file_system.pipe_file(self._path(name), content, mode="create")
            except FileExistsError:
                return False
        return True

    def remove(self, name: str) -> None:
        """Remove the file if there is one."""
        with self._explained(name), suppress(FileNotFoundError):
            self.file_system.rm_file(self._path(name))

    def remove_folder_if_empty(self, name: str) -> None:
        """Do nothing: object stores have no folders, and others refuse in ways of their own."""

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        self.file_system.invalidate_cache()
        return bool(self.file_system.isfile(self._path(name)))

    def list(self, folder: str) -> dict[str, Entry]:
        """Return every file below a folder."""
        self.file_system.invalidate_cache()
        try:
            found: dict[str, dict[str, Any]] = self.file_system.find(self._path(folder), detail=True)
        except FileNotFoundError:
            return {}
        start = len(self.root) + 1
        return {
            path[start:]: Entry(int(info.get("size") or 0), _stamp(info))
            for path, info in sorted(found.items())
            if path
        }

    def written_at(self, name: str) -> float:
        """Return when the file was put."""
        self.file_system.invalidate_cache()
        when: datetime = self.file_system.modified(self._path(name))
        return when.timestamp()

    def renew(self, name: str, content: bytes) -> None:
        """Put the content again."""
        self.write(name, content)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _make_parent(self, name: str) -> None:
        self.file_system.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        with explain_write_errors(f"{self.address.rstrip('/')}/{name}"):
            yield


def _stamp(info: dict[str, Any]) -> str:
    """Return the first of what file systems tell of a file's version."""
    known = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "modified", "updated", "created")
    return next((str(info[key]) for key in known if info.get(key) is not None), "")


@contextmanager
def explain_write_errors(place: str) -> Iterator[None]:
    """Turn an OSError inside into a StoreError that says what can be done; a missing file stays what it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        hint = HINTS.get(error.errno or 0, "choose another place with --store, or mend this one")
        reason = error.strerror or str(error) or type(error).__name__
        raise StoreError(f"{place}: cannot be written ({reason}); {hint}. Finished runs are kept.") from error


def scratch_folder(address: str) -> Path:
    """Return where this machine keeps what belongs to a remote store: data sets, checkpoints under way."""
    import hashlib

    user = os.getuid() if hasattr(os, "getuid") else 0
    digest = hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"metastructure-{user}" / digest
