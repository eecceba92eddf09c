"""Loading a whole namespace over HTTP."""

from __future__ import annotations

import time
from itertools import chain
from typing import Final

from rainer.client.answers import is_ancestor, revision_of
from rainer.client.refusals import foreign
from rainer.client.transport import Answer
from rainer.errors import PositionGone, UnavailableError
from rainer.mirror.http_metas import heads_of_list
from rainer.mirror.http_questions import Questions
from rainer.mirror.source import Sink
from rainer.model.position import Position

_PATIENCE_S: Final = 5.0
"""After so long, a state that the mirror refuses is asked for again only if it is another one by then."""


class Loader:
    """Has a mirror take what a server holds, of this moment and as a whole."""

    def __init__(self, questions: Questions, sink: Sink, server: str) -> None:
        self._questions, self._sink, self._server = questions, sink, server
        self._refused: tuple[str, UnavailableError] | None = None
        self._refused_at = 0.0

    def load(self) -> Position | Answer:
        """Where the mirror stands then; or the list of an ancestor's server, of which the mirror took nothing yet.

        UnavailableError where the server is behind what the mirror has seen.
        """
        refused, is_old = self._refused, time.monotonic() > self._refused_at + _PATIENCE_S
        answer = self._questions.list(refused[0] if refused is not None and is_old else None)
        if refused is not None and answer.status == 304:
            raise refused[1]
        if is_ancestor(answer):
            return answer
        revision, lineage = revision_of(answer), answer.headers.get("x-rainer-lineage")
        if revision is None or lineage is None:
            raise foreign(answer, "it tells no position")
        # The list tells half of its chain, and the feed the whole of it, with whatever has come meanwhile.
        page = self._questions.page(revision, lineage, None)
        tag = answer.headers.get("etag", "")
        told = tag.removeprefix("W/").strip('"')
        if page.position.revision == revision and told and not page.position.chain.hex().startswith(told):
            raise PositionGone(f"{self._server} was replaced while it was read")
        if not self._sink.replace(chain(heads_of_list(answer), page.records), page.position):
            raise self._refuse(tag, page.position)
        self._refused = None
        return page.position

    def _refuse(self, tag: str, found: Position) -> UnavailableError:
        held = self._sink.position
        error = UnavailableError(
            f"{self._server} holds revision {found.revision}, and this mirror has seen "
            f"revision {found.revision if held is None else held.revision}",
            hint="is it behind, or a restored database? Then `rainer db adopt` begins a new lineage",
        )
        if self._refused is None:
            self._refused_at = time.monotonic()
        self._refused = (tag, error)
        return error
