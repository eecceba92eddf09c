"""The one tree of errors: every failure a user can meet, each with a stable code that HTTP, Python and the shell share.

`code` never changes once released: scripts and other languages match on it. `hint` names the next step. `retryable`
says whether the same call may succeed later *without* any risk of doing it twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple


class RainerError(Exception):
    """Base of all errors raised by Rainer; `str(error)` is one sentence fit for a person.

    `details` holds JSON-able facts (line, column, limit …) that travel in the HTTP problem document.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = details

    def __str__(self) -> str:
        return self.message

    def as_dict(self) -> dict[str, Any]:
        """The error as the JSON members shared by HTTP problems and `--json` output."""
        out: dict[str, Any] = {"code": self.code, "detail": self.message, "retryable": self.retryable}
        if self.hint:
            out["hint"] = self.hint
        return out | self.details


class InvalidError(RainerError):
    """The request itself is wrong; sending it again cannot help."""

    code = "invalid"


class TooLargeError(InvalidError):
    """A payload, body or changeset is over a limit; the limit is in the message."""

    code = "too-large"


class MalformedPayload(InvalidError):
    """The namespace's format cannot parse the payload; `line` and `column` count from 1 where the parser tells."""

    code = "malformed-payload"

    @property
    def line(self) -> int | None:
        return self.details.get("line")

    @property
    def column(self) -> int | None:
        return self.details.get("column")


class InvalidDocument(MalformedPayload):
    """A document of namespace `rainer` says something that it may not; `pointer`, `line` and `column` tell where."""

    code = "invalid-document"


class RuleBroken(MalformedPayload):
    """A payload breaks a rule of validation: `rule` says which, `pointer`, `line` and `column` where, if anywhere."""

    code = "rule-broken"


class CommitIdReused(InvalidError):
    """The commit id already stands in the journal for other content."""

    code = "commit-id-reused"


class InvalidUri(InvalidError):
    """No store understands the URI; the hint says what one looks like."""

    code = "invalid-uri"


class InvalidManifest(InvalidError):
    """A manifest, lock file or pack says something that it may not."""

    code = "invalid-manifest"


class NotFoundError(RainerError):
    """The key, version or other named thing does not exist."""

    code = "not-found"


class NamespaceNotFound(NotFoundError):
    """No namespace of that name."""

    code = "namespace-not-found"


class PositionGone(NotFoundError):
    """The journal does not hold the position asked for (restored or other lineage): reload from the heads."""

    code = "position-gone"


class ObjectNotFound(NotFoundError):
    """The store has no object of that URI."""

    code = "object-not-found"


class AssetNotFound(NotFoundError):
    """The manifest names no such path, or the path has no such version."""

    code = "asset-not-found"


class ConflictError(RainerError):
    """What is stored moved on; read it and decide again."""

    code = "conflict"


class KeyConflict(NamedTuple):
    """One key of a refused commit or changeset: the version that would be accepted and the one given."""

    namespace: str
    key: str
    expected: int
    provided: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "namespace": self.namespace,
            "key": self.key,
            "expectedVersion": self.expected,
            "providedVersion": self.provided,
        }


class VersionConflict(ConflictError):
    """A commit named a version that is not the head's plus one; nothing of its changeset was written.

    `expected`, `provided`, `key` and `namespace` speak of the first conflict, `conflicts` of all.
    """

    code = "version-conflict"

    def __init__(self, conflicts: list[KeyConflict]) -> None:
        first = conflicts[0]
        more = f" (and {len(conflicts) - 1} more)" if len(conflicts) > 1 else ""
        super().__init__(
            f"key {first.key!r}: version {first.provided} was offered, {first.expected} is next{more}",
            hint="read the head, decide again, and commit with the next version",
        )
        self.conflicts = conflicts
        self.namespace, self.key = first.namespace, first.key
        self.expected, self.provided = first.expected, first.provided

    def __reduce__(self) -> tuple[type[VersionConflict], tuple[list[KeyConflict]]]:
        return type(self), (self.conflicts,)

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"conflicts": [c.as_dict() for c in self.conflicts]}


class NamespaceExists(ConflictError):
    """A namespace of that name exists with other settings."""

    code = "namespace-exists"


class ObjectExists(ConflictError):
    """An object of that name is there already, with other contents, and names like it are written once."""

    code = "object-exists"


