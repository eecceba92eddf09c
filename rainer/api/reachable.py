"""Who can reach a server, and what keeps strangers away: TLS, and no open server but on loopback."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rainer.errors import InvalidError


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """The server's certificate and its key, which may be in the same file; `client_ca` asks clients for theirs.

    A client without a certificate is still heard: a token may say who it is.
    """

    certificate: Path
    key: Path | None = None
    client_ca: Path | None = None

    def check(self) -> None:
        """InvalidError, which names the file, where the files are not what they are to be."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._try(self.certificate, lambda: context.load_cert_chain(self.certificate, self.key, password=_no_password))
        if self.client_ca is not None:
            self._try(self.client_ca, lambda: context.load_verify_locations(self.client_ca))

    def _try(self, file: Path, load: Any) -> None:
        try:
            load()
        except (OSError, ValueError) as e:
            reason = getattr(e, "reason", None) or getattr(e, "strerror", None) or str(e)
            beside = f" with the key {str(self.key)!r}" if self.key is not None and file == self.certificate else ""
            raise InvalidError(
                f"{str(file)!r}{beside} cannot be used for TLS: {reason}",
                hint="PEM files are wanted, and a key without a password",
            ) from None

    def for_uvicorn(self) -> dict[str, Any]:
        """uvicorn's settings for it."""
        found: dict[str, Any] = {"ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        if self.client_ca is not None:
            found |= {"ssl_ca_certs": str(self.client_ca), "ssl_cert_reqs": ssl.CERT_OPTIONAL}
        return found


def _no_password() -> str:
    raise ValueError("the key is kept under a password")


def check_guarded(sock: socket.socket, is_guarded: bool, command: str) -> None:
    """InvalidError, with what to type instead, for a socket that others can reach where nobody is asked who he is."""
    address = sock.getsockname()[0]
    if is_guarded or ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return
    raise InvalidError(
        f"{command} on {address} with identity off: whoever reaches it could change everything in anybody's name",
        hint=_HINT.format(command=command, address=address),
    )


_HINT = """either listen on 127.0.0.1 only, or have everybody say who he is:
  export RAINER_BOOTSTRAP_TOKEN=$(openssl rand -hex 32)
  {command} --identity --host {address}
and, in another terminal that has this token, too, make one for yourself:
  RAINER_TOKEN=$RAINER_BOOTSTRAP_TOKEN rainer token create you@example.com"""
