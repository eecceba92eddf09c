"""What a server shows over TLS and whom it believes: files of certificates and revocations, read as they change."""

from __future__ import annotations

import datetime
import logging
import os
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn

from rainer.errors import InvalidError, missing_extra

log = logging.getLogger("rainer.serve")

_LOOK_S: Final = 1.0
_CRL: Final = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """The server's certificate and its key, which may be in the same file; `client_ca` asks clients for theirs.

    A client without a certificate is still heard: a token may say who it is. One whose certificate stands in
    `client_crl`, the authorities' lists of what they revoked, is not.
    """

    certificate: Path
    key: Path | None = None
    client_ca: Path | None = None
    client_crl: Path | None = None

    def context(self) -> ssl.SSLContext:
        """What these files are good for now; InvalidError, which names the file that is not what it is to be."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._try(self.certificate, lambda: context.load_cert_chain(self.certificate, self.key, password=_no_password))
        if self.client_ca is not None:
            self._try(self.client_ca, lambda: context.load_verify_locations(self.client_ca))
            context.verify_mode = ssl.CERT_OPTIONAL
        crl = self.client_crl
        if crl is not None:
            self._try(crl, lambda: _end_of(crl.read_bytes()))
            self._try(crl, lambda: context.load_verify_locations(crl))
            context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        return context

    def _try(self, file: Path, load: Callable[[], object]) -> None:
        try:
            load()
        except (OSError, ValueError) as e:
            reason = getattr(e, "reason", None) or getattr(e, "strerror", None) or str(e)
            beside = f" with the key {str(self.key)!r}" if self.key is not None and file == self.certificate else ""
            raise InvalidError(
                f"{str(file)!r}{beside} cannot be used for TLS: {reason}",
                hint="the authority publishes its list anew before it ends: fetch it as a PEM file"
                if file == self.client_crl
                else "PEM files are wanted, and a key without a password",
            ) from None

    def end(self) -> datetime.datetime | None:
        """When the first list of what is revoked ends; from then on OpenSSL takes no certificate of its authority."""
        try:
            return None if self.client_crl is None else _end_of(self.client_crl.read_bytes())
        except (OSError, ValueError):
            return None

    def state(self) -> tuple[object, ...]:
        """Something that is another when a file is."""
        return tuple(_state(file) for file in (self.certificate, self.key, self.client_ca, self.client_crl))


class FollowingContext(ssl.SSLContext):
    """A server's context that follows its files: each new connection is judged by what they held a second ago.

    A change makes a whole new context, so that no session that was begun under the old one is resumed. Files that
    cannot be used leave the former context in force. For one event loop, which asks for `wrap_bio` only.
    """

    _tls: TlsOptions
    _now: ssl.SSLContext
    _state: tuple[object, ...]
    _look_s: float
    _end: datetime.datetime | None

    @classmethod
    def of(cls, tls: TlsOptions) -> FollowingContext:
        """Raises InvalidError for files that cannot be used."""
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made._tls, made._state = tls, tls.state()
        made._now, made._end, made._look_s = tls.context(), tls.end(), time.monotonic() + _LOOK_S
        return made

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        if time.monotonic() >= self._look_s:
            self._look()
        return self._now.wrap_bio(*arguments, **named)

    def _look(self) -> None:
        self._look_s = time.monotonic() + _LOOK_S
        state = self._tls.state()
        if state == self._state:
            if self._end is not None and self._end < datetime.datetime.now(datetime.UTC):
                log.error(
                    "the revocations in '%s' ended: no certificate is taken until it is new", self._tls.client_crl
                )
                self._end = None  # once is enough
            return
        self._state = state
        try:
            self._now, self._end = self._tls.context(), self._tls.end()
        except InvalidError as e:
            log.error("%s; the former files go on to hold", e)
        else:
            log.info("the files for TLS have changed, and hold for new connections")


class EncryptedConfig(uvicorn.Config):
    """uvicorn's settings, with a TLS context of our own where there is TLS."""

    def __init__(self, app: Any, tls: TlsOptions | None, **settings: Any) -> None:
        self._tls = tls
        if tls is not None:  # from which uvicorn knows that there is TLS
            settings |= {"ssl_certfile": tls.certificate, "ssl_keyfile": tls.key}
        super().__init__(app, **settings)

    def load(self) -> None:
        super().load()
        if self._tls is not None:
            self.ssl = FollowingContext.of(self._tls)


def _end_of(pem: bytes) -> datetime.datetime | None:
    """When the first of some lists ends. ValueError for what holds none, anything else beside them, or one that has
    ended: it would shut everybody out."""
    try:
        from cryptography.x509 import load_pem_x509_crl
    except ImportError:
        raise missing_extra("reading lists of revoked certificates", "tls") from None

    lists, rest = _CRL.findall(pem), _CRL.sub(b"", pem)
    if b"-----BEGIN" in rest:
        raise ValueError("it holds something else than lists of revoked certificates (X509 CRL)")
    if not lists:
        raise ValueError("it holds no list of revoked certificates (X509 CRL)")
    now, ends = datetime.datetime.now(datetime.UTC), []
    for one in lists:
        found = load_pem_x509_crl(one)
        if found.next_update_utc is not None and found.next_update_utc < now:
            raise ValueError(f"the list of {found.issuer.rfc4514_string()} ended at {found.next_update_utc:%F %T} UTC")
        ends += [] if found.next_update_utc is None else [found.next_update_utc]
    return min(ends, default=None)


def _state(file: Path | None) -> object:
    try:
        found = os.stat(file) if file is not None else None  # noqa: PTH116
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)


def _no_password() -> str:
    raise ValueError("the key is kept under a password")
