"""Head reads of a live journal: never older than what was acknowledged before they were asked, whoever wrote it."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rainer.errors import NamespaceNotFound, UnavailableError, VersionConflict
from rainer.journal import Journal, JournalOptions, LiveJournal
from rainer.journal.administration import set_namespace_closed
from rainer.model.commit import draft
from tests.contracts.live import living, run, submission

KEYS = ("a", "b", "c")
TINY = JournalOptions(head_memory_bytes=2_600)  # four heads without payload
NOTHING = JournalOptions(head_memory_bytes=1)


async def version_of(live: LiveJournal, key: str, namespace: str = "diary") -> int:
    _, head = await live.head(namespace, key)
    return 0 if head.row is None else head.row.version


class Acknowledged:
    """The newest version of each key that some writer was told is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions = dict.fromkeys(KEYS, 0)

    def tell(self, key: str, version: int) -> None:
        with self._lock:
            self._versions[key] = max(version, self._versions[key])

    def newest(self, key: str) -> int:
        with self._lock:
            return self._versions[key]


@contextmanager
def climbing(journal: Journal, acknowledged: Acknowledged, seed: int, commits: int) -> Iterator[threading.Thread]:
    """A thread that commits the next versions of random keys, against whoever else does."""
    rng = random.Random(seed)

    def climb() -> None:
        done = 0
        while done < commits:
            key = rng.choice(KEYS)
            try:
                made = journal.append(key, b"", version=acknowledged.newest(key) + 1, author="me")
            except VersionConflict as e:
                acknowledged.tell(key, e.expected - 1)
            else:
                acknowledged.tell(key, made.version)
                done += 1

    thread = threading.Thread(target=climb)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


@pytest.mark.parametrize("options", [JournalOptions(), TINY, NOTHING], ids=["roomy", "tiny", "none"])
@pytest.mark.parametrize("writers", ["own", "others", "both"])
def test_a_read_never_shows_less_than_was_acknowledged_before_it(
    journal_url: str, second_of: Callable[[Journal], Journal], options: JournalOptions, writers: str, seed: int
) -> None:
    acknowledged = Acknowledged()

    async def write(live: LiveJournal, commits: int) -> None:
        rng = random.Random(seed)
        while commits:
            key = rng.choice(KEYS)
            try:
                rows = await live.commit(submission(key, acknowledged.newest(key) + 1))
            except VersionConflict as e:
                acknowledged.tell(key, e.expected - 1)
            else:
                acknowledged.tell(key, rows[0].version)
                commits -= 1

    async def read(live: LiveJournal, rng: random.Random, until: Callable[[], bool]) -> int:
        revision, reads = 0, 0
        while not until():
            key = rng.choice(KEYS)
            least = acknowledged.newest(key)
            state, head = await live.head("diary", key)
            version = 0 if head.row is None else head.row.version
            assert version >= least, f"{key} {version} was shown after {least} was acknowledged"
            assert state.revision >= revision, "one reader's moments never go back"
            assert head.row is None or head.row.revision <= state.revision
            revision = state.revision
            reads += 1
        return reads

    with Journal(journal_url, options=options) as journal:
        other = second_of(journal)

        async def main() -> None:
            async with living(journal) as live:
                with climbing(other, acknowledged, seed, 20 if writers != "own" else 0) as thread:
                    own = asyncio.create_task(write(live, 20 if writers != "others" else 0))
                    readers = [
                        read(live, random.Random(seed + n), lambda: own.done() and not thread.is_alive())
                        for n in range(2)
                    ]
                    assert sum(await asyncio.gather(*readers)) > 0
                    await own

        run(main())
        assert journal.verify().ok


