"""What comes in headers: text in any encoding, times, repetitions; and what must never get out through them."""

from __future__ import annotations

import http.client
import itertools
import json

import pytest

from tests.integration.wire import Answer, Wire, ask, commit, request
from tests.services.rainer import RainerServer

_numbers = itertools.count(1)


@pytest.fixture
def key() -> str:
    """A key of the test's own."""
    return f"header-{next(_numbers)}"


def changeset(server: RainerServer, **commit: object) -> Answer:
    """Commit by JSON, which carries what no header can."""
    body = {"author": "me", "commits": [{"version": 1, "payload_utf8": "x"} | commit]}
    return ask(server.url, "POST", "/-/changesets", {}, json.dumps(body).encode("utf-8", "surrogatepass"))


# Text

TEXTS = {
    "ASCII": (b"plain", "plain"),
    "UTF-8": ("Łódź — €".encode(), "Łódź — €"),
    "beyond the BMP": ("😀".encode(), "😀"),
    "Latin-1": (b"caf\xe9", "café"),
    "bytes that are neither": (b"\xff\xfe", "ÿþ"),
    "half a character": (b"caf\xc3", "cafÃ"),
    "an overlong slash": (b"\xc0\xaf", "À¯"),
    "a surrogate": (b"\xed\xa0\x80", "í\xa0\x80"),
    "a tab inside": (b"a\tb", "a\tb"),
    "space around": (b"  a  ", "a"),
}


@pytest.mark.parametrize(("raw", "text"), TEXTS.values(), ids=TEXTS.keys())
def test_a_comment_in_any_encoding_is_read_and_comes_back(
    served: RainerServer, key: str, raw: bytes, text: str
) -> None:
    made = commit(served.url, key, 1, X_Rainer_Comment=raw.decode("latin-1"))
    assert (made.status, made.json()["comment"]) == (200, text), made
    assert ask(served.url, "GET", f"/diary/{key}/meta").json()["comment"] == text
    answer = ask(served.url, "GET", f"/diary/{key}")
    back = (answer.header("X-Rainer-Comment") or "").encode("latin-1")
    again = commit(served.url, key, 2, X_Rainer_Comment=back.decode("latin-1")).json()["comment"]
    assert again == text or answer.header("X-Rainer-Meta") == "Partial"


@pytest.mark.parametrize("author", ["", " ", "\t"])
def test_an_author_that_is_not_there_is_asked_for(served: RainerServer, key: str, author: str) -> None:
    commit(served.url, key, 1, X_Rainer_Author=author).refusal(400, "Missing header: X-Rainer-Author")
    ask(served.url, "POST", f"/diary/{key}/1", {}, b"x").refusal(400, "Missing header: X-Rainer-Author")


def test_an_author_with_a_control_character_is_refused(served: RainerServer, key: str) -> None:
    commit(served.url, key, 1, X_Rainer_Author="a\x85b").problem(400, "invalid", "author", "U+0085")
    commit(served.url, key, 1, X_Rainer_Author="a\tb").problem(400, "invalid", "author", "U+0009")


def test_texts_over_their_limits_are_refused(served: RainerServer, key: str) -> None:
    commit(served.url, key, 1, X_Rainer_Author="a" * 1_001).problem(413, "too-large", "the author has 1001 bytes")
    commit(served.url, key, 1, X_Rainer_Comment="c" * 65_537).problem(413, "too-large", "the comment has 65537 bytes")
    whole = commit(served.url, key, 1, X_Rainer_Author="a" * 1_000, X_Rainer_Comment="c" * 65_536)
    assert (whole.status, whole.json()["comment"]) == (200, "c" * 65_536)


# Times

TIMES = {
    "the year 3000": ("3000-01-01T00:00:00Z", "3000-01-01T00:00:00.000Z"),
    "before 1970": ("1900-02-28T23:59:59.999+02:00", "1900-02-28T21:59:59.999Z"),
    "an offset": ("2026-01-31T12:34:56.789-08:00", "2026-01-31T20:34:56.789Z"),
    "microseconds, cut": ("2026-01-31T12:34:56.789999Z", "2026-01-31T12:34:56.789Z"),
    "no seconds": ("2026-01-31T12:34Z", "2026-01-31T12:34:00.000Z"),
    "the first": ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
    "the last": ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
}


