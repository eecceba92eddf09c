"""One call for all threads of a process that want the same at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from rainer.errors import RainerError

T = TypeVar("T")


class Flight(Generic[T]):
    """A call under way, and then how it ended: with a result, an error to share, or neither, where who led was stopped
    by something of its own (^C, an error in its callback) and another has to lead.

    A bare lock, kept until the end, does what a future does, at a tenth of its price.
    """

    __slots__ = ("ended", "error", "results")

    def __init__(self) -> None:
        self.ended = threading.Lock()
        self.ended.acquire()
        self.results: list[T] = []
        self.error: RainerError | None = None


class Flights(Generic[T]):
    """What is under way, by key; nothing is remembered once it has ended."""

    def __init__(self) -> None:
        self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        """The threads that were under way are not in the child."""
        self._mutex = threading.Lock()
        self._under_way: dict[Hashable, Flight[T]] = {}

    def share(self, key: Hashable, call: Callable[[], T]) -> T:
        """Make the call, or wait for the one under way and share its result, or its failure."""
        while True:
            mine = self.lead(key)
            if mine is not None:
                return self.end(key, mine, call)
            with self._mutex:
                flight = self._under_way.get(key)
            if flight is None:
                continue
            with flight.ended:
                pass
            if flight.error is not None:
                import copy

                raise copy.copy(flight.error) from flight.error
            if flight.results:
                return flight.results[0]

    def lead(self, key: Hashable) -> Flight[T] | None:
        """Have others wait for a call of ours, which `end` makes; None if one is under way."""
        with self._mutex:
            if key in self._under_way:
                return None
            mine = self._under_way[key] = Flight()
            return mine

    def give_up(self, key: Hashable, mine: Flight[T]) -> None:
        """Make no call after all: one of those who wait makes it."""
        with self._mutex:
            self._under_way.pop(key, None)
        mine.ended.release()

    def end(self, key: Hashable, mine: Flight[T], call: Callable[[], T]) -> T:
        """Make the call, and share its result, or its failure."""
        try:
            result = call()
            mine.results.append(result)
            return result
        except RainerError as e:
            mine.error = e
            raise
        finally:
            self.give_up(key, mine)
