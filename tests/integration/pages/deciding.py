"""A server in this process with people who propose and approve, and sessions for them: for tests of pages."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import requests

from rainer.access import AccessOptions
from rainer.api.app import create_app
from rainer.client import Client
from rainer.journal import Journal
from rainer.service import PagesOptions, ServiceOptions
from tests.integration.hosted import hosted
from tests.services import secrets

POLICY = """
groups: {ops: [ada, bob, carol]}
grants:
  - {who: [group:ops], may: [read, write, approve], on: ["prod/*"]}
  - {who: [rita], may: [read], on: ["prod/*"]}
  - {who: [wendy], may: [write], on: ["prod/*"]}
  - {who: [oscar], may: [read, write, approve], on: ["test/*"]}
  - {who: [root], may: [admin], on: ["*"]}
"""
RULES = """
rules:
  - {on: "prod/db*", approvals: 1}
  - {on: "prod/vault*", approvals: 2}
"""
NAMES = ("ada", "bob", "carol", "rita", "wendy", "oscar", "root")
LIST = "/-/ui/-/proposals"
DB = "host: db-1\npool: 20\ntimeout: 5s\n"


class Town:
    """The server, everybody's token, and what they do by the API."""

    def __init__(self, url: str, secret: str) -> None:
        self.url, self.secret = url, secret
        self.tokens: dict[str, str] = {}
        self._cookies: dict[str, dict[str, str]] = {}
        with Client(f"{url}/prod", token=secret) as client:
            self.tokens = {name: client.create_token(name)["token"] for name in NAMES}
            for name, form in (("rainer", "yaml"), ("prod", "any"), ("test", "any")):
                client.create_namespace(name, format=form)
            system = client.in_namespace("rainer")
            system.commit("policy", POLICY.encode(), version=1, comment="Who may what")
            client.commit("db.yaml", DB.encode(), version=1, comment="First")
            client.commit("vault.yaml", b"seal: true\n", version=1, comment="First")
            client.commit("app.yaml", b"workers: 4\n", version=1, comment="First")
            system.commit("rules", RULES.encode(), version=1, comment="Four eyes")
            client.changes(since=0)  # the thread that reads the feed is the server's, and no test's

    def ask(self, who: str, method: str, path: str, body: Any = None) -> requests.Response:
        """A call of the API."""
        token = self.secret if who == "bootstrap" else self.tokens[who]
        return requests.request(
            method, self.url + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=20
        )

    def propose(self, who: str, text: str, comment: str = "because", key: str = "db.yaml", space: str = "prod") -> str:
        """The id of a new proposal, made on the head."""
        return self.propose_all(who, {key: text}, comment, space)

    def propose_all(self, who: str, texts: dict[str, str | None], comment: str, space: str = "prod") -> str:
        """The same with several keys; None removes one."""
        commits = []
        for key, text in texts.items():
            payload: dict[str, Any] = {"empty": True} if text is None else {"payload_utf8": text}
            commits.append({"namespace": space, "key": key, "version": self.version(key, space) + 1, **payload})
        made = self.ask(who, "POST", "/-/proposals", {"comment": comment, "commits": commits})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def version(self, key: str, space: str = "prod") -> int:
        """The version of a head; 0 for none."""
        answer = self.ask("bootstrap", "GET", f"/{space}/{key}/meta")
        return int(answer.json()["version"]) if answer.ok else 0

    def commit(self, who: str, key: str, text: str, space: str = "prod") -> None:
        """A commit by the API, forced where rules want approvals."""
        token = self.secret if who == "bootstrap" else self.tokens[who]
        headers = {"Authorization": f"Bearer {token}", "X-Rainer-Comment": "moved"}
        if who == "bootstrap":
            headers["X-Rainer-Force"] = "yes"
        address = f"{self.url}/{space}/{key}/{self.version(key, space) + 1}"
        answer = requests.post(address, text.encode(), headers=headers, timeout=20)
        assert answer.ok, answer.text

    def state(self, proposal: str) -> str:
        """What has become of a proposal."""
        return str(self.ask("bootstrap", "GET", f"/-/proposals/{proposal}").json()["state"])

    def get(self, who: str, path: str) -> requests.Response:
        """A page, as somebody's browser gets it."""
        return requests.get(self.url + path, cookies=self.signed_in(who), timeout=20, allow_redirects=False)

    def post(self, who: str, path: str, **fields: str) -> requests.Response:
        """A form, with the token that pages of that session carry."""
        form = {"form_token": form_token(self.get(who, "/-/ui/-/proposals").text)} | fields
        return requests.post(
            self.url + path, form, cookies=self.signed_in(who), timeout=20, allow_redirects=False
        )  # fmt: skip

    def signed_in(self, who: str) -> dict[str, str]:
        """The cookies of somebody's session; one for each."""
        if who not in self._cookies:
            self._cookies[who] = sign_in(self.url, self.tokens[who])
        return self._cookies[who]

    def cookies(self, who: str) -> list[dict[str, Any]]:
        """The same, for a browser."""
        return [{"name": name, "value": value, "url": self.url} for name, value in self.signed_in(who).items()]


def sign_in(url: str, token: str) -> dict[str, str]:
    """The cookies of a session that a token has opened."""
    with requests.Session() as session:
        form = {"token": token, "form_token": form_token(session.get(f"{url}/-/ui/-/sign-in", timeout=20).text)}
        answer = session.post(f"{url}/-/ui/-/sign-in", form, timeout=20, allow_redirects=False)
        assert answer.status_code == 303, answer.text
        return dict(session.cookies)


def form_token(page: str) -> str:
    """What the forms of a page send back."""
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
    assert found is not None, page[:2000]
    return found[1]


@contextlib.contextmanager
def town() -> Iterator[Town]:
    """The server, with everything in it."""
    root = secrets.new_secret()
    options = ServiceOptions(access=AccessOptions(is_on=True, bootstrap_token=root), pages=PagesOptions())
    with Journal("memory:") as journal, hosted(create_app(journal, options)) as url:
        yield Town(url, root)


def page_of(proposal: str) -> str:
    """The address of a proposal's page."""
    return f"{LIST}/{proposal}"
