"""Commit ids: a repetition gives the first answer again, other content under the same id is an error of its own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rainer.errors import CommitIdReused, InvalidError, VersionConflict
from rainer.journal import Journal
from rainer.journal.administration import adopt_engine
from rainer.model.commit import Draft, draft
from tests.contracts.live import living, run, submission
from tests.contracts.tables import stored


def one(key: str = "k", version: int = 1, payload: bytes | None = b"x", **more: object) -> Draft:
    return draft(key, payload, version=version, author="me", **more)  # type: ignore[arg-type]


def test_a_repetition_gives_the_first_answer_with_its_time(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rainer.journal.transact.now_ms", lambda: 1_000)
    first = journal.append("k", b"x", version=1, author="me", commit_id="id-1")
    monkeypatch.setattr("rainer.journal.transact.now_ms", lambda: 2_000)
    assert journal.append("k", b"x", version=1, author="me", commit_id="id-1") == first
    journal.append("k", b"y", version=2, author="me")
    assert journal.append("k", b"x", version=1, author="me", commit_id="id-1") == first, "also when the key moved on"
    assert first.mtime == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert journal.position().revision == 2


def test_a_repetition_through_another_journal(journal: Journal, second: Journal) -> None:
    first = journal.append("k", b"x", version=1, author="me", commit_id="id-1")
    assert second.append("k", b"x", version=1, author="me", commit_id="id-1") == first


def test_other_content_under_the_same_id_is_refused_as_such(journal: Journal) -> None:
    mtime = datetime(2020, 1, 1, tzinfo=UTC)
    journal.append("k", b"x", version=1, author="me", comment="c", mtime=mtime, commit_id="id-1")
    same = {"version": 1, "author": "me", "comment": "c", "mtime": mtime, "commit_id": "id-1"}
    journal.append("k", b"x", **same)  # type: ignore[arg-type]
    for payload, change in (
        (b"y", {}),
        (None, {}),
        (b"", {}),
        (b"x", {"author": "you"}),
        (b"x", {"comment": "d"}),
        (b"x", {"mtime": datetime(2020, 1, 2, tzinfo=UTC)}),
    ):
        with pytest.raises(CommitIdReused) as caught:
            journal.append("k", payload, **(same | change))  # type: ignore[arg-type]
        assert isinstance(caught.value, InvalidError)
        assert not isinstance(caught.value, VersionConflict)
    assert journal.position().revision == 1


def test_another_id_or_none_is_an_ordinary_conflict(journal: Journal) -> None:
    journal.append("k", b"x", version=1, author="me", commit_id="id-1")
    for commit_id in ("id-2", None):
        with pytest.raises(VersionConflict):
            journal.append("k", b"x", version=1, author="me", commit_id=commit_id)


@pytest.mark.parametrize("commit_id", ["", "a b", "x" * 65, "\u00fc", "a\nb", "\x7f"])
def test_what_is_no_id_is_refused(journal: Journal, commit_id: str) -> None:
    with pytest.raises(InvalidError):
        journal.append("k", b"x", version=1, author="me", commit_id=commit_id)
    assert journal.position().revision == 0


def test_a_repeated_changeset(journal: Journal) -> None:
    wanted = [one("a"), one("b", payload=None), one("a", 2)]
    first = journal.append_many(wanted, commit_id="set-1")
    journal.append("z", b"", version=1, author="me")
    assert journal.append_many(wanted, commit_id="set-1") == first
    assert journal.append_many(list(reversed(wanted))[1:2] + wanted[:1] + wanted[2:], commit_id="set-1") == [
        first[1],
        first[0],
        first[2],
    ], "the order of different keys is not content"
    assert journal.position().revision == 4


@pytest.mark.parametrize(
    "other",
    [
        [one("a"), one("b"), one("c", payload=b"?")],
        [one("a"), one("b"), one("c"), one("d")],
        [one("a"), one("b")],
        [one("b"), one("c")],
        [one("b")],
        [one("c")],
    ],
    ids=["changed", "longer", "without its end", "without its beginning", "its middle", "its end"],
)
def test_another_changeset_under_the_same_id(journal: Journal, other: list[Draft]) -> None:
    journal.append("before", b"", version=1, author="me", commit_id="set-0")
    journal.append_many([one("a"), one("b"), one("c")], commit_id="set-1")
    with pytest.raises(CommitIdReused):
        journal.append_many(other, commit_id="set-1")
    assert journal.position().revision == 4


def test_single_commits_one_after_the_other_under_one_id_are_told_from_a_changeset(journal: Journal) -> None:
    first = [journal.append(key, b"x", version=1, author="me", commit_id="same") for key in "ab"]
    assert [journal.append(key, b"x", version=1, author="me", commit_id="same") for key in "ab"] == first
    with pytest.raises(CommitIdReused):
        journal.append_many([one("a"), one("b")], commit_id="same")


def test_the_largest_repetition_is_answered_whole(journal: Journal) -> None:
    wanted = [one(f"k{n}") for n in range(10_000)]
    first = journal.append_many(wanted, commit_id="big")
    assert journal.append_many(wanted, commit_id="big") == first
    assert len(stored(journal)) == 10_000


def test_a_repetition_stands_in_the_lineage_of_its_day(journal: Journal) -> None:
    async def main() -> None:
        async with living(journal) as live:
            first = await live.commit(submission("k", commit_id="id-1"))
            new = (await live.in_thread(adopt_engine, journal.engine)).lineage
            again = await live.commit(submission("k", commit_id="id-1"))
            assert again == first
            assert (first.lineage == new, again.lineage == new) == (False, True)

    run(main())
