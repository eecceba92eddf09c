"""One store over many: sources asked in order, and caches that keep what the others returned."""

from __future__ import annotations

import heapq
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from rainer.errors import (
    DeniedError,
    InvalidError,
    InvalidUri,
    NoSpace,
    ObjectNotFound,
    RainerError,
    StoreUnavailable,
    UnavailableError,
    WrongDigest,
)
from rainer.store.composite_sources import Source
from rainer.store.reading import read_bytes
from rainer.store.spool import Spool, spool
from rainer.store.store import ObjectInfo, Progress, Reading, Store

__all__ = ["CompositeStore", "Source"]

T = TypeVar("T")

_log = logging.getLogger("rainer.store")
_PASSED_OVER = (ObjectNotFound, WrongDigest, UnavailableError, DeniedError)


class CompositeStore(Store):
    """Asks its sources (stores, API sources, other composites; bare or as `Source`) in order until one has the object.

    A source is skipped for a URI that it does not cover, and passed over when it lacks the object, has it damaged, is
    not available or refuses its credentials. ObjectNotFound means that all who cover the URI lack it; if some could
    not be asked and none had it, the error is StoreUnavailable (or the refusal, where nothing was wrong but
    credentials) and names each.

    Where there are caches, a whole object from a source with `write_back` is first read into a temporary file (in
    `spool_folder`, by default the system's), checked, and written to each cache; what fails a check counts as not
    found and is never cached. A cache that cannot be written to is logged and does not matter. Without caches, and
    for ranges, bytes are passed on as they come.

    A put or delete goes to the first source that takes writes and is no cache, and the caches forget the URI.
    `url`, by default that of the same source, is what `uri` and `list` stand below. The semantics are those of
    epic-bitstore; there the blobs were whole in memory.
    """

    holds_any_name = False

    def __init__(self, *sources: Store | Source, url: str | None = None, spool_folder: Path | None = None) -> None:
        if not sources:
            raise InvalidError("a composite store needs a source", hint="give it stores, the nearest first")
        self.sources = tuple(source if isinstance(source, Source) else Source(source) for source in sources)
        plain = [source for source in self.sources if source.cache == "no"]
        home = next((source for source in plain if source.writable), (plain or list(self.sources))[0])
        super().__init__(url if url is not None else home.root)
        self._spool_folder = spool_folder
        self._namer = home.store if url is None and home.at is None else None

    @property
    def writable(self) -> bool:
        """Whether some source takes a put."""
        return any(source.writable for source in self.sources)

    def covers(self, uri: str) -> bool:
        return any(source.cache == "no" and source.own_uri(uri) is not None for source in self.sources)

    def uri(self, name: str) -> str:
        return super().uri(name) if self._namer is None else self._namer.uri(name)

    def name(self, uri: str) -> str:
        return super().name(uri) if self._namer is None else self._namer.name(uri)

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        whole = start == 0 and end is None

        def ask(source: Source, own: str) -> Reading | None:
            reading = source.store.open(own, start=start, end=end, if_none_match=if_none_match, if_match=if_match)
            if reading is None:
                return None
            reading.info = reading.info._replace(uri=uri)
            return self._keep(uri, source, reading) if whole else reading

        return self._first(uri, ask)

    def head(self, uri: str) -> ObjectInfo:
        return self._first(uri, lambda source, own: source.store.head(own)._replace(uri=uri))

    def get(self, uri: str) -> bytes:
        """The bytes of an object, all in memory; what is large is better read from `open`."""
        reading = self.open(uri)
        assert reading is not None
        return read_bytes(reading)

    def map(self, function: Callable[[str, bytes], T], uris: Iterable[str], *, threads: int = 8) -> Iterator[T]:
        """What a function makes of each object, in the order of the URIs, several being fetched at a time.

        The function runs in those threads. The first error ends it, when its turn comes.
        """
        with ThreadPoolExecutor(threads, thread_name_prefix="rainer-map") as pool:
            waiting: deque[Future[T]] = deque()
            try:
                for uri in uris:
                    waiting.append(pool.submit(lambda uri: function(uri, self.get(uri)), uri))
                    if len(waiting) >= 2 * threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        target, own = self._target(uri)
        info = target.store.put(own, source, sha256=sha256, create_only=create_only, progress=progress)
        self._forget(uri)
        return info._replace(uri=uri)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """The objects of all sources but caches that stand at the composite's URL; one in several is told once."""
        found = [source for source in self.sources if source.is_listed and source.root.rstrip("/") == self.url]
        if not found:
            raise InvalidError(f"{self.url} cannot be listed", hint="list one of the composite's sources")
        last = None
        for name, _, info in heapq.merge(*(self._listed(place, prefix) for place in enumerate(found))):
            if name != last:
                yield info._replace(uri=self.uri(name))
            last = name

    def delete(self, uri: str) -> bool:
        target, own = self._target(uri)
        try:
            return target.store.delete(own)
        finally:
            self._forget(uri)

    def close(self) -> None:
        for source in self.sources:
            source.store.close()

    def _listed(self, place: tuple[int, Source], prefix: str) -> Iterator[tuple[str, int, ObjectInfo]]:
        number, source = place
        for info in source.store.list(prefix):
            yield source.store.name(info.uri), number, info

    def _first(self, uri: str, ask: Callable[[Source, str], T]) -> T:
        failures: list[tuple[Source, RainerError]] = []
        asked = False
        for source in self.sources:
            own = None if source.cache == "write-only" else source.own_uri(uri)
            if own is None:
                continue
            asked = asked or source.cache == "no"
            try:
                return ask(source, own)
            except NoSpace:
                raise  # the disk here is full, and asking others would not help
            except _PASSED_OVER as error:
                failures.append((source, error))
        if not asked:
            raise self._uncovered(uri)
        raise _failure(uri, failures)

    def _keep(self, uri: str, source: Source, reading: Reading) -> Reading:
        """Write an object to the caches on its way, if it is to be."""
        caches = [other for other in self.sources if other.cache != "no" and other.store is not source.store]
        if source.cache != "no" or not source.write_back or not caches:
            return reading
        whole = spool(reading, self._spool_folder)
        try:
            for cache in caches:
                _write_back(cache, uri, whole)
            return whole.reading()
        finally:
            whole.close()

    def _target(self, uri: str) -> tuple[Source, str]:
        for source in self.sources:
            own = source.own_uri(uri) if source.writable else None
            if own is not None:
                return source, own
        if not self.covers(uri):
            raise self._uncovered(uri)
        raise DeniedError(f"{uri}: no source takes writes for it", hint="put it into a store of its own")

    def _forget(self, uri: str) -> None:
        for source in self.sources:
            own = None if source.cache == "no" else source.own_uri(uri)
            if own is not None:
                with suppress(Exception):
                    source.store.delete(own)

    def _uncovered(self, uri: str) -> InvalidUri:
        roots = ", ".join(source.root for source in self.sources if source.cache == "no")
        return InvalidUri(f"{uri!r} is for none of the sources", hint=f"there are {roots}")


def _write_back(cache: Source, uri: str, whole: Spool) -> None:
    own = cache.own_uri(uri)
    if own is None:
        return
    try:
        cache.store.put(own, whole.source, sha256=whole.sha256)
    except Exception as error:  # whatever a cache does, the object is here
        _log.warning("%s could not be written to the cache %s: %s", uri, cache.store.url, error)


def _failure(uri: str, failures: list[tuple[Source, RainerError]]) -> RainerError:
    """The error for a URI that none of its sources gave."""
    absent = [source.root for source, error in failures if isinstance(error, ObjectNotFound | WrongDigest)]
    others = [(source, error) for source, error in failures if not isinstance(error, ObjectNotFound | WrongDigest)]
    if not others:
        return ObjectNotFound(f"{uri} is in none of {', '.join(absent)}")
    told = "; ".join(f"{source.root}: {error}" for source, error in others)
    lacking = f" ({', '.join(absent)} lack it)" if absent else ""
    hint = next((error.hint for _, error in others if error.hint), None)
    if all(isinstance(error, DeniedError) for _, error in others):
        return type(others[0][1])(f"{uri}: {told}{lacking}", hint=hint)
    return StoreUnavailable(f"{uri}: not all sources could be asked: {told}{lacking}", hint=hint)
