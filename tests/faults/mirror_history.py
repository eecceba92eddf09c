"""What a mirror showed, moment by moment, and what the journal says it should have shown."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

import sqlalchemy as sa

from rainer.database.schema import commits, journal, namespaces
from rainer.journal import Journal
from rainer.model.position import Position

_PAUSE_S: Final = 0.002


class Value(NamedTuple):
    """A head, as far as it matters: two of the same version and digest are the same commit."""

    version: int
    digest: str

    @classmethod
    def of(cls, version: int, payload: bytes | None) -> Self:
        return cls(version, hashlib.sha256(payload or b"").hexdigest()[:16])


@dataclass(frozen=True, slots=True)
class Observation:
    """All that a mirror showed at one moment, as the difference to the observation before; None: the key went.

    `rejected` are the keys of which the mirror itself said that it could not take their bytes.
    """

    at: float
    position: Position | None
    changed: Mapping[str, Value | None]
    rejected: frozenset[str] = frozenset()


class Entry(NamedTuple):
    """A commit of the namespace in the journal; `value` None where it removes its key."""

    revision: int
    changeset: int
    key: str
    value: Value | None


@dataclass(frozen=True, slots=True)
class Truth:
    """One life of a journal as a namespace's mirrors may show it: entries in order, and the chain at each revision."""

    lineage: str
    entries: Sequence[Entry]
    chains: Mapping[int, bytes]

    @property
    def revision(self) -> int:
        """The newest of the whole journal."""
        return max(self.chains)

    def heads(self, revision: int | None = None) -> dict[str, Value]:
        """The namespace as of a revision, or now."""
        found: dict[str, Value] = {}
        for entry in self.entries:
            if revision is not None and entry.revision > revision:
                break
            if entry.value is None:
                found.pop(entry.key, None)
            else:
                found[entry.key] = entry.value
        return found

    def position(self, revision: int) -> Position:
        return Position(self.lineage, revision, self.chains[revision])


def read_truth(opened: Journal, namespace: str = "diary", known: Truth | None = None) -> Truth:
    """Read a namespace's history past the journal's own reading code, what comes after what is `known` of it."""
    columns = (
        commits.c.revision, commits.c.changeset, commits.c.key, commits.c.version, commits.c.is_empty,
        commits.c.payload, commits.c.hash, namespaces.c.name,
    )  # fmt: skip
    query = sa.select(*columns).join(namespaces, namespaces.c.id == commits.c.namespace_id)
    with opened.engine.connect() as connection:
        lineage = str(connection.execute(sa.select(journal.c.lineage)).scalar_one())
        if known is None or known.lineage != lineage:
            known = Truth(lineage, (), {0: bytes(32)})
        query = query.where(commits.c.revision > known.revision).order_by(commits.c.revision)
        rows = connection.execute(query).all()
    entries, chains = list(known.entries), dict(known.chains)
    for revision, changeset, key, version, is_empty, payload, chain, name in rows:
        chains[revision] = bytes(chain)
        if name == namespace:
            entries.append(Entry(revision, changeset, key, None if is_empty else Value.of(version, payload)))
    return Truth(lineage, entries, chains)


class Shown(Protocol):
    """What a recorder needs of a mirror."""

    @property
    def position(self) -> Position | None: ...
    @property
    def rejected(self) -> Mapping[str, str]: ...
    def items(self) -> Iterable[tuple[str, Any]]: ...


def look(mirror: Shown) -> tuple[Position | None, dict[str, Any], frozenset[str]]:
    """Position, commits and rejected keys of one moment: what was read while the position stood still."""
    while True:
        before = mirror.position
        found = dict(mirror.items())
        rejected = frozenset(mirror.rejected)
        if mirror.position == before:
            return before, found, rejected


def values(commits_by_key: Mapping[str, Any]) -> dict[str, Value]:
    """Of commits, or, from a program that tells no payloads, of values."""
    return {
        key: found if isinstance(found, Value) else Value.of(found.version, found.payload)
        for key, found in commits_by_key.items()
    }


class Recorder:
    """Looks at a mirror again and again, on a thread of its own, while the `with` block runs.

    `observations` hold every state that was seen, in order; looks that found nothing new leave no trace.
    """

    def __init__(self, mirror: Shown, name: str = "mirror") -> None:
        self.name = name
        self.observations: list[Observation] = []
        self.looks = 0
        self.failures: list[BaseException] = []
        self._mirror = mirror
        self._held: dict[str, Any] = {}
        self._last: tuple[Position | None, frozenset[str]] | None = None
        self._lock = threading.Lock()
        self._ended = False
        self._nudged = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"recorder-{name}", daemon=True)

    def nudge(self, *_change: Any) -> None:
        """Look soon: the mirror's callback."""
        self._nudged.set()

    def look(self) -> None:
        """Look once; may be called from anywhere."""
        with self._lock:
            position, found, rejected = look(self._mirror)
            self.looks += 1
            # What did not change is the same object, so that a look at many keys costs little.
            changed = {} if found == self._held else dict(_difference(self._held, found))
            if changed or self._last != (position, rejected):
                self.observations.append(Observation(time.monotonic(), position, changed, rejected))
            self._held, self._last = found, (position, rejected)

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._nudged.set()
        self._thread.join()
        if kind is None:
            self.look()

    def _run(self) -> None:
        while not self._ended:
            self._nudged.wait(_PAUSE_S)
            self._nudged.clear()
            try:
                self.look()
            except Exception as e:  # a mirror that cannot be read has failed, and the checker says so
                self.failures.append(e)
                return


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Value | None]]:
    for key, commit in after.items():
        if before.get(key) is not commit:
            yield key, Value.of(commit.version, commit.payload)
    for key in before.keys() - after.keys():
        yield key, None