def test_a_commit_elsewhere_is_seen_by_the_next_read(journal: Journal, second: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            assert await version_of(live, "k") == 0
            for version in range(1, 30):
                await live.in_thread(lambda v: second.append("k", b"%d" % v, version=v, author="me"), version)
                assert await version_of(live, "k") == version
            await live.in_thread(lambda: second.append("k", None, version=30, author="me"))
            state, head = await live.head("diary", "k")
            assert head.row is not None
            assert head.row.is_empty
            assert state.revision == 30

    run(main())


def test_too_many_changes_elsewhere_to_follow_one_by_one(journal: Journal, second: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            await live.commit(submission("k0"))
            await live.commit(submission("still"))
            assert await version_of(live, "k0") == 1
            assert await version_of(live, "still") == 1
            many = [draft(f"k{n}", b"", version=2 if n == 0 else 1, author="me") for n in range(5_000)]
            await live.in_thread(lambda: second.append_many(many))
            assert [await version_of(live, key) for key in ("k0", "k4999", "still", "never")] == [2, 1, 1, 0]

    run(main())


def test_what_was_pushed_out_of_memory_is_read_again(journal_url: str, seed: int) -> None:
    rng = random.Random(seed)
    with Journal(journal_url, options=TINY) as journal:
        journal.append_many([draft(f"k{n}", b"%d" % n, version=1, author="me") for n in range(40)])

        async def main() -> None:
            async with living(journal) as live:
                for n in (rng.randrange(60) for _ in range(200)):
                    _, head = await live.head("diary", f"k{n}")
                    assert (head.row.payload if head.row else None) == (b"%d" % n if n < 40 else None)
                    assert live.heads.memory.size <= 2_600
                answers = await asyncio.gather(*(live.head("diary", f"k{n}") for n in range(60)))
                assert [h.row is not None for _, h in answers] == [n < 40 for n in range(60)]

        run(main())


def test_a_head_too_large_to_remember_is_answered_however_fast_it_changes(journal_url: str) -> None:
    payload = bytes(900_000)
    with Journal(journal_url, options=JournalOptions(head_memory_bytes=100_000)) as journal:

        async def main() -> None:
            async with living(journal) as live:

                async def write() -> None:
                    for version in range(1, 40):
                        await live.commit(submission("large", version, payload=payload))

                writing = asyncio.create_task(write())
                seen = []
                while not writing.done():
                    seen.append(await version_of(live, "large"))
                await writing
                assert seen == sorted(seen)
                assert len(live.heads.memory) == 0

        run(main())


def test_a_reader_that_leaves_disturbs_nobody(journal: Journal) -> None:
    journal.append("a", b"", version=1, author="me")

    async def main() -> None:
        async with living(journal) as live:
            for _ in range(20):
                readers = [asyncio.create_task(version_of(live, "a")) for _ in range(8)]
                await asyncio.sleep(0)
                for reader in readers[::2]:
                    reader.cancel()
                answers = await asyncio.gather(*readers, return_exceptions=True)
                assert answers[1::2] == [1] * 4
                assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])

    run(main())


def test_a_database_that_does_not_answer_is_an_error_and_then_it_is_over(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            await live.commit(submission("a"))
            read = live.heads._read_heads
            failures: Iterator[Exception] = iter([UnavailableError("away"), RuntimeError("surprise")])

            async def fail(_keys: object) -> None:  # type: ignore[misc]
                raise next(failures)

            live.heads._read_heads = fail  # type: ignore[assignment]
            for _ in range(2):
                answers = await asyncio.gather(*(live.head("diary", "a") for _ in range(3)), return_exceptions=True)
                assert all(isinstance(answer, UnavailableError) for answer in answers)
            live.heads._read_heads = read
            assert await version_of(live, "a") == 1

    run(main())


def test_namespaces_made_and_closed_elsewhere(journal: Journal, second: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            with pytest.raises(NamespaceNotFound):
                await live.head("new", "k")
            await live.in_thread(lambda: second.create_namespace("new"))
            assert await version_of(live, "k", "new") == 0
            await live.in_thread(lambda: second.append("k", b"", version=1, author="me", namespace="new"))
            assert await version_of(live, "k", "new") == 1
            await live.in_thread(lambda: set_namespace_closed(second.engine, "new", True))
            assert await version_of(live, "k", "new") == 1
            assert (await live.namespace("new")).is_closed

    run(main())


def test_states_are_read_when_they_are_asked_for(journal: Journal, second: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            for version in range(1, 10):
                if version % 2:
                    await live.in_thread(lambda v: second.append("k", b"", version=v, author="me"), version)
                else:
                    await live.commit(submission("k", version))
                assert (await live.heads.state()).revision == version

    run(main())
