"""An HTTP server that answers as the original Rainer does: six-member metas, no revisions, no ids, no log.

Written from what its users rely on and from pyrainer's behaviour, so that the client can be held to work against it.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit


class AncestorServer:
    """Holds commits in memory, key → versions from 1. Context manager."""

    def __init__(self) -> None:
        self.keys: dict[str, list[dict[str, Any]]] = {}
        self._losses: list[Callable[[], None] | None] = []
        self.posts = 0
        self.paths: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/diary"

    def store(self, key: str, payload: bytes | None, author: str = "them", comment: str = "") -> None:
        """Put a commit there as somebody else would."""
        versions = self.keys.setdefault(key, [])
        version = len(versions) + 1
        versions.append(
            {
                "key": key,
                "version": version,
                "author": author,
                "comment": comment,
                "mtime": f"2014-06-0{min(version, 9)}T01:02:03.004Z",
                "empty": payload is None,
                "payload": payload,
            }
        )

    def lose_next(self, instead: Callable[[], None] | None = None) -> None:
        """Let a POST to come end in a broken connection: after it took effect, or after `instead` was done."""
        self._losses.append(instead)

    def take(self, key: str, payload: bytes | None, author: str, comment: str) -> bool:
        """What a POST does; whether it is answered."""
        is_lost = bool(self._losses)
        instead = self._losses.pop(0) if is_lost else None
        if instead is None:
            self.store(key, payload, author, comment)
        else:
            instead()
        return not is_lost

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)


def _handler(ancestor: AncestorServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        server_state = ancestor

    return Handler


def _meta(commit: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in commit.items() if name != "payload"}


class _Handler(BaseHTTPRequestHandler):
    server_state: AncestorServer

    def log_message(self, *_words: object) -> None:
        """Tests print enough."""

    def do_GET(self) -> None:
        self.server_state.paths.append(self.path)
        url = urlsplit(self.path)
        namespace, *parts = [unquote(part) for part in url.path.split("/")[1:]]
        if namespace != "diary" or len(parts) > 3:
            self._send(404, b"Not found")
        elif not parts:
            self._list({name: values[0] for name, values in parse_qs(url.query).items()})
        else:
            self._get(parts)

    def _list(self, query: dict[str, str]) -> None:
        found = {}
        for key, versions in self.server_state.keys.items():
            head = versions[-1]
            if head.get("empty") and query.get("all") != "yes":
                continue
            found[key] = _meta(head)
            if query.get("payload_base64") == "yes" and not head.get("empty"):
                found[key]["payload_base64"] = base64.b64encode(head["payload"]).decode()
        self._send(200, json.dumps(found).encode() + b"\r\n", {"Content-Type": "application/json"})

    def _get(self, parts: list[str]) -> None:
        key, wants_meta = parts[0], parts[-1] == "meta" and len(parts) > 1
        versions = self.server_state.keys.get(key, [])
        named = parts[1 : -1 if wants_meta else None]
        version = named[0] if named else str(len(versions))
        if not version.isdigit() or not 0 < int(version) <= len(versions):
            self._send(404, b"Key not found")
            return
        commit = versions[int(version) - 1]
        if wants_meta:
            self._send(200, json.dumps(_meta(commit)).encode(), {"Content-Type": "application/json"})
            return
        self._send(200, commit["payload"] or b"", _headers(commit))

    def do_POST(self) -> None:
        state = self.server_state
        state.posts += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = [unquote(part) for part in self.path.split("/")[1:]]
        if len(parts) != 3 or parts[0] != "diary":
            self._send(404, b"Not found")
            return
        key, version = parts[1], int(parts[2])
        expected = len(state.keys.get(key, [])) + 1
        if version != expected:
            conflict = {"key": key, "expectedVersion": expected, "providedVersion": version}
            self._send(409, json.dumps({"conflict": conflict}).encode(), {"Content-Type": "application/json"})
            return
        is_empty = self.headers.get("X-Rainer-Empty", "no").lower() in ("yes", "true", "1")
        payload = None if is_empty else body
        if state.take(key, payload, self.headers["X-Rainer-Author"], self.headers["X-Rainer-Comment"]):
            self._send(200, json.dumps(_meta(state.keys[key][-1])).encode(), {"Content-Type": "application/json"})
        else:
            self.close_connection = True

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {"Content-Type": "text/plain"}).items():
            # A JVM writes header text as Latin-1 and what that lacks as a question mark.
            self.send_header(name, value.encode("latin-1", "replace").decode("latin-1"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _headers(commit: dict[str, Any]) -> dict[str, str]:
    return {
        "Content-Type": "text/plain; charset=UTF-8",
        "X-Rainer-Key": commit["key"],
        "X-Rainer-Version": str(commit["version"]),
        "X-Rainer-Author": commit["author"],
        "X-Rainer-Comment": commit["comment"].replace("\n", " "),
        "X-Rainer-Modified-Time": commit["mtime"],
        "X-Rainer-Empty": "Yes" if commit.get("empty") else "No",
    }
