"""The matrix of the pages: each of them, for everybody, with sessions; and each form, sent as it must not be.

It is made from the table of pages. Whoever adds a page adds an example of it to EXAMPLES here: who may open it (of the
identities in GRANTS), and for a form the fields that a page of ours would send, such that a second time does no harm
(a base that is not there, an id that nobody has). A page without an example fails by its name.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from rainer.access import AccessOptions
from rainer.api import create_app
from rainer.api.app import ROUTES
from rainer.api.pages.cookies import SESSION, seal
from rainer.api.pages.routes import TABLE
from rainer.database.schema import proposals
from rainer.journal import Journal
from rainer.service import PagesOptions, ServiceOptions
from tests.asgi import Answered, Caller, calling
from tests.integration.test_permissions import EXAMPLES as CALLS
from tests.integration.test_permissions import NOBODY_MAY
from tests.services.waiting import wait_until

pytestmark = [
    pytest.mark.xdist_group("pages"),
    pytest.mark.may_leak("the server runs in this process, and begins its threads when it needs them"),
]

BOOTSTRAP: Final = "a-bootstrap-token-of-these-tests"
GRANTS: Final = {
    "elsewhere": (["read"], ["other/*"]),
    "reader": (["read"], ["own/*"]),
    "blind": (["write"], ["own/*"]),
    "writer": (["read", "write"], ["own/*"]),
    "approver": (["read", "approve"], ["own/*"]),
    "admin": (["admin"], ["*"]),
}
ENDED: Final = ("expired", "revoked")
NOBODY: Final = "nobody"
EVERYBODY: Final = (*GRANTS, NOBODY, *ENDED)
SEES: Final = tuple(GRANTS)
SEES_OWN: Final = ("reader", "blind", "writer", "approver", "admin")
READS: Final = ("reader", "writer", "approver", "admin")
WRITES: Final = ("writer", "admin")
ADMIN: Final = ("admin",)
MARK: Final = "the-secret-of-own"
"""Stands in every payload and comment of namespace `own`, and in no page for who may not read there."""


@dataclass(frozen=True)
class Example:
    """A page as somebody opens it: `who` may, everybody else gets `refused`; `form` is what a POST brings."""

    path: str
    who: tuple[str, ...]
    form: dict[str, str] = field(default_factory=dict)
    refused: int = 403


NO_PROPOSAL: Final = "/-/ui/-/proposals/pnothing"
LATE: Final = {"base": "99", "ends": "lf", "text": "x\n", "comment": "why", "step": "commit"}
EXAMPLES: Final[dict[str, Example]] = {
    "GET /-/ui": Example("/-/ui", SEES),
    "GET /-/ui/-/static/{hash}/{name}": Example("/-/ui/-/static/x/base.css", EVERYBODY),
    "GET /-/ui/-/sign-in": Example("/-/ui/-/sign-in", EVERYBODY),
    "POST /-/ui/-/sign-in": Example("/-/ui/-/sign-in", EVERYBODY, {"token": BOOTSTRAP}),
    "POST /-/ui/-/sign-out": Example("/-/ui/-/sign-out", (*GRANTS, NOBODY)),
    "GET /-/ui/-/proposals": Example("/-/ui/-/proposals?state=all", SEES),
    "GET /-/ui/-/proposals/{id}": Example("/-/ui/-/proposals/{proposal}", READS, refused=404),
    "POST /-/ui/-/proposals/{id}/approve": Example(f"{NO_PROPOSAL}/approve", ("approver", "admin")),
    "POST /-/ui/-/proposals/{id}/reject": Example(f"{NO_PROPOSAL}/reject", SEES, {"comment": "no"}),
    "GET /-/ui/-/new-namespace": Example("/-/ui/-/new-namespace", ADMIN),
    "POST /-/ui/-/new-namespace": Example("/-/ui/-/new-namespace", ADMIN, {"name": "own", "format": "json"}),
    "GET /-/ui/-/namespaces/{name}": Example("/-/ui/-/namespaces/own", SEES_OWN),
    "GET /-/ui/-/access": Example("/-/ui/-/access?on=own", SEES),
    "GET /-/ui/-/tokens": Example("/-/ui/-/tokens", ADMIN),
    "POST /-/ui/-/tokens": Example("/-/ui/-/tokens", ADMIN, {"name": "", "days": "1"}),
    "GET /-/ui/-/tokens/{id}/revoke": Example("/-/ui/-/tokens/aaaaaaaa/revoke", ADMIN),
    "POST /-/ui/-/tokens/{id}/revoke": Example("/-/ui/-/tokens/aaaaaaaa/revoke", ADMIN),
    "GET /-/ui/-/new": Example("/-/ui/-/new?namespace=own&key=k2", ("blind", *WRITES)),
    "GET /-/ui/-/status": Example("/-/ui/-/status", SEES),
    "GET /-/ui/{namespace}": Example("/-/ui/own", READS),
    "GET /-/ui/{namespace}/{key}": Example("/-/ui/own/k", READS),
    "GET /-/ui/{namespace}/{key}/download": Example("/-/ui/own/k/download", READS),
    "GET /-/ui/{namespace}/{key}/history": Example("/-/ui/own/k/history", READS),
    "GET /-/ui/{namespace}/{key}/diff": Example("/-/ui/own/k/diff?from=1&to=2&view=split", READS),
    "GET /-/ui/{namespace}/{key}/blame": Example("/-/ui/own/k/blame", READS),
    "GET /-/ui/{namespace}/{key}/edit": Example("/-/ui/own/k/edit", WRITES),
    "POST /-/ui/{namespace}/{key}/edit": Example("/-/ui/own/k/edit", WRITES, LATE),
    "POST /-/ui/{namespace}/{key}/check": Example("/-/ui/own/k/check", WRITES, LATE),
    "GET /-/ui/{namespace}/{key}/revert": Example("/-/ui/own/k/revert?to=1", WRITES),
    "POST /-/ui/{namespace}/{key}/revert": Example("/-/ui/own/k/revert", WRITES, LATE | {"to": "1"}),
    "GET /-/ui/{namespace}/{key}/remove": Example("/-/ui/own/k/remove", WRITES),
    "POST /-/ui/{namespace}/{key}/remove": Example("/-/ui/own/k/remove", WRITES, LATE),
}
MORE: Final = [  # the same pages by their other ways
    ("GET", Example("/-/ui/own?q=secret", READS)),
    ("GET", Example("/-/ui/own?view=changes", READS)),
    ("GET", Example("/-/ui/own?at=2&only=changed", READS)),
    ("GET", Example("/-/ui/own/k?version=1&part=1", READS)),
    ("GET", Example("/-/ui?part=1", SEES)),
    ("GET", Example("/-/ui/rainer/policy", ADMIN)),
    ("GET", Example("/-/ui/other/k", ("elsewhere", "admin"))),
    ("GET", Example("/-/ui/-/proposals?namespace=own", SEES_OWN)),
    ("GET", Example("/-/ui/-/access?who=somebody", ADMIN)),
    ("GET", Example("/-/ui/-/namespaces/rainer", ADMIN)),
    ("POST", Example("/-/ui/-/new-namespace", ADMIN, {"name": "rainer", "format": "json"})),
    ("POST", Example("/-/ui/-/proposals/{proposal}/reject", READS, {"comment": " "}, 404)),
]
PAGES: Final = [pytest.param(method, path, id=f"{method} {path}") for method, path, *_ in TABLE]
FORMS: Final = [pytest.param(path, id=path) for method, path, *_ in TABLE if method == "POST"]


def example_of(method: str, path: str) -> Example:
    found = EXAMPLES.get(f"{method} {path}")
    assert found is not None, f"{method} {path} has no example: say in EXAMPLES who may open this page"
    return found


class Browsers:
    """A server that asks everybody who he is, and a browser for each, with its session and the token of its forms."""

    def __init__(self, caller: Caller, options: PagesOptions) -> None:
        self.caller, self.options = caller, options
        self.cookies: dict[str, str] = {}
        self.form_tokens: dict[str, str] = {}
        grants = [{"who": [name], "may": may, "on": on} for name, (may, on) in GRANTS.items()]
        for space in ("own", "other"):
            self.call("POST", "/-/namespaces", {"name": space})
        self.call("POST", "/-/namespaces", {"name": "rainer", "format": "yaml"})
        for version in (1, 2):
            self.call("POST", f"/own/k/{version}", {"v": f"{MARK} {version}"}, x_rainer_comment=MARK)
        self.call("POST", "/other/k/1", {"v": 1})
        self.call("POST", "/rainer/policy/1", {"grants": grants})
        draft = {"namespace": "own", "key": "k", "version": 3, "payload_utf8": MARK, "comment": MARK}
        self.proposal = str(self.call("POST", "/-/proposals", {"commits": [draft]}).json()["id"])
        for name in (*GRANTS, *ENDED):
            more = {"expires_s": 1} if name == "expired" else {}
            made = self.call("POST", "/-/tokens", {"name": name} | more).json()
            if name == "revoked":
                self.call("DELETE", f"/-/tokens/{made['id']}")
            self.cookies[name] = f"{SESSION}={seal(options, made['token'])}"
        self.expired_at = time.monotonic() + 1
        first = self.ask(NOBODY, "GET", "/-/ui/-/sign-in")
        self.cookies[NOBODY] = first.headers["set-cookie"].split(";")[0]
        for name in EVERYBODY:
            page = self.ask(name, "GET", "/-/ui/-/sign-in").body.decode()
            self.form_tokens[name] = re.findall(r'name="form_token" value="([0-9a-f]{64})"', page)[0]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        """A call of the API by who may all."""
        answer = self.caller.ask(method, path, BOOTSTRAP, b"" if body is None else json.dumps(body).encode(), **headers)
        assert answer.status in (200, 201), (path, answer.body)
        return answer

    def ask(self, who: str, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> Answered:
        """What somebody's browser gets; `form` is sent as it is."""
        cookie = {"cookie": self.cookies[who]} if who in self.cookies else {}
        body = b"" if form is None else urlencode(form).encode()
        return self.caller.ask(method, path, None, body, **cookie, **headers)

    def open(self, who: str, method: str, example: Example) -> Answered:
        """A page as it is meant to be opened, with the token of that session's forms."""
        path = example.path.replace("{proposal}", self.proposal)
        form = {"form_token": self.form_tokens[who]} | example.form if method == "POST" else None
        return self.ask(who, method, path, form)

    def stand(self) -> tuple[Any, ...]:
        """Where everything stands that a form could have changed."""
        found = self.call("GET", f"/-/proposals/{self.proposal}").json()
        tokens = self.call("GET", "/-/tokens").json()["tokens"]
        spaces = self.call("GET", "/-/namespaces").json()["namespaces"]
        state = self.call("GET", "/-/status").json()["revision"]
        return state, found["state"], len(found["approvals"]), [(t["id"], t["state"]) for t in tokens], spaces


