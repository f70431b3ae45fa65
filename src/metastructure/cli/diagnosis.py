"""Whether this installation works, what it can use here, and what a folder of data is good for."""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shlex
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from metastructure._version import __version__
from metastructure.counts import count

NAME = "metastructure"
STORES = "runs"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FEW_BYTES = 2 * 2**30
"""A study with its data, checkpoints and page stays well below it."""


class Device(BaseModel):
    """What networks can run on; memory in bytes, None where it cannot be known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    name: str
    memory: int | None


class Extra(BaseModel):
    """An optional extra: its packages with their versions, None for one that is missing, and how to get it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packages: dict[str, str | None]
    install: str


class DataFolder(BaseModel):
    """What a folder holds and what to do with it; no commands where it cannot be used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    finding: str
    commands: list[str]


class Diagnosis(BaseModel):
    """All that `diagnose` found.

    Attributes
    ----------
    packages : dict
        Version of each required package, None for one that is missing.
    stores : str
        Where studies and their data go unless told otherwise, below the current folder.
    problems : list of str
        What makes the package, or the folder asked about, unusable.
    notes : list of str
        What is worth knowing, and stops nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    where: str
    python: str
    system: str
    packages: dict[str, str | None]
    extras: dict[str, Extra]
    threads: int
    devices: list[Device]
    stores: str
    is_writable: bool
    free_bytes: int
    chromium: str | None
    napari: bool
    data: DataFolder | None
    problems: list[str]
    notes: list[str]


def diagnose(data: Path | None = None) -> Diagnosis:
    """Return the state of this installation in the current folder, and of a folder of data if one is given."""
    required, extras = read_requirements(importlib.metadata.requires(NAME) or [])
    packages = {name: _version_of(name) for name in required}
    problems = [
        f"{name} is missing; install it with: pip install {name}" for name, found in packages.items() if found is None
    ]
    devices, reason = find_devices()
    problems += [reason] if reason else []
    folder = None if data is None else look_at_folder(data)
    problems += [folder.finding] if folder and not folder.commands else []
    here = Path.cwd()
    is_writable, free = os.access(here, os.W_OK | os.X_OK), shutil.disk_usage(here).free
    notes = []
    if not is_writable:
        notes.append(f"{here}: this folder cannot be written; change to another, or give commands --out and --store")
    if free < FEW_BYTES:
        notes.append(f"{here}: only {_size(free)} are free; studies keep data and checkpoints")
    if devices and all(device.kind == "cpu" for device in devices):
        notes.append("no GPU: networks train on the CPU, small ones in minutes, the published ones in hours or days")
    return Diagnosis(
        version=__version__,
        where=str(Path(__file__).parents[1]),
        python=platform.python_version(),
        system=platform.platform(terse=True),
        packages=packages,
        extras=extras,
        threads=_count_threads(),
        devices=devices,
        stores=str(here / STORES),
        is_writable=is_writable,
        free_bytes=free,
        chromium=next((path for name in CHROMIUMS if (path := shutil.which(name))), None),
        napari=importlib.util.find_spec("napari") is not None,
        data=folder,
        problems=problems,
        notes=notes,
    )


def read_requirements(requirements: list[str]) -> tuple[list[str], dict[str, Extra]]:
    """Return the names of required packages, and the extras, from the lines of a package's metadata.

    Examples
    --------
    >>> names, extras = read_requirements(["numpy>=2.0", "no-such-thing>=1; extra == 'far'"])
    >>> names, extras["far"].packages, extras["far"].install
    (['numpy'], {'no-such-thing': None}, "pip install 'metastructure[far]'")
    """
    required: list[str] = []
    of_extras: dict[str, dict[str, str | None]] = {}
    for line in requirements:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        extra = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", line)
        if extra is None:
            required.append(name)
        else:
            of_extras.setdefault(extra.group(1), {})[name] = _version_of(name)
    install = f"pip install '{NAME}[{{}}]'"
    return required, {
        extra: Extra(packages=packages, install=install.format(extra)) for extra, packages in of_extras.items()
    }


