"""A change that somebody is about to make, as forms carry it; who makes it; and what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from rainer.api.needs import asker_of
from rainer.api.pages import cookies, fields
from rainer.api.pages.rendering import links_of, redirect
from rainer.api.pages.showing import shell_word
from rainer.api.reading import service_of
from rainer.api.signing import author_of, marks_of
from rainer.errors import (
    ApprovalRequired,
    InvalidError,
    KeyConflict,
    NotFoundError,
    RainerError,
    RuleBroken,
    UnavailableError,
    VersionConflict,
)
from rainer.journal.group import Kept, Submission
from rainer.journal.row import Row
from rainer.limits import VERSION_MAX
from rainer.model import names
from rainer.model.commit import Draft
from rainer.model.identity import ANONYMOUS
from rainer.service.refusals import RefusedDraft

UPLOAD_BYTES_MAX: Final = 1_000_000
FORM_BYTES_MAX: Final = 4_000_000
"""A text of the largest size in which every second character must be written as three, and a long comment."""
_AUTHOR: Final = "rainer_author"
_YEAR_S: Final = 365 * 86_400
_SOMEBODY: Final = "somebody"
_PLACE: Final = re.compile(r"(?: (?:at|in) line \d+(?:, column \d+)?|, line \d+, column \d+(\)))$")
"""How messages name the place that stands beside them on a page."""
_FORCEABLE: Final = (RuleBroken, ApprovalRequired, UnavailableError)


@dataclass(frozen=True, slots=True)
class Change:
    """What a form says; `base` is the version that it was made on, 0 for none; `file` is what came in a text's place.

    `commit_id` makes a form that is sent twice harmless. `is_merged`: marks of conflicts may stand in the text.
    """

    namespace: str
    key: str
    base: int
    text: str = ""
    ends: str = fields.LF
    file: bytes | None = None
    comment: str = ""
    author: str = ""
    commit_id: str = ""
    is_merged: bool = False
    is_forced: bool = False
    is_split: bool = False

    @classmethod
    def of(cls, form: Mapping[str, str], namespace: str, key: str) -> Change:
        """Read a form; InvalidError for one that no page of ours has made."""
        base = form.get("base", "")
        if not (base.isascii() and base.isdigit() and len(base) < 11 and int(base) <= VERSION_MAX):
            raise InvalidError("the form does not say which version it was made on", hint="open the page again")
        ends = fields.CRLF if form.get("ends") == fields.CRLF else fields.LF
        commit_id = form.get("commit_id", "")
        return cls(
            namespace, key, int(base), form.get("text", ""), ends, _file(form.get("file", "")),
            form.get("comment", ""), form.get("author", ""), names.check_commit_id(commit_id) if commit_id else "",
            form.get("merged") == "yes", form.get("forced") == "yes", form.get("view") == "split",
        )  # fmt: skip

    @property
    def file_text(self) -> str:
        """The file as a form carries it."""
        return "" if self.file is None else base64.urlsafe_b64encode(self.file).decode()

    def payload(self) -> bytes:
        """The bytes that are to be committed; InvalidError where the text cannot be meant."""
        return fields.payload_of(self.text, self.ends) if self.file is None else self.file

    def check_marks(self) -> None:
        """InvalidError while a mark of a conflict is left in a merged text."""
        number = fields.first_mark(self.text) if self.is_merged else None
        if number is not None:
            raise InvalidError(
                f"a conflict mark is left in line {number}",
                hint="keep what shall stay of both sides, and take the lines with the marks out", line=number,
            )  # fmt: skip


def _file(text: str) -> bytes | None:
    if not text:
        return None
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError("the file did not arrive whole", hint="choose it once more") from None
    if len(raw) > UPLOAD_BYTES_MAX:
        raise InvalidError("the file is over 1 MB", hint="commit it with the command line")
    return raw


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a change, and where; `can_force` if who asks may commit it all the same."""

    message: str
    hint: str = ""
    line: int | None = None
    column: int | None = None
    pointer: str = ""
    rule: str = ""
    excerpt: str = ""
    needs_approval: bool = False
    can_force: bool = False

    @classmethod
    def of(cls, error: RainerError, text: str) -> Fault:
        """An error as a page shows it, with the line of the text that it speaks of."""
        found = error.details.get
        message = _PLACE.sub(r"\1", error.message) if found("line") else error.message
        line = found("line")
        lines = text.split("\n")
        excerpt = lines[line - 1] if isinstance(line, int) and 0 < line <= len(lines) else ""
        return cls(
            message, error.hint or "", line, found("column"), found("pointer") or "", found("rule") or "",
            excerpt[:500], isinstance(error, ApprovalRequired),
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The same for scripts."""
        return {
            "message": self.message, "hint": self.hint, "line": self.line, "column": self.column,
            "pointer": self.pointer, "rule": self.rule,
        }  # fmt: skip


async def head_of(request: Request, namespace: str, key: str) -> Row | None:
    """The newest commit of a key with its payload; None for a key that never was."""
    return await version_at(request, namespace, key, None)


async def version_at(request: Request, namespace: str, key: str, version: int | None) -> Row | None:
    """A version of a key with its payload; None where it is not there."""
    service = service_of(request)
    await service.live.namespace(namespace)
    try:
        return (await service.live.in_thread(service.reads.commit, namespace, key, version, None, True))[1]
    except NotFoundError:
        return None


# Who makes it


def asks_author(request: Request) -> bool:
    """Whether whoever makes a change must say his name, for nobody knows it."""
    identity = asker_of(request).identity
    return identity.is_open or identity.source == ANONYMOUS.source


def known_author(request: Request) -> str:
    """The name that was said last time; empty where it was never, or need not be said."""
    return unquote(request.cookies.get(_AUTHOR, "")) if asks_author(request) else ""


def author_of_form(request: Request, form: Mapping[str, str]) -> str:
    """Who makes a change: who asks, or where nobody knows him the name in the field `author`, or of last time."""
    if not asks_author(request):
        return asker_of(request).identity.name
    return form.get("author", "").strip() or known_author(request)


def remember_author(request: Request, answer: Response, author: str) -> None:
    """Have the browser keep the name that somebody said, for the next form."""
    if asks_author(request) and author != known_author(request):
        cookies.set_cookie(request, answer, _AUTHOR, quote(author, safe=""), _YEAR_S)


# What becomes of it


def _submission(request: Request, change: Change, payload: bytes | None, comment: str) -> Submission:
    asker = asker_of(request)
    said = author_of_form(request, {"author": change.author}) or _SOMEBODY
    author = author_of(asker, said, change.namespace, change.key)
    draft = Draft(change.namespace, change.key, change.base + 1, payload, author, comment)
    return Submission((draft,), change.commit_id or None, marks=marks_of(asker, (draft,)))


async def try_change(request: Request, change: Change, payload: bytes | None) -> Fault | None:
    """What the server would refuse it for now, hooks and all; None for nothing. VersionConflict if the head moved."""
    service, asker = service_of(request), asker_of(request)
    submission = _submission(request, change, payload, change.comment.strip())
    try:
        await service.rehearse(submission)
    except RefusedDraft as refused:
        if isinstance(refused.error, VersionConflict):
            raise refused.error from None
        await _check_base(request, change)
        fault = Fault.of(refused.error, change.text)
        if isinstance(refused.error, _FORCEABLE) and asker.may("force", change.namespace, change.key):
            return replace(fault, can_force=True)
        return fault
    return None


async def _check_base(request: Request, change: Change) -> None:
    """VersionConflict if the head moved: rules speak first, and would hide it."""
    _, head = await service_of(request).live.head(change.namespace, change.key)
    version = 0 if head.row is None else head.row.version
    if version != change.base:
        raise VersionConflict([KeyConflict(change.namespace, change.key, version + 1, change.base + 1)])


async def check_typing(request: Request, change: Change, payload: bytes) -> Fault | None:
    """What is wrong with a text that is being typed: asks no hook, nobody's approval, and no other key."""
    draft = _submission(request, change, payload, change.comment).drafts[0]
    try:
        await service_of(request).check([draft], approvals=1_000, dry_run=True, quick=True)
    except RefusedDraft as refused:
        return Fault.of(refused.error, change.text)
    return None


async def commit_change(request: Request, change: Change, payload: bytes | None) -> Kept:
    """Commit it as the API would; RefusedDraft, VersionConflict, DeniedError."""
    check_said(request, change)
    if change.is_forced:
        asker_of(request).demand("force", change.namespace, change.key)
    submission = _submission(request, change, payload, change.comment.strip())
    return await service_of(request).commit(submission, forced=change.is_forced)


def check_said(request: Request, change: Change) -> None:
    """InvalidError where nobody says why, or nobody who."""
    if not change.comment.strip():
        raise InvalidError("nobody says why", hint="write a comment: it is what everybody reads in the history")
    names.check_comment(change.comment.strip())
    author = author_of_form(request, {"author": change.author})
    if not author:
        raise InvalidError("nobody says who makes this change", hint="write your name: it stands in the history")
    names.check_author(author)


def done(request: Request, change: Change, version: int) -> Response:
    """On to the key, which says that the version is committed; the name is kept for next time."""
    answer = redirect(links_of(request).key(change.namespace, change.key, done=version))
    remember_author(request, answer, author_of_form(request, {"author": change.author}))
    return answer


def command_line(request: Request, namespace: str, word: str, key: str) -> str:
    """A command of ours about a key, to be pasted."""
    base = f"{request.url.scheme}://{request.headers.get('host', 'localhost')}{links_of(request).base}"
    key = shell_word(key)
    return f"rainer --url {shell_word(f'{base}/{namespace}')} {word} {'-- ' if key.startswith('-') else ''}{key}"
