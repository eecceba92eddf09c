"""Objects on any web server, to be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rainer.store.credential_names import chosen
from rainer.store.http_answer import HttpAnswer
from rainer.store.http_connect import Origin, split_url
from rainer.store.http_pool import HttpPool, Sign
from rainer.store.http_reading import info_of, range_headers, reading_of, refusal, shown
from rainer.store.login import login_of, without_login
from rainer.store.store import ObjectInfo, Reading, Store


class HttpStore(Store):
    """A web server, or a folder on it; read-only.

    Credentials are a user and a password in the URL, and `bearer:TOKEN`s, tried in order on 401 and 403 together with
    `anonymous`; other names mean nothing here. They are sent to this server alone, not to one that it redirects to, and
    stand in no URI that this store names: those are written down in many places. A URI given with them is understood.
    SHA-256 is known where the server tells it (X-Rainer-SHA256, X-Amz-Meta-Sha256, Repr-Digest, Digest). Bytes are
    taken as they are stored: a Content-Encoding is not undone, as every pinned digest is of the bytes sent.
    """

    def __init__(self, url: str, *, credentials: Sequence[str] = (), timeout_s: float = 60.0) -> None:
        super().__init__(without_login(url))
        split_url(url)
        self._pool = HttpPool(timeout_s=timeout_s)
        self._logins = _logins(url, credentials)
        self._chosen = 0

    def __repr__(self) -> str:
        return f"HttpStore({shown(self.url)!r})"

    def covers(self, uri: str) -> bool:
        return super().covers(without_login(uri))

    def name(self, uri: str) -> str:
        return super().name(without_login(uri))

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        uri = without_login(uri)
        answer = self._ask("GET", uri, range_headers(start, end, if_none_match, if_match))
        return reading_of(answer, uri, start, end, if_none_match, if_match)

    def head(self, uri: str) -> ObjectInfo:
        uri = without_login(uri)
        with self._ask("HEAD", uri, {}) as answer:
            if answer.status in (405, 501):  # a server that knows no HEAD says the same to a GET
                with self._ask("GET", uri, {}) as read:
                    return self._info(read, uri)
            return self._info(answer, uri)

    def close(self) -> None:
        self._pool.close()

    def _info(self, answer: HttpAnswer, uri: str) -> ObjectInfo:
        if answer.status != 200:
            raise refusal(answer, uri)
        return info_of(answer, uri)

    def _ask(self, method: str, uri: str, headers: dict[str, str]) -> HttpAnswer:
        self.name(uri)
        first = self._chosen
        order = [first, *(n for n in range(len(self._logins)) if n != first)]
        for number in order:
            authorization = self._logins[number]
            answer = self._pool.request(method, uri, headers, sign=_sign(authorization), label=shown(uri))
            if answer.status not in (401, 403):
                self._chosen = number
                return answer
            if number != order[-1]:
                answer.close()
        return answer


def _logins(url: str, credentials: Sequence[str]) -> list[str | None]:
    """The Authorization headers to try, None for none."""
    login = login_of(url)
    found: list[str | None] = [] if login is None else [login]
    for name in chosen(credentials, ("bearer",), "name bearer:TOKEN or anonymous, for a web server"):
        kind, _, value = name.partition(":")
        if kind == "bearer":
            found.append(f"Bearer {value}")
        elif name == "anonymous":
            found.append(None)
    return found or [None]


def _sign(authorization: str | None) -> Sign | None:
    if authorization is None:
        return None
    headers = {"Authorization": authorization}

    def sign(_method: str, _origin: Origin, _target: str) -> dict[str, Any]:
        return headers

    return sign
