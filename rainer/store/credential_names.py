"""Names of credentials: one list of them serves stores of all kinds, and each takes what means something to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rainer.errors import InvalidUri

_PLAIN: Final = frozenset({"default", "env", "anonymous"})
_VALUED: Final = frozenset({"profile", "file", "bearer", "key", "sas", "connection"})


def chosen(credentials: Sequence[str], own: Sequence[str], hint: str) -> tuple[str, ...]:
    """Those of the names that one kind of store understands: `default`, `env`, `anonymous`, and `KIND:VALUE` of its
    `own` kinds; names that mean something to other stores alone are passed over.

    Raises InvalidUri, with the store's hint, for what means nothing anywhere. The value, which may be a secret, is in
    no message.
    """
    found = []
    for name in credentials:
        kind, colon, value = name.partition(":")
        if name not in _PLAIN and (kind not in _VALUED or not value):
            told = f"{kind}:…" if value else f"{kind}{colon}"
            raise InvalidUri(f"{told!r} names no credentials", hint=hint)
        if name in _PLAIN or kind in own:
            found.append(name)
    return tuple(found)
