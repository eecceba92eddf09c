"""Verification names the first revision that is wrong, whoever tampered, and nothing where nobody did."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from rainer.database.schema import commits, heads, namespaces
from rainer.database.schema import journal as state
from rainer.journal import Journal
from rainer.model.commit import draft
from tests.contracts.tables import stored, tamper

LENGTH = 12


@pytest.fixture
def written(journal: Journal) -> Journal:
    """Twelve commits on three keys of two namespaces, a removal, a changeset."""
    journal.create_namespace("other")
    for n in range(1, 10):
        payload = None if n == 5 else b"p%d" % n
        journal.append(
            f"k{n % 3}", payload, version=(n - 1) // 3 + 1, author="me", namespace=("diary", "other")[n % 3 == 0]
        )
    journal.append_many([draft(f"s{n}", b"", version=1, author="me") for n in range(3)])
    return journal


def at(revision: int) -> sa.Update:
    return sa.update(commits).where(commits.c.revision == revision)


EDITS = {
    "key": {"key": "other"},
    "version": {"version": 99},
    "author": {"author": "you"},
    "comment": {"comment": "lie"},
    "mtime": {"mtime_ms": 1},
    "clock": {"recorded_ms": 1},
    "payload": {"payload": b"lie"},
    "payload and digest": {"payload": b"lie", "payload_sha256": hashlib.sha256(b"lie").digest()},
    "payload gone": {"payload": None},
    "made empty": {"payload": None, "payload_sha256": None, "is_empty": True},
    "flag": {"is_empty": True},
    "namespace": {"namespace_id": 2},
    "namespace that is none": {"namespace_id": 77},
    "commit id": {"commit_id": "other"},
    "changeset": {"changeset": 8},
    "hash": {"hash": bytes(32)},
    "hash cut": {"hash": b"\x01"},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
@pytest.mark.parametrize("revision", [1, 7])
def test_an_edited_row(written: Journal, edit: dict[str, object], revision: int) -> None:
    tamper(written, at(revision).values(**edit))
    found = written.verify()
    assert not found.ok
    assert found.first_bad == revision, found.problems
    assert found.problems[0].startswith(f"revision {revision}:")


# What a hand at the database's own shell leaves behind: values of the wrong kind, where the database takes them.
BY_HAND = {
    "sqlite": [
        "payload = 'text'",
        "hash = 'text'",
        "author = x'ff'",
        "\"key\" = x'ff'",
        "mtime_ms = 'soon'",
        "version = 'x'",
        "recorded_ms = x'00'",
    ],
    "postgresql": [
        "payload = 'text'",
        "hash = 'text'",
        "author = ''",
        "\"key\" = ''",
        "mtime_ms = -1",
        "version = -1",
        "recorded_ms = -1",
    ],
    "mysql": [
        "payload = 'text'",
        "hash = 'text'",
        "author = ''",
        "`key` = x'ff'",
        "mtime_ms = '-1'",
        "version = '-1'",
        "recorded_ms = '-1'",
    ],
}


@pytest.mark.parametrize("which", range(7))
def test_a_row_edited_by_hand_with_whatever_the_database_takes(written: Journal, which: int) -> None:
    tamper(written, f"UPDATE commits SET {BY_HAND[written.engine.dialect.name][which]} WHERE revision = 7")
    found = written.verify()
    assert found.first_bad == 7, found.problems


def test_nothing_is_found_where_nobody_tampered(written: Journal) -> None:
    progress: list[tuple[int, int]] = []
    found = written.verify(expect=written.position(), progress=lambda done, total: progress.append((done, total)))
    assert found.ok
    assert (found.commits, found.first_bad, found.position) == (LENGTH, None, written.position())
    assert progress[-1] == (LENGTH, LENGTH)


def test_an_empty_journal_verifies(journal: Journal) -> None:
    assert journal.verify(expect=journal.position()).ok


@pytest.mark.parametrize("revision", [1, 6, LENGTH])
def test_a_dropped_row(written: Journal, revision: int) -> None:
    tamper(written, sa.delete(commits).where(commits.c.revision == revision))
    assert written.verify().first_bad == revision


def test_all_rows_dropped(written: Journal) -> None:
    tamper(written, sa.delete(commits))
    assert written.verify().first_bad == 1


def insert_copy(journal: Journal, of: int, revision: int, **values: object) -> None:
    row = next(r for r in stored(journal) if r.revision == of)._asdict()
    tamper(journal, sa.insert(commits).values(**row | {"revision": revision, "key": "invented"} | values))


def test_an_inserted_row(written: Journal) -> None:
    insert_copy(written, 4, LENGTH + 1)
    assert written.verify().first_bad == LENGTH + 1
    insert_copy(written, 4, 0, version=99)
    assert written.verify().first_bad == 0


def test_a_row_inserted_in_the_middle_with_the_rest_moved_up(written: Journal) -> None:
    for revision in range(LENGTH, 4, -1):
        tamper(
            written,
            at(revision).values(revision=revision + 1),
            sa.update(heads).where(heads.c.revision == revision).values(revision=revision + 1),
        )
    insert_copy(written, 4, 5)
    tamper(written, sa.update(state).values(revision=LENGTH + 1))
    assert written.verify().first_bad == 5


def test_two_rows_swapped(written: Journal) -> None:
    tamper(written, at(3).values(revision=1_000), at(9).values(revision=3), at(1_000).values(revision=9))
    assert written.verify().first_bad == 3


def test_an_author_swapped_between_two_rows_of_one_key(written: Journal) -> None:
    tamper(written, at(2).values(payload=b"p8"), at(8).values(payload=b"p2"))
    assert written.verify().first_bad == 2


HEADS: dict[str, tuple[Callable[[], sa.Update | sa.Delete | sa.Insert], int]] = {
    "version": (lambda: sa.update(heads).where(heads.c.revision == 7).values(version=1), 7),
    "revision on": (lambda: sa.update(heads).where(heads.c.revision == 7).values(revision=8), 7),
    "revision back": (lambda: sa.update(heads).where(heads.c.revision == 7).values(revision=4), 7),
    "flag": (lambda: sa.update(heads).where(heads.c.revision == 7).values(is_empty=True), 7),
    "dropped": (lambda: sa.delete(heads).where(heads.c.revision == 7), 7),
    "renamed": (lambda: sa.update(heads).where(heads.c.revision == 7).values(key="other"), 7),
    "invented": (
        lambda: sa.insert(heads).values(namespace_id=1, key="invented", version=1, revision=3, is_empty=False),
        3,
    ),
}


@pytest.mark.parametrize(("edit", "revision"), HEADS.values(), ids=HEADS.keys())
def test_an_edited_head(written: Journal, edit: Callable[[], sa.Update | sa.Delete | sa.Insert], revision: int) -> None:
    tamper(written, edit())
    found = written.verify()
    assert found.first_bad == revision, found.problems


def test_a_renamed_namespace(written: Journal) -> None:
    tamper(written, sa.update(namespaces).where(namespaces.c.name == "other").values(name="else"))
    assert written.verify().first_bad == 3
    tamper(written, sa.delete(namespaces).where(namespaces.c.name == "diary"))
    assert written.verify().first_bad == 1


def test_an_edited_journal_row(written: Journal) -> None:
    tamper(written, sa.update(state).values(chain=bytes(32)))
    assert written.verify().first_bad == LENGTH
    tamper(written, sa.update(state).values(revision=LENGTH + 2))
    assert written.verify().first_bad == LENGTH + 1
    tamper(written, sa.update(state).values(revision=LENGTH - 2))
    assert written.verify().first_bad in (LENGTH - 2, LENGTH - 1)


def test_many_faults_are_counted_but_the_first_is_named(journal: Journal) -> None:
    journal.append_many([draft(f"k{n}", b"", version=1, author="me") for n in range(2_500)])
    tamper(journal, sa.update(commits).where(commits.c.revision >= 1_500).values(author="you"))
    found = journal.verify()
    assert found.first_bad == 1_500
    assert 1 <= len(found.problems) <= 20


def test_commits_made_meanwhile_are_no_fault(written: Journal, second: Journal) -> None:
    """A commit comes in at every step of the walk that asks the database."""
    versions = iter(range(1, 1_000))

    def commit(*_: object) -> None:
        if not commit.busy:  # type: ignore[attr-defined]
            commit.busy = True  # type: ignore[attr-defined]
            second.append("busy", b"", version=next(versions), author="me")
            commit.busy = False  # type: ignore[attr-defined]

    commit.busy = written.dialect == "memory"  # type: ignore[attr-defined]  # one connection: the walk has it
    sa.event.listen(written.engine, "before_cursor_execute", commit)
    found = written.verify()
    assert found.ok, found.problems
    assert found.commits >= LENGTH


def test_a_verification_holds_some_payloads_in_memory_never_all(journal: Journal) -> None:
    size, count = 900_000, 60
    for n in range(count):
        journal.append(f"k{n}", bytes([n]) * size, version=1, author="me")
    tracemalloc.start()
    try:
        assert journal.verify().ok
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size * count / 2
