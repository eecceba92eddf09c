"""Versions of assets in a store: uploaded once, adopted where they are there already, looked at again in the end."""

from __future__ import annotations

import hashlib
import logging
import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from rainer.assets.collecting_marks import marked, wait_until_unmarked
from rainer.assets.published import Stored
from rainer.assets.publishing_files import Source
from rainer.errors import (
    DeniedError,
    InvalidError,
    ObjectExists,
    ObjectNotFound,
    StoreUnavailable,
    UnavailableError,
    WrongDigest,
)
from rainer.model.assets import asset_path, object_name, split_object_name
from rainer.store.reading import portions
from rainer.store.store import Progress, Store

log = logging.getLogger("rainer.assets")

THREADS: Final = 8
_LOOK_FIRST_BYTES: Final = 8 * 1024 * 1024
"""Of so large a file one asks whether its name is taken before all of it is sent in vain."""
_TRIES: Final = 5

T = TypeVar("T")
R = TypeVar("R")


class Objects:
    """The objects of one store under the names that publishing gives. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._adopted: set[str] = set()

    def uri(self, path: str, version: str) -> str:
        return self.store.uri(object_name(path, version))

    def place(self, path: str, version: str, source: Source, progress: Progress | None = None) -> bool:
        """Have the version's object hold the file's bytes; False where it holds others, which stay.

        One with the same bytes, such as a publish that was interrupted left, is adopted: unless a collection is about
        to remove it, whose end is waited for. Raises InvalidError if the file changed since it was hashed.
        """
        uri = self.uri(path, version)
        for _ in range(_TRIES):
            if self._is_free(uri, source) and self._put(uri, source, progress):
                return True
            if marked(self.store, [uri]):
                wait_until_unmarked(self.store, [uri])
                continue
            try:
                is_ours = self._holds(uri, source)
            except ObjectNotFound:
                continue  # removed between the two looks
            if is_ours:
                self._adopted.add(uri)
                if progress is not None:
                    progress(source.size)
            return is_ours
        raise StoreUnavailable(f"{uri} comes and goes", hint="find out who removes it, then publish again")

    def holds(self, path: str, version: str, source: Source) -> bool:
        """Whether the version's object is there with the file's bytes."""
        try:
            return self._holds(self.uri(path, version), source)
        except ObjectNotFound:
            return False

    def confirm(self, placed: Iterable[tuple[str, str, Source]]) -> None:
        """After the commit that names them: see that all objects (path, version, source) are there, or put them back.

        A collection that began before the commit may have removed one that was adopted. No collection that begins
        after it will. Raises StoreUnavailable if one is lost and cannot be put back, and where the store cannot be
        asked any more about one that was adopted. What was sent just now is too young for any collection: there a
        warning does, for it is published, and who is told otherwise publishes it twice.
        """
        objects = {self.uri(path, version): source for path, version, source in placed}
        try:
            self._wait_until_unmarked(objects)
            each(lambda item: self._confirm(*item), objects.items())
        except _Unseen as e:
            adopted = sorted(self._adopted.intersection(objects))
            if adopted:
                raise _not_seen(adopted[0], e.why) from e.why
            log.warning("published, but the store could not be asked again whether all is there: %s", e.why)
        finally:
            self._adopted.difference_update(objects)

    def _wait_until_unmarked(self, objects: Collection[str]) -> None:
        try:
            wait_until_unmarked(self.store, objects)
        except UnavailableError as e:
            raise _Unseen(e) from e

    def versions(self, path: str) -> list[Stored]:
        """The versions of a path that the store lists. Raises InvalidError where it cannot be listed."""
        path = asset_path(path)
        stem = posixpath.splitext(path)[0]
        return [found for found in self.listed(f"{stem}.") if found.path == path]

    def listed(self, prefix: str = "") -> Iterator[Stored]:
        """All objects of our form whose names begin with `prefix`, in the names' order."""
        for info in self.store.list(prefix.lstrip("/")):
            split = split_object_name("/" + self.store.name(info.uri))
            if split is not None:
                yield Stored(*split, info.uri, info.size, info.mtime)

    def _is_free(self, uri: str, source: Source) -> bool:
        if source.size < _LOOK_FIRST_BYTES:
            return True
        try:
            self.store.head(uri)
        except (ObjectNotFound, DeniedError):
            return True
        return False

    def _put(self, uri: str, source: Source, progress: Progress | None) -> bool:
        try:
            self.store.put(uri, source.file, sha256=source.sha256, create_only=True, progress=progress)
        except ObjectExists:
            return False
        except WrongDigest:
            source.check_unchanged()  # names the cause, if it is that one
            raise
        return True

    def _holds(self, uri: str, source: Source) -> bool:
        info = self.store.head(uri)
        if info.size is not None and info.size != source.size:
            return False
        return (info.sha256 or self._digest(uri)) == source.sha256

    def _digest(self, uri: str) -> str:
        digest = hashlib.sha256()
        reading = self.store.open(uri)
        if reading is None:
            raise ObjectNotFound(f"{uri} gave no answer to a plain reading")
        with reading:
            for portion in portions(reading):
                digest.update(portion)
        return digest.hexdigest()

    def _confirm(self, uri: str, source: Source) -> None:
        try:
            self.store.head(uri)
            return
        except UnavailableError as e:
            raise _Unseen(e) from e
        except (ObjectNotFound, DeniedError):
            # Who may not look, or not list what is absent, learns by writing: what is there refuses that.
            pass
        try:
            if self._put(uri, source, None) or self._holds(uri, source):
                return
        except DeniedError:
            return
        except (ObjectNotFound, InvalidError, WrongDigest) as e:
            raise _lost(uri, e) from e
        raise _lost(uri, None)


def each(call: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The results of a call for each item, made by several threads where there are several items; the first error."""
    given = list(items)
    if len(given) < 2:
        return [call(item) for item in given]
    with ThreadPoolExecutor(min(THREADS, len(given)), thread_name_prefix="rainer-publish") as pool:
        futures = [pool.submit(call, item) for item in given]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Unseen(Exception):
    """After the commit the store could not be asked."""

    def __init__(self, why: UnavailableError) -> None:
        super().__init__(str(why))
        self.why = why


def _not_seen(uri: str, why: Exception) -> StoreUnavailable:
    return StoreUnavailable(
        f"it is published and committed, but whether {uri} is still there could not be seen: {why}",
        hint="do not publish it again, but look whether it is there; only if not, publish it as a new version",
    )


def _lost(uri: str, why: Exception | None) -> StoreUnavailable:
    reason = f": {why}" if why is not None else ", and something else stands in its place"
    return StoreUnavailable(
        f"the manifest names {uri}, which was removed while it was published, and could not be put back{reason}",
        hint="publish the file again as a new version",
    )
