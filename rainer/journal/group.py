"""Judging a group: which submissions become commits, in arrival order, against the heads; pure, no I/O.

The verdicts are right exactly at the journal's state they were made for. Whoever calls makes sure that this state still
stands when the rows are written (the journal row's lock, or a compare-and-set on it).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from rainer.errors import CommitIdReused, KeyConflict, RainerError, UnavailableError, VersionConflict
from rainer.journal.row import Namespace, Row, State, open_namespace
from rainer.model import chain, names
from rainer.model.commit import Draft

HeadKey = tuple[int, str]
StoredKey = tuple[int, str, int]
_TAG_CHARS: Final = 16
_DRAFT_BYTES: Final = 300
"""What a draft holds beside its payload and texts, as measured: 20,000 tiny ones are megabytes, not 96 kB."""


class Kept(tuple[Row, ...]):
    """The rows of a submission that stands in the journal, and the lineage that they stand in."""

    lineage: str

    @classmethod
    def of(cls, rows: Iterable[Row], lineage: str) -> Kept:
        kept = cls(rows)
        kept.lineage = lineage
        return kept


Outcome = Kept | RainerError
"""What becomes of a submission: its rows (new, or those of its first acceptance), or why it was refused."""


class RulesMoved(UnavailableError):
    """A submission was checked under other rules of the namespaces than hold now: it must be checked again.

    Not in the transaction: what must be parsed may take longer than the journal's lock may be held.
    """


class Stored(NamedTuple):
    """A commit of the journal, without its payload, and whether its changeset begins with it."""

    row: Row
    is_first: bool


class Submission(NamedTuple):
    """Drafts that are committed all or not at all; `commit_id` makes a repetition harmless.

    `follows` says that it continues those of its keys that stand before it in the group: without them it is refused,
    even if somebody else made a commit in their place. `rules` is the namespaces' tag that its drafts were checked
    under; without it they are taken as checked. `marks` (JSON, see model/marks) is said of each of them.
    """

    drafts: tuple[Draft, ...]
    commit_id: str | None
    follows: bool = False
    rules: str | None = None
    marks: str | None = None

    @property
    def size(self) -> int:
        """About how many bytes wait for their commit with it."""
        texts = sum(len(d.payload or b"") + len(d.comment) + len(d.author) + len(d.key) for d in self.drafts)
        return texts + _DRAFT_BYTES * len(self.drafts)


@dataclass(slots=True)
class Known:
    """What a committer remembers of the journal, valid exactly at `state`; `contended` when others write too."""

    state: State | None = None
    namespaces: dict[str, Namespace] = field(default_factory=dict)
    heads: dict[HeadKey, int] = field(default_factory=dict)
    contended: bool = False

    def forget(self) -> None:
        self.state = None
        self.namespaces, self.heads = {}, {}

    def missing(self, group: Sequence[Submission]) -> list[HeadKey]:
        """The heads that judging this group needs and that are not remembered."""
        heads, spaces = self.heads, self.namespaces
        wanted = {
            (spaces[d.namespace].id, d.key) for s in group for d in s.drafts if d.namespace in spaces
        }  # fmt: skip
        return [k for k in wanted if k not in heads]


@dataclass(slots=True)
class Plan:
    """What writing a group means: rows to insert, heads to move, the journal's next state, one outcome a submission."""

    before: State
    after: State
    rows: list[Row] = field(default_factory=list)
    heads: dict[HeadKey, Row] = field(default_factory=dict)
    accepted: dict[StoredKey, Stored] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    refused: set[HeadKey] = field(default_factory=set)
    """Keys whose later submissions, as far as they follow, are refused as well."""
    wanted: set[StoredKey] = field(default_factory=set)
    """Stored commits to look at before a repetition can be told from a conflict; then the group is judged again."""


def judge(group: Sequence[Submission], known: Known, now_ms: int, stored: dict[StoredKey, Stored | None]) -> Plan:
    """Judge every submission of a group in order; `known` must hold the heads of all keys in it."""
    assert known.state is not None
    plan = Plan(known.state, known.state._replace(recorded_ms=max(now_ms, known.state.recorded_ms)))
    for submission in group:
        try:
            plan.outcomes.append(_judge_one(submission, known, plan, stored, now_ms))
        except RainerError as refusal:
            plan.outcomes.append(refusal)
    return plan


def _judge_one(
    submission: Submission, known: Known, plan: Plan, stored: dict[StoredKey, Stored | None], now_ms: int
) -> Outcome:
    if submission.rules is not None and submission.rules != plan.after.namespaces_tag:
        raise RulesMoved("the namespaces' rules change all the time", hint="try again")
    spaces = [open_namespace(known.namespaces, d.namespace) for d in submission.drafts]
    conflicts = _conflicts(submission, spaces, known, plan)
    if conflicts:
        if submission.follows:
            plan.refused.update((space.id, d.key) for d, space in zip(submission.drafts, spaces, strict=True))
        return _repetition(submission, spaces, plan, stored) or VersionConflict(conflicts)
    return _accept(submission, spaces, plan, now_ms)


