"""One call for all threads of a process that want the same at the same time."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from rainer.errors import RainerError

T = TypeVar("T")


class _Abandoned(Exception):
    """Who led was stopped by something of its own (^C, an error in its callback): another has to lead."""


class Flights(Generic[T]):
    """What is under way, by key; nothing is remembered once it has ended."""

    def __init__(self) -> None:
        self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        """The threads that were under way are not in the child."""
        self._mutex = threading.Lock()
        self._under_way: dict[Hashable, Future[T]] = {}

    def share(self, key: Hashable, call: Callable[[], T]) -> T:
        """Make the call, or wait for the one under way and share its result, or its failure."""
        while True:
            with self._mutex:
                future = self._under_way.get(key)
                if future is None:
                    mine = self._under_way[key] = Future()
                    break
            try:
                return future.result()
            except _Abandoned:
                continue
            except RainerError as e:
                raise copy.copy(e) from e
        return self._lead(key, mine, call)

    def _lead(self, key: Hashable, mine: Future[T], call: Callable[[], T]) -> T:
        try:
            result = call()
        except BaseException as e:
            self._end(key)
            mine.set_exception(e if isinstance(e, RainerError) else _Abandoned())
            raise
        self._end(key)
        mine.set_result(result)
        return result

    def _end(self, key: Hashable) -> None:
        with self._mutex:
            self._under_way.pop(key, None)
