"""Caches on bad days of their disk: full, read-only, without descriptors, without locks, under a clock set back."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rainer.cache import AssetCache
from rainer.errors import WrongDigest
from tests.caching import OwnStore, cache_of, digest, used_before
from tests.faults.cache_tasks import finish, start
from tests.object_server import ObjectServer
from tests.services.machine import unprivileged_user

pytestmark = pytest.mark.faults
DATA = os.urandom(100_000)
SHA = digest(DATA)


@pytest.fixture
def server() -> Iterator[ObjectServer]:
    with ObjectServer() as server:
        server.put("data.bin", DATA)
        server.put("other.bin", b"other")
        yield server


@pytest.fixture
def small_disk(tmp_path: Path) -> tuple[str, ...]:
    """The beginning of a command that sees a disk of 1 MiB at `tmp_path`/disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    inside = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))
    mount = (*inside, "sh", "-ec", f'mount -t tmpfs -o size=1m none "{disk}"; exec "$@"', "sh")
    if shutil.which("unshare") is None or subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here (unshare, mount)")
    return mount


def test_on_a_full_disk_the_least_used_give_way_and_nothing_broken_stays(
    small_disk: tuple[str, ...], tmp_path: Path
) -> None:
    found = finish(
        start("on_small_disk", before=small_disk, root=tmp_path / "disk" / "c", size=150_000, limit=10**9)
    )  # fmt: skip
    assert found[0]["there"][-1] == 11
    assert len(found[0]["there"]) in range(4, 7)
    assert found[1]["code"] == "no-space"
    assert found[1]["hint"]
    assert found[2] == {"temporary": 0, "damaged": []}


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that an unprivileged user can reach: not below pytest's own, which every pytest that starts closes."""
    folder = Path(tempfile.mkdtemp(prefix="rainer-open-"))
    folder.chmod(0o711)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def _user() -> int:
    import pwd

    name = unprivileged_user()
    if name is None:
        pytest.skip("not root: permissions are tested as another user")
    return pwd.getpwnam(name).pw_uid


@pytest.mark.parametrize("read_only", [False, True])
def test_a_directory_that_cannot_be_written_serves_hits(
    server: ObjectServer, open_to_all: Path, read_only: bool
) -> None:
    user, root = _user(), open_to_all / "c"
    with AssetCache(root) as cache:
        path = cache.get(server.url("data.bin"), sha256=SHA)
        cache._parts.stores.close()
    for folder in [root, *root.rglob("*")]:
        folder.chmod(0o555 if folder.is_dir() else 0o444)
    options = {"root": root, "user": user, "read_only": read_only}
    (hit,) = finish(start("get", **options, url=server.url("data.bin"), sha256=SHA, size=len(DATA)))
    assert hit == {"path": str(path)}
    (miss,) = finish(start("get", **options, url=server.url("other.bin"), sha256=digest(b"other")))
    assert miss["code"] == ("not-cached" if read_only else "denied")
    assert str(root) in miss["message"]
    assert miss["hint"]


def test_a_group_shares_a_cache(server: ObjectServer, open_to_all: Path) -> None:
    user, root = _user(), open_to_all / "shared"
    root.mkdir()
    os.chown(root, -1, user)
    root.chmod(0o2775)
    url, options = server.url("data.bin"), {"root": root, "user": user, "shared": True}
    with AssetCache(root, shared=True) as cache:
        mine = cache.get(url, sha256=SHA)
        used_before(mine, 1000)
        assert finish(start("get", **options, url=url, sha256=SHA)) == [{"path": str(mine)}]
        assert time.time() - mine.parent.stat().st_mtime < 500  # somebody else's use is a use
        (theirs,) = finish(start("get", **options, url=server.url("other.bin"), sha256=digest(b"other")))
        (second,) = finish(start("get", **options, url=server.put("b.csv", DATA), sha256=SHA))
        assert Path(second["path"]).parent == mine.parent
        assert server.gets("data.bin") == 1
        assert server.gets("b.csv") == 0
        assert cache.get(server.url("other.bin"), sha256=digest(b"other")) == Path(theirs["path"])
        assert {path.stat().st_gid for path in root.rglob("*")} == {user}
        for path in (mine, Path(theirs["path"])):
            used_before(path, 1000)
        cache.close()
        assert cache.gc(0).removed == 2


