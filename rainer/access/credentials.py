"""The credential in a request: what the Authorization header, the token path or the client's certificate says."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote, unquote_to_bytes

_AUTHORIZATION: Final = b"authorization"
_BEARER: Final = b"bearer"
_PLAIN: Final = b"Bearer "
_MARK: Final = "/-/t/"
_HIDDEN: Final = "***"
HIDDEN_TOKEN_PATH: Final = _MARK + _HIDDEN
"""What a path that carried a token begins with, below the place where the app is mounted."""
CERTIFICATE: Final = "rainer_certificate"
"""The member of a scope that holds the name in the client's certificate, which the server below has checked."""

CREDENTIAL: Final = "rainer_credential"
"""The member of a scope that keeps what identified it, for whoever asks again; it never leaves the process."""
_NETWORK_BITS: Final = 64


class Unreadable(Exception):
    """There is a credential, and it is none that we take; the reason is for the log."""


def bearer_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The token after `Authorization: Bearer`; None without the header, Unreadable for any other scheme, or two."""
    found: bytes | None = None
    for name, value in headers:
        if name == _AUTHORIZATION:
            if found is not None:
                raise Unreadable("two Authorization headers")
            scheme, _, found = value.strip(b" \t").partition(b" ")
            found = found.strip(b" \t")
            if scheme.lower() != _BEARER or not found:
                raise Unreadable("an Authorization that is not Bearer")
    return found


def plain_bearer_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The same where there is one such header, and it is written as nearly everybody does; None for all else.

    Blanks around the token stay with it, and it is no known one: `bearer_of` then takes them off.
    """
    found: bytes | None = None
    for name, value in headers:
        if name == _AUTHORIZATION:
            if found is not None or value[:7] != _PLAIN:
                return None
            found = value[7:]
    return found


def may_have_token_path(scope: Any) -> bool:
    """Whether `hide_token_path` might have something to hide; False if it certainly has not."""
    return _MARK in scope["path"]


def name_of(certificate: Any) -> str | None:
    """The name in a certificate, as Python's `getpeercert` tells it: the subject's common name, else the first of its
    alternative names (email, URI, DNS); the empty text for a certificate without any, None without a certificate.
    """
    if not certificate:
        return None
    subject = [part for parts in certificate.get("subject", ()) for part in parts]
    alternatives = certificate.get("subjectAltName", ())
    for kind, found in (("commonName", subject), *((kind, alternatives) for kind in ("email", "URI", "DNS"))):
        for name, value in found:
            if name == kind and value:
                return str(value)
    return ""


def hide_token_path(scope: Any, may_sign_in: bool) -> bytes | None:
    """Take the token out of a scope's path `/-/t/TOKEN/…` and return it; None for any other path.

    The scope then says `/-/t/***/…`, in place, so that whoever logs it, the server below us too, has no token to log.
    With `may_sign_in` that much is the place where the app is mounted; without, it is a path that nothing answers.
    """
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    above = root if root and path.startswith(root) else ""
    if not path.startswith(_MARK, len(above)):
        return None
    raw: bytes = scope.get("raw_path") or path.encode()
    at = above.count("/") + 3
    parts = raw.split(b"/")
    if at >= len(parts) or [unquote_to_bytes(part) for part in parts[at - 2 : at]] != [b"-", b"t"]:
        # Its slashes are percent-encoded, as nobody's are who means it well.
        token, parts = b"", [b"", b"-", b"t", _HIDDEN.encode()]
    else:
        token, parts[at] = unquote_to_bytes(parts[at]), _HIDDEN.encode()
    scope["raw_path"] = b"/".join(parts)
    scope["path"] = unquote(scope["raw_path"].decode("latin-1"), errors="replace")
    if may_sign_in:
        scope["root_path"] = above + HIDDEN_TOKEN_PATH
    return token


def is_proved(scope: Any) -> bool:
    """Whether a request was identified by what it says, and not only by where it comes from."""
    return scope.get(CREDENTIAL) is not None


def peer_of(scope: Any) -> str:
    """The address that a request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else "nowhere"


def network_of(scope: Any) -> str:
    """The same, for those who are counted by it: of IPv6 the network, for whoever has one has 2^64 addresses."""
    peer = peer_of(scope)
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _NETWORK_BITS), strict=False))
