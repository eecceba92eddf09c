"""One attempt to send a request and to read its answer whole, over a pool of connections that a fork never shares."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import requests.auth
import urllib3
from requests.adapters import HTTPAdapter

from rainer.client.address import Address
from rainer.errors import InvalidError

CONNECTIONS_KEPT = 32
"""Idle connections kept for later calls; more threads than that work too, and open a connection for a call."""
_PIECE_BYTES = 1 << 18


class UnsentError(Exception):
    """No connection came about: the server has not seen the request."""


class UntrustedError(UnsentError):
    """The server's certificate was refused: trying again would not help."""


class UnansweredError(Exception):
    """The request went out, wholly or in part, and no whole answer came back: the server may have acted on it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send: the path with its query, and headers whose values are text in ASCII or ready bytes."""

    method: str
    path: str
    headers: Mapping[str, str | bytes]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; the names of `headers` are matched in any letter case, their values are Latin-1 of the bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Bearer(requests.auth.AuthBase):
    """Puts a token into the header that says who asks, and keeps `.netrc` from doing so."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


def proof_of(address: Address) -> requests.auth.AuthBase | None:
    """What proves to the server of an address who asks: its token, or its user and password."""
    if address.token is not None:
        return Bearer(address.token)
    return None if address.login is None else requests.auth.HTTPBasicAuth(*address.login)


class Transport:
    """Sends requests to one server; safe across threads and forks.

    Without a `session` of the caller's, sessions are ours: no cookies, no `.netrc`, no proxy from the environment, for
    a configuration service inside a data centre must not be reached by way of what a shell happens to export. Each
    process gets its own, so that a child never speaks on its parent's connections. A session given by the caller is
    used as it is (its proxies, certificates and adapters), never closed, and shared with forked children only if the
    caller gave the session itself; a function that makes sessions is called once a process.
    """

    def __init__(
        self,
        address: Address,
        session: requests.Session | Callable[[], requests.Session] | None,
    ) -> None:
        self.root = address.root
        self._proof = proof_of(address)
        self._ours = session is None
        self._given = session if isinstance(session, requests.Session) else None
        self._make = new_session if session is None or isinstance(session, requests.Session) else session
        # Process and session change hands as one tuple: no lock, for a lock could be held while another thread forks.
        self._held: tuple[int, requests.Session] | None = None

    def attempt(self, request: Request, *, connect_s: float, read_s: float, deadline: float) -> Answer:
        """Send once and read the whole answer, each wait bounded, all of them by `deadline` (of time.monotonic).

        Raises UnsentError where the server cannot have seen the request and UnansweredError where it may have.
        """
        url = self.root + request.path
        try:
            response = self._session().request(
                request.method,
                url,
                headers=dict(request.headers),
                data=request.body,
                auth=self._proof,
                timeout=(connect_s, read_s),
                stream=True,
                # A redirected POST would become a GET, and a 200 to that would look like a commit.
                allow_redirects=False,
            )
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader) as e:
            raise InvalidError(f"request to {url}: {e}") from e
        except requests.exceptions.RequestException as e:
            raise _failure(e) from e
        with response:
            return Answer(response.status_code, response.headers, _read_body(response, deadline), url)

    @property
    def names_who_asks(self) -> bool:
        """Whether it has a token, or a certificate, that tells the server who asks."""
        return isinstance(self._proof, Bearer) or self._session().cert is not None

    def close(self) -> None:
        """Close the pooled connections of this process; a later call opens new ones. A caller's session stays open."""
        held, self._held = self._held, None
        if held is not None and held[0] == os.getpid() and self._ours:
            held[1].close()

    def _session(self) -> requests.Session:
        if self._given is not None:
            return self._given
        held = self._held
        if held is None or held[0] != os.getpid():
            held = self._held = (os.getpid(), self._make())
        return held[1]


def new_session(ca: str | None = None, certificate: tuple[str, str] | str | None = None) -> requests.Session:
    """A session fit for many threads: a pool of connections, no retries of its own, no cookies, no environment.

    `ca` is a file of authorities to trust instead of the usual ones, `certificate` our own: a file, or it and its key.
    """
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "rainer-client"
    session.verify, session.cert = ca or True, certificate
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=CONNECTIONS_KEPT, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def tls_sessions(
    ca: os.PathLike[str] | None, certificate: os.PathLike[str] | None, key: os.PathLike[str] | None
) -> Callable[[], requests.Session] | None:
    """What makes sessions with authorities and a certificate of one's own; None where none is given.

    Raises InvalidError for a file that is not there: requests would say so with the first call, and not which.
    """
    for file in (ca, certificate, key):
        if file is not None and not os.path.isfile(file):  # noqa: PTH113
            raise InvalidError(f"there is no file {os.fspath(file)!r}", hint="it is to hold certificates, or a key")
    if key is not None and certificate is None:
        raise InvalidError("there is a private key and no certificate", hint="name both, or one file that holds both")
    if ca is None and certificate is None:
        return None
    ours: tuple[str, str] | str | None = None
    if certificate is not None:
        ours = os.fspath(certificate) if key is None else (os.fspath(certificate), os.fspath(key))
    return partial(new_session, None if ca is None else os.fspath(ca), ours)


def _read_body(response: requests.Response, deadline: float) -> bytes:
    pieces = []
    try:
        for piece in _pieces(response):
            pieces.append(piece)
            if time.monotonic() > deadline:
                raise UnansweredError("the answer was still coming in when the time was up")
    except (urllib3.exceptions.HTTPError, OSError) as e:
        raise UnansweredError(f"the answer broke off: {_reason(e)}") from e
    body = b"".join(pieces)
    announced = response.headers.get("content-length", "")
    # Not every version of urllib3 does this check, and half a payload must not pass for one.
    if announced.isdigit() and int(announced) != len(body) and "content-encoding" not in response.headers:
        raise UnansweredError(f"the answer broke off: {len(body)} of {announced} bytes came")
    return body


def _pieces(response: requests.Response) -> Iterator[bytes]:
    raw = response.raw
    if not isinstance(raw, urllib3.HTTPResponse) or not hasattr(raw, "read1"):
        yield from response.iter_content(_PIECE_BYTES)
        return
    # read1 returns what is there, so that a server that drips its answer cannot outlast the deadline.
    while piece := raw.read1(_PIECE_BYTES, decode_content=True):
        yield piece


def _failure(e: requests.exceptions.RequestException) -> UnsentError | UnansweredError:
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(e)):
        return UntrustedError(_reason(e))
    if isinstance(e, requests.exceptions.ConnectTimeout):
        return UnsentError("no connection within the time allowed")
    if isinstance(e, requests.exceptions.ProxyError) or any(
        isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in _causes(e)
    ):
        return UnsentError(_reason(e))
    if isinstance(e, requests.exceptions.ReadTimeout):
        return UnansweredError("no answer within the time allowed")
    return UnansweredError(_reason(e))


def _causes(e: BaseException) -> Iterator[BaseException]:
    """The error and everything it wraps: requests and urllib3 put the cause into args, `reason` or `__cause__`."""
    seen: set[int] = set()
    left: list[Any] = [e]
    while left:
        error = left.pop()
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        # Not __context__: a caller who retries inside an `except` would lend us the cause of his earlier failure.
        left += [*error.args, getattr(error, "reason", None), error.__cause__]


def _reason(e: BaseException) -> str:
    """The system's own words where there are any ("Connection refused"), else those of the error."""
    for cause in _causes(e):
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
            return cause.strerror or str(cause)
    return " ".join(str(e).split()) or type(e).__name__
