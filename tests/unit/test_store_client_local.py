"""The folder of local copies: whole or not at all, evicted by last use, and shared by processes."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pickle
import threading
from io import BytesIO
from pathlib import Path

import pytest

from rainer.errors import InvalidError, NoSpace, ObjectNotFound, WrongDigest
from rainer.store import Client
from rainer.store.client_files import FileEntry
from rainer.store.local_files import FolderFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "copies"


@pytest.fixture
def client(folder: Path) -> Client:
    return Client(local_dir=folder)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"contents")
    return path


def files_of(folder: Path) -> list[Path]:
    return sorted((folder / "entries").glob("*/*"))


def test_a_client_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidError, match="remote_url, a local_dir, or both"):
        Client()


def test_what_was_kept_is_checked_on_every_use(client: Client, folder: Path, source: Path, tmp_path: Path) -> None:
    name = client.put_file("/a@5", source)
    (data,) = [path for path in files_of(folder) if path.suffix != ".json"]
    assert data.stat().st_mode & 0o777 == 0o444
    times = data.stat().st_mtime_ns
    data.chmod(0o644)
    data.write_bytes(b"CONTENTS")
    os.utime(data, ns=(times, times))  # as if a disk had done it: size and time are as they were
    with pytest.raises(WrongDigest, match="was promised"):
        client.get_file(name, tmp_path / "out")
    stream, _ = client.get_stream(name)
    with stream, pytest.raises(WrongDigest):
        stream.read()
    data.write_bytes(b"by a hand")
    with pytest.raises(ObjectNotFound):
        client.get_file(name, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_a_write_that_fails_leaves_the_old_file(folder: Path) -> None:
    local = FolderFiles(folder, lock_timeout_s=1)
    local.add("/a", 1, BytesIO(b"old"), lambda: None)
    before = files_of(folder)

    class Breaks(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NoSpace, match="No space left"):
        local.add("/a", 2, Breaks(), lambda: None)
    assert files_of(folder) == before
    assert local.entry("/a") == FileEntry("/a", 1, 3, local.entry("/a").sha256)  # type: ignore[union-attr]


def test_a_torn_record_is_none(client: Client, folder: Path, source: Path) -> None:
    client.put_file("/a", source)
    (record,) = [path for path in files_of(folder) if path.suffix == ".json"]
    record.write_text(record.read_text()[:20])
    assert not client.exists("/a")
    assert client.list_local_files() == []
    client.put_file("/a@7", source)
    assert client.file_version("/a") == 7


def test_a_file_may_be_named_like_anothers_folder(client: Client, source: Path) -> None:
    client.put_file("/a", source)
    client.put_file("/a/b", source)
    assert [entry.path for entry in client.list_local_files()] == ["/a", "/a/b"]


def test_an_older_version_has_no_effect(client: Client, source: Path) -> None:
    assert client.put_file("/a@5", source) == "/a@5"
    source.write_bytes(b"older")
    assert client.put_file("/a@4", source) == "/a@5"
    assert client.get_stream("/a")[0].read() == b"contents"
    assert client.put_file("/a@5", source) == "/a@5"
    assert client.get_stream("/a@5")[0].read() == b"older"


def test_two_puts_within_a_second_have_two_versions(client: Client, source: Path) -> None:
    first, second, third = (client.put_file("/a", source) for _ in range(3))
    assert len({first, second, third}) == 3
    assert client.file_version("/a") == int(third.partition("@")[2])


# Hard links.


def test_hard_links_on_request(client: Client, folder: Path, source: Path, tmp_path: Path) -> None:
    client.put_file("/a@5", source, hard_link=True)
    (data,) = [path for path in files_of(folder) if path.suffix != ".json"]
    assert data.samefile(source)
    for _ in range(2):  # the second time over itself, which a rename does not do
        client.get_file("/a", tmp_path / "linked", hard_link=True)
        assert (tmp_path / "linked").samefile(source)
    client.get_file("/a", tmp_path / "copied")
    assert not (tmp_path / "copied").samefile(source)
    assert (tmp_path / "copied").stat().st_mtime == 5
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    source.write_bytes(b"changed in place")
    with pytest.raises(ObjectNotFound):  # it would not be what was stored
        client.get_file("/a@5", tmp_path / "again")


def test_copies_are_nobody_elses(client: Client, source: Path, tmp_path: Path) -> None:
    client.put_file("/a@5", source)
    source.write_bytes(b"changed")
    client.get_file("/a", tmp_path / "out")
    (tmp_path / "out").write_bytes(b"changed, too")
    assert client.get_stream("/a")[0].read() == b"contents"


# Where it is saved.


def test_saving_makes_folders_and_follows_links(client: Client, source: Path, tmp_path: Path) -> None:
    client.put_file("/a", source)
    target, link = tmp_path / "deep" / "er" / "out", tmp_path / "link"
    link.symlink_to(target)
    client.get_file("/a", link)
    assert link.is_symlink()
    assert target.read_bytes() == b"contents"
    client.get_file("/a", "/dev/null")
    assert not Path("/dev/null").is_file()
    with pytest.raises(IsADirectoryError):
        client.get_file("/a", tmp_path / "deep")


# Cleaning.


def _use_in_order(client: Client, folder: Path, source: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        client.put_file(name, source)
        for record in files_of(folder):
            if record.suffix == ".json" and json.loads(record.read_bytes())["path"] == name.partition("@")[0]:
                os.utime(record, (1_000 + number, 1_000 + number))


def test_the_least_recently_used_goes_first(client: Client, folder: Path, source: Path) -> None:
    _use_in_order(client, folder, source, ["/a@9", "/b@8", "/c@7", "/d@6"])
    client.get_stream("/a")[0].close()  # the oldest version, used last
    done = client.clean(16)
    assert (done.removed, done.freed_bytes, done.kept, done.kept_bytes) == (2, 16, 2, 16)
    assert [entry.path for entry in client.list_local_files()] == ["/a", "/d"]
    assert client.clean(16).removed == 0
    assert client.clean(10, keep_percent=50).removed == 2


def test_cleaning_leaves_what_is_in_use(client: Client, folder: Path, source: Path) -> None:
    _use_in_order(client, folder, source, ["/a@1", "/b@2"])
    stream, _ = client.get_stream("/a")
    local = FolderFiles(folder, lock_timeout_s=1)
    with local.shared("/b"):
        assert client.clean(0).removed == 1
    assert [entry.path for entry in client.list_local_files()] == ["/b"]
    with stream:
        assert stream.read() == b"contents"  # whoever reads one reads on


def test_what_was_used_since_it_was_looked_at_stays(client: Client, folder: Path, source: Path) -> None:
    _use_in_order(client, folder, source, ["/a@1"])
    local = FolderFiles(folder, lock_timeout_s=1)
    (entry,) = local.entries()
    client.get_stream("/a")[0].close()
    assert not local.remove_unused(entry)
    assert client.exists("/a")


def test_what_dead_writers_left_goes_when_it_is_old(
    client: Client, folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.put_file("/a", source)
    (record,) = [path for path in files_of(folder) if path.suffix == ".json"]
    left = record.with_name(f"{record.stem}.{'0' * 16}")
    left.write_bytes(b"half")
    foreign = record.with_name("README")
    foreign.write_bytes(b"not ours")
    assert client.clean(1 << 30).freed_bytes == 0
    monkeypatch.setattr("rainer.store.local_files._ORPHAN_AGE_S", -1.0)
    with FolderFiles(folder, lock_timeout_s=1).exclusive("/a"):
        assert client.clean(1 << 30).freed_bytes == 0
    assert client.clean(1 << 30).freed_bytes == 4
    assert (left.exists(), foreign.exists(), client.exists("/a")) == (False, True, True)


def test_copies_are_cleaned_as_they_grow(folder: Path, tmp_path: Path) -> None:
    client = Client(local_dir=folder, size_bytes_max=10_000)
    source = tmp_path / "source"
    for number in range(30):
        source.write_bytes(bytes([number]) * 1_000)
        client.put_file(f"/{number}", source)
    assert sum(entry.size or 0 for entry in client.list_local_files()) <= 12_000
    assert client.exists("/29")
    for wrong in (
        lambda: client.clean(-1),
        lambda: client.clean(1, 101),
        lambda: Client(local_dir=folder, size_bytes_max=-1),
    ):
        with pytest.raises(InvalidError):
            wrong()


# Processes and threads.


def _put_many(folder: Path, source: Path, number: int) -> None:
    client = Client(local_dir=folder)
    for round_ in range(15):
        source.with_name(f"{number}.{round_}").write_bytes(bytes([number]) * 50_000)
        client.put_file("/shared", source.with_name(f"{number}.{round_}"))
        try:
            with client.get_stream("/shared")[0] as stream:
                data = stream.read()
        except ObjectNotFound:
            continue  # cleaned away, whole
        assert len(set(data)) == 1
        assert len(data) == 50_000


def test_processes_never_see_half_a_file(folder: Path, source: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_put_many, args=(folder, source, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    cleaner = Client(local_dir=folder)
    removed = 0
    while any(worker.is_alive() for worker in workers):
        removed += cleaner.clean(0).removed
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert removed
    assert len([path for path in files_of(folder) if path.suffix != ".json"]) <= 1


def test_where_flock_does_nothing_nothing_breaks(
    client: Client, source: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("fcntl.flock", lambda _fd, _how: None)
    threads = [threading.Thread(target=_put_many, args=(folder, source, number)) for number in (1, 2)]
    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_it_can_be_pickled(client: Client, source: Path) -> None:
    client.put_file("/a@3", source)
    again = pickle.loads(pickle.dumps(client))
    assert again.file_version("/a") == 3
    remote = pickle.loads(pickle.dumps(Client("http://127.0.0.1:9/-/store", timeout_s=1)))
    remote.close()
