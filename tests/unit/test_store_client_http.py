"""The file store's client and what servers may do: an original filetracker's way, breaks, lies, and other servers."""

from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import os
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest

from rainer.errors import (
    CredentialsError,
    DeniedError,
    InvalidUri,
    ObjectNotFound,
    StoreUnavailable,
    WrongDigest,
)
from rainer.store import Client
from rainer.store.migrating import files_in, migrate
from tests.services.waiting import wait_until
from tests.unit.http_script import RESET, Received, ScriptedServer, answer, json_answer, problem
from tests.unit.original_filetracker import Original

CONTENTS = bytes(range(256)) * 2_000
DIGEST = hashlib.sha256(CONTENTS).hexdigest()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENTS)
    return path


def store_of(server: ScriptedServer) -> str:
    return server.url.removesuffix("/diary") + "/ft"


def test_an_original_filetracker(source: Path, tmp_path: Path) -> None:
    original = Original()
    with ScriptedServer(original) as server, Client(store_of(server), tmp_path / "copies") as client:
        assert client.put_file("/d/a@5", source) == "/d/a@5"
        assert original.sent[-1].headers["sha256-checksum"] == DIGEST.encode()
        assert original.sent[-1].headers["logical-size"] == b"512000"
        assert gzip.decompress(original.files["d/a"][1]) == CONTENTS
        assert client.put_file("/d/a@4", source) == "/d/a@5"
        assert client.get_file("/d/a", tmp_path / "out", force_refresh=True) == "/d/a@5"
        assert (tmp_path / "out").read_bytes() == CONTENTS
        assert (client.file_size("/d/a"), client.file_version("/d/a"), client.exists("/d/a@4")) == (512_000, 5, False)
        assert client.list_remote_files("/d") == ["/d/a"]
        assert client.list_remote_files("/none") == []
        assert [(entry.name, entry.size) for entry in client.iter_remote_entries()] == [("/d/a@5", 512_000)]
        with pytest.raises(ObjectNotFound):
            client.get_file("/none", tmp_path / "none")
        assert client.delete_file("/d/a")
        assert not client.exists("/d/a")


def test_migration_to_an_original_filetracker_resumes_by_version_and_size(source: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in "ab":
        (tree / name).write_bytes(name.encode() * 10_000)
    with ScriptedServer(Original()) as server, Client(store_of(server)) as client:
        files = list(files_in(tree))
        assert migrate(client, files[:1]).uploaded == 1
        outcome = migrate(client, files)
        assert (outcome.uploaded, outcome.present) == (1, 1)


def _file(received: Received, *, cut: int | None = None, digest: str = DIGEST) -> bytes:
    """Our server's answer with CONTENTS, from a range on if that is asked for, broken off if so wished."""
    start = int(received.headers.get("range", b"bytes=0-")[6:-1])
    headers = {
        "Last-Modified": formatdate(5, usegmt=True), "ETag": f'"{DIGEST}"', "X-Rainer-SHA256": digest,
        "Accept-Ranges": "bytes", "Logical-Size": str(len(CONTENTS)),
    }  # fmt: skip
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(CONTENTS) - 1}/{len(CONTENTS)}"
    whole = answer(206 if start else 200, CONTENTS[start:], headers)
    return whole if cut is None else whole[: len(whole) - len(CONTENTS) + start + cut]


def test_a_break_is_gone_on_with(tmp_path: Path) -> None:
    steps: list[Callable[[Received], bytes]] = [lambda r: _file(r, cut=100_000), lambda r: _file(r, cut=50_000), _file]
    with ScriptedServer(*steps) as server, Client(store_of(server), timeout_s=5) as client:
        assert client.get_file("/a", tmp_path / "out") == "/a@5"
        assert [received.headers.get("range") for received in server.received] == [
            None, b"bytes=100000-", b"bytes=150000-",
        ]  # fmt: skip
        assert server.received[1].headers["if-match"] == f'"{DIGEST}"'.encode()
    assert (tmp_path / "out").read_bytes() == CONTENTS


def test_a_break_behind_which_there_is_another_file(tmp_path: Path) -> None:
    steps = (lambda r: _file(r, cut=100_000), problem(412, "conflict"))
    with ScriptedServer(*steps) as server, Client(store_of(server), tmp_path / "copies", timeout_s=5) as client:
        with pytest.raises(StoreUnavailable, match="does not go on with the same file"):
            client.get_file("/a", tmp_path / "out")
        assert client.list_local_files() == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("copies", [True, False])
