"""The server store on bad days: what cannot be removed, what arrives late, a disk not mounted or almost full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from rainer.database.schema import store_contents
from rainer.errors import InvalidUri, NoSpace, StoreUnavailable
from rainer.journal import Journal
from rainer.limits import MiB
from rainer.server_store import files as files_module
from rainer.server_store.files import Files, Swept
from rainer.server_store.places import FolderPlaces, StorePlaces, open_places
from rainer.server_store.terms import Terms
from rainer.store.memory import MemoryStore
from rainer.store.store import ObjectInfo, Progress
from tests.contracts.test_store_names import FOREVER, lying, put, read, time_passes


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(f"sqlite:///{tmp_path}/journal.db") as journal:
        yield journal


@pytest.fixture
def files(journal: Journal, tmp_path: Path) -> Files:
    return Files(journal.engine, FolderPlaces(tmp_path / "contents"))


def test_what_cannot_be_removed_is_told_and_is_in_nobodys_way(files: Files) -> None:
    for number in range(3):
        put(files, f"{number}", b"contents %d" % number)
        files.delete(f"{number}", Terms(FOREVER))
    stuck = lying(files)[1]
    stuck.unlink()
    stuck.mkdir()  # which the system refuses to unlink, also to root
    time_passes(files)
    with pytest.raises(StoreUnavailable, match=stuck.name):
        files.sweep(0)
    assert lying(files) == []
    assert list(stuck.parent.iterdir()) == [stuck]
    assert files.sweep(3600).places == 0, "it has its turn again after the grace"
    stuck.rmdir()
    time_passes(files)
    assert files.sweep(0).places == 1


def test_what_is_no_file_among_those_received_is_let_be(files: Files) -> None:
    put(files, "a", b"1")
    (files.places.spool / "lost+found").mkdir()
    files.delete("a", Terms(FOREVER))
    time_passes(files)
    assert files.sweep(0) == Swept(1, 0)


def test_a_sweep_ends_when_the_server_does(files: Files) -> None:
    for number in range(3):
        put(files, f"{number}", b"contents %d" % number)
        files.delete(f"{number}", Terms(FOREVER))
    time_passes(files)
    asked = iter((False, False, True, True, True))
    assert files.sweep(0, lambda: next(asked)).places == 1
    assert len(lying(files)) == 2
    assert files.sweep(0).places == 2, "condemned already, and not forgotten"
    assert lying(files) == []


def test_contents_that_lie_elsewhere_are_noticed(files: Files) -> None:
    assert isinstance(files.places, FolderPlaces)
    assert not files.are_elsewhere()
    put(files, "a", b"1")
    put(files, "b", b"2")
    assert not files.are_elsewhere()
    lying(files)[0].unlink()
    assert not files.are_elsewhere(), "one that is gone is damage"
    folder = files.places.folder
    folder.rename(folder.with_name("unmounted"))
    assert files.are_elsewhere()


class LateStore(MemoryStore):
    """Says that it is away, and takes what it was sent all the same, later."""

    late: list[tuple[str, bytes]]

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        assert isinstance(source, Path)
        self.late.append((uri, source.read_bytes()))
        raise StoreUnavailable("no answer came")

    def arrive(self) -> None:
        for uri, data in self.late:
            super().put(uri, data)


def test_what_arrives_after_its_put_has_failed_is_swept(journal: Journal, tmp_path: Path) -> None:
    store = LateStore("memory://late-contents")
    store.late = []
    files = Files(journal.engine, StorePlaces(store, tmp_path / "spool"))
    with pytest.raises(StoreUnavailable):
        put(files, "a", b"1")
    store.arrive()
    assert len(list(store.list())) == 1
    time_passes(files)
    assert files.sweep(0).places == 1
    assert list(store.list()) == []


class SlowStore(MemoryStore):
    """Something is done while a file is on its way."""

    meanwhile: Callable[[Progress], None]

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        assert progress is not None
        assert isinstance(source, Path)
        data = source.read_bytes()
        self.meanwhile(progress)
        return super().put(uri, data, create_only=create_only)


def test_contents_that_take_hours_to_their_place_are_not_swept_on_the_way(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlowStore("memory://slow-contents")
    files = Files(journal.engine, StorePlaces(store, tmp_path / "spool"))
    monkeypatch.setattr(files_module, "_BEAT_S", 0.0)

    def meanwhile(progress: Progress) -> None:
        two_hours_pass(files, tmp_path / "spool")
        progress(1)
        assert files.sweep(3600) == Swept(0, 1), "the temporary file is gone, and not missed"

    store.meanwhile = meanwhile
    put(files, "a", b"1")
    assert read(files, "a") == b"1"
    for info in list(store.list()):
        store.delete(info.uri)


def two_hours_pass(files: Files, spool: Path) -> None:
    """Make everything so much older."""
    for path in spool.iterdir():
        os.utime(path, (0, 0))
    with files.table._engine.begin() as connection:
        connection.execute(sa.update(store_contents).values(touched_ms=store_contents.c.touched_ms - 7_200_000))


def test_a_place_is_told_without_its_password(tmp_path: Path) -> None:
    places = open_places("http://somebody:se-cret@127.0.0.1:1/-/store", tmp_path)
    assert places.describe() == "http://127.0.0.1:1/-/store"
    places.close()


def test_files_leave_room_for_the_journal(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk of 10 GB on which others write, as the system tells of it."""
    put(files, "a", b"1")
    left = 250 * MiB

    def almost_full(_folder: object) -> SimpleNamespace:
        nonlocal left
        left -= 30 * MiB
        return SimpleNamespace(total=10_000 * MiB, free=left)

    monkeypatch.setattr(shutil, "disk_usage", almost_full)
    put(files, "b", b"2")
    noise = os.urandom(9_000_000)
    with pytest.raises(NoSpace, match=r"190 MiB are free, and the last 200 stay so"):
        put(files, "c", noise)
    monkeypatch.undo()
    assert [file.name for file in files.listed()] == ["a", "b"]
    assert len(lying(files)) == 2
    put(files, "c", noise)


def test_a_folder_that_cannot_be_made_is_not_the_name_that_was_not_found(journal: Journal) -> None:
    files = Files(journal.engine, FolderPlaces(Path("/proc/nowhere")))
    with pytest.raises(StoreUnavailable, match="/proc/nowhere/tmp"):
        put(files, "a", b"1")


def test_a_folder_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidUri, match="names the machine"):
        open_places("file://../contents")
    assert open_places(f"file://localhost{tmp_path}").describe() == str(tmp_path)
