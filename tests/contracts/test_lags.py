"""How far copies are behind, asked of every kind of database."""

from __future__ import annotations

from rainer.journal import Journal
from rainer.journal.lags import standings
from rainer.model.commit import draft


def test_standings(journal: Journal) -> None:
    journal.create_namespace("flags")
    for version in (1, 2, 3):
        journal.append_many([draft("k", b"x", version=version, author="me")])
    journal.append_many([draft("f", b"x", version=1, author="me", namespace="flags")])
    found = standings(journal.engine, [("diary", 1), ("diary", 3), ("diary", 9), ("flags", 0), ("gone", 1)])
    assert (found.lineage, found.revision) == (journal.position().lineage, 4)
    assert {name: one.newest for name, one in found.namespaces.items()} == {"diary": 3, "flags": 4}
    recorded = {
        row.revision: row.recorded_ms for row in journal.reads.changes(0, namespace=None, limit=9, payloads=False).rows
    }
    assert found.namespaces["diary"].next_ms == {1: recorded[2]}
    assert found.namespaces["flags"].next_ms == {0: recorded[4]}
    many = standings(journal.engine, [("diary", 0)] + [("diary", -n) for n in range(200)])
    assert set(many.namespaces["diary"].next_ms.values()) == {recorded[1]}
