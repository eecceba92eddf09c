"""Journal: the whole journal as a library, for one process or many on one database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from rainer import limits
from rainer.database.address import parse_address, show_address
from rainer.database.engine import ensure_folder, open_engine
from rainer.database.migrate import prepare
from rainer.errors import InvalidError, TooLargeError
from rainer.journal import administration
from rainer.journal import verify as verification
from rainer.journal.dialects.opening import dialect_of, durability_faults
from rainer.journal.group import Submission
from rainer.journal.live import JournalOptions, LiveJournal
from rainer.journal.reads import PORTION, Reads
from rainer.journal.row import Namespace, open_namespace
from rainer.model import formats, names
from rainer.model.commit import Commit, Draft, draft
from rainer.model.position import Position

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of the feed: everything that matches up to `revision` has been delivered; `more` when more waits."""

    lineage: str
    revision: int
    chain: bytes
    more: bool
    commits: list[Commit]


class Journal:
    """A journal on a database: `sqlite:///journal.db`, `postgresql://…`, `mysql://…` or `memory:`.

    An empty database is made ready; another schema is a SchemaMismatch. Thread-safe. Close it, or use it in `with`.
    Appends of many threads share transactions (group commit). All methods raise UnavailableError when the database does
    not answer; appends raise OutcomeUnknown when it broke off in the middle of a COMMIT.
    """

    def __init__(self, url: str = "memory:", *, options: JournalOptions | None = None) -> None:
        address = parse_address(url)
        ensure_folder(address)
        self.options = options or JournalOptions()
        self.engine = open_engine(address)
        try:
            prepare(self.engine)
        except BaseException:
            self.engine.dispose()
            raise
        self.reads = Reads(self.engine)
        self._loop: _LoopThread | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was accepted and close every connection; may be called twice."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()
        self.engine.dispose()

    @property
    def address(self) -> str:
        """The database's URL without its password."""
        return show_address(self.engine.url)

    @property
    def dialect(self) -> str:
        """memory, sqlite, postgresql or mysql."""
        return dialect_of(self.engine).name

    def live(self) -> LiveJournal:
        """A committer and head reads for an event loop of the caller's, who starts and closes it."""
        return LiveJournal(self.engine, self.reads, self.options)

    def durability_faults(self) -> list[str]:
        """Settings under which this database could lose an acknowledged commit; empty when all is well."""
        return durability_faults(self.engine)

    # Writing

    def append(
        self,
        key: str,
        payload: bytes | None,
        *,
        version: int,
        author: str,
        comment: str = "",
        namespace: str = names.DEFAULT_NAMESPACE,
        mtime: datetime | None = None,
        commit_id: str | None = None,
    ) -> Commit:
        """Commit one version of one key; payload None removes it. Raises VersionConflict, InvalidError and others."""
        one = draft(key, payload, version=version, author=author, comment=comment, namespace=namespace, mtime=mtime)
        return self.append_many([one], commit_id=commit_id)[0]

    def append_many(self, drafts: Iterable[Draft], *, commit_id: str | None = None) -> list[Commit]:
        """Commit a changeset: all of it or, with an error that names each conflict, nothing."""
        submission = Submission(tuple(drafts), commit_id)
        self.check(submission)
        rows = self._on_loop(lambda live: live.commit(submission))
        return [row.commit(d.namespace) for row, d in zip(rows, submission.drafts, strict=True)]

    def check(self, submission: Submission, known: dict[str, Namespace] | None = None) -> None:
        """Refuse what could only fail inside the transaction: sizes, formats, unknown namespaces."""
        if not 1 <= len(submission.drafts) <= limits.CHANGESET_COMMITS_MAX:
            raise (
                TooLargeError(
                    f"a changeset of {len(submission.drafts)} commits", hint=f"from 1 to {limits.CHANGESET_COMMITS_MAX}"
                )
                if submission.drafts
                else InvalidError("the changeset is empty", hint="name at least one commit")
            )
        if submission.commit_id is not None:
            names.check_commit_id(submission.commit_id)
        spaces = self.reads.namespaces() if known is None else known
        for d in submission.drafts:
            check_payload(open_namespace(spaces, d.namespace), d.key, d.payload)

    def _on_loop(self, call: Callable[[LiveJournal], Coroutine[Any, Any, T]]) -> T:
        with self._lock:
            if self._loop is None:
                self._loop = _LoopThread(self.live)
            loop = self._loop
        return loop.run(call)

    # Reading

    def get(
        self, key: str, version: int | None = None, *, namespace: str = names.DEFAULT_NAMESPACE, at: int | None = None
    ) -> Commit:
        """The head of a key, or a version of it, now or as of revision `at`; NotFoundError, PositionGone."""
        _, row = self.reads.commit(namespace, names.check_key(key), version, at, True)
        return row.commit(namespace)

    def heads(
        self,
        namespace: str = names.DEFAULT_NAMESPACE,
        *,
        prefix: str = "",
        include_empty: bool = False,
        at: int | None = None,
        payloads: bool = True,
    ) -> Iterator[Commit]:
        """All heads in byte order of their keys, of one moment, however long the reading takes; PositionGone."""
        pinned = self.reads.pin(at)
        after: str | None = None
        while True:
            portion = self.reads.heads_portion(
                namespace, pinned, prefix=prefix, after=after, include_empty=include_empty, payloads=payloads,
                portion=PORTION,
            )  # fmt: skip
            yield from (row.commit(namespace) for row in portion.rows)
            after = portion.next_after
            if after is None:
                return

    def log(
        self,
        key: str,
        *,
        namespace: str = names.DEFAULT_NAMESPACE,
        before: int | None = None,
        limit: int | None = None,
        payloads: bool = True,
    ) -> list[Commit]:
        """Versions of a key, newest first, below `before`, at most `limit`; NotFoundError if the key never was."""
        limit = limits.VERSION_MAX if limit is None else limit
        _, rows, _ = self.reads.log(namespace, key, before=before, limit=limit, at=None, payloads=payloads)
        return [row.commit(namespace) for row in rows]

    def changes(
        self,
        since: int = 0,
        *,
        namespace: str | None = None,
        limit: int = limits.FEED_PAGE_DEFAULT,
        payloads: bool = False,
        lineage: str | None = None,
    ) -> Changes:
        """What was committed after revision `since`, oldest first, never splitting a changeset; PositionGone."""
        page = self.reads.changes(since, namespace=namespace, limit=limit, payloads=payloads, lineage=lineage)
        spaces = {n.id: n.name for n in self.reads.namespaces().values()}
        found = [row.commit(spaces[row.namespace_id]) for row in page.rows]
        return Changes(page.state.lineage, page.revision, page.chain, page.more, found)

    def position(self) -> Position:
        """Where the journal stands: keep it elsewhere, and `verify(expect=…)` finds a cut tail."""
        return self.reads.state().position

    # Administration

    def namespaces(self) -> dict[str, Namespace]:
        """All namespaces by name."""
        return self.reads.namespaces()

    def namespace(self, name: str) -> Namespace:
        """The namespace of that name; NamespaceNotFound."""
        return open_namespace({n: s for n, s in self.namespaces().items() if n == name}, name)

    def create_namespace(
        self, name: str, *, format: str = "any", payload_bytes_max: int = limits.PAYLOAD_BYTES_DEFAULT
    ) -> Namespace:
        """Make a namespace whose payloads must be any, json, yaml or toml; NamespaceExists if it has other rules."""
        return administration.create_namespace(self.engine, name, format, payload_bytes_max)[0]

    def verify(
        self, *, expect: Position | None = None, progress: Callable[[int, int], None] | None = None
    ) -> verification.Verification:
        """Recompute chain and heads; the result names the first revision that is wrong."""
        return verification.verify(self.engine, expect, progress)


def check_payload(space: Namespace, key: str, payload: bytes | None) -> None:
    """Refuse a payload over its namespace's size or not in its format: TooLargeError, MalformedPayload."""
    if payload is None:
        return
    if len(payload) > space.payload_bytes_max:
        raise TooLargeError(
            f"the payload of {key!r} has {len(payload)} bytes, over the {space.payload_bytes_max}"
            f" that namespace {space.name!r} takes",
            limit=space.payload_bytes_max,
        )
    if space.format != "any":
        formats.check_payload(space.format, payload)


class _LoopThread:
    """An event loop in a thread of its own, for the appends of a program that has none."""

    def __init__(self, make: Callable[[], LiveJournal]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rainer-journal", daemon=True)
        self._thread.start()
        self._live: LiveJournal = self._call(self._start(make))

    async def _start(self, make: Callable[[], LiveJournal]) -> LiveJournal:
        live = make()
        await live.start()
        return live

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def run(self, call: Callable[[LiveJournal], Coroutine[Any, Any, T]]) -> T:
        return self._call(call(self._live))

    def close(self) -> None:
        self._call(self._live.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
