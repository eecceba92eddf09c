"""Namespaces: made, and the facts of one: what it takes, what rules hold there, and who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from rainer import limits
from rainer.access.permissions import Asker
from rainer.api import asking
from rainer.api.administration import permit_new
from rainer.api.needs import asker_of, permit_seeing, permit_some
from rainer.api.pages.forms import read_form
from rainer.api.pages.rendering import links_of, page, redirect
from rainer.api.problems import status_of
from rainer.api.reading import service_of
from rainer.errors import DeniedError, RainerError
from rainer.journal import administration
from rainer.journal.row import Namespace
from rainer.model import names
from rainer.model.formats import FORMATS
from rainer.model.policy import PERMISSIONS, Grant, shown
from rainer.model.policy_document import KEY as POLICY_KEY
from rainer.model.rules import KEY as RULES_KEY
from rainer.model.rules import Rule
from rainer.service import Service

_FORM_BYTES_MAX: Final = 20_000


# Made


async def show_new_namespace(request: Request) -> Response:
    """`GET /-/ui/-/new-namespace`: the form, for who may administer anything."""
    return _form(request, {})


async def create_namespace(request: Request) -> Response:
    """`POST /-/ui/-/new-namespace`: as `POST /-/namespaces`; one that is there with these very settings is shown."""
    form = await read_form(request, _FORM_BYTES_MAX)
    service = service_of(request)
    permit_some(service, request.scope, "admin")
    try:
        name, form_name, size = form.get("name", "").strip(), form.get("format", "any"), _size(form)
        permit_new(service, request.scope, name, form_name, size)
        engine = service.journal.engine
        made, _ = await service.live.in_thread(administration.create_namespace, engine, name, form_name, size)
    except DeniedError:
        raise
    except RainerError as e:
        return _form(request, form, e)
    return redirect(links_of(request).namespace(made.name))


def _size(form: dict[str, str]) -> int:
    text = form.get("payload_bytes_max", "").strip().replace(",", "")
    if not text:
        return limits.PAYLOAD_BYTES_DEFAULT
    return asking.whole(text, "payload_bytes_max", 1, limits.PAYLOAD_BYTES_CEILING)


def _form(request: Request, said: dict[str, str], failure: RainerError | None = None) -> Response:
    return page(
        request, "new_namespace.html", status=200 if failure is None else status_of(failure), failure=failure,
        said=said, formats=FORMATS, size=limits.PAYLOAD_BYTES_DEFAULT, size_most=limits.PAYLOAD_BYTES_CEILING,
        current="home",
    )  # fmt: skip


# Facts


@dataclass(frozen=True, slots=True)
class Held:
    """A rule that holds in a namespace, on which of its keys, and how many approvals it wants, if that is its kind."""

    text: str
    on: str
    approvals: int
    number: int


@dataclass(frozen=True, slots=True)
class Granted:
    """What a grant of the policy gives in a namespace: to whom, what, and on which keys."""

    number: int
    line: int
    who: tuple[str, ...]
    may: str
    on: tuple[str, ...]


async def show_facts(request: Request) -> Response:
    """`GET /-/ui/-/namespaces/{name}`: for who sees anything of it; rules and grants as far as one may read them."""
    service, asker = service_of(request), asker_of(request)
    name = names.check_namespace(asking.segment(asking.raw_segments(request.scope)[4]))
    permit_seeing(service, request.scope, name)
    space = await service.live.namespace(name)
    await service.follow_rules()
    return page(
        request, "namespace_facts.html", namespace=name, space=space, rules=_rules(service, asker, space),
        unreadable=service.validation.in_force.unreadable, grants=_grants(service, asker, name),
        mine=[(what, asker.rights.keys(what, name).describe()) for what in PERMISSIONS],
        is_system=name == names.SYSTEM_NAMESPACE, rules_key=RULES_KEY, policy_key=POLICY_KEY,
        system=names.SYSTEM_NAMESPACE, shows_documents=asker.may("read", names.SYSTEM_NAMESPACE, RULES_KEY),
        is_off=service.permissions.is_open, current="home",
    )  # fmt: skip


def _rules(service: Service, asker: Asker, space: Namespace) -> list[Held]:
    """Those in force there; a rule is told, as by `GET /-/rules`, to who may read anything of the namespace."""
    if asker.readable(space.name).is_empty or space.name == names.SYSTEM_NAMESPACE:
        return []
    found: tuple[Rule, ...] = service.validation.in_force.rules.all
    return [
        Held(rule.text, shown(rule.on), rule.approvals, rule.number)
        for rule in found
        if rule.on.space in (space.name, "*")
    ]


def _grants(service: Service, asker: Asker, name: str) -> list[Granted]:
    """What the policy grants there, to who may read the policy."""
    if service.permissions.is_open or not asker.may("read", names.SYSTEM_NAMESPACE, POLICY_KEY):
        return []
    return [found for grant in service.permissions.policy.grants if (found := _granted(grant, name)).on]


def _granted(grant: Grant, name: str) -> Granted:
    may = ", ".join(one for one in PERMISSIONS if one in grant.may)
    on = tuple(shown(target) for target in grant.on if target.is_everything or target.space == name)
    return Granted(grant.number, grant.line, grant.who, may, on)
