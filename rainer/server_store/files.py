"""Files: what a server's store does, name by name. Synchronous; see DESIGN.md for the order of its steps and why."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy.engine import Engine

from rainer import limits
from rainer.errors import CorruptError, ObjectNotFound, OutcomeUnknown, RainerError, StoreUnavailable
from rainer.model.names import shorten
from rainer.server_store.places import Places
from rainer.server_store.reading import ContentsReading
from rainer.server_store.receiving import Received, Receiving
from rainer.server_store.rows import Contents, StoredFile
from rainer.server_store.table import FileTable, no_such_file
from rainer.server_store.terms import Terms, Verdict, judge_put

GRACE_S: Final = 3600.0
"""How long contents that nobody needs any more are kept."""
_TRIES: Final = 4
_SWEPT_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed: places with contents that nobody needed, and temporary files."""

    places: int
    temporary: int


class Files:
    """Thread-safe, and for any number of processes on one database and one place of contents.

    Names are those that `check_name` lets pass. All methods raise UnavailableError where the database or the place of
    contents does not answer.
    """

    def __init__(self, engine: Engine, places: Places, file_bytes_max: int = limits.STORE_FILE_BYTES_MAX) -> None:
        self.table = FileTable(engine)
        self.places = places
        self.file_bytes_max = file_bytes_max

    def close(self) -> None:
        """Let go of connections; the engine is its owner's."""
        self.places.close()

    def find(self, name: str) -> StoredFile:
        """The file of that name; ObjectNotFound."""
        found = self.table.find(name)
        if found is None:
            raise no_such_file(name)
        return found

    def listed(self, prefix: str = "", newest_s: int | None = None, portion: int = 1_000) -> Iterator[StoredFile]:
        """All files whose names begin with `prefix`, in byte order, read in portions as they are needed."""
        after = ""
        while True:
            found = self.table.listed(prefix, after, portion, newest_s)
            yield from found
            if len(found) < portion:
                return
            after = found[-1].name

    def receive(self, *, is_gzip: bool = False) -> Receiving:
        """Somewhere to write a file's bytes to, which is to be discarded after `put`, whatever that said."""
        return Receiving(self.places.spool, self.file_bytes_max, is_gzip=is_gzip)

    def check_put(self, name: str, terms: Terms) -> None:
        """Refuse what could not be put whatever its contents; ObjectExists, PreconditionFailed, DeniedError."""
        judge_put(name, self.table.find(name), terms, None)

    def put(self, name: str, received: Received, terms: Terms) -> StoredFile:
        """Store what was received under a name, on terms, and return what then stands there.

        Raises ObjectExists, PreconditionFailed, DeniedError, NoSpace, and OutcomeUnknown where the database broke off
        in its COMMIT. After any other error nothing has changed.
        """
        tries_left = _TRIES
        while True:
            tries_left -= 1
            found = self.table.find(name)
            verdict = judge_put(name, found, terms, received.sha256)
            if found is not None and verdict is Verdict.LEAVE and found.sha256 != received.sha256:
                return found
            kept = self._kept(received.sha256)
            stored = self.table.put(name, kept, terms).file if kept else self._put_new(name, received, terms)
            if stored is not None:
                return stored
            if not tries_left or not received.path.exists():
                raise StoreUnavailable(f"the contents of {shorten(name)} were swept away", hint="send the file again")

    def delete(self, name: str, terms: Terms) -> tuple[StoredFile, bool]:
        """Remove a name, on terms: what it was and whether it is gone. Raises as `put` does, and ObjectNotFound."""
        return self.table.delete(name, terms)

    def open(self, file: StoredFile, start: int, end: int) -> ContentsReading:
        """Begin to read bytes `start` to `end`; CorruptError where the contents are gone, though a name has them.

        If meanwhile the name got others, and these were swept away, that is an ObjectNotFound: look the name up again.
        """
        contents = file.contents
        try:
            if contents is not None:
                return ContentsReading(self.places, contents, start, end)
        except ObjectNotFound:
            now = self.table.find(file.name)
            if now is None or now.contents != contents:
                raise
        raise CorruptError(
            f"the contents of {shorten(file.name)} are not in {self.places.describe()}",
            hint="put the same file again, or restore a copy of the store",
        )

    def sweep(self, grace_s: float = GRACE_S) -> Swept:
        """Remove contents that no name has had for so long, and temporary files that have not grown for so long."""
        removed = 0
        while True:
            condemned = self.table.condemn(int((time.time() - grace_s) * 1000), _SWEPT_AT_ONCE)
            for place in condemned:
                self.places.remove(place)
            if condemned:
                self.table.forget(condemned)
            removed += len(condemned)
            if len(condemned) < _SWEPT_AT_ONCE:
                return Swept(removed, self.places.sweep_spool(grace_s))

    def _kept(self, sha256: bytes) -> Contents | None:
        """Where contents are kept already, if they still lie there."""
        kept = self.table.claim(sha256)
        if kept is not None and self.places.size(kept.place) != kept.stored_size:
            self.table.disown(kept.place)
            return None
        return kept

    def _put_new(self, name: str, received: Received, terms: Terms) -> StoredFile | None:
        """Announce a place, fill it, and have the name point there, all in this order."""
        place = self.places.new_place(received.sha256, received.suffix)
        contents = Contents(place, received.sha256, received.size, received.coding, received.stored_size)
        self.table.announce(contents)
        try:
            self.places.place(received.path, place)
            stored, is_kept_here = self.table.put(name, contents, terms)
        except OutcomeUnknown:
            raise  # perhaps they are needed: a sweep will find out
        except RainerError:
            with contextlib.suppress(RainerError):
                self._drop(place)
            raise
        if not is_kept_here:
            with contextlib.suppress(RainerError):
                self._drop(place)
        return stored

    def _drop(self, place: str) -> None:
        """Take back what was announced and is not kept. What of it fails is a sweep's work."""
        self.places.remove(place)
        self.table.forget([place])
