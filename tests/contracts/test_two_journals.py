"""Two committers on one database: their groups interleave, nothing of one is lost on, or repeated by, the other."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

from rainer.errors import VersionConflict
from rainer.journal import Journal
from rainer.model.commit import Commit, draft
from tests.contracts.recomputed import recompute
from tests.contracts.tables import stored

KEYS = ("a", "b", "c", "d")


def climb(journal: Journal, seed: int, commits: int, start: threading.Barrier) -> tuple[list[Commit], int]:
    """Commit, alone and in changesets, whatever the heads allow; return what was acknowledged, and the refusals."""
    rng = random.Random(seed)
    made: list[Commit] = []
    refused = 0
    start.wait()
    while len(made) < commits:
        keys = rng.sample(KEYS, rng.choice((1, 1, 2, 3)))
        heads = {c.key: c.version for c in journal.heads(payloads=False)}
        offered = [draft(key, b"%d" % seed, version=heads.get(key, 0) + 1, author=f"{seed}") for key in keys]
        try:
            made += journal.append_many(offered)
        except VersionConflict:
            refused += 1
    return made, refused


def test_acknowledged_commits_of_both_stand_once_and_without_gaps(journal: Journal, second: Journal, seed: int) -> None:
    writers = 6
    start = threading.Barrier(writers)
    with ThreadPoolExecutor(writers) as threads:
        jobs = [threads.submit(climb, (journal, second)[n % 2], seed + n, 25, start) for n in range(writers)]
        results = [job.result() for job in jobs]
    acknowledged = [commit for made, _ in results for commit in made]
    rows = stored(journal)
    assert [row.revision for row in rows] == list(range(1, len(acknowledged) + 1))
    assert sorted((c.revision, c.key, c.version, c.author) for c in acknowledged) == [
        (row.revision, row.key, row.version, row.author) for row in rows
    ]
    for key in KEYS:
        versions = [row.version for row in rows if row.key == key]
        assert versions == list(range(1, len(versions) + 1))
    assert [bytes(row.hash) for row in rows] == recompute(rows, {1: "diary"})
    changesets = [row.changeset for row in rows]
    assert changesets == sorted(changesets), "no changeset is torn by another's commits"
    for reader in (journal, second):
        assert reader.verify(expect=journal.position()).ok
        assert {c.key: c.version for c in reader.heads()} == {key: sum(r.key == key for r in rows) for key in KEYS}


def test_a_reader_of_the_feed_misses_nothing_while_both_write(journal: Journal, second: Journal, seed: int) -> None:
    start, done = threading.Barrier(3), threading.Event()
    found: list[tuple[int, str, int]] = []

    def follow() -> None:
        since = 0
        while True:
            was_done = done.is_set()
            page = journal.changes(since, limit=5)
            found.extend((c.revision or 0, c.key, c.version) for c in page.commits)
            since = page.revision
            if was_done and not page.more:
                return

    reader = threading.Thread(target=follow)
    with ThreadPoolExecutor(2) as threads:
        jobs = [threads.submit(climb, writer, seed + n, 40, start) for n, writer in enumerate((journal, second))]
        reader.start()
        start.wait()
        for job in jobs:
            job.result()
    done.set()
    reader.join()
    assert found == [(row.revision, row.key, row.version) for row in stored(journal)]
