"""Objects that may turn out to be unreferenced, kept in a temporary file, so that memory stays small."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from rainer.assets.collecting_references import Named, clean
from rainer.errors import NoSpace
from rainer.store.store import ObjectInfo

_SEEN_MAX: Final = 200_000
"""How many names are remembered as dealt with, for the versions of one manifest name mostly the same."""
_SCHEMA: Final = """
CREATE TABLE candidates (uri TEXT PRIMARY KEY, path TEXT, version TEXT, size INTEGER, mtime REAL, etag TEXT,
                         known INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX by_path ON candidates (path, version);
"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One object as it was listed; `mtime` in seconds since 1970."""

    uri: str
    path: str
    version: str
    size: int | None
    mtime: float | None
    etag: str | None
    is_known: bool

    def is_still(self, info: ObjectInfo) -> bool:
        """Whether the store speaks of the same object, and not of one that was put in its place since."""
        if self.mtime is None or info.mtime is None or (info.size, info.etag) != (self.size, self.etag):
            return False
        # S3 lists milliseconds, and tells whole seconds of a single object.
        return abs(info.mtime.timestamp() - self.mtime) < 2.0


class Candidates:
    """A set of candidates that shrinks as references to them are found. For one thread."""

    def __init__(self) -> None:
        # An empty name is a private file on disk that vanishes with the connection, also when we are killed.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._seen: set[Named] = set()

    def __enter__(self) -> Self:
        self._db.execute("BEGIN")
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._db.close()
        if isinstance(exc, sqlite3.OperationalError):
            raise NoSpace(
                f"the folder for temporary files cannot hold the list of candidates: {exc}",
                hint="point TMPDIR to a disk with room; a million objects take about 300 MB",
            ) from exc

    def add(self, path: str, version: str, info: ObjectInfo) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO candidates VALUES (?, ?, ?, ?, ?, ?, 0)",
            (info.uri, path, version, info.size, seconds(info.mtime), info.etag),
        )

    def refer(self, names: Iterable[Named]) -> None:
        """Take out what is named, and remember of the other versions of its path that it is known."""
        new = [named for named in names if named not in self._seen]
        if len(self._seen) + len(new) > _SEEN_MAX:
            self._seen.clear()
        self._seen.update(new[:_SEEN_MAX])
        found = [named for named in map(clean, new) if named is not None]
        uris = [(uri,) for uri, version in found if version is None]
        versions = [(path, version) for path, version in found if version is not None]
        self._db.executemany("DELETE FROM candidates WHERE uri = ?", uris)
        self._db.executemany("DELETE FROM candidates WHERE path = ? AND version = ?", versions)
        paths = {(path,) for path, _ in versions}
        self._db.executemany("UPDATE candidates SET known = 1 WHERE path = ? AND known = 0", paths)

    def after(self, uri: str, count: int) -> list[Candidate]:
        """The next candidates in the order of their URIs, `count` at most."""
        rows = self._db.execute("SELECT * FROM candidates WHERE uri > ? ORDER BY uri LIMIT ?", (uri, count))
        with closing(rows):
            return [_candidate(*row) for row in rows]

    def still(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those of them that nothing has referred to since."""
        query = "SELECT 1 FROM candidates WHERE uri = ?"
        return [one for one in candidates if self._db.execute(query, (one.uri,)).fetchone()]


def _candidate(
    uri: str, path: str, version: str, size: int | None, mtime: float | None, etag: str | None, known: int
) -> Candidate:
    return Candidate(uri, path, version, size, mtime, etag, bool(known))


def seconds(mtime: datetime | None) -> float | None:
    """A store's time in seconds since 1970."""
    return None if mtime is None else mtime.astimezone(UTC).timestamp()
