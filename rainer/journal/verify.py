"""Verification: recompute the chain and the heads, and name the first revision that is wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rainer.database.failures import translated
from rainer.database.schema import commits, heads
from rainer.journal.columns import batches, columns, filled, sized
from rainer.journal.dialects.core import SELECT_NAMESPACES, namespaces_of
from rainer.journal.places import read_state
from rainer.journal.row import Row, State
from rainer.model import chain
from rainer.model.position import Position

_PORTION = 1_000
_PROBLEMS_MAX = 20


@dataclass(slots=True)
class Verification:
    """What was found: `position` is the journal's, to be kept elsewhere for `--expect`; `first_bad` a revision."""

    position: Position
    commits: int = 0
    problems: list[str] = field(default_factory=list)
    first_bad: int | None = None

    @property
    def ok(self) -> bool:
        return not self.problems

    def add(self, revision: int, problem: str) -> None:
        """Note a problem; only the first few are kept, the first bad revision always."""
        if self.first_bad is None or revision < self.first_bad:
            self.first_bad = revision
        if len(self.problems) < _PROBLEMS_MAX:
            self.problems.append(f"revision {revision}: {problem}")


def verify(
    engine: Engine, expect: Position | None = None, progress: Callable[[int, int], None] | None = None
) -> Verification:
    """Recompute chain and heads of the journal as it stands now; commits made meanwhile are not looked at.

    `expect` is a position kept elsewhere: it must still be in the journal, else its tail was cut or rewritten.
    `progress(done, total)` is called now and then. Memory holds one entry a key.
    """
    with translated(), engine.connect() as connection:
        state = read_state(connection)
        found = Verification(state.position)
        walk = _Walk(connection, state, found)
        for done in walk.commits():
            if progress is not None:
                progress(done, state.revision)
        walk.check_end()
        walk.check_heads()
        if expect is not None:
            walk.check_expected(expect)
    found.problems.sort(key=lambda p: int(p.split()[1].rstrip(":")))
    return found


