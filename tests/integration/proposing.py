"""A server's app with people who propose and approve, for tests about proposals."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from rainer.access import AccessOptions
from rainer.api import create_app
from rainer.journal import Journal
from rainer.model.identity import BOOTSTRAP
from rainer.service import ServiceOptions
from tests.asgi import Answered, Caller, calling

BOOTSTRAP_TOKEN = "bootstrap-token-of-a-test-0123456789"
POLICY = """
groups: {ops: [alice, bob, carol, dave]}
grants:
  - {who: [group:ops], may: [read, write, approve], on: ["prod/*"]}
  - {who: [eve], may: [read, write], on: ["prod/*"]}
  - {who: [mallory], may: [read, write, approve], on: ["test/*"]}
  - {who: [paul], may: [read, write, approve], on: ["prod/a*"]}
  - {who: [gw], may: [read, write, approve, impersonate], on: ["prod/*"]}
  - {who: [blind], may: [write], on: ["prod/*"]}
  - {who: [forcer], may: [read, write, force], on: ["prod/*"]}
  - {who: [anonymous], may: [read, write, approve], on: ["prod/*"]}
"""
NAMES = ("alice", "bob", "carol", "dave", "eve", "mallory", "paul", "gw", "forcer", "blind", "Alice")


class People:
    """Calls in the names of people; each has a token. "" is nobody in particular, "bootstrap" the bootstrap token."""

    def __init__(self, caller: Caller, tokens: dict[str, str]) -> None:
        self.caller, self.tokens = caller, tokens

    def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        """A call with a JSON body, or with bytes."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        token = {"": None, BOOTSTRAP: BOOTSTRAP_TOKEN}.get(who, self.tokens.get(who))
        return self.caller.ask(method, path, token, raw, **headers)

    def commit(
        self, who: str, key: str, version: int, payload: str, namespace: str = "prod", **headers: str
    ) -> Answered:
        """A commit made directly."""
        return self.ask(who, "POST", f"/{namespace}/{key}/{version}", payload.encode(), accept=PROBLEM, **headers)

    def propose(
        self, who: str, *commits: tuple[str, int, str | None], namespace: str = "prod", **more: Any
    ) -> Answered:
        """A proposal of commits: key, version, payload."""
        drafts = [
            {"namespace": namespace, "key": key, "version": version}
            | ({"empty": True} if payload is None else {"payload_utf8": payload})
            for key, version, payload in commits
        ]  # fmt: skip
        return self.ask(who, "POST", "/-/proposals", {"comment": "because", "commits": drafts} | more)

    def proposed(self, who: str, *commits: tuple[str, int, str | None], namespace: str = "prod", **more: Any) -> str:
        """The id of a proposal that was taken."""
        answer = self.propose(who, *commits, namespace=namespace, **more)
        assert answer.status == 201, answer.body
        return str(answer.json()["id"])

    def approve(self, who: str, proposal: str, **headers: str) -> Answered:
        return self.ask(who, "POST", f"/-/proposals/{proposal}/approve", **headers)

    def reject(self, who: str, proposal: str, comment: str = "no") -> Answered:
        return self.ask(who, "POST", f"/-/proposals/{proposal}/reject", {"comment": comment})

    def show(self, who: str, proposal: str) -> Answered:
        return self.ask(who, "GET", f"/-/proposals/{proposal}")

    def state(self, proposal: str) -> str:
        return str(self.show(BOOTSTRAP, proposal).json()["state"])

    def listed(self, who: str, query: str = "") -> list[str]:
        return [one["id"] for one in self.ask(who, "GET", f"/-/proposals{query}").json()["proposals"]]

    def set_document(self, key: str, text: str) -> None:
        """Commit a document of the system's namespace."""
        head = self.ask(BOOTSTRAP, "GET", f"/rainer/{key}/meta")
        version = head.json()["version"] + 1 if head.status == 200 else 1
        answer = self.commit(BOOTSTRAP, key, version, text, "rainer")
        assert answer.status == 200, answer.body


PROBLEM = "application/problem+json"


@contextlib.contextmanager
def people(make_journal: Callable[[], Journal], policy: str = POLICY) -> Iterator[People]:
    """A server with a policy, namespaces `prod` and `test`, and tokens for everybody."""
    options = ServiceOptions(access=AccessOptions(is_on=True, bootstrap_token=BOOTSTRAP_TOKEN))
    with make_journal() as journal, calling(lambda: create_app(journal, options)) as caller:
        found = People(caller, {})
        for name, form in (("rainer", "yaml"), ("prod", "any"), ("test", "any")):
            made = found.ask(BOOTSTRAP, "POST", "/-/namespaces", {"name": name, "format": form})
            assert made.status in (200, 201), made.body
        for name in NAMES:
            made = found.ask(BOOTSTRAP, "POST", "/-/tokens", {"name": name})
            found.tokens[name] = made.json()["token"]
        found.set_document("policy", policy)
        yield found
