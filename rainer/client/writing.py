"""Commits and changesets of one server: how they are spelt as requests, and how a lost one is recognised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from rainer.client.address import Address
from rainer.client.answers import commit_of_meta, json_object, revision_of
from rainer.client.asking import Caller
from rainer.client.changesets import body_of, check_payload_size, commits_granted
from rainer.client.committing import Sending, send
from rainer.client.reading import Reader
from rainer.client.refusals import foreign
from rainer.client.retries import Patience
from rainer.client.transport import Answer, Request
from rainer.errors import InvalidError, RainerError
from rainer.model import times
from rainer.model.commit import Commit, Draft
from rainer.model.headers import encode_text


class Wish(NamedTuple):
    """How drafts are meant: only to be tried, or past the rules of validation."""

    dry_run: bool = False
    force: bool = False


class Writer:
    """Sends drafts under commit ids. Thread-safe."""

    def __init__(self, caller: Caller, address: Address) -> None:
        self.caller = caller
        self.address = address

    def commit(self, made: Draft, commit_id: str, wish: Wish = Wish()) -> Commit:  # noqa: B008 - immutable
        """Send one draft: as the ancestor's POST where its texts fit a header, else as a changeset of one.

        One that is only tried is a changeset that says so, which servers refuse that know of no such thing; the POST
        they would take for a commit.
        """
        check_payload_size(made.payload)
        author, author_is_whole = encode_text(made.author)
        comment, comment_is_whole = encode_text(made.comment)
        if author_is_whole and comment_is_whole and not wish.dry_run:
            return self._post(made, commit_id, author, comment, wish)
        try:
            return self.changeset([made], commit_id, wish)[0]
        except RainerError as e:
            if e.details.get("http_status") not in (404, 405):
                raise
            if wish.dry_run:
                raise InvalidError(f"{self.address.base}: this server cannot try a commit") from e
            raise InvalidError(
                f"{self.address.base}: this server takes author and comment only as one short line",
                hint="shorten the comment to one line of at most 4,096 bytes",
            ) from e

    def changeset(
        self,
        drafts: Sequence[Draft],
        commit_id: str,
        wish: Wish = Wish(),  # noqa: B008 - immutable
    ) -> list[Commit]:
        """Send drafts that are made all together or not at all; the commits in the order of the drafts."""
        headers: dict[str, str | bytes] = {"Content-Type": "application/json", "X-Rainer-Commit-Id": commit_id}
        if wish.force:
            headers["X-Rainer-Force"] = "yes"
        path = "/-/changesets?dry_run=yes" if wish.dry_run else "/-/changesets"
        request = Request("POST", path, headers, body_of(drafts, dry_run=wish.dry_run))
        return self._send(request, drafts, commit_id, lambda answer: commits_granted(answer, drafts))

    def _post(self, made: Draft, commit_id: str, author: bytes, comment: bytes, wish: Wish) -> Commit:
        headers: dict[str, str | bytes] = {
            "Content-Type": "application/octet-stream",
            "X-Rainer-Author": author,
            "X-Rainer-Comment": comment,
            "X-Rainer-Commit-Id": commit_id,
            # A payload that does not parse is then refused with line and column, not in the ancestor's bare sentence.
            "Accept": "application/problem+json, */*",
        }
        if wish.force:
            headers["X-Rainer-Force"] = "yes"
        if made.payload is None:
            headers["X-Rainer-Empty"] = "Yes"
        if made.mtime_ms is not None:
            headers["X-Rainer-Modified-Time"] = times.format_iso(made.mtime_ms)
        path = self.address.in_namespace(made.namespace).key_path(made.key, made.version)
        request = Request("POST", path, headers, made.payload or b"")
        return self._send(request, [made], commit_id, lambda answer: [_granted(answer, made)])[0]

    def _send(
        self, request: Request, drafts: Sequence[Draft], commit_id: str, read: Callable[[Answer], list[Commit]]
    ) -> list[Commit]:
        first = drafts[0]
        subject = f"version {first.version} of key {first.key!r}"
        if len(drafts) > 1:
            subject = f"the changeset of {len(drafts)} commits that begins with {subject}"
        details = {"namespace": first.namespace, "key": first.key, "version": first.version}
        sending = Sending(request, first.namespace, subject, commit_id, details)
        return send(self.caller, sending, read, lambda patience: self._find(drafts, patience))

    def _find(self, drafts: Sequence[Draft], patience: Patience) -> list[Commit] | None:
        """The stored commits if they say all that the drafts do, else None; NotFoundError where one is absent."""
        found = []
        for made in drafts:
            reader = Reader(self.caller, self.address.in_namespace(made.namespace))
            stored = reader.get(made.key, made.version, None, patience)
            if not _says_the_same(stored, made):
                return None
            found.append(stored)
        return found


def _granted(answer: Answer, made: Draft) -> Commit:
    meta = commit_of_meta(answer, json_object(answer), made.namespace)
    if (meta.key, meta.version) != (made.key, made.version):
        raise foreign(answer, "it speaks of another commit than was sent")
    revision = revision_of(answer, "x-rainer-commit-revision")
    return replace(meta, payload=made.payload, is_empty=made.payload is None, revision=revision)


def _says_the_same(stored: Commit, made: Draft) -> bool:
    return (
        stored.payload == made.payload
        and stored.author == made.author
        and stored.comment == made.comment
        and (made.mtime_ms is None or times.to_ms(stored.mtime) == made.mtime_ms)
    )