def test_other_bytes_than_promised_are_not_kept(tmp_path: Path, copies: bool) -> None:
    with (
        ScriptedServer(lambda r: _file(r, digest="0" * 64)) as server,
        Client(store_of(server), tmp_path / "copies" if copies else None) as client,
        pytest.raises(WrongDigest, match=f"SHA-256 {DIGEST} came, {'0' * 64} was promised"),
    ):
        client.get_file("/a", tmp_path / "out")
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 1_000] == []


@pytest.mark.parametrize(
    ("body", "size", "error"),
    [
        (gzip.compress(b"x" * 10_000, mtime=0)[:-9], 10_000, StoreUnavailable),
        (b"no gzip at all", 10_000, StoreUnavailable),
        (gzip.compress(b"x" * 10_000, mtime=0), 9_999, WrongDigest),
        (gzip.compress(b"x" * 10_000, mtime=0), 10_001, WrongDigest),
        (gzip.compress(bytes(50_000_000), mtime=0), 10, WrongDigest),
    ],
    ids=["cut", "none", "too long", "too short", "bomb"],
)
def test_damaged_gzip(tmp_path: Path, body: bytes, size: int, error: type[Exception]) -> None:
    headers = {"Content-Encoding": "gzip", "Last-Modified": formatdate(5), "Logical-Size": str(size)}
    with (
        ScriptedServer(answer(200, body, headers)) as server,
        Client(store_of(server)) as client,
        pytest.raises(error),
    ):
        client.get_file("/a", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_gzip_in_several_members_and_long_runs(tmp_path: Path) -> None:
    contents = bytes(3_000_000) + CONTENTS
    body = gzip.compress(contents[:1_000_000]) + gzip.compress(b"") + gzip.compress(contents[1_000_000:], 9)
    headers = {"Content-Encoding": "gzip", "Last-Modified": formatdate(5), "Logical-Size": str(len(contents))}
    with ScriptedServer(answer(200, body, headers)) as server, Client(store_of(server)) as client:
        client.get_file("/a", tmp_path / "out")
    assert zlib.crc32((tmp_path / "out").read_bytes()) == zlib.crc32(contents)


def test_unchanged_bytes_do_not_travel(tmp_path: Path) -> None:
    not_modified = answer(304, b"", {"Last-Modified": formatdate(9, usegmt=True), "ETag": f'"{DIGEST}"'})
    with ScriptedServer(_file, not_modified) as server, Client(store_of(server), tmp_path / "copies") as client:
        assert client.get_file("/a", tmp_path / "out") == "/a@5"
        assert client.get_file("/a", tmp_path / "out") == "/a@9"  # the same bytes under another version by now
        assert server.received[1].headers["if-none-match"] == f'"{DIGEST}"'.encode()
        assert client.get_file("/a@9", tmp_path / "out") == "/a@9"
        assert len(server.received) == 2


def test_a_copy_that_was_damaged_is_fetched_again(tmp_path: Path) -> None:
    with ScriptedServer(_file) as server, Client(store_of(server), tmp_path / "copies") as client:
        client.get_file("/a", tmp_path / "out")
        (data,) = [path for path in (tmp_path / "copies" / "entries").glob("*/*") if path.suffix != ".json"]
        times = data.stat().st_mtime_ns
        data.chmod(0o644)
        data.write_bytes(bytes(len(CONTENTS)))
        os.utime(data, ns=(times, times))
        assert client.get_file("/a@5", tmp_path / "out") == "/a@5"
    assert (tmp_path / "out").read_bytes() == CONTENTS


def test_copies_that_cannot_be_kept_fail_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "copies").write_bytes(b"a file where the folder should be")
    with ScriptedServer(_file) as server, Client(store_of(server), tmp_path / "copies") as client:
        assert client.get_file("/a", tmp_path / "out") == "/a@5"
    assert (tmp_path / "out").read_bytes() == CONTENTS
    assert "past the local copies" in caplog.text


def test_redirects_are_followed(tmp_path: Path) -> None:
    """As filetracker's migration server sends readers on to the one that still has the file."""
    with ScriptedServer(_file) as old:
        moved = answer(307, b"", {"Location": store_of(old) + "/files/a"})
        with ScriptedServer(moved) as server, Client(store_of(server)) as client:
            assert client.get_file("/a", tmp_path / "out") == "/a@5"
            assert client.file_version("/a") == 5


