"""The table of tokens: made, found by their id, revoked, and the minute they were last used in."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine, Row

from rainer.access.options import AccessOptions
from rainer.database.engine import writing
from rainer.database.failures import translated
from rainer.database.schema import tokens
from rainer.errors import InvalidError, NotFoundError, OutcomeUnknown, UnavailableError
from rainer.model import names, times
from rainer.model.identity import check_identity_name

LIFE_MS_MAX: Final = 100 * 366 * 86_400_000
_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Token:
    """One row: everything about a token but its text. Times are milliseconds since 1970, None: never."""

    id: str
    name: str
    sha256: bytes
    created_ms: int
    created_by: str
    expires_ms: int | None = None
    revoked_ms: int | None = None
    last_used_ms: int | None = None

    def is_live(self, now_ms: int) -> bool:
        """Whether it proves its name at that moment."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)

    def state(self, now_ms: int) -> str:
        """live, expired or revoked."""
        return "live" if self.is_live(now_ms) else "revoked" if self.revoked_ms is not None else "expired"

    def as_dict(self, now_ms: int) -> dict[str, Any]:
        """Its JSON members: times in ISO 8601, and no digest."""
        members: dict[str, Any] = {"id": self.id, "name": self.name, "state": self.state(now_ms)}
        told = {name: value for name, value in asdict(self).items() if name.endswith("_ms")}
        dates = {name.removesuffix("_ms"): None if ms is None else times.format_iso(ms) for name, ms in told.items()}
        return members | {"created_by": self.created_by} | dates


def digest_of(text: str) -> bytes:
    """What is kept of a credential. It has 256 random bits, so that a slow hash would protect nothing more."""
    return hashlib.sha256(text.encode()).digest()


def new_text() -> tuple[str, str]:
    """A new token's id and whole text: `rnr_`, the id, `_` and 32 random bytes."""
    token_id = base64.b32encode(secrets.token_bytes(5)).decode().lower()
    return token_id, f"rnr_{token_id}_{secrets.token_urlsafe(32)}"


def id_of(text: str) -> str:
    """The id in a token's text."""
    return text[4:12]


class TokenTable:
    """Thread-safe. Every method is one transaction and raises UnavailableError where the database does not answer."""

    def __init__(self, engine: Engine | None) -> None:
        self._opened = engine

    @property
    def _engine(self) -> Engine:
        if self._opened is None:
            raise NotFoundError("there are no tokens here", hint="ask the server that is mirrored")
        return self._opened

    def create(self, name: str, *, created_by: str, life_ms: int | None = None) -> tuple[Token, str]:
        """Make a token that proves `name`, for so long or for ever; the token, and its text, which nobody keeps."""
        check_identity_name(name)
        if life_ms is not None and not 0 < life_ms <= LIFE_MS_MAX:
            raise InvalidError(f"a token's life of {life_ms / 1000:g} s is not allowed", hint="up to 100 years")
        for _ in range(_TRIES):
            token_id, text = new_text()
            now_ms = times.now_ms()
            expires_ms = None if life_ms is None else now_ms + life_ms
            made = Token(token_id, name, digest_of(text), now_ms, created_by, expires_ms)
            try:
                with translated(), writing(self._engine) as connection:
                    connection.execute(sa.insert(tokens), asdict(made))
                    connection.commit()
            except OutcomeUnknown as e:
                raise UnavailableError(f"the token was not made: {e}", hint="make another one") from e
            except sa.exc.IntegrityError:
                continue  # of 2^40 ids another token has this one
            return made, text
        raise UnavailableError("no free id was found for the token", hint="try again")

    def list(self) -> list[Token]:
        """All tokens, the newest first, those that expired or were revoked too."""
        query = sa.select(tokens).order_by(tokens.c.created_ms.desc(), tokens.c.id)
        with translated(), self._engine.connect() as connection:
            return [_token(row) for row in connection.execute(query)]

    def find(self, token_id: str) -> Token | None:
        """The token of that id."""
        with translated(), self._engine.connect() as connection:
            row = connection.execute(sa.select(tokens).where(tokens.c.id == token_id)).first()
        return None if row is None else _token(row)

    def revoke(self, token_id: str) -> Token:
        """Have a token prove nothing from now on; one that was revoked stays as it is. NotFoundError for no token's id.

        Whether its text proves anything is looked up again within two seconds by every server on this database.
        """
        with translated(), writing(self._engine) as connection:
            unrevoked = sa.and_(tokens.c.id == token_id, tokens.c.revoked_ms.is_(None))
            connection.execute(sa.update(tokens).where(unrevoked).values(revoked_ms=times.now_ms()))
            row = connection.execute(sa.select(tokens).where(tokens.c.id == token_id)).first()
            connection.commit()
        if row is None:
            raise NotFoundError(f"no token has the id {names.shorten(token_id)}", hint="`rainer token list` shows all")
        return _token(row)

    def note_use(self, token_id: str, now_ms: int) -> None:
        """Keep when a token was last used; a later moment that another server kept already stays."""
        is_later = sa.or_(tokens.c.last_used_ms.is_(None), tokens.c.last_used_ms < now_ms)
        with translated(), writing(self._engine) as connection:
            connection.execute(
                sa.update(tokens).where(tokens.c.id == token_id, is_later).values(last_used_ms=now_ms)
            )  # fmt: skip
            connection.commit()


def can_sign_in(engine: Engine, options: AccessOptions) -> bool:
    """Whether anybody can prove who he is: by the bootstrap token, by others' word, or by a live token."""
    if options.bootstrap_token or options.is_proved_elsewhere:
        return True
    now_ms = times.now_ms()
    return any(token.is_live(now_ms) for token in TokenTable(engine).list())


def _token(row: Row[Any]) -> Token:
    return Token(**{**row._mapping, "sha256": bytes(row._mapping["sha256"])})