def test_an_unwritable_tmp_is_said_and_nothing_is_lost(server: ObjectServer, open_to_all: Path) -> None:
    user, root = _user(), open_to_all / "c"
    root.mkdir()
    os.chown(root, user, user)
    options = {"root": root, "user": user}
    (hit,) = finish(start("get", **options, url=server.url("data.bin"), sha256=SHA))
    (root / "tmp").chmod(0o500)
    assert finish(start("get", **options, url=server.url("data.bin"), sha256=SHA)) == [hit]
    (miss,) = finish(start("get", **options, url=server.url("other.bin"), sha256=digest(b"other")))
    assert (miss["code"], bool(miss["hint"])) == ("denied", True)
    assert str(root / "tmp") in miss["message"]


def test_without_descriptors_a_hit_is_a_hit_and_a_miss_says_why(server: ObjectServer, tmp_path: Path) -> None:
    hit, miss, later = finish(
        start(
            "without_descriptors", root=tmp_path, url=server.url("data.bin"), sha256=SHA,
            other=server.url("other.bin"), other_sha256=digest(b"other"),
        )
    )  # fmt: skip
    assert Path(hit).read_bytes() == DATA
    assert "ulimit" in miss["hint"]
    assert Path(later).read_bytes() == b"other"


def test_a_server_that_sends_something_else_poisons_nothing(server: ObjectServer, tmp_path: Path) -> None:
    with AssetCache(tmp_path) as cache:
        for wrong in (b"something else", os.urandom(len(DATA)), DATA[:-1], DATA + b"x", b""):
            server.put("data.bin", wrong)
            for size in (len(DATA), None):
                with pytest.raises(WrongDigest):
                    cache.get(server.url("data.bin"), sha256=SHA, size=size)
        assert list(cache.entries()) == []
        assert cache.info().temporary == 0
        server.put("data.bin", DATA)
        assert cache.get(server.url("data.bin"), sha256=SHA).read_bytes() == DATA
        cache._parts.stores.close()


def test_with_locks_that_do_nothing_all_stays_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thorough: bool
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr("fcntl.flock", lambda number, how: None)
    store = OwnStore("memory://lockless")
    data = [os.urandom(5000) for _ in range(30)]
    uris = [store.set(f"{n}", content) for n, content in enumerate(data)]
    caches = [cache_of(store, tmp_path, size_bytes_max=60_000) for _ in range(8)]

    def work(cache: AssetCache) -> int:
        count = 0
        for round_ in range(100 if thorough else 20):
            for uri, content in zip(uris[round_ % 3 :: 3], data[round_ % 3 :: 3], strict=True):
                path = cache.get(uri, sha256=digest(content), size=len(content))
                assert path.read_bytes() == content  # young, so that it stays
                count += 1
            cache.gc(60_000)
        return count

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, caches))
    assert caches[0].verify() == []
    for cache in caches:
        cache.close()


def test_a_clock_that_is_set_back_neither_fails_nor_keeps_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = OwnStore("memory://clock")
    with cache_of(store, tmp_path, size_bytes_max=10_000, timeout_s=100) as cache:
        old = cache(store.set("old", bytes(4000)))
        used_before(old, -1e7)  # what a clock in the future did
    back: Callable[[], float] = lambda now=time.time: now() - 1e6  # noqa: E731
    monkeypatch.setattr(time, "time", back)
    with cache_of(store, tmp_path, size_bytes_max=10_000, timeout_s=100) as cache:
        assert cache(store.uri("old")) == old
        assert len(store.opened) == 2  # nobody knows how old it is: it was asked
        used_before(old, -1e7)
        os.utime(old.parent, (time.time() + 1e7,) * 2)
        cache.close()
        new = [cache(store.set(f"{n}", b"%d" % n + bytes(4000))) for n in range(2)]
        assert not old.exists()
        assert all(path.exists() for path in new)
