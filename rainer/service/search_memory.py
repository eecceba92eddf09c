"""Which namespaces' heads are held as texts for searching, how they keep up with the journal, and within what bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol, TypeVar

from rainer.journal.listing import HeadRow
from rainer.journal.reads import Reads
from rainer.journal.row import Namespace, State, known_namespace
from rainer.service.head_texts import HeadTexts, Text, text_of

T = TypeVar("T")
_CHANGED_MAX: Final = 20_000
"""So many commits later all is read anew: to look through more costs as much."""
_ROWS: Final = 100
"""So many changed heads are read at a time: each may be some MiB."""
_AGAIN_S: Final = 600.0
"""So long a namespace that was too large is not tried again."""


class Reading(Protocol):
    """What this needs of a live journal: reads, and threads to do them in."""

    reads: Reads

    async def in_thread(self, read: Callable[..., T], *arguments: Any) -> T: ...


class SearchMemory:
    """Belongs to one event loop. `bytes_max` bounds all namespaces together; what was not asked for longest goes."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._held: dict[str, HeadTexts] = {}
        self._too_large: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._building: dict[str, asyncio.Task[HeadTexts | None]] = {}

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._building.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def at_once(self, live: Reading, namespace: Namespace, patience_s: float) -> HeadTexts | None:
        """The heads as of a read that begins now; None where they are too large, or not ready in that time.

        What is being read goes on, and is there for who asks later.
        """
        task = self._building.get(namespace.name)
        if task is None:
            task = asyncio.create_task(self._get(live, namespace), name="rainer-search")
            self._building[namespace.name] = task
            task.add_done_callback(lambda done: self._built(namespace.name, done))
        try:
            return await asyncio.wait_for(asyncio.shield(task), patience_s)
        except TimeoutError:
            return None

    def _built(self, name: str, task: asyncio.Task[HeadTexts | None]) -> None:
        self._building.pop(name, None)
        if not task.cancelled():
            task.exception()  # whoever asked may have gone

    async def _get(self, live: Reading, namespace: Namespace) -> HeadTexts | None:
        lock = self._locks.setdefault(namespace.name, asyncio.Lock())
        async with lock:
            held = self._held.pop(namespace.name, None)
            if held is not None:
                held = await live.in_thread(_caught_up, live.reads, held, namespace.name)
            if held is None:
                if time.monotonic() < self._too_large.get(namespace.name, 0.0):
                    return None
                held = await live.in_thread(_read, live.reads, namespace.name, self.bytes_max)
            if held is None or held.size_bytes > self.bytes_max:
                self._too_large[namespace.name] = time.monotonic() + _AGAIN_S
                return None
            self._held[namespace.name] = held
            while sum(one.size_bytes for one in self._held.values()) > self.bytes_max:
                self._held.pop(next(iter(self._held)))
            return held


def _read(reads: Reads, namespace: str, bytes_max: int) -> HeadTexts | None:
    """All heads of a namespace; None as soon as they are too large. Runs in a thread."""
    pinned = reads.pin(None)
    texts, size = [], 0
    for text in _all(reads, namespace, pinned):
        size += len(text.text)
        if size > bytes_max:
            return None
        texts.append(text)
    return HeadTexts.of(pinned, texts)


def _all(reads: Reads, namespace: str, pinned: State) -> Iterator[Text]:
    after: str | None = None
    while True:
        portion = reads.heads_portion(namespace, pinned, after=after, payloads=True)
        for row in portion.rows:
            yield _text(row)
        after = portion.next_after
        if after is None:
            return


def _text(row: HeadRow) -> Text:
    payload = None if row.payload is None else bytes(row.payload)
    return text_of(row.key, row.version, row.author, row.comment, row.mtime_ms, row.revision, payload)


def _caught_up(reads: Reads, held: HeadTexts, namespace: str) -> HeadTexts | None:
    """The heads now; None where the history is another one, or too much changed. Runs in a thread."""
    caught = reads.catch_up(held.state, (), _CHANGED_MAX)
    if caught.state.position == held.state.position:
        return held
    if caught.changed is None:
        return None
    space = known_namespace(caught.namespaces, namespace).id
    keys = sorted({key for number, key in caught.changed if number == space})
    changed: dict[str, Text | None] = {}
    for start in range(0, len(keys), _ROWS):
        _, rows = reads.head_rows([(space, key) for key in keys[start : start + _ROWS]])
        for row in rows:  # perhaps newer than `caught.state`: that they are read once more does no harm
            is_there = not row.is_empty
            payload = None if row.payload is None else bytes(row.payload)
            changed[row.key] = (
                text_of(row.key, row.version, row.author, row.comment, row.mtime_ms, row.revision, payload)
                if is_there
                else None
            )
    return held.moved(caught.state, changed)
