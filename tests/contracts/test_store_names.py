"""The server store on every database: names, seals, versions, shared contents, and sweeps that take nothing needed."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from rainer.database.schema import store_contents
from rainer.errors import CorruptError, DeniedError, ObjectExists, ObjectNotFound, StoreUnavailable
from rainer.journal import Journal
from rainer.server_store.files import Files
from rainer.server_store.names import check_name
from rainer.server_store.places import FolderPlaces
from rainer.server_store.receiving import Expected
from rainer.server_store.rows import Contents, StoredFile
from rainer.server_store.terms import PreconditionFailed, Terms

FOREVER = 4_000_000_000
NAMES = (
    "a", "A", "a b", "a ", "a/b", "a/B", "a.b", "a%b", "a_b", "a\\b", "aB", "ä", "z/\uffee", "z/\U0001f600",
    "z/\U0010ffff", "x" * 255, "/".join(["y" * 203] * 5) + "/end!",
)  # fmt: skip


@pytest.fixture
def files(journal: Journal, tmp_path: Path) -> Iterator[Files]:
    """The store of an empty journal, its contents in a folder."""
    files = Files(journal.engine, FolderPlaces(tmp_path / "contents"))
    yield files
    files.close()


def put(files: Files, name: str, data: bytes, version: int = 1, **terms: object) -> StoredFile:
    """Store bytes under a name."""
    receiving = files.receive()
    try:
        receiving.write(data)
        return files.put(name, receiving.finish(Expected()), Terms(version, **terms))  # type: ignore[arg-type]
    finally:
        receiving.discard()


def read(files: Files, name: str, start: int = 0, end: int | None = None) -> bytes:
    """A file's bytes, or some of them."""
    file = files.find(name)
    reading = files.open(file, start, file.size if end is None else end)
    try:
        return b"".join(iter(reading.read, b""))
    finally:
        reading.close()


def lying(files: Files) -> list[Path]:
    """Whatever lies in the folder of contents."""
    assert isinstance(files.places, FolderPlaces)
    return sorted(path for path in files.places.folder.rglob("*") if path.is_file())


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_names_are_told_apart_and_listed_by_their_bytes(files: Files) -> None:
    for name in NAMES:
        put(files, check_name(name), name.encode())
    ordered = sorted(NAMES, key=str.encode)
    assert [file.name for file in files.listed()] == ordered
    assert [file.name for file in files.listed(portion=2)] == ordered
    for name in NAMES:
        assert read(files, name) == name.encode()
        assert [f.name for f in files.listed(name)] == [n for n in ordered if n.startswith(name)]
    assert [f.name for f in files.table.listed("a", "a.b", 2)] == [n for n in ordered if n > "a.b" and n[0] == "a"][:2]


def test_an_older_version_neither_replaces_nor_deletes_and_an_equal_one_does(files: Files) -> None:
    assert put(files, "a", b"two", 2).version_s == 2
    told = put(files, "a", b"one", 1)
    assert (told.version_s, told.sha256) == (2, digest(b"two"))
    assert read(files, "a") == b"two"
    assert put(files, "a", b"too", 2).sha256 == digest(b"too")
    assert read(files, "a") == b"too"
    assert put(files, "a", b"", -5_000_000_000).version_s == 2
    assert [f.name for f in files.listed(newest_s=1)] == []
    assert [f.name for f in files.listed(newest_s=2)] == ["a"]
    put(files, "a", b"1", 10)
    assert files.delete("a", Terms(9))[1] is False
    assert read(files, "a") == b"1"
    assert files.delete("a", Terms(10))[1] is True
    with pytest.raises(ObjectNotFound, match="'a'"):
        files.find("a")
    with pytest.raises(ObjectNotFound):
        files.delete("a", Terms(10))


def test_a_sealed_file_stays_and_what_is_there_is_sealed_if_it_has_the_same_contents(files: Files) -> None:
    assert put(files, "a", b"1", seal=True).is_sealed
    assert put(files, "a", b"1", 9, seal=True).version_s == 1
    for terms, error in (({}, DeniedError), ({"seal": True}, ObjectExists), ({"create_only": True}, ObjectExists)):
        with pytest.raises(error):
            put(files, "a", b"2", FOREVER, **terms)
    with pytest.raises(DeniedError):
        put(files, "a", b"1", FOREVER)
    with pytest.raises(DeniedError):
        files.delete("a", Terms(FOREVER))
    assert (read(files, "a"), files.find("a").is_sealed) == (b"1", True)
    assert files.delete("a", Terms(FOREVER, if_sealed=True))[1]
    put(files, "a", b"1", 5)
    with pytest.raises(ObjectExists):
        put(files, "a", b"2", 6, seal=True)
    assert not files.find("a").is_sealed
    told = put(files, "a", b"1", 6, seal=True)
    assert (told.is_sealed, told.version_s, files.find("a").is_sealed) == (True, 5, True)


def test_conditions(files: Files) -> None:
    with pytest.raises(PreconditionFailed):
        put(files, "a", b"1", if_match=frozenset())
    put(files, "a", b"1", create_only=True)
    with pytest.raises(ObjectExists):
        put(files, "a", b"1", create_only=True)
    with pytest.raises(PreconditionFailed):
        put(files, "a", b"2", if_match=frozenset({digest(b"2")}))
    put(files, "a", b"2", if_match=frozenset({digest(b"1"), digest(b"3")}))
    with pytest.raises(PreconditionFailed):
        files.delete("a", Terms(FOREVER, if_match=frozenset({digest(b"1")})))
    assert files.delete("a", Terms(FOREVER, if_match=frozenset()))[1]


