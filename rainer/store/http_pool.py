"""Requests over kept connections, a set of them in each process: retried, redirected, and bounded in time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urljoin

from rainer.errors import CredentialsError, StoreUnavailable
from rainer.store.http_answer import HttpAnswer
from rainer.store.http_connect import Origin, UntrustedError, connect, split_url, way_to
from rainer.store.http_wire import Body, Connection, Head, WireError, request_head
from rainer.store.tls import SYSTEM, Tls

TRIES_MAX: Final = 6
UNREACHED_MAX: Final = 4
"""So many tries where no connection comes about: whoever works offline is told within a second."""
REDIRECTS_MAX: Final = 5
RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_IDLE_MAX: Final = 32
"""Idle connections kept for each origin."""

_UNTRUSTED: Final = "name its authority's certificate in SSL_CERT_FILE, or in RAINER_TLS_CA for a Rainer server"

_USUAL: Final = {"User-Agent": "rainer", "Accept": "*/*", "Accept-Encoding": "identity"}

Sign: TypeAlias = Callable[[str, Origin, str], Mapping[str, str]]
"""Makes the headers that prove who asks, anew for each try, from method, origin and target."""


class HttpPool:
    """Sends HTTP requests and keeps the connections; for any number of threads, after fork and pickling too.

    `timeout_s` bounds each wait for a byte; all tries of a request together stop after about twice that. A child
    process never touches a connection of its parent's. With `home`, `tls` is for that origin alone.
    Urllib3's pool, which would do, takes several times as long as a 10 KiB object travels.
    """

    def __init__(self, *, timeout_s: float = 60.0, tls: Tls | None = None, home: Origin | None = None) -> None:
        self.timeout_s = timeout_s
        self._tls = tls or SYSTEM
        self._home = home
        self._idle = _Idle()

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, *, body: Body = None,
        sign: Sign | None = None, label: str | None = None, redirects: int = REDIRECTS_MAX,
    ) -> HttpAnswer:  # fmt: skip
        """Send a request, again after a pause where that may help, and return the (last) answer, whatever its status.

        `label` is the URL that messages show. Redirects of GET and HEAD are followed, up to `redirects` of them;
        another origin gets neither what `sign` makes nor an Authorization, Cookie or X-Amz header. Raises
        StoreUnavailable where no answer came, CredentialsError where the server's certificate is not trusted.
        """
        origin, target = split_url(url)
        return self.request_at(
            origin, target, method, headers, body=body, sign=sign, label=label or origin.url + target,
            redirects=redirects,
        )  # fmt: skip

    def request_at(
        self, origin: Origin, target: str, method: str, headers: Mapping[str, str] | None = None, *, label: str,
        body: Body = None, sign: Sign | None = None, redirects: int = 0, sent: Connection | None = None,
    ) -> HttpAnswer:  # fmt: skip
        """`request`, for who knows the URL's parts; `sent` is the connection over which `send_ahead` asked already."""
        answer = None if sent is None else self._answer_ahead(sent, origin, label)
        if answer is not None:
            return answer
        headers = _USUAL | dict(headers or {})
        if isinstance(body, bytes):
            headers["Content-Length"] = str(len(body))
        for left in range(redirects, -1, -1):
            answer = self._patiently(origin, target, method, headers, body, sign, label)
            location = answer.headers.get("location")
            if not (redirects and 301 <= answer.status <= 308 and answer.status != 304 and location):
                return answer
            if method not in ("GET", "HEAD"):
                return answer
            answer.close()
            if not left:
                break
            there, target = split_url(urljoin(origin.url + target, location))
            if there != origin:
                if origin.scheme == "https" and there.scheme == "http":
                    raise StoreUnavailable(f"{label} is redirected from https to {there.url}, which is not followed")
                sign, headers = None, _without_secrets(headers)
            origin = there
        raise StoreUnavailable(f"{label} is redirected more than {redirects} times", hint="look at the store's URL")

    def send_ahead(self, origin: Origin, target: str, sign: Sign) -> Connection | None:
        """Send a GET, whose answer `request_at` reads when it is given the connection; None where that fails, or a
        proxy is between."""
        if way_to(origin).proxy is not None:
            return None
        connection = None
        try:
            head = request_head("GET", target, origin.netloc, {**_USUAL, **sign("GET", origin, target)})
            connection = self._here().take(origin) or connect(origin, self.timeout_s, self._tls_for(origin))
            connection.send(head, None)
        except (OSError, WireError, UntrustedError):
            if connection is not None:
                connection.close()
            return None
        return connection

    def _answer_ahead(self, connection: Connection, origin: Origin, label: str) -> HttpAnswer | None:
        """The answer to what was sent ahead; None where it is not all well, and is to be asked for again."""
        try:
            head = connection.read_head()
        except (OSError, WireError):
            connection.close()
            return None
        except BaseException:
            connection.close()
            raise
        answer = HttpAnswer(label, "GET", head, connection, self._here().give_back(origin))
        if head.status == 200:
            return answer
        answer.close()
        return None

    def close(self) -> None:
        """Close this process's idle connections; those in use are closed when they come back."""
        idle, self._idle = self._idle, _Idle()
        idle.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"timeout_s": self.timeout_s, "_tls": self._tls, "_home": self._home}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._idle = _Idle()

    def _patiently(
        self, origin: Origin, target: str, method: str, headers: Mapping[str, str], body: Body, sign: Sign | None,
        label: str,
    ) -> HttpAnswer:  # fmt: skip
        patience = _Patience(self.timeout_s)
        while True:
            proof = sign(method, origin, target) if sign is not None else {}
            try:
                head, connection, idle = self._exchange(origin, target, method, {**headers, **proof}, body)
            except UntrustedError as e:
                raise CredentialsError(f"{label}: {e}", hint=_UNTRUSTED) from e
            except WireError as e:
                if (e.unreached and patience.tries >= UNREACHED_MAX) or not patience.pause():
                    raise StoreUnavailable(
                        f"{label}: {e} ({patience.tries} tries)", hint="look whether the store is well, and try again"
                    ) from e
                continue
            answer = HttpAnswer(label, method, head, connection, idle.give_back(origin))
            if head.status not in RETRIED or not patience.pause(_retry_after_s(head)):
                return answer
            answer.close()

    def _exchange(
        self, origin: Origin, target: str, method: str, headers: Mapping[str, str], body: Body
    ) -> tuple[Head, Connection, _Idle]:
        way = way_to(origin)
        if way.proxy is not None and origin.scheme == "http":
            target = origin.url + target
            if way.authorization:
                headers = {**headers, "Proxy-Authorization": way.authorization}
        head = request_head(method, target, origin.netloc, headers)
        while True:
            idle = self._here()
            connection = idle.take(origin) or connect(origin, self.timeout_s, self._tls_for(origin))
            try:
                connection.send(head, body)
                return connection.read_head(), connection, idle
            except (OSError, WireError) as e:
                connection.close()
                stalled = isinstance(e, WireError) and e.stalled
                if connection.answers and not connection.heard and not stalled:
                    continue  # it lay idle and the server had closed it: the next one, or a new one
                if isinstance(e, WireError):
                    raise
                raise WireError(f"the connection broke: {e.strerror or e}") from e
            except BaseException:
                connection.close()
                raise

    def _tls_for(self, origin: Origin) -> Tls:
        return self._tls if self._home is None or origin == self._home else SYSTEM

    def _here(self) -> _Idle:
        idle = self._idle
        if idle.pid != os.getpid():
            idle = self._idle = _Idle()
        return idle


