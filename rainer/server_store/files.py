"""Files: what a server's store does, name by name. Synchronous; see DESIGN.md for the order of its steps and why."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
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
_REFUSED_MAX: Final = 5
"""After so many places that cannot be emptied a sweep gives up until the next one."""
_SAMPLES: Final = 3
_BEAT_S: Final = 60.0
"""How often it is noted that contents are still on their way into their place."""


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
            hint="is that mounted, and the same for all servers of this database? else put the same file again, or"
            " restore a copy of the store",
        )

    def are_elsewhere(self) -> bool:
        """Whether contents are kept of which none (of a few) lies here: as of a disk that is not mounted."""
        samples = self.table.used_last(_SAMPLES)
        return bool(samples) and all(self.places.size(place) is None for place in samples)

    def sweep(self, grace_s: float = GRACE_S, is_over: Callable[[], bool] = lambda: False) -> Swept:
        """Remove contents that no name has had for so long, and temporary files that have not grown for so long.

        It ends early when `is_over` says so. A place that cannot be emptied is tried again after the grace; the others
        are, and then the first of these errors is raised.
        """
        temporary = self.places.sweep_spool(grace_s)
        removed, errors = 0, list[RainerError]()
        while not is_over():
            condemned = self.table.condemn(int((time.time() - grace_s) * 1000), _SWEPT_AT_ONCE)
            removed += self._empty(condemned, errors, is_over)
            if len(condemned) < _SWEPT_AT_ONCE or len(errors) >= _REFUSED_MAX:
                break
        if errors:
            raise errors[0]
        return Swept(removed, temporary)

    def _empty(self, condemned: Sequence[str], errors: list[RainerError], is_over: Callable[[], bool]) -> int:
        """Remove what lies in places, and forget these; how many. What fails is put off, or nobody else had a turn."""
        emptied = []
        for place in condemned:
            if is_over() or len(errors) >= _REFUSED_MAX:
                break
            try:
                self.places.remove(place)
                emptied.append(place)
            except RainerError as e:
                errors.append(e)
                self.table.touch(place)
        if emptied:
            self.table.forget(emptied)
        return len(emptied)

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
            self.places.place(received.path, place, self._beating(place))
            stored, is_kept_here = self.table.put(name, contents, terms)
        except (OutcomeUnknown, StoreUnavailable):
            raise  # perhaps they are needed, or arrive yet: a sweep will find out
        except RainerError:
            with contextlib.suppress(RainerError):
                self._drop(place)
            raise
        if not is_kept_here:
            with contextlib.suppress(RainerError):
                self._drop(place)
        return stored

    def _beating(self, place: str) -> Callable[[], None]:
        """Keeps an announced place from looking forgotten while contents take hours to get there."""
        last_s = time.monotonic()

        def beat() -> None:
            nonlocal last_s
            now = time.monotonic()
            if now - last_s >= _BEAT_S:
                last_s = now
                with contextlib.suppress(RainerError):
                    self.table.touch(place)

        return beat

    def _drop(self, place: str) -> None:
        """Take back what was announced and is not kept. What of it fails is a sweep's work."""
        self.places.remove(place)
        self.table.forget([place])
