"""What the client asks and what it makes of the answers: get, heads in pages, log, feed, namespaces, errors."""

from __future__ import annotations

import base64
import threading
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from rainer import errors
from rainer.client import Changes, Client, Namespace, Retries
from rainer.model.position import Position
from tests.unit.http_script import Received, ScriptedServer, answer, json_answer, problem

FAST = Retries(2, 0.001, 0.002)
LINEAGE = "11111111-2222-3333-4444-555555555555"
AT = {"X-Rainer-Revision": "40", "X-Rainer-Lineage": LINEAGE}


def head_answer(payload: bytes = b"x", **headers: str | bytes) -> bytes:
    """What a Rainer server answers to a GET of version 3 of a key; underscores in `headers` stand for hyphens."""
    told: dict[str, str | bytes] = {
        "X-Rainer-Key": "hey",
        "X-Rainer-Version": "3",
        "X-Rainer-Author": "me",
        "X-Rainer-Comment": "why",
        "X-Rainer-Modified-Time": "2026-01-02T03:04:05.678Z",
        "X-Rainer-Empty": "No",
        "X-Rainer-Commit-Revision": "17",
    } | AT
    told |= {"X-Rainer-" + name.replace("_", "-"): value for name, value in headers.items()}
    return answer(200, payload, told)


def meta(key: str, version: int = 1, payload: bytes | None = b"x", **members: Any) -> dict[str, Any]:
    base = {"key": key, "version": version, "author": "me", "comment": "", "mtime": "2026-01-02T03:04:05.678Z"}
    encoded = {} if payload is None else {"payload_base64": base64.b64encode(payload).decode()}
    return base | {"empty": payload is None, "namespace": "diary", "revision": 7} | encoded | members


def query(received: Received) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(received.target).query))


def test_get() -> None:
    with ScriptedServer(head_answer(b"\x00\xff")) as server, Client(server.url) as client:
        commit = client.get("hey")
        client.get("hey", 3)
        client.get("hey", at=39)
        client.get("ä b%2F?#")
        assert server.targets() == [
            "GET /diary/hey",
            "GET /diary/hey/3",
            "GET /diary/hey?at=39",
            "GET /diary/%C3%A4%20b%252F%3F%23",
        ]
    assert (commit.key, commit.version, commit.payload, commit.author, commit.comment) == (
        *("hey", 3, b"\x00\xff", "me"),
        "why",
    )
    assert commit.mtime == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert (commit.is_empty, commit.namespace, commit.revision) == (False, "diary", 17)


def test_an_empty_commit_has_no_payload_and_zero_bytes_are_one() -> None:
    with ScriptedServer(head_answer(b"", Empty="Yes"), head_answer(b"")) as server, Client(server.url) as client:
        empty, zero = client.get("hey"), client.get("hey")
    assert (empty.payload, empty.is_empty) == (None, True)
    assert (zero.payload, zero.is_empty) == (b"", False)


