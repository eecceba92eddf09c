"""Many files at once: what is here at once, the rest by some threads, each handed over when it is there."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple, TypeAlias

from rainer.errors import RainerError

_WAITING: Final = 4
"""So many a thread are given out in advance: the list may be long, and its end far from being known."""

_MOMENT_S: Final = 0.004
"""So long what has come waits for others to be handed over with it, while enough is under way to keep threads busy."""


class Wanted(NamedTuple):
    """A file to fetch: by digest where one is known, else as `cache(uri)` would."""

    uri: str
    sha256: str | None = None
    size: int | None = None
    name: str | None = None


Outcome: TypeAlias = tuple[Wanted, Path | RainerError]
_Landed: TypeAlias = tuple[Wanted, Path | BaseException]


def each(
    wanted: Iterable[Wanted], here: Callable[[Wanted], Path | None], fetch: Callable[[Wanted], Path], threads: int
) -> Iterator[Outcome]:
    """Every wanted file once, as they come; an error of ours takes the place of the path."""
    crew, under_way = _Crew(fetch, threads), 0
    try:
        for one in wanted:
            path = _outcome(one, here)
            if path is not None:
                yield one, path
                continue
            crew.give(one)
            under_way += 1
            if under_way >= threads * _WAITING:
                for outcome in _taken(crew.landed):
                    under_way -= 1
                    yield outcome
        for _ in range(under_way):
            yield _outcome_of(*crew.landed.get())
    finally:
        crew.dismiss()


class _Crew:
    """Threads that fetch what they are given, as many as there is work for.

    They do no more than take, fetch and put: an executor with its futures costs a small file a tenth of its time.
    """

    def __init__(self, fetch: Callable[[Wanted], Path], threads: int) -> None:
        self.landed: SimpleQueue[_Landed] = SimpleQueue()
        self._todo: SimpleQueue[Wanted | None] = SimpleQueue()
        self._fetch = fetch
        self._most = threads
        self._threads: list[threading.Thread] = []

    def give(self, one: Wanted) -> None:
        """Have one fetched; by the caller's thread if there is no other to be had."""
        if len(self._threads) < self._most:
            # None that is waited for at the program's end, where an iterator that was forgotten may not be closed yet.
            thread = threading.Thread(target=self._work, name=f"rainer-cache-{len(self._threads)}", daemon=True)
            try:
                thread.start()
                self._threads.append(thread)
            except RuntimeError:
                self._most = len(self._threads)
        if self._threads:
            self._todo.put(one)
        else:
            self._bring(one)

    def dismiss(self) -> None:
        """Drop what nobody has begun, and wait for the rest."""
        with contextlib.suppress(Empty):
            while True:
                self._todo.get_nowait()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (one := self._todo.get()) is not None:
            self._bring(one)

    def _bring(self, one: Wanted) -> None:
        try:
            self.landed.put((one, self._fetch(one)))
        except BaseException as e:
            self.landed.put((one, e))


def _outcome(one: Wanted, here: Callable[[Wanted], Path | None]) -> Path | RainerError | None:
    try:
        return here(one)
    except RainerError as e:
        return e


def _taken(landed: SimpleQueue[_Landed]) -> Iterator[Outcome]:
    """At least one that has come, and what else comes within a moment.

    To be woken for each small file, this thread would take the interpreter from those who fetch twice as often.
    """
    first = landed.get()
    time.sleep(_MOMENT_S)
    yield _outcome_of(*first)
    with contextlib.suppress(Empty):
        while True:
            yield _outcome_of(*landed.get_nowait())


def _outcome_of(one: Wanted, result: Path | BaseException) -> Outcome:
    if isinstance(result, BaseException) and not isinstance(result, RainerError):
        raise result
    return one, result