class _Walk:
    """One pass over the journal in order, keeping the newest version of every key."""

    def __init__(self, connection: Connection, state: State, found: Verification) -> None:
        self._connection, self._state, self._found = connection, state, found
        self._names = {n.id: n.name for n in namespaces_of(connection.execute(SELECT_NAMESPACES)).values()}
        self._heads: dict[tuple[int, str], tuple[int, int, bool]] = {}
        self._chain = chain.GENESIS
        self._revision = 0
        self._recorded_ms = 0
        self._bad: set[int] = set()

    def commits(self) -> Iterator[int]:
        query = sa.select(*columns(payloads=True)).order_by(commits.c.revision).limit(_PORTION)
        while self._revision < self._state.revision:
            bounds = (commits.c.revision > self._revision, commits.c.revision <= self._state.revision)
            found = sized(self._connection.execute(query.where(*bounds)))
            for batch in batches(found):
                for row in filled(self._connection, batch):
                    self._check(row)
            self._connection.rollback()  # no long transaction: the rows behind us cannot change unnoticed
            if not found:
                return
            yield self._revision

    def _note(self, revision: int, problem: str) -> None:
        self._bad.add(revision)
        self._found.add(revision, problem)

    def _check(self, row: Row) -> None:
        add = self._note
        if row.revision != self._revision + 1:
            add(self._revision + 1, f"missing; the next commit is revision {row.revision}")
        self._check_content(row)
        at = (row.namespace_id, row.key)
        before = self._heads.get(at, (0, 0, False))[0]
        if not all(isinstance(number, int) for number in (row.version, row.recorded_ms)):
            add(row.revision, "holds text where numbers belong")
            row = row._replace(version=before + 1, recorded_ms=self._recorded_ms)
        if row.version != before + 1:
            add(row.revision, f"{row.key!r} has version {row.version} after {before}")
        if row.recorded_ms < self._recorded_ms:
            add(row.revision, "was recorded before its predecessor")
        self._heads[at] = (row.version, row.revision, bool(row.is_empty))
        self._revision, self._recorded_ms, self._chain = row.revision, row.recorded_ms, row.hash
        self._found.commits += 1

    def _check_content(self, row: Row) -> None:
        add = self._note
        name = self._names.get(row.namespace_id)
        if name is None:
            add(row.revision, f"its namespace, number {row.namespace_id}, is gone")
        elif self._linked(row, name) != row.hash:
            add(row.revision, f"{row.key!r} {row.version} (namespace {name!r}) is not what was committed")
        if chain.payload_sha256(row.payload) != row.payload_sha256 or bool(row.is_empty) != (row.payload is None):
            add(row.revision, f"the payload of {row.key!r} {row.version} is not the one committed")

    def _linked(self, row: Row, name: str) -> bytes | None:
        try:
            return chain.link(
                self._chain, revision=row.revision, namespace=name, key=row.key, version=row.version,
                author=row.author, comment=row.comment, mtime_ms=row.mtime_ms, recorded_ms=row.recorded_ms,
                digest=row.payload_sha256, commit_id=row.commit_id, changeset=row.changeset,
                marks=row.marks,
            )  # fmt: skip
        except (AttributeError, TypeError, ValueError, struct.error):
            return None  # a value of a kind that was never committed

    def check_end(self) -> None:
        if self._revision != self._state.revision:
            self._found.add(self._revision + 1, f"missing; the journal says it stands at {self._state.revision}")
        elif self._chain != self._state.chain:
            self._found.add(self._revision, "the journal row names another chain than the last commit")
        first = sa.func.min(commits.c.revision)
        stray = self._connection.execute(sa.select(first).where(commits.c.revision < 1)).scalar()
        if stray is not None:
            self._found.add(stray, "stands before the journal's beginning")
        now = read_state(self._connection)
        stray = self._connection.execute(sa.select(first).where(commits.c.revision > now.revision)).scalar()
        if stray is not None:
            self._found.add(stray, "stands beyond the journal's end")

    def check_heads(self) -> None:
        """Every head points at its key's newest commit; heads moved since the walk began are passed over."""
        query = sa.select(heads).where(heads.c.revision <= self._state.revision)
        for space, key, version, revision, is_empty in self._connection.execute(query):
            expected = self._heads.pop((space, key), None)
            if expected is None:
                self._found.add(revision, f"the head {key!r} has no commit")
            elif expected != (version, revision, bool(is_empty)):
                # A head that points at a row found wrong before is no further fault.
                self._found.add(revision if revision in self._bad else expected[1], f"the head of {key!r} is wrong")
        moved = sa.select(heads.c.namespace_id, heads.c.key).where(heads.c.revision > self._state.revision)
        for space, key in self._connection.execute(moved):
            self._heads.pop((space, key), None)
        for (_space, key), (version, revision, _empty) in self._heads.items():
            self._found.add(revision, f"{key!r} {version} has no head")

    def check_expected(self, expect: Position) -> None:
        state = self._state
        if expect.lineage not in self._lineages():
            self._found.add(0, f"lineage {expect.lineage} is not this journal's ({state.lineage})")
        elif expect.revision > state.revision:
            self._found.add(state.revision + 1, f"missing; the journal once stood at revision {expect.revision}")
        elif expect.revision and self._hash_of(expect.revision) != expect.chain:
            self._found.add(expect.revision, "is not the commit that was expected: history was rewritten")

    def _lineages(self) -> set[str]:
        from rainer.database.schema import lineages

        return set(self._connection.execute(sa.select(lineages.c.lineage)).scalars())

    def _hash_of(self, revision: int) -> bytes | None:
        found = self._connection.execute(sa.select(commits.c.hash).where(commits.c.revision == revision)).scalar()
        return None if found is None else bytes(found)
