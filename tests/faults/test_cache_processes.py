"""Caches and processes: one download among fifty, and downloaders, holders and sweepers that die, stop and fork."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rainer.cache import AssetCache, locking
from tests.caching import OwnStore, cache_of, digest, used_before
from tests.faults.cache_tasks import end, finish, line, start
from tests.object_server import ObjectServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults
DATA = os.urandom(300_000)
SHA = digest(DATA)


@pytest.fixture
def server() -> Iterator[ObjectServer]:
    with ObjectServer() as server:
        server.put("data.bin", DATA)
        yield server


def test_fifty_processes_make_one_request_for_a_cold_file(server: ObjectServer, tmp_path: Path) -> None:
    server.hold(after=1000)
    herd = start("herd", root=tmp_path / "c", url=server.url("data.bin"), sha256=SHA, size=len(DATA), processes=50)
    pids = line(herd)
    turn = str(tmp_path / "c" / "tmp" / f"{SHA}.0")
    wait_until(lambda: all(_has_open(pid, turn) for pid in pids), 60, "all to have come")
    server.go_on.set()
    paths, codes = finish(herd, 100)
    assert codes == [0] * 50
    assert len(paths) == 50
    assert len(set(paths)) == 1
    assert Path(paths[0]).read_bytes() == DATA
    assert server.gets("data.bin") == 1
    assert list((tmp_path / "c" / "tmp").iterdir()) == []


def _has_open(pid: int, path: str) -> bool:
    return any(file.path == path for file in psutil.Process(pid).open_files())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_downloader_that_dies_or_stops_keeps_nobody_waiting(
    server: ObjectServer, tmp_path: Path, how: signal.Signals
) -> None:
    options = {"root": tmp_path, "url": server.url("data.bin"), "sha256": SHA, "size": len(DATA), "stalled_s": 0.3}
    server.hold(after=1000)
    first = start("get", **options)
    try:
        assert server.sent.wait(60)
        waiting = start("get", **options)
        first.send_signal(how)
        if how == signal.SIGKILL:
            first.wait(20)
        server.go_on.set()
        ((found),) = finish(waiting)
        assert Path(found["path"]).read_bytes() == DATA
        if how == signal.SIGSTOP:
            first.send_signal(signal.SIGCONT)
            assert line(first) == found
        assert server.gets("data.bin") == 2
    finally:
        end(first)
    with AssetCache(tmp_path) as cache:
        cache.gc()
        assert cache.info().temporary == 0
        assert cache.verify() == []


def test_who_stops_with_the_gate_in_hand_blocks_nobody_for_ever(server: ObjectServer, tmp_path: Path) -> None:
    stopped = start("keep_gate", root=tmp_path)
    try:
        assert line(stopped) == "alone"
        stopped.send_signal(signal.SIGSTOP)
        options = {"root": tmp_path, "url": server.url("data.bin"), "sha256": SHA, "size": len(DATA), "wait_s": 0.05}
        (found,) = finish(start("get", **options))
        assert Path(found["path"]).read_bytes() == DATA
        stopped.send_signal(signal.SIGCONT)
    finally:
        end(stopped)


@pytest.mark.parametrize("child", [False, True])
def test_a_holder_that_dies_releases_also_if_a_child_of_it_lives(tmp_path: Path, child: bool) -> None:
    store = OwnStore("memory://holder")
    with cache_of(store, tmp_path) as cache:
        path = cache.get(store.set("x", DATA), sha256=SHA)
    holder = start("hold", root=tmp_path, digests=[SHA], child=child)
    with AssetCache(tmp_path) as cache:
        try:
            assert line(holder) == "held"
            used_before(path, 1000)
            assert cache.gc(0).removed == 0
            holder.kill()
            holder.wait(20)
            # A child may not have had its first moment yet, in which it closes its copies of its parent's files.
            wait_until(lambda: cache.gc(0).removed == 1, 20, "the end of the lease")
            assert not path.exists()
        finally:
            end(holder)


def test_a_fork_after_use_works_in_child_and_parent(server: ObjectServer, tmp_path: Path) -> None:
    second = os.urandom(1000)
    found = finish(
        start(
            "fork_after_use", root=tmp_path, url=server.url("data.bin"), sha256=SHA,
            second=server.put("second", second), second_sha256=digest(second),
        )
    )  # fmt: skip
    assert found[0]["child"] == found[2]["parent"]
    assert found[1] == {"held": [True]}
    assert server.gets("data.bin") == server.gets("second") == 1


def test_a_child_that_was_forked_during_a_download_holds_nothing_of_it(server: ObjectServer, tmp_path: Path) -> None:
    import threading

    server.hold(after=1000)
    with AssetCache(tmp_path) as cache:
        getting = threading.Thread(target=lambda: cache.get(server.url("data.bin"), sha256=SHA))
        getting.start()
        assert server.sent.wait(20)
        go_on, child_waits = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(child_waits)
            os.read(go_on, 1)
            os._exit(0)
        os.close(go_on)
        try:
            server.go_on.set()
            getting.join()
            with next((tmp_path / "blobs").glob("*/*/data.bin")).open("rb") as file:  # it was the lock of its key
                # Never, if the child had a copy; but it may not have had its first moment yet, in which it closes it.
                wait_until(lambda: locking.try_lock(file.fileno(), exclusive=True), 20, "the end of the child's copy")
        finally:
            os.close(child_waits)
            os.waitpid(pid, 0)
        cache._parts.stores.close()


def test_no_held_file_fails_to_open_in_a_storm_of_evictions(tmp_path: Path, seed: int, thorough: bool) -> None:
    gets = 1500 if thorough else 500
    ((found),) = finish(start("storm", root=tmp_path, readers=4, gets=gets, files=60, seed=seed), 100)
    assert [reader["failures"] for reader in found["readers"]] == [[]] * 4
    assert found["removed"] > 50, "there was no storm"
    assert sum(reader["fetched"] for reader in found["readers"]) > 100
    with AssetCache(tmp_path) as cache:
        cache.gc()
        assert cache.verify() == []
        assert cache.info().temporary == 0
        assert list((tmp_path / "leases").iterdir()) == []


def test_readers_see_a_directory_that_is_deleted_again_and_again_made_anew(
    server: ObjectServer, tmp_path: Path
) -> None:
    root = tmp_path / "c"
    with AssetCache(root) as cache:
        for number in range(5):
            path = cache.get(server.url("data.bin"), sha256=SHA, size=len(DATA))
            assert path.read_bytes() == DATA
            root.rename(tmp_path / f"old{number}")
            wait_until(lambda: not root.exists(), 5, "the cache's removal")
        cache._parts.stores.close()
    assert server.gets("data.bin") == 5
