"""What a commit would come to; and what stands already."""

from __future__ import annotations

from rainer.errors import InvalidError, RainerError
from rainer.journal import LiveJournal
from rainer.journal.group import Kept, Known, Submission, judge
from rainer.journal.row import open_namespace
from rainer.model.marks import with_mark
from rainer.model.times import now_ms


def force(submission: Submission) -> Submission:
    """The submission, marked as forced; InvalidError where nobody says why."""
    if not all(d.comment.strip() for d in submission.drafts):
        raise InvalidError("a forced commit needs a comment", hint="say why the rules do not count this time")
    return submission._replace(marks=with_mark(submission.marks, forced=True))


async def rehearsed(live: LiveJournal, submission: Submission) -> Kept:
    """Judge a submission as the committer would now, and write nothing: its rows, or its refusal raised."""
    namespaces = await live.in_thread(live.reads.namespaces)
    spaces = [open_namespace(namespaces, d.namespace) for d in submission.drafts]
    keys = list({(space.id, d.key) for space, d in zip(spaces, submission.drafts, strict=True)})
    state, rows = await live.in_thread(live.reads.head_rows, keys)
    heads = dict.fromkeys(keys, 0) | {(row.namespace_id, row.key): row.version for row in rows}
    alone = submission._replace(commit_id=None, rules=None)
    (outcome,) = judge([alone], Known(state, namespaces, heads), now_ms(), {}).outcomes
    if isinstance(outcome, RainerError):
        raise outcome
    return outcome


async def stands(live: LiveJournal, submission: Submission) -> bool:
    """Whether a submission with a commit id has been committed before, as far as its first draft tells.

    Then it can only be answered as a repetition, or as a conflict: no rule has a say in what stands.
    """
    first = submission.drafts[0]
    if submission.commit_id is None:
        return False
    try:
        _, row = await live.in_thread(live.reads.commit, first.namespace, first.key, first.version, None, False)
    except RainerError:
        return False
    return row.commit_id == submission.commit_id
