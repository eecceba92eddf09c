"""The journal as an import sees it: what stands there already, and batches of commits sent in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final

import sqlalchemy as sa

from rainer.database.failures import translated
from rainer.database.schema import commits, heads
from rainer.errors import RainerError
from rainer.journal.columns import IN_MAX
from rainer.journal.group import Submission
from rainer.journal.journal import Journal
from rainer.journal.live import LiveJournal
from rainer.journal.loop_thread import LoopThread
from rainer.journal.pairs import each_pair, pair_values
from rainer.journal.row import open_namespace
from rainer.model import chain
from rainer.model.commit import Draft

_CONTENT: Final = (commits.c.author, commits.c.comment, commits.c.mtime_ms, commits.c.payload_sha256)
_SELECT_CONTENT: Final = each_pair(
    sa.select(commits.c.key, commits.c.version, *_CONTENT).where(commits.c.namespace_id == sa.bindparam("space")),
    commits.c.key,
    commits.c.version,
)


class Written:
    """What the journal held of some drafts' keys at one moment."""

    def __init__(self, versions: dict[str, int], contents: dict[tuple[str, int], tuple[Any, ...]]) -> None:
        self._versions, self._contents = versions, contents

    def head(self, draft: Draft) -> int:
        """The newest version of the draft's key, 0 if it never was."""
        return self._versions.get(draft.key, 0)

    def is_same(self, draft: Draft) -> bool:
        """Whether exactly this commit stands in the journal."""
        content = draft.author, draft.comment, draft.mtime_ms, chain.payload_sha256(draft.payload)
        return self._contents.get((draft.key, draft.version)) == content


class ImportTarget:
    """An open namespace of a journal, with a committer of the import's own. Use it in `with`."""

    def __init__(self, journal: Journal, namespace: str) -> None:
        self.namespace = namespace
        self._space_id = open_namespace(journal.namespaces(), namespace).id
        self._journal = journal
        self.rules: str | None = None
        """The tag that what is sent was checked under."""
        self.marks: str | None = None
        """What is said of whatever is sent."""
        self._loop = LoopThread(journal.live)
        self._sent: Future[list[BaseException | None]] | None = None

    def __enter__(self) -> ImportTarget:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close()  # what was sent is still finished

    def answers(self) -> bool:
        """Whether the journal's database answers now."""
        try:
            self._journal.position()
        except RainerError:
            return False
        return True

    def written(self, drafts: Sequence[Draft]) -> Written:
        """What stands in the journal of these drafts' keys and versions."""
        found: dict[str, int] = {}
        contents: dict[tuple[str, int], tuple[Any, ...]] = {}
        with translated(), self._journal.engine.connect() as connection:
            keys = sorted({d.key for d in drafts})
            for start in range(0, len(keys), IN_MAX):
                among = heads.c.key.in_(keys[start : start + IN_MAX])
                query = sa.select(heads.c.key, heads.c.version).where(heads.c.namespace_id == self._space_id, among)
                found.update((key, version) for key, version in connection.execute(query))
            there = [(d.key, d.version) for d in drafts if d.version <= found.get(d.key, 0)]
            for values in pair_values(there):
                stored = connection.execute(_SELECT_CONTENT, values | {"space": self._space_id})
                contents.update(((key, version), tuple(rest)) for key, version, *rest in stored)
        return Written(found, contents)

    def begin(self, drafts: Sequence[Draft]) -> None:
        """Send commits, each by itself, in this order; they become one group if they fit one."""
        submissions = [
            Submission((draft,), None, follows=True, rules=self.rules, marks=self.marks) for draft in drafts
        ]  # fmt: skip
        self._sent = self._loop.call(lambda live: _submit(live, submissions)) if submissions else None

    def outcomes(self) -> list[BaseException | None]:
        """Wait for the commits that were sent: of each the error with which it was not taken, or None."""
        sent, self._sent = self._sent, None
        return [] if sent is None else sent.result()


async def _submit(live: LiveJournal, submissions: Sequence[Submission]) -> list[BaseException | None]:
    # All in one step of the loop: the committer, which runs between steps, finds the whole batch in its queue.
    sent = [live.committer.submit(submission) for submission in submissions]
    await asyncio.wait(sent)
    return [one.exception() for one in sent]
