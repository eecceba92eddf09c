"""Who may what, and why; and the tokens that prove who one is."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from rainer.access.tokens import Token
from rainer.api import asking, tokens
from rainer.api.explaining import decide, identity_asked
from rainer.api.needs import asker_of, permit
from rainer.api.pages.forms import read_form
from rainer.api.pages.rendering import links_of, page, redirect
from rainer.api.problems import status_of
from rainer.api.reading import service_of
from rainer.errors import InvalidError, NotFoundError, RainerError, UnauthenticatedError
from rainer.model import names, times
from rainer.model.policy import PERMISSIONS

_FORM_BYTES_MAX: Final = 20_000
_SHOWN: Final = 200
_DAY_S: Final = 86_400
LIVES: Final = (("1 day", 1), ("7 days", 7), ("30 days", 30), ("90 days", 90), ("1 year", 365), ("for ever", 0))
"""How long a new token may prove a name: in words, and in days."""
_LIFE: Final = 90


# Who may what


async def show_access(request: Request) -> Response:
    """`GET /-/ui/-/access?who=&on=`: each permission, and which grant gives it, as `rainer can` says.

    Without `who` of who asks; of others for who may administer everything.
    """
    service, asker = service_of(request), asker_of(request)
    who, on = ((request.query_params.get(name) or "").strip() or None for name in ("who", "on"))
    told, failure, where = [], None, on
    try:
        identity = identity_asked(who, request.query_params.getlist("group"), asker)
        if identity != asker.identity:
            permit(service, request.scope, "admin", "*")
        for what in PERMISSIONS:
            where, decision = decide(service.permissions, identity, what, on)
            told.append((what, decision.allowed, decision.because))
    except InvalidError as e:
        failure = e
    return page(
        request, "access.html", status=200 if failure is None else status_of(failure), told=told, failure=failure,
        asked_who=who or asker.identity.name, on=on or "", where=where, may_ask=asker.may("admin", "*"),
        is_off=service.permissions.is_open, current="home",
    )  # fmt: skip


# Tokens


async def show_tokens(request: Request) -> Response:
    """`GET /-/ui/-/tokens?name=`: all of them, the newest first, or those of a name; and a form for a new one."""
    return await _tokens(request)


async def _tokens(request: Request, failure: RainerError | None = None, said: dict[str, str] | None = None) -> Response:
    service = service_of(request)
    name = request.query_params.get("name", "").strip()
    found: list[Token] = await service.live.in_thread(service.access.tokens.list)
    wanted = [token for token in found if name in token.name]
    now_ms = times.now_ms()
    return page(
        request, "tokens.html", status=200 if failure is None else status_of(failure), failure=failure,
        rows=[(token, token.state(now_ms)) for token in wanted[:_SHOWN]], more=max(0, len(wanted) - _SHOWN), name=name,
        lives=LIVES, life=_LIFE, said=said or {}, is_off=service.access.is_open, current="home",
    )  # fmt: skip


async def create_token(request: Request) -> Response:
    """`POST /-/ui/-/tokens`: the new token's text, on this page and never again."""
    form = await read_form(request, _FORM_BYTES_MAX)
    service = service_of(request)
    by = asking.identity_of(request.scope).name or "nobody"
    try:
        days = asking.whole(form.get("days", ""), "days", 0, 36_500)
        life_ms = days * _DAY_S * 1000 if days else None
        made, text = await tokens.create(service, form.get("name", "").strip(), by, life_ms)
    except InvalidError as e:
        return await _tokens(request, e, form)
    return page(request, "token_made.html", status=201, token=made, text=text, current="home")


async def show_revoke(request: Request) -> Response:
    """`GET /-/ui/-/tokens/{id}/revoke`: asks once more."""
    return await _revoke_page(request)


async def _revoke_page(request: Request, failure: RainerError | None = None) -> Response:
    service = service_of(request)
    token = await service.live.in_thread(service.access.tokens.find, _id(request))
    if token is None:
        raise NotFoundError(f"no token has the id {names.shorten(_id(request))}")
    told: dict[str, Any] = {"token": token, "state": token.state(times.now_ms()), "failure": failure}
    status = 200 if failure is None else status_of(failure)
    return page(request, "token_revoke.html", status=status, current="home", **told)


async def revoke_token(request: Request) -> Response:
    """`POST /-/ui/-/tokens/{id}/revoke`: it proves nothing any more; a second time changes nothing."""
    await read_form(request, _FORM_BYTES_MAX)
    try:
        await tokens.revoke(service_of(request), _id(request))
    except (NotFoundError, UnauthenticatedError):
        raise
    except RainerError as e:
        return await _revoke_page(request, e)
    return redirect(links_of(request).ours("tokens"))


def _id(request: Request) -> str:
    return asking.segment(asking.raw_segments(request.scope)[4])
