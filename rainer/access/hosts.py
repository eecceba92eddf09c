"""What keeps other people's web pages out: whoever has a browser carries their requests to where he is let in."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Any, Final

from rainer.errors import DeniedError
from rainer.model import names

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SEEN_MAX: Final = 100
_HINT: Final = "is it yours? Name it in --hosts (RAINER_HOSTS); else a web page tried to reach this server through you"


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names that a server is called by.

    A page may send requests to any address that its reader's browser reaches, loopback too, and so act as whoever is
    let in for where he sits or for his certificate. It cannot keep the browser from saying whose page it is (`Origin`),
    nor, where its own name is made to lead here (DNS rebinding), from saying that name (`Host`).
    """

    named: frozenset[str] = frozenset()
    """In lower case, without ports; also what pages of ours may be called where a proxy changes `Host`."""
    are_checked: bool = False
    """Whether no other name will do, but for those that nobody can point here from outside: addresses, localhost, and
    names without a dot."""

    _seen: set[bytes] = field(default_factory=set, compare=False, repr=False)
    """Hosts that were found to be ours: most requests say the same."""

    def check(self, scope: Any, is_proved: bool = False) -> None:
        """DeniedError for a name that is not ours, and for what a page elsewhere would change.

        `is_proved`: the request has a token, which no such page knows.
        """
        if is_proved and not self.are_checked:
            return
        host = origin = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
                if self.are_checked and value not in self._seen and not self._is_ours(value):
                    raise DeniedError(f"nobody is served here by the name {_shown(value)}", hint=_HINT)
            elif name == b"origin":
                origin = value
        if origin is None or is_proved or scope["method"] in _READING:
            return
        authority = origin.partition(b"://")[2].lower()
        if (host is None or authority != host.lower()) and _name(authority) not in self.named:
            raise DeniedError(f"a page of {_shown(origin)} may change nothing here", hint=_HINT)

    def _is_ours(self, host: bytes) -> bool:
        name = _name(host)
        if "." in name and name not in self.named and not name.endswith(".localhost") and not _is_address(name):
            return False
        if len(self._seen) < _SEEN_MAX:
            self._seen.add(host)
        return True


def local_hosts(named: str | None, is_open: bool) -> Hosts:
    """Those of a server's settings, with commas between: no others will do where there are any, nor where nobody is
    asked who he is.
    """
    own = {name.lower().rstrip(".") for name in (named or "").replace(",", " ").split()}
    return Hosts(frozenset({*own, socket.gethostname().lower()}), are_checked=is_open or bool(own))


def _name(authority: bytes) -> str:
    """A name, or an address, without its port."""
    text = authority.decode("latin-1").strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _shown(value: bytes) -> str:
    return names.shorten(value.decode("latin-1"))
