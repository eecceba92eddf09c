"""Commits over HTTP: what is sent, what is sent again, and what is said when nobody knows what became of it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from rainer import limits
from rainer.client import Client, Retries
from rainer.errors import (
    CommitIdReused,
    DeniedError,
    InvalidError,
    NamespaceNotFound,
    OutcomeUnknown,
    RainerError,
    TooLargeError,
    UnavailableError,
    VersionConflict,
)
from tests.services.machine import free_port
from tests.unit.http_script import BREAK, RESET, Received, ScriptedServer, Step, answer, json_answer, problem

FAST = Retries(3, 0.001, 0.002)
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
META = {
    "key": "hey",
    "version": 4,
    "author": "me",
    "comment": "why",
    "mtime": "2026-01-02T03:04:05.678Z",
    "empty": False,
}
GRANTED = json_answer(META, headers={"X-Rainer-Commit-Revision": "40", "X-Rainer-Revision": "40"})
CONFLICT = answer(409, '{"conflict":{"key":"hey","expectedVersion":5,"providedVersion":4}}')


def stored(payload: bytes = b"new", comment: str = "why") -> bytes:
    """The answer to a GET of version 4."""
    told = {
        "X-Rainer-Version": "4", "X-Rainer-Author": "me", "X-Rainer-Comment": comment, "X-Rainer-Empty": "No",
        "X-Rainer-Modified-Time": "2026-01-02T03:04:05.678Z", "X-Rainer-Revision": "41",
        "X-Rainer-Commit-Revision": "40",
    }  # fmt: skip
    return answer(200, payload, told)


def commit(client: Client, **arguments: Any) -> Any:
    return client.commit("hey", b"new", **{"version": 4, "author": "me", "comment": "why"} | arguments)


def header(received: Received, name: str) -> bytes | None:
    return received.headers.get(f"x-rainer-{name}")


def test_a_commit_as_it_goes_over_the_wire() -> None:
    with ScriptedServer(GRANTED) as server, Client(server.url) as client:
        made = client.commit("hey", b"\x00new", version=4, author="me", comment="why")
        received = server.received[0]
    assert (received.method, received.target, received.body) == ("POST", "/diary/hey/4", b"\x00new")
    assert (header(received, "author"), header(received, "comment")) == (b"me", b"why")
    assert (header(received, "empty"), header(received, "modified-time")) == (None, None)
    assert UUID.fullmatch(header(received, "commit-id") or b"")
    assert (made.key, made.version, made.payload, made.revision) == ("hey", 4, b"\x00new", 40)
    assert made.mtime == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def test_a_removal_an_id_a_time_and_the_clients_author() -> None:
    with ScriptedServer(json_answer(META | {"empty": True})) as server:
        with Client(server.url, author="they") as client:
            at = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
            made = client.commit("hey", None, version=4, mtime=at, commit_id="my-id")
        received = server.received[0]
    assert (header(received, "empty"), header(received, "author"), received.body) == (b"Yes", b"they", b"")
    assert header(received, "modified-time") == b"2026-01-02T03:04:05.678Z"
    assert header(received, "commit-id") == b"my-id"
    assert (made.payload, made.is_empty, made.revision) == (None, True, None)


def test_header_text_goes_out_as_latin1_or_utf8_and_never_as_a_second_header() -> None:
    with ScriptedServer(GRANTED) as server, Client(server.url) as client:
        commit(client, author="Jürgen", comment="語")
        assert (header(server.received[0], "author"), header(server.received[0], "comment")) == (
            "Jürgen".encode("latin-1"),
            "語".encode(),
        )


@pytest.mark.parametrize("comment", ["two\nlines", "cr\r\nlf", " spaced ", "tab\there", "x" * 5000, "語" * 2000])
def test_texts_that_no_header_carries_whole_go_as_a_changeset_of_one(comment: str) -> None:
    answered = json_answer(
        {"revision": 40, "commits": [META | {"comment": comment, "namespace": "prices", "revision": 40}]}
    )
    with ScriptedServer(answered) as server, Client(server.url) as client:
        made = commit(client.in_namespace("prices"), comment=comment)
        received = server.received[0]
    assert (received.method, received.target) == ("POST", "/-/changesets")
    assert UUID.fullmatch(header(received, "commit-id") or b"")
    assert json.loads(received.body) == {
        "author": "me",
        "comment": comment,
        "commits": [{"namespace": "prices", "key": "hey", "version": 4, "payload_utf8": "new"}],
    }
    assert (made.comment, made.revision, made.namespace, made.payload) == (comment, 40, "prices", b"new")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"author": None}, "nobody is named"),
        ({"author": ""}, "the author is empty"),
        ({"author": "a\nb"}, "U\\+000A"),
        ({"comment": "\0"}, "U\\+0000"),
        ({"comment": "\ud800"}, "lone surrogate"),
        ({"version": 0}, "version"),
        ({"version": True}, "version"),
        ({"version": 2**31}, "version"),
        ({"commit_id": "two words"}, "commit id"),
        ({"commit_id": ""}, "commit id"),
        ({"mtime": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - that is the point
    ],
)
def test_what_cannot_be_a_commit_is_not_sent(arguments: dict[str, Any], words: str) -> None:
    with ScriptedServer(GRANTED) as server, Client(server.url) as client:
        with pytest.raises(InvalidError, match=words):
            commit(client, **arguments)
        for key, payload in [("a/b", b""), ("", b""), ("a", "text"), ("a", bytearray(b"x"))]:
            with pytest.raises(InvalidError):
                client.commit(key, payload, version=1, author="me")  # type: ignore[arg-type]
        with pytest.raises(TooLargeError, match="no namespace takes more than 8388608"):
            client.commit("a", b"x" * (limits.PAYLOAD_BYTES_CEILING + 1), version=1, author="me")
        assert server.received == []


UNKNOWN = [BREAK, RESET, answer(500, "oops"), answer(502, ""), answer(503, "no server"), answer(504, ""),
           problem(503, "outcome-unknown"), problem(500, "internal"), answer(200, "<html>"),
           answer(202, ""), answer(204, ""),
           json_answer(META | {"version": 5})]  # fmt: skip


@pytest.mark.parametrize("step", UNKNOWN)
def test_a_commit_whose_outcome_is_unknown_is_sent_again_with_the_same_id(step: Step) -> None:
    with ScriptedServer(step, step, GRANTED) as server, Client(server.url, retries=FAST) as client:
        assert commit(client).revision == 40
        assert server.targets() == ["POST /diary/hey/4"] * 3
        assert len({header(received, "commit-id") for received in server.received}) == 1
        assert {received.body for received in server.received} == {b"new"}


@pytest.mark.parametrize("step", UNKNOWN)
def test_one_that_stays_unknown_is_said_to_be_so(step: Step) -> None:
    def respond(received: Received) -> bytes | str:
        assert not callable(step)
        return answer(404, "Key not found") if received.method == "GET" else step

    with ScriptedServer(respond) as server, Client(server.url, retries=FAST) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            commit(client, commit_id="my-id")
        # Once and three times more, and a last look whether it stands.
        assert server.targets() == ["POST /diary/hey/4"] * 4 + ["GET /diary/hey/4"]
    error = caught.value
    assert "version 4 of key 'hey' was sent with commit id my-id" in str(error)
    assert "read that version" in (error.hint or "")
    assert error.details == {"commit_id": "my-id", "namespace": "diary", "key": "hey", "version": 4}
    assert isinstance(error.__cause__, RainerError)


@pytest.mark.parametrize(
    "step",
    [problem(503, "unavailable"), problem(503, "overloaded", retry_after_s=0), answer(429, "", {"Retry-After": "0"})],
)
def test_a_busy_server_did_nothing_and_is_asked_again(step: bytes) -> None:
    with ScriptedServer(step, GRANTED) as server, Client(server.url, retries=FAST) as client:
        assert commit(client).version == 4
    with ScriptedServer(step) as server, Client(server.url, retries=FAST) as client:
        with pytest.raises(UnavailableError):
            commit(client)
        assert server.targets() == ["POST /diary/hey/4"] * 4


def test_a_connection_that_never_came_about_is_no_unknown_outcome() -> None:
    with Client(f"http://127.0.0.1:{free_port()}/diary", retries=FAST) as client, pytest.raises(UnavailableError):
        commit(client)


def test_a_server_that_dies_after_it_was_sent_the_commit_leaves_it_unknown() -> None:
    with ScriptedServer(BREAK) as server:

        def die(_received: Received) -> str:
            server.stop_listening()
            return BREAK

        server.script = [die]
        with Client(server.url, retries=FAST) as client, pytest.raises(OutcomeUnknown, match="Connection refused"):
            commit(client)


@pytest.mark.parametrize(
    ("step", "cls"),
    [
        (CONFLICT, VersionConflict),
        (problem(422, "commit-id-reused"), CommitIdReused),
        (problem(403, "namespace-closed"), DeniedError),
        (problem(404, "namespace-not-found"), NamespaceNotFound),
        (problem(413, "too-large"), TooLargeError),
        (problem(408, "invalid"), InvalidError),
        (answer(400, "Missing header: X-Rainer-Author"), InvalidError),
    ],
)
def test_a_refusal_is_final(step: bytes, cls: type[RainerError]) -> None:
    with ScriptedServer(step) as server, Client(server.url, retries=FAST) as client:
        with pytest.raises(cls):
            commit(client)
        assert len(server.received) == 1


def test_a_conflict_tells_what_was_expected() -> None:
    with ScriptedServer(CONFLICT) as server, Client(server.url) as client, pytest.raises(VersionConflict) as caught:
        commit(client.in_namespace("prices"))
    error = caught.value
    assert (error.namespace, error.key, error.expected, error.provided) == ("prices", "hey", 5, 4)


def test_after_an_unknown_attempt_a_conflict_with_our_own_commit_is_success() -> None:
    with ScriptedServer(BREAK, CONFLICT, stored()) as server, Client(server.url, retries=FAST) as client:
        assert commit(client).revision == 40
        assert server.targets()[2] == "GET /diary/hey/4"


@pytest.mark.parametrize("theirs", [stored(b"old"), stored(comment="else"), answer(404, "Key not found")])
def test_after_an_unknown_attempt_a_conflict_with_anothers_is_a_conflict(theirs: bytes) -> None:
    with ScriptedServer(BREAK, CONFLICT, theirs) as server, Client(server.url, retries=FAST) as client:
        with pytest.raises(VersionConflict):
            commit(client)
        assert len(server.received) == 3


def test_without_an_unknown_attempt_an_equal_commit_is_a_conflict_all_the_same() -> None:
    with (
        ScriptedServer(CONFLICT, stored()) as server,
        Client(server.url, retries=FAST) as client,
        pytest.raises(VersionConflict),
    ):
        commit(client)


def test_a_time_of_ones_own_must_be_the_stored_ones_too() -> None:
    for at, cls in [(678, None), (679, VersionConflict)]:
        with ScriptedServer(BREAK, CONFLICT, stored()) as server, Client(server.url, retries=FAST) as client:
            mtime = datetime(2026, 1, 2, 3, 4, 5, at * 1000, tzinfo=UTC)
            if cls is None:
                assert commit(client, mtime=mtime).version == 4
            else:
                with pytest.raises(cls):
                    commit(client, mtime=mtime)


def test_when_not_even_the_look_is_answered_the_outcome_stays_unknown() -> None:
    with (
        ScriptedServer(BREAK, CONFLICT, BREAK) as server,
        Client(server.url, retries=FAST) as client,
        pytest.raises(OutcomeUnknown),
    ):
        commit(client)
