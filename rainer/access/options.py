"""What a server is told about who may ask it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rainer.access.oidc import OidcOptions
from rainer.errors import InvalidError
from rainer.model.identity import check_credential

_BOOTSTRAP_CHARS_MIN: Final = 20


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """`is_on`: who asks must say who he is. `bootstrap_token` proves an identity that may do everything.

    With `token_path` a base URL may carry a token. `rate_per_s` calls a second, and `rate_burst` at once, are what one
    identity may make; 0 is no limit. `rates_file` is where several workers count them together. Raises InvalidError
    for options that contradict each other.
    """

    is_on: bool = False
    bootstrap_token: str | None = field(default=None, repr=False)
    token_path: bool = False
    oidc: OidcOptions | None = None
    rate_per_s: int = 0
    rate_burst: int = 0
    rates_file: Path | None = None
    has_certificates: bool = False
    """Whether clients' certificates prove names (`tls_client_ca`)."""

    @property
    def is_proved_elsewhere(self) -> bool:
        """Whether others than we prove names: an issuer, or the authority of clients' certificates."""
        return self.oidc is not None or self.has_certificates

    def __post_init__(self) -> None:
        if self.bootstrap_token is not None:
            check_credential(self.bootstrap_token)
            if len(self.bootstrap_token) < _BOOTSTRAP_CHARS_MIN:
                raise InvalidError(
                    f"the bootstrap token has {len(self.bootstrap_token)} characters, which can be guessed",
                    hint=f"at least {_BOOTSTRAP_CHARS_MIN}, random ones: `openssl rand -hex 32` makes such a text",
                )
        given = {
            "bootstrap_token": self.bootstrap_token, "token_path": self.token_path, "oidc_issuer": self.oidc,
            "tls_client_ca": self.has_certificates,
        }  # fmt: skip
        for name, value in given.items():
            if value and not self.is_on:
                raise InvalidError(
                    f"{name} is set, and identity is off", hint="turn it on with --identity, or leave the other away"
                )
