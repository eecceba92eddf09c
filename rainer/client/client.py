"""The client of a journal over HTTP: commits, reads, the feed and namespaces."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Self

import requests

from rainer import limits
from rainer.client.address import Address, with_query
from rainer.client.answers import Changes, changes_of
from rainer.client.asking import Caller, Times
from rainer.client.changesets import drafts_of, no_author
from rainer.client.proposals import ProposalCalls
from rainer.client.reading import Reader
from rainer.client.retries import Retries
from rainer.client.server import ServerCalls
from rainer.client.transport import Transport
from rainer.client.writing import Wish, Writer
from rainer.errors import InvalidError, PositionGone
from rainer.model import names
from rainer.model.commit import Commit, Draft, draft

_RELOADS = 3
"""How often heads() begins again when the journal is replaced while it reads."""


class Client(ServerCalls, ProposalCalls):
    """One namespace of a Rainer server, or of its ancestor's, over HTTP.

    `url` ends in the namespace: `http://localhost:8080/diary`. A call ends within `timeout_s` seconds, repetitions and
    their pauses included; within that, making a connection may take `connect_timeout_s` and the server may be silent
    for `read_timeout_s`. `token` says who asks; without an `author` commits are then by whom the server takes it for. A
    base URL may carry it too (`http://host/-/t/TOKEN/diary`); it is sent as a header either way. `retries` is how often
    a call is repeated at most, or a Retries with its pauses: reads when the server cannot be reached or is busy,
    commits under the same commit id also when their answer was lost.

    Raises InvalidError for a URL that cannot be one. Every call may raise UnavailableError (nothing was done), and
    InvalidError where the address is not a Rainer server's. Safe across threads, which share a pool of connections, and
    across forks, which do not. `session` is a requests.Session with your own certificates, proxies or adapters, or a
    function that makes one (called once a process, so forks are safe with it, too); without one, neither cookies nor
    the environment's proxies and `.netrc` are used.
    """

    def __init__(
        self,
        url: str,
        *,
        author: str | None = None,
        token: str | None = None,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 15.0,
        retries: int | Retries = 5,
        session: requests.Session | Callable[[], requests.Session] | None = None,
    ) -> None:
        if min(timeout_s, connect_timeout_s, read_timeout_s) <= 0:
            raise InvalidError("a timeout must be longer than 0 seconds")
        if author is not None:
            names.check_author(author)
        self.author = author
        self._own_name = None
        address = Address.parse(url).with_token(token)
        transport = Transport(address, session)
        policy = retries if isinstance(retries, Retries) else Retries(retries)
        self._start(address, Caller(transport, policy, Times(timeout_s, connect_timeout_s, read_timeout_s)))

    def _start(self, address: Address, caller: Caller) -> None:
        self._address = address
        self._caller = caller
        self._reader = Reader(caller, address)
        self._writer = Writer(caller, address)

    # What it speaks to.
    @property
    def namespace_name(self) -> str:
        """The namespace at the end of the base URL."""
        return self._address.namespace

    @property
    def address(self) -> Address:
        """Server, namespace and login."""
        return self._address

    @property
    def url(self) -> str:
        """The base URL, without a password."""
        return self._address.base

    def in_namespace(self, name: str) -> Client:
        """The same server, author and connections, another namespace; InvalidError for a name that cannot be one."""
        other = Client.__new__(Client)
        other.author, other._own_name = self.author, self._own_name
        other._start(self._address.in_namespace(name), self._caller)
        return other

    def close(self) -> None:
        """Close the pooled connections, those of clients made by in_namespace too; a later call opens new ones."""
        self._caller.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    # Reading.

    def get(self, key: str, version: int | None = None, *, at: int | None = None) -> Commit:
        """One version of a key, by default its head, or the head as of the revision `at`.

        A removal is a commit too, with `is_empty`. Raises NotFoundError.
        """
        if version is not None:
            names.check_version(version)
        return self._reader.get(key, version, at)

    def heads(
        self, *, prefix: str = "", include_empty: bool = False, payloads: bool = True, at: int | None = None
    ) -> dict[str, Commit]:
        """The newest commit of every key, in byte order of the keys, all as of one revision (`at`, or now).

        Removed keys are left out unless `include_empty`; without `payloads`, every commit's payload is None. Read in
        pages, each within `timeout_s`. Raises NamespaceNotFound, and PositionGone for an `at` that the journal lacks.
        """
        reloads = 0
        while True:
            try:
                return {commit.key: commit for commit in self._reader.heads(prefix, include_empty, payloads, at)}
            except PositionGone:
                reloads += 1
                if at is not None or reloads > _RELOADS:
                    raise

    def iter_heads(
        self, *, prefix: str = "", include_empty: bool = False, payloads: bool = True, at: int | None = None
    ) -> Iterator[Commit]:
        """The same as heads(), one commit at a time and a page in memory at most.

        Raises PositionGone in the middle where the journal is replaced by another (a restored backup) meanwhile.
        """
        return self._reader.heads(prefix, include_empty, payloads, at)

    def log(self, key: str, *, limit: int | None = None, payloads: bool = True) -> list[Commit]:
        """The commits of a key, newest first, at most `limit`; without `payloads`, every payload is None.

        Raises NotFoundError for a key that never existed.
        """
        return list(self.iter_log(key, limit=limit, payloads=payloads))

    def iter_log(
        self, key: str, *, before: int | None = None, limit: int | None = None, payloads: bool = True
    ) -> Iterator[Commit]:
        """The same, from below version `before`, a page at a time: for histories that should not stand in memory."""
        if limit is not None and limit < 0:
            raise InvalidError(f"limit {limit} is negative")
        return self._reader.log(key, limit, payloads, before)

    # Committing.

    def draft(
        self,
        key: str,
        payload: bytes | None,
        *,
        version: int,
        author: str | None = None,
        comment: str = "",
        mtime: datetime | None = None,
    ) -> Draft:
        """A draft for commit_many() in this client's namespace and, unless given, by its author."""
        author = self._author(author)
        if author is None:
            raise no_author()
        return draft(
            key, payload, version=version, author=author, comment=comment, namespace=self.namespace_name, mtime=mtime
        )

    def commit(
        self,
        key: str,
        payload: bytes | None,
        *,
        version: int,
        author: str | None = None,
        comment: str = "",
        mtime: datetime | None = None,
        commit_id: str | None = None,
        dry_run: bool = False,
        force: bool = False,
    ) -> Commit:
        """Commit `payload` (None: remove the key) as `version`, which must be the head's plus one, 1 for a new key.

        It is sent with `commit_id` (by default a new UUID), again when the answer is lost: a server does it once. After
        that, an ancestor's "conflict" is success where it holds a commit of this payload, author and comment. Raises
        VersionConflict, InvalidError (MalformedPayload, RuleBroken, TooLargeError, CommitIdReused), DeniedError,
        UnavailableError (nothing was done), or OutcomeUnknown (sent, and nobody said what became of it; its message
        names the commit id). With `dry_run` what would be is returned, without a revision, and nothing committed. With
        `force` (and a permission, and a comment) no rule counts, and the commit is marked.
        """
        made = self.draft(key, payload, version=version, author=author, comment=comment, mtime=mtime)
        return self._writer.commit(made, _checked_id(commit_id), Wish(dry_run, force))

    def commit_many(
        self,
        drafts: Iterable[Draft | Mapping[str, Any]],
        *,
        author: str | None = None,
        comment: str = "",
        commit_id: str | None = None,
        dry_run: bool = False,
        force: bool = False,
    ) -> list[Commit]:
        """Make several commits all together or not at all, as one changeset; the commits come in the drafts' order.

        A draft is a Draft (see draft(); `rainer.model.commit.draft` puts it into the namespace diary unless told) or a
        mapping of its arguments, {"key": "a", "payload": b"1", "version": 1}. `author` and `comment` are for those that
        have none; the namespace of a mapping is this client's. At most 20,000 drafts; several versions of a key stand
        in their order. `dry_run`, `force` and errors are those of commit(); a VersionConflict lists every conflict.
        """
        author = self._author(author)
        made = drafts_of(drafts, namespace=self.namespace_name, author=author, comment=comment)
        return self._writer.changeset(made, _checked_id(commit_id), Wish(dry_run, force))

    def _author(self, said: str | None) -> str | None:
        found = self.author if said is None else said
        return self.own_name() if found is None else found

    # The feed.

    def changes(
        self,
        since: int = 0,
        *,
        wait_s: float = 0,
        limit: int = limits.FEED_PAGE_DEFAULT,
        payloads: bool = False,
        lineage: str | None = None,
        chain: str | None = None,
    ) -> Changes:
        """The namespace's commits after the revision `since`, oldest first, about `limit` of them, no changeset split.

        While there is nothing, the server holds the answer back for up to `wait_s` seconds (whole ones, 60 at most). Go
        on from the page's `revision`, also where it has no commits. `lineage` and `chain` are those of the page before:
        if the journal has another history by now, or does not hold `since`, PositionGone is raised: read the heads.
        """
        wait_s = math.ceil(min(max(wait_s, 0), limits.FEED_WAIT_S_MAX))
        query: dict[str, str | int | None] = {
            "since": since,
            "namespace": self.namespace_name,
            "wait": wait_s or None,
            "limit": limit,
            "payload_base64": "yes" if payloads else None,
            "lineage": lineage,
            "chain": chain,
        }
        answer = self._reader.ask(with_query("/-/changes", query), f"the feed since {since}", wait_s=wait_s)
        return changes_of(answer, self.namespace_name)

    def follow(
        self,
        since: int = 0,
        *,
        wait_s: float = 30,
        limit: int = limits.FEED_PAGE_DEFAULT,
        payloads: bool = False,
        lineage: str | None = None,
        chain: str | None = None,
    ) -> Iterator[Changes]:
        """The pages of changes() that hold commits, without end, each as soon as it is there.

        Raises what changes() does; after UnavailableError, begin again where the last page ended.
        """
        while True:
            page = self.changes(since, wait_s=wait_s, limit=limit, payloads=payloads, lineage=lineage, chain=chain)
            since, lineage, chain = page.revision, page.lineage, page.chain
            if page.commits:
                yield page


def _checked_id(commit_id: str | None) -> str:
    return str(uuid.uuid4()) if commit_id is None else names.check_commit_id(commit_id)
