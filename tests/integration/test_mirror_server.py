"""A mirror server answers as the original's does, from memory; and sends away who wants more of it than it has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rainer.api.mirror_app import ROUTES
from rainer.client import Client
from rainer.errors import DeniedError, NotFoundError, PositionGone
from tests.integration.ancestor_calls import NOT_FOUND, got, meta
from tests.integration.events import EventStream
from tests.integration.mirroring import client_of, follow, status_of, wait_for_head
from tests.integration.wire import Wire, ask, commit
from tests.services.mirror_server import MirrorServer
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until


@pytest.fixture(scope="module")
def server(_guardian: None) -> Iterator[RainerServer]:
    with RainerServer() as server:
        with client_of(server) as client:
            client.commit("text", b"one", version=1, comment="first")
            client.commit("text", b"two", version=2, comment="second\nline", author="J\u00f6rg")
            client.commit("binary", b"\xff\x00", version=1)
            client.commit("gone", b"x", version=1)
            client.commit("gone", None, version=2)
        yield server


@pytest.fixture(scope="module")
def mirror(server: RainerServer) -> Iterator[MirrorServer]:
    with follow(server) as mirror:
        wait_for_head(mirror, "text", 2)
        # Heads may be read a moment before the mirror has heard that they are current.
        wait_until(lambda: ask(mirror.url, "GET", "/diary/text").header("X-Rainer-Age"), 10, lambda: mirror.output)
        yield mirror
        mirror.stop()
        assert "Traceback" not in mirror.output, mirror.output[-4000:]


@pytest.fixture
def client(mirror: MirrorServer) -> Iterator[Client]:
    with client_of(mirror) as client:
        yield client


OURS = ("X-Rainer-Cached", "X-Rainer-Age", "etag", "date", "content-length")


@pytest.mark.parametrize("key", ["text", "binary"])
def test_a_head_has_the_server_s_headers_and_says_that_it_is_cached(
    server: RainerServer, mirror: MirrorServer, key: str
) -> None:
    original, copy = ask(server.url, "GET", f"/diary/{key}"), ask(mirror.url, "GET", f"/diary/{key}")
    assert copy.body == original.body
    kept = [pair for pair in original.headers if pair[0] not in OURS]
    assert [pair for pair in copy.headers if pair[0] not in OURS] == kept
    assert copy.header("X-Rainer-Cached") == "Yes"
    assert ("X-Rainer-Cached", "Yes") in copy.headers, "in this letter case"
    assert 0 <= float(copy.header("X-Rainer-Age") or "-1") < 15


def test_metadata_and_lists_are_the_server_s(server: RainerServer, mirror: MirrorServer) -> None:
    assert meta(ask(mirror.url, "GET", "/diary/text/meta")) == meta(ask(server.url, "GET", "/diary/text/meta"))
    for query in ("", "?payload_utf8=yes", "?payload_base64=1&revisions=yes", "?prefix=t", "?prefix=zz"):
        copy = ask(mirror.url, "GET", f"/diary{query}")
        assert copy.body == ask(server.url, "GET", f"/diary{query}").body
        assert copy.header("X-Rainer-Cached") == "Yes"
        assert copy.header("X-Rainer-Removed") is None
    everything = ask(mirror.url, "GET", "/diary?all=yes")
    assert list(everything.json()) == ["binary", "text"]
    assert everything.header("X-Rainer-Removed") == "Unknown"


def test_the_ancestor_s_refusals(mirror: MirrorServer) -> None:
    with Wire(mirror.url) as wire:
        assert got(wire.ask("GET", "/diary/absent")) == NOT_FOUND
        assert got(wire.ask("GET", "/diary/gone")) == NOT_FOUND
        assert got(wire.ask("GET", "/diary/absent/meta")) == NOT_FOUND
        wire.ask("GET", "/diary?all=perhaps").refusal(400, "Invalid 'all' parameter (should be boolean)")
        wire.ask("GET", "/flags/k").problem(404, "namespace-not-found", "diary are")
        wire.ask("GET", "/diary/a%2Fb").problem(400, "invalid")


def test_what_is_known_already_is_304(mirror: MirrorServer) -> None:
    for path in ("/diary/text", "/diary/text/meta", "/diary", "/diary/text/2"):
        first = ask(mirror.url, "GET", path)
        again = ask(mirror.url, "GET", path, {"If-None-Match": first.header("ETag") or ""})
        assert (again.status, again.body) == (304, b"")
        assert again.header("X-Rainer-Cached") == "Yes"


def test_only_the_newest_version_is_there(server: RainerServer, mirror: MirrorServer, client: Client) -> None:
    assert ask(mirror.url, "GET", "/diary/text/2").body == b"two"
    assert client.get("text", 2).comment == "second\nline"
    for path in ("/diary/text/1", "/diary/text/1/meta", "/diary/text/3", "/diary/text/log"):
        ask(mirror.url, "GET", path).problem(404, "not-found", "mirror", server.url)
    with pytest.raises(NotFoundError):
        client.get("text", 1)


def test_the_past_is_only_what_still_is(server: RainerServer, mirror: MirrorServer, client: Client) -> None:
    assert client.get("text", at=5).version == 2
    assert client.get("text", at=2).version == 2
    for at in (1, 99):
        ask(mirror.url, "GET", f"/diary/text?at={at}").problem(410, "position-gone", server.url)
    ask(mirror.url, "GET", "/diary?at=2").problem(410, "position-gone", server.url)


def test_a_list_in_pages_stays_at_its_moment(server: RainerServer) -> None:
    with RainerServer() as source, follow(source) as mirror:
        for n in range(5):
            assert commit(source.url, f"k{n}", 1).status == 200
        wait_for_head(mirror, "k4", 1)
        first = ask(mirror.url, "GET", "/diary?limit=2")
        assert list(first.json()) == ["k0", "k1"]
        assert commit(source.url, "k2", 2, b"new").status == 200
        wait_for_head(mirror, "k2", 2)
        link = (first.header("Link") or "").partition("<")[2].partition(">")[0]
        second = ask(mirror.url, "GET", link)
        assert [(key, head["version"]) for key, head in second.json().items()] == [("k2", 1), ("k3", 1)]
        with client_of(mirror) as client:
            assert {key: head.version for key, head in client.heads().items()} == {
                "k0": 1, "k1": 1, "k2": 2, "k3": 1, "k4": 1,
            }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path"), [(m, p) for m, p, *_ in ROUTES if m == "POST"]
)  # fmt: skip
def test_writes_are_refused_with_where_to_write(
    server: RainerServer, mirror: MirrorServer, method: str, path: str
) -> None:
    path = path.format(namespace="diary", key="k", version=1)
    ask(mirror.url, method, path, {"X-Rainer-Author": "me"}, b"x").problem(403, "denied", "mirror", server.url)


def test_the_client_says_where_to_write(server: RainerServer, client: Client) -> None:
    with pytest.raises(DeniedError) as refusal:
        client.commit("text", b"three", version=3, comment="two\nlines")
    assert server.url in str(refusal.value.hint)


def test_changes_go_on_from_what_is_remembered(server: RainerServer, mirror: MirrorServer, client: Client) -> None:
    at = status_of(mirror)
    position = f"lineage={at['lineage']}&chain={at['chain']}&payload_utf8=yes"
    with EventStream(mirror.url, f"since={at['revision']}&{position}") as stream:
        assert "age_s=" in str(next(stream).data)
        assert commit(server.url, "later", 1, b"news").status == 200
        event = next(event for event in stream if event.kind == "changes")
        assert event.id == event.data["revision"] == at["revision"] + 1
        assert [(c["key"], c["payload_utf8"]) for c in event.data["changes"]] == [("later", "news")]
        assert event.data["age_s"] < 15
    page = client.changes(at["revision"], wait_s=5, payloads=True, lineage=at["lineage"], chain=at["chain"])
    assert [(c.key, c.payload) for c in page.commits] == [("later", b"news")]
    assert client.changes(page.revision, wait_s=0, chain=page.chain).commits == ()


def test_a_position_that_is_not_remembered_is_gone(mirror: MirrorServer, client: Client) -> None:
    at = status_of(mirror)
    for since, lineage, chain in ((1, at["lineage"], None), (at["revision"], "other", None),
                                  (at["revision"], at["lineage"], "00" * 32)):  # fmt: skip
        with pytest.raises(PositionGone):
            client.changes(since, lineage=lineage, chain=chain)
    ask(mirror.url, "GET", f"/-/changes?since={at['revision'] + 9}").problem(503, "unavailable", "not yet")


def test_it_is_observed_and_described(mirror: MirrorServer) -> None:
    assert ask(mirror.url, "GET", "/-/healthz").json() == {"status": "ok"}
    assert ask(mirror.url, "GET", "/-/readyz").json()["status"] == "ready"
    text = ask(mirror.url, "GET", "/-/metrics").body.decode()
    assert 'rainer_mirror_current{namespace="diary"} 1.0' in text
    assert 'rainer_requests_total{route="GET /{namespace}/{key}",status="200"}' in text
    described = ask(mirror.url, "GET", "/-/openapi.json").json()["paths"]
    calls = {(method.upper(), path) for path, found in described.items() for method in found}
    assert calls == {(method, path) for method, path, *_ in ROUTES if method != "POST"}
    ask(mirror.url, "GET", "/-/nothing").problem(404, "not-found")
    ask(mirror.url, "PUT", "/diary/k").problem(405, "invalid")


def test_before_anything_is_loaded_it_is_alive_and_not_ready() -> None:
    with MirrorServer("--url", "http://127.0.0.1:1/diary") as mirror:
        assert ask(mirror.url, "GET", "/-/healthz").status == 200
        ask(mirror.url, "GET", "/-/readyz").problem(503, "unavailable", "diary")
        ask(mirror.url, "GET", "/diary/k").problem(503, "unavailable", "not loaded")
        ask(mirror.url, "GET", "/diary").problem(503, "unavailable", "not loaded")
        mirror.stop()


def test_several_namespaces() -> None:
    with RainerServer() as server, client_of(server) as client:
        client.create_namespace("flags")
        client.commit("k", b"1", version=1)
        client.in_namespace("flags").commit("f", b"on", version=1)
        with follow(server, "diary,flags") as mirror:
            wait_for_head(mirror, "k", 1)
            wait_until(lambda: ask(mirror.url, "GET", "/flags/f").body == b"on", 10, "flags")
            ask(mirror.url, "GET", "/-/changes").problem(400, "invalid", "diary, flags")
            names = [one["namespace"] for one in ask(mirror.url, "GET", "/-/status").json()["mirrored"]]
            assert names == ["diary", "flags"]
            mirror.stop()
