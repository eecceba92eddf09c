"""The matrix: every call, with every permission, by who may, who may elsewhere, nobody, and whose token is no more.

It is made from the route tables: a call without an example here fails by its name.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from rainer.access import AccessOptions
from rainer.api import create_app
from rainer.api.app import ROUTES
from rainer.api.needs import Needs
from rainer.api.routing import make_app
from rainer.journal import Journal
from rainer.model.policy import PERMISSIONS
from rainer.service import ServiceOptions, StoreOptions
from tests.asgi import Caller, calling
from tests.services.waiting import wait_until

pytestmark = pytest.mark.may_leak("the server runs in this process, and begins its threads when it needs them")

ON: Final = {"own": ["own/*", "store:own/*"], "other": ["other/*", "store:other/*"], "all": ["*"]}
BOOTSTRAP: Final = "a-bootstrap-token-of-these-tests"
DATED: Final = "last_modified=Sat,%2031%20Jan%202026%2012:34:56%20%2B0000"
NOBODY_MAY: Final = "the call is open"


@dataclass(frozen=True)
class Example:
    """A call as somebody makes it; `needs` is the permission ("any": whichever), `on` where it must be held.

    `own`: on what the call speaks of; `all`: on everything; `anywhere`: on anything, of which others show nothing.
    """

    path: str
    needs: str
    on: str = "own"
    body: bytes = b""


REPORT = json.dumps({"namespace": "own", "host": "h", "pid": 1, "lineage": "x", "revision": 1, "time_ms": 1}).encode()
CHANGESET = json.dumps(
    {"comment": "", "commits": [{"namespace": "own", "key": "k", "version": 99, "payload_utf8": ""}]}
).encode()
EXAMPLES: Final[dict[str, Example]] = {
    "GET /-/healthz": Example("/-/healthz", NOBODY_MAY),
    "GET /-/readyz": Example("/-/readyz", NOBODY_MAY),
    "GET /-/openapi.json": Example("/-/openapi.json", NOBODY_MAY),
    "GET /-/whoami": Example("/-/whoami", NOBODY_MAY),
    "GET /-/metrics": Example("/-/metrics", "read", "anywhere"),
    "GET /-/status": Example("/-/status", "any", "anywhere"),
    "GET /-/can": Example("/-/can?who=somebody&may=read", "admin", "all"),
    "GET /-/tokens": Example("/-/tokens", "admin", "all"),
    "POST /-/tokens": Example("/-/tokens", "admin", "all", b'{"name": ""}'),
    "DELETE /-/tokens/{id}": Example("/-/tokens/aaaaaaaa", "admin", "all"),
    "GET /-/namespaces": Example("/-/namespaces", "any", "anywhere"),
    "POST /-/namespaces": Example("/-/namespaces", "admin", "own", b'{"name": "own", "format": "any"}'),
    "GET /-/namespaces/{name}": Example("/-/namespaces/own", "any"),
    "GET /-/rules": Example("/-/rules", "read", "anywhere"),
    "POST /-/changesets": Example("/-/changesets", "write", "own", CHANGESET),
    "POST /-/proposals": Example("/-/proposals", "write", "own", CHANGESET),
    "GET /-/proposals": Example("/-/proposals?namespace=own", "any"),
    "GET /-/proposals/{id}": Example("/-/proposals/pnothing", "any", "anywhere"),
    "POST /-/proposals/{id}/approve": Example("/-/proposals/pnothing/approve", "approve", "anywhere"),
    "POST /-/proposals/{id}/reject": Example("/-/proposals/pnothing/reject", "any", "anywhere", b'{"comment": "no"}'),
    "GET /-/changes": Example("/-/changes?namespace=own", "read"),
    "GET /-/mirrors": Example("/-/mirrors?namespace=own", "any"),
    "PUT /-/mirrors/{id}": Example("/-/mirrors/m", "read", "own", REPORT),
    "DELETE /-/mirrors/{id}": Example("/-/mirrors/m?namespace=own", "read"),
    "GET /-/store/version/": Example("/-/store/version/", NOBODY_MAY),
    "GET /-/store/files/{path}": Example("/-/store/files/own/f", "read"),
    "PUT /-/store/files/{path}": Example(f"/-/store/files/own/f?{DATED}", "write", "own", b"x"),
    "DELETE /-/store/files/{path}": Example(f"/-/store/files/own/f?{DATED}", "write"),
    "GET /-/store/list": Example("/-/store/list", "read", "anywhere"),
    "GET /-/store/list/{path}": Example("/-/store/list/own", "read", "anywhere"),
    "GET /-/store/names": Example("/-/store/names", "read", "anywhere"),
    "GET /{namespace}": Example("/own", "read"),
    "GET /{namespace}/{key}": Example("/own/k", "read"),
    "GET /{namespace}/{key}/meta": Example("/own/k/meta", "read"),
    "GET /{namespace}/{key}/log": Example("/own/k/log", "read"),
    "GET /{namespace}/{key}/{version}": Example("/own/k/1", "read"),
    "GET /{namespace}/{key}/{version}/meta": Example("/own/k/1/meta", "read"),
    "POST /{namespace}/{key}/{version}": Example("/own/k/99", "write"),
}
MORE: Final = [  # the same calls by their other ways
    ("GET", Example("/-/changes", "read", "anywhere")),
    ("GET", Example("/-/mirrors", "any", "anywhere")),
    ("GET", Example("/-/rules?check=yes", "admin", "all")),
    ("GET", Example("/own/k?at=1", "read")),
    ("GET", Example("/own/k/1?at=1", "read")),
    ("HEAD", Example("/own/k", "read")),
    ("GET", Example("/own%2Fk", NOBODY_MAY)),  # no namespace is called so
    ("GET", Example("/own?at=0", "read")),
    ("GET", Example("/own?limit=1", "read")),
    ("POST", Example("/own/k/99?x=y", "write")),
    ("GET", Example("/-/store/files/other%2F..%2Fown%2Ff", "never")),
    ("POST", Example("/rainer/policy/99", "admin", "all")),
    ("POST", Example("/-/namespaces", "admin", "all", b'{"name": "rainer", "format": "yaml"}')),
]


def example_of(method: str, path: str) -> Example:
    found = EXAMPLES.get(f"{method} {path}")
    assert found is not None, f"{method} {path} has no example: say in EXAMPLES who may make this call"
    return found


CALLS: Final = [pytest.param(m, p, id=f"{m} {p}") for m, p, *_ in ROUTES]


def may(example: Example, permission: str, place: str) -> bool:
    """Whether who has one permission on one place (own, other, all) may make a call: the rule, in plain words."""
    if example.needs == NOBODY_MAY:
        return True
    given = {permission, "read", "write", "approve"} if permission == "admin" else {permission}
    is_right = example.needs == "any" or example.needs in given
    return is_right and (place == "all" or example.on == "anywhere" or example.on == place)


class Served:
    """A server that asks everybody who he is, and tokens of all kinds."""

    def __init__(self, caller: Caller) -> None:
        self.ask = caller.ask
        self.tokens: dict[str, str] = {}
        grants = [
            {"who": [f"{place}-{permission}"], "may": [permission], "on": on}
            for permission in PERMISSIONS
            for place, on in ON.items()
        ]
        ready = [
            ("POST", "/-/namespaces", {"name": "own"}),
            ("POST", "/-/namespaces", {"name": "other"}),
            ("POST", "/-/namespaces", {"name": "rainer", "format": "yaml"}),
            ("POST", "/own/k/1", {"v": 1}),
            ("POST", "/other/k/1", {"v": 1}),
            ("POST", "/rainer/policy/1", {"grants": grants}),
        ]
        for method, path, body in ready:
            assert self.ask(method, path, BOOTSTRAP, json.dumps(body).encode()).status in (200, 201), path
        for permission in PERMISSIONS:
            for place in ("own", "other", "all"):
                self.tokens[f"{place}-{permission}"] = self.token(f"{place}-{permission}")["token"]
            ended = self.token(f"own-{permission}", expires_s=1)
            self.tokens[f"expired-{permission}"] = ended["token"]
            gone = self.token(f"own-{permission}")
            assert self.ask("DELETE", f"/-/tokens/{gone['id']}", BOOTSTRAP).status == 200
            self.tokens[f"revoked-{permission}"] = gone["token"]
        self.expired_at = time.monotonic() + 1

    def token(self, name: str, **more: Any) -> dict[str, str]:
        made = self.ask("POST", "/-/tokens", BOOTSTRAP, json.dumps({"name": name} | more).encode())
        assert made.status == 201, made.body
        found: dict[str, str] = made.json()
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, _guardian: None) -> Iterator[Served]:
    store = tmp_path_factory.mktemp("store")
    with (
        Journal("memory:") as journal,
        calling(lambda: app_of(journal, store, AccessOptions(True, BOOTSTRAP))) as caller,
    ):
        yield Served(caller)


def app_of(journal: Journal, store: Path, access: AccessOptions) -> Any:
    return create_app(journal, ServiceOptions(store=StoreOptions(str(store)), access=access))


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_call_is_for_those_who_may(served: Served, method: str, path: str) -> None:
    check(served, method, example_of(method, path))


@pytest.mark.parametrize(("method", "example"), [pytest.param(m, e, id=f"{m} {e.path}") for m, e in MORE])
def test_no_other_way_leads_around_it(served: Served, method: str, example: Example) -> None:
    check(served, method, example)


def check(served: Served, method: str, example: Example) -> None:
    for permission in PERMISSIONS:
        for place in ("own", "other", "all"):
            status = ask(served, method, example, served.tokens[f"{place}-{permission}"])
            if example.needs == "never":
                assert status not in (200, 401), (permission, place)
            elif may(example, permission, place):
                assert status not in (401, 403, 500), (permission, place, status)
            else:
                assert status == 403, (permission, place, status)
        wait_until(lambda: time.monotonic() >= served.expired_at, 30, "the end of a token's time")
        for kind in ("expired", "revoked"):
            assert ask(served, method, example, served.tokens[f"{kind}-{permission}"]) == 401, (permission, kind)
    assert (ask(served, method, example, None) != 403) == (example.needs == NOBODY_MAY), "nobody"
    assert ask(served, method, example, BOOTSTRAP) not in (401, 403, 500), "the bootstrap token"


def ask(served: Served, method: str, example: Example, token: str | None) -> int:
    return served.ask(method, example.path, token, example.body).status


def test_with_identity_off_everybody_may_everything(tmp_path: Path) -> None:
    with Journal("memory:") as journal, calling(lambda: app_of(journal, tmp_path, AccessOptions())) as caller:
        assert caller.ask("POST", "/-/namespaces", None, b'{"name": "own"}').status == 201
        assert caller.ask("POST", "/own/k/1", None, b"", x_rainer_author="me").status == 200
        for method, path, *_ in ROUTES:
            example = example_of(method, path)
            answer = caller.ask(method, example.path, None, example.body, x_rainer_author="me")
            if method == "POST" and path.startswith("/-/proposals"):  # they take two people, and nobody is told apart
                assert answer.status == 403
                continue
            assert answer.status not in (401, 403, 500), (method, path, answer.body)
            assert "x-rainer-readable" not in answer.headers
            if path == "/-/changes":
                assert "readable" not in answer.json()


def test_a_call_that_does_not_say_what_it_needs_does_not_start() -> None:
    async def endpoint(_request: Any) -> Any: ...

    with pytest.raises(ValueError, match="GET /-/new does not say what it needs"):
        make_app([("GET", "/-/new", endpoint)])  # type: ignore[list-item]


def test_a_call_that_is_never_judged_fails(served: Served) -> None:
    needs = Needs("", "body")
    with pytest.raises(Exception, match="without anybody asking"):
        needs.check_permitted(_Guarded(), {}, 200)
    needs.check_permitted(_Guarded(), {}, 404)


class _Guarded:
    class permissions:  # noqa: N801
        is_open = False
