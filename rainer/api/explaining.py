"""Why somebody may do something, or may not; and what of the server's status is for whom."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer.access.permissions import Asker, Permissions
from rainer.api.needs import PERMITTED, asker_of, permit, service_of
from rainer.errors import InvalidError
from rainer.model import names
from rainer.model.identity import ANONYMOUS, Identity, check_identity_name
from rainer.model.policy import PERMISSIONS, Decision, shown
from rainer.model.policy_document import parse_place


async def explain(request: Request) -> Response:
    """`GET /-/can?who=&may=&on=`: whether somebody may do that, and which grant says so.

    Without `who` about who asks; about others for who may admin everything. Without `on`, on which keys it is allowed.
    """
    service, asker = service_of(request), asker_of(request)
    who, may, on = (request.query_params.get(name) for name in ("who", "may", "on"))
    identity = identity_asked(who, request.query_params.getlist("group"), asker)
    if may not in PERMISSIONS:
        raise InvalidError(
            f"there is no permission {names.shorten(may or '')}", hint=f"may= one of {', '.join(PERMISSIONS)}"
        )
    if identity == asker.identity:
        request.scope[PERMITTED] = True
    else:
        permit(service, request.scope, "admin", "*")
    where, decision = decide(service.permissions, identity, may, on)
    told = {"who": identity.name, "may": may, "on": where}
    return _json(told | {"allowed": decision.allowed, "because": decision.because})


def decide(permissions: Permissions, identity: Identity, may: str, on: str | None) -> tuple[str | None, Decision]:
    """Whether somebody may do that there, or with None anywhere, and why; and the place as a policy has it."""
    if permissions.is_open:
        return on, Decision(True, "the server asks nobody who he is: identity is off")
    policy = permissions.policy
    if on is None:
        given = policy.given(identity, may)
        return on, Decision(bool(given), "; ".join(given) or "no grant gives it on anything")
    target = parse_place(on)
    return shown(target), policy.decide_target(identity, may, target)


def identity_asked(who: str | None, groups: list[str], asker: Asker) -> Identity:
    """About whom is asked; without a name about who asks."""
    if who is None or (who == asker.identity.name and not groups):
        return asker.identity
    if who == ANONYMOUS.name:
        return ANONYMOUS
    return Identity(check_identity_name(who), "token", frozenset(groups))


def visible_status(status: dict[str, Any], asker: Asker) -> dict[str, Any]:
    """A status without namespaces that somebody sees nothing of, and without keys that he may not read."""
    if asker.rights.readable.is_all:
        return status
    found = dict(status)
    for name in ("publishing", "mirrored"):
        if name in found:
            found[name] = [visible_tree(one, asker) for one in found[name] if asker.rights.sees(one["namespace"])]
    return found


def visible_tree(tree: dict[str, Any], asker: Asker) -> dict[str, Any]:
    """What a publisher says of a namespace, without what is wrong with keys that somebody may not read."""
    keys = asker.readable(tree["namespace"])
    if keys.is_all:
        return tree
    found = tree | {"error": tree["error"] and "told to who may read all of the namespace"}
    for name in ("unpublishable", "rejected"):
        if name in found:
            found[name] = {key: why for key, why in found[name].items() if key in keys}
    return found


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), 200, {"Cache-Control": "no-cache"}, "application/json")
