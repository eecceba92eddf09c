"""Waiting for the journal to move: woken by whoever commits, in this process or another, and never asleep for ever."""

from __future__ import annotations

import asyncio

import pytest

from rainer.errors import UnavailableError
from rainer.journal import Journal, LiveJournal
from tests.contracts.live import living, run, submission
from tests.contracts.tables import copy_of, restore

LONG_S = 25.0


async def asleep(live: LiveJournal) -> asyncio.Task[bool]:
    """Somebody who waits, and is past the notifications that were still under way."""
    while True:
        seen = await live.heads.state()
        waiting = asyncio.create_task(live.wakeup.wait(live.wakeup.turn, seen, LONG_S))
        await asyncio.wait([waiting], timeout=0.1)
        if not waiting.done():
            assert live.wakeup.waiting == 1
            return waiting


def test_an_own_commit_wakes(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            waiting = await asleep(live)
            await live.commit(submission("a"))
            assert await waiting
            assert live.wakeup.waiting == 0

    run(main())


def test_a_commit_elsewhere_wakes(journal: Journal, second: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            for version in range(1, 6):
                turn, seen = live.wakeup.turn, await live.heads.state()
                waiting = [asyncio.create_task(live.wakeup.wait(turn, seen, LONG_S)) for _ in range(3)]
                await live.in_thread(lambda v: second.append("k", b"", version=v, author="me"), version)
                assert await asyncio.gather(*waiting) == [True] * 3

    run(main())


def test_a_commit_between_reading_and_waiting_is_not_slept_through(journal: Journal, second: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            turn, seen = live.wakeup.turn, await live.heads.state()
            await live.commit(submission("a"))
            assert await live.wakeup.wait(turn, seen, LONG_S), "an own one: the turn has moved on"
            turn, seen = live.wakeup.turn, await live.heads.state()
            await live.in_thread(lambda: second.append("k", b"", version=1, author="me"))
            assert await live.wakeup.wait(turn, seen, LONG_S), "another's: the state is not the one seen"

    run(main())


def test_readers_that_stand_at_different_places(journal: Journal, second: Journal) -> None:
    """One is behind and woken at once by the next look; the other waits on."""

    async def main() -> None:
        async with living(journal) as live:
            behind = await live.heads.state()
            await live.in_thread(lambda: second.append("k", b"", version=1, author="me"))
            seen = await live.heads.state()
            assert await live.wakeup.wait(live.wakeup.turn, behind, LONG_S)
            while await live.wakeup.wait(live.wakeup.turn, seen, 0.3):  # notices of the first may come late
                pass

    run(main())


def test_nothing_happens(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            seen = await live.heads.state()
            while await live.wakeup.wait(live.wakeup.turn, seen, 0.3):  # a notification may have been under way
                pass
            assert live.wakeup.waiting == 0

    run(main())


def test_a_restored_database_wakes(journal: Journal) -> None:
    backup = copy_of(journal)
    journal.append("a", b"", version=1, author="me")

    async def main() -> None:
        async with living(journal) as live:
            turn, seen = live.wakeup.turn, await live.heads.state()
            waiting = asyncio.create_task(live.wakeup.wait(turn, seen, LONG_S))
            await live.in_thread(restore, journal, backup)
            assert await waiting

    run(main())


@pytest.mark.parametrize("failure", [UnavailableError("away"), RuntimeError("surprise")])
def test_a_look_that_fails_is_not_the_last(journal: Journal, second: Journal, failure: Exception) -> None:
    async def main() -> None:
        async with living(journal) as live:
            read, failures = live.wakeup._read_state, iter([failure, failure])

            async def fail_first() -> object:
                for error in failures:
                    raise error
                return await read()

            turn, seen = live.wakeup.turn, await live.heads.state()
            live.wakeup._read_state = fail_first  # type: ignore[assignment]
            waiting = asyncio.create_task(live.wakeup.wait(turn, seen, LONG_S))
            await live.in_thread(lambda: second.append("k", b"", version=1, author="me"))
            assert await waiting

    run(main())


def test_whoever_leaves_is_forgotten(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            waiting = await asleep(live)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert live.wakeup.waiting == 0
            await live.commit(submission("a"))

    run(main())


def test_closing_wakes_for_good(journal: Journal) -> None:
    async def main() -> None:
        live = journal.live()
        await live.start()
        seen = await live.heads.state()
        waiting = await asleep(live)
        await live.close()
        assert not await waiting
        assert not await live.wakeup.wait(live.wakeup.turn, seen, LONG_S)

    run(main())
