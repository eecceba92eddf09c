"""Journal: the whole journal as a library, for one process or many on one database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from rainer import limits
from rainer.database.address import parse_address, show_address
from rainer.database.engine import ensure_folder, open_engine
from rainer.database.migrate import prepare
from rainer.errors import InvalidError, TooLargeError, UnavailableError
from rainer.journal import administration
from rainer.journal import verify as verification
from rainer.journal.dialects.opening import dialect_of, durability_faults
from rainer.journal.group import Submission
from rainer.journal.live import JournalOptions, LiveJournal
from rainer.journal.loop_thread import LoopThread
from rainer.journal.reads import Portion, Reads
from rainer.journal.row import Namespace, Row, known_namespace, open_namespace
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
        self._loop: LoopThread | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was accepted and close every connection; may be called twice. Later calls are refused."""
        with self._lock:
            self._is_closed = True
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()
        self.reads.close()
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
            self._check_open()
            if self._loop is None:
                self._loop = LoopThread(self.live)
            # Inside the lock: once `close` has it, nothing new reaches the loop that it ends.
            answer = self._loop.call(call)
        return answer.result()

    def _check_open(self) -> None:
        if self._is_closed:
            raise UnavailableError("the journal is closed")

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
        """All heads in byte order of their keys, of the moment of the call, however long the reading takes.

        PositionGone if the journal was never at revision `at`, or is replaced by another one while this is read.
        """
        pinned = self.reads.pin(at)
        read = partial(
            self.reads.heads_portion, namespace, pinned, prefix=prefix, include_empty=include_empty, payloads=payloads
        )
        return _commits_of(namespace, read, read())

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
        wanted = limits.VERSION_MAX if limit is None else limit
        found: list[Row] = []
        more = True
        while more and (not found or len(found) < wanted):
            _, rows, more = self.reads.log(
                namespace, names.check_key(key), before=found[-1].version if found else before,
                limit=wanted - len(found), at=None, payloads=payloads,
            )  # fmt: skip
            found += rows
        return [row.commit(namespace) for row in found]

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
        found = [row.commit(page.namespaces[row.namespace_id]) for row in page.rows]
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
        return known_namespace(self.namespaces(), name)

    def create_namespace(
        self, name: str, *, format: str = "any", payload_bytes_max: int = limits.PAYLOAD_BYTES_DEFAULT
    ) -> Namespace:
        """Make a namespace whose payloads must be any, json, yaml or toml; NamespaceExists if it has other rules."""
        self._check_open()
        return administration.create_namespace(self.engine, name, format, payload_bytes_max)[0]

    def verify(
        self, *, expect: Position | None = None, progress: Callable[[int, int], None] | None = None
    ) -> verification.Verification:
        """Recompute chain and heads; the result names the first revision that is wrong."""
        self._check_open()
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


def _commits_of(namespace: str, read: Callable[..., Portion], portion: Portion) -> Iterator[Commit]:
    while True:
        yield from (row.commit(namespace) for row in portion.rows)
        if portion.next_after is None:
            return
        portion = read(after=portion.next_after)