class _Idle:
    """The idle connections of one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._kept: dict[Origin, list[Connection]] = {}
        self._closed = False

    def take(self, origin: Origin) -> Connection | None:
        """The connection used last, which is the likeliest to be open still."""
        with self._lock:
            kept = self._kept.get(origin)
            return kept.pop() if kept else None

    def give_back(self, origin: Origin) -> Callable[[Connection], None]:
        def keep(connection: Connection) -> None:
            with self._lock:
                kept = self._kept.setdefault(origin, [])
                if not self._closed and len(kept) < _IDLE_MAX and self.pid == os.getpid():
                    kept.append(connection)
                    return
            connection.close()

        return keep

    def close(self) -> None:
        self._closed = True
        for kept in self._kept.values():
            while kept:
                kept.pop().close()

    def __del__(self) -> None:
        # No lock: nobody else can hold what is being forgotten. In a forked child this closes the child's copies of
        # its parent's sockets, of which the parent and the server notice nothing.
        self.close()


class _Patience:
    """Counts the tries of one request and pauses between them, ever longer and never for the same time."""

    def __init__(self, timeout_s: float) -> None:
        self.tries = 1
        self._until = time.monotonic() + 2 * timeout_s

    def pause(self, asked_s: float | None = None) -> bool:
        """Wait before the next try; false if there shall be none."""
        import random  # few wait

        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (self.tries - 1)) * random.uniform(0.5, 1.0)
        pause_s = max(pause_s, asked_s or 0.0)
        if self.tries >= TRIES_MAX or time.monotonic() + pause_s > self._until:
            return False
        self.tries += 1
        time.sleep(pause_s)
        return True


def _retry_after_s(head: Head) -> float | None:
    text = head.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    from email.utils import parsedate_to_datetime  # as much to load as the rest of this room

    try:
        return parsedate_to_datetime(text).timestamp() - time.time() if text else None
    except ValueError:
        return None


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    secret = ("authorization", "cookie", "x-amz-", "x-goog-", "x-ms-")
    return {name: value for name, value in headers.items() if not name.lower().startswith(secret)}
