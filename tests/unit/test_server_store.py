"""The server store's files: what lies on disk, what comes in, what goes out, and what damage does."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.errors import CorruptError, InvalidError, TooLargeError, WrongDigest
from rainer.journal import Journal
from rainer.server_store.files import Files
from rainer.server_store.names import check_name
from rainer.server_store.places import FolderPlaces, StorePlaces, open_places
from rainer.server_store.receiving import Expected, Receiving
from rainer.server_store.versions import format_version, parse_version
from rainer.store import open_store
from tests.contracts.test_store_names import digest, lying, put, read


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    """A store whose names are in memory and whose contents are in a folder."""
    with Journal("memory:") as journal:
        yield Files(journal.engine, FolderPlaces(tmp_path / "contents"), file_bytes_max=50_000_000)


@pytest.mark.parametrize(
    "name",
    [
        *("", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b", "a\nb", "a\x85", "\ud800"),
        *("x" * 256, "a/" * 512 + "b"),
    ],
)  # fmt: skip
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidError):
        check_name(name)


def test_contents_that_were_lost_come_back_with_the_next_put(files: Files) -> None:
    put(files, "a", b"1")
    put(files, "sealed", b"1", seal=True)
    assert isinstance(files.places, FolderPlaces)
    shutil.rmtree(files.places.folder)
    with pytest.raises(CorruptError, match="not in"):
        read(files, "a")
    put(files, "sealed", b"1", 1, seal=True)
    assert (read(files, "a"), read(files, "sealed")) == (b"1", b"1")


def test_changed_bytes_are_never_sent_whole(files: Files) -> None:
    data = random.Random(1).randbytes(3_000_000)
    put(files, "a", data)
    (path,) = lying(files)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    file = files.find("a")
    reading = files.open(file, 0, file.size)
    assert len(reading.read()) + len(reading.read()) < file.size
    with pytest.raises(CorruptError, match="SHA-256"):
        reading.read()
    reading.close()


def test_ranges_of_what_lies_compressed(files: Files) -> None:
    data = b"".join(b"line %d\n" % number for number in range(400_000))
    put(files, "a", data)
    (path,) = lying(files)
    assert path.suffix == ".zst"
    assert path.stat().st_size < len(data) / 2
    frame = 1024 * 1024
    for start, end in ((0, 1), (7, 7), (frame, frame + 1), (frame - 3, 3 * frame + 5), (len(data) - 2, len(data))):
        assert read(files, "a", start, end) == data[start:end]
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CorruptError):
        read(files, "a")


def receive(files: Files, body: bytes, expected: Expected = Expected(), piece: int = 7_000) -> bytes:  # noqa: B008
    """Send a gzip body in pieces, and return what was stored."""
    receiving = files.receive(is_gzip=True)
    try:
        for at in range(0, len(body), piece):
            receiving.write(body[at : at + piece])
        received = receiving.finish(expected)
        return received.sha256
    finally:
        receiving.discard()


def test_gzip_is_undone_as_it_comes(files: Files) -> None:
    data = b"0123456789" * 500_000
    assert receive(files, gzip.compress(data), Expected(digest(data), len(data))) == digest(data)
    assert receive(files, gzip.compress(b"one") + gzip.compress(b"two"), piece=1) == digest(b"onetwo")
    assert receive(files, gzip.compress(b"")) == digest(b"")
    assert lying(files) == []


def test_a_bad_body_leaves_nothing(files: Files) -> None:
    data = random.Random(2).randbytes(100_000)
    packed = gzip.compress(data)
    bombs = gzip.compress(bytes(60_000_000))
    cases: list[tuple[bytes, Expected, type[Exception], str]] = [
        (packed[:-1], Expected(), InvalidError, "ends in the middle"),
        (packed[:50_000], Expected(), InvalidError, "ends in the middle"),
        (b"", Expected(), InvalidError, "ends in the middle"),
        (packed + b"rest", Expected(), InvalidError, "not gzip"),
        (data, Expected(), InvalidError, "not gzip"),
        (packed, Expected(size=99_999), WrongDigest, "99999"),
        (packed, Expected(digest(b"another")), WrongDigest, digest(b"another").hex()),
        (bombs, Expected(), TooLargeError, "50000000"),
    ]
    for body, expected, error, words in cases:
        with pytest.raises(error, match=words):
            receive(files, body, expected)
    assert lying(files) == []


def test_compression_only_where_it_helps(files: Files) -> None:
    put(files, "text", b"text " * 100_000)
    put(files, "noise", random.Random(3).randbytes(500_000))
    put(files, "short", b"a")
    sizes = {path.suffix: path.stat().st_size for path in lying(files) if path.stat().st_size > 1}
    assert sizes[""] == 500_000
    assert sizes[".zst"] < 5_000


@pytest.mark.skipif(shutil.which("zstd") is None, reason="there is no zstd command to read a file with")
def test_what_lies_compressed_can_be_read_by_hand(files: Files) -> None:
    data = b"".join(b"line %d\n" % number for number in range(400_000))
    put(files, "a", data)
    assert subprocess.run(["zstd", "-dc", *lying(files)], stdout=subprocess.PIPE, check=True).stdout == data


def test_half_received_files_of_the_dead_are_swept(files: Files) -> None:
    dead, living = Receiving(files.places.spool, 100, is_gzip=False), files.receive()
    for receiving in (dead, living):
        for _ in range(2):
            receiving.write(b"1" * 50)
        receiving._flush()
    assert dead._path is not None
    hour_ago = time.time() - 4_000
    os.utime(dead._path, (hour_ago, hour_ago))
    assert files.sweep().temporary == 1
    assert lying(files) == [living._path]
    for receiving in (dead, living):
        receiving.discard()
    assert lying(files) == []


def test_contents_in_another_store(tmp_path: Path) -> None:
    places = open_places("memory://server-store-places", tmp_path / "spool")
    assert isinstance(places, StorePlaces)
    data = b"".join(b"line %d\n" % number for number in range(400_000))
    with Journal("memory:") as journal:
        files = Files(journal.engine, places)
        put(files, "a", data)
        put(files, "b", b"")
        assert (read(files, "a"), read(files, "a", 2_000_000, 2_000_009)) == (data, data[2_000_000:2_000_009])
        assert read(files, "b") == b""
        put(files, "a", b"other", 2)
        assert len(list(open_store("memory://server-store-places").list())) == 3
        assert files.sweep(-1).places == 1
        assert len(list(open_store("memory://server-store-places").list())) == 2
        assert list((tmp_path / "spool").iterdir()) == []
        for object_ in list(open_store("memory://server-store-places").list()):
            open_store("memory://server-store-places").delete(object_.uri)


def test_versions_are_dates_of_mail() -> None:
    for text in ("Sat, 31 Jan 2026 12:34:56 -0000", "31 Jan 2026 13:34:56 +0100", "Sat, 31 Jan 2026 12:34:56 GMT"):
        assert parse_version(text) == 1_769_862_896
    assert format_version(1_769_862_896) == "Sat, 31 Jan 2026 12:34:56 -0000"
    assert parse_version(format_version(-1)) == -1
    for text in (
        "", "1769862896", "2026-01-31T12:34:56Z", "Sat, 31 Feb 2026 12:34:56 +0000", "Sat, 31 Jan 26 12:34:56 +0000",
        "Sat, 31 Jan 2026 25:00:00 +0000", "31 Dec 9999 23:59:59 -2300", "01 Jan 0001 00:00:00 +2300", "x" * 9_999,
    ):  # fmt: skip
        with pytest.raises(InvalidError, match="RFC 2822"):
            parse_version(text)


def test_the_digest_of_a_big_file_is_that_of_its_bytes(files: Files) -> None:
    data = random.Random(4).randbytes(3_333_333)
    assert put(files, "a", data).sha256 == hashlib.sha256(data).digest()
    assert read(files, "a") == data
