"""The rules of validation in force, and which heads break them."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer.api import asking
from rainer.api.needs import asker_of, permit
from rainer.api.reading import service_of
from rainer.model.names import SYSTEM_NAMESPACE
from rainer.model.rules import KEY
from rainer.validation.looking import Looked


async def read_rules(request: Request) -> Response:
    """`GET /-/rules`: those in force, as far as the asker may read what they are about.

    With `check=yes` also the heads that break one. That looks at every head there is: it needs `admin` on everything.
    """
    service, asker = service_of(request), asker_of(request)
    looked: Looked | None = None
    if asking.flag(request, "check"):
        permit(service, request.scope, "admin", "*")
        looked = await service.validation.look(service.live)
    in_force = await service.validation.follow_now(service.live) if looked is None else looked.in_force
    shows_all = asker.may("read", SYSTEM_NAMESPACE, KEY)
    rules = [
        {"rule": rule.text, "number": rule.number, "line": rule.line}
        for rule in in_force.rules.all
        if shows_all or not asker.readable(rule.on.space).is_empty
    ]
    body: dict[str, object] = {"revision": in_force.revision, "rules": rules, "unreadable": in_force.unreadable}
    if looked is not None:
        body["broken"] = [one._asdict() for one in looked.broken]
        body["more"] = looked.has_more
    return Response(orjson.dumps(body), headers={"Cache-Control": "no-cache"}, media_type="application/json")
