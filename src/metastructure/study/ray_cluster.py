"""Getting hold of a Ray cluster, and whether it has what a study asks for.

Without an address a cluster of this machine alone is started; it listens on 127.0.0.1 only, as Ray asks nobody who they
are, and sends no usage statistics.
"""

import logging
import os
import shutil
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from metastructure.data.formats.extra import import_extra
from metastructure.errors import ConfigError, RunError
from metastructure.study.spec import Resources

CONNECT_S = 5.0
"""How long an address may take to answer; Ray itself would wait for minutes."""

ASK_S = 15.0
"""How long whatever answers may take to prove that it is Ray."""

MOST_STORE_BYTES = 8 * 2**30
LEAST_STORE_BYTES = 80 * 2**20
"""Of the object store of a local cluster; the lower one is Ray's own least."""

SHARED_MEMORY = Path("/dev/shm")


def import_ray() -> Any:
    """Return the package, or raise MetastructureError with the extra that brings it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    return import_extra("ray", "the ray engine")


def connect(address: str | None) -> bool:
    """Connect this process to a cluster; return whether it was not connected before, so that it may disconnect.

    Parameters
    ----------
    address : str or None
        ``auto`` for the cluster of this machine, ``host:port``, ``ray://host:port``, or None to start one here. A
        process that is connected already stays with its cluster.

    Raises
    ------
    ConfigError
        If it is no address.
    RunError
        If nothing answers there.
    """
    if address not in (None, "auto") and _split(address) is None:
        raise ConfigError(f"a Ray address is auto, host:port or ray://host:port; got {address!r}.")
    if address is None:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Ray's switch for 127.0.0.1; read at import
    ray = import_ray()
    if ray.is_initialized():
        return False
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"address": "local", "include_dashboard": False, "object_store_memory": _store_bytes()}
    else:
        _check_answers(address)
        options |= {"address": address}
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises many kinds, bare Exception among them
        what = (
            "Ray did not start on this machine" if address is None else f"no Ray cluster could be joined at {address}"
        )
        raise RunError(f"{what}: {first_line(error)}") from error
    return True


def check_offers(resources: Resources) -> None:
    """Raise ConfigError if no node of the cluster has what a run asks for."""
    nodes = [node["Resources"] for node in import_ray().nodes() if node["Alive"]]
    asked = {"CPU": float(resources.cpus), "GPU": resources.gpus}
    if any(all(node.get(name, 0) >= amount for name, amount in asked.items()) for node in nodes):
        return
    if resources.gpus and not any(node.get("GPU", 0) for node in nodes):
        raise ConfigError(
            f"the study asks for {_say(asked)} a run (resources), but the cluster has no GPU; "
            "leave gpus out, or add a node that has one."
        )
    raise ConfigError(
        f"the study asks for {_say(asked)} a run (resources), which no node of the cluster has; "
        f"its nodes have {'; '.join(sorted({_say(node) for node in nodes}))}."
    )


def count_slots(resources: Resources) -> int:
    """Return how many runs the cluster has room for at once, now that nodes may have come or gone."""
    total: Mapping[str, float] = import_ray().cluster_resources()
    slots = total.get("CPU", 0) // resources.cpus
    if resources.gpus:
        slots = min(slots, total.get("GPU", 0) // resources.gpus)
    return max(1, int(slots))


def _split(address: str) -> tuple[str, int] | None:
    """Return host and port, or None if it has no such parts."""
    scheme, _, rest = address.rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    plain = parts.netloc == rest and scheme in ("", "ray")
    return (host, port) if plain and host and port else None


def _check_answers(address: str) -> None:
    """Raise RunError unless a Ray cluster answers there soon."""
    found: str | None = None if address == "auto" else address
    if not address.startswith("ray://"):
        services = import_extra("ray._private.services", "the ray engine", "ray")
        with suppress(ConnectionError):  # of auto where there is none
            found = services.canonicalize_bootstrap_address(address)  # as Ray does: its own address for 127.0.0.1
    if found is None:
        raise RunError(
            "no Ray cluster runs on this machine; start one with 'ray start --head', give its --address, "
            "or leave --address out."
        )
    where = address if found == address else f"{address} ({found})"
    parts = _split(found)
    assert parts is not None
    try:
        socket.create_connection(parts, timeout=CONNECT_S).close()
    except OSError as error:
        raise RunError(f"no Ray cluster answers at {where}: {error.strerror or error}.") from None
    if not found.startswith("ray://") and not _is_ray(found):
        raise RunError(f"what answers at {where} is no Ray cluster; give the port of its head, 6379 unless it was set.")


def _is_ray(address: str) -> bool:
    """Return whether the head of a cluster answers; a thread asks, since Ray itself would go on for minutes."""
    client = import_extra("ray._raylet", "the ray engine", "ray").GcsClient
    answers: list[object] = []

    def ask() -> None:
        with suppress(Exception):  # of many kinds, long after everybody has gone home
            answers.append(client(address=address))

    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    asker.join(timeout=ASK_S)
    return bool(answers)


def _store_bytes() -> int:
    """Return a size for the object store that the shared memory of this machine has room for."""
    free = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else MOST_STORE_BYTES
    return max(LEAST_STORE_BYTES, min(MOST_STORE_BYTES, int(0.8 * free)))


def _say(resources: Mapping[str, float]) -> str:
    """Return the CPUs and GPUs of a node, or of a run, as people say it."""
    return ", ".join(f"{resources[name]:g} {name}" for name in ("CPU", "GPU") if resources.get(name)) or "neither"


def first_line(error: Exception) -> str:
    """Return what an error says first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