def find_devices() -> tuple[list[Device], str]:
    """Return what torch can compute on, best first, and why torch cannot be used, if it cannot."""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        return [], f"torch cannot be imported: {str(error).splitlines()[0]}; install it as pytorch.org says"
    devices = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            found = torch.cuda.get_device_properties(index)
            devices.append(Device(kind="cuda", name=found.name, memory=found.total_memory))
    if torch.backends.mps.is_available():
        devices.append(Device(kind="mps", name="Apple GPU (not used by metastructure)", memory=None))
    name = platform.processor() or platform.machine()
    return [*devices, Device(kind="cpu", name=name, memory=_memory())], ""


def look_at_folder(folder: Path) -> DataFolder:
    """Return what a folder of data is good for, in words and commands; all its labels are read."""
    from metastructure.data.label_set import scan_labels
    from metastructure.data.masks import MasksError
    from metastructure.data.summary import summarise_folder
    from metastructure.errors import DataError
    from metastructure.training.paths import find_images

    def say(finding: str, *commands: str) -> DataFolder:
        return DataFolder(folder=str(folder), finding=finding, commands=list(commands))

    path = shlex.quote(str(folder))
    if not folder.is_dir():
        return say(f"{folder}: no such folder; name one that holds images, labels, or both.")
    if (folder / "train").is_dir():
        summary = summarise_folder(folder)
        if "train" in summary.splits:
            missing = "; study needs train, val and test without problems" if summary.problems else ""
            commands = [f"metastructure train {path} -o model.pt", f"metastructure audit {path} -o audited"]
            return say(f"{summary.as_text()}\na data set to train on{missing}", *commands)
        return say(f"{folder}: nothing to train on: {summary.problems[0]}")
    try:
        labels = scan_labels(folder)
    except DataError as error:
        try:
            images = find_images(folder)
        except DataError:
            return say(f"{folder}: neither images nor labels; put PNG, JPEG or TIFF files here.")
        if isinstance(error, MasksError) or ((folder / "labels").is_dir() and (folder / "images").is_dir()):
            return say(f"{folder}: the labels cannot be used: {error}")
        return say(
            f"{folder}: {count(len(images), 'image')}; as labels they cannot be used: {error}",
            f"metastructure segment {path} segmented",
        )
    what = f"{count(len(labels.entries), 'label')} of {labels.count_classes()} classes"
    if labels.folder != folder:
        return say(
            f"{folder}: images and {what}", f"metastructure audit {path} -o audited", f"metastructure measure {path}"
        )
    return say(
        f"{folder}: {what}",
        f"metastructure measure {path}",
        f"metastructure audit {path} -o audited",
        f"metastructure corrupt {path} noisy --noise flip:0.3",
    )


def to_text(found: Diagnosis) -> str:
    """Return a diagnosis in lines for people."""
    missing = [name for name, version in found.packages.items() if version is None]
    told = [f"{name} {found.packages[name]}" for name in ("torch", "numpy") if found.packages.get(name)]
    rows = [
        ("metastructure", f"{found.version} at {found.where}"),
        ("Python", f"{found.python}, {found.system}"),
        ("packages", ", ".join(told) + (f"; missing: {', '.join(missing)}" if missing else "; none missing")),
    ]
    for name, extra in found.extras.items():
        absent = [package for package, version in extra.packages.items() if version is None]
        rows.append((f"[{name}]", "present" if not absent else f"{', '.join(absent)} missing: {extra.install}"))
    rows.append(("threads", str(found.threads)))
    rows += [(device.kind, f"{device.name}{_memory_text(device.memory)}") for device in found.devices]
    rows.append(("stores", f"{found.stores}, {'writable' if found.is_writable else 'NOT writable'}"))
    rows.append(("free disk", _size(found.free_bytes)))
    rows.append(("chromium", found.chromium or "not found; only the tests of report pages need it"))
    rows.append(("napari", "present" if found.napari else "not found"))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name.ljust(width)}  {text}" for name, text in rows]
    if found.data is not None and found.data.commands:
        lines += ["", found.data.finding]
        lines += [f"  {command}" for command in found.data.commands]
    lines += [f"note: {note}" for note in found.notes]
    lines += [f"problem: {problem}" for problem in found.problems] or ["all that metastructure needs is here."]
    return "\n".join(lines)


def _version_of(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _count_threads() -> int:
    from metastructure.training.settings import Machine

    return Machine().num_threads


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # neither on Windows
        return None


def _memory_text(memory: int | None) -> str:
    return "" if memory is None else f", {_size(memory)}"


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.1f} GiB"
