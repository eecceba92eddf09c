"""HTTP at its edges: upgrades, expectations, pipelines, broken framing; and what a connection is good for then."""

from __future__ import annotations

import itertools

import pytest

from tests.integration.wire import Wire, ask, commit, request
from tests.services.rainer import RainerServer

POST = {"X-Rainer-Author": "test"}
_numbers = itertools.count(1)


@pytest.fixture
def key() -> str:
    """A key of the test's own."""
    return f"http-{next(_numbers)}"


def revision(server: RainerServer) -> int:
    found: int = ask(server.url, "GET", "/-/status").json()["revision"]
    return found


# Upgrades

# What every Java HttpClient says with its first request on a plain connection.
H2C = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAAB"}


def test_a_commit_that_offers_an_upgrade_keeps_its_payload(served: RainerServer, key: str) -> None:
    with Wire(served.url) as wire:
        assert wire.ask("POST", f"/diary/{key}/1", POST | H2C, b"payload").status == 200
        assert wire.ask("GET", f"/diary/{key}", H2C).body == b"payload"
        assert wire.ask("POST", f"/diary/{key}/2", POST, b"second").status == 200
        assert wire.ask("GET", f"/diary/{key}").body == b"second"


def test_a_commit_that_offers_an_upgrade_keeps_its_payload_when_it_comes_later(served: RainerServer, key: str) -> None:
    whole = request("POST", f"/diary/{key}/1", POST | H2C, b"payload")
    with Wire(served.url) as wire:
        for piece in (whole[:30], whole[30:-7], whole[-7:-3], whole[-3:]):
            wire.send(piece)
            ask(served.url, "GET", "/-/healthz")  # the server has read so far, in all likelihood
        assert wire.answer().status == 200
        assert wire.ask("GET", f"/diary/{key}").body == b"payload"


def test_a_commit_in_chunks_that_offers_an_upgrade_keeps_its_payload(served: RainerServer, key: str) -> None:
    chunked = POST | H2C | {"Transfer-Encoding": "chunked"}
    with Wire(served.url) as wire:
        wire.send(request("POST", f"/diary/{key}/1", chunked, b"4\r\npayl\r\n3\r\noad\r\n0\r\n\r\n"))
        assert wire.answer().status == 200
    assert ask(served.url, "GET", f"/diary/{key}").body == b"payload"


def test_requests_that_offer_an_upgrade_may_be_pipelined(served: RainerServer, key: str) -> None:
    pipeline = [request("POST", f"/diary/{key}/{n}", POST | H2C, b"payload %d" % n) for n in (1, 2, 3)]
    with Wire(served.url) as wire:
        wire.send(b"".join(pipeline) + request("GET", f"/diary/{key}", H2C))
        assert [wire.answer().status for _ in pipeline] == [200, 200, 200]
        assert wire.answer().body == b"payload 3"


def test_a_websocket_is_not_offered(served: RainerServer) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    assert ask(served.url, "GET", "/-/healthz", upgrade).status == 200
    ask(served.url, "CONNECT", "example:443").problem(400, "invalid", "not HTTP/1.1")


# Expectations

EXPECT = POST | {"Expect": "100-continue"}


def test_a_client_that_expects_to_be_told_is_told_to_go_on(served: RainerServer, key: str) -> None:
    with Wire(served.url) as wire:
        wire.send(request("POST", f"/diary/{key}/1", EXPECT | {"Content-Length": "5"}))
        assert wire.answer().status == 100
        wire.send(b"later")
        assert wire.answer().status == 200
    assert ask(served.url, "GET", f"/diary/{key}").body == b"later"


@pytest.mark.parametrize(
    ("path", "length", "status"), [("/diary/k/1", 1_000_001, 413), ("/diary/k/0", 5, 400), ("/nowhere/k/1", 5, 404)]
)
def test_a_client_that_expects_to_be_told_is_refused_first(
    served: RainerServer, path: str, length: int, status: int
) -> None:
    with Wire(served.url) as wire:
        wire.send(request("POST", path, EXPECT | {"Content-Length": str(length)}))
        assert wire.answer().status == status


# Pipelines and what a connection is good for after a refusal


def test_answers_to_a_pipeline_come_in_order(served: RainerServer, key: str) -> None:
    requests = [
        request("POST", f"/diary/{key}/1", POST, b"1"),
        request("GET", f"/diary/{key}"),
        request("POST", f"/diary/{key}/1", POST, b"again"),
        request("GET", "/-/nothing"),
        request("POST", f"/diary/{key}/2", POST, b"2"),
        request("GET", f"/diary/{key}/meta"),
    ]
    with Wire(served.url) as wire:
        wire.send(b"".join(requests))
        answers = [wire.answer() for _ in requests]
    assert [a.status for a in answers] == [200, 200, 409, 404, 200, 200]
    assert answers[1].body == b"1"
    assert answers[5].json()["version"] == 2


def test_a_long_pipeline_of_commits_is_kept_whole(served: RainerServer, key: str) -> None:
    with Wire(served.url) as wire:
        wire.send(b"".join(request("POST", f"/diary/{key}/{n}", POST, b"%d" % n) for n in range(1, 201)))
        assert [wire.answer().json()["version"] for _ in range(200)] == list(range(1, 201))


