"""A server that asks who one is, and has rules: refusals, marks and mirrors are the same in Java as in Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from rainer.client import Client
from rainer.mirror import Mirror
from rainer.model.commit import Commit
from tests.faults.java_mirror import JavaMirror
from tests.integration.test_java_client import told
from tests.integration.test_java_client_errors import Both
from tests.services.java_driver import JavaDriver, JavaError, draft
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("java")]

BOOTSTRAP: Final = "a-bootstrap-token-of-these-tests"
SCHEMA: Final = {"type": "object", "properties": {"port": {"type": "integer"}}}
RULES: Final = {"rules": [{"on": "diary/app.*", "schema": "app"}, {"on": "diary/db*", "approvals": 1}]}
BROKEN: Final = b'{\n "port": "none"}'
PATIENCE_S: Final = 20.0


class Guarded:
    """A server with a policy and rules, and tokens of those whom it knows."""

    def __init__(self, server: RainerServer) -> None:
        self.url = f"{server.url}/diary"
        self.root = Client(self.url, token=BOOTSTRAP)
        self.root.create_namespace("rainer", format="yaml")
        self._policies = 0
        self.enact("diary/*")
        rules = {"schema.app": SCHEMA, "rules": RULES}
        drafts = [{"key": key, "payload": json.dumps(value).encode(), "version": 1} for key, value in rules.items()]
        self.root.in_namespace("rainer").commit_many(drafts)
        self.tokens = {name: self.root.create_token(name)["token"] for name in ("ann", "gate", "reader")}

    def enact(self, *readable: str) -> None:
        """Put a policy in force under which `reader` may read this."""
        self._policies += 1
        grants = [
            {"who": ["ann"], "may": ["read", "write", "force"], "on": ["diary/*"]},
            {"who": ["gate"], "may": ["read", "write", "impersonate"], "on": ["diary/*"]},
            *({"who": ["reader"], "may": ["read"], "on": list(on)} for on in [readable] if on),
        ]
        policy = json.dumps({"grants": grants}).encode()
        self.root.in_namespace("rainer").commit("policy", policy, version=self._policies)

    def by(self, name: str) -> Client:
        return Client(self.url, token=self.tokens[name], retries=0)


@pytest.fixture(scope="module")
def guarded(java_client: None) -> Iterator[Guarded]:
    with RainerServer(environment={"RAINER_IDENTITY": "yes", "RAINER_BOOTSTRAP_TOKEN": BOOTSTRAP}) as server:
        found = Guarded(server)
        yield found
        found.root.close()


def _told(commit: Commit) -> dict[str, Any]:
    """In the driver's words, with its marks."""
    return told(commit) | ({} if commit.marks is None else {"marks": commit.marks.members()})


def test_refusals_are_the_same(guarded: Guarded, java_driver: JavaDriver) -> None:
    forged = "rnr_aaaaaaaa_" + "x" * 43
    reader, ann = guarded.tokens["reader"], guarded.tokens["ann"]
    for token, key, payload, code in (
        (forged, "free", b"1", "unauthenticated"),
        (reader, "free", b"1", "denied"),
        (ann, "app.a", BROKEN, "rule-broken"),
        (ann, "app.a", b"{", "rule-broken"),
        (ann, "db", b"1", "approval-required"),
    ):
        made = draft(key, 1, payload, comment="why", author="ann")
        with Client(guarded.url, token=token, author="ann", retries=0) as client:
            both = Both(client, java_driver)
            for dry_run in (False, True):
                found = both.refuse(
                    lambda c, k=key, p=payload, d=dry_run: c.commit(k, p, version=1, comment="why", dry_run=d),
                    "commit", draft=made, token=token, dry_run=dry_run,
                )  # fmt: skip
                assert found.code == code
            many = [{"key": key, "payload": payload, "version": 1}]
            both.refuse(lambda c, m=many: c.commit_many(m), "commit_many", drafts=[made | {"comment": ""}], token=token)
    assert _place(guarded, java_driver, BROKEN) == ("/port", 2, 10)
    with guarded.by("reader") as client:
        both = Both(client.in_namespace("rainer"), java_driver)
        both.refuse(lambda c: c.get("policy"), "get", key="policy", token=reader)
        both.refuse(lambda c: c.heads(), "heads", token=reader)
    with pytest.raises(JavaError) as nobody:
        java_driver.call("get", guarded.url, key="free")
    assert nobody.value.code == "denied"


def _place(guarded: Guarded, java_driver: JavaDriver, payload: bytes) -> tuple[str, int, int]:
    with pytest.raises(JavaError) as java:
        java_driver.call("commit", guarded.url, draft=draft("app.a", 1, payload), token=guarded.tokens["ann"])
    details = java.value.details
    return details["pointer"], details["line"], details["column"]