@pytest.fixture(scope="module")
def browsers(_guardian: None) -> Iterator[Browsers]:
    pages = PagesOptions()
    options = ServiceOptions(access=AccessOptions(True, BOOTSTRAP), pages=pages)
    with Journal("memory:") as journal, calling(lambda: create_app(journal, options)) as caller:
        yield Browsers(caller, pages)


@pytest.mark.parametrize(("method", "path"), PAGES)
def test_a_page_is_for_those_who_may(browsers: Browsers, method: str, path: str) -> None:
    check(browsers, method, example_of(method, path))


@pytest.mark.parametrize(("method", "example"), [pytest.param(m, e, id=f"{m} {e.path}") for m, e in MORE])
def test_no_other_way_leads_around_it(browsers: Browsers, method: str, example: Example) -> None:
    check(browsers, method, example)


def check(browsers: Browsers, method: str, example: Example) -> None:
    wait_until(lambda: time.monotonic() >= browsers.expired_at, 30, "the end of a token's time")
    for who in EVERYBODY:
        answer = browsers.open(who, method, example)
        if who in example.who:
            assert answer.status not in (401, 403, 500), (who, answer.status, answer.body[-600:])
        else:
            refused = 401 if who in (*ENDED, NOBODY) else example.refused
            assert answer.status == refused, (who, answer.status)
        if who not in READS:
            assert MARK.encode() not in answer.body, f"{who} reads what is not for him"


