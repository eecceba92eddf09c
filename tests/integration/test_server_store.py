"""The server store over HTTP: filetracker's protocol 2 to the byte, and what stands beside it."""

from __future__ import annotations

import gzip
import hashlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import verify
from tests.integration.wire import Answer, Wire, ask, commit
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

FILE_BYTES_MAX = 5_000_000
PATIENCE_S = 1.0
T1, T2, T3 = (f"Sat, 31 Jan 2026 12:34:5{n} -0000" for n in (1, 2, 3))


@pytest.fixture(scope="module")
def stored(_guardian: None) -> Iterator[RainerServer]:
    """A server that takes small files and has little patience; in the end its folder holds no half file."""
    arguments = ("--store-file-bytes-max", str(FILE_BYTES_MAX), "--body-timeout-s", str(PATIENCE_S))
    with RainerServer(arguments=arguments) as server:
        yield server
        wait_until(lambda: not half_received(server), 10, lambda: f"the end of {half_received(server)}")
        server.stop()
        verify(server.database)
        assert "Traceback" not in server.output, server.output[-4000:]


def half_received(server: RainerServer) -> list[Path]:
    return list((server.data_dir / "store" / "tmp").glob("*"))  # the first file that comes makes it


def lying(server: RainerServer) -> list[Path]:
    return [path for path in (server.data_dir / "store").rglob("*-*") if path.is_file()]


def url(name: str, version: str | None = None) -> str:
    query = "" if version is None else "?last_modified=" + version.replace(" ", "%20").replace(",", "%2C")
    return f"/-/store/files/{name}{query}"


def put(server: RainerServer, name: str, body: bytes, version: str | None = T1, **headers: str) -> Answer:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return ask(server.url, "PUT", url(name, version), named, body)


def get(server: RainerServer, name: str, **headers: str) -> Answer:
    return ask(server.url, "GET", url(name), {key.replace("_", "-"): value for key, value in headers.items()})


def hexed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_protocol_two_to_the_byte(stored: RainerServer) -> None:
    spoken = ask(stored.url, "GET", "/-/store/version/")
    assert (spoken.body, spoken.header("Content-Type")) == (b'{"protocol_versions":[2]}', "application/json")

    data = b"some text\n" * 10_000
    packed = gzip.compress(data)
    sent = {"Content_Encoding": "gzip", "Logical_Size": str(len(data)), "SHA256_Checksum": hexed(data)}
    answer = put(stored, "wire/a.txt", packed, T2, **sent)
    assert (answer.status, answer.body, answer.header("Last-Modified")) == (200, b"", T2)

    answer = get(stored, "wire/a.txt", Accept_Encoding="gzip, deflate")
    assert (answer.header("Content-Encoding"), answer.header("Logical-Size")) == ("gzip", str(len(data)))
    assert (gzip.decompress(answer.body), answer.header("Last-Modified")) == (data, T2)
    assert answer.header("Content-Type") == "application/octet-stream"
    answer = get(stored, "wire/a.txt")
    assert (answer.body, answer.header("Content-Encoding"), answer.header("Content-Length")) == (data, None, "100000")

    older = put(stored, "wire/a.txt", b"older", T1)
    assert (older.status, older.header("Last-Modified")) == (200, T2)
    assert ask(stored.url, "DELETE", url("wire/a.txt", T1)).status == 200
    assert get(stored, "wire/a.txt").body == data
    put(stored, "wire/deep/er", b"1", T3)
    put(stored, "wire/%C3%A4%20b", b"2", T1)
    listed = ask(stored.url, "GET", "/-/store/list/wire")
    assert (listed.status, listed.body) == (200, "a.txt\ndeep/er\nä b\n".encode())
    cut = T2.replace(" ", "%20").replace(",", "%2C")
    assert ask(stored.url, "GET", f"/-/store/list/wire/?last_modified={cut}").body == "a.txt\nä b\n".encode()
    assert ask(stored.url, "GET", f"/-/store/list?last_modified={cut}").body == "wire/a.txt\nwire/ä b\n".encode()
    assert ask(stored.url, "GET", "/-/store/list/nowhere").body == b""
    ask(stored.url, "GET", "/-/store/list/wire/a.txt").problem(400, "invalid", "is a file")

    deleted = ask(stored.url, "DELETE", url("wire/a.txt", T2))
    assert (deleted.status, deleted.body) == (200, b"")
    for method in ("GET", "DELETE"):
        answer = ask(stored.url, method, url("wire/a.txt", T3))
        answer.problem(404, "object-not-found", "wire/a.txt")
        assert answer.header("X-Exception") == "there is no file 'wire/a.txt'"


