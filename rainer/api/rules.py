"""The rules of validation in force, and which heads break them."""

from __future__ import annotations

from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from rainer.api import asking
from rainer.api.needs import asker_of
from rainer.api.reading import service_of
from rainer.model.names import SYSTEM_NAMESPACE
from rainer.model.rules import KEY

_TOLD_MAX: Final = 1_000


async def read_rules(request: Request) -> Response:
    """`GET /-/rules`: those in force; with `check=yes` also the heads that break one. Only what the asker may read."""
    service, asker = service_of(request), asker_of(request)
    is_checked = asking.flag(request, "check")
    in_force, found = await service.validation.look(service.live, _TOLD_MAX + 1 if is_checked else 0)
    shows_all = asker.may("read", SYSTEM_NAMESPACE, KEY)
    rules = [
        {"rule": rule.text, "number": rule.number, "line": rule.line}
        for rule in in_force.rules.all
        if shows_all or not asker.readable(rule.on.space).is_empty
    ]
    body: dict[str, object] = {"revision": in_force.revision, "rules": rules, "unreadable": in_force.unreadable}
    if is_checked:
        body["broken"] = [one._asdict() for one in found[:_TOLD_MAX] if asker.may("read", one.namespace, one.key)]
        body["more"] = len(found) > _TOLD_MAX
    return Response(orjson.dumps(body), headers={"Cache-Control": "no-cache"}, media_type="application/json")
