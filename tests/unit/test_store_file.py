"""FileStore: what all stores promise, nothing outside its folder, and nothing left of writers who died."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rainer.errors import DeniedError, InvalidUri, ObjectExists, ObjectNotFound, RainerError, StoreUnavailable
from rainer.store.file import FileStore
from rainer.store.file_paths import TEMPORARY
from tests.services.waiting import wait_until
from tests.unit.store_promises import SHA256, TEXT, StorePromises, read


class TestFileStore(StorePromises):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FileStore:
        return FileStore(f"file://{tmp_path}/the%20folder/")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder.as_uri())


HOSTILE = [
    "../outside", "a/../../outside", "..", ".", "a/./b", "a//b", "", "a/", "%2e%2e/outside", "..%2foutside",
    "a/%2E%2E/%2e%2e/outside", "nul%00", "%ff%fe/..", f"a/{TEMPORARY}1",
]  # fmt: skip


@pytest.mark.parametrize("tail", HOSTILE)
def test_no_name_leaves_the_folder(store: FileStore, folder: Path, tail: str) -> None:
    folder.mkdir()
    (folder.parent / "outside").write_bytes(b"secret")
    uri = f"{store.url}/{tail}"
    for ask in (store.open, store.head, store.delete, lambda uri: store.put(uri, TEXT)):
        with pytest.raises(InvalidUri) as raised:
            ask(uri)
        assert raised.value.hint
    assert list(folder.iterdir()) == []
    assert sorted(path.name for path in folder.parent.iterdir()) == ["outside", "root"]
    assert (folder.parent / "outside").read_bytes() == b"secret"


def test_links_out_are_refused_and_links_within_followed(store: FileStore, folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.put(store.uri("a"), TEXT)
    (folder / "file").symlink_to(outside / "secret")
    (folder / "way").symlink_to(outside)
    (folder / "within").symlink_to("a")
    for name in ("file", "way/secret"):
        for ask in (store.open, store.head):
            with pytest.raises(InvalidUri, match="symbolic link"):
                ask(store.uri(name))
    with pytest.raises(InvalidUri, match="symbolic link"):
        store.put(store.uri("way/new"), TEXT)
    with pytest.raises(InvalidUri, match="symbolic link"):
        store.delete(store.uri("way/secret"))
    assert read(store, store.uri("within")) == TEXT
    assert [store.name(info.uri) for info in store.list()] == ["a", "within"]
    store.put(store.uri("file"), TEXT)
    assert (outside / "secret").read_bytes() == b"secret"
    assert not (folder / "file").is_symlink()


def test_a_delete_empties_the_folders_it_leaves_but_not_the_root(store: FileStore, folder: Path) -> None:
    store.put(store.uri("a/b/c/d"), TEXT)
    store.put(store.uri("a/e"), TEXT)
    store.delete(store.uri("a/b/c/d"))
    assert sorted(path.name for path in (folder / "a").iterdir()) == ["e"]
    store.delete(store.uri("a/e"))
    assert list(folder.iterdir()) == []


def test_puts_and_deletes_of_one_folder_side_by_side(store: FileStore) -> None:
    def there_and_away(number: int) -> None:
        uri = store.uri(f"deep/folder/{number}")
        for _ in range(25):
            store.put(uri, TEXT)
            assert read(store, uri) == TEXT
            store.delete(uri)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(there_and_away, range(4)))
    assert list(store.list()) == []


@pytest.mark.parametrize(
    "spelling", ["file://{}/a%20b", "file://localhost{}/a%20b", "FILE:{}/a b", "file://{}/%61%20b"], ids=range(4)
)
def test_one_file_in_many_spellings(store: FileStore, folder: Path, spelling: str) -> None:
    store.put(store.uri("a b"), TEXT)
    assert read(store, spelling.format(folder)) == TEXT


def test_the_root_of_everything(tmp_path: Path) -> None:
    store = FileStore("file:///")
    uri = store.uri(str(tmp_path / "x"))
    assert uri == f"file://{tmp_path}/x"
    store.put(uri, TEXT)
    assert read(store, uri) == TEXT
    assert store.path(uri) == tmp_path / "x"


@pytest.mark.parametrize("url", ["file://host/a", "file:relative", "http://a", "file:///a/../b", "file:///a%00"])
def test_what_is_no_folder(url: str) -> None:
    with pytest.raises(InvalidUri) as raised:
        FileStore(url)
    assert raised.value.hint


def test_folders_pipes_and_too_long_names_are_no_objects(store: FileStore, folder: Path) -> None:
    store.put(store.uri("a/b"), TEXT)
    os.mkfifo(folder / "pipe")
    for name in ("a", "pipe", "a/b/c"):
        for ask in (store.open, store.head):
            with pytest.raises(ObjectNotFound):
                ask(store.uri(name))
    with pytest.raises(InvalidUri):
        store.open(store.uri("x" * 300))
    for name in ("a", "a/b/c", "x" * 300):
        with pytest.raises(InvalidUri):
            store.put(store.uri(name), TEXT)
    assert store.delete(store.uri("a")) is False
    assert [path.name for path in folder.rglob(f"{TEMPORARY}*")] == []


def test_a_change_by_another_hand_is_seen(store: FileStore, folder: Path) -> None:
    store.put(store.uri("a"), TEXT, sha256=SHA256)
    before = store.head(store.uri("a"))
    with (folder / "a").open("r+b") as file:
        file.write(b"E")
        os.utime(file.fileno(), ns=(0, 1))
    after = store.head(store.uri("a"))
    assert after.etag != before.etag
    assert after.sha256 is None


def test_a_file_cut_while_it_is_read(store: FileStore, folder: Path) -> None:
    store.put(store.uri("a"), TEXT)
    reading = store.open(store.uri("a"))
    assert reading is not None
    with reading:
        os.truncate(folder / "a", 4)
        buffer = memoryview(bytearray(100))
        assert reading.readinto(buffer) == 4
        with pytest.raises(StoreUnavailable, match="ended 12 bytes early"):
            reading.readinto(buffer)


def test_without_hard_links_one_still_wins(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)

    def create(number: int) -> int | None:
        try:
            store.put(store.uri("a"), b"%d" % number, create_only=True)
        except ObjectExists:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        won = [number for number in pool.map(create, range(8)) if number is not None]
    assert len(won) == 1
    assert read(store, store.uri("a")) == b"%d" % won[0]


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [(errno.EACCES, DeniedError, "denied"), (errno.ENOSPC, RainerError, "no-space"), (errno.EIO, RainerError,
     "store-unavailable")],
)  # fmt: skip
def test_what_the_system_refuses_leaves_nothing(
    store: FileStore, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[RainerError], code: str
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("rainer.store.file_writing.os.fsync", refuse)
        with pytest.raises(kind) as raised:
            store.put(store.uri("a"), TEXT)
    assert raised.value.code == code
    assert store.uri("a") in str(raised.value)
    assert list(folder.iterdir()) == []


def _script(text: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(text), *arguments], stdout=subprocess.PIPE)


def test_one_of_many_processes_creates(store: FileStore) -> None:
    writers = [
        _script(
            """
            import sys
            from rainer.errors import ObjectExists
            from rainer.store.file import FileStore
            store = FileStore(sys.argv[1])
            won = []
            for name in range(50):
                try:
                    store.put(store.uri(str(name)), sys.argv[2].encode() * 5000, create_only=True)
                    won.append(name)
                except ObjectExists:
                    pass
            print(*won)
            """,
            store.url,
            str(number),
        )
        for number in range(4)
    ]
    won = [[int(word) for word in writer.communicate(timeout=60)[0].split()] for writer in writers]
    assert sorted(name for names in won for name in names) == list(range(50))
    for number, names in enumerate(won):
        for name in names:
            assert read(store, store.uri(str(name))) == str(number).encode() * 5000


def test_what_a_killed_writer_leaves_is_never_listed_and_removed_in_time(
    store: FileStore, folder: Path, tmp_path: Path
) -> None:
    endless = tmp_path / "endless"
    os.mkfifo(endless)
    writer = _script(
        "import sys; from pathlib import Path; from rainer.store.file import FileStore\n"
        "s = FileStore(sys.argv[1]); s.put(s.uri('f/a'), Path(sys.argv[2]))",
        store.url,
        str(endless),
    )
    with endless.open("wb") as feeding:
        feeding.write(TEXT * 100_000)
        wait_until(lambda: any(path.stat().st_size for path in (folder / "f").iterdir()), 30, "bytes in a temporary")
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    (leftover,) = (folder / "f").iterdir()
    assert list(store.list()) == []
    assert leftover.exists()
    with pytest.raises(InvalidUri):
        store.open(store.uri(f"f/{leftover.name}"))
    long_ago = time.time() - 2 * 86_400
    os.utime(leftover, (long_ago, long_ago))
    another = leftover.with_name(f"{TEMPORARY}another")
    another.touch()
    assert list(store.list()) == []
    assert [path.name for path in (folder / "f").iterdir()] == [another.name]
    os.utime(another, (long_ago, long_ago))
    store.put(store.uri("f/a"), TEXT)
    store.delete(store.uri("f/a"))
    assert list(folder.iterdir()) == []