@pytest.mark.parametrize("path", FORMS)
def test_a_form_that_is_not_of_this_session_does_nothing(browsers: Browsers, path: str) -> None:
    example = example_of("POST", path)
    address = example.path.replace("{proposal}", browsers.proposal)
    good = {"form_token": browsers.form_tokens["admin"]} | example.form
    before = browsers.stand()
    sent = {
        "no token": (example.form, {}),
        "an empty one": (example.form | {"form_token": ""}, {}),
        "another session's": (example.form | {"form_token": browsers.form_tokens["writer"]}, {}),
        "nobody's": (example.form | {"form_token": browsers.form_tokens[NOBODY]}, {}),
        "another origin": (good, {"origin": "https://evil.example"}),
        "no origin": (good, {"origin": "null"}),
        "another site": (good, {"sec_fetch_site": "cross-site"}),
        "a sibling": (good, {"sec_fetch_site": "same-site"}),
    }
    for what, (form, headers) in sent.items():
        status = browsers.ask("admin", "POST", address, form, **headers).status
        assert status == 403 or (status == 401 and path.endswith("/sign-in")), what  # where nobody is anybody yet
    assert browsers.ask("admin", "GET", f"{address.split('?')[0]}?{urlencode(good)}").status != 500
    assert browsers.stand() == before
    assert browsers.ask("admin", "POST", address, good, sec_fetch_site="same-origin").status not in (401, 403, 500)


