"""The texts and times of the original's calls over a bare socket: Latin-1 and UTF-8, several lines, odd keys."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.integration.ancestor_calls import got, meta, post
from tests.integration.wire import Wire, ask, commit
from tests.services.rainer import RainerServer


@pytest.fixture
def key() -> str:
    """A key of the test's own: the tests share the ancestor's only namespace."""
    return f"what-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def wire(served: RainerServer) -> Iterator[Wire]:
    """One connection, kept alive through all of a test's calls."""
    with Wire(served.url) as made:
        yield made


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("1970-01-01T00:00:00.002Z", "1970-01-01T00:00:00.002Z"),
        ("2014-02-11T14:01:28.839-08:00", "2014-02-11T22:01:28.839Z"),
        ("2999-12-31T23:59:59Z", "2999-12-31T23:59:59.000Z"),
    ],
)
def test_a_time_is_the_same_instant_with_milliseconds(wire: Wire, key: str, sent: str, told: str) -> None:
    assert meta(post(wire, key, 1, b"x", X_Rainer_Modified_Time=sent))["mtime"] == told
    assert wire.ask("GET", f"/diary/{key}").header("X-Rainer-Modified-Time") == told


@pytest.mark.parametrize(
    ("sent", "text", "told"),
    [
        (b"J\xfcrgen", "Jürgen", b"J\xfcrgen"),
        ("Jürgen".encode(), "Jürgen", b"J\xfcrgen"),
        ("語".encode(), "語", "語".encode()),
        (b"\xc3", "Ã", b"\xc3"),
        ("Ã¼".encode(), "Ã¼", "Ã¼".encode()),
        (b"  spaced out \t", "spaced out", b"spaced out"),
    ],
)
def test_header_text_comes_in_as_latin1_or_utf8_and_goes_out_as_an_old_client_reads_it(
    wire: Wire, key: str, sent: bytes, text: str, told: bytes
) -> None:
    head = f"POST /diary/{key}/1 HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n".encode()
    wire.send(head + b"X-Rainer-Author: " + sent + b"\r\nX-Rainer-Comment: " + sent + b"\r\n\r\nx")
    found = meta(wire.answer("POST"))
    assert (found["author"], found["comment"]) == (text, text)
    answer = wire.ask("GET", f"/diary/{key}")
    for name in ("X-Rainer-Author", "X-Rainer-Comment"):
        assert (answer.header(name) or "").encode("latin-1") == told
    assert f'"author":"{text}"'.encode() in wire.ask("GET", f"/diary/{key}/meta").body


def test_a_comment_of_several_lines_breaks_no_response_and_is_whole_in_the_meta(wire: Wire, key: str) -> None:
    body = {
        "author": "me",
        "comment": "one\r\nX-Evil: 1\r\n\r\ntwo",
        "commits": [{"key": key, "version": 1, "payload_utf8": "x"}],
    }
    assert wire.ask("POST", "/-/changesets", {}, json.dumps(body).encode()).status == 200
    answer = wire.ask("GET", f"/diary/{key}")
    assert got(answer) == (200, b"x")
    assert answer.header("X-Evil") is None
    assert answer.header("X-Rainer-Comment") == "one X-Evil: 1  two"
    assert answer.header("X-Rainer-Meta") == "Partial"
    assert meta(wire.ask("GET", f"/diary/{key}/meta"))["comment"] == "one\r\nX-Evil: 1\r\n\r\ntwo"


@pytest.mark.parametrize("name", ["a b", "é", "語", "%", "a%2Fb is no slash", "~!$&'()*+,;=:@", "meta", "log", "-"])
def test_a_key_is_one_percent_encoded_segment(served: RainerServer, name: str) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in name.encode())
    assert commit(served.url, escaped, 1, b"x").status == 200
    answer = ask(served.url, "GET", f"/diary/{escaped}")
    assert got(answer) == (200, b"x")
    assert meta(ask(served.url, "GET", f"/diary/{escaped}/1/meta"))["key"] == name
    assert name in ask(served.url, "GET", "/diary").json()
