"""An HTTP source against a server that a test scripts: refused states, errors within a stream, foreign answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rainer.mirror import Mirror, http_loading
from rainer.model.commit import Commit
from tests.mirrors import LINEAGE, OTHER_LINEAGE, at, commit
from tests.services.waiting import wait_until
from tests.unit.http_script import BREAK, Received, ScriptedServer, answer, json_answer

PATIENCE_S = 10.0


class Server:
    """Answers as a Rainer server does that holds one key and stands at `revision`; a stream is what a test says."""

    def __init__(self) -> None:
        self.revision, self.lineage = 1, LINEAGE
        self.held: list[Commit] = [commit("a", 1)]
        self.lists: list[bytes | None] = []
        self.stream: Callable[[], bytes | str] = lambda: BREAK

    def __call__(self, received: Received) -> bytes | str:
        if received.target.startswith("/-/changes"):
            return self._feed(received)
        if received.target.startswith("/diary"):
            return self._list(received)
        return answer(404, "Not found")

    def _list(self, received: Received) -> bytes:
        asked, tag = received.headers.get("if-none-match"), f'"{self._chain[:32]}"'
        self.lists.append(asked)
        headers = {"X-Rainer-Revision": str(self.revision), "X-Rainer-Lineage": self.lineage, "ETag": tag}
        if asked == tag.encode():
            return answer(304, b"", headers)
        return json_answer({c.key: c.meta() | {"payload_base64": "eA=="} for c in self.held}, 200, headers)

    def _feed(self, received: Received) -> bytes | str:
        if received.headers.get("accept") == b"text/event-stream":
            return self.stream()
        if f"lineage={self.lineage}" not in received.target or f"since={self.revision}&" not in received.target:
            return answer(410, "gone")
        return json_answer(self.page([]))

    def page(self, commits: list[Commit]) -> dict[str, Any]:
        changes = [c.meta() | {"payload_base64": "eA==", "revision": self.revision} for c in commits]
        return {"lineage": self.lineage, "revision": self.revision, "chain": self._chain, "changes": changes}

    @property
    def _chain(self) -> str:
        return at(self.revision).chain.hex()


def events(*lines: str) -> bytes:
    body = "".join(f"{line}\n\n" for line in lines).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body


def test_a_state_that_was_refused_is_not_loaded_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_loading, "_PATIENCE_S", 0.0)
    server = Server()
    server.revision = 5
    with ScriptedServer(server) as scripted, Mirror.http(scripted.url, reports=False) as mirror:
        server.revision = 3
        wait_until(lambda: len(server.lists) > 3, PATIENCE_S, lambda: str(server.lists))
        assert (server.lists[:2], mirror.revision, mirror.state) == ([None, None], 5, "stale")
        assert None not in server.lists[2:]
        assert "holds revision 3, and this mirror has seen revision 5" in str(mirror.error)
        server.lineage, server.held = OTHER_LINEAGE, [commit("b", 1)]
        server.revision = 4
        wait_until(lambda: set(mirror) == {"b"}, PATIENCE_S, lambda: str(mirror.error))


def test_a_server_that_cannot_look_is_not_taken_for_current() -> None:
    server, gate = Server(), threading.Event()

    def stream() -> bytes:
        if not gate.is_set():
            return events(": beat", ": unavailable", ": beat", ": unavailable")
        return events(": beat")

    server.stream = stream
    with ScriptedServer(server) as scripted, Mirror.http(scripted.url, reports=False) as mirror:
        heard: list[str] = []
        wait_until(
            lambda: heard.append(str(mirror.error)) or "cannot tell" in heard[-1], PATIENCE_S, lambda: str(heard)
        )
        gate.set()
        wait_until(lambda: mirror.state == "current", PATIENCE_S, lambda: str(mirror.error))


def test_what_a_stream_brings_is_taken_and_gone_is_loaded_anew() -> None:
    server = Server()
    told = threading.Event()

    def stream() -> bytes | str:
        if told.is_set():
            return BREAK
        told.set()
        server.revision, server.held = 2, [commit("a", 2), commit("c", 1)]
        page = json.dumps(server.page([commit("a", 2)]))
        gone = json.dumps({"code": "position-gone", "detail": "restored"})
        return events(f"event: changes\nid: 2\ndata: {page}", f"event: gone\ndata: {gone}")

    server.stream = stream
    heard: list[tuple[str, int]] = []
    with ScriptedServer(server) as scripted:
        mirror = Mirror.http(scripted.url, reports=False)
        mirror.on_change(lambda key, _old, new: heard.append((key, 0 if new is None else new.version)))
        with mirror:
            wait_until(lambda: len(heard) == 3, PATIENCE_S, lambda: f"{heard} {mirror.error}")
        assert heard == [("a", 1), ("a", 2), ("c", 1)]
        assert server.lists == [None, None]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (answer(200, "<html>"), "not as a Rainer server does"),
        (answer(404, "Not found"), "namespace 'diary' is not there"),
        (answer(302, b"", {"Location": "http://elsewhere/"}), "redirects"),
        (answer(503, "busy", {"Retry-After": "1"}), "answered 503"),
    ],
)
def test_a_start_says_what_is_wrong_with_the_server(body: bytes, words: str) -> None:
    with ScriptedServer(body) as scripted:
        with pytest.raises(TimeoutError, match=words):
            Mirror.http(scripted.url, reports=False).start(timeout_s=0.5)
        assert scripted.received