def test_a_session_opens_pages_and_the_feed_that_they_follow_and_no_call_besides(browsers: Browsers) -> None:
    for method, path, *_ in ROUTES:
        example = CALLS[f"{method} {path}"]
        if path == "/-/changes" or example.needs == NOBODY_MAY:
            continue
        cookie = {"cookie": browsers.cookies["admin"]}
        answer = browsers.caller.ask(method, example.path, None, example.body, **cookie)
        assert answer.status == 403, (method, path, answer.status)


def test_with_identity_off_every_page_is_there_and_every_form_must_be_ours() -> None:
    options = ServiceOptions(pages=PagesOptions())
    with Journal("memory:") as journal, calling(lambda: create_app(journal, options)) as caller:
        assert caller.ask("POST", "/-/namespaces", None, b'{"name": "own"}').status == 201
        for version in (b"1", b"2"):
            assert caller.ask("POST", f"/own/k/{version.decode()}", None, version, x_rainer_author="me").status == 200
        for method, path, *_ in TABLE:
            example = example_of(method, path)
            address = example.path.replace("{proposal}", "pnothing")
            status = caller.ask(method, address, None, urlencode(example.form).encode()).status
            if method == "POST":
                assert status == 403, (path, status)
            else:
                assert status not in (401, 403, 500), (path, status)


def test_a_proposal_that_cannot_be_read_costs_no_other_page(browsers: Browsers) -> None:
    service = browsers.caller.app.service
    damage = sa.update(proposals).where(proposals.c.id == browsers.proposal)
    with service.journal.engine.begin() as connection:
        was = connection.execute(sa.select(proposals.c.places)).scalar_one()
        connection.execute(damage.values(places="no JSON"))
    try:
        page = browsers.ask("admin", "GET", "/-/ui/own/k")
        assert (page.status, b"notice waiting" in page.body) == (200, False)
        assert browsers.ask("admin", "GET", "/-/ui/-/proposals").status == 500
    finally:
        with service.journal.engine.begin() as connection:
            connection.execute(damage.values(places=was))
    assert b"notice waiting" in browsers.ask("admin", "GET", "/-/ui/own/k").body