@pytest.mark.parametrize(("given", "kept"), TIMES.values(), ids=TIMES.keys())
def test_the_authors_time_is_the_authors_word(served: RainerServer, key: str, given: str, kept: str) -> None:
    made = commit(served.url, key, 1, X_Rainer_Modified_Time=given)
    assert (made.status, made.json()["mtime"]) == (200, kept), made
    assert ask(served.url, "GET", f"/diary/{key}").header("X-Rainer-Modified-Time") == kept
    assert ask(served.url, "GET", "/diary").json()[key]["mtime"] == kept
    recorded = ask(served.url, "GET", f"/diary/{key}/log").json()["commits"][0]["recorded"]
    assert recorded[:2] == "20"  # the server's clock, whatever the author says


BROKEN_TIMES = [
    "", "now", "2026-01-31", "2026-01-31T12:34:56", "12:34:56Z", "2026-02-30T00:00:00Z", "2026-01-31T25:00:00Z",
    "1769862896", "Sat, 31 Jan 2026 12:34:56 GMT", "2026-01-31T12:34:56+99:00", "٢٠٢٦-01-31T12:34:56Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
]  # fmt: skip


@pytest.mark.parametrize("given", BROKEN_TIMES)
def test_a_time_that_is_none_is_refused(served: RainerServer, key: str, given: str) -> None:
    raw = given.encode().decode("latin-1")
    commit(served.url, key, 1, X_Rainer_Modified_Time=raw).refusal(400, "Malformed header: X-Rainer-Modified-Time")
    ask(served.url, "GET", f"/diary/{key}").refusal(404, "Key not found")


@pytest.mark.parametrize("given", BROKEN_TIMES[1:])
def test_a_time_that_is_none_is_refused_in_a_changeset(served: RainerServer, key: str, given: str) -> None:
    changeset(served, key=key, mtime=given).problem(400, "invalid", "commits[0]", "ISO 8601")


# Said again, and said twice


def test_what_is_said_again_must_be_the_same(served: RainerServer, key: str) -> None:
    other = commit(served.url, key, 1, X_Rainer_Key="other")
    other.refusal(400, "X-Rainer-Key must match URL key, or be omitted")
    for version in ("2", "01", "one", ""):
        other = commit(served.url, key, 1, X_Rainer_Version=version)
        other.refusal(400, "X-Rainer-Version must match URL version, or be omitted")
    assert commit(served.url, key, 1, X_Rainer_Key=key, X_Rainer_Version="1").status == 200


def test_a_key_beyond_ascii_may_be_said_again(served: RainerServer) -> None:
    for version, name in enumerate(("schlüssel".encode(), "schlüssel".encode("latin-1")), 1):
        made = commit(served.url, "schl%C3%BCssel", version, X_Rainer_Key=name.decode("latin-1"))
        assert made.status == 200, made


def test_a_header_that_comes_twice_is_refused(served: RainerServer, key: str) -> None:
    for name, one, two in (
        ("X-Rainer-Author", "me", "you"), ("X-Rainer-Comment", "a", "b"), ("X-Rainer-Empty", "no", "yes"),
        ("X-Rainer-Commit-Id", "1", "2"), ("X-Rainer-Modified-Time", "2026-01-31T12:34Z", "2027-01-31T12:34Z"),
    ):  # fmt: skip
        author = "" if name == "X-Rainer-Author" else "X-Rainer-Author: me\r\n"
        twice = f"POST /diary/{key}/1 HTTP/1.1\r\n{author}{name}: {one}\r\n{name}: {two}\r\nContent-Length: 0\r\n\r\n"
        with Wire(served.url) as wire:
            wire.send(twice.encode())
            wire.answer().problem(400, "invalid", name, "twice")
    ask(served.url, "GET", f"/diary/{key}").refusal(404, "Key not found")


@pytest.mark.parametrize("given", ["", "two words", "i" * 65, "é", "\xff"])
def test_a_commit_id_that_cannot_be_is_refused(served: RainerServer, key: str, given: str) -> None:
    commit(served.url, key, 1, X_Rainer_Commit_Id=given).problem(400, "invalid", "commit id", "1 to 64 visible ASCII")
    headers = {"X-Rainer-Commit-Id": given}
    body = b'{"author": "me", "commits": [{"key": "k", "version": 1, "empty": true}]}'
    ask(served.url, "POST", "/-/changesets", headers, body).problem(400, "invalid", "1 to 64 visible ASCII")


def test_a_repetition_with_its_commit_id_is_answered_again(served: RainerServer, key: str) -> None:
    first = commit(served.url, key, 1, b"x", X_Rainer_Commit_Id="once")
    again = commit(served.url, key, 1, b"x", X_Rainer_Commit_Id="once")
    assert (again.status, again.json()) == (first.status, first.json())
    for name in ("X-Rainer-Commit-Revision", "X-Rainer-Revision", "X-Rainer-Lineage"):
        assert first.header(name) == again.header(name) is not None
    commit(served.url, key, 1, b"y", X_Rainer_Commit_Id="once").problem(422, "commit-id-reused", "'once'")


