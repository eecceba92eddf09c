"""Linearizable head reads that share their work.

GETs that wait share one read of the journal's state that *begins after they arrived*; if the memory still stands there,
they are answered from it. So every answer is at least as new as its question, at a fraction of a query each.
(The idea is etcd's ReadIndex.)

Every round answers all its questions: from one moment of the database, carried on by what our own committer wrote while
the round was under way. No question is asked again because somebody writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rainer.errors import RainerError, UnavailableError
from rainer.journal.group import HeadKey, Plan
from rainer.journal.head_memory import Head, HeadMemory
from rainer.journal.reads import CaughtUp
from rainer.journal.row import Namespace, Row, State, known_namespace, unknown_namespace

ReadHeads = Callable[[Sequence[HeadKey]], Awaitable[tuple[State, list[Row]]]]
CatchUp = Callable[[State | None, Sequence[HeadKey], int], Awaitable[CaughtUp]]

_CATCH_UP_KEYS_MAX = 2_000


class Answer(NamedTuple):
    """What a round found: the heads asked for, and the namespaces, as of `state`."""

    state: State
    namespaces: dict[str, Namespace]
    heads: dict[HeadKey, Head]


@dataclass(slots=True)
class _Trail:
    """Where the memory went during a round: the states it passed through, each by a group of our own committer."""

    states: list[State] = field(default_factory=list)
    rows: dict[HeadKey, Row] = field(default_factory=dict)


class HeadReads:
    """Belongs to one event loop. Counts rounds and reads for the metrics."""

    def __init__(self, memory: HeadMemory, heads: ReadHeads, catch_up: CatchUp) -> None:
        self.memory = memory
        self.rounds = 0
        self.reads = 0
        self._read_heads, self._read_catch_up = heads, catch_up
        self._waiting: list[tuple[HeadKey | None, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None
        self._trail: _Trail | None = None
        self._is_closed = False

    def follow(self, plan: Plan) -> None:
        """Hear of a group that our own committer wrote."""
        if self.memory.follow(plan) and self._trail is not None:
            self._trail.states.append(plan.after)
            self._trail.rows.update(plan.heads)

    async def state(self) -> State:
        """Where the journal stands, as of a read that begins now."""
        return (await self._round(None)).state

    async def namespace(self, name: str) -> Namespace:
        """The namespace of that name, perhaps as remembered; NamespaceNotFound as of a read that begins now."""
        found = self.memory.namespaces.get(name)
        return found or known_namespace((await self._round(None)).namespaces, name)

    async def head(self, namespace: str, key: str) -> tuple[State, Head]:
        """The head of a key and the state it was read at; `row` is None if the key never was."""
        self.reads += 1
        space: Namespace | None = await self.namespace(namespace)
        while space is not None:
            at = (space.id, key)
            answer = await self._round(at)
            now = answer.namespaces.get(namespace)
            if now is not None and now.id == space.id:
                return answer.state, answer.heads[at]
            space = now  # another history: its namespaces have other numbers
        raise unknown_namespace(namespace)

    async def close(self) -> None:
        """Answer those who wait; refuse whoever comes later."""
        self._is_closed = True
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _round(self, key: HeadKey | None) -> Answer:
        if self._is_closed:
            raise UnavailableError("the server is shutting down", hint="try another server")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((key, future))
        if self._task is None:
            self._task = loop.create_task(self._pump(), name="rainer-head-reads")
        return await future

    async def _pump(self) -> None:
        """Serve all that wait, then those that came meanwhile, until nobody waits."""
        served: list[tuple[HeadKey | None, asyncio.Future[Answer]]] = []
        try:
            while self._waiting:
                served, self._waiting = self._waiting, []
                await self._serve_all(served)
        except asyncio.CancelledError:
            waiting, self._waiting = self._waiting, []
            _refuse([future for _, future in served + waiting], UnavailableError("the server is shutting down"))
            raise
        finally:
            self._task = None

    async def _serve_all(self, served: list[tuple[HeadKey | None, asyncio.Future[Answer]]]) -> None:
        try:
            answer = await self._serve({key for key, _ in served if key is not None})
        except Exception as e:
            error = e if isinstance(e, RainerError) else UnavailableError(f"heads cannot be read: {e!r}")
            _refuse([future for _, future in served], error)
            return
        finally:
            self._trail = None
        for _, future in served:
            if not future.done():
                future.set_result(answer)

    async def _serve(self, keys: set[HeadKey]) -> Answer:
        self.rounds += 1
        memory, begun = self.memory, self.memory.state
        heads = {key: head for key in keys if (head := memory.get(key)) is not None}
        missing = [key for key in keys if key not in heads]
        trail = self._trail = _Trail()
        state, rows = await self._read_heads(missing)
        if begun is None or (state != begun and state not in trail.states):
            return await self._catch_up(list(keys))
        # The memory stands where the database stood or, by our own committer alone, beyond. What that changed it told.
        found = {(row.namespace_id, row.key): row for row in rows}
        heads |= {key: memory.put(key, found.get(key)) for key in missing if key not in trail.rows}
        heads |= {key: memory.get(key) or Head(trail.rows[key]) for key in keys & trail.rows.keys()}
        assert memory.state is not None
        return Answer(memory.state, memory.namespaces, heads)

    async def _catch_up(self, keys: list[HeadKey]) -> Answer:
        """Others wrote: forget just what they changed, or everything if the history is not ours any more."""
        memory, old = self.memory, self.memory.state
        caught_up = await self._read_catch_up(old, keys, _CATCH_UP_KEYS_MAX)
        found = {(row.namespace_id, row.key): row for row in caught_up.rows}
        if memory.state is not old:  # our committer moved it meanwhile; what was read is an answer, but another moment
            return Answer(caught_up.state, caught_up.namespaces, {key: Head(found.get(key)) for key in keys})
        memory.namespaces = caught_up.namespaces
        if caught_up.changed is None:
            memory.clear(caught_up.state)
        else:
            memory.move(caught_up.state, caught_up.changed)
        return Answer(caught_up.state, caught_up.namespaces, {key: memory.put(key, found.get(key)) for key in keys})


def _refuse(futures: list[asyncio.Future[Answer]], error: RainerError) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
