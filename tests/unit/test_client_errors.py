"""Refusals become the class that the server raised, or the nearest one; what is not Rainer's is said to be so."""

from __future__ import annotations

import pytest

from rainer import errors
from rainer.client import Client, Retries
from tests.unit.http_script import ScriptedServer, answer, problem

FAST = Retries(2, 0.001, 0.002)
TOLD = {
    "X-Rainer-Version": "3",
    "X-Rainer-Modified-Time": "2026-01-02T03:04:05.678Z",
    "X-Rainer-Empty": "No",
    "X-Rainer-Revision": "40",
}


@pytest.mark.parametrize("cls", sorted(errors.BY_CODE.values(), key=lambda cls: cls.code))
def test_the_servers_error_is_raised_as_the_same_class(cls: type[errors.RainerError]) -> None:
    if cls is errors.VersionConflict:
        error: errors.RainerError = cls([errors.KeyConflict("diary", "a", 2, 1)])  # type: ignore[arg-type]
    else:
        error = cls("what and why", hint="do this", line=3)
    body = error.as_dict()
    with (
        ScriptedServer(problem(500, body.pop("code"), body.pop("detail"), **body)) as server,
        Client(server.url, retries=0) as client,
        pytest.raises(cls) as caught,
    ):
        client.get("hey")
    assert type(caught.value) is cls
    assert str(caught.value) == str(error)
    assert caught.value.as_dict() == error.as_dict()


@pytest.mark.parametrize(
    ("step", "cls", "words"),
    [
        (answer(400, "Malformed header: X-Rainer-Empty"), errors.InvalidError, "Malformed header: X-Rainer-Empty"),
        (answer(400, "Malformed input: no"), errors.MalformedPayload, "Malformed input: no"),
        (answer(401, "who are you"), errors.DeniedError, "who are you"),
        (answer(403, ""), errors.DeniedError, "no reason given"),
        (answer(404, "Key not found"), errors.NotFoundError, "key 'hey' is not there: Key not found"),
        (answer(404, ""), errors.NotFoundError, "not found"),
        (answer(409, "no"), errors.ConflictError, "no"),
        (answer(409, '{"conflict": {"key": 1}}'), errors.ConflictError, "cannot be read"),
        (answer(409, '{"conflicts": []}'), errors.ConflictError, "cannot be read"),
        (answer(410, ""), errors.PositionGone, "410"),
        (answer(413, "big"), errors.TooLargeError, "big"),
        (answer(418, "tea\npot"), errors.InvalidError, "tea pot"),
        (answer(429, "slow down"), errors.OverloadedError, "answered 429: slow down"),
        (answer(500, "oops"), errors.UnavailableError, "answered 500: oops"),
        (answer(502, "<html>"), errors.UnavailableError, "answered 502"),
        (answer(503, "", {"Retry-After": "7"}), errors.OverloadedError, "answered 503"),
        (answer(500, "not json", {"Content-Type": "application/problem+json"}), errors.UnavailableError, "500"),
        (answer(400, '{"code": "new"}', {"Content-Type": "application/problem+json"}), errors.RainerError, "no reason"),
    ],
)
def test_other_refusals_become_the_nearest_class(step: bytes, cls: type[errors.RainerError], words: str) -> None:
    with ScriptedServer(step) as server, Client(server.url, retries=0) as client, pytest.raises(cls) as caught:
        client.get("hey")
    assert type(caught.value) is cls
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"Retry-After": "soon"}, 1),
        ({"Retry-After": "-3"}, 1),
        ({}, 1),
    ],
)
def test_an_overloaded_server_tells_when_to_come_back(headers: dict[str, str], seconds: int) -> None:
    with (
        ScriptedServer(answer(429, "", headers)) as server,
        Client(server.url, retries=0) as client,
        pytest.raises(errors.OverloadedError) as caught,
    ):
        client.status()
    assert caught.value.retry_after_s == seconds
    body = '{"code": "overloaded", "detail": "full"}'
    told = {"Content-Type": "application/problem+json; charset=utf-8"} | headers
    with (
        ScriptedServer(answer(503, body, told)) as server,
        Client(server.url, retries=0) as client,
        pytest.raises(errors.OverloadedError, match="full") as caught,
    ):
        client.status()
    assert caught.value.retry_after_s == seconds


NOT_RAINER = [
    answer(200, "<html>"),
    answer(200, "[]"),
    answer(200, "{}"),
    answer(200, '{"commits": 3, "changes": [3], "namespaces": [{}]}', {"X-Rainer-Revision": "40"}),
    answer(200, '{"a": {"key": "a"}, "commits": [{}], "changes": [], "namespaces": 5}', {"X-Rainer-Revision": "40"}),
    answer(200, "x", TOLD | {"X-Rainer-Version": "x"}),
    answer(200, "x", TOLD | {"X-Rainer-Modified-Time": "yesterday"}),
    answer(200, "x", {"X-Rainer-Revision": "40"}),
]


@pytest.mark.parametrize("step", NOT_RAINER)
def test_a_200_that_is_not_rainers_is_said_to_be_so(step: bytes) -> None:
    with ScriptedServer(step) as server, Client(server.url, retries=FAST) as client:
        for call in (lambda: client.get("hey"), lambda: client.log("hey"), client.changes, client.namespaces):
            with pytest.raises(errors.InvalidError, match="not as a Rainer server does") as caught:
                call()
            assert "base URL" in (caught.value.hint or "")
        assert len(server.received) == 4
