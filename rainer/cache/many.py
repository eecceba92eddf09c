"""Many files at once: what is here at once, the rest by some threads, each handed over when it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from rainer.errors import RainerError

_WAITING: Final = 4
"""So many a thread are given out in advance: the list may be long, and its end far from being known."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch: by digest where one is known, else as `cache(uri)` would."""

    uri: str
    sha256: str | None = None
    size: int | None = None
    name: str | None = None


Outcome: TypeAlias = tuple[Wanted, Path | RainerError]


def each(
    wanted: Iterable[Wanted], here: Callable[[Wanted], Path | None], fetch: Callable[[Wanted], Path], threads: int
) -> Iterator[Outcome]:
    """Every wanted file once, as they come; an error of ours takes the place of the path."""
    todo = iter(wanted)
    with ThreadPoolExecutor(threads, thread_name_prefix="rainer-cache") as pool:
        under_way: dict[Future[Path], Wanted] = {}
        try:
            for one in todo:
                path = _outcome(one, here)
                if path is not None:
                    yield one, path
                    continue
                under_way[pool.submit(fetch, one)] = one
                if len(under_way) >= threads * _WAITING:
                    yield from _landed(under_way)
            while under_way:
                yield from _landed(under_way)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _outcome(one: Wanted, here: Callable[[Wanted], Path | None]) -> Path | RainerError | None:
    try:
        return here(one)
    except RainerError as e:
        return e


def _landed(under_way: dict[Future[Path], Wanted]) -> Iterator[Outcome]:
    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
    for future in done:
        one = under_way.pop(future)
        try:
            path = future.result()
        except RainerError as e:
            yield one, e
        else:
            yield one, path