def test_what_the_old_protocol_has_no_words_for(stored: RainerServer) -> None:
    put(stored, "words", b"x", None).problem(400, "invalid", "last_modified", "2026")
    put(stored, "words", b"x", "yesterday").problem(400, "invalid", "yesterday", "RFC 2822")
    ask(stored.url, "DELETE", url("words")).problem(400, "invalid", "last_modified")
    ask(stored.url, "GET", "/-/store/list/?last_modified=x").problem(400, "invalid", "RFC 2822")
    put(stored, "words", b"x", SHA256_Checksum="0" * 64).problem(400, "wrong-digest", hexed(b"x"), "nothing was kept")
    put(stored, "words", b"x", SHA256_Checksum="0").problem(400, "invalid", "64 hexadecimal")
    put(stored, "words", b"x", Logical_Size="2").problem(400, "wrong-digest", "2 were announced")
    put(stored, "words", b"x", Content_Encoding="br").problem(400, "invalid", "br")
    put(stored, "words", b"xyz", Content_Encoding="gzip").problem(400, "invalid", "not gzip")
    put(stored, "words", b"x", X_Rainer_Create_Only="maybe").problem(400, "invalid", "yes or no")
    put(stored, "words", b"x", If_None_Match='"1"').problem(400, "invalid", "only *")
    get(stored, "words").problem(404, "object-not-found")


