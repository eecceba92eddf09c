"""Commit: one version of one key; and Draft: a commit that somebody asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rainer.errors import InvalidError
from rainer.model import names, times
from rainer.model.marks import Marks


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of one key, immutable.

    `payload` is bytes kept verbatim, or None when `is_empty` (a removal that keeps its history); zero bytes are a
    payload. `mtime` is an aware datetime with milliseconds, the author's word. `revision` is the commit's place in
    the journal, or None where the source does not tell (an ancestor's server or tree). `marks` is what the server says
    of it (forced, approved by whom), None where nothing is said or the source does not tell; equality does not ask.
    """

    key: str
    version: int
    payload: bytes | None
    author: str
    comment: str
    mtime: datetime
    is_empty: bool = False
    namespace: str = names.DEFAULT_NAMESPACE
    revision: int | None = None
    marks: Marks | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.is_empty and self.payload is not None:
            raise InvalidError(f"commit {self.key!r} {self.version}: an empty commit has no payload")

    def meta(self) -> dict[str, Any]:
        """The ancestor's JSON metadata: key, version, author, comment, mtime, empty."""
        return {
            "key": self.key,
            "version": self.version,
            "author": self.author,
            "comment": self.comment,
            "mtime": times.format_iso(times.to_ms(self.mtime)),
            "empty": self.is_empty,
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit as asked for: checked on creation, so that nothing in it can fail inside the journal's transaction.

    `payload` None means an empty commit. `mtime_ms` None means the server's clock. Raises InvalidError (or its
    TooLargeError) that names the value and the rule. Sizes of payloads are the namespace's affair.
    """

    namespace: str
    key: str
    version: int
    payload: bytes | None
    author: str
    comment: str = ""
    mtime_ms: int | None = None

    def __post_init__(self) -> None:
        names.check_namespace(self.namespace)
        names.check_key(self.key)
        names.check_version(self.version)
        names.check_author(self.author)
        names.check_comment(self.comment)
        if self.mtime_ms is not None:
            times.check_ms(self.mtime_ms)
        if self.payload is not None and not isinstance(self.payload, bytes):
            raise InvalidError(f"the payload of {self.key!r} is {type(self.payload).__name__}, not bytes")


@dataclass(frozen=True, slots=True)
class ImportedDraft(Draft):
    """A commit that an ancestor took once: held only to what storage itself needs, not to today's limits.

    Its author may be empty, long or of several lines and its comment of any length, for history is not rewritten. The
    key rules stay: what they refuse could neither be asked for nor published.
    """

    def __post_init__(self) -> None:
        names.check_namespace(self.namespace)
        names.check_key(self.key)
        names.check_version(self.version)
        names.check_text("author", self.author)
        names.check_text("comment", self.comment)
        times.check_ms(self.mtime_ms)


def draft(
    key: str,
    payload: bytes | None,
    *,
    version: int,
    author: str,
    comment: str = "",
    namespace: str = names.DEFAULT_NAMESPACE,
    mtime: datetime | None = None,
) -> Draft:
    """Make a Draft the way a person writes one; `payload` None removes the key, `mtime` is an aware datetime."""
    mtime_ms = None if mtime is None else times.to_ms(mtime)
    return Draft(namespace, key, version, payload, author, comment, mtime_ms)
