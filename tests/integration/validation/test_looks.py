"""Looks at all heads: whoever asks gets what is true at the time of asking, and many askers cost one look at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from rainer.journal import Journal
from rainer.journal.reads import Reads
from rainer.service import Service
from rainer.validation import validation
from rainer.validation.in_force import InForce
from rainer.validation.looking import Looked, look
from tests.contracts.live import run
from tests.services.waiting import begun, until

RULES = b'rules: [{on: "diary/*", schema: number}]'


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal("memory:") as journal:
        journal.create_namespace("rainer", format="yaml")
        journal.append("schema.number", b"type: number", version=1, author="a", namespace="rainer")
        journal.append("rules", RULES, version=1, author="a", namespace="rainer")
        yield journal


class HeldLooks:
    """Looks that wait to be let go, and are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self._open = threading.Event()
        monkeypatch.setattr(validation, "look", self._look)

    def _look(self, reads: Reads, in_force: InForce) -> Looked:
        self.begun += 1
        found = look(reads, in_force)
        assert self._open.wait(60)
        return found

    def let_go(self) -> None:
        self._open.set()


def test_who_asks_while_one_looks_shares_the_next_look(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    held = HeldLooks(monkeypatch)

    async def main() -> list[Looked]:
        service = Service(journal)
        await service.start()
        try:
            asked = [asyncio.create_task(service.validation.look(service.live))]
            await until(lambda: held.begun, 10, "the first look")
            await asyncio.to_thread(journal.append, "wrong", b'"text"', version=1, author="a")
            asked += [asyncio.create_task(service.validation.look(service.live)) for _ in range(5)]
            gone = await begun(service.validation.look(service.live))
            gone.cancel()
            assert (await service.validation.follow_now(service.live)).rules.all, (
                "who asks for rules alone waits for no look"
            )
            assert held.begun == 1
            held.let_go()
            return await asyncio.gather(*asked)
        finally:
            held.let_go()
            await service.close()

    first, *later = run(main())
    assert held.begun == 2
    assert first.broken == []
    assert [[one.key for one in found.broken] for found in later] == [["wrong"]] * 5


def test_a_look_that_fails_does_not_stop_the_next(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [RuntimeError("no")]

    def failing(reads: Reads, in_force: InForce) -> Looked:
        if failures:
            raise failures.pop()
        return look(reads, in_force)

    monkeypatch.setattr(validation, "look", failing)

    async def main() -> Looked:
        service = Service(journal)
        await service.start()
        try:
            with pytest.raises(RuntimeError, match="no"):
                await service.validation.look(service.live)
            return await service.validation.look(service.live)
        finally:
            await service.close()

    assert run(main()).broken == []
