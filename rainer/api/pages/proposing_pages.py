"""Proposals on pages: made from the editor, listed, looked at, approved and rejected."""

from __future__ import annotations

from starlette.requests import Request

from rainer.api.needs import asker_of, permit
from rainer.api.reading import service_of
from rainer.api.signing import author_of
from rainer.model.commit import Draft
from rainer.service.refusals import RefusedDraft


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
