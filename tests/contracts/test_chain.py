"""The hash chain and the journal's clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rainer.journal import Journal
from rainer.model import times
from rainer.model.commit import draft
from rainer.model.position import Position
from tests.contracts.recomputed import recompute
from tests.contracts.tables import stored


def test_the_chain_is_what_its_description_says(journal: Journal) -> None:
    journal.create_namespace("other", payload_bytes_max=8_000_000)
    journal.append("a", b"", version=1, author="me")
    journal.append("a", None, version=2, author="m\u00fc", comment="x\ny\U0001f600", commit_id="id-1")
    journal.append_many(
        [
            draft("k\u6f22", bytes(range(256)), version=1, author="a", mtime=datetime(1, 1, 1, tzinfo=UTC)),
            draft("k", b"2", version=1, author="b", namespace="other", mtime=datetime(9999, 12, 31, tzinfo=UTC)),
            draft("a", b"3", version=3, author="c"),
        ],
        commit_id="id-2",
    )
    journal.append("large", bytes(7_000_000), version=1, author="me", namespace="other")
    names = {n.id: n.name for n in journal.namespaces().values()}
    hashes = recompute(stored(journal), names)
    assert [bytes(row.hash) for row in stored(journal)] == hashes
    assert journal.position().chain == hashes[-1]
    assert [journal.changes(n, limit=1).chain for n in range(6)] == [
        hashes[0],
        *hashes[1:2],
        *[hashes[4]] * 3,
        hashes[5],
    ]


def test_a_position_is_text_and_back(journal: Journal) -> None:
    assert journal.position() == Position(journal.position().lineage, 0, bytes(32))
    journal.append("a", b"", version=1, author="me")
    position = journal.position()
    assert Position.parse(str(position)) == position
    assert position.revision == 1


def test_two_journals_never_share_a_lineage(journal: Journal) -> None:
    with Journal() as other:
        assert other.position().lineage != journal.position().lineage


def test_the_journals_clock_never_goes_back(journal: Journal, second: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    start = times.now_ms() + 1_000
    clock = [start, start - 60_000, start - 1, start + 5, start, -start]
    shown = [start]
    monkeypatch.setattr("rainer.journal.transact.now_ms", lambda: shown[0])
    for version, (shown[0], writer) in enumerate(zip(clock, [journal, journal, second] * 2, strict=True), 1):
        writer.append("k", b"", version=version, author="me")
    rows = stored(journal)
    assert [row.recorded_ms - start for row in rows] == [0, 0, 0, 5, 5, 5]
    assert [row.mtime_ms for row in rows] == clock
    assert journal.verify().ok