# Getting out through headers

INJECTIONS = {
    "CR LF": "why\r\nX-Rainer-Version: 99",
    "LF": "why\nX-Rainer-Version: 99",
    "CR": "why\rX-Rainer-Version: 99",
    "an end of headers": "why\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "NEL": "why\x85X-Rainer-Version: 99",
    "a line separator": "why\u2028X-Rainer-Version: 99",
    "a vertical tab and a form feed": "why\vX-Rainer-Version: 99\fX-Rainer-Empty: Yes",
    "file and group separators": "why\x1cX-Rainer-Version: 99\x1dX",
    "a letter whose UTF-8 holds NEL": "\u0445…\u0445\r\nX-Rainer-Version: 99",
    "escape": "why\x1b]0;owned\x07",
    "a letter that is half a line break": "\u010a\u010d",
}


@pytest.mark.parametrize("comment", INJECTIONS.values(), ids=INJECTIONS.keys())
def test_a_comment_cannot_add_headers(served: RainerServer, key: str, comment: str) -> None:
    assert changeset(served, key=key, comment=comment).status == 200
    for path in (f"/diary/{key}", f"/diary/{key}/1"):
        with Wire(served.url) as wire:
            answer = wire.ask("GET", path)
            assert (answer.body, answer.header("X-Rainer-Version"), answer.header("X-Rainer-Empty")) == (
                b"x",
                "1",
                "No",
            )
            assert not set("\r\n\x1b\x00") & set(answer.header("X-Rainer-Comment") or "")
            assert wire.ask("GET", "/-/healthz").status == 200  # nothing was left between the two answers
        _check_with_the_standard_library(served, path)
    assert ask(served.url, "GET", f"/diary/{key}/meta").json()["comment"] == comment


def _check_with_the_standard_library(served: RainerServer, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        assert (response.read(), response.headers.get_all("X-Rainer-Version")) == (b"x", ["1"])
        assert response.headers.get_all("X-Rainer-Lineage") is not None
    finally:
        connection.close()


def test_a_comment_that_a_header_cannot_carry_is_marked(served: RainerServer, key: str) -> None:
    for version, comment in enumerate(("two\nlines", "x" * 4_097, "é" * 4_097, " ends ", "\x01"), 1):
        assert changeset(served, key=key, version=version, comment=comment).status == 200
        answer = ask(served.url, "GET", f"/diary/{key}")
        assert answer.header("X-Rainer-Meta") == "Partial"
        assert len(answer.header("X-Rainer-Comment") or "") <= 4_096
        assert ask(served.url, "GET", f"/diary/{key}/{version}/meta").json()["comment"] == comment
    assert changeset(served, key=key, version=6, comment="one line").status == 200
    assert ask(served.url, "GET", f"/diary/{key}").header("X-Rainer-Meta") is None


def test_a_key_or_author_beyond_latin_1_comes_back_in_utf_8(served: RainerServer) -> None:
    assert changeset(served, key="ключ", author="Łukasz").status == 200
    answer = ask(served.url, "GET", "/diary/%D0%BA%D0%BB%D1%8E%D1%87")
    found = [(answer.header(name) or "").encode("latin-1").decode() for name in ("X-Rainer-Key", "X-Rainer-Author")]
    assert found == ["ключ", "Łukasz"]


def test_a_header_that_is_refused_is_not_repeated_raw(served: RainerServer, key: str) -> None:
    for answer in (
        commit(served.url, key, 1, X_Rainer_Commit_Id="\x80\x9b31m" * 1_000),
        ask(served.url, "GET", "/diary/" + "%1b%5b31m" * 1_000),
        ask(served.url, "GET", "/-/changes?since=" + "%1b" * 1_000),
        ask(served.url, "GET", "/" + "%1b" * 1_000),
    ):
        assert len(answer.problem(400, "invalid")["detail"]) < 400
        assert not {c for c in answer.json()["detail"] if not c.isprintable()}


def test_very_many_headers_are_refused(served: RainerServer) -> None:
    many = {f"X-{n}": "v" * 100 for n in range(5_000)}
    with Wire(served.url) as wire:
        wire.send(request("GET", "/-/healthz", many))
        wire.answer().problem(400, "invalid", "its headers are over")
    assert ask(served.url, "GET", "/-/healthz", {f"X-{n}": "v" * 100 for n in range(1_000)}).status == 200
