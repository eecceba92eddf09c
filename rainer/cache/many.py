"""Many files at once: what is here at once, the rest by some threads, each handed over when it is there."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple, TypeAlias

from rainer.errors import RainerError

_WAITING: Final = 20
"""So many a thread are given out in advance: the list may be long, and its end far from being known."""

_SMALL_BYTES: Final = 128 * 1024
"""What the system takes in of a file that nobody reads yet; so small a file is asked for before its turn has come."""
_FEW: Final = 4
_AHEAD: Final = 8
"""So many threads fetch small files, each so many at a time: more threads only take the interpreter from each other,
and with fewer files under way they wait."""
_MOMENT_S: Final = 0.004
"""So long what has come waits for others to be handed over with it, while enough is under way to keep threads busy."""


class Wanted(NamedTuple):
    """A file to fetch: by digest where one is known, else as `cache(uri)` would."""

    uri: str
    sha256: str | None = None
    size: int | None = None
    name: str | None = None


End: TypeAlias = Callable[[], Path]
"""Fetches what was asked for."""
Outcome: TypeAlias = tuple[Wanted, Path | RainerError]
_Landed: TypeAlias = tuple[Wanted, Path | BaseException]


def each(
    wanted: Iterable[Wanted], here: Callable[[Wanted], Path | None], fetch: Callable[[Wanted], Path], threads: int,
    begin: Callable[[Wanted], End | None] = lambda _: None,
) -> Iterator[Outcome]:  # fmt: skip
    """Every wanted file once, as they come; an error of ours takes the place of the path.

    What is small `begin` asks for before it is wanted, if that can be, and gives what fetches it then.
    """
    crew, under_way = _Crew(begin, fetch, threads), 0
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

    def __init__(
        self, begin: Callable[[Wanted], End | None], fetch: Callable[[Wanted], Path], threads: int
    ) -> None:  # fmt: skip
        self._begin = begin
        self._others = 0
        self.landed: SimpleQueue[_Landed] = SimpleQueue()
        self._todo: SimpleQueue[Wanted | None] = SimpleQueue()
        self._fetch = fetch
        self._most = threads
        self._threads: list[threading.Thread] = []

    def give(self, one: Wanted) -> None:
        """Have one fetched; by the caller's thread if there is no other to be had."""
        self._others += not _is_small(one)
        if len(self._threads) < min(self._most, _FEW + self._others):
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
        begun: deque[tuple[Wanted, End]] = deque()
        is_over = False
        while begun or not is_over:
            other = None
            while not is_over and other is None and len(begun) < _AHEAD:
                try:
                    one = self._todo.get(block=not begun)
                except Empty:
                    break
                end = None if one is None or not _is_small(one) else self._asked(one)
                if one is None:
                    is_over = True
                elif end is None:
                    other = one
                else:
                    begun.append((one, end))
            # Who waits for others may not have what others wait for.
            for _ in range(len(begun) if other is not None or is_over else 1):
                if begun:
                    self._bring(*begun.popleft())
            if other is not None:
                self._bring(other)

    def _asked(self, one: Wanted) -> End | None:
        try:
            return self._begin(one)
        except Exception:
            return None  # it is said when it is fetched

    def _bring(self, one: Wanted, end: End | None = None) -> None:
        try:
            self.landed.put((one, self._fetch(one) if end is None else end()))
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


def _is_small(one: Wanted) -> bool:
    return one.size is not None and one.size <= _SMALL_BYTES
