"""Sets of keys by name and by prefix, as grants speak of them: small, comparable, and quick to ask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys named one by one, and all keys that begin with one of some prefixes; "" is the prefix of every key.

    Made by `of` it has one form only: equal sets are equal.
    """

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of(cls, exact: Iterable[str], prefixes: Iterable[str]) -> KeySet:
        """The set, without what another part of it covers."""
        kept: list[str] = []
        for prefix in sorted(set(prefixes)):
            if not kept or not prefix.startswith(kept[-1]):
                kept.append(prefix)
        found = tuple(kept)
        return cls(frozenset(key for key in exact if not key.startswith(found)) if found else frozenset(exact), found)

    def __contains__(self, key: object) -> bool:
        return key in self.exact or (bool(self.prefixes) and isinstance(key, str) and key.startswith(self.prefixes))

    @property
    def is_all(self) -> bool:
        """Whether every key is in it."""
        return self.prefixes == ("",)

    @property
    def is_empty(self) -> bool:
        """Whether no key is."""
        return not self.prefixes and not self.exact

    def covers(self, prefix: str) -> bool:
        """Whether every key that begins with `prefix` is in it."""
        return bool(self.prefixes) and prefix.startswith(self.prefixes)

    def spans(self, prefix: str = "") -> list[Span]:
        """Those of its keys that begin with `prefix`, as runs that stand apart, in the order of keys."""
        if self.covers(prefix):
            return [Span(prefix, False)]
        found = [Span(one, False) for one in self.prefixes if one.startswith(prefix)]
        found += [Span(key, True) for key in self.exact if key.startswith(prefix)]
        return sorted(found)

    def describe(self) -> str:
        """For people: `*`, or a short list."""
        words = sorted([f"{prefix}*" for prefix in self.prefixes] + list(self.exact))
        return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "") or "nothing"


class Span(NamedTuple):
    """One run of keys: all that begin with `start`, or that key alone."""

    start: str
    is_one: bool

    def is_behind(self, after: str) -> bool:
        """Whether none of its keys comes after that one."""
        return self.start <= after and (self.is_one or not after.startswith(self.start))


NO_KEYS = KeySet()
ALL_KEYS = KeySet(frozenset(), ("",))
