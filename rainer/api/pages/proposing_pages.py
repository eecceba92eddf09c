"""Proposals on pages: made from the editor, listed, looked at, approved and rejected."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from rainer.access.permissions import Asker
from rainer.api import asking
from rainer.api.needs import asker_of, permit
from rainer.api.pages import proposal_view, waiting
from rainer.api.pages.forms import read_form
from rainer.api.pages.proposal_view import How
from rainer.api.pages.rendering import links_of, page, redirect
from rainer.api.problems import status_of
from rainer.api.reading import service_of
from rainer.api.signing import author_of
from rainer.errors import InvalidError, NotFoundError, RainerError, UnauthenticatedError, UnavailableError
from rainer.limits import PROPOSAL_COMMITS_MAX
from rainer.model import names
from rainer.model.commit import Draft
from rainer.model.identity import ANONYMOUS
from rainer.model.proposal import OPEN, STALE, STATES, Proposal
from rainer.service import Service
from rainer.service.refusals import RefusedDraft

_FORM_BYTES_MAX: Final = 250_000
_PAGE: Final = 50
_LOOKS: Final = 10
_CONTEXT: Final = 3
_WHOLE: Final = 1_000_000
ALL: Final = "all"


async def propose_change(
    request: Request, namespace: str, key: str, version: int, payload: bytes | None, comment: str
) -> str:
    """Keep a change until others approve of it, as `POST /-/proposals` does, and give the proposal's id.

    DeniedError where nobody is told from another or who asks may not write there; VersionConflict where the head moved;
    what the rules in force refuse (MalformedPayload and the like). None as payload removes the key.
    """
    service, asker = service_of(request), asker_of(request)
    service.proposals.check_known(asker.identity, "propose")
    draft = Draft(namespace, key, version, payload, author_of(asker, "", namespace, key), comment)
    permit(service, request.scope, "write", namespace, key)
    try:
        made = await service.proposals.create([draft], asker.identity)
    except RefusedDraft as refused:
        raise refused.error from None
    return made.id


# Listed


async def show_proposals(request: Request) -> Response:
    """`GET /-/ui/-/proposals?state=&namespace=&before=`: those one may see, the newest first; first of all the open."""
    service, asker = service_of(request), asker_of(request)
    given = request.query_params
    state = given.get("state") or OPEN
    if state not in (*STATES, ALL):
        raise InvalidError(f"no proposal has the state {names.shorten(state)}", hint=f"they are {', '.join(STATES)}")
    namespace = given.get("namespace") or None
    if namespace is not None:
        names.check_namespace(namespace)
    found, last = await _page(service, asker, None if state == ALL else state, namespace, given.get("before") or None)
    rows = [
        {
            "proposal": one,
            "needed": service.proposals.needed(one),
            "standing": sum(given.counts for given in proposal_view.approvals(service, one)),
            "for_me": waiting.is_for(one, asker),
        }
        for one in found
    ]
    return page(
        request, "proposals.html", rows=rows, last=last, state=state, states=(*STATES, ALL), within=namespace,
        before=given.get("before"), current="proposals", is_off=service.proposals.is_open,
    )  # fmt: skip


async def _page(
    service: Service, asker: Asker, state: str | None, namespace: str | None, before: str | None
) -> tuple[list[Proposal], str | None]:
    """A page of them; where many are hidden it looks further, a few times."""
    found: list[Proposal] = []
    for _ in range(_LOOKS):
        some, before = await service.proposals.page(
            asker, state=state, namespace=namespace, before=before, limit=_PAGE
        )  # fmt: skip
        found += some
        if before is None or len(found) >= _PAGE:
            break
    return found, before


# Looked at


async def show_proposal(request: Request) -> Response:
    """`GET /-/ui/-/proposals/{id}`: what it would change, who says so, and what may be done about it."""
    return await _show(request)


async def _show(request: Request, failure: RainerError | None = None, said: str = "") -> Response:
    service, asker = service_of(request), asker_of(request)
    proposal = await service.proposals.find(_id(request), asker)
    view = request.query_params
    how = How(
        view.get("view") == "split",
        _WHOLE if view.get("lines") == ALL else _CONTEXT,
        asking.bounded(request, "after", 0, 0, PROPOSAL_COMMITS_MAX),
        asking.number(request, "commit", None, 1, PROPOSAL_COMMITS_MAX),
    )
    in_thread = service.live.in_thread
    payloads = [draft.payload for draft in proposal.drafts]
    sizes = () if None in payloads else payloads  # of a removal, what it removes may be large
    changes = await service.in_turn(partial(proposal_view.changes, service, proposal, asker, how), *sizes)
    if not changes:
        raise NotFoundError("the proposal has no such change", hint=f"it has {len(proposal.drafts)}")
    moved = []
    if proposal.state == STALE:
        places = {one[:2] for one in await service.proposals.conflicts(proposal)}
        wanted = [place for place in proposal.places if place[:2] in places]
        moved = await in_thread(proposal_view.moved, service, wanted, asker)
    return page(
        request, "proposal.html", status=200 if failure is None else status_of(failure), proposal=proposal,
        changes=changes, how=how, whole=how.context == _WHOLE, moved=moved, failure=failure, said=said,
        given=proposal_view.approvals(service, proposal), needed=service.proposals.needed(proposal),
        per_page=proposal_view.CHANGES, current="proposals",
        again=proposal_view.again(proposal, asker) if proposal.state == STALE else None,
        **await _decision(service, proposal, asker),
    )  # fmt: skip


async def _decision(service: Service, proposal: Proposal, asker: Asker) -> dict[str, Any]:
    """What who asks may do about it, and what stands in the way."""
    role = _role(service, proposal, asker)
    refusal, obstacle = None, ""
    if role in ("own", "may", "approved"):  # hooks are other people's programs: not asked for whoever passes by
        obstacle = proposal_view.obstacle(service, proposal)
        try:
            refusal = await proposal_view.refusal(service, proposal)
        except UnavailableError as e:
            refusal = e
    return {
        "role": role,
        "refusal": refusal,
        "obstacle": obstacle,
        "who_may": proposal_view.who_may(service, proposal, asker) if proposal.is_open else [],
        "withdrawn": proposal.decided_by is not None and proposal.is_by(proposal.decided_by),
    }


def _role(service: Service, proposal: Proposal, asker: Asker) -> str:
    """Who asks, to this proposal: own, approved (may still reject), may, may-not, nobody, off; or it is decided."""
    if not proposal.is_open:
        return "decided"
    if service.proposals.is_open:
        return "off"
    if asker.identity.source == ANONYMOUS.source:
        return "nobody"
    if proposal.is_by(asker.identity.name):
        return "own"
    if not all(asker.may("approve", place.namespace, place.key) for place in proposal.places):
        return "may-not"
    return "approved" if proposal.approved_by(asker.identity.name) else "may"


# Decided


async def approve(request: Request) -> Response:
    """`POST /-/ui/-/proposals/{id}/approve`: what may follow is on the proposal's page, and also why it did not."""
    return await _decide(request, "approve")


async def reject(request: Request) -> Response:
    """`POST /-/ui/-/proposals/{id}/reject`: by who may approve, or by who made it; the form says why."""
    return await _decide(request, "reject")


async def _decide(request: Request, what: str) -> Response:
    service, asker = service_of(request), asker_of(request)
    form = await read_form(request, _FORM_BYTES_MAX)
    service.proposals.check_known(asker.identity, what)
    said = form.get("comment", "")
    try:
        comment = names.check_comment(said.strip())
        if what == "reject" and not comment:
            raise InvalidError("a rejection says why", hint="write the reason into the field, and press Reject again")
        decide = service.proposals.approve if what == "approve" else service.proposals.reject
        await decide(_id(request), asker, comment)
    except RefusedDraft as refused:
        return await _show(request, refused.error, said)
    except (NotFoundError, UnauthenticatedError):
        raise
    except RainerError as e:
        return await _show(request, e, said)
    return redirect(links_of(request).ours(f"proposals/{_id(request)}"))


def _id(request: Request) -> str:
    return names.check_commit_id(asking.segment(asking.raw_segments(request.scope)[4]))
