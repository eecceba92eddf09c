"""Proposals: changesets that wait until others approve of them."""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer import limits
from rainer.access.permissions import Asker
from rainer.api import asking
from rainer.api.answers import LINEAGE, REVISION, RawHeaders
from rainer.api.changesets import at_place, json_object, no_strangers, permit_drafts, read_changeset, show
from rainer.api.needs import asker_of
from rainer.api.reading import service_of, with_headers
from rainer.api.wishes import TRIED, is_dry_run, is_forced
from rainer.errors import InvalidError, NotFoundError
from rainer.journal.row import Row
from rainer.model import names, times
from rainer.model.commit import Draft
from rainer.model.difference import difference
from rainer.model.proposal import STATES, Proposal, payload_members
from rainer.service import Service
from rainer.service.refusals import RefusedDraft

_BODY_BYTES_MAX: Final = 100_000
_PAGE: Final = 100


async def create_proposal(request: Request) -> Response:
    """`POST /-/proposals`: 201 with the proposal; the body is a changeset's."""
    service = service_of(request)
    asker = asker_of(request)
    service.proposals.check_known(asker.identity, "propose")
    if "x-rainer-commit-id" in request.headers:
        raise InvalidError("a proposal's id is its commit id", hint="leave X-Rainer-Commit-Id away")
    wanted = await read_changeset(request, service.options.body_timeout_s, asker)
    if request.scope[TRIED] or is_dry_run(request.scope) or is_forced(request.scope["headers"]):
        raise InvalidError(
            "a proposal is neither tried nor forced", hint="it is only checked, too, until somebody approves of it"
        )
    permit_drafts(service, request.scope, wanted)
    try:
        made = await service.proposals.create(wanted.drafts, asker.identity)
    except RefusedDraft as refused:
        with at_place(refused.place):
            raise refused.error from None
    return await _answer(service, made, asker, status=201)


async def list_proposals(request: Request) -> Response:
    """`GET /-/proposals`: those that the caller may read, the newest first, without their payloads."""
    service, query = service_of(request), request.query_params
    state, namespace = query.get("state"), query.get("namespace")
    if state is not None and state not in STATES:
        raise InvalidError(f"no proposal has the state {names.shorten(state)}", hint=f"they are {', '.join(STATES)}")
    found, last = await service.proposals.page(
        asker_of(request),
        state=state,
        namespace=None if namespace is None else names.check_namespace(namespace),
        before=query.get("before"),
        limit=asking.bounded(request, "limit", _PAGE, 1, limits.PROPOSALS_PAGE_MAX),
    )
    return _json({"proposals": [_members(service, one) for one in found], "next": last})


async def read_proposal(request: Request) -> Response:
    """`GET /-/proposals/{id}`: with its commits, each beside what it was made on, and the difference."""
    service = service_of(request)
    asker = asker_of(request)
    return await _answer(service, await service.proposals.find(_id(request), asker), asker)


async def approve_proposal(request: Request) -> Response:
    """`POST /-/proposals/{id}/approve`: the proposal, committed or waiting for others' approval."""
    service = service_of(request)
    asker = asker_of(request)
    service.proposals.check_known(asker.identity, "approve")
    _refuse_others_name(request, asker.identity.name)
    comment = await _comment(request, service)
    try:
        found = await service.proposals.approve(_id(request), asker, comment)
    except RefusedDraft as refused:
        with at_place(refused.place):
            raise refused.error from None
    headers: RawHeaders = []
    if found.revision is not None:
        headers = [(REVISION, b"%d" % found.revision), (LINEAGE, (await service.live.heads.state()).lineage.encode())]
    return with_headers(_json(_members(service, found)), headers)