@pytest.mark.parametrize("text", ["plain", "Ärger", "語", "Å\u8a9e", "é\u00a0x", "café ü ñ", "\u0085x\u001cx"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_header_text_comes_in_as_utf8_and_as_latin1(text: str, encoding: str) -> None:
    try:
        raw = text.encode(encoding)
    except UnicodeEncodeError:
        raw = text.encode()
    with ScriptedServer(head_answer(Author=raw, Comment=raw)) as server, Client(server.url) as client:
        commit = client.get("hey")
    assert (commit.author, commit.comment) == (text, text)


def test_texts_that_no_header_holds_whole_are_read_from_the_meta_of_that_version() -> None:
    full = json_answer(meta("hey", 3, None, comment="two\nlines", author="me", empty=False), headers=AT)
    with ScriptedServer(head_answer(Meta="Partial"), full) as server, Client(server.url) as client:
        commit = client.get("hey")
        assert server.targets() == ["GET /diary/hey", "GET /diary/hey/3/meta"]
    assert (commit.comment, commit.payload, commit.revision) == ("two\nlines", b"x", 17)


def test_heads_are_read_in_pages_that_stay_at_the_first_ones_revision() -> None:
    def page(*keys: str, **headers: str) -> bytes:
        told = AT | {name.replace("_", "-"): value for name, value in headers.items()}
        return json_answer({key: meta(key) for key in keys}, headers=told)

    next_page = {"Link": '</diary?after=b&limit=2>; rel="next"'}
    with (
        ScriptedServer(page("a", "b", **next_page), page("c", **next_page), page()) as server,
        Client(server.url) as client,
    ):
        found = client.heads(prefix="é", include_empty=True)
        first, second, third = [query(received) for received in server.received]
    assert {key: commit.payload for key, commit in found.items()} == {"a": b"x", "b": b"x", "c": b"x"}
    assert found["a"].revision == 7
    wanted = {"all": "yes", "payload_base64": "yes", "revisions": "yes", "prefix": "é"}
    assert {**first, "limit": ""} == {**wanted, "limit": ""}
    assert {**second, "limit": ""} == {**wanted, "limit": "", "after": "b", "at": "40"}
    assert {**third, "limit": ""} == {**wanted, "limit": "", "after": "c", "at": "40"}
    assert int(first["limit"]) < int(second["limit"])


def test_pages_of_large_payloads_become_smaller() -> None:
    link = AT | {"Link": '<x>; rel="next"'}
    large = json_answer({str(n): meta(str(n), payload=b"x" * 600_000) for n in range(10)}, headers=link)
    with ScriptedServer(large, json_answer({}, headers=AT)) as server, Client(server.url) as client:
        client.heads()
        assert 1 <= int(query(server.received[1])["limit"]) <= 10


def test_heads_begin_again_when_the_journal_is_replaced_between_pages() -> None:
    def page(key: str, lineage: str, more: bool) -> bytes:
        told = {"X-Rainer-Revision": "40", "X-Rainer-Lineage": lineage}
        return json_answer({key: meta(key)}, headers=told | ({"Link": '<x>; rel="next"'} if more else {}))

    script = [page("old", "1", True), page("b", "2", False), page("a", "2", True), page("b", "2", False)]
    with ScriptedServer(*script) as server, Client(server.url) as client:
        assert list(client.heads()) == ["a", "b"]
    with ScriptedServer(*script) as server, Client(server.url) as client, pytest.raises(errors.PositionGone):
        list(client.iter_heads())
    gone = problem(410, "position-gone")
    with ScriptedServer(gone) as server, Client(server.url) as client:
        with pytest.raises(errors.PositionGone):
            client.heads(at=99)
        assert len(server.received) == 1
        with pytest.raises(errors.PositionGone):
            client.heads()


def test_a_page_without_an_end_is_not_followed_for_ever() -> None:
    with (
        ScriptedServer(json_answer({}, headers=AT | {"Link": '<x>; rel="next"'})) as server,
        Client(server.url) as client,
        pytest.raises(errors.InvalidError, match="a page of heads is empty"),
    ):
        client.heads()


def test_log_is_read_in_pages_up_to_the_limit() -> None:
    def page(versions: range, more: bool) -> bytes:
        return json_answer({"commits": [meta("hey", version) for version in versions], "more": more}, headers=AT)

    script = [page(range(9, 6, -1), True), page(range(6, 3, -1), True), page(range(3, 0, -1), False)]
    with ScriptedServer(*script) as server, Client(server.url) as client:
        assert [commit.version for commit in client.log("hey")] == [9, 8, 7, 6, 5, 4, 3, 2, 1]
        assert [query(received).get("before") for received in server.received] == [None, "7", "4"]
    with ScriptedServer(*script) as server, Client(server.url) as client:
        assert [commit.version for commit in client.log("hey", limit=6, payloads=False)] == [9, 8, 7, 6, 5, 4]
        assert [query(received)["limit"] for received in server.received] == ["6", "3"]
        assert "payload_base64" not in query(server.received[0])
    with Client("http://h/diary") as client, pytest.raises(errors.InvalidError, match="negative"):
        client.log("hey", limit=-1)


def test_log_of_a_key_that_never_was() -> None:
    with ScriptedServer(answer(404, "Key not found", AT)) as server, Client(server.url) as client:
        with pytest.raises(errors.NotFoundError, match="'nobody'"):
            client.log("nobody")
        assert len(server.received) == 1


def changes_page(*revisions: int, upto: int, more: bool = False) -> bytes:
    changes = [meta(f"k{revision}", revision=revision) for revision in revisions]
    return json_answer({"lineage": LINEAGE, "revision": upto, "chain": "ab" * 32, "more": more, "changes": changes})


def test_changes() -> None:
    with ScriptedServer(changes_page(18, 20, upto=21, more=True)) as server, Client(server.url) as client:
        page = client.changes(since=17, wait_s=2.5, limit=10, payloads=True, lineage=LINEAGE, chain="cd" * 32)
        assert query(server.received[0]) == {
            "since": "17", "namespace": "diary", "wait": "3", "limit": "10", "payload_base64": "yes",
            "lineage": LINEAGE, "chain": "cd" * 32,
        }  # fmt: skip
    assert isinstance(page, Changes)
    assert (page.revision, page.lineage, page.chain, page.more) == (21, LINEAGE, "ab" * 32, True)
    assert [(commit.key, commit.revision, commit.payload) for commit in page.commits] == [
        ("k18", 18, b"x"),
        ("k20", 20, b"x"),
    ]
    assert page.position == Position(LINEAGE, 21, bytes.fromhex("ab" * 32))


def test_follow_goes_on_where_a_page_ended_and_passes_over_quiet_ones() -> None:
    script = [
        changes_page(upto=19),
        changes_page(20, upto=20),
        changes_page(23, upto=25),
        problem(410, "position-gone"),
    ]
    with ScriptedServer(*script) as server, Client(server.url) as client:
        pages = client.follow(17, wait_s=1)
        assert [next(pages).revision, next(pages).revision] == [20, 25]
        with pytest.raises(errors.PositionGone):
            next(pages)
        asked = [(query(received)["since"], query(received).get("lineage")) for received in server.received]
        assert query(server.received[1])["chain"] == "ab" * 32
    assert asked == [("17", None), ("19", LINEAGE), ("20", LINEAGE), ("25", LINEAGE)]


def test_a_wait_is_added_to_what_the_server_may_be_silent() -> None:
    never = threading.Event()

    def late(_received: Received) -> bytes:
        never.wait(0.3)
        return changes_page(upto=17)

    with ScriptedServer(late) as server, Client(server.url, retries=0, timeout_s=0.1, read_timeout_s=0.1) as client:
        assert client.changes(17, wait_s=5).commits == ()


def test_namespaces() -> None:
    prices = {"name": "prices", "format": "json", "payload_bytes_max": 500, "closed": False}
    script = [json_answer({"namespaces": [prices]}), json_answer(prices), json_answer(prices, 201), json_answer(prices)]
    with ScriptedServer(*script) as server, Client(server.url) as client:
        assert client.namespaces() == [Namespace("prices", "json", 500, False)]
        assert client.namespace("prices").format == "json"
        assert client.create_namespace("prices", format="json", payload_bytes_max=500).name == "prices"
        assert client.namespace().payload_bytes_max == 500
        assert server.targets() == [
            "GET /-/namespaces",
            "GET /-/namespaces/prices",
            "POST /-/namespaces",
            "GET /-/namespaces/diary",
        ]
        assert server.received[2].body == b'{"name": "prices", "format": "json", "payload_bytes_max": 500}'
        with pytest.raises(errors.InvalidError):
            client.namespace("No/pe")