def test_a_version_without_change_is_chosen_anew(source: Path) -> None:
    """Somebody stored the name between our look at it and our upload."""
    head = lambda r: _file(r)[: -len(CONTENTS)]  # noqa: E731
    stored = answer(200, b"", {"Last-Modified": formatdate(4_000_000_000, usegmt=True)})
    steps = (problem(404, "object-not-found"), json_answer({"protocol_versions": [2]}), problem(412, "object-exists"),
             head, stored)  # fmt: skip
    with ScriptedServer(*steps) as server, Client(store_of(server)) as client:
        assert client.put_file("/a", source) == "/a@4000000000"
        puts = [received.headers for received in server.received if received.method == "PUT"]
    assert puts[0]["if-none-match"] == b"*"
    assert puts[1]["if-match"] == f'"{DIGEST}"'.encode()


def test_refusals_keep_their_kind(source: Path) -> None:
    speaks = json_answer({"protocol_versions": [2]})
    cases = [
        (problem(403, "denied", "the file is sealed"), DeniedError, "is sealed"),
        (answer(401), CredentialsError, "401"),
        (answer(403, b"", {"X-Exception": "no"}), DeniedError, "refuses: no"),
    ]
    for refusal, error, words in cases:
        with (
            ScriptedServer(speaks, refusal) as server,
            Client(store_of(server)) as client,
            pytest.raises(error, match=words),
        ):
            client.put_file("/a@5", source)


def test_what_is_no_file_store(source: Path, tmp_path: Path) -> None:
    cases = [
        answer(404), answer(200, b"<html>", {"Content-Type": "text/html"}), json_answer({"protocol_versions": [3]}),
        json_answer([]), answer(200, b"\xff"),
    ]  # fmt: skip
    for said in cases:
        with ScriptedServer(said) as server, Client(store_of(server)) as client:
            for call in (
                lambda client=client: client.put_file("/a@5", source),
                lambda client=client: client.get_file("/a", tmp_path / "out"),
                lambda client=client: client.list_remote_files(),
            ):
                with pytest.raises(InvalidUri):
                    call()
    for url in ("ftp://host/x", "host:80/x", "http://", "http://host/?q"):
        with pytest.raises(InvalidUri):
            Client(url)


def test_a_login_in_the_url_is_sent_and_never_shown(tmp_path: Path) -> None:
    with ScriptedServer(answer(403)) as server:
        url = store_of(server).replace("http://", "http://ann:s%3Acret@")
        with Client(url) as client, pytest.raises(DeniedError) as caught:
            client.file_version("/a")
        assert server.received[0].headers["authorization"] == b"Basic YW5uOnM6Y3JldA=="
    assert "cret" not in str(caught.value)


def test_connections_that_fail_are_made_again(tmp_path: Path) -> None:
    with ScriptedServer(RESET, answer(503), _file) as server, Client(store_of(server)) as client:
        assert client.get_file("/a", tmp_path / "out") == "/a@5"


def _read_in_child(client: Client, expected: str, codes: multiprocessing.SimpleQueue[object]) -> None:
    stream, _ = client.get_stream("/a")
    with stream:
        codes.put(hashlib.sha256(stream.read()).hexdigest() == expected)


def test_it_works_in_a_forked_child(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    keeping = ScriptedServer(lambda r: _file(r).replace(b"Connection: close\r\n", b""))
    with keeping as server, Client(store_of(server), tmp_path / "copies") as client:
        client.get_file("/a", tmp_path / "out")
        codes = context.SimpleQueue()
        child = context.Process(target=_read_in_child, args=(client, DIGEST, codes))
        child.start()
        assert codes.get() is True
        child.join()
        codes.close()
        client.get_file("/a", tmp_path / "out", force_refresh=True)
    assert server.received[0].connection == server.received[-1].connection


def test_many_at_once_fetch_a_file_once(tmp_path: Path) -> None:
    def slowly(received: Received) -> bytes:
        everybody.wait(30)
        return _file(received)

    everybody = threading.Event()
    with ScriptedServer(slowly) as server:
        clients = [Client(store_of(server), tmp_path / "copies") for _ in range(4)]
        with ThreadPoolExecutor(8) as pool:
            names = [pool.submit(clients[n % 4].get_file, "/a@5", tmp_path / f"out{n}") for n in range(8)]
            wait_until(lambda: server.received, 10, "the first to ask")
            everybody.set()
            assert {name.result() for name in names} == {"/a@5"}
        assert len(server.received) == 1
        for client in clients:
            client.close()
    assert {(tmp_path / f"out{n}").read_bytes() for n in range(8)} == {CONTENTS}
