"""Changesets: many commits, all or none."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Iterator
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer import limits
from rainer.access.permissions import Asker
from rainer.api import asking
from rainer.api.answers import LINEAGE, REVISION, MetaForm, RawHeaders
from rainer.api.needs import Guarded, permit, permit_some
from rainer.api.problems import changeset_conflict
from rainer.api.reading import service_of, with_headers
from rainer.api.signing import author_of, marks_of
from rainer.api.wishes import DRY_RUN, TRIED, is_dry_run, is_forced
from rainer.errors import DeniedError, InvalidError, NotFoundError, TooLargeError, VersionConflict
from rainer.journal.group import Submission
from rainer.model import names, times
from rainer.model.commit import Draft
from rainer.service.service import RefusedDraft

_MEMBERS = {"namespace", "key", "version", "payload_utf8", "payload_base64", "empty", "author", "comment", "mtime"}
_FORM = MetaForm(revisions=True)
_SHOWN_CHARS_MAX: Final = 60


async def post_changeset(request: Request) -> Response:
    """`POST /-/changesets`: commit all of it, or nothing with every conflict named."""
    service = service_of(request)
    permit_some(service, request.scope, "write")  # before so much is read
    submission = await read_changeset(
        request, service.options.body_timeout_s, service.permissions.asker(request.scope)
    )  # fmt: skip
    permit_drafts(service, request.scope, submission)
    forced = is_forced(request.scope["headers"])
    if forced:
        permit_drafts(service, request.scope, submission, "force")
    dry_run = request.scope[TRIED] or is_dry_run(request.scope)
    try:
        kept = await (service.rehearse if dry_run else service.commit)(submission, forced=forced)
    except RefusedDraft as refused:
        with at_place(refused.place):
            raise refused.error from None
    except VersionConflict as e:
        return changeset_conflict(e)
    metas = [
        _FORM.meta(row._replace(payload=None), d.namespace)
        for row, d in zip(kept, submission.drafts, strict=True)
    ]  # fmt: skip
    if dry_run:
        for meta in metas:
            del meta["revision"]  # who knows where it will stand
        return Response(orjson.dumps({DRY_RUN: True, "commits": metas}), media_type="application/json")
    # Of a repetition, too, the last commit's, in whatever order its drafts come.
    revision = max(row.revision for row in kept)
    body = {"revision": revision, "commits": metas}
    headers: RawHeaders = [(REVISION, b"%d" % revision), (LINEAGE, kept.lineage.encode())]
    return with_headers(Response(orjson.dumps(body), media_type="application/json"), headers)


def permit_drafts(service: Guarded, scope: Any, submission: Submission, permission: str = "write") -> None:
    """DeniedError, with the place of the first one, unless who asks may write every key of a changeset."""
    for place, d in enumerate(submission.drafts):
        with at_place(place):
            permit(service, scope, permission, d.namespace, d.key)


async def read_changeset(request: Request, timeout_s: float, asker: Asker) -> Submission:
    """The changeset in a request's body, every commit checked, and signed by who asks."""
    headers = request.scope["headers"]
    asking.check_length(headers, limits.CHANGESET_BODY_BYTES_MAX, "a changeset")
    raw = await asking.read_body(request.receive, limits.CHANGESET_BODY_BYTES_MAX, "a changeset", timeout_s)
    body = json_object(raw)
    commits = body.get("commits")
    if not isinstance(commits, list) or not commits:
        raise InvalidError("a changeset needs a list of commits", hint='{"author": …, "commits": [{"key": …}]}')
    if len(commits) > limits.CHANGESET_COMMITS_MAX:
        raise TooLargeError(
            f"a changeset of {len(commits)} commits is over the {limits.CHANGESET_COMMITS_MAX} it may have",
            limit=limits.CHANGESET_COMMITS_MAX,
        )
    # In the body, too, a client may say it: a server that knows of no such thing refuses, and commits nothing.
    only_tried = body.pop(DRY_RUN, False)
    if not isinstance(only_tried, bool):
        raise InvalidError(f"{DRY_RUN} is {show(only_tried)}, not true or false")
    request.scope[TRIED] = only_tried
    no_strangers(body, {"author", "comment", "commits", "mtime"}, "a changeset")
    commit_ids = request.headers.getlist("x-rainer-commit-id")
    if len(set(commit_ids)) > 1:
        raise InvalidError("X-Rainer-Commit-Id is given twice, and not the same", hint="give one id to a changeset")
    commit_id = names.check_commit_id(commit_ids[0]) if commit_ids else None
    drafts = tuple(_numbered(body, commit, i, asker) for i, commit in enumerate(commits))
    return Submission(drafts, commit_id, marks=marks_of(asker, drafts))