@pytest.mark.parametrize(
    "name",
    ["", "a/../b", "%2e%2e/b", "..%2Fb", "a//b", "a%2F%2Fb", "/a", "a/", ".", "a%00b", "a%0Ab", "%FF", "y" * 256],
)
def test_hostile_names_are_refused(stored: RainerServer, name: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        ask(stored.url, method, url(name, T1), {}, b"x" if method == "PUT" else None).problem(400, "invalid")


def test_an_encoded_slash_is_a_slash(stored: RainerServer) -> None:
    put(stored, "enc%2Foded", b"1")
    assert get(stored, "enc/oded").body == b"1"


def test_ranges(stored: RainerServer) -> None:
    data = bytes(range(256)) * 10
    etag = put(stored, "ranges", data).header("ETag")
    assert etag == f'"{hexed(data)}"'
    for asked, start, end in (
        ("0-0", 0, 1),
        ("5-", 5, 2560),
        ("-7", 2553, 2560),
        ("9-99999", 9, 2560),
        ("-9999", 0, 2560),
    ):
        answer = get(stored, "ranges", Range=f"bytes={asked}", Accept_Encoding="gzip")
        assert (answer.status, answer.body) == (206, data[start:end])
        assert answer.header("Content-Range") == f"bytes {start}-{end - 1}/2560"
        assert (answer.header("ETag"), answer.header("X-Rainer-SHA256")) == (etag, hexed(data))
    for asked in ("bytes=5-4", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=a-b"):
        assert (get(stored, "ranges", Range=asked).status, get(stored, "ranges", Range=asked).body) == (200, data)
    for asked in ("bytes=2560-", "bytes=-0"):
        answer = get(stored, "ranges", Range=asked)
        answer.problem(416, "invalid", "2560 bytes")
        assert answer.header("Content-Range") == "bytes */2560"
    assert get(stored, "ranges", Range="bytes=1-1", If_Range=etag).status == 206
    assert get(stored, "ranges", Range="bytes=1-1", If_Range='"another"').status == 200
    assert get(stored, "ranges", Range="bytes=1-1", If_Range=T1).status == 200


def test_conditions(stored: RainerServer) -> None:
    etag = put(stored, "conditions", b"text " * 99).header("ETag") or ""
    for told in (etag, f"W/{etag}", f'"1", {etag}', "*"):
        answer = get(stored, "conditions", If_None_Match=told)
        assert (answer.status, answer.body, answer.header("ETag")) == (304, b"", etag)
    packed = get(stored, "conditions", Accept_Encoding="gzip").header("ETag")
    assert packed == f"W/{etag}"
    assert get(stored, "conditions", If_Match=etag).status == 200
    get(stored, "conditions", If_Match='"another"').problem(412, "conflict", etag)
    put(stored, "conditions", b"2", If_None_Match="*").problem(412, "object-exists", "conditions")
    put(stored, "conditions", b"2", If_Match='"another"').problem(412, "conflict")
    put(stored, "conditions-none", b"2", If_Match="*").problem(412, "conflict", "there is none")
    assert put(stored, "conditions", b"2", If_Match=etag).header("ETag") == f'"{hexed(b"2")}"'


def test_a_seal(stored: RainerServer) -> None:
    seal = {"X_Rainer_Create_Only": "yes"}
    assert put(stored, "sealed", b"1", None, **seal).status == 200
    assert put(stored, "sealed", b"1", None, **seal).status == 200
    put(stored, "sealed", b"2", None, **seal).problem(412, "object-exists", "sealed")
    answer = put(stored, "sealed", b"2", T3)
    answer.problem(403, "denied", "sealed")
    assert "sealed" in (answer.header("X-Exception") or "")
    future = "Fri, 31 Dec 9999 23:59:59 -0000"
    ask(stored.url, "DELETE", url("sealed", future)).problem(403, "denied")
    assert (get(stored, "sealed").body, get(stored, "sealed").header("X-Rainer-Sealed")) == (b"1", "yes")
    assert ask(stored.url, "DELETE", url("sealed", future), {"X-Rainer-Sealed": "yes"}).status == 200
    assert get(stored, "sealed").status == 404


def test_names_in_pages(stored: RainerServer) -> None:
    for number in range(5):
        put(stored, f"pages/{number}", b"%d" % number, T1)
    whole = ask(stored.url, "GET", "/-/store/names?prefix=pages/")
    assert whole.header("Content-Type") == "application/x-ndjson"
    lines = whole.body.splitlines()
    assert lines[3].decode() == (
        f'{{"name":"pages/3","size":1,"sha256":"{hexed(b"3")}","mtime":"2026-01-31T12:34:51.000Z","sealed":false}}'
    )
    path: str | None = "/-/store/names?prefix=pages/&limit=2"
    pages = []
    while path:
        page = ask(stored.url, "GET", path)
        pages.append(page.body.splitlines())
        link = page.header("Link")
        path = link and link[1 : link.index(">")]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [line for page in pages for line in page] == lines
    ask(stored.url, "GET", "/-/store/names?limit=0").problem(400, "invalid", "limit")


def test_too_large_is_refused_before_it_is_read(stored: RainerServer) -> None:
    with Wire(stored.url) as wire:
        wire.send(
            f"PUT {url('large', T1)} HTTP/1.1\r\nHost: x\r\nContent-Length: {FILE_BYTES_MAX + 1}\r\n\r\n".encode()
        )
        wire.answer("PUT").problem(413, "too-large", str(FILE_BYTES_MAX), "store_file_bytes_max")
    with Wire(stored.url) as wire:
        wire.send(f"PUT {url('large', T1)} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(FILE_BYTES_MAX // 100_000 + 1):
            wire.send(b"186A0\r\n" + bytes(100_000) + b"\r\n")
        wire.send(b"0\r\n\r\n")
        wire.answer("PUT").problem(413, "too-large")
    bomb = gzip.compress(bytes(FILE_BYTES_MAX + 1))
    put(stored, "large", bomb, Content_Encoding="gzip").problem(413, "too-large")
    assert put(stored, "large", bytes(FILE_BYTES_MAX)).status == 200


def test_whoever_stalls_drips_or_goes_away_leaves_nothing(stored: RainerServer) -> None:
    data = random.Random(1).randbytes(2_000_000)
    head = f"PUT {url('stalled', T1)} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n".encode()
    with Wire(stored.url) as stalled, Wire(stored.url) as dripping, Wire(stored.url) as gone:
        for wire in (stalled, dripping, gone):
            wire.send(head + data)
        wait_until(lambda: len(half_received(stored)) == 3, 10, "three half files")
        gone.close()
        wait_until(lambda: len(half_received(stored)) == 2, 10, "the end of what nobody sends any more")
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.05):
                dripping.send(b"x")

        with ThreadPoolExecutor(1) as threads:
            drops = threads.submit(drip)
            dripping.answer("PUT").problem(400 + 8, "invalid", "nothing was kept")
            over.set()
            assert drops.exception(10) is None or isinstance(drops.exception(), OSError)
        stalled.answer("PUT").problem(408, "invalid", f"within {PATIENCE_S:g} s")
    wait_until(lambda: not half_received(stored), 10, "the end of all half files")
    assert get(stored, "stalled").status == 404


def test_heads_are_read_and_commits_made_while_files_stream(stored: RainerServer) -> None:
    data = random.Random(2).randbytes(4_500_000)
    over = threading.Event()

    def stream(number: int) -> int:
        rounds = 0
        while not over.is_set():
            assert put(stored, f"stream-{number}", data).status == 200
            assert get(stored, f"stream-{number}").body == data
            rounds += 1
        return rounds

    with ThreadPoolExecutor(2) as threads:
        streams = [threads.submit(stream, number) for number in range(2)]
        try:
            for version in range(1, 51):
                assert commit(stored.url, "beside", version).status == 200
                assert ask(stored.url, "GET", "/diary/beside").header("X-Rainer-Version") == str(version)
        finally:
            over.set()
        assert all(streaming.result() for streaming in streams)


def test_equal_contents_lie_once_and_figures_tell_of_bytes(stored: RainerServer) -> None:
    data = random.Random(3).randbytes(100_000)
    for number in range(3):
        put(stored, f"same/{number}", data)
    assert len([path for path in lying(stored) if path.name.startswith(hexed(data))]) == 1
    figures = ask(stored.url, "GET", "/-/metrics").body.decode()
    came = next(line for line in figures.splitlines() if line.startswith('rainer_store_bytes_total{way="in"}'))
    assert float(came.split()[1]) >= 300_000
    assert f"put same/2 100000B sha256 {hexed(data)[:12]} by 127.0.0.1" in stored.output
    assert ask(stored.url, "GET", "/-/status").json()["store"]["file_bytes_max"] == FILE_BYTES_MAX


def test_damaged_contents_are_never_sent_whole(stored: RainerServer) -> None:
    data = random.Random(4).randbytes(3_000_000)
    put(stored, "damaged", data)
    (path,) = (path for path in lying(stored) if path.name.startswith(hexed(data)))
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with Wire(stored.url) as wire:
        assert len(wire.ask("GET", url("damaged")).body) < len(data)
    path.unlink()
    get(stored, "damaged").problem(500, "corrupt", "damaged", "put the same file again")
    put(stored, "healing", data)
    assert get(stored, "damaged").body == data
