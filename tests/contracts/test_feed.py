"""The change feed: complete, in order, never splitting a changeset, and honest about positions it does not hold."""

from __future__ import annotations

import uuid

import pytest

from rainer.errors import PositionGone
from rainer.journal import Changes, Journal
from rainer.journal.administration import adopt_engine
from rainer.model.commit import draft
from tests.contracts.tables import copy_of, restore


def pages(journal: Journal, since: int = 0, **options: object) -> list[Changes]:
    """All pages up to where the feed has nothing more at once."""
    found = []
    while True:
        page = journal.changes(since, **options)  # type: ignore[arg-type]
        found.append(page)
        assert page.revision >= since
        since = page.revision
        if not page.more:
            return found


@pytest.fixture
def mixed(journal: Journal) -> Journal:
    """Singles and changesets of 2 to 4 commits over two namespaces."""
    journal.create_namespace("other")
    number = 0
    for size in (1, 3, 1, 2, 4, 1, 1, 3):
        changeset = []
        for _ in range(size):
            number += 1
            namespace = "other" if number % 3 == 0 else "diary"
            changeset.append(draft(f"k{number}", b"p%d" % number, version=1, author="me", namespace=namespace))
        journal.append_many(changeset)
    return journal


def test_an_empty_journal(journal: Journal) -> None:
    page = journal.changes()
    assert (page.commits, page.revision, page.chain, page.more) == ([], 0, bytes(32), False)
    assert page.lineage == journal.position().lineage


def test_everything_in_order_with_its_position(mixed: Journal) -> None:
    page = mixed.changes(payloads=True)
    assert [c.revision for c in page.commits] == list(range(1, 17))
    assert [c.payload for c in page.commits] == [b"p%d" % n for n in range(1, 17)]
    assert [c.namespace for c in page.commits] == ["other" if n % 3 == 0 else "diary" for n in range(1, 17)]
    position = mixed.position()
    assert (page.lineage, page.revision, page.chain) == (position.lineage, position.revision, position.chain)
    assert [c.payload for c in mixed.changes().commits] == [None] * 16


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 16, 17, 10**30])
@pytest.mark.parametrize("namespace", [None, "diary", "other"])
def test_no_limit_splits_a_changeset(mixed: Journal, limit: int, namespace: str | None) -> None:
    ends = {1, 4, 5, 7, 11, 12, 13, 16}
    found = pages(mixed, limit=limit, namespace=namespace)
    assert all(page.revision in ends for page in found)
    commits = [c for page in found for c in page.commits]
    assert [c.revision for c in commits] == [
        n for n in range(1, 17) if namespace in (None, "other" if n % 3 == 0 else "diary")
    ]
    assert all(len(page.commits) <= max(limit, 4) for page in found)
    for page in found:
        assert page.chain == mixed.changes(page.revision).chain or page.revision < 16
    if limit == 1 and namespace is None:
        assert len(found) == 8


def test_a_quiet_namespace_moves_on(mixed: Journal) -> None:
    mixed.create_namespace("quiet")
    page = mixed.changes(namespace="quiet")
    assert (page.commits, page.revision, page.more) == ([], 16, False)
    page = mixed.changes(14, namespace="other", limit=1)
    assert ([c.revision for c in page.commits], page.revision) == ([15], 16)


def test_each_pages_chain_is_that_of_its_revision(mixed: Journal) -> None:
    for page in pages(mixed, limit=1):
        again = mixed.reads.changes(page.revision, namespace=None, limit=1, payloads=False, chain=page.chain)
        assert again.state.lineage == page.lineage
        if page.revision < 16:
            with pytest.raises(PositionGone):
                mixed.reads.changes(page.revision, namespace=None, limit=1, payloads=False, chain=bytes(31) + b"x")


def test_positions_that_are_not_held(mixed: Journal) -> None:
    lineage = mixed.position().lineage
    assert mixed.changes(16, lineage=lineage).commits == []
    for since in (17, -1, 2**63, 10**30):
        with pytest.raises(PositionGone):
            mixed.changes(since)
    for other in (str(uuid.uuid4()), "", "nonsense", "\0"):
        with pytest.raises(PositionGone):
            mixed.changes(0, lineage=other)


def test_a_new_lineage_ends_the_old_ones_readers(mixed: Journal) -> None:
    old = mixed.position()
    new = adopt_engine(mixed.engine)
    assert new.lineage != old.lineage
    assert (new.revision, new.chain) == (old.revision, old.chain)
    with pytest.raises(PositionGone):
        mixed.changes(16, lineage=old.lineage)
    assert mixed.changes(16, lineage=new.lineage).lineage == new.lineage
    assert mixed.verify(expect=old).ok, "the history is the same"


def test_a_restored_journal_ends_readers_beyond_it_and_on_another_branch(mixed: Journal) -> None:
    backup = copy_of(mixed)
    lost = mixed.append("lost", b"", version=1, author="me")
    then = mixed.changes(16)
    restore(mixed, backup)
    with pytest.raises(PositionGone):
        mixed.changes(then.revision, lineage=then.lineage)
    mixed.append("found", b"", version=1, author="me")
    assert mixed.position().revision == lost.revision
    with pytest.raises(PositionGone):
        mixed.reads.changes(then.revision, namespace=None, limit=1, payloads=False, chain=then.chain)


def test_pages_of_large_payloads_are_cut_between_changesets(journal: Journal) -> None:
    size = 900_000
    for n in range(0, 30, 2):
        journal.append_many([draft(f"k{n + i}", bytes([n + i]) * size, version=1, author="me") for i in (0, 1)])
    found = pages(journal, payloads=True)
    assert len(found) > 1
    assert all(page.revision % 2 == 0 for page in found)
    assert [c.payload for page in found for c in page.commits] == [bytes([n]) * size for n in range(30)]


def test_more_rows_than_one_query_brings(journal: Journal) -> None:
    for start in range(0, 4_500, 1_500):
        journal.append_many([draft(f"k{start + n}", b"", version=1, author="me") for n in range(1_500)])
    for limit, size in ((1, 1_500), (2_999, 1_500), (3_000, 3_000), (4_499, 3_000), (4_500, 4_500), (9_000, 4_500)):
        page = journal.changes(limit=limit)
        assert (len(page.commits), page.revision, page.more) == (size, size, size < 4_500)
