"""An API of the user's as a source of objects: one method, which returns bytes or None."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from rainer.errors import InvalidError, InvalidUri, ObjectNotFound, RainerError, StoreUnavailable
from rainer.store.reading import BytesReading, is_wanted
from rainer.store.store import ObjectInfo, Reading, Store


class ApiSource(Store):
    """Whatever can tell bytes by a URI: give a function, or inherit and write `fetch`.

    `prefix` (one or several) or `covers`, a predicate, says of which URIs; without either it is asked for all. For
    other processes the function and the predicate must be picklable, that is, have a name in a module. It can only be
    read; whole objects pass through memory, as they do in such an API anyway; the ETag is the SHA-256 of the bytes.
    """

    def __init__(
        self,
        fetch: Callable[[str], bytes | None] | None = None,
        *,
        prefix: str | Sequence[str] = "",
        covers: Callable[[str], bool] | None = None,
    ) -> None:
        prefixes = (prefix,) if isinstance(prefix, str) else tuple(prefix)
        super().__init__("api:")
        self.url = prefixes[0] if prefixes and prefixes[0] else self.url
        if fetch is None and type(self).fetch is ApiSource.fetch:
            raise InvalidError("an API source needs a function", hint="give one, or inherit and write fetch(uri)")
        self._fetch = fetch
        self._prefixes = prefixes
        self._covers = covers

    def fetch(self, uri: str) -> bytes | None:
        """The bytes behind a URI, or None if there are none; may be called from several threads at once.

        What it raises counts as not available, except for errors of Rainer's own, which are passed on.
        """
        assert self._fetch is not None
        return self._fetch(uri)

    def covers(self, uri: str) -> bool:
        return self._covers(uri) if self._covers is not None else uri.startswith(self._prefixes)

    def name(self, uri: str) -> str:
        self._check(uri)
        return uri

    def uri(self, name: str) -> str:
        return name if self.covers(name) else super().uri(name)

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        data, info = self._ask(uri)
        return BytesReading(info, data, start, end) if is_wanted(info, if_none_match, if_match) else None

    def head(self, uri: str) -> ObjectInfo:
        """What is known of an object, for which its bytes are fetched."""
        return self._ask(uri)[1]

    def _check(self, uri: str) -> None:
        if not self.covers(uri):
            hint = f"its URIs begin with {' or '.join(self._prefixes)}" if any(self._prefixes) else None
            raise InvalidUri(f"{uri!r} is none of this source's", hint=hint)

    def _ask(self, uri: str) -> tuple[bytes, ObjectInfo]:
        self._check(uri)
        try:
            data = self.fetch(uri)
        except RainerError:
            raise
        except Exception as error:
            raise StoreUnavailable(f"{uri}: the API source failed: {type(error).__name__}: {error}") from error
        if data is None:
            raise ObjectNotFound(f"{uri} is not known to the API source")
        return data, ObjectInfo(uri, len(data), f'"{hashlib.sha256(data).hexdigest()}"')
