"""Changesets over HTTP: what is sent, sent again, refused, and not sent at all."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from rainer import limits
from rainer.client import Client, Retries
from rainer.errors import InvalidError, OutcomeUnknown, VersionConflict
from rainer.model.commit import draft
from tests.unit.http_script import BREAK, ScriptedServer, answer, json_answer

FAST = Retries(3, 0.001, 0.002)
META = {"key": "hey", "version": 4, "author": "me", "comment": "", "mtime": "2026-01-02T03:04:05.678Z", "empty": False}


def test_a_changeset_as_it_goes_over_the_wire() -> None:
    metas = [
        META | {"key": key, "version": version, "namespace": namespace, "revision": 38 + n, "empty": key == "c"}
        for n, (key, version, namespace) in enumerate([("c", 9, "diary"), ("b", 1, "prices"), ("a", 3, "diary")])
    ]
    with ScriptedServer(json_answer({"revision": 40, "commits": metas})) as server:
        with Client(server.url, author="me") as client:
            at = datetime(1970, 1, 1, 0, 0, 0, 2000, tzinfo=UTC)
            made = client.commit_many(
                [
                    {"key": "a", "payload": "ä".encode(), "version": 3},
                    draft("b", b"\xff", version=1, author="you", namespace="prices", comment="own", mtime=at),
                    client.draft("c", None, version=9),
                ],
                comment="why",
                commit_id="my-id",
            )
        received = server.received[0]
    assert (received.target, received.headers["x-rainer-commit-id"]) == ("/-/changesets", b"my-id")
    assert received.headers["content-type"] == b"application/json"
    assert json.loads(received.body) == {
        "author": "me",
        "comment": "why",
        "commits": [
            {"namespace": "diary", "key": "a", "version": 3, "payload_utf8": "ä"},
            {
                "namespace": "prices", "key": "b", "version": 1, "payload_base64": base64.b64encode(b"\xff").decode(),
                "author": "you", "comment": "own", "mtime": "1970-01-01T00:00:00.002Z",
            },
            {"namespace": "diary", "key": "c", "version": 9, "empty": True},
        ],
    }  # fmt: skip
    assert [(c.key, c.namespace, c.payload, c.is_empty, c.revision) for c in made] == [
        ("a", "diary", "ä".encode(), False, 40),
        ("b", "prices", b"\xff", False, 39),
        ("c", "diary", None, True, 38),
    ]


def test_a_changeset_is_sent_again_and_refused_like_a_commit() -> None:
    conflicts = [
        {"namespace": "diary", "key": key, "expectedVersion": 2, "providedVersion": 1} for key in ("hey", "you")
    ]
    granted = json_answer({"revision": 40, "commits": [META | {"namespace": "diary", "revision": 40}]})
    drafts = [{"key": "hey", "payload": b"new", "version": 4}]
    with ScriptedServer(BREAK, granted) as server, Client(server.url, author="me", retries=FAST) as client:
        assert [made.revision for made in client.commit_many(drafts)] == [40]
        assert len({received.headers["x-rainer-commit-id"] for received in server.received}) == 1
    refused = answer(409, json.dumps({"conflicts": conflicts}))
    with ScriptedServer(refused) as server, Client(server.url, author="me", retries=FAST) as client:
        with pytest.raises(VersionConflict) as caught:
            client.commit_many(drafts)
        assert [(c.key, c.expected) for c in caught.value.conflicts] == [("hey", 2), ("you", 2)]
    gone = answer(404, "Key not found")
    with (
        ScriptedServer(BREAK, BREAK, gone) as server,
        Client(server.url, author="me", retries=1) as client,
        pytest.raises(OutcomeUnknown, match="changeset of 2 commits that begins with version 4 of key 'hey'"),
    ):
        client.commit_many([*drafts, {"key": "you", "payload": b"", "version": 1}])


def test_what_cannot_be_a_changeset_is_not_sent() -> None:
    one = {"key": "a", "payload": b"", "version": 1}
    with ScriptedServer(answer(200, "")) as server, Client(server.url) as client:
        for drafts, words in [
            ([], "without commits"),
            ([one], "nobody is named"),
            ([one | {"author": "me", "colour": "red"}], "a draft takes"),
            (["a"], "made of drafts, not of str"),
            ([one | {"author": "me", "key": "a/b"}], "holds a '/'"),
            ([one | {"author": "me"}] * (limits.CHANGESET_COMMITS_MAX + 1), "over the 20000"),
            ([one | {"author": "me", "payload": b"x" * 8_000_000}] * 9, "over the limit of 67108864"),
        ]:
            with pytest.raises(InvalidError, match=words):
                client.commit_many(drafts)  # type: ignore[arg-type]
        assert server.received == []
