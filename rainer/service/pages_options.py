"""What the pages are told when the server starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_bytes

from rainer import limits


def _new_secret() -> bytes:
    return token_bytes(32)


@dataclass(frozen=True, slots=True)
class PagesOptions:
    """`secret` seals sessions and forms: all workers of a server share it, and servers behind one address must.

    By default it is a new one, so that a restart signs everybody out. `memory_bytes` bounds what is held of heads for
    searching; `is_secure` says that the server speaks TLS, so that no cookie leaves without.
    """

    secret: bytes = field(default_factory=_new_secret, repr=False)
    memory_bytes: int = limits.SEARCH_MEMORY_BYTES
    is_secure: bool = False

    @classmethod
    def of(cls, secret: str | None, memory_bytes: int, is_secure: bool) -> PagesOptions:
        """With the secret that an operator has chosen, of whatever length, or a new one."""
        found = _new_secret() if secret is None else sha256(b"rainer pages\0" + secret.encode()).digest()
        return cls(found, memory_bytes, is_secure)
