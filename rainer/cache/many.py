"""Many files at once: what is here at once, the rest by some threads, each handed over when it is there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias

from rainer.errors import RainerError

_WAITING: Final = 4
"""So many a thread are given out in advance: the list may be long, and its end far from being known."""

_MOMENT_S: Final = 0.002
"""So long what has come waits for others to be handed over with it, while enough is under way to keep threads busy."""


@dataclass(frozen=True, slots=True)
class Wanted:
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
    landed: SimpleQueue[_Landed] = SimpleQueue()

    def bring(one: Wanted) -> None:
        try:
            landed.put((one, fetch(one)))
        except BaseException as e:
            landed.put((one, e))

    with ThreadPoolExecutor(threads, thread_name_prefix="rainer-cache") as pool:
        under_way = 0
        try:
            for one in wanted:
                path = _outcome(one, here)
                if path is not None:
                    yield one, path
                    continue
                pool.submit(bring, one)
                under_way += 1
                if under_way >= threads * _WAITING:
                    for outcome in _taken(landed):
                        under_way -= 1
                        yield outcome
            for _ in range(under_way):
                yield _outcome_of(*landed.get())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


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
