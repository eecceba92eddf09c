"""Who asks, and the tokens that prove it."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer.access.tokens import Token
from rainer.api import asking
from rainer.api.changesets import json_object, no_strangers, show
from rainer.api.reading import service_of
from rainer.errors import InvalidError
from rainer.model import times
from rainer.model.identity import check_identity_name
from rainer.service import Service

_BODY_BYTES_MAX: Final = 10_000
_KEPT_NOWHERE: Final = {"Cache-Control": "no-store"}


async def who_am_i(request: Request) -> Response:
    """`GET /-/whoami`: the name that this caller's commits get, how it was proved, and its groups."""
    name, source, groups = asking.identity_of(request.scope)
    return _json({"name": name, "source": source, "groups": sorted(groups)})


async def list_tokens(request: Request) -> Response:
    """`GET /-/tokens`: every token, the newest first; not what they are, only of whom and how they stand."""
    service = service_of(request)
    found = await service.live.in_thread(service.access.tokens.list)
    now_ms = times.now_ms()
    return _json({"tokens": [token.as_dict(now_ms) for token in found]})


async def create_token(request: Request) -> Response:
    """`POST /-/tokens`: 201 with the token's text, which is told this once."""
    service = service_of(request)
    asking.check_length(request.scope["headers"], _BODY_BYTES_MAX, "this call")
    raw = await asking.read_body(request.receive, _BODY_BYTES_MAX, "this call", service.options.body_timeout_s)
    name, life_ms = _wanted(json_object(raw))
    by = asking.identity_of(request.scope).name or "nobody"
    made, text = await create(service, name, by, life_ms)
    return _json({"token": text} | made.as_dict(times.now_ms()), 201)


async def create(service: Service, name: str, by: str, life_ms: int | None) -> tuple[Token, str]:
    """Make a token; it, and its text."""
    return await service.live.in_thread(partial(service.access.tokens.create, name, created_by=by, life_ms=life_ms))


def _wanted(body: dict[str, Any]) -> tuple[str, int | None]:
    no_strangers(body, {"name", "expires_s"}, "a token")
    name, life_s = body.get("name", ""), body.get("expires_s")
    if not isinstance(name, str):
        raise InvalidError(f"name is {show(name)}, not text")
    if life_s is None:
        return check_identity_name(name), None
    if not isinstance(life_s, int) or isinstance(life_s, bool):
        raise InvalidError(f"expires_s is {show(life_s)}, not a whole number of seconds")
    return check_identity_name(name), life_s * 1000


async def revoke_token(request: Request) -> Response:
    """`DELETE /-/tokens/{id}`: it proves nothing any more, here at once and elsewhere within two seconds."""
    service = service_of(request)
    revoked = await revoke(service, asking.segment(asking.raw_segments(request.scope)[-1]))
    return _json(revoked.as_dict(times.now_ms()))


async def revoke(service: Service, token_id: str) -> Token:
    """Revoke a token; DeniedError for the last by which anybody could change the policy, NotFoundError for none."""
    if not service.access.is_open:
        await service.governing.check_revocation(token_id)
    return await service.live.in_thread(service.access.revoke, token_id)


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, _KEPT_NOWHERE, "application/json")
