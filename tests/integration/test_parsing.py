"""Payloads that are dear to parse cost their sender, and nobody else."""

from __future__ import annotations

import pytest
import requests

import rainer.testing
from rainer.errors import MalformedPayload
from rainer.model import formats

DEEP = {
    "toml key": ("toml", b"a." * 60_000 + b"a = 1"),
    "toml quoted key": ("toml", b"'a' . " * 60_000 + b"a = 1"),
    "toml array": ("toml", b"x = " + b"[" * 60_000),
    "yaml flow": ("yaml", b"[" * 800_000),
    "yaml flow with quoted ends": ("yaml", b"[ ']', " * 100_000),
    "yaml blocks": ("yaml", b"- " * 400_000),
    "json": ("json", b"[" * 900_000),
}


@pytest.mark.parametrize(("format_name", "payload"), DEEP.values(), ids=DEEP)
def test_deep_nesting_is_refused_at_once(format_name: str, payload: bytes) -> None:
    # Without the bound some of these keep their parsers busy for hours, and then they say something else.
    with pytest.raises(MalformedPayload, match=r"over 100 parts|deeper than 100|too deeply"):
        formats.check_payload(format_name, payload)


@pytest.mark.parametrize(
    ("format_name", "payload"),
    [
        ("toml", b"a." * 50 + b"a = 1"),
        ("toml", b"x = '" + b"word." * 90 + b"'"),
        ("yaml", b"[" * 99 + b"]" * 99),
        ("json", b"[" * 200 + b"]" * 200),
    ],
)
def test_what_nests_as_deep_as_people_do_is_taken(format_name: str, payload: bytes) -> None:
    formats.check_payload(format_name, payload)


def test_a_namespace_that_is_opened_again_takes_commits_again() -> None:
    from rainer.journal.administration import set_namespace_closed

    with rainer.testing.server() as server, server.client() as client:
        client.create_namespace("closing")
        closing = server.client("closing", author="a test")
        closing.commit("a", b"1", version=1)
        set_namespace_closed(server.journal.engine, "closing", True)
        with pytest.raises(rainer.DeniedError):
            closing.commit("a", b"2", version=2)
        client.heads()
        set_namespace_closed(server.journal.engine, "closing", False)
        assert closing.commit("a", b"2", version=2).version == 2
        closing.close()


def test_an_event_stream_that_reconnects_repeats_its_chain_and_is_taken() -> None:
    with rainer.testing.server() as server, server.client(author="a test") as client:
        client.commit("a", b"1", version=1)
        begun = client.changes(since=0)
        client.commit("a", b"2", version=2)
        query = {"since": begun.revision, "chain": begun.chain}
        headers = {"Accept": "text/event-stream", "Last-Event-ID": "2"}
        url = f"{server.url}/-/changes"
        with requests.get(url, params=query, headers=headers, stream=True, timeout=10) as answer:
            assert answer.status_code == 200
