"""Changesets: all or nothing, in order, of any size up to the limit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rainer import limits
from rainer.errors import InvalidError, NamespaceClosed, NamespaceNotFound, TooLargeError, VersionConflict
from rainer.journal import Journal
from rainer.journal.administration import set_namespace_closed
from rainer.model.commit import Draft, draft
from tests.contracts.tables import stored


def drafts(*pairs: tuple[str, int]) -> list[Draft]:
    return [draft(key, b"%d" % version, version=version, author="me") for key, version in pairs]


def test_a_changeset_is_one_run_of_revisions(journal: Journal) -> None:
    journal.append("a", b"", version=1, author="me")
    made = journal.append_many(drafts(("b", 1), ("a", 2), ("c", 1)))
    assert [(c.key, c.version, c.revision) for c in made] == [("b", 1, 2), ("a", 2, 3), ("c", 1, 4)]
    assert [row.changeset for row in stored(journal)] == [1, 4, 4, 4]


def test_one_stale_version_refuses_all_and_names_each_conflict(journal: Journal) -> None:
    journal.append("a", b"", version=1, author="me")
    before = journal.position()
    with pytest.raises(VersionConflict) as caught:
        journal.append_many(drafts(("new", 1), ("a", 1), ("b", 7), ("other", 1)))
    assert [(c.namespace, c.key, c.expected, c.provided) for c in caught.value.conflicts] == [
        ("diary", "a", 2, 1),
        ("diary", "b", 1, 7),
    ]
    assert journal.position() == before
    assert [c.key for c in journal.heads()] == ["a"]


def test_one_key_may_come_several_times_in_version_order(journal: Journal) -> None:
    journal.append_many(drafts(("a", 1), ("b", 1), ("a", 2), ("a", 3)))
    assert [c.version for c in journal.log("a")] == [3, 2, 1]
    assert journal.get("a").payload == b"3"
    for wrong in ([("a", 4), ("a", 4)], [("a", 5), ("a", 4)], [("a", 4), ("a", 6)]):
        with pytest.raises(VersionConflict) as caught:
            journal.append_many(drafts(*wrong))
        assert len(caught.value.conflicts) == 1, "one conflict a key"
    assert journal.get("a").version == 3


def test_a_conflict_inside_a_changeset_names_the_version_that_would_be_next(journal: Journal) -> None:
    with pytest.raises(VersionConflict) as caught:
        journal.append_many(drafts(("a", 1), ("a", 2), ("a", 4)))
    assert (caught.value.expected, caught.value.provided) == (3, 4)


def test_a_changeset_spans_namespaces_and_carries_each_commits_own_words(journal: Journal) -> None:
    journal.create_namespace("other")
    mtime = datetime(2020, 1, 1, tzinfo=UTC)
    made = journal.append_many(
        [
            draft("k", b"1", version=1, author="a", comment="one"),
            draft("k", None, version=1, author="b", comment="two", namespace="other", mtime=mtime),
        ]
    )
    assert [(c.namespace, c.author, c.comment, c.is_empty) for c in made] == [
        ("diary", "a", "one", False),
        ("other", "b", "two", True),
    ]
    assert made[1].mtime == mtime
    assert journal.get("k", namespace="other") == made[1]


def test_one_bad_namespace_or_payload_refuses_all(journal: Journal) -> None:
    journal.create_namespace("closed")
    set_namespace_closed(journal.engine, "closed", True)
    good = draft("a", b"", version=1, author="me")
    for bad, error in (
        (draft("b", b"", version=1, author="me", namespace="nowhere"), NamespaceNotFound),
        (draft("b", b"", version=1, author="me", namespace="closed"), NamespaceClosed),
        (draft("b", bytes(limits.PAYLOAD_BYTES_DEFAULT + 1), version=1, author="me"), TooLargeError),
    ):
        with pytest.raises(error):
            journal.append_many([good, bad])
    assert journal.position().revision == 0


def test_an_empty_changeset_and_one_too_long_are_refused(journal: Journal) -> None:
    with pytest.raises(InvalidError, match="empty"):
        journal.append_many([])
    one = draft("a", b"", version=1, author="me")
    with pytest.raises(TooLargeError, match="20001 commits"):
        journal.append_many([one] * (limits.CHANGESET_COMMITS_MAX + 1))


def test_ten_thousand_commits_with_one_stale_version_and_then_without(journal: Journal) -> None:
    journal.append("k05000", b"", version=1, author="me")
    many = drafts(*((f"k{n:05}", 1) for n in range(10_000)))
    with pytest.raises(VersionConflict) as caught:
        journal.append_many(many)
    assert [c.key for c in caught.value.conflicts] == ["k05000"]
    assert journal.position().revision == 1
    many[5_000] = draft("k05000", b"mended", version=2, author="me")
    made = journal.append_many(many)
    assert [c.revision for c in made] == list(range(2, 10_002))
    assert journal.get("k05000").payload == b"mended"
    page = journal.changes(1, limit=1)
    assert (len(page.commits), page.revision, page.more) == (10_000, 10_001, False)
    assert journal.verify().ok


def test_the_largest_changeset(journal: Journal) -> None:
    made = journal.append_many(drafts(*((f"k{n}", 1) for n in range(limits.CHANGESET_COMMITS_MAX))))
    assert made[-1].revision == limits.CHANGESET_COMMITS_MAX
    assert sum(1 for _ in journal.heads(payloads=False)) == limits.CHANGESET_COMMITS_MAX