def json_object(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as e:
        raise InvalidError(f"the body is not JSON: {e.msg}", line=e.lineno, column=e.colno) from None
    if not isinstance(body, dict):
        raise InvalidError("the body is not a JSON object")
    return body


def _numbered(changeset: dict[str, Any], commit: Any, index: int, asker: Asker) -> Draft:
    with at_place(index):
        return _draft(changeset, commit, asker)


@contextlib.contextmanager
def at_place(index: int) -> Iterator[None]:
    """Whatever is wrong with a commit is said with its place."""
    try:
        yield
    except (InvalidError, NotFoundError, DeniedError) as e:
        raise type(e)(f"commits[{index}]: {e.message}", hint=e.hint, **e.details) from None


def _draft(changeset: dict[str, Any], commit: Any, asker: Asker) -> Draft:
    if not isinstance(commit, dict):
        raise InvalidError("is not a JSON object")
    no_strangers(commit, _MEMBERS, "a commit")
    mtime = _text(commit, changeset, "mtime", "")
    namespace, key = _text(commit, {}, "namespace", names.DEFAULT_NAMESPACE), _text(commit, {}, "key", "")
    return Draft(
        namespace,
        key,
        _version(commit),
        _payload(commit),
        author_of(asker, _text(commit, changeset, "author", ""), namespace, key),
        _text(commit, changeset, "comment", ""),
        times.parse_iso(mtime) if mtime else None,
    )


def no_strangers(body: dict[str, Any], known: set[str], what: str) -> None:
    strangers = body.keys() - known
    if strangers:
        raise InvalidError(
            f"{what} has no member {names.shorten(min(strangers))}", hint=f"known are {', '.join(sorted(known))}"
        )


def _version(commit: dict[str, Any]) -> int:
    if "version" not in commit:
        raise InvalidError("needs a version", hint="the head's plus one; 1 for a new key")
    version: Any = commit["version"]
    if isinstance(version, int) and not isinstance(version, bool):
        return names.check_version(version)
    raise InvalidError(f"version is {show(version)}, not a whole number")


def show(value: object) -> str:
    """A value in an error, as its sender wrote it."""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARS_MAX else f"{text[:_SHOWN_CHARS_MAX]}…"


def _text(commit: dict[str, Any], changeset: dict[str, Any], name: str, default: str) -> str:
    value = commit.get(name, changeset.get(name, default))
    if not isinstance(value, str):
        raise InvalidError(f"{name} is {show(value)}, not text")
    return value


def _payload(commit: dict[str, Any]) -> bytes | None:
    given = [m for m in ("payload_utf8", "payload_base64", "empty") if m in commit and commit[m] is not False]
    if len(given) != 1:
        raise InvalidError(
            "needs exactly one of payload_utf8, payload_base64 and empty: true",
            hint=f"given: {', '.join(given) or 'none'}",
        )
    value = commit[given[0]]
    if given[0] == "empty":
        if value is not True:
            raise InvalidError(f"empty is {show(value)}, not true or false")
        return None
    if not isinstance(value, str):
        raise InvalidError(f"{given[0]} is {show(value)}, not text")
    return value.encode() if given[0] == "payload_utf8" else _from_base64(value)


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as e:
        raise InvalidError(f"payload_base64 is not base64: {e}") from None