class AssetVersionConflict(ConflictError):
    """The version asked for is not above the one that the manifest names."""

    code = "asset-version-conflict"


class ProposalDecided(ConflictError):
    """The proposal is not open any more: somebody else has approved or rejected it; the message says who."""

    code = "proposal-decided"


class ProposalStale(ConflictError):
    """What a proposal was made on has moved since, so that it cannot be committed; `conflicts` has where."""

    code = "proposal-stale"


class DeniedError(RainerError):
    """Not allowed: by permission, by a closed namespace, or by a read-only server."""

    code = "denied"


class NamespaceClosed(DeniedError):
    """The namespace is closed: its history stays readable, it takes no commits."""

    code = "namespace-closed"


class UnauthenticatedError(DeniedError):
    """The credentials prove no identity here: unknown, expired or revoked, in the same words for all; or none came."""

    code = "unauthenticated"


class ApprovalRequired(DeniedError):
    """The key changes only with the approval of others: propose the commit."""

    code = "approval-required"


class CredentialsError(DeniedError):
    """A store wants credentials, and those found are missing, wrong or expired; the message says what to set."""

    code = "credentials"


class CorruptError(RainerError):
    """Stored data contradicts itself; `rainer verify` tells where."""

    code = "corrupt"


class WrongDigest(CorruptError):
    """What a store sent is not what was promised: another size or another SHA-256. Nothing of it was kept."""

    code = "wrong-digest"


class UnavailableError(RainerError):
    """A server or database cannot answer now; nothing was done, the call may be repeated."""

    code = "unavailable"
    retryable = True


class OverloadedError(UnavailableError):
    """A queue is full; nothing was done. `retry_after_s` says when to come back."""

    code = "overloaded"

    @property
    def retry_after_s(self) -> int:
        return int(self.details.get("retry_after_s", 1))


class RateLimited(OverloadedError):
    """This identity asks more often than the server lets it; nothing was done."""

    code = "rate-limited"


class StoreUnavailable(UnavailableError):
    """A store cannot be reached, stalls, throttles or breaks off, also after several tries."""

    code = "store-unavailable"


class NotCached(UnavailableError):
    """The file is not in the local cache, and nothing could be fetched; the message names the path looked at."""

    code = "not-cached"


class NoSpace(UnavailableError):
    """The disk, or the cache's limit, has no room for the file; nothing of it was kept."""

    code = "no-space"
    retryable = False


class OutcomeUnknown(RainerError):
    """Sent, and no answer came: the commit may stand or not. Look before you retry, or retry with its commit id."""

    code = "outcome-unknown"


class SchemaMismatch(RainerError):
    """The database's schema is older or newer than this program."""

    code = "schema-mismatch"


class MissingExtra(RainerError):
    """An optional dependency is not installed; the message names the pip command."""

    code = "missing-extra"


def missing_extra(what: str, extras: str = "server") -> MissingExtra:
    """The error that says, in one sentence, what is not installed and the pip command that brings it."""
    return MissingExtra(f"{what}: pip install 'rainer[{extras}]'")


def _tree(cls: type[RainerError]) -> Iterator[type[RainerError]]:
    yield cls
    for sub in cls.__subclasses__():
        yield from _tree(sub)


BY_CODE: dict[str, type[RainerError]] = {cls.code: cls for cls in _tree(RainerError)}


def from_dict(body: Mapping[str, Any]) -> RainerError:
    """Rebuild the error that `as_dict` described; an unknown code becomes a plain RainerError that keeps the text."""
    cls = BY_CODE.get(str(body.get("code")), RainerError)
    conflicts = body.get("conflicts")
    if cls is VersionConflict and isinstance(conflicts, list) and conflicts:
        return VersionConflict([conflict_from_dict(c) for c in conflicts])
    known = {"code", "detail", "hint", "retryable", "type", "title", "status"}
    message = str(body.get("detail") or body.get("title") or "the server gave no reason")
    details = {k: v for k, v in body.items() if k not in known}
    return cls(message, hint=body.get("hint"), **details) if cls is not VersionConflict else ConflictError(message)


def conflict_from_dict(body: Mapping[str, Any]) -> KeyConflict:
    """Read one member of a 409 answer, the ancestor's (no namespace) or ours."""
    return KeyConflict(
        namespace=str(body.get("namespace", "")),
        key=str(body["key"]),
        expected=int(body["expectedVersion"]),
        provided=int(body["providedVersion"]),
    )