def test_equal_contents_are_stored_once_and_go_with_their_last_name(files: Files) -> None:
    for name in ("a", "b", "c/d"):
        put(files, name, b"the same")
    put(files, "b", b"another", 2)
    assert len(lying(files)) == 2
    assert files.table.totals()[:2] == (3, 2)
    files.delete("a", Terms(1))
    assert files.sweep(0).places == 0
    files.delete("c/d", Terms(1))
    assert files.sweep(3600).places == 0, "they were needed a moment ago"
    time_passes(files)
    assert files.sweep(0).places == 1
    assert read(files, "b") == b"another"
    assert [path.name[:64] for path in lying(files)] == [digest(b"another").hex()]


def time_passes(files: Files) -> None:
    """Make everything a millisecond older, so that no test depends on the clock's steps."""
    with files.table._engine.begin() as connection:
        connection.execute(sa.update(store_contents).values(touched_ms=store_contents.c.touched_ms - 1))


def test_who_comes_first_creates_and_equal_contents_put_at_once_lie_in_one_place(files: Files, second: Journal) -> None:
    others = Files(second.engine, files.places)
    start = threading.Barrier(6)

    def create(number: int) -> bool:
        start.wait()
        try:
            put((files, others)[number % 2], "a", b"%d" % number, seal=True)
        except ObjectExists:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        won = list(threads.map(create, range(6)))
    assert won.count(True) == 1
    assert read(files, "a") == b"%d" % won.index(True)
    files.delete("a", Terms(FOREVER, if_sealed=True))
    time_passes(files)
    assert files.sweep(0).places == 1

    def begin(number: int) -> None:
        start.wait()
        put((files, others)[number % 2], f"name-{number}", b"the same")

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(begin, range(6)))
    assert len(lying(files)) == 1
    assert files.table.totals()[:2] == (6, 1)


def announced(files: Files, data: bytes) -> Contents:
    """What a put does before it has a name point to contents: announce a place, and fill it."""
    receiving = files.receive()
    receiving.write(data)
    received = receiving.finish(Expected())
    contents = Contents(files.places.new_place(received.sha256, ""), received.sha256, len(data), "identity", len(data))
    files.table.announce(contents)
    files.places.place(received.path, contents.place, lambda: None)
    return contents


def test_a_sweep_between_the_steps_of_a_put_is_noticed_and_a_put_between_those_of_a_sweep_too(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = announced(files, b"1")
    time_passes(files)
    assert files.sweep(0).places == 1
    assert files.table.put("a", contents, Terms(1)) == (None, False)
    assert files.table.find("a") is None

    put(files, "b", b"2")
    kept = files.table.claim(digest(b"2"))
    assert kept is not None
    files.delete("b", Terms(1))
    time_passes(files)
    assert files.sweep(0).places == 1
    assert files.table.put("a", kept, Terms(1)) == (None, False), "claimed, and swept away meanwhile"

    put(files, "a", b"1")
    files.delete("a", Terms(1))
    time_passes(files)
    write = files.table._write

    def late(work: Callable[..., object]) -> object:
        monkeypatch.undo()
        put(files, "b", b"1")  # after the sweep has seen that nobody needs these contents, and before it locks them
        return write(work)

    monkeypatch.setattr(files.table, "_write", late)
    assert files.sweep(-3600).places == 0, "however old it counts for"
    assert read(files, "b") == b"1"

    files.delete("b", Terms(1))
    time_passes(files)
    assert len(files.table.condemn(int(time.time() * 1000), 10)) == 1  # and its sweep dies
    assert files.sweep(0).places == 1
    assert (lying(files), files.table.totals()) == ([], (0, 0, 0))


class Storm:
    """Puts and deletions of a few names and contents, by two servers on one database, with sweeps without any grace."""

    def __init__(self, everyone: tuple[Files, Files], seed: int) -> None:
        self.everyone, self.seed = everyone, seed
        self.end = threading.Event()
        self.wrong: list[str] = []

    def run(self) -> None:
        with ThreadPoolExecutor(5) as threads:
            sweeping = threads.submit(self.sweep)
            try:
                for changing in [threads.submit(self.change, n) for n in range(4)]:
                    changing.result()
            finally:
                self.end.set()
            assert sweeping.result() > 0

    def sweep(self) -> int:
        rounds = 0
        while not self.end.is_set():
            self.everyone[rounds % 2].sweep(0)
            rounds += 1
        return rounds

    def change(self, number: int) -> None:
        chance = random.Random(self.seed + number)
        mine = self.everyone[number % 2]
        for _ in range(12):
            # Deleted meanwhile, or announced and swept away: a sweep without any grace may do that, and no harm.
            with contextlib.suppress(ObjectNotFound, StoreUnavailable):
                self.step(mine, chance)

    def step(self, mine: Files, chance: random.Random) -> None:
        name = f"n{chance.randrange(3)}"
        if chance.random() < 0.3:
            mine.delete(name, Terms(FOREVER))
        else:
            put(mine, name, b"contents %d" % chance.randrange(3), FOREVER)
        try:
            data = read(mine, name)
        except CorruptError as e:
            self.wrong.append(str(e))
        else:
            self.wrong += [] if data.startswith(b"contents ") else [f"{name} is {data!r}"]


def test_a_storm_of_puts_deletions_and_sweeps_loses_nothing(files: Files, second: Journal, seed: int) -> None:
    storm = Storm((files, Files(second.engine, files.places)), seed)
    storm.run()
    assert storm.wrong == []
    for file in files.listed():
        assert digest(read(files, file.name)) == file.sha256
    time_passes(files)
    files.sweep(0)
    assert len(lying(files)) == files.table.totals()[1] == len({file.sha256 for file in files.listed()})
