"""The JSON of a changeset: commits made all together or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rainer import limits
from rainer.client.answers import array_of, commit_of_meta, json_object
from rainer.client.refusals import foreign
from rainer.client.transport import Answer
from rainer.errors import InvalidError, TooLargeError
from rainer.model import times
from rainer.model.commit import Commit, Draft, draft
from rainer.model.proposal import payload_members


def drafts_of(
    given: Iterable[Draft | Mapping[str, Any]], *, namespace: str, author: str | None, comment: str
) -> list[Draft]:
    """The drafts as they will be sent: mappings become drafts, and what a member leaves open is filled in.

    Raises InvalidError for none at all, for something that is no draft, or where nobody names an author, and
    TooLargeError for more than 20,000.
    """
    drafts = []
    for item in given:
        if isinstance(item, Draft):
            drafts.append(item if item.comment or not comment else replace(item, comment=comment))
            continue
        if not isinstance(item, Mapping):
            raise InvalidError(f"a changeset is made of drafts, not of {type(item).__name__}")
        members = {"namespace": namespace, "author": author, "comment": comment} | dict(item)
        if members["author"] is None:
            raise no_author()
        try:
            drafts.append(draft(**members))
        except TypeError as e:
            raise InvalidError(f"a draft takes key, payload, version, author, comment, namespace, mtime: {e}") from None
    if not drafts:
        raise InvalidError("a changeset without commits")
    if len(drafts) > limits.CHANGESET_COMMITS_MAX:
        raise TooLargeError(
            f"{len(drafts)} commits, over the {limits.CHANGESET_COMMITS_MAX} that a changeset may have",
            limit=limits.CHANGESET_COMMITS_MAX,
        )
    return drafts


def no_author() -> InvalidError:
    return InvalidError("nobody is named as the author", hint="give author= to the call or to the Client")


def check_payload_size(payload: bytes | None) -> None:
    """TooLargeError for what no namespace can take, so that it is not sent in vain."""
    if payload is not None and len(payload) > limits.PAYLOAD_BYTES_CEILING:
        raise TooLargeError(
            f"the payload has {len(payload)} bytes; no namespace takes more than {limits.PAYLOAD_BYTES_CEILING}",
            limit=limits.PAYLOAD_BYTES_CEILING,
        )


def body_of(drafts: Sequence[Draft], *, dry_run: bool = False) -> bytes:
    """The body of POST /-/changesets; author and comment are written once where the commits share them."""
    author, comment = drafts[0].author, drafts[0].comment
    commits = []
    for made in drafts:
        check_payload_size(made.payload)
        commit: dict[str, Any] = {"namespace": made.namespace, "key": made.key, "version": made.version}
        commit |= payload_members(made.payload)
        if made.author != author:
            commit["author"] = made.author
        if made.comment != comment:
            commit["comment"] = made.comment
        if made.mtime_ms is not None:
            commit["mtime"] = times.format_iso(made.mtime_ms)
        commits.append(commit)
    changeset: dict[str, Any] = {"author": author, "comment": comment, "commits": commits}
    if dry_run:
        changeset["dry_run"] = True
    body = json.dumps(changeset, ensure_ascii=False, separators=(",", ":")).encode()
    if len(body) > limits.CHANGESET_BODY_BYTES_MAX:
        raise TooLargeError(
            f"the changeset has {len(body)} bytes, over the limit of {limits.CHANGESET_BODY_BYTES_MAX}",
            limit=limits.CHANGESET_BODY_BYTES_MAX,
        )
    return body


def commits_granted(answer: Answer, drafts: Sequence[Draft]) -> list[Commit]:
    """The commits of a granted changeset in the order of its drafts, with the drafts' payloads."""
    told = array_of(answer, json_object(answer), "commits")
    metas = [commit_of_meta(answer, meta, drafts[0].namespace) for meta in told]
    found = {(meta.namespace, meta.key, meta.version): meta for meta in metas}
    try:
        return [
            replace(found[made.namespace, made.key, made.version], payload=made.payload, is_empty=made.payload is None)
            for made in drafts
        ]
    except KeyError as e:
        raise foreign(answer, f"it does not speak of {e}, which was sent") from None