REFUSALS = {
    "a bad name": ("POST", "/diary/%00/1", b"x", 400),
    "no author": ("POST", "/diary/k/1", b"x", 400),
    "another namespace": ("POST", "/nowhere/k/1", b"x" * 500_000, 404),
    "a bad version with a long body": ("POST", "/diary/k/0", b"x" * 900_000, 400),
    "nothing there": ("POST", "/-/nothing", b"x" * 100_000, 404),
    "not JSON": ("POST", "/-/changesets", b"[", 400),
    "another method": ("PUT", "/diary/k/1", b"x", 405),
    "a body where none belongs": ("GET", "/diary/never", b"x" * 100_000, 404),
}


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_connection_is_good_after_a_refusal(
    served: RainerServer, key: str, method: str, path: str, body: bytes, status: int
) -> None:
    with Wire(served.url) as wire:
        for version in (1, 2):
            assert wire.ask(method, path, {}, body).status == status
            assert wire.ask("POST", f"/diary/{key}/{version}", POST, b"x").status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_another_method_is_told_which_there_are(served: RainerServer, method: str) -> None:
    for path, allowed in (
        ("/diary", "GET, HEAD"), ("/diary/k", "GET, HEAD"), ("/diary/k/1", "GET, HEAD, POST"),
        ("/-/changesets", "POST"), ("/-/namespaces", "GET, HEAD, POST"), ("/-/status", "GET, HEAD"),
    ):  # fmt: skip
        answer = ask(served.url, method, path)
        answer.problem(405, "invalid", method, path, allowed)
        assert answer.header("Allow") == allowed


# Framing

BROKEN = {
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00",
    "an unknown method": request("COMMIT", "/diary/k/1"),
    "another version": b"GET /diary HTTP/3.7\r\n\r\n",
    "two lengths": request("POST", "/diary/k/1", POST | {"Content-Length": "5", "content-length": "6"}, b"hello"),
    "a negative length": request("POST", "/diary/k/1", POST | {"Content-Length": "-1"}),
    "a length beyond counting": request("POST", "/diary/k/1", POST | {"Content-Length": "9" * 30}),
    "a length in words": request("POST", "/diary/k/1", POST | {"Content-Length": "five"}, b"hello"),
    "a length and chunks": request(
        "POST", "/diary/k/1", POST | {"Content-Length": "5", "Transfer-Encoding": "chunked"}, b"0\r\n\r\n"
    ),
    "a chunk without a size": request("POST", "/diary/k/1", POST | {"Transfer-Encoding": "chunked"}, b"zz\r\nx\r\n"),
    "a header without a colon": b"GET /diary HTTP/1.1\r\nHost test\r\n\r\n",
    "a space before the colon": b"GET /diary HTTP/1.1\r\nHost : test\r\n\r\n",
    "a folded header": b"POST /diary/k/1 HTTP/1.1\r\nX-Rainer-Author: me\r\n you\r\nContent-Length: 0\r\n\r\n",
    "a bare CR in a header": request("POST", "/diary/k/1", {"X-Rainer-Author": "me\rX-Rainer-Key: other"}, b"x"),
    "NUL in a header": request("POST", "/diary/k/1", {"X-Rainer-Author": "m\0e"}, b"x"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_http_is_refused_and_leaves_no_trace(served: RainerServer, data: bytes) -> None:
    before = revision(served)
    with Wire(served.url) as wire:
        wire.send(data)
        answer = wire.answer()
        answer.problem(400, "invalid", "not HTTP/1.1")
        assert answer.header("Connection") == "close"
        assert wire.is_at_end()
    assert revision(served) == before


def test_what_is_not_http_after_a_request_does_not_cost_its_answer(served: RainerServer, key: str) -> None:
    with Wire(served.url) as wire:
        wire.send(request("POST", f"/diary/{key}/1", POST, b"x") + b"\0\0\0")
        assert wire.answer().status == 200
        assert wire.is_at_end()


def test_a_body_that_breaks_off_commits_nothing(served: RainerServer, key: str) -> None:
    for start in (
        request("POST", f"/diary/{key}/1", POST | {"Content-Length": "10"}, b"half"),
        request("POST", f"/diary/{key}/1", POST | {"Transfer-Encoding": "chunked"}, b"4\r\nhalf\r\n"),
    ):
        with Wire(served.url) as wire:
            wire.send(start)
    ask(served.url, "GET", f"/diary/{key}").refusal(404, "Key not found")
    assert commit(served.url, key, 1).status == 200


def test_http_1_0_is_answered_and_closed(served: RainerServer) -> None:
    with Wire(served.url) as wire:
        wire.send(b"GET /-/healthz HTTP/1.0\r\n\r\n")
        assert wire.answer().json() == {"status": "ok"}
        assert wire.is_at_end()


def test_the_ancestors_header_names_keep_their_letter_case(served: RainerServer, key: str) -> None:
    assert commit(served.url, key, 1).status == 200
    for path in (f"/diary/{key}", f"/diary/{key}/1", f"/diary/{key}?at={revision(served)}"):
        names = {name for name, _ in ask(served.url, "GET", path).headers}
        assert names >= {
            "X-Rainer-Key", "X-Rainer-Version", "X-Rainer-Author", "X-Rainer-Comment", "X-Rainer-Modified-Time",
            "X-Rainer-Empty", "X-Rainer-Revision", "X-Rainer-Lineage", "X-Rainer-Commit-Revision",
        }  # fmt: skip
