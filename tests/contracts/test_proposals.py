"""Proposals on every database: kept whole, approved without losing an approval, decided once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from rainer import limits
from rainer.errors import NotFoundError, OverloadedError, TooLargeError
from rainer.journal import Journal
from rainer.journal.group import RulesMoved, Submission
from rainer.model.commit import Draft
from rainer.model.identity import Identity
from rainer.model.marks import Marks
from rainer.model.proposal import COMMITTED, OPEN, REJECTED, STALE, Place, Proposal
from rainer.proposals import ProposalTable
from tests.contracts.live import living, run, together

ALICE = Identity("J\u00fcrgen@example.com", "jwt", frozenset({"ops", "dev"}))
BOB = Identity("bob", "token")
DRAFTS = (
    Draft("diary", "a", 1, "ß\U0001f600".encode(), "alice", "why"),
    Draft("diary", "a", 2, b"\xff\x00", "alice", "", 1_700_000_000_123),
    Draft("diary", "z\uffee", 1, None, "alice"),
    Draft("diary", "empty", 1, b"", "alice"),
)
PLACES = (Place("diary", "a", 1, 0), Place("diary", "z\uffee", 1, 0), Place("diary", "empty", 1, 0))


def propose(journal: Journal) -> Proposal:
    return ProposalTable(journal.engine).create(DRAFTS, PLACES, ALICE, ("lineage", 7))


def land(journal: Journal, proposal: Proposal, *, marks: bool = True, commit_id: str | None = None) -> None:
    text = Marks(approved_by="bob", proposal=proposal.id).to_text() if marks else None
    submission = Submission(proposal.drafts, commit_id or proposal.id, marks=text)

    async def commit() -> None:
        async with living(journal) as live:
            await live.commit(submission)

    run(commit())


def test_what_is_kept_is_read_back(journal: Journal, second: Journal) -> None:
    made = propose(journal)
    found = ProposalTable(second.engine).find(made.id)
    assert found == made
    assert (found.drafts, found.places, found.proposer, found.comment) == (DRAFTS, PLACES, ALICE, "why")
    assert (found.state, found.edits, found.base_lineage, found.base_revision) == (OPEN, 0, "lineage", 7)
    with pytest.raises(NotFoundError, match="'nothing'"):
        ProposalTable(second.engine).find("nothing")


def test_lists_are_newest_first_in_pages_and_by_state(journal: Journal) -> None:
    table = ProposalTable(journal.engine)
    made = [propose(journal).id for _ in range(5)]
    table.reject(made[1], "bob", "no")
    listed = [p.id for p in table.list()]
    assert sorted(listed) == sorted(made)
    assert [table.find(one).created_ms for one in listed] == sorted((p.created_ms for p in table.list()), reverse=True)
    first = table.list(limit=2)
    rest = table.list(before=first[-1].id, limit=9)
    assert [p.id for p in first + rest] == listed
    assert [p.id for p in table.list(REJECTED)] == [made[1]]
    assert len(table.list(OPEN)) == table.count_open() == 4
    assert not any(p.drafts for p in table.list(limit=3))


def test_of_two_who_approve_at_once_one_looks_again(journal: Journal, second: Journal) -> None:
    """Each writes only over what it read, so that no approval is lost."""
    made = propose(journal)
    names = [f"n{i}" for i in range(4)]
    barrier = threading.Barrier(len(names))

    def approve(name: str) -> int:
        table, looks = ProposalTable((journal, second)[names.index(name) % 2].engine), 0
        barrier.wait(60)
        while True:
            looks += 1
            found = table.find(made.id)
            if table.approve(found.with_approval(Identity(name, "token"), 5, "fine")):
                return looks

    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(approve, names))
    found = ProposalTable(journal.engine).find(made.id)
    assert sorted(a.by.name for a in found.approvals) == names
    assert found.edits == len(names)
    assert not ProposalTable(journal.engine).approve(replace(found, edits=0))


def test_a_rejection_is_final(journal: Journal) -> None:
    table, made = ProposalTable(journal.engine), propose(journal)
    rejected = table.reject(made.id, "bob", "not today")
    assert (rejected.state, rejected.decided_by, rejected.decision) == (REJECTED, "bob", "not today")
    assert table.reject(made.id, "carol", "me too") == rejected
    assert not table.approve(rejected.with_approval(BOB, 1, ""))
    assert table.settle(rejected) == rejected


def test_what_the_journal_holds_is_committed_whatever_the_table_missed(journal: Journal, second: Journal) -> None:
    made = propose(journal)
    land(journal, made)
    for settled in (
        ProposalTable(second.engine).reject(made.id, "carol", "no"),
        ProposalTable(second.engine).find(made.id),
    ):
        assert (settled.state, settled.decided_by, settled.revision) == (COMMITTED, "bob", 4)
    other = propose(journal)
    assert ProposalTable(second.engine).settle(other).state == STALE


@pytest.mark.parametrize("disguise", ["no mark", "another id"])
def test_a_commit_that_only_looks_like_it_makes_it_stale(journal: Journal, disguise: str) -> None:
    """Anybody may give a commit a proposal's id; the mark, nobody can."""
    made = propose(journal)
    land(journal, made, marks=disguise != "no mark", commit_id="other" if disguise == "another id" else None)
    settled = ProposalTable(journal.engine).settle(made)
    assert (settled.state, settled.decided_by, settled.drafts) == (STALE, None, DRAFTS)


def test_a_rejection_forces_whoever_is_about_to_commit_to_look_again(journal: Journal, second: Journal) -> None:
    made = propose(journal)

    async def commit() -> object:
        async with living(journal) as live:
            tag = (await live.heads.state()).namespaces_tag
            await live.in_thread(ProposalTable(second.engine).reject, made.id, "bob", "no")
            (outcome,) = await together(live, [Submission(made.drafts, made.id, rules=tag)])
            return outcome

    assert isinstance(run(commit()), RulesMoved)
    assert journal.position().revision == 0


def test_too_many_and_too_large_ones_are_refused(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    table = ProposalTable(journal.engine)
    many = [Draft("diary", "a", n, b"1", "me") for n in range(1, limits.PROPOSAL_COMMITS_MAX + 2)]
    with pytest.raises(TooLargeError, match="1001 commits"):
        table.create(many, PLACES[:1], ALICE, ("l", 1))
    big = [Draft("diary", "a", n, b"x" * limits.MiB, "me") for n in range(1, 9)]
    with pytest.raises(TooLargeError, match="bytes"):
        table.create(big, PLACES[:1], ALICE, ("l", 1))
    whole = table.create(big[:7], PLACES[:1], ALICE, ("l", 1))
    assert table.find(whole.id).drafts == tuple(big[:7])
    monkeypatch.setattr(limits, "PROPOSALS_OPEN_MAX", 1)
    with pytest.raises(OverloadedError, match="1 proposals are open"):
        propose(journal)
    table.reject(whole.id, "bob", "no")
    propose(journal)
