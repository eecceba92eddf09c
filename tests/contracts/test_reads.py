"""Reading one key: any version, any past moment, its history."""

from __future__ import annotations

import pytest

from rainer.errors import InvalidError, NamespaceNotFound, NotFoundError, PositionGone, UnavailableError
from rainer.journal import Journal
from rainer.journal.columns import PORTION_BYTES

NOT_THERE = [-1, 5, 2**31, 2**63 - 1, 2**63, 10**40]


@pytest.fixture
def four(journal: Journal) -> Journal:
    """a1 b1 a2 a3-removed, at revisions 1 to 4."""
    journal.append("a", b"a1", version=1, author="me")
    journal.append("b", b"b1", version=1, author="me")
    journal.append("a", b"a2", version=2, author="me")
    journal.append("a", None, version=3, author="me")
    return journal


def test_the_head_as_of_each_revision(four: Journal) -> None:
    assert [four.get("a", at=at).version for at in (1, 2, 3, 4)] == [1, 1, 2, 3]
    assert four.get("b", at=2).payload == b"b1"
    for at in (0, 1):
        with pytest.raises(NotFoundError, match="Key not found"):
            four.get("b", at=at)
    assert four.get("a", 1, at=3).payload == b"a1"
    with pytest.raises(NotFoundError):
        four.get("a", 2, at=2)


def test_lists_as_of_each_revision(four: Journal) -> None:
    def at(revision: int) -> list[tuple[str, int]]:
        return [(c.key, c.version) for c in four.heads(at=revision)]

    assert [at(n) for n in range(5)] == [
        [],
        [("a", 1)],
        [("a", 1), ("b", 1)],
        [("a", 2), ("b", 1)],
        [("b", 1)],
    ]
    assert [(c.key, c.version) for c in four.heads(at=4, include_empty=True)] == [("a", 3), ("b", 1)]


@pytest.mark.parametrize("at", NOT_THERE)
def test_a_revision_that_the_journal_does_not_hold(four: Journal, at: int) -> None:
    for read in (lambda: four.get("a", at=at), lambda: four.heads(at=at), lambda: four.changes(at)):
        with pytest.raises(PositionGone):
            read()


def test_a_log_is_newest_first_and_can_be_paged(journal: Journal) -> None:
    for version in range(1, 8):
        journal.append("k", b"%d" % version, version=version, author="me")
    assert [c.version for c in journal.log("k")] == [7, 6, 5, 4, 3, 2, 1]
    assert [c.version for c in journal.log("k", limit=3)] == [7, 6, 5]
    assert [c.version for c in journal.log("k", before=5, limit=3)] == [4, 3, 2]
    assert [c.version for c in journal.log("k", before=10**30)] == [7, 6, 5, 4, 3, 2, 1]
    assert [c.payload for c in journal.log("k", limit=1)] == [b"7"]
    assert journal.log("k", before=1) == []
    assert journal.log("k", before=-(10**30)) == []


def test_a_log_tells_whether_there_is_more(journal: Journal) -> None:
    for version in range(1, 4):
        journal.append("k", b"", version=version, author="me")

    def log(limit: int, at: int | None = None) -> tuple[list[int], bool]:
        _, rows, more = journal.reads.log("diary", "k", before=None, limit=limit, at=at, payloads=False)
        return [row.version for row in rows], more

    assert log(2) == ([3, 2], True)
    assert log(3) == ([3, 2, 1], False)
    assert log(4) == ([3, 2, 1], False)
    assert log(2, at=2) == ([2, 1], False)


def test_a_log_of_nothing(journal: Journal) -> None:
    journal.append("k", b"", version=1, author="me")
    for before in (None, 5):
        with pytest.raises(NotFoundError, match="Key not found"):
            journal.log("other", before=before)
    with pytest.raises(NamespaceNotFound):
        journal.log("k", namespace="nowhere")
    for limit in (0, -1):
        with pytest.raises(InvalidError):
            journal.log("k", limit=limit)
        with pytest.raises(InvalidError):
            journal.changes(limit=limit)


@pytest.mark.parametrize(
    "name", ["", "Diary", "diary ", " diary", "DIARY", "d\u00efary", "a\0b", "\ud800", "x" * 65, "1", "a/b"]
)
def test_what_no_namespace_can_be_called_is_not_found(journal: Journal, name: str) -> None:
    for read in (
        lambda: journal.get("k", namespace=name),
        lambda: journal.heads(name),
        lambda: journal.log("k", namespace=name),
        lambda: journal.changes(namespace=name),
        lambda: journal.namespace(name),
    ):
        with pytest.raises(NamespaceNotFound):
            read()


@pytest.mark.parametrize("key", ["", "a/b", "\0", "\ud800", "\U0001f600", ".", "..", "x" * 256])
def test_what_is_no_key_is_invalid_in_reads_too(journal: Journal, key: str) -> None:
    with pytest.raises(InvalidError):
        journal.get(key)
    with pytest.raises(InvalidError):
        journal.log(key)


def test_reads_without_payloads_do_not_load_them(journal: Journal) -> None:
    for version, payload in enumerate((b"small", bytes(900_000), b"", None), 1):
        journal.append("k", payload, version=version, author="me")
    assert [(c.payload, c.is_empty) for c in journal.log("k", payloads=False)] == [
        (None, True),
        (None, False),
        (None, False),
        (None, False),
    ]


def test_histories_of_large_payloads_come_whole_but_never_at_once(journal: Journal) -> None:
    journal.create_namespace("large", payload_bytes_max=3_000_000)
    sizes = [3_000_000, 10, 2_999_999, 2_999_998, 0, 2_999_997, 17_000, 2_999_996]
    for version, size in enumerate(sizes, 1):
        journal.append("k", bytes([version]) * size, version=version, author="me", namespace="large")
    found = journal.log("k", namespace="large")
    assert [c.payload for c in found] == [bytes([v]) * s for v, s in reversed(list(enumerate(sizes, 1)))]
    _, rows, more = journal.reads.log("large", "k", before=None, limit=100, at=None, payloads=True)
    assert more
    assert sum(len(row.payload or b"") for row in rows) <= PORTION_BYTES


def test_a_closed_journal_answers_nobody(journal: Journal) -> None:
    journal.append("k", b"", version=1, author="me")
    journal.close()
    journal.close()
    for call in (
        lambda: journal.get("k"),
        lambda: journal.heads(),
        lambda: journal.position(),
        lambda: journal.append("k", b"", version=2, author="me"),
        lambda: journal.verify(),
        lambda: journal.create_namespace("n"),
    ):
        with pytest.raises(UnavailableError, match="closed"):
            call()
