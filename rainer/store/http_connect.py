"""How a connection comes about: plain or with TLS, directly or by way of the proxy that the environment names."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from rainer.errors import InvalidUri
from rainer.store.http_wire import Connection, WireError
from rainer.store.store import shown
from rainer.store.tls import Tls, context_of

CONNECT_TIMEOUT_S: Final = 15.0
"""The longest wait for a connection, however patient the store is with bytes."""
_PORTS: Final = {"http": 80, "https": 443}
_KEPT: Final = "!#$%&'()*+,/:;=?@[]-._~"
"""What a URL may hold as it is; the rest is encoded, as browsers do with what people type."""


class Origin(NamedTuple):
    """Whom to ask: scheme, host and port, and the text of the Host header."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}"


class Way(NamedTuple):
    """How an origin is reached: over a proxy or not, and what plain requests say to that proxy."""

    proxy: Origin | None
    authorization: str | None


class UntrustedError(Exception):
    """The server's certificate was refused: trying again would not help."""


def split_url(url: str) -> tuple[Origin, str]:
    """Origin and target (path and query) of an http(s) URL; any userinfo and fragment are left away."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return origin_of(parts, url), quote(target, safe=_KEPT)


def origin_of(parts: SplitResult, url: str) -> Origin:
    """The origin of a split URL. Raises InvalidUri."""
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _PORTS or not parts.hostname or port == -1:
        raise InvalidUri(f"{shown(url)!r} is no URL of a web server", hint="such as https://host/path")
    return Origin(parts.scheme, _ascii(parts.hostname, url), port or _PORTS[parts.scheme])


def _ascii(host: str, url: str) -> str:
    try:
        return host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        raise InvalidUri(f"{shown(url)!r} names a host that cannot be") from None


@lru_cache(maxsize=256)
def way_to(origin: Origin) -> Way:
    """The proxy for an origin, as the environment (or the system's settings) names it: `https_proxy`, `no_proxy` …"""
    if sys.platform not in ("darwin", "win32") and not any(name.lower().endswith("_proxy") for name in os.environ):
        return Way(None, None)  # as urllib.request would say, which takes 8 ms to load
    import urllib.request

    named = urllib.request.getproxies().get(origin.scheme)
    if not named or urllib.request.proxy_bypass(origin.host):
        return Way(None, None)
    parts = urlsplit(named if "://" in named else f"http://{named}")
    authorization = None
    if parts.username is not None:
        import base64

        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(login.encode()).decode()
    return Way(origin_of(parts, named), authorization)


def connect(origin: Origin, timeout_s: float, tls: Tls) -> Connection:
    """Open a connection. Raises WireError, or UntrustedError for a certificate that does not prove the host."""
    way = way_to(origin)
    try:
        sock = _dial(way.proxy or origin, timeout_s, tls if way.proxy is None else Tls(tls.ca))
        if way.proxy is not None and origin.scheme == "https":
            sock = _closing_on_error(sock, lambda: _tunnel(sock, origin, way, timeout_s, tls))
    except OSError as e:
        raise _failure(e, origin) from e
    if type(sock) is socket.socket:  # and none of TLS
        _time_in_kernel(sock, timeout_s)
    return Connection(sock, timeout_s)


def _failure(error: OSError, origin: Origin) -> WireError | UntrustedError:
    why = getattr(error, "verify_message", None)  # of ssl.SSLCertVerificationError; ssl is not loaded for plain HTTP
    if why is not None:
        return UntrustedError(f"{origin.url} shows a certificate that is not trusted: {why}")
    if isinstance(error, TimeoutError):
        return WireError(f"no connection to {origin.netloc} came about in time", stalled=True, unreached=True)
    return WireError(f"no connection to {origin.netloc}: {error.strerror or error}", unreached=True)


def _time_in_kernel(sock: socket.socket, timeout_s: float) -> None:
    """Let the system bound each wait: Python, asked to, calls poll before every read and write."""
    if os.name != "posix":
        return
    microseconds = max(1_000, int(timeout_s * 1e6))  # none at all would mean for ever
    value = struct.pack("@ll", *divmod(microseconds, 1_000_000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
    sock.settimeout(None)


def _dial(origin: Origin, timeout_s: float, tls: Tls) -> socket.socket:
    sock = socket.create_connection((origin.host, origin.port), min(timeout_s, CONNECT_TIMEOUT_S))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if origin.scheme == "https":
        sock = _closing_on_error(sock, lambda: _with_tls(sock, origin.host, tls))
    sock.settimeout(timeout_s)
    return sock


def _closing_on_error(sock: socket.socket, step: Callable[[], socket.socket]) -> socket.socket:
    try:
        return step()
    except BaseException:
        sock.close()
        raise


def _tunnel(sock: socket.socket, origin: Origin, way: Way, timeout_s: float, tls: Tls) -> socket.socket:
    authority = f"{origin.netloc if ':' in origin.netloc else f'{origin.netloc}:{origin.port}'}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if way.authorization:
        lines.append(f"Proxy-Authorization: {way.authorization}")
    connection = Connection(sock, min(timeout_s, CONNECT_TIMEOUT_S))
    connection.send(("\r\n".join(lines) + "\r\n\r\n").encode(), None)
    status = connection.read_head().status
    if not 200 <= status < 300:
        raise WireError(f"the proxy answers {status} when asked for {authority}", unreached=True)
    return _with_tls(sock, origin.host, tls)


def _with_tls(sock: socket.socket, host: str, tls: Tls) -> socket.socket:
    return context_of(tls).wrap_socket(sock, server_hostname=host)
