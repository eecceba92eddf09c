"""The sources of a composite: a store each, with what it is there for, and the name it goes by for a URI."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from rainer.store.store import Store

CacheUse = Literal["no", "read-through", "write-only"]


@dataclass(frozen=True)
class Source:
    """One store of a composite.

    `cache`: what other sources return is written to it, unless they say no; one that is "read-through" is asked too,
    when its turn comes, a "write-only" one never. A cache is never asked whether its copy is current, so it is for
    objects that do not change. It holds an object under the object's URI if it covers that, else as
    `uris/<SHA-256 of the URI>`.
    `write_back`: whether what this store returns is written to the caches.
    `at`: for a mirror of another place, the URL whose URIs it answers, by the names below it.
    """

    store: Store
    cache: CacheUse = "no"
    write_back: bool = True
    at: str | None = None

    @property
    def root(self) -> str:
        """The URL that the source's names stand below, as the composite's users see it."""
        return self.store.url if self.at is None else self.at.rstrip("/")

    def own_uri(self, uri: str) -> str | None:
        """The URI that the store itself knows an object by; None if it cannot have it."""
        if self.at is not None:
            name = _below(self.root, uri)
            return None if name is None else self.store.uri(name)
        if self.store.covers(uri):
            return uri
        if self.cache == "no" or not _holds_anything(self.store):
            return None
        digest = hashlib.sha256(uri.encode()).hexdigest()
        return self.store.uri(f"uris/{digest[:2]}/{digest}")

    @property
    def writable(self) -> bool:
        """Whether a put may go here: to no cache, and to no store that can only be read."""
        return self.cache == "no" and is_writable(self.store)

    @property
    def is_listed(self) -> bool:
        """Whether what it holds belongs in a list: it is no cache, and can be listed."""
        return self.cache == "no" and type(self.store).list is not Store.list


def is_writable(store: Store) -> bool:
    """Whether a store takes puts: by its attribute `writable` if it has one, else by whether it has a `put`."""
    told = getattr(store, "writable", None)
    return told if isinstance(told, bool) else type(store).put is not Store.put


def _below(root: str, uri: str) -> str | None:
    return unquote(uri[len(root) + 1 :]) if uri.startswith(root + "/") else None


def _holds_anything(store: Store) -> bool:
    """Whether a store can hold an object under any name; one addressed by digests, or a composite, cannot."""
    return getattr(store, "holds_any_name", True)
