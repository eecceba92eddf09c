"""Linearizable head reads that share their work.

GETs that wait share one read of the journal's state that *begins after they arrived*; if the memory still stands there,
they are answered from it. So every answer is at least as new as its question, at a fraction of a query each.
(The idea is etcd's ReadIndex.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from rainer.errors import NamespaceNotFound, RainerError, UnavailableError
from rainer.journal.group import HeadKey, Plan
from rainer.journal.head_memory import Head, HeadMemory
from rainer.journal.row import Namespace, Row, State

ReadHeads = Callable[[Sequence[HeadKey]], Awaitable[tuple[State, list[Row]]]]
ReadChanged = Callable[[State, int], Awaitable[tuple[State, list[HeadKey] | None]]]
ReadNamespaces = Callable[[], Awaitable[dict[str, Namespace]]]

_CATCH_UP_KEYS_MAX = 2_000
_ROUNDS_MAX = 50


class HeadReads:
    """Belongs to one event loop. Counts rounds and reads for the metrics."""

    def __init__(self, memory: HeadMemory, heads: ReadHeads, changed: ReadChanged, namespaces: ReadNamespaces) -> None:
        self.memory = memory
        self.rounds = 0
        self.reads = 0
        self._read_heads, self._read_changed, self._read_namespaces = heads, changed, namespaces
        self._waiting: list[tuple[HeadKey | None, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._own_states: list[State] = []
        self._own_keys: set[HeadKey] = set()

    def follow(self, plan: Plan) -> None:
        """Hear of a group that our own committer wrote."""
        if self.memory.follow(plan):
            self._own_states.append(plan.after)
            self._own_keys.update(plan.heads)

    async def state(self) -> State:
        """Where the journal stands, as of a read that begins now."""
        await self._round(None)
        assert self.memory.state is not None
        return self.memory.state

    async def namespace(self, name: str) -> Namespace:
        """The namespace of that name; NamespaceNotFound."""
        found = self.memory.namespaces.get(name)
        if found is None:
            await self._round(None)
            found = self.memory.namespaces.get(name)
        if found is None:
            raise NamespaceNotFound(
                f"there is no namespace {name!r}", hint=f"make it with `rainer namespace create {name}`"
            )
        return found

    async def head(self, namespace: str, key: str) -> tuple[State, Head]:
        """The head of a key and the state it was read at; `row` is None if the key never was."""
        self.reads += 1
        space = self.memory.namespaces.get(namespace) or await self.namespace(namespace)
        for _ in range(_ROUNDS_MAX):
            at = (space.id, key)
            await self._round(at)
            if self.memory.namespaces.get(namespace) is not space:  # another history: its ids may differ
                space = await self.namespace(namespace)
                continue
            found = self.memory.get(at)
            if found is not None and self.memory.state is not None:
                return self.memory.state, found
            if self._uncached is not None and self._uncached[0] == at:
                return self._uncached[1], Head(self._uncached[2])
        raise UnavailableError("this head changes faster than it can be read", hint="try again")

    _uncached: tuple[HeadKey, State, Row] | None = None
    """The last head too large to remember, with the state it was read at."""

    async def _round(self, key: HeadKey | None) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, future))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._pump(), name="rainer-head-reads")
        await future

    async def _pump(self) -> None:
        """Serve all that wait, then those that came meanwhile, until nobody waits."""
        while self._waiting:
            served, self._waiting = self._waiting, []
            try:
                await self._serve({k for k, _ in served if k is not None})
            except Exception as e:
                error = e if isinstance(e, RainerError) else UnavailableError(f"heads cannot be read: {e}")
                for _, future in served:
                    if not future.done():
                        future.set_exception(error)
            else:
                for _, future in served:
                    if not future.done():
                        future.set_result(None)
        self._task = None

    async def _serve(self, keys: set[HeadKey]) -> None:
        self.rounds += 1
        memory = self.memory
        missing = [k for k in keys if memory.get(k) is None]
        begun = memory.state
        self._own_states, self._own_keys, self._uncached = [], set(), None
        state, rows = await self._read_heads(missing)
        if begun is None or (state != begun and state not in self._own_states):
            await self._catch_up()
            if memory.state != state:
                return  # those who wait for a missing head come round again
        self._remember(missing, state, rows)

    def _remember(self, missing: list[HeadKey], state: State, rows: list[Row]) -> None:
        found = {(row.namespace_id, row.key): row for row in rows}
        for key in missing:
            if key in self._own_keys:
                continue  # our committer moved it after it was read; what the committer said is newer
            row = found.get(key)
            self.memory.put(key, row)
            if row is not None and self.memory.get(key) is None:
                self._uncached = (key, state, row)

    async def _catch_up(self) -> None:
        """Others wrote: forget just what they changed, or everything if the history is not ours any more."""
        memory = self.memory
        old = memory.state
        if old is None:
            namespaces = await self._read_namespaces()
            state, _ = await self._read_heads([])
            changed = None
        else:
            state, changed = await self._read_changed(old, _CATCH_UP_KEYS_MAX)
            same = changed is not None and state.namespaces_tag == old.namespaces_tag
            namespaces = memory.namespaces if same else await self._read_namespaces()
        if memory.state is not old:
            return
        memory.namespaces = namespaces
        if changed is None:
            memory.clear(state)
        else:
            memory.move(state, changed)
