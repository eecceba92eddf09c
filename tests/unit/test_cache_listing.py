"""Entries, deletion, verification, figures; permissions of private and shared caches; copies out."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rainer.cache import materialize
from rainer.errors import DeniedError, InvalidError, NoSpace, RainerError, UnavailableError
from tests.caching import OwnStore, cache_of, digest


@pytest.fixture
def store() -> OwnStore:
    return OwnStore("memory://listing")


def test_entries_tell_url_size_age_use_and_who_keeps_it(store: OwnStore, tmp_path: Path) -> None:
    with cache_of(store, tmp_path, timeout_s=1000) as cache:
        one, two = cache(store.set("a/1", b"x")), cache(store.set("a/2", b"yy"))
        twin = cache(store.set("b/1.txt", b"x"))
        pinned = cache.get(store.set("c", b"zzz"), sha256=digest(b"zzz"))
        with cache.hold([digest(b"yy")]):
            found = list(cache.entries())
        assert [(e.uri, e.path, e.size, e.held) for e in found] == [
            (None, pinned, 3, False),
            (store.uri("a/1"), one, 1, False),
            (store.uri("a/2"), two, 2, True),
            (store.uri("b/1.txt"), twin, 1, False),
        ]
        assert all(0 <= e.age_s < 100 and not e.is_outdated for e in found)
        info = cache.info()
        assert (info.files, info.size_bytes, info.urls, info.held, info.pins) == (3, 6, 3, 0, {})


def test_a_url_a_tree_and_a_path_are_deleted(store: OwnStore, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        paths = {name: cache(store.set(name, name.encode())) for name in ("a/1", "a/2", "ab", "c", "d")}
        twin = cache(store.set("twin", b"c"))
        assert cache.delete(store.uri("a")) == 2
        assert cache.delete(store.uri("c")) == 0  # the twin's URL has the same file
        assert twin.exists()
        assert cache.delete(store.uri("twin")) == 1
        assert cache.delete(paths["d"]) == 1
        assert cache.delete(store.uri("never")) == cache.delete("/etc/passwd") == 0
        with cache.hold([digest(b"ab")]):
            assert cache.delete(paths["ab"]) == 0
        assert [path.name for path in paths.values() if path.exists()] == ["ab"]
        assert cache.info().urls == 0


def test_damage_is_found_and_removed(store: OwnStore, tmp_path: Path) -> None:
    with cache_of(store, tmp_path) as cache:
        good, bad = cache(store.set("good", b"good")), cache(store.set("bad", b"bad"))
        assert cache.verify() == []
        bad.chmod(0o644)
        bad.write_bytes(b"bed")
        seen: list[int] = []
        (damaged,) = cache.verify(seen.append, keep=True)
        assert (damaged.path, damaged.sha256, damaged.found_sha256) == (bad, digest(b"bad"), digest(b"bed"))
        assert sum(seen) == 7
        assert bad.exists()
        with cache_of(store, tmp_path, read_only=True) as reader:
            assert reader.verify() == [damaged]
        assert cache.verify() == [damaged]
        assert (good.exists(), bad.exists()) == (True, False)
        assert cache(store.uri("bad")).read_bytes() == b"bad"


def test_a_private_cache_is_its_owners_alone_and_a_shared_one_its_groups(store: OwnStore, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        for shared, folder, file in ((False, 0o700, 0o600), (True, 0o2775, 0o664)):
            root = tmp_path / f"{shared}"
            with cache_of(store, root, shared=shared) as cache:
                cache(store.set("x", b"x"))
                cache.pin("a", [digest(b"x")])
                with cache.hold([digest(b"x")]):
                    modes = {path: path.stat().st_mode & 0o7777 for path in [root, *root.rglob("*")]}
            assert {mode for path, mode in modes.items() if path.is_dir()} == {folder}
            blob = next(path for path in modes if path.name == "x")
            assert modes.pop(blob) == 0o444
            assert {mode for path, mode in modes.items() if path.is_file()} == {file}
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, NoSpace),
        (errno.EDQUOT, NoSpace),
        (errno.EROFS, DeniedError),
        (errno.EACCES, DeniedError),
        (errno.EMFILE, UnavailableError),
        (errno.EIO, UnavailableError),
    ],
)
def test_what_the_disk_says_is_told_as_an_error_of_ours(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[RainerError]
) -> None:
    uri = store.set("x", b"x")

    def refuse(path: str, *_: object) -> int:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr("rainer.cache.forks.open_file", refuse)
    with cache_of(store, tmp_path) as cache:
        for call in (lambda: cache(uri), lambda: cache.get(uri, sha256=digest(b"x"))):
            with pytest.raises(kind, match=str(tmp_path)) as caught:
                call()
            assert caught.value.hint


def test_a_file_system_without_locks_is_as_good_as_any(
    store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(number: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with cache_of(store, tmp_path) as cache, cache.hold([digest(b"x")]):
        assert cache(store.set("x", b"x")).read_bytes() == b"x"
        assert cache.gc(0).removed == 0


@pytest.mark.parametrize("how", ["auto", "copy", "hardlink"])
def test_a_file_is_brought_out(store: OwnStore, tmp_path: Path, how: str) -> None:
    data = os.urandom(3_000_000)
    with cache_of(store, tmp_path / "c") as cache:
        source = cache(store.set("big", data))
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")
    for _ in range(2):
        used = materialize(source, target, how)  # type: ignore[arg-type]
        assert used == how if how != "auto" else used in ("reflink", "copy")
        assert target.read_bytes() == data
    assert target.samefile(source) == (how == "hardlink")
    assert bool(target.stat().st_mode & 0o200) == (how != "hardlink")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "out.bin"]


def test_nothing_is_left_of_a_copy_that_failed(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"old")
    for how in ("auto", "hardlink"):
        with pytest.raises(FileNotFoundError):
            materialize(tmp_path / "nothing", tmp_path / "out", how)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="symlink"):
        materialize(tmp_path / "out", tmp_path / "other", "symlink")  # type: ignore[arg-type]
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out", b"old")]


def test_the_kernel_or_we_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(10_000_000)
    (tmp_path / "source").write_bytes(data)

    def half(source: int, target: int, count: int) -> int:
        if os.lseek(source, 0, os.SEEK_CUR):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return os.write(target, os.read(source, 1000))

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    monkeypatch.setattr("fcntl.ioctl", refuse)
    monkeypatch.setattr("os.copy_file_range", half, raising=False)
    assert materialize(tmp_path / "source", tmp_path / "target") == "copy"
    assert (tmp_path / "target").read_bytes() == data


def test_a_read_only_cache_writes_nothing_whatever_is_asked(store: OwnStore, tmp_path: Path) -> None:
    with cache_of(store, tmp_path, timeout_s=0) as cache:
        path = cache(store.set("x", b"x"))
    before = {found: found.stat().st_mtime_ns for found in [tmp_path, *tmp_path.rglob("*")]}
    with cache_of(store, tmp_path, read_only=True, timeout_s=0) as reader, reader.hold([digest(b"x")]):
        assert reader(store.uri("x")) == path
        assert reader.get_unpinned(store.uri("x")).is_stale
        assert reader.peek(digest(b"x"), name="other") == path
        reader.pin("a", [digest(b"x")])
        assert not reader.unpin("a")
        assert [entry.path for entry in reader.entries()] == [path]
        assert reader.gc(0).removed == 0
        assert reader.info().is_read_only
        for call in (reader.invalidate_all, lambda: reader.delete(path)):
            with pytest.raises(DeniedError, match="cannot be written"):
                call()
    assert {found: found.stat().st_mtime_ns for found in [tmp_path, *tmp_path.rglob("*")]} == before
    with cache_of(store, tmp_path / "nowhere", read_only=True) as reader:
        assert list(reader.entries()) == []
        assert reader.peek(digest(b"x")) is None
    assert not (tmp_path / "nowhere").exists()
