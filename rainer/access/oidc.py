"""JWTs of an OpenID Connect issuer: what one must say and be signed with to prove an identity."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rainer.access.keys import Keys
from rainer.errors import RainerError, missing_extra
from rainer.model import names
from rainer.model.identity import Identity, check_identity_name

if TYPE_CHECKING:
    from jwt import PyJWK

log = logging.getLogger("rainer.access")

LEEWAY_S: Final = 30
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Only signatures that who checks them cannot make: with a shared secret, a public key would do for one."""


@dataclass(frozen=True, slots=True)
class OidcOptions:
    """Whose JWTs count, for whom they must be made, and which claims tell name and groups.

    Without `jwks_url` the issuer's own document names it. `name_claim` None: `email`, unless the issuer says that
    it is not verified, else `sub`.
    """

    issuer: str
    audience: str
    jwks_url: str | None = None
    name_claim: str | None = None
    groups_claim: str = "groups"


class Refused(Exception):
    """A credential proves nothing; the reason is for the log, never for who asks."""


class Proof(NamedTuple):
    """What a JWT proves, and until when: seconds since 1970."""

    identity: Identity
    expires_s: float


class Verifier:
    """Checks JWTs against the keys of their issuer that are known."""

    def __init__(self, options: OidcOptions) -> None:
        try:
            import cryptography  # noqa: F401
            import jwt  # noqa: F401
        except ImportError:
            raise missing_extra("sign-in with OpenID Connect needs PyJWT and cryptography", "oidc") from None
        self._options = options
        self.keys = Keys(options.issuer, options.jwks_url)

    def check(self, text: str) -> Proof:
        """The identity that a JWT proves; Refused, or NoKey where the keys must be fetched first. Less than a ms."""
        import jwt

        try:
            header = jwt.get_unverified_header(text)
            if header.get("alg") not in ALGORITHMS:
                raise Refused(f"the algorithm {names.shorten(str(header.get('alg')), 20)} is not allowed")
            claims = self._decode(text, header["alg"], self.keys.find(header.get("kid")))
        except jwt.PyJWTError as e:
            raise Refused(f"{type(e).__name__}: {e}") from e
        name, groups = _name(claims, self._options), _groups(claims, self._options)
        return Proof(Identity(name, "jwt", groups), float(claims["exp"]) + LEEWAY_S)

    def kid_of(self, text: str) -> object:
        """The id of the key that a JWT names."""
        import jwt

        return jwt.get_unverified_header(text).get("kid")

    def _decode(self, text: str, algorithm: str, keys: Sequence[PyJWK]) -> dict[str, Any]:
        """The claims; where a JWT names no key, each of the issuer's may be the one that signed it."""
        import jwt

        for left in range(len(keys) - 1, -1, -1):
            try:
                return self._decode_with(text, algorithm, keys[left])
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError, jwt.InvalidKeyError):
                if not left:
                    raise
        raise Refused("the issuer has no key")

    def _decode_with(self, text: str, algorithm: str, key: PyJWK) -> dict[str, Any]:
        import jwt

        said = key._jwk_data
        if "alg" not in said:  # the key may be used with any algorithm of its kind
            key = jwt.PyJWK(said, algorithm=algorithm)
        claims: dict[str, Any] = jwt.decode(
            text,
            key,
            algorithms=[key.algorithm_name] if key.algorithm_name in ALGORITHMS else [],
            audience=self._options.audience,
            issuer=self._options.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims


def _name(claims: dict[str, Any], options: OidcOptions) -> str:
    name = claims.get(options.name_claim) if options.name_claim else _email(claims) or claims.get("sub")
    if not isinstance(name, str):
        raise Refused(f"the claim {options.name_claim or 'email or sub'} names nobody")
    try:
        return check_identity_name(name)
    except RainerError as e:
        raise Refused(str(e)) from e


def _email(claims: dict[str, Any]) -> Any:
    # Whoever may write any address into his account must not become its owner.
    return claims.get("email") if claims.get("email_verified", True) in (True, "true") else None


def _groups(claims: dict[str, Any], options: OidcOptions) -> frozenset[str]:
    groups = claims.get(options.groups_claim, ())
    groups = [groups] if isinstance(groups, str) else groups
    return frozenset(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else frozenset()
