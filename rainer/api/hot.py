"""The two calls that must be quick, GET of a head and POST of a commit, answered without a framework.

Everything unusual (a query, another method, a body in many pieces that is too slow) ends up in the same functions or in
the ordinary routes, so that the quick way has no behaviour of its own.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from rainer.api import asking, at_once
from rainer.api.answers import (
    ANCESTOR,
    COMMIT_REVISION,
    LINEAGE,
    REVISION,
    CommitAnswer,
    RawHeaders,
    answer_of,
    matches,
    state_headers,
)
from rainer.api.needs import permit
from rainer.api.problems import answer_error
from rainer.api.signing import marks_of
from rainer.api.wishes import DRY_RUN, is_dry_run, is_forced
from rainer.errors import NotFoundError, RainerError
from rainer.journal.group import Kept, Submission
from rainer.model import names
from rainer.service import Service
from rainer.service.service import RefusedDraft

_GET: Final = "GET /{namespace}/{key}"
_POST: Final = "POST /{namespace}/{key}/{version}"
_JSON: Final = (b"content-type", b"application/json")


async def get_head(service: Service, segments: list[bytes], scope: Any, send: Any) -> None:
    """`GET /{ns}/{key}`: the head, at least as new as the question."""
    try:
        namespace, key = _namespace(segments[0]), names.check_key(asking.segment(segments[1]))
        permit(service, scope, "read", namespace, key)
        state, head = await service.live.head(namespace, key)
        if head.row is None:
            raise NotFoundError("Key not found")
    except RainerError as e:
        response = answer_error(e, accept_of(scope))
        service.figures.answer(_GET, response.status_code)
        await response(scope, no_body, send)
        return
    service.figures.answer(_GET, await send_commit(answer_of(head), state_headers(state), scope, send))


async def send_commit(answer: CommitAnswer, beside: RawHeaders, scope: Any, send: Any) -> int:
    """Send a commit, or that it is what the caller has; the status. `beside` are the headers about the source."""
    headers = [*answer.headers, *beside]
    wanted = next((v for n, v in scope["headers"] if n == b"if-none-match"), None)
    if matches(wanted, answer.etag):
        headers = [h for h in headers if not h[0].startswith(b"content-")]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body"})
        return 304
    await _answer(send, headers, answer.body)
    return 200


async def post_commit(service: Service, segments: list[bytes], scope: Any, receive: Any, send: Any) -> None:
    """`POST /{ns}/{key}/{version}`: one commit."""
    try:
        body, headers = await _commit(service, segments, scope, receive)
    except ClientDisconnect:
        return  # nobody is left to answer; what was accepted goes on
    except RainerError as e:
        response = answer_error(e, accept_of(scope))
        service.figures.answer(_POST, response.status_code)
        await response(scope, no_body, send)
        return
    service.figures.answer(_POST, 200)
    await _answer(send, headers, body)


async def _answer(send: Any, headers: RawHeaders, body: bytes) -> None:
    if not at_once.answer(send, 200, headers, body):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _commit(service: Service, segments: list[bytes], scope: Any, receive: Any) -> tuple[bytes, Any]:
    namespace, key = asking.segment(segments[0]), names.check_key(asking.segment(segments[1]))
    version = names.parse_version(asking.segment(segments[2]))
    headers = scope["headers"]
    permit(service, scope, "write", names.check_namespace(namespace), key)
    space = await service.namespace_for_writing(namespace)
    limit, what = space.payload_bytes_max, f"namespace {namespace!r}"
    asking.check_length(headers, limit, what)
    body = await asking.read_body(receive, limit, what, service.options.body_timeout_s)
    asker = service.permissions.asker(scope)
    draft, commit_id = asking.draft_from(namespace, key, version, headers, body, asker)
    submission = Submission((draft,), commit_id, marks=marks_of(asker, (draft,)))
    forced = is_forced(headers)
    if forced:
        permit(service, scope, "force", namespace, key)
    try:
        if scope["query_string"] and is_dry_run(scope):
            return _rehearsed(await service.rehearse(submission, forced=forced))
        kept = await service.commit(submission, forced=forced)
    except RefusedDraft as refused:
        raise refused.error from None
    row = kept[0]
    answer = orjson.dumps(ANCESTOR.meta(row))
    revision = b"%d" % row.revision
    return answer, [
        _JSON,
        (b"content-length", b"%d" % len(answer)),
        (COMMIT_REVISION, revision),
        (REVISION, revision),
        (LINEAGE, kept.lineage.encode()),
    ]


def _rehearsed(kept: Kept) -> tuple[bytes, RawHeaders]:
    """The answer to a commit that was not made: where it would have stood in the journal is not told."""
    answer = orjson.dumps(ANCESTOR.meta(kept[0]) | {DRY_RUN: True})
    return answer, [_JSON, (b"content-length", b"%d" % len(answer)), (LINEAGE, kept.lineage.encode())]


def _namespace(raw: bytes) -> str:
    return names.check_namespace(asking.segment(raw))


def accept_of(scope: Any) -> bytes:
    """The request's Accept header, empty if there is none."""
    return next((value for name, value in scope["headers"] if name == b"accept"), b"")


async def no_body() -> Any:
    """For answers that read nothing of their request."""
    return {"type": "http.disconnect"}


class PostedCommit(Response):
    """The same call as an endpoint of the route table, for whoever comes by the ordinary way."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await post_commit(self._service, asking.raw_segments(scope), scope, receive, send)
