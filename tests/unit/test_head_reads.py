"""Head reads against a model: every order of reads, own groups, others' commits, restores and evictions.

The database is a line of moments. Each question must be answered from one of the moments between its asking and its
answer, with what that moment held: that is what linearizable means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rainer.journal.group import HeadKey, Plan
from rainer.journal.head_memory import Head, HeadMemory
from rainer.journal.head_reads import HeadReads
from rainer.journal.reads import CaughtUp
from rainer.journal.row import Namespace, Row, State

KEYS = ("a", "b", "c", "d", "e", "f")
SOME_KEY = st.sampled_from("aaaaabbbcdef")  # few enough to meet, enough to push each other out of the memory
NAMESPACE = Namespace(1, "diary", "any", 1_000_000, False)
MEMORY_BYTES = 2_600
"""Four entries; one may take a quarter."""


@dataclass(frozen=True)
class Moment:
    """What the database held at one time; `log` has the key and the chain of each revision."""

    state: State
    heads: dict[HeadKey, Row]
    log: tuple[tuple[HeadKey, bytes], ...]
    spaces: dict[str, Namespace]


def row_of(key: str, version: int, revision: int, mark: int, space: int) -> Row:
    payload = b"%d" % mark
    return Row(revision, space, key, version, "me", "", 0, 0, False, payload, b"", None, revision, b"%d" % mark)


class Database:
    """Holds the line of moments. Reads wait until somebody lets them look, and again until they may bring the news."""

    def __init__(self) -> None:
        self.marks = 0
        start = State("lineage", 0, b"", 0, "tag-1")
        self.moments = [Moment(start, {}, (), {"diary": NAMESPACE})]
        self.to_look: list[asyncio.Event] = []
        self.to_bring: list[asyncio.Event] = []

    @property
    def now(self) -> Moment:
        return self.moments[-1]

    def commit(self, key: str) -> Plan:
        before = self.now
        self.marks += 1
        space = before.spaces["diary"].id
        at = (space, key)
        version = before.heads[at].version + 1 if at in before.heads else 1
        row = row_of(key, version, before.state.revision + 1, self.marks, space)
        after = before.state._replace(revision=row.revision, chain=row.hash)
        self.moments.append(Moment(after, before.heads | {at: row}, (*before.log, (at, row.hash)), before.spaces))
        return Plan(before.state, after, [row], {at: row})

    def restore(self, moment: Moment, *, renumbered: bool) -> None:
        """Back to an older moment; perhaps of a copy whose namespaces have other numbers."""
        if not renumbered:
            self.moments.append(moment)
            return
        self.marks += 1
        number = moment.spaces["diary"].id + 1
        space = Namespace(number, "diary", "any", 1_000_000, False)
        heads = {(number, key): row._replace(namespace_id=number) for (_, key), row in moment.heads.items()}
        state = moment.state._replace(namespaces_tag=f"tag-{number}-{self.marks}")
        log = tuple(((number, key), b"r%d-%d" % (self.marks, n)) for n, ((_, key), _) in enumerate(moment.log))
        state = state._replace(chain=log[-1][1] if log else b"")
        self.moments.append(Moment(state, heads, log, {"diary": space}))

    async def _look(self) -> Moment:
        look, bring = asyncio.Event(), asyncio.Event()
        self.to_look.append(look)
        await look.wait()
        seen = self.now
        self.to_bring.append(bring)
        await bring.wait()
        return seen

    async def read_heads(self, keys: Sequence[HeadKey]) -> tuple[State, list[Row]]:
        seen = await self._look()
        return seen.state, [seen.heads[key] for key in keys if key in seen.heads]

    async def catch_up(self, since: State | None, keys: Sequence[HeadKey], changed_max: int) -> CaughtUp:
        seen = await self._look()
        changed = None
        if since is not None and since.chain == self._chain_at(seen, since.revision):
            changed = [key for key, _ in seen.log[since.revision :]]
        if changed is not None and len(changed) > changed_max:
            changed = None
        return CaughtUp(seen.state, [seen.heads[k] for k in keys if k in seen.heads], seen.spaces, changed)

    @staticmethod
    def _chain_at(seen: Moment, revision: int) -> bytes | None:
        if revision == 0:
            return b""
        return seen.log[revision - 1][1] if revision <= len(seen.log) else None


@dataclass
class Question:
    """One head read: when it was asked, and what came."""

    key: str
    asked: int
    task: asyncio.Task[tuple[State, Head]] = field(repr=False)


class HeadReadsMachine(RuleBasedStateMachine):
    """Drives a HeadReads step by step on an event loop that runs only between the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = Database()
        self.memory = HeadMemory(MEMORY_BYTES)
        self.reads = HeadReads(self.memory, self.database.read_heads, self.database.catch_up)
        self.unheard: list[Plan] = []
        self.questions: list[Question] = []

    def settle(self) -> None:
        """Let everything run that needs nothing from outside."""

        async def pause() -> None:
            for _ in range(20):
                await asyncio.sleep(0)

        self.loop.run_until_complete(pause())

    @rule(key=SOME_KEY)
    def ask(self, key: str) -> None:
        task = self.loop.create_task(self.reads.head("diary", key))
        self.questions.append(Question(key, len(self.database.moments) - 1, task))
        self.settle()

    @precondition(lambda self: self.database.to_look or self.database.to_bring)
    @rule()
    def look_and_bring(self) -> None:
        for waiting in (self.database.to_look, self.database.to_bring):
            if waiting:
                waiting.pop(0).set()
                self.settle()

    @precondition(lambda self: self.database.to_look)
    @rule()
    def look(self) -> None:
        self.database.to_look.pop(0).set()
        self.settle()

    @precondition(lambda self: self.database.to_bring)
    @rule()
    def bring(self) -> None:
        self.database.to_bring.pop(0).set()
        self.settle()

    @precondition(lambda self: not self.unheard)
    @rule(key=SOME_KEY)
    def own_group(self, key: str) -> None:
        self.unheard.append(self.database.commit(key))

    @precondition(lambda self: self.unheard)
    @rule()
    def hear_of_own_group(self) -> None:
        self.reads.follow(self.unheard.pop())

    @precondition(lambda self: not self.unheard)
    @rule(key=SOME_KEY, times=st.integers(1, 5))
    def own_groups_heard_at_once(self, key: str, times: int) -> None:
        for n in range(times):
            self.reads.follow(self.database.commit(key if n == 0 else KEYS[n]))

    @rule(key=SOME_KEY)
    def somebody_else_commits(self, key: str) -> None:
        self.database.commit(key)

    @precondition(lambda self: len(self.database.moments) > 8 and not self.unheard)
    @rule(data=st.data(), renumbered=st.booleans())
    def restore(self, data: st.DataObject, renumbered: bool) -> None:
        """Not in the microseconds between a COMMIT of ours and our hearing that it ended.

        A database put back then to where that group began cannot be told from one read before it was written, and one
        answer may show the group; the next question's read finds it gone.
        """
        older = data.draw(st.integers(0, len(self.database.moments) - 1))
        self.database.restore(self.database.moments[older], renumbered=renumbered)

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        question = data.draw(st.sampled_from(self.questions))
        self.questions.remove(question)
        question.task.cancel()
        self.settle()

    @invariant()
    def every_answer_was_true_between_question_and_answer(self) -> None:
        for question in [q for q in self.questions if q.task.done()]:
            self.questions.remove(question)
            state, head = question.task.result()
            possible = self.database.moments[question.asked :]
            assert any(self._fits(m, state, head, question.key) for m in possible), (
                f"{question} got {state} {head.row}, possible were {[m.state for m in possible]}"
            )

    @staticmethod
    def _fits(moment: Moment, state: State, head: Head, key: str) -> bool:
        return moment.state == state and moment.heads.get((moment.spaces["diary"].id, key)) == head.row

    @invariant()
    def the_memory_stays_within_its_bound(self) -> None:
        assert self.memory.size <= MEMORY_BYTES

    def teardown(self) -> None:
        """Every question is answered once the database answers; nothing is left behind."""
        for _ in range(200):
            while self.database.to_look or self.database.to_bring:
                waiting = self.database.to_look or self.database.to_bring
                waiting.pop(0).set()
                self.settle()
            if all(q.task.done() for q in self.questions):
                break
        self.every_answer_was_true_between_question_and_answer()
        unanswered = list(self.questions)
        self.loop.run_until_complete(self.reads.close())
        self.loop.close()
        assert not unanswered


