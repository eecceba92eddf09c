"""Commits that only try, and those that pass the rules by force and are marked for ever."""

from __future__ import annotations

import json

import pytest
import requests

from rainer.access import AccessOptions
from rainer.api import create_app
from rainer.client import Client
from rainer.errors import InvalidDocument, InvalidError, RuleBroken, VersionConflict
from rainer.journal import Journal
from rainer.model.marks import Marks
from rainer.service import ServiceOptions
from rainer.testing import TestServer
from tests.asgi import calling
from tests.command_line import CommandLine
from tests.integration.validation.conftest import BAD, GOOD, RULES


def test_a_dry_run_says_what_would_be_and_writes_nothing(client: Client, served: TestServer, system: Client) -> None:
    client.commit("app.json", GOOD, version=1)
    before = served.journal.position()
    tried = client.commit("app.json", b'{"port": 2}', version=2, dry_run=True, comment="two\nlines")
    assert (tried.version, tried.payload, tried.revision) == (2, b'{"port": 2}', None)
    (first, _) = client.commit_many(
        [{"key": k, "payload": GOOD, "version": 1} for k in ("app.a", "b")], dry_run=True, author="x"
    )
    assert (first.key, first.author, first.revision) == ("app.a", "x", None)
    with pytest.raises(RuleBroken):
        client.commit("app.json", BAD, version=2, dry_run=True)
    with pytest.raises(VersionConflict) as caught:
        client.commit("app.json", GOOD, version=7, dry_run=True)
    assert caught.value.expected == 2
    with pytest.raises(InvalidDocument):
        system.commit("rules", b"rules: 7", version=2, dry_run=True)
    url = f"{served.url}/diary/app.json/2?dry_run="
    answer = requests.post(url + "yes", GOOD, headers={"X-Rainer-Author": "a"}, timeout=20)
    assert (answer.status_code, answer.json()["dry_run"], answer.json()["version"]) == (200, True, 2)
    assert requests.post(url + "perhaps", GOOD, headers={"X-Rainer-Author": "a"}, timeout=20).status_code == 400
    assert served.journal.position() == before


def test_the_command_line_tries_and_forces(rainer: CommandLine, client: Client) -> None:
    client.commit("app.x", GOOD, version=1)
    tried = rainer.ok("commit", "app.x", "-m", "x", "--dry-run", stdin=b'{"port": 7}')
    assert "would be committed: app.x version 2; nothing was done" in tried.err
    assert "would be removed" in rainer.ok("uncommit", "app.x", "--dry-run").err
    assert rainer("commit", "app.x", "-m", "x", "--dry-run", stdin=BAD).code == 5
    assert rainer("revert", "app.x", "--force", "-y").code == 2
    forced = rainer.ok("commit", "app.x", "-m", "the fire", "--force", stdin=BAD)
    assert "committed by force app.x version 2" in forced.err
    assert "Marks:  forced" in rainer.ok("log", "app.x").text
    assert ": forced: the fire" not in rainer.ok("log", "app.x", "--oneline").text
    assert "forced: the fire" in rainer.ok("log", "app.x", "--oneline").text
    assert rainer.ok("show", "app.x", "--json").json["forced"] is True


def test_a_forced_commit_needs_a_reason_and_is_marked_for_ever(client: Client, served: TestServer) -> None:
    with pytest.raises(InvalidError, match="needs a comment"):
        client.commit("app.x", BAD, version=1, force=True)
    made = client.commit("app.x", BAD, version=1, force=True, comment="the fire")
    assert served.journal.get("app.x").marks == Marks(forced=True)
    assert (client.get("app.x").marks, client.log("app.x")[0].marks) == (Marks(forced=True),) * 2
    assert client.heads()["app.x"].marks == Marks(forced=True)
    assert client.changes().commits[-1].marks == Marks(forced=True)
    with served.mirror() as mirror:
        assert mirror["app.x"].marks == Marks(forced=True)
    with pytest.raises(InvalidError, match="over the"):
        client.commit("app.y", b"x" * 1_000_001, version=1, force=True, comment="sizes of namespaces stay")
    with pytest.raises(VersionConflict):
        client.commit("app.x", BAD, version=made.version, force=True, comment="versions too")
    headers = {"X-Rainer-Author": "a", "X-Rainer-Force": "perhaps"}
    answer = requests.post(f"{served.url}/diary/app.z/1", BAD, headers=headers, timeout=20)
    assert (answer.status_code, "neither yes nor no" in answer.text) == (400, True)


def test_a_repetition_gets_its_answer_whatever_the_rules_say_now(client: Client, system: Client) -> None:
    first = client.commit("later", BAD, version=1, commit_id="once")
    system.commit("rules", RULES.replace(b"app.*", b"later*"), version=2, force=True, comment="late")
    assert client.commit("later", BAD, version=1, commit_id="once") == first
    with pytest.raises(RuleBroken):
        client.commit("later", BAD, version=2, commit_id="twice")


def test_force_is_for_those_to_whom_the_policy_gives_it() -> None:
    bootstrap = "a-bootstrap-token-of-these-tests"
    grants = [
        {"who": ["writer"], "may": ["read", "write", "admin"], "on": ["diary/*"]},
        {"who": ["fireman"], "may": ["read", "write", "force"], "on": ["diary/app.*"]},
    ]
    ready = [
        ("POST", "/-/namespaces", {"name": "rainer", "format": "yaml"}),
        ("POST", "/rainer/policy/1", {"grants": grants}),
        ("POST", "/rainer/schema.app/1", {"type": "object"}),
        ("POST", "/rainer/rules/1", {"rules": [{"on": "diary/*", "schema": "app"}]}),
    ]
    options = ServiceOptions(access=AccessOptions(True, bootstrap))
    with Journal("memory:") as journal, calling(lambda: create_app(journal, options)) as caller:
        for method, path, body in ready:
            assert caller.ask(method, path, bootstrap, json.dumps(body).encode()).status in (200, 201), path
        tokens = {
            name: caller.ask("POST", "/-/tokens", bootstrap, json.dumps({"name": name}).encode()).json()["token"]
            for name in ("writer", "fireman")
        }
        why = {"x_rainer_force": "yes", "x_rainer_comment": "the fire"}
        assert caller.ask("POST", "/diary/app.x/1", tokens["fireman"], b"7").code == "rule-broken"
        assert caller.ask("POST", "/diary/app.x/1", tokens["writer"], b"7", **why).code == "denied"
        assert caller.ask("POST", "/diary/app.x/1", tokens["fireman"], b"7", **why).status == 200
        assert caller.ask("POST", "/diary/other/1", tokens["fireman"], b"7", **why).code == "denied"
        changeset = json.dumps(
            {"comment": "y", "commits": [{"key": "app.y", "version": 1, "payload_utf8": "7"}]}
        ).encode()
        for name, status in (("writer", 403), ("fireman", 200)):
            assert caller.ask("POST", "/-/changesets", tokens[name], changeset, x_rainer_force="yes").status == status
        assert journal.get("app.x").marks == journal.get("app.y").marks == Marks(forced=True)