async def reject_proposal(request: Request) -> Response:
    """`POST /-/proposals/{id}/reject`: the proposal, rejected; the body says why."""
    service = service_of(request)
    asker = asker_of(request)
    service.proposals.check_known(asker.identity, "reject")
    _refuse_others_name(request, asker.identity.name)
    comment = await _comment(request, service)
    found = await service.proposals.reject(_id(request), asker, comment)
    return _json(_members(service, found))


def _refuse_others_name(request: Request, name: str) -> None:
    """Whoever decides does it in his own name: not even a gateway says who approves."""
    said = request.headers.get("x-rainer-author")
    if said is not None and said != name:
        raise InvalidError(
            f"{name} may not decide in the name of {names.shorten(said)}",
            hint="leave X-Rainer-Author away: it is who asks",
        )


async def _comment(request: Request, service: Service) -> str:
    asking.check_length(request.scope["headers"], _BODY_BYTES_MAX, "this call")
    raw = await asking.read_body(request.receive, _BODY_BYTES_MAX, "this call", service.options.body_timeout_s)
    body = json_object(raw) if raw.strip() else {}
    no_strangers(body, {"comment"}, "a decision")
    comment = body.get("comment", "")
    if not isinstance(comment, str):
        raise InvalidError(f"comment is {show(comment)}, not text")
    return names.check_comment(comment)


def _id(request: Request) -> str:
    return asking.segment(asking.raw_segments(request.scope)[2])


def _members(service: Service, proposal: Proposal) -> dict[str, Any]:
    counts = {"approvals_needed": service.proposals.needed(proposal), "approvals_standing": 0}
    if proposal.is_open and not service.proposals.is_open:
        counts["approvals_standing"] = len(service.proposals.standing(proposal))
    return proposal.members() | counts


async def _answer(service: Service, proposal: Proposal, asker: Asker, status: int = 200) -> Response:
    """A proposal with everything that one must see to decide."""
    stale = [one.as_dict() for one in await service.proposals.conflicts(proposal)] if proposal.state == "stale" else []
    commits = await service.live.in_thread(_commits, service, proposal, asker)
    return _json(_members(service, proposal) | {"conflicts": stale, "commits": commits}, status)


def _commits(service: Service, proposal: Proposal, asker: Asker) -> list[dict[str, Any]]:
    """The commits of a proposal, each beside the payload that it follows, if the asker may read that.

    Who may write what he may not read sees his own proposal, and not what it would replace.
    """
    found = []
    followed: dict[tuple[str, str], Draft | Row | None] = {
        place[:2]: base_of(service, *place[:2], place.version - 1) for place in proposal.places
    }
    for draft in proposal.drafts:
        at = (draft.namespace, draft.key)
        members = _commit_members(draft, followed[at])
        found.append(members if asker.may("read", *at) else members | {"base": None, "difference": ""})
        followed[at] = draft
    return found


def _commit_members(draft: Draft, base: Draft | Row | None) -> dict[str, Any]:
    old = None if base is None else base.payload
    lines = difference(old, draft.payload, words=False)
    labels = f"{draft.key} {draft.version - 1}", f"{draft.key} {draft.version}"
    return {
        "namespace": draft.namespace,
        "key": draft.key,
        "version": draft.version,
        "author": draft.author,
        "comment": draft.comment,
        **({} if draft.mtime_ms is None else {"mtime": times.format_iso(draft.mtime_ms)}),
        **payload_members(draft.payload),
        "base": None if base is None else {"version": base.version, **payload_members(_bytes(old))},
        "difference": "\n".join(lines.unified(*labels)),
    }


def _bytes(payload: bytes | None) -> bytes | None:
    return None if payload is None else bytes(payload)


def base_of(service: Service, namespace: str, key: str, version: int, *, payload: bool = True) -> Row | None:
    """A version that a proposal was made on; None for version 0, and where it is not there."""
    if not version:
        return None
    try:
        return service.reads.commit(namespace, key, version, None, payload)[1]
    except NotFoundError:  # a backup from before it was made
        return None


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-cache"}, "application/json")
