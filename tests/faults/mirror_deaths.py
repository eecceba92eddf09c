"""Publishers that die in the middle of their work: at a write of one's choice, before it is sent or after it landed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from rainer.errors import RainerError
from rainer.zk import Operation, Written, ZooKeeper


class Killed(SystemExit):
    """Ends a thread without a word, as a kill -9 ends a process; nothing in the publisher may catch it."""


class Moment(StrEnum):
    """When, seen from the write at which a publisher dies."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(slots=True)
class Death:
    """Waits for the `at`th write from now on, counted from 1; without `at` it only counts them."""

    at: int | None = None
    moment: Moment = Moment.BEFORE
    writes: int = 0
    came: threading.Event = field(default_factory=threading.Event)

    def comes(self, moment: Moment) -> bool:
        """Whether a publisher dies now; whoever writes after its death is another one's past, and dies as well."""
        if moment is Moment.BEFORE:
            self.writes += 1
        if self.writes == self.at and moment is self.moment:
            self.came.set()
        return self.came.is_set()


class MortalZooKeeper(ZooKeeper):
    """A publisher's connection that knows of a death; a class of its own for each."""

    death: ClassVar[Death]

    @classmethod
    def of(cls, death: Death) -> type[MortalZooKeeper]:
        return type("MortalZooKeeper", (cls,), {"death": death})

    def write_later(self, operations: Sequence[Operation]) -> Callable[[], list[Written]]:
        if self.death.comes(Moment.BEFORE):
            raise Killed
        wait = super().write_later(operations)
        if self.death.moment is Moment.AFTER and self.death.writes == self.death.at:
            with suppress(RainerError):  # a refused write is a step as well
                wait()
        if self.death.comes(Moment.AFTER):
            raise Killed
        return wait
