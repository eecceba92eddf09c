"""The table of proposals: made, read, approved by one more, decided."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rainer import limits
from rainer.database.engine import writing
from rainer.database.failures import translated
from rainer.database.schema import commits, namespaces, proposals
from rainer.errors import (
    CorruptError,
    NotFoundError,
    OutcomeUnknown,
    OverloadedError,
    TooLargeError,
    UnavailableError,
)
from rainer.journal.administration import moving_rules
from rainer.model import names, times
from rainer.model.commit import Draft
from rainer.model.identity import Identity
from rainer.model.marks import Marks
from rainer.model.proposal import (
    COMMITTED,
    ID_PREFIX,
    OPEN,
    REJECTED,
    STALE,
    Place,
    Proposal,
    approvals_in,
    approvals_text,
    changeset_text,
    drafts_in,
    identity_in,
    identity_text,
    places_in,
    places_text,
)

_TRIES: Final = 4
_SHORT: Final = tuple(column for column in proposals.c if column.name != "changeset")
_RETRY_S: Final = 60


class ProposalTable:
    """Thread-safe. Every method is one transaction; UnavailableError where the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self, drafts: Sequence[Draft], places: Sequence[Place], proposer: Identity, base: tuple[str, int]
    ) -> Proposal:
        """Keep a proposal, made on the heads in `places` as they were at `base` (lineage, revision).

        TooLargeError; OverloadedError where too many are open.
        """
        changeset = changeset_text(drafts)
        if len(drafts) > limits.PROPOSAL_COMMITS_MAX:
            raise TooLargeError(
                f"a proposal of {len(drafts)} commits is over the {limits.PROPOSAL_COMMITS_MAX} it may have",
                hint="a person is to read it: make several", limit=limits.PROPOSAL_COMMITS_MAX,
            )  # fmt: skip
        if len(changeset) > limits.PROPOSAL_BYTES_MAX:
            raise TooLargeError(
                f"the proposal has {len(changeset)} bytes, over the {limits.PROPOSAL_BYTES_MAX} it may have",
                limit=limits.PROPOSAL_BYTES_MAX,
            )
        for _ in range(_TRIES):
            made = Proposal(
                new_id(), times.now_ms(), drafts[0].author, proposer, _comment_of(drafts), tuple(places), *base,
                tuple(drafts),
            )  # fmt: skip
            try:
                self._insert(made, changeset)
            except OutcomeUnknown as e:
                raise UnavailableError(f"the proposal was not made: {e}", hint="make another one") from e
            except sa.exc.IntegrityError:
                continue  # of 2^40 ids another proposal has this one
            return made
        raise UnavailableError("no free id was found for the proposal", hint="try again")

    def _insert(self, made: Proposal, changeset: bytes) -> None:
        with translated(), writing(self._engine) as connection:
            if _count(connection) >= limits.PROPOSALS_OPEN_MAX:
                raise OverloadedError(
                    f"{limits.PROPOSALS_OPEN_MAX} proposals are open", hint="decide some of them: `rainer proposals`",
                    retry_after_s=_RETRY_S,
                )  # fmt: skip
            values = {
                "id": made.id, "created_ms": made.created_ms, "author": made.author,
                "proposer": identity_text(made.proposer), "comment": made.comment, "state": OPEN,
                "places": places_text(made.places), "changeset": changeset, "base_lineage": made.base_lineage,
                "base_revision": made.base_revision, "approvals": approvals_text(()), "edits": 0,
            }  # fmt: skip
            connection.execute(sa.insert(proposals), values)
            connection.commit()

    def find(self, proposal_id: str) -> Proposal:
        """The proposal of that id, its drafts too; NotFoundError."""
        with translated(), self._engine.connect() as connection:
            return _find(connection, proposal_id)

    def list(self, state: str | None = None, *, before: str | None = None, limit: int = 100) -> list[Proposal]:
        """Proposals without their drafts, the newest first, older than `before`; NotFoundError for no proposal's id."""
        query = sa.select(*_SHORT).order_by(proposals.c.created_ms.desc(), proposals.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(proposals.c.state == state)
        with translated(), self._engine.connect() as connection:
            if before is not None:
                last = _find(connection, before)
                is_older = sa.and_(proposals.c.created_ms == last.created_ms, proposals.c.id < last.id)
                query = query.where(sa.or_(proposals.c.created_ms < last.created_ms, is_older))
            return [_proposal(row._mapping) for row in connection.execute(query)]

    def count_open(self) -> int:
        """How many wait."""
        with translated(), self._engine.connect() as connection:
            return _count(connection)

    def approve(self, changed: Proposal) -> bool:
        """Keep a proposal's approvals; False where somebody wrote of it, or decided it, since it was read."""
        with translated(), writing(self._engine) as connection:
            is_as_read = sa.and_(
                proposals.c.id == changed.id, proposals.c.state == OPEN, proposals.c.edits == changed.edits
            )  # fmt: skip
            values = {"approvals": approvals_text(changed.approvals), "edits": changed.edits + 1}
            done = connection.execute(sa.update(proposals).where(is_as_read).values(values)).rowcount
            connection.commit()
        return bool(done)

    def reject(self, proposal_id: str, by: str, comment: str) -> Proposal:
        """Reject an open proposal, and return it as it is then: another decision that was there first stays.

        Under the journal's lock, so that it is rejected or committed, never both: an approver who saw it open, and has
        not committed yet, has to look again.
        """
        with moving_rules(self._engine) as connection:
            found = _find(connection, proposal_id)
            if found.is_open:
                landed = _landed(connection, found)
                decided = landed or replace(
                    found, state=REJECTED, decided_by=by, decided_ms=times.now_ms(), decision=comment
                )
                _decide(connection, decided)
            return _find(connection, proposal_id)

    def settle(self, proposal: Proposal, said: str = "") -> Proposal:
        """Decide a proposal whose heads have moved: it was committed, by the journal's own word, or it is stale.

        Whatever was decided before stays. Without the drafts where those were not read. `said` is what the one said
        whose approval committed it, who may come here after others who only looked.
        """
        with translated(), writing(self._engine) as connection:
            decided = _landed(connection, proposal) or replace(proposal, state=STALE, decided_ms=times.now_ms())
            _decide(connection, decided)
            if said:
                is_committed = sa.and_(proposals.c.id == proposal.id, proposals.c.state == COMMITTED)
                connection.execute(sa.update(proposals).where(is_committed).values(decision=said))
            connection.commit()
        with translated(), self._engine.connect() as connection:
            now = _find(connection, proposal.id)
        return now if proposal.drafts else replace(now, drafts=())


def new_id() -> str:
    """An id for a proposal, and for its commit: short enough to be said aloud."""
    return ID_PREFIX + base64.b32encode(secrets.token_bytes(5)).decode().lower()


def unknown(proposal_id: str) -> NotFoundError:
    """The error for an id that no proposal has."""
    return NotFoundError(
        f"no proposal has the id {names.shorten(proposal_id)}", hint="`rainer proposals` shows those there are"
    )


def _comment_of(drafts: Sequence[Draft]) -> str:
    return next((d.comment for d in drafts if d.comment), "")


def _count(connection: Connection) -> int:
    return int(connection.execute(sa.select(sa.func.count()).where(proposals.c.state == OPEN)).scalar_one())


def _find(connection: Connection, proposal_id: str) -> Proposal:
    row = connection.execute(sa.select(proposals).where(proposals.c.id == proposal_id)).first()
    if row is None:
        raise unknown(proposal_id)
    return _proposal(row._mapping)


def _decide(connection: Connection, decided: Proposal) -> None:
    values = {
        "state": decided.state, "decided_by": decided.decided_by, "decided_ms": decided.decided_ms,
        "decision": decided.decision, "revision": decided.revision, "edits": proposals.c.edits + 1,
    }  # fmt: skip
    is_open = sa.and_(proposals.c.id == decided.id, proposals.c.state == OPEN)
    connection.execute(sa.update(proposals).where(is_open).values(values))


def _landed(connection: Connection, proposal: Proposal) -> Proposal | None:
    """The proposal as committed, if the journal holds its commit; None if it does not.

    Its id is the commit's, and the server's own mark says so: an id alone, anybody could have given to a commit.
    """
    place = proposal.places[0]
    query = (
        sa.select(commits.c.commit_id, commits.c.marks, commits.c.changeset, commits.c.recorded_ms)
        .join(namespaces, namespaces.c.id == commits.c.namespace_id)
        .where(namespaces.c.name == place.namespace, commits.c.key == place.key, commits.c.version == place.version)
    )
    row = connection.execute(query).first()
    marks = None if row is None else Marks.from_text(row.marks)
    if row is None or row.commit_id != proposal.id or marks is None or marks.proposal != proposal.id:
        return None
    return replace(
        proposal, state=COMMITTED, decided_by=marks.approved_by, decided_ms=row.recorded_ms, revision=row.changeset
    )


def _proposal(columns: Any) -> Proposal:
    given = dict(columns)
    changeset = given.pop("changeset", None)
    try:
        return Proposal(
            **given
            | {
                "proposer": identity_in(given["proposer"]),
                "places": places_in(given["places"]),
                "approvals": approvals_in(given["approvals"]),
                "drafts": () if changeset is None else drafts_in(bytes(changeset)),
            }
        )
    except (ValueError, KeyError, TypeError) as e:
        raise CorruptError(f"proposal {given['id']!r} cannot be read: {e}") from e
