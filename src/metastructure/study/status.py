"""How far a study is: each of its runs in one state, from one listing of the store."""

from dataclasses import dataclass

from metastructure.study.lease import Holder, find_leases, is_free
from metastructure.study.spec import RunSpec, StudySpec
from metastructure.study.store import RunFiles, Store


@dataclass(frozen=True)
class Status:
    """How far a study is: each of its runs in one of these.

    Attributes
    ----------
    done, failed, missing : runs
        With a record; without one, failed when last tried; not begun.
    started : runs
        Interrupted; they go on from their checkpoint.
    running : runs
        Those that a process is at work on, with that process.
    damaged : runs
        Their record cannot be read.
    """

    done: tuple[RunSpec, ...]
    failed: tuple[RunSpec, ...]
    started: tuple[RunSpec, ...]
    missing: tuple[RunSpec, ...]
    running: tuple[tuple[RunSpec, Holder | None], ...] = ()
    damaged: tuple[RunSpec, ...] = ()


def get_status(study: StudySpec, store: Store) -> Status:
    """Return which runs are done, running, failed when last tried, can go on, are not begun, or have a damaged record.

    Parameters
    ----------
    study : StudySpec
        Whose runs are asked about; others in the store are passed over.
    store : Store
        Its files are listed once; records are read only where the index does not know them yet.

    Returns
    -------
    Status
        Each run of the study in one field, in the order of ``study.runs()``.

    Raises
    ------
    RunError
        If a newer version of this package wrote the store or a record.

    Examples
    --------
    Of a store that does not exist yet:

    >>> from metastructure.study.spec import load_study
    >>> import tempfile
    >>> from pathlib import Path
    >>> text = "{name: small, data: {nuc: {folder: nuc}}, noises: [clean, 'flip:0.3'], networks: [unet], seeds: [0]}"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "study.yaml")
    ...     _ = path.write_text(text)
    ...     status = get_status(load_study(path), Store(Path(folder, "runs")))
    >>> len(status.done), [run.noise for run in status.missing]
    (0, ['clean', 'flip:0.3'])
    """
    scanned = store.scan()
    index = store.index(scanned)
    leases = find_leases(store.files)
    now = store.files.now() if leases else None
    done: list[RunSpec] = []
    damaged: list[RunSpec] = []
    failed, started, missing, running = [], [], [], []
    for run in study.runs():
        identity = run.identity
        there = scanned.get(identity, RunFiles())
        lease = leases.get(identity)
        if identity in index.rows:
            (damaged if index.is_damaged(identity) else done).append(run)
        elif there.failed is not None:  # noted since the lease was taken, if there is one: its holder is dead or dying
            failed.append(run)
        elif lease is not None and not is_free(store.files, identity, lease, store.expiry_s, now):
            running.append((run, lease.holder))
        elif there.checkpoint is not None:
            started.append(run)
        else:
            missing.append(run)
    return Status(
        done=tuple(done),
        failed=tuple(failed),
        started=tuple(started),
        missing=tuple(missing),
        running=tuple(running),
        damaged=tuple(damaged),
    )
