"""An original filetracker's server as a step of a scripted one: what 2.3.3 answers, in as few lines as that takes."""

from __future__ import annotations

import gzip
from email.utils import formatdate, mktime_tz, parsedate_tz
from urllib.parse import parse_qs, urlsplit

from tests.unit.http_script import Received, answer, json_answer


class Original:
    """Answers as filetracker 2.3.3's server does: gzip whatever is accepted, no ETag, no digest, no ranges."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[int, bytes]] = {}
        self.sent: list[Received] = []

    def __call__(self, received: Received) -> bytes:
        self.sent.append(received)
        parts = urlsplit(received.target)
        if parts.path == "/ft/version/":
            return json_answer({"protocol_versions": [2]})
        if parts.path.startswith("/ft/list/"):
            return self._list(parts.path.removeprefix("/ft/list/"))
        if not parts.path.startswith("/ft/files/"):
            return self._error(400, 'Unknown endpoint, expected one of "files", "list", "version".')
        name = parts.path.removeprefix("/ft/files/")
        if received.method == "PUT":
            return self._put(name, parse_qs(parts.query)["last_modified"][0], received)
        if name not in self.files:
            return self._error(404, "")
        if received.method == "DELETE":
            del self.files[name]
            return answer(200)
        return self._file(name, received.method == "HEAD")

    def _put(self, name: str, date: str, received: Received) -> bytes:
        parsed = parsedate_tz(date)
        assert parsed is not None
        version = int(mktime_tz(parsed))
        body = received.body if received.headers.get("content-encoding") == b"gzip" else gzip.compress(received.body)
        version = max(version, self.files.get(name, (0, b""))[0])
        self.files[name] = (version, body)
        return answer(200, b"", {"Content-Type": "text/plain", "Last-Modified": formatdate(version)})

    def _file(self, name: str, is_head: bool) -> bytes:
        version, body = self.files[name]
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "gzip",
            "Last-Modified": formatdate(version),
            "Logical-Size": str(len(gzip.decompress(body))),
        }
        whole = answer(200, body, headers)
        return whole[: len(whole) - len(body)] if is_head else whole

    def _list(self, folder: str) -> bytes:
        found = [name.removeprefix(folder) for name in self.files if name.startswith(folder)]
        if folder and not found:
            return self._error(400, "Path doesn't exist or is not a directory")
        return answer(200, "".join(f"{name}\n" for name in found))

    def _error(self, status: int, reason: str) -> bytes:
        return answer(status, "Traceback …".encode(), {"Content-Type": "text/plain", "X-Exception": reason})