HeadReadsMachine.TestCase.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
TestHeadReads = HeadReadsMachine.TestCase


def run(main: Callable[[HeadReads, Database], Any]) -> None:
    async def go() -> None:
        database = Database()
        reads = HeadReads(HeadMemory(), database.read_heads, database.catch_up)
        await asyncio.wait_for(main(reads, database), 20)
        await reads.close()

    asyncio.run(go())


async def open_all(database: Database) -> None:
    """From now on let every read through."""
    while True:
        for event in [*database.to_look, *database.to_bring]:
            event.set()
        database.to_look.clear()
        database.to_bring.clear()
        await asyncio.sleep(0)


def test_questions_that_wait_together_share_a_round() -> None:
    async def main(reads: HeadReads, database: Database) -> None:
        door = asyncio.create_task(open_all(database))
        database.commit("a")
        await reads.head("diary", "a")
        before = reads.rounds
        await asyncio.gather(*(reads.head("diary", key) for key in KEYS * 20))
        assert reads.rounds <= before + 2
        door.cancel()

    run(main)


def test_own_groups_cost_no_memory_while_nobody_reads() -> None:
    async def main(reads: HeadReads, database: Database) -> None:
        door = asyncio.create_task(open_all(database))
        await reads.head("diary", "a")
        for _ in range(100):
            reads.follow(database.commit("a"))
        assert reads._trail is None
        assert len(reads.memory) == 1
        rounds = reads.rounds
        assert (await reads.head("diary", "a"))[1].row == database.now.heads[1, "a"]
        assert reads.rounds == rounds + 1, "what the committer said needs no catching up"
        door.cancel()

    run(main)
