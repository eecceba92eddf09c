"""On what terms a file is put or deleted, and what that comes to beside what is stored. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rainer.errors import ConflictError, DeniedError, ObjectExists
from rainer.model.names import shorten
from rainer.server_store.rows import StoredFile


class PreconditionFailed(ConflictError):
    """The file is not the one that the caller has seen."""


class Verdict(Enum):
    """What is to be done: write the row, only seal it, delete it, or leave all as it is."""

    WRITE = "write"
    SEAL = "seal"
    DELETE = "delete"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Terms:
    """A version in seconds since 1970, which must not be older than the stored one, and what must be true beside.

    `create_only`: there is no such file. `seal`: the same, or the file has these very contents; and from now on nobody
    changes it. `if_match`: SHA-256 digests of which the file must have one; empty: any. `if_sealed` lets a deletion
    pass a seal.
    """

    version_s: int
    create_only: bool = False
    seal: bool = False
    if_match: frozenset[bytes] | None = None
    if_sealed: bool = False


def judge_put(name: str, found: StoredFile | None, terms: Terms, sha256: bytes | None) -> Verdict:
    """What a put comes to; `sha256` is None while the contents are still to come, and WRITE then means perhaps.

    Raises ObjectExists, PreconditionFailed and DeniedError.
    """
    if terms.seal and found is not None and sha256 in (None, found.sha256):
        return Verdict.LEAVE if found.is_sealed else Verdict.SEAL
    if found is not None and (terms.seal or terms.create_only):
        raise ObjectExists(
            f"the file {shorten(name)} exists{'' if sha256 is None else ' with other contents'}",
            hint="take another name, or leave it as it is",
        )
    _check_match(name, found, terms)
    if found is None:
        return Verdict.WRITE
    _check_seal(name, found)
    return Verdict.LEAVE if found.version_s > terms.version_s else Verdict.WRITE


def judge_deletion(name: str, found: StoredFile, terms: Terms) -> Verdict:
    """What a deletion comes to. Raises PreconditionFailed and DeniedError."""
    _check_match(name, found, terms)
    if not terms.if_sealed:
        _check_seal(name, found)
    return Verdict.LEAVE if found.version_s > terms.version_s else Verdict.DELETE


def _check_match(name: str, found: StoredFile | None, terms: Terms) -> None:
    if terms.if_match is None or (found is not None and (not terms.if_match or found.sha256 in terms.if_match)):
        return
    now = "there is none" if found is None else f"it is {found.etag} now"
    raise PreconditionFailed(f"the file {shorten(name)} has not the ETag asked for: {now}", hint="read it, and decide")


def _check_seal(name: str, found: StoredFile) -> None:
    if found.is_sealed:
        raise DeniedError(
            f"the file {shorten(name)} is sealed: an asset's version is never changed",
            hint="put other contents under another name; `rainer asset gc` removes what no manifest names",
        )