def test_a_policy_that_cannot_be_obeyed_is_refused_with_its_place(guarded: Guarded, java_driver: JavaDriver) -> None:
    payload = b"grants:\n  - {who: [ann], may: [amdin], on: ['*']}\n"
    system = guarded.root.in_namespace("rainer")
    version = system.get("policy").version + 1
    found = Both(system, java_driver).refuse(
        lambda c: c.commit("policy", payload, version=version),
        "commit", draft=draft("policy", version, payload), token=BOOTSTRAP,
    )  # fmt: skip
    assert (found.code, found.details["line"]) == ("invalid-document", 2)


def test_authors_and_marks(guarded: Guarded, java_driver: JavaDriver) -> None:
    call, url, tokens = java_driver.call, guarded.url, guarded.tokens
    assert call("own_name", url, token=tokens["gate"]) == "gate"
    assert call("own_name", url) is None
    by_token_path = url.replace("/diary", f"/-/t/{tokens['ann']}/diary")
    made = call("commit", by_token_path, draft=draft("marked", 1, b"1"))
    assert (made["author"], "marks" in made) == ("ann", False)
    call("commit", url, draft=draft("marked", 2, b"2", author="somebody"), token=tokens["gate"])
    tried = call("commit", url, draft=draft("app.forced", 1, BROKEN, comment="now"), token=tokens["ann"],
                 dry_run=True, force=True)  # fmt: skip
    assert ("revision" in tried, tried["marks"]) == (False, {"forced": True})
    for arguments in ({"async": True}, {}):
        version = 2 if not arguments else 1
        forced = draft("app.forced", version, BROKEN, comment="now")
        call("commit", url, draft=forced, token=tokens["ann"], force=True, **arguments)
    many = call("commit_many", url, drafts=[draft("db", 1, b"1", comment="now")], token=tokens["ann"], force=True)
    assert many[0]["marks"] == {"forced": True}
    with pytest.raises(JavaError) as refused:
        call("commit", url, draft=draft("db", 2, b"1", author="gate", comment="now"), token=tokens["gate"], force=True)
    assert refused.value.code == "denied"
    with guarded.by("ann") as python:
        assert call("get", url, key="marked", token=tokens["ann"]) == _told(python.get("marked"))
        assert python.get("marked").marks.members() == {"identity": "gate"}
        listed = [_told(commit) for commit in python.heads().values()]
        assert call("heads", url, token=tokens["ann"]) == listed
        assert sum("marks" in commit for commit in listed) == 3
        assert call("log", url, key="marked", token=tokens["ann"]) == [_told(commit) for commit in python.log("marked")]
        paged = [_told(commit) for commit in python.changes(payloads=True).commits]
        assert call("changes", url, token=tokens["ann"])["commits"] == paged


def test_the_snippet_that_tries_a_commit(guarded: Guarded, java_driver: JavaDriver) -> None:
    found = java_driver.call("tried", guarded.url, token=guarded.tokens["ann"])
    assert found.startswith("/port, line 2: ")
    assert java_driver.call("tried", guarded.url, token="rnr_aaaaaaaa_" + "x" * 43).startswith(
        "the token proves nothing"
    )


def test_a_mirror_holds_what_its_token_may_read_whatever_becomes_of_that(guarded: Guarded) -> None:
    with guarded.by("ann") as ann:
        ann.commit_many([{"key": key, "payload": b"{}", "version": 1} for key in ("app.read", "other")], comment="x")
    guarded.enact("diary/app.read")
    token = guarded.tokens["reader"]
    with JavaMirror(("http", guarded.url, "token", token)) as java, Mirror.http(guarded.url, token=token) as python:
        wait_until(lambda: sorted(java) == sorted(python) == ["app.read"], PATIENCE_S, "what may be read at first")
        wait_until(
            lambda: len(guarded.root.mirrors()) == 2, PATIENCE_S, "both are listed: their reports have the token"
        )
        guarded.enact("diary/app.read", "diary/other")
        wait_until(lambda: sorted(java) == sorted(python) == ["app.read", "other"], PATIENCE_S, "what may be read now")
        guarded.enact("diary/app.read")
        wait_until(lambda: sorted(java) == ["app.read"], PATIENCE_S, "what may not be read any more goes")
        guarded.enact()
        wait_until(lambda: java.state == "stale", PATIENCE_S, "it hears that it may read nothing")
        assert sorted(java) == ["app.read"]  # what a program holds nobody takes from it