def _conflicts(submission: Submission, spaces: list[Namespace], known: Known, plan: Plan) -> list[KeyConflict]:
    """One conflict per key that is not offered in version order from its head."""
    reached: dict[HeadKey, int] = {}
    conflicts: dict[HeadKey, KeyConflict] = {}
    broken = plan.refused if submission.follows else ()
    for d, space in zip(submission.drafts, spaces, strict=True):
        at = (space.id, d.key)
        head = reached.get(at)
        if head is None:
            moved = plan.heads.get(at)
            head = moved.version if moved is not None else known.heads[at]
        if d.version == head + 1 and at not in broken:
            reached[at] = d.version
        elif at not in conflicts:
            conflicts[at] = KeyConflict(d.namespace, d.key, head + 1, d.version)
    return list(conflicts.values())


def _repetition(
    submission: Submission, spaces: list[Namespace], plan: Plan, stored: dict[StoredKey, Stored | None]
) -> Outcome | None:
    """The first answer again if exactly this submission, by its id, stands in the journal already."""
    if submission.commit_id is None:
        return None
    found = [
        _find(plan, stored, (space.id, d.key, d.version)) for d, space in zip(submission.drafts, spaces, strict=True)
    ]
    same_id = [one for one in found if one is not None and one.row.commit_id == submission.commit_id]
    if not same_id:
        return None
    pairs = list(zip(submission.drafts, same_id, strict=False))
    if len(same_id) == len(found) and _is_whole(same_id) and all(_same_content(d, one.row) for d, one in pairs):
        return Kept.of((one.row._replace(payload=d.payload) for d, one in pairs), plan.before.lineage)
    first = same_id[0].row
    return CommitIdReused(
        f"commit id {submission.commit_id!r} stands in the journal for other content ({first.key!r} {first.version})",
        hint="give each new commit an id of its own",
    )


def _find(plan: Plan, stored: dict[StoredKey, Stored | None], at: StoredKey) -> Stored | None:
    accepted = plan.accepted.get(at)  # earlier in this very group; the journal did not hold it when it was read
    if accepted is None and at not in stored:
        plan.wanted.add(at)
    return accepted or stored.get(at)


def _is_whole(found: list[Stored]) -> bool:
    """Whether these are all the commits of one changeset, in whatever order."""
    revisions = sorted((one.row.revision, one.is_first) for one in found)
    changeset = found[0].row.changeset
    begin = changeset - len(found) + 1
    return revisions[0][1] and [revision for revision, _ in revisions] == list(range(begin, changeset + 1))


def _same_content(d: Draft, row: Row) -> bool:
    return (
        d.author == row.author
        and d.comment == row.comment
        and (d.mtime_ms is None or d.mtime_ms == row.mtime_ms)
        and chain.payload_sha256(d.payload) == row.payload_sha256
    )


def _accept(submission: Submission, spaces: list[Namespace], plan: Plan, now_ms: int) -> Outcome:
    lineage, revision, link, recorded_ms, tag = plan.after
    changeset = revision + len(submission.drafts)
    rows = []
    is_rule = False
    for d, space in zip(submission.drafts, spaces, strict=True):
        revision += 1
        is_rule = is_rule or d.namespace == names.SYSTEM_NAMESPACE
        mtime_ms = now_ms if d.mtime_ms is None else d.mtime_ms
        digest = chain.payload_sha256(d.payload)
        link = chain.link(
            link, revision=revision, namespace=d.namespace, key=d.key, version=d.version, author=d.author,
            comment=d.comment, mtime_ms=mtime_ms, recorded_ms=recorded_ms, digest=digest,
            commit_id=submission.commit_id, changeset=changeset, marks=submission.marks,
        )  # fmt: skip
        row = Row(
            revision, space.id, d.key, d.version, d.author, d.comment, mtime_ms, recorded_ms, d.payload is None,
            d.payload, digest, submission.commit_id, changeset, link, submission.marks,
        )  # fmt: skip
        rows.append(row)
        plan.heads[space.id, d.key] = row
        if submission.commit_id is not None:
            plan.accepted[space.id, d.key, d.version] = Stored(row, is_first=len(rows) == 1)
    plan.rows += rows
    # What was checked under the rules before this one, from here on, is to be checked again.
    plan.after = State(lineage, revision, link, recorded_ms, link.hex()[:_TAG_CHARS] if is_rule else tag)
    return Kept.of(rows, lineage)
