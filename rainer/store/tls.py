"""Whom TLS connections to a store trust, and what they show of us."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rainer.errors import InvalidError

if TYPE_CHECKING:
    import ssl


class Tls(NamedTuple):
    """Files in PEM: the authorities to trust in place of the system's, our certificate, and its key if it is apart.

    Of ServerStore and Client only the server that they are made for is shown the certificate, and judged by these
    authorities: none that it redirects to.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    @classmethod
    def of(
        cls, ca: os.PathLike[str] | None, certificate: os.PathLike[str] | None, key: os.PathLike[str] | None
    ) -> Tls | None:
        """What settings name; None where they name nothing."""
        if ca is certificate is key is None:
            return None
        return cls(*(None if file is None else os.fspath(file) for file in (ca, certificate, key)))


SYSTEM = Tls()
"""Trust as the system does, and show nothing."""


def context_of(tls: Tls) -> ssl.SSLContext:
    """The context of such connections, made anew when a file changed. Raises InvalidError for what cannot be used."""
    if tls.key is not None and tls.certificate is None:
        raise InvalidError("there is a private key and no certificate", hint="name both, or one file that holds both")
    return _context(tls, tuple(_state(file) for file in tls if file is not None))


def _state(file: str) -> tuple[int, ...]:
    try:
        found = os.stat(file)  # noqa: PTH116
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=16)
def _context(tls: Tls, _state: tuple[tuple[int, ...], ...]) -> ssl.SSLContext:
    file = tls.ca
    try:
        context = _trusting(tls.ca)
        if tls.certificate is not None:
            file = tls.certificate
            context.load_cert_chain(tls.certificate, tls.key)
    except OSError as e:  # ssl.SSLError is one
        raise InvalidError(
            f"{file!r} cannot be used for TLS: {e.strerror or e}",
            hint="it is to hold certificates in PEM; that of our own its key as well, or have it in another file",
        ) from e
    return context


def _trusting(ca: str | None) -> ssl.SSLContext:
    """Trust as the system does, unless a file says whom; where the system's folders hold nothing, as certifi does."""
    import ssl

    if ca is not None:
        return ssl.create_default_context(cafile=ca)
    context = ssl.create_default_context()
    places = ssl.get_default_verify_paths()
    folder = Path(places.capath) if places.capath else None
    if not context.get_ca_certs() and not (folder and folder.is_dir() and any(folder.iterdir())):
        import certifi

        context.load_verify_locations(certifi.where())
    return context
