"""Leases: one holder at a time whatever the takers saw, given back, expired, of a process that died, lost."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import fsspec
import pytest

from metastructure.study import lease as lease_module
from metastructure.study.lease import (
    Found,
    Lease,
    describe_self,
    find_leases,
    find_numbers,
    is_free,
    is_gone,
    name_lease,
    read_holder,
    take_lease,
)
from metastructure.study.store_files import LocalFiles, RemoteFiles, StoreFiles, open_files

RUN = "0123456789abcdef"


@pytest.fixture(params=["directory", "memory", "files by fsspec"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFiles:
    """Every kind of store."""
    if request.param == "directory":
        return LocalFiles(tmp_path)
    if request.param == "memory":
        return open_files(f"memory://{tmp_path}")
    return RemoteFiles(fsspec.filesystem("file"), str(tmp_path), f"file://{tmp_path}")


def _write_holder(files: StoreFiles, number: int, **changes: object) -> None:
    content = describe_self().model_copy(update=changes).model_dump_json().encode()
    assert files.create(name_lease(RUN, number), content)


def test_one_holder_at_a_time(files: StoreFiles) -> None:
    first = take_lease(files, RUN)
    assert isinstance(first, Lease)
    assert take_lease(files, RUN) is None
    assert take_lease(files, "ffffffffffffffff") is not None, "of another run"
    assert find_leases(files)[RUN].holder == first.holder
    assert first.holder.process == os.getpid()
    first.release(done=False)
    given_back = find_leases(files)[RUN]
    assert given_back.holder is not None
    assert given_back.holder.given_back
    second = take_lease(files, RUN)
    assert second is not None
    assert second.number == first.number + 1, "a number has one holder ever"
    assert find_numbers(files)[RUN] == [second.number]
    second.release(done=True)
    assert RUN not in find_numbers(files)


def test_of_many_takers_of_a_stale_lease_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # all look before any of them takes: what they act on is out of date for all but one
    files = LocalFiles(tmp_path)
    _write_holder(files, 4, given_back=True)
    num_takers = 8
    barrier = threading.Barrier(num_takers)

    def look_and_wait(*arguments: object) -> bool:
        barrier.wait(timeout=30)
        return True

    monkeypatch.setattr(lease_module, "is_free", look_and_wait)
    won: list[Lease] = []
    threads = [threading.Thread(target=lambda: won.append(take_lease(files, RUN))) for _ in range(num_takers)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [lease for lease in won if lease is not None]
    assert len(winners) == 1
    assert not winners[0].is_lost()
    winners[0].release(done=True)


def test_a_taker_that_looked_long_ago_does_not_win_over_a_live_holder(
    files: StoreFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_holder(files, 0, given_back=True)
    late = find_numbers(files)
    live = take_lease(files, RUN)
    assert live is not None
    monkeypatch.setattr(lease_module, "find_numbers", lambda _: late)
    monkeypatch.setattr(lease_module, "read_holder", lambda *_: describe_self().model_copy(update={"given_back": True}))
    assert take_lease(files, RUN) is None
    monkeypatch.undo()
    assert not live.is_lost()
    live.release(done=True)


def test_a_lease_expires_when_it_is_not_renewed(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    _write_holder(files, 0, place="another host")
    old = time.time() - 100
    os.utime(tmp_path / name_lease(RUN, 0), (old, old))
    assert take_lease(files, RUN, expiry_s=101) is None
    taken = take_lease(files, RUN, expiry_s=99)
    assert taken is not None
    taken.release(done=True)


def test_ages_do_not_depend_on_the_clock_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = LocalFiles(tmp_path)
    _write_holder(files, 0, place="another host")
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert take_lease(files, RUN, expiry_s=60) is None


def test_the_thread_renews(files: StoreFiles) -> None:
    lease = take_lease(files, RUN, expiry_s=0.3)
    assert lease is not None
    before, until = files.written_at(name_lease(RUN, 0)), time.monotonic() + 30
    while not files.written_at(name_lease(RUN, 0)) > before:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert read_holder(files, RUN, 0) == lease.holder
    lease.release(done=False)
    assert not lease._thread.is_alive()


def test_a_holder_notices_that_its_lease_was_taken(files: StoreFiles) -> None:
    lease = take_lease(files, RUN, expiry_s=3600)
    assert lease is not None
    assert not lease.is_lost()
    _write_holder(files, 1)
    assert lease.is_lost()
    lease.release(done=False)
    taken = read_holder(files, RUN, 1)
    assert taken is not None
    assert not taken.given_back, "what is lost cannot be given back"


def test_a_holder_notices_that_its_number_went_to_another(files: StoreFiles) -> None:
    # it expired, `study gc` removed its file, and the next taker began at 0 again
    late = take_lease(files, RUN, expiry_s=3600)
    assert late is not None
    files.remove(name_lease(RUN, 0))
    live = take_lease(files, RUN, expiry_s=3600)
    assert live is not None
    assert live.number == late.number
    assert late.is_lost()
    assert not live.is_lost()
    late.release(done=False)
    assert take_lease(files, RUN) is None, "what is lost cannot be given back"
    live.release(done=True)


def test_the_lease_of_a_process_that_died_is_free_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from metastructure.study.lease import take_lease; "
        "from metastructure.study.store_files import LocalFiles; from pathlib import Path; "
        f"take_lease(LocalFiles(Path(sys.argv[1])), {RUN!r}); print('held', flush=True); sys.stdin.read()"
    )
    files = LocalFiles(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert take_lease(files, RUN) is None
        process.kill()
        taken = None
        for _ in range(200):  # a moment until the system has ended it
            taken = taken or take_lease(files, RUN)
            time.sleep(0 if taken else 0.02)
    assert taken is not None
    taken.release(done=True)


def test_of_other_places_nothing_is_known(tmp_path: Path) -> None:
    me = describe_self()
    assert not is_gone(me)
    assert is_gone(me.model_copy(update={"began": "1"})), "the number of the process was used again"
    assert not is_gone(me.model_copy(update={"began": "1", "place": "another host"}))
    files = LocalFiles(tmp_path)
    _write_holder(files, 0, began="1", place="another host")
    assert not is_free(files, RUN, find_leases(files)[RUN], expiry_s=60)


def test_a_lease_file_that_cannot_be_read_counts_until_it_expires(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.create(name_lease(RUN, 0), b"{")
    assert find_leases(files)[RUN] == Found(0, None)
    assert take_lease(files, RUN) is None
    os.utime(tmp_path / name_lease(RUN, 0), (0, 0))
    taken = take_lease(files, RUN)
    assert taken is not None
    taken.release(done=True)


def test_other_files_among_the_leases_do_not_matter(files: StoreFiles) -> None:
    files.write("leases/notes.txt", b"")
    files.write(f"leases/.{RUN}.000007.json.tmp", b"")
    assert find_numbers(files) == {}
