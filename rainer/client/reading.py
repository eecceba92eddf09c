"""Long answers in pages: heads at one revision, and the history of a key."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rainer import limits
from rainer.client.address import Address, with_query
from rainer.client.answers import (
    array_of,
    commit_of_headers,
    commit_of_meta,
    is_ancestor,
    json_object,
    revision_of,
)
from rainer.client.asking import Caller
from rainer.client.refusals import foreign, is_problem
from rainer.client.retries import Patience
from rainer.client.transport import Answer, Request
from rainer.errors import InvalidError, PositionGone
from rainer.model.commit import Commit

PAGE_BYTES_AIM = 4_000_000
"""Pages with payloads are asked for in such counts that each has about this size, whatever the payloads' size."""
_FIRST_PAGE = 100
_NEXT = re.compile(r"""<[^>]*>[^,]*;\s*rel="?next"?""", re.IGNORECASE)


class Reader:
    """Reads one namespace; what it yields is consistent at one revision. Thread-safe."""

    def __init__(self, caller: Caller, address: Address) -> None:
        self.caller = caller
        self.address = address

    def get(self, key: str, version: int | None, at: int | None, patience: Patience | None = None) -> Commit:
        path = self.address.key_path(key, *(() if version is None else (version,)))
        answer = self.ask(with_query(path, {"at": at}), _subject(key, version), patience=patience)
        if at is not None:
            _need_revisions(answer)
        commit, is_whole = commit_of_headers(answer, key, self.address.namespace)
        if is_whole:
            return commit
        meta = self.ask(self.address.key_path(key, commit.version, "meta"), _subject(key, version), patience=patience)
        full = commit_of_meta(meta, json_object(meta), self.address.namespace)
        return Commit(
            key, commit.version, commit.payload, full.author, full.comment,
            commit.mtime, commit.is_empty, commit.namespace, commit.revision, commit.marks,
        )  # fmt: skip

    def heads(self, prefix: str, include_empty: bool, payloads: bool, at: int | None) -> Iterator[Commit]:
        """The heads in byte order of their keys, page by page, all at the revision of the first page."""
        page, after, lineage = _Page(payloads), None, None
        while True:
            query = {
                "all": "yes" if include_empty else None,
                "payload_base64": "yes" if payloads else None,
                "revisions": "yes",
                "prefix": prefix or None,
                "limit": page.count,
                "after": after,
                "at": at,
            }
            path = with_query(self.address.namespace_path(), query)
            answer = self.ask(path, f"namespace {self.address.namespace!r}")
            if is_ancestor(answer):
                yield from self._ancestors_heads(answer, prefix, at)
                return
            lineage = _same_lineage(answer, lineage)
            metas = json_object(answer)
            for meta in metas.values():
                yield commit_of_meta(answer, meta, self.address.namespace)
            if not _NEXT.search(answer.headers.get("link", "")):
                return
            at, after = revision_of(answer), next(reversed(metas), None)
            if after is None:
                raise foreign(answer, "a page of heads is empty, and yet there is a next one")
            page.learn(len(metas), len(answer.body))

    def _ancestors_heads(self, answer: Answer, prefix: str, at: int | None) -> Iterator[Commit]:
        if at is not None:
            _need_revisions(answer)
        for key, meta in sorted(json_object(answer).items(), key=lambda item: item[0].encode("utf-8", "replace")):
            if key.startswith(prefix):
                yield commit_of_meta(answer, meta, self.address.namespace)

    def log(self, key: str, limit: int | None, payloads: bool, before: int | None = None) -> Iterator[Commit]:
        """The commits of a key, newest first, at most `limit` of them."""
        page, left = _Page(payloads), limit
        while left is None or left > 0:
            count = page.count if left is None else min(page.count, left)
            query = {"limit": count, "before": before, "payload_base64": "yes" if payloads else None}
            path = with_query(self.address.key_path(key, "log"), query)
            answer = self.ask(path, _subject(key), accept_no_log=True)
            if answer.status != 200:
                yield from self._walk(key, left, payloads, before)
                return
            body = json_object(answer)
            told = array_of(answer, body, "commits")
            commits = [commit_of_meta(answer, meta, self.address.namespace) for meta in told]
            yield from commits
            left = None if left is None else left - len(commits)
            if not body.get("more") or not commits:
                return
            before = commits[-1].version
            page.learn(len(commits), len(answer.body))

    def _walk(self, key: str, limit: int | None, payloads: bool, before: int | None) -> Iterator[Commit]:
        """The log of a server that has none: version by version, from the head, or from below `before`, down."""
        head = self._one(key, None if before is None else before - 1, payloads)
        yield head
        lowest = 1 if limit is None else max(1, head.version - limit + 1)
        for version in range(head.version - 1, lowest - 1, -1):
            yield self._one(key, version, payloads)

    def _one(self, key: str, version: int | None, payloads: bool) -> Commit:
        if payloads:
            return self.get(key, version, None)
        path = self.address.key_path(key, *(() if version is None else (version,)), "meta")
        answer = self.ask(path, _subject(key, version))
        return commit_of_meta(answer, json_object(answer), self.address.namespace)

    def ask(
        self,
        path: str,
        subject: str,
        *,
        wait_s: float = 0.0,
        patience: Patience | None = None,
        accept_no_log: bool = False,
    ) -> Answer:
        """The answer to a GET."""
        request = Request("GET", path, {})
        accept = _has_no_log if accept_no_log else None
        return self.caller.ask(
            request, self.address.namespace, subject, wait_s=wait_s, patience=patience, accept=accept
        )


class _Page:
    """How many commits to ask for next: few at first, then as many as make a page of the size aimed at."""

    def __init__(self, payloads: bool) -> None:
        self.count = _FIRST_PAGE if payloads else limits.LIST_PAGE_MAX

    def learn(self, commits: int, size: int) -> None:
        if commits:
            # Four times at most: behind a thousand small payloads there may stand a thousand large ones.
            fitting = min(PAGE_BYTES_AIM * commits // max(size, 1), 4 * self.count, limits.LIST_PAGE_MAX)
            self.count = max(1, fitting)


def _subject(key: str, version: int | None = None) -> str:
    return f"key {key!r}" if version is None else f"version {version} of key {key!r}"


def _has_no_log(answer: Answer) -> bool:
    # An ancestor takes "log" for a version: no such version, or no version at all.
    return answer.status in (400, 404, 405) and is_ancestor(answer) and not is_problem(answer)


def _need_revisions(answer: Answer) -> None:
    if is_ancestor(answer):
        raise InvalidError(
            f"{answer.url}: this server tells no revisions, so it cannot be asked for the past",
            hint="leave out at=, or ask a Rainer server",
        )


def _same_lineage(answer: Answer, lineage: str | None) -> str | None:
    told = answer.headers.get("x-rainer-lineage")
    if lineage is not None and told != lineage:
        raise PositionGone(f"{answer.url}: the journal was replaced between two pages", hint="read the heads again")
    return told
