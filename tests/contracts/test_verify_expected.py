"""Verification against a position that was kept elsewhere: what no journal can find out from inside itself."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from rainer.database.schema import commits, heads
from rainer.database.schema import journal as state
from rainer.journal import Journal
from rainer.journal.administration import adopt_engine
from rainer.model.commit import draft
from rainer.model.position import Position
from tests.contracts.recomputed import recompute
from tests.contracts.tables import copy_of, restore, stored, tamper

LENGTH = 12


@pytest.fixture
def written(journal: Journal) -> Journal:
    """Twelve commits on four keys."""
    journal.append_many([draft(f"k{n % 4}", b"%d" % n, version=n // 4 + 1, author="me") for n in range(LENGTH)])
    return journal


def at(revision: int) -> sa.Update:
    return sa.update(commits).where(commits.c.revision == revision)


def cut_tail(journal: Journal, to: int) -> None:
    """Make the journal look as if it had never had more than `to` commits; nothing inside it can tell."""
    rows = [row for row in stored(journal) if row.revision <= to]
    newest = {(row.namespace_id, row.key): row for row in rows}
    backup = copy_of(journal)
    backup[commits] = [row._asdict() for row in rows]
    backup[heads] = [
        {"namespace_id": n, "key": k, "version": r.version, "revision": r.revision, "is_empty": r.is_empty}
        for (n, k), r in newest.items()
    ]
    backup[state][0] |= {"revision": to, "chain": rows[-1].hash}
    restore(journal, backup)


def test_a_cut_tail_is_found_by_a_position_kept_elsewhere(written: Journal) -> None:
    kept = written.position()
    cut_tail(written, 9)
    assert written.verify().ok, "from inside nothing is wrong"
    found = written.verify(expect=kept)
    assert found.first_bad == 10
    written.append("new", b"", version=1, author="me")
    assert written.verify(expect=kept).first_bad == 11
    for n in range(2):
        written.append(f"more{n}", b"", version=1, author="me")
    assert written.position().revision == kept.revision
    assert written.verify().ok
    assert written.verify(expect=kept).first_bad == kept.revision


def test_a_history_rewritten_with_all_its_hashes_is_found_by_an_earlier_position(written: Journal) -> None:
    kept = written.position()
    rows = stored(written)
    rows[4] = rows[4]._replace(author="you")
    hashes = recompute(rows, {n.id: n.name for n in written.namespaces().values()})
    tamper(
        written,
        at(5).values(author="you"),
        *(at(n).values(hash=h) for n, h in enumerate(hashes, 1)),
        sa.update(state).values(chain=hashes[-1]),
    )
    assert written.verify().ok
    assert written.verify(expect=kept).first_bad == LENGTH


def test_a_position_of_another_journal(written: Journal) -> None:
    with Journal() as other:
        found = written.verify(expect=other.position())
    assert not found.ok
    assert "lineage" in found.problems[0]
    unknown = Position(written.position().lineage, 3, bytes(32))
    assert written.verify(expect=unknown).first_bad == 3


def test_a_position_of_an_earlier_lineage_is_still_expected(written: Journal) -> None:
    kept = written.position()
    adopt_engine(written.engine)
    written.append("new", b"", version=1, author="me")
    assert written.verify(expect=kept).ok
