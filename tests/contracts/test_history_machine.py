"""Random histories against a model in plain Python: what was committed, refused and repeated, and every way to read it.

Each run of the machine has a namespace of its own in one database, so that hundreds of histories cost one start.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rainer.errors import CommitIdReused, NotFoundError, PositionGone, VersionConflict
from rainer.journal import Journal
from rainer.model.commit import Commit, Draft
from rainer.model.times import from_ms

KEYS = st.sampled_from(["a", "b", "\u00e9", "e\u0301", "\ud7ff", "\uffef", "A", "a ", "x" * 255])
LARGE = {"zeros": b"\0" * 20_000, "quotes": b"'\"\\\n" * 5_000}  # by name, so that a failure can be printed
PAYLOADS = st.none() | st.binary(max_size=40) | st.sampled_from(sorted(LARGE))
TEXTS = st.sampled_from(["", "why", "two\nlines\r\n", "\U0001f600 'quoted' \\", "%s :x"])
TIMES_MS = st.none() | st.sampled_from([-62_135_596_800_000, -1, 0, 253_402_300_799_999])
IDS = st.none() | st.sampled_from(["id-1", "id-2", "id-3"])
numbers = itertools.count(1)


@dataclass
class Made:
    """A changeset as it was accepted."""

    drafts: list[Draft]
    commit_id: str | None
    commits: list[Commit]


@dataclass
class Model:
    """All commits of the namespace in order; everything else follows from them."""

    commits: list[Commit] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)

    def history(self, key: str, at: int | None = None) -> list[Commit]:
        return [c for c in self.commits if c.key == key and (at is None or c.revision <= at)]  # type: ignore[operator]

    def heads(self, at: int | None = None) -> list[Commit]:
        newest = {c.key: c for c in self.commits if at is None or c.revision <= at}  # type: ignore[operator]
        return [newest[key] for key in sorted(newest, key=str.encode)]

    def head_version(self, key: str) -> int:
        return len(self.history(key))


class HistoryMachine(RuleBasedStateMachine):
    """Subclassed with the journals of one database."""

    journals: tuple[Journal, ...]

    @initialize()
    def begin(self) -> None:
        self.namespace = f"run-{next(numbers)}"
        self.journals[0].create_namespace(self.namespace)
        self.begun = self.journals[0].position()
        self.model = Model()

    def any_moment(self) -> st.SearchStrategy[int]:
        """Counted from the beginning of this history: what is drawn must not depend on the histories before it."""
        return st.integers(0, len(self.model.commits))

    def drafted(self, key: str, version: int, content: tuple[bytes | str | None, str, int | None]) -> Draft:
        chosen, comment, mtime_ms = content
        payload = LARGE[chosen] if isinstance(chosen, str) else chosen
        return Draft(self.namespace, key, version, payload, "me", comment, mtime_ms)

    @rule(
        data=st.data(), which=st.integers(0, 1), commit_id=IDS, stale=st.integers(0, 9),
        wanted=st.lists(st.tuples(KEYS, st.tuples(PAYLOADS, TEXTS, TIMES_MS)), min_size=1, max_size=5),
    )  # fmt: skip
    def commit(
        self, data: st.DataObject, which: int, commit_id: str | None, stale: int, wanted: list[tuple[str, Any]]
    ) -> None:
        next_version: dict[str, int] = {}
        drafts = []
        for number, (key, content) in enumerate(wanted):
            version = next_version.get(key, self.model.head_version(key) + 1)
            if number == stale:
                version += data.draw(st.sampled_from([-1, 1, 5]))
            next_version[key] = version + 1
            if version >= 1:
                drafts.append(self.drafted(key, version, content))
        if drafts:
            self.offer(which, drafts, commit_id)

    def offer(self, which: int, drafts: list[Draft], commit_id: str | None) -> None:
        conflicts = self.conflicts(drafts)
        same_id = [
            made for made in self.model.made if commit_id is not None and made.commit_id == commit_id
            if {(d.key, d.version) for d in made.drafts} & {(d.key, d.version) for d in drafts}
        ]  # fmt: skip
        before = self.journals[which].position()
        try:
            made = self.journals[which].append_many(drafts, commit_id=commit_id)
        except VersionConflict as e:
            assert {(c.key, c.expected, c.provided) for c in e.conflicts} == conflicts  # noqa: PT017 - or it is kept
            assert conflicts
            assert not same_id
            assert self.journals[which].position() == before
        except CommitIdReused:
            assert conflicts
            assert same_id
        else:
            if conflicts:
                assert any(sorted(map(repr, m.commits)) == sorted(map(repr, made)) for m in same_id)
            else:
                self.accept(before.revision, drafts, commit_id, made)

    @staticmethod
    def _expected(draft: Draft, revision: int, commit: Commit) -> Commit:
        mtime = commit.mtime if draft.mtime_ms is None else from_ms(draft.mtime_ms)
        return Commit(
            draft.key, draft.version, draft.payload, draft.author, draft.comment, mtime, draft.payload is None,
            draft.namespace, revision,
        )  # fmt: skip

    def accept(self, revision: int, drafts: list[Draft], commit_id: str | None, made: list[Commit]) -> None:
        expected = [self._expected(d, revision + n, c) for n, (d, c) in enumerate(zip(drafts, made, strict=True), 1)]
        assert made == expected
        self.model.commits += made
        self.model.made.append(Made(drafts, commit_id, made))

    def conflicts(self, drafts: list[Draft]) -> set[tuple[str, int, int]]:
        reached: dict[str, int] = {}
        found: dict[str, tuple[str, int, int]] = {}
        for d in drafts:
            head = reached.get(d.key, self.model.head_version(d.key))
            if d.version == head + 1:
                reached[d.key] = d.version
            else:
                found.setdefault(d.key, (d.key, head + 1, d.version))
        return set(found.values())

    @precondition(lambda self: any(m.commit_id for m in self.model.made))
    @rule(data=st.data(), which=st.integers(0, 1))
    def repeat(self, data: st.DataObject, which: int) -> None:
        made = data.draw(st.sampled_from([m for m in self.model.made if m.commit_id]))
        assert self.journals[which].append_many(made.drafts, commit_id=made.commit_id) == made.commits

    @rule(which=st.integers(0, 1), key=KEYS)
    def read_key(self, which: int, key: str) -> None:
        journal, history = self.journals[which], self.model.history(key)
        if not history:
            for read in (journal.get, journal.log):
                try:
                    read(key, namespace=self.namespace)  # type: ignore[operator]
                except NotFoundError:
                    continue
                raise AssertionError(f"{key!r} was never committed")
            return
        assert journal.get(key, namespace=self.namespace) == history[-1]
        assert journal.log(key, namespace=self.namespace) == history[::-1]
        assert [journal.get(key, c.version, namespace=self.namespace) for c in history] == history

    @rule(which=st.integers(0, 1), data=st.data(), include_empty=st.booleans(), prefix=st.sampled_from(["", "a", "e"]))
    def read_heads_of_any_moment(self, which: int, data: st.DataObject, include_empty: bool, prefix: str) -> None:
        journal = self.journals[which]
        offset = data.draw(st.none() | self.any_moment())
        at = None if offset is None else self.begun.revision + offset
        found = journal.heads(self.namespace, at=at, include_empty=include_empty, prefix=prefix)
        assert list(found) == [
            c for c in self.model.heads(at) if c.key.startswith(prefix) and (include_empty or not c.is_empty)
        ]

    @rule(which=st.integers(0, 1), data=st.data(), key=KEYS)
    def read_key_at_any_moment(self, which: int, data: st.DataObject, key: str) -> None:
        journal = self.journals[which]
        at = self.begun.revision + data.draw(self.any_moment())
        then = self.model.history(key, at)
        try:
            assert [journal.get(key, namespace=self.namespace, at=at)] == then[-1:]
        except NotFoundError:
            assert not then

    @rule(which=st.integers(0, 1), limit=st.integers(1, 7), of_all=st.booleans())
    def follow_the_feed(self, which: int, limit: int, of_all: bool) -> None:
        journal = self.journals[which]
        since, more, found = self.begun.revision, True, []
        ends = {m.commits[-1].revision for m in self.model.made} | {journal.position().revision}
        while more:
            page = journal.changes(since, limit=limit, payloads=True, namespace=None if of_all else self.namespace)
            assert page.revision in ends
            since, more = page.revision, page.more
            found += page.commits
        assert found == self.model.commits
        assert since == journal.position().revision

    @rule(which=st.integers(0, 1))
    def ask_beyond_the_end(self, which: int) -> None:
        journal = self.journals[which]
        try:
            journal.changes(journal.position().revision + 1)
        except PositionGone:
            return
        raise AssertionError("a position beyond the journal was answered")

    @invariant()
    def nothing_else_happened(self) -> None:
        if hasattr(self, "model"):
            last = self.model.commits[-1].revision if self.model.commits else self.begun.revision
            assert {journal.position().revision for journal in self.journals} == {last}


def test_random_histories(journal: Journal, second: Journal) -> None:
    class Machine(HistoryMachine):
        journals = (journal, second)

    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    few = settings(max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(Machine, settings=few)
    found = journal.verify()
    assert found.ok, found.problems
