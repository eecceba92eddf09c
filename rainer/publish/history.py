"""A namespace's part of the journal, asked from where its tree stands."""

from __future__ import annotations

from typing import Final

from rainer.errors import ConflictError, PositionGone
from rainer.journal.reads import FeedPage
from rainer.model.position import Position
from rainer.publish.feed import JournalFeed

_PAGE: Final = 5_000


class History:
    """Belongs to the publisher's thread."""

    def __init__(self, feed: JournalFeed, namespace: str) -> None:
        self._feed, self._namespace = feed, namespace

    def is_reached(self, at: Position) -> bool:
        """Whether there is nothing in the journal, as far as is known, that comes after a position."""
        state = self._feed.state
        return state is not None and at.lineage == state.lineage and at.revision >= state.revision

    def holds(self, at: Position) -> bool:
        """Whether the journal has been at a position: it is the one that the tree was published from."""
        state = self._feed.state
        if state is not None and state.position == at:
            return True
        try:
            return self._feed.reads.pin(at.revision).position == at
        except PositionGone:
            return False

    def check_ahead(self, at: Position) -> None:
        """Raise ConflictError where a tree is ahead of the journal itself, not only of what is known of it."""
        state = self._feed.state
        if state is not None and at.revision > state.revision and not self.holds(at):
            raise ConflictError(f"the journal no longer holds {at}")

    def after(self, at: Position) -> FeedPage:
        """What comes after a position, some at a time; ConflictError where the journal does not hold that any more."""
        try:
            return self._feed.reads.changes(
                at.revision, namespace=self._namespace, limit=_PAGE, payloads=True, lineage=at.lineage, chain=at.chain
            )
        except PositionGone as e:
            raise ConflictError(f"the journal no longer holds {at}") from e  # looked at again, and then refused

    def first_after(self, revision: int) -> tuple[int, int] | None:
        """Revision and time of recording of what comes next after a revision; None when there is nothing."""
        page = self._feed.reads.changes(revision, namespace=self._namespace, limit=1, payloads=False)
        return (page.rows[-1].revision, page.rows[0].recorded_ms) if page.rows else None
