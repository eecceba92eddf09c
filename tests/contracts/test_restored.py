"""A database restored from an older copy under a live journal: no read, commit or number of a namespace outlives it."""

from __future__ import annotations

import itertools

import pytest

from rainer.errors import NamespaceNotFound, VersionConflict
from rainer.journal import Journal, LiveJournal
from rainer.model.commit import draft
from tests.contracts.live import living, run, submission
from tests.contracts.tables import copy_of, restore

KEYS = ("a", "b", "c")


async def version_of(live: LiveJournal, key: str, namespace: str = "diary") -> int:
    _, head = await live.head(namespace, key)
    return 0 if head.row is None else head.row.version


def test_a_restored_database_is_noticed_by_every_read(journal: Journal) -> None:
    """Back to an older copy, then on to as many commits, and more, of another history."""
    journal.append_many([draft(key, b"old", version=1, author="me") for key in KEYS])
    backup = copy_of(journal)
    for version, key in itertools.product((2, 3), KEYS):
        journal.append(key, b"lost", version=version, author="me")

    async def payloads(live: LiveJournal) -> list[bytes | None]:
        rows = [(await live.head("diary", key))[1].row for key in KEYS]
        return [row.payload if row else None for row in rows]

    async def main() -> None:
        async with living(journal) as live:
            assert await payloads(live) == [b"lost"] * 3
            await live.commit(submission("a", 4, payload=b"lost too"))
            await live.in_thread(restore, journal, backup)
            assert await payloads(live) == [b"old"] * 3
            for n in range(9):  # past the revision that was lost
                await live.commit(submission(KEYS[n % 3], n // 3 + 2, payload=b"found %d" % n))
            assert await payloads(live) == [b"found 6", b"found 7", b"found 8"]
            assert (await live.heads.state()).revision == 12

    run(main())
    assert journal.verify().ok


def test_a_database_restored_and_written_on_by_others_before_anybody_looks(journal: Journal, second: Journal) -> None:
    journal.append_many([draft(key, b"old", version=1, author="me") for key in KEYS])
    backup = copy_of(journal)

    async def main() -> None:
        async with living(journal) as live:
            for version in (2, 3, 4):
                await live.commit(submission("a", version, payload=b"lost"))
            assert await version_of(live, "a") == 4
            assert await version_of(live, "b") == 1
            await live.in_thread(restore, second, backup)
            for n in range(5):
                await live.in_thread(lambda v: second.append("b", b"found", version=v, author="me"), n + 2)
            assert [await version_of(live, key) for key in KEYS] == [1, 6, 1]
            with pytest.raises(VersionConflict) as caught:
                await live.commit(submission("a", 5))
            assert caught.value.expected == 2
            assert (await live.commit(submission("a", 2)))[0].revision == 9

    run(main())
    assert journal.verify().ok


def test_namespaces_of_a_restored_database_may_have_other_numbers(journal: Journal) -> None:
    backup = copy_of(journal)
    journal.create_namespace("one")
    journal.create_namespace("two")
    journal.append("k", b"of two", version=1, author="me", namespace="two")

    async def main() -> None:
        async with living(journal) as live:
            _, head = await live.head("two", "k")
            assert head.row is not None
            await live.in_thread(restore, journal, backup)
            with pytest.raises(NamespaceNotFound):
                await live.head("two", "k")
            await live.in_thread(lambda: journal.create_namespace("two"))
            assert await version_of(live, "k", "two") == 0
            await live.commit(submission("k"))
            await live.in_thread(lambda: journal.append("k", b"of new two", version=1, author="me", namespace="two"))
            _, head = await live.head("two", "k")
            assert head.row is not None
            assert head.row.payload == b"of new two"

    run(main())
