"""Rules of validation: an invalid document is refused on every way in, and no mirror ever sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from rainer.access import AccessOptions
from rainer.api import create_app
from rainer.client import Client
from rainer.errors import InvalidDocument, InvalidError, MalformedPayload, RuleBroken, VersionConflict
from rainer.journal import Journal
from rainer.model.commit import Commit
from rainer.model.marks import Marks
from rainer.service import Service, ServiceOptions
from rainer.service.service import RefusedDraft
from rainer.testing import TestServer, server
from tests.asgi import calling
from tests.command_line import CommandLine, editor_script
from tests.contracts.live import Gate, run, submission
from tests.integration.ancestor_rows import TABLE, make_table, row
from tests.services.waiting import wait_until

RULES = b'rules:\n  - {on: "diary/app.*", schema: app}\n  - {on: "diary/sized*", size_change_max: 10x}\n'
SCHEMA = b"""\
type: object
required: [port]
properties:
  port: {type: integer}
  name: {$ref: "schema.common#/$defs/name"}
additionalProperties: false
"""
COMMON = b'{"$defs": {"name": {"type": "string", "pattern": "^[a-z]+$"}}}'
GOOD = b'{"port": 1}'
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BAD = b'{\n  "port": "no"\n}'


@pytest.fixture(scope="module", autouse=True)
def _event_loop_made_once() -> None:
    """The first event loop of a process makes a pipe that stays; made here, it is no test's leak."""
    with server():
        pass


@pytest.fixture
def served() -> Iterator[TestServer]:
    with server() as running:
        yield running
        assert running.journal.verify().ok


@pytest.fixture
def system(served: TestServer) -> Iterator[Client]:
    """Namespace rainer, with rules and schemas."""
    with served.client(author="admin") as first:
        first.create_namespace("rainer", format="yaml")
        system = first.in_namespace("rainer")
        documents = (("schema.common", COMMON), ("schema.app", SCHEMA), ("rules", RULES))
        system.commit_many([{"key": key, "payload": payload, "version": 1} for key, payload in documents])
        yield system


@pytest.fixture
def client(system: Client) -> Client:
    return system.in_namespace("diary")


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, served: TestServer, system: Client) -> CommandLine:
    return CommandLine(monkeypatch, tmp_path, f"{served.url}/diary")


# Every way in.


def test_no_way_in_takes_what_breaks_a_rule_and_no_mirror_sees_it(
    client: Client, served: TestServer, rainer: CommandLine
) -> None:
    bad_file = rainer.folder / "bad.json"
    bad_file.write_bytes(BAD)
    with served.mirror() as mirror:
        seen: list[bytes | None] = []
        mirror.on_change(lambda _key, _old, new: seen.append(None if new is None else new.payload))
        client.commit("app.json", GOOD, version=1)

        url = f"{served.url}/diary/app.json/2"
        answer = requests.post(url, BAD, headers={"X-Rainer-Author": "old"}, timeout=20)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        problem = answer.json()
        assert problem["code"] == "rule-broken"
        assert problem["rule"] == "schema app on diary/app.*"
        assert (problem["pointer"], problem["line"], problem["column"]) == ("/port", 2, 11)

        with pytest.raises(RuleBroken, match=r"'no' is not of type 'integer' \(/port, line 2, column 11\)"):
            client.commit("app.json", BAD, version=2)
        with pytest.raises(RuleBroken, match=r"^commits\[1\]: ") as caught:
            client.commit_many([{"key": k, "payload": BAD, "version": 1} for k in ("free", "app.x.json")])
        assert caught.value.details["pointer"] == "/port"

        for command in (("commit", "app.json", str(bad_file), "-m", "x"), ("commit-value", "app.json", "2", "-m", "x")):
            refused = rainer(*command, "--json", stdin=BAD)
            assert (refused.code, refused.error["pointer"], refused.error["line"]) == (5, "/port", 2)
        prepared = b"version: 2\nauthor: me\n---\n" + BAD
        assert rainer("commit-prepared", "app.json", stdin=prepared).code == 5

        # An editor that is never content: --yes ends it.
        edited = rainer("edit", "app.json", "-y", "-m", "x", editor=editor_script(rainer.folder, f"text = {BAD!r}"))
        assert edited.code == 5
        assert "(/port, line 2, column 11)" in edited.err

        original = f"sqlite:///{rainer.folder / 'original.db'}"
        make_table(original, [row("app.import", 1, b'{"port": 5}'), row("app.import", 2, BAD), row("free", 1, BAD)])
        imported = import_into(served.journal, original, rainer.folder)
        assert imported == {("app.import", 1), ("free", 1)}

        client.commit("app.old", BAD, version=1, force=True, comment="as it was")
        client.commit("app.old", GOOD, version=2)
        reverted = rainer("revert", "app.old", "-y", "--json")
        assert (reverted.code, reverted.error["rule"]) == (5, "schema app on diary/app.*")
        client.commit("last", b"1", version=1)
        mirror.wait_for("last", 1, timeout_s=20)
        wait_until(lambda: b"1" in seen, 20, "every change told")
        assert seen == [GOOD, BAD, GOOD, b"1"], "BAD once: forced"
    assert {c.key: c.version for c in client.heads().values()} == {"app.json": 1, "app.old": 2, "last": 1}


def import_into(journal: Journal, original: str, folder: Path) -> set[tuple[str, int]]:
    """What an import by the command line leaves in a journal that holds the same rules as this one."""
    url = f"sqlite:///{folder / 'imported.db'}"
    with Journal(url) as other:
        other.create_namespace("rainer", format="yaml")
        for commit in journal.heads("rainer"):
            other.append(commit.key, commit.payload, version=1, author="a", namespace="rainer")
    line = CommandLine(pytest.MonkeyPatch(), folder)
    refused = line("import-rainer", original, TABLE, "--database", url)
    assert refused.code == 5
    assert "breaks the rule 'schema app on diary/app.*'" in refused.err
    assert "(/port, line 2, column 11)" in refused.err
    with Journal(url) as other:
        found = {(c.key, c.version) for c in other.changes().commits if c.namespace == "diary"}
        rest = line("import-rainer", original, TABLE, "--database", url, "--force")
        assert rest.code == 0, rest
        assert other.get("app.import").marks == Marks(forced=True)
        assert other.verify().ok
    return found


@pytest.mark.parametrize(
    ("key", "payload", "pointer", "line"),
    [
        ("app.yaml", b"port: 1\nname:\n  Not so\n", "/name", 3),
        ("app.toml", b"port = 1\n# x\nextra = 2\n", "/extra", 3),
        ("app.json", b'{"name": "a"}', "", 1),
        ("app.yaml", b"- 1\n", "", 1),
        ("app.", b"just text", "", 1),
        ("app.json", b'{\n"port" 1}', None, 2),
        ("app.toml", b"port = \n", None, 1),
        ("app.bin", b"\xff", None, 1),
    ],
)
def test_the_place_is_told_whatever_the_form(
    client: Client, key: str, payload: bytes, pointer: str | None, line: int
) -> None:
    with pytest.raises(RuleBroken) as caught:
        client.commit(key, payload, version=1)
    assert (caught.value.details.get("pointer"), caught.value.line) == (pointer, line)


def test_a_removal_and_other_keys_are_not_the_schemas_affair(client: Client) -> None:
    client.commit("app.x", GOOD, version=1)
    client.commit("app.x", None, version=2)
    client.commit("other", b"\xff", version=1)


def test_sizes_may_not_jump_and_nothing_may_vanish(client: Client) -> None:
    client.commit("sized", b"x" * 100, version=1)
    for payload, words in ((b"x" * 1_001, "more than 10 times"), (b"x" * 9, "more than 10 times"), (None, "removed")):
        with pytest.raises(RuleBroken, match=words) as caught:
            client.commit("sized", payload, version=2)
        assert caught.value.details["rule"] == "size_change_max 10x on diary/sized*"
    drafts = [{"key": "sized", "payload": b"x" * size, "version": v} for v, size in ((2, 1_000), (3, 10_000))]
    client.commit_many(drafts)
    with pytest.raises(RuleBroken, match=r"^commits\[1\]"):
        client.commit_many([{"key": "sized.new", "payload": b"x" * n, "version": v} for v, n in ((1, 1), (2, 11))])


# Trying and forcing.


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


# The documents themselves.


@pytest.mark.parametrize(
    ("payload", "words", "place"),
    [
        (b"rules: {}", "a list is needed", ("/rules", 1)),
        (b"rules:\n  - {on: 'a/*', shema: app}", "did you mean schema", ("/rules/0/shema", 2)),
        (b"rules:\n- {on: 'a/*', schema: app}\n- {on: 'a/*', schema: nope}", "no schema 'nope'", ("/rules/1", 3)),
        (b"rules:\n- {on: 'a/*', schema: app, hook: 'http://x'}", "of one kind", ("/rules/0", 2)),
        (b"rules:\n- {on: 'a/*'}", "of one kind", ("/rules/0", 2)),
        (b"rules:\n- {on: 'rainer/*', schema: app}", "own documents", ("/rules/0/on", 2)),
        (b"rules:\n- {on: 'store:x', schema: app}", "not about files", ("/rules/0/on", 2)),
        (b"rules:\n- {on: 'a/*', size_change_max: 1x}", "no factor above 1", ("/rules/0/size_change_max", 2)),
        (b"rules:\n- {on: 'a/*', hook: 'ftp://x'}", "is no hook", ("/rules/0/hook", 2)),
        (b"rules:\n- {on: 'a/*', hook: 'python:nope'}", "not installed in this server", ("/rules/0", 2)),
        (b"rules:\n- {on: 'a/*', hook: 'http://x', timeout_s: 99}", "at most 30", ("/rules/0/timeout_s", 2)),
        (b"rules:\n- {on: 'a/*', schema: app, when_down: refuse}", "belongs to a hook", ("/rules/0/when_down", 2)),
        (b"rules:\n- {on: 'a/*', approvals: 1.5}", "no whole number", ("/rules/0/approvals", 2)),
        (b"", "empty", ("", 1)),
    ],
)
def test_rules_that_cannot_be_obeyed_are_refused_even_by_force(
    system: Client, payload: bytes, words: str, place: tuple[str, int]
) -> None:
    for force in (False, True):
        with pytest.raises(InvalidDocument) as caught:
            system.commit("rules", payload, version=2, force=force, comment="x")
        error = caught.value
        assert words in f"{error} {error.hint}"
        assert (error.details["pointer"], error.line) == place


@pytest.mark.parametrize(
    ("payload", "words", "place"),
    [
        (b"type: strin", "'strin'", ("/type", 1)),
        (b"properties:\n  a: {pattern: '('}", "is not a 'regex'", ("/properties/a/pattern", 2)),
        (b"{$ref: 'https://example.com/a.json'}", "is no schema here", ("/$ref", 1)),
        (b"a: 1\n$ref: schema.nope", "is no schema here", ("/$ref", 2)),
        (b"$schema: http://json-schema.org/draft-07/schema#", "2020-12", ("/$schema", 1)),
        (b"- 1", "a schema is a mapping", ("", 1)),
        (None, "there is no schema 'app'", ("/rules/0", 2)),
    ],
)
def test_a_schema_that_is_none_is_refused_even_by_force(
    system: Client, payload: bytes | None, words: str, place: tuple[str, int]
) -> None:
    for force in (False, True):
        with pytest.raises(InvalidDocument) as caught:
            system.commit("schema.app", payload, version=2, force=force, comment="x")
        assert words in str(caught.value)
        assert (caught.value.details["pointer"], caught.value.line) == place


def test_a_rule_that_heads_break_is_refused_with_their_names(
    client: Client, system: Client, rainer: CommandLine
) -> None:
    for number in range(12):
        client.commit(f"old.{number:02}", BAD if number else GOOD, version=1)
    client.commit("old.gone", BAD, version=1)
    client.commit("old.gone", None, version=2)
    wider = RULES.replace(b"app.*", b"old.*")
    with pytest.raises(RuleBroken) as caught:
        system.commit("rules", wider, version=2)
    broken = caught.value.details["broken"]
    assert [one["key"] for one in broken] == [f"old.{number:02}" for number in range(1, 11)]
    assert "diary/old.01 (version 1), " in str(caught.value)
    assert " and more; " in str(caught.value)
    assert (broken[0]["pointer"], broken[0]["line"]) == ("/port", 2)

    named = b'{"port": 1, "name": "a"}'
    mend = [{"key": f"old.{number:02}", "payload": named, "version": 2} for number in range(1, 12)]
    rule = {"namespace": "rainer", "key": "rules", "payload": wider, "version": 2}
    with pytest.raises(RuleBroken, match=r"^commits\[11\]: what stands already breaks it: diary/old.01"):
        client.commit_many([*mend[1:], {"key": "x", "payload": b"", "version": 1}, rule])
    client.commit_many([*mend, rule])
    assert rainer.ok("rules", "list").text.splitlines()[0] == "schema app on diary/old.*"
    rainer.ok("rules", "check")

    narrower = SCHEMA.replace(b"integer", b"string")
    with pytest.raises(RuleBroken, match="what stands already breaks it"):
        system.commit("schema.app", narrower, version=2)
    with pytest.raises(RuleBroken, match="what stands already breaks it"):
        system.commit("schema.common", b'{"$defs": {"name": false}, "$comment": ""}', version=2, dry_run=True)
    system.commit("schema.app", narrower, version=2, force=True, comment="from now on")
    found = rainer("rules", "check")
    assert found.code == 5
    assert found.text.count("\n") == 12
    assert "diary/old.00\t1\t" in found.text
    with pytest.raises(RuleBroken):
        client.commit("old.00", GOOD, version=2)


def test_rules_and_what_they_hold_for_may_come_in_one_changeset(system: Client) -> None:
    drafts = [
        {"namespace": "rainer", "key": "rules", "payload": RULES.replace(b"app.*", b"new*"), "version": 2},
        {"namespace": "diary", "key": "new", "payload": BAD, "version": 1},
    ]
    with pytest.raises(RuleBroken, match=r"^commits\[1\]: diary/new breaks"):
        system.commit_many(drafts)
    system.commit_many([drafts[0], drafts[1] | {"payload": GOOD}])


def test_rules_written_behind_the_servers_back_stop_all_that_is_not_forced(
    client: Client, system: Client, served: TestServer, rainer: CommandLine
) -> None:
    served.journal.append("rules", b"rules: 7", version=2, author="a", namespace="rainer")
    with pytest.raises(RuleBroken, match="the rules in force cannot be read"):
        client.commit("free", b"1", version=1)
    assert rainer("rules", "check").code == 5
    client.commit("free", b"1", version=1, force=True, comment="the fire")
    system.commit("rules", RULES, version=3)
    client.commit("free", b"2", version=2)


# Races.


def test_a_rule_committed_between_a_commits_check_and_its_write_counts(served: TestServer, system: Client) -> None:
    """Deterministic: the committer is held while the rule goes into the journal, by another process's hand."""
    journal = served.journal

    async def main() -> object:
        service = Service(journal)
        await service.start()
        try:
            gate = Gate(service.live)
            first = asyncio.create_task(service.commit(submission("first")))
            await gate.reached.wait()
            checked = asyncio.create_task(service.commit(submission("later", payload=BAD)))
            while not service.live.committer.queued:  # noqa: ASYNC110 - a queue tells nobody
                await asyncio.sleep(0)
            rules = RULES.replace(b"app.*", b"later")
            await service.live.in_thread(
                lambda: journal.append("rules", rules, version=2, author="a", namespace="rainer")
            )
            gate.open()
            await first
            (outcome,) = await asyncio.gather(checked, return_exceptions=True)
            return outcome
        finally:
            await service.close()

    outcome = run(main())
    assert isinstance(outcome, RefusedDraft)
    assert isinstance(outcome.error, RuleBroken)
    assert outcome.error.details["pointer"] == "/port"


def test_no_size_slips_by_behind_a_version_that_is_on_its_way(served: TestServer, client: Client) -> None:
    """Version 3 is checked when version 2 is in the queue: there is nothing yet that it can be compared with."""
    client.commit("sized", b"x" * 1_000, version=1)

    async def main() -> object:
        service = Service(served.journal)
        await service.start()
        try:
            gate = Gate(service.live)
            first = asyncio.create_task(service.commit(submission("first")))
            await gate.reached.wait()
            before = asyncio.create_task(service.commit(submission("sized", 2, payload=b"x" * 1_001)))
            while not service.live.committer.queued:  # noqa: ASYNC110 - a queue tells nobody
                await asyncio.sleep(0)
            behind = asyncio.create_task(service.commit(submission("sized", 3, payload=b"x")))
            while not behind.done() and service.live.committer.queued < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            gate.open()
            await asyncio.gather(first, before)
            (outcome,) = await asyncio.gather(behind, return_exceptions=True)
            return outcome
        finally:
            await service.close()

    outcome = run(main())
    assert isinstance(outcome, RefusedDraft)
    assert isinstance(outcome.error, VersionConflict)
    assert (outcome.error.expected, outcome.error.provided) == (2, 3)
    assert client.get("sized").version == 2


def test_another_servers_rules_are_in_force_at_once(system: Client, served: TestServer) -> None:
    """A second server on the same journal, which has its own memory of the rules."""

    async def main() -> None:
        service = Service(served.journal)
        await service.start()
        try:
            await service.commit(submission("later", payload=BAD))
            await asyncio.to_thread(system.commit, "rules", RULES.replace(b"app.*", b"x.*"), version=2)
            with pytest.raises(RefusedDraft):
                await service.commit(submission("x.1", payload=BAD))
            await asyncio.to_thread(system.commit, "rules", b"rules: []", version=3)
            await service.commit(submission("x.1", payload=BAD))
        finally:
            await service.close()

    run(main())


# Hostile schemas.


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"p": {"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}}},
        {"$defs": {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(40)} | {"d40": {}},
         "$ref": "#/$defs/d0"},
        {"patternProperties": {"^(([a-z])+.)+[A-Z]([a-z])+$": {}}, "additionalProperties": False},
        {"patternProperties": {"^(([a-z])+.)+[A-Z]([a-z])+$": {}}, "unevaluatedProperties": False},
        {"$ref": "#"},
        {"$defs": {"a": {"$schema": DIALECT, "properties": {"p": {"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}}}},
         "$ref": "#/$defs/a"},
    ],
    ids=["pattern", "references", "additional", "unevaluated", "endless", "dialect"],
)  # fmt: skip
def test_a_hostile_schema_ends_in_a_refusal_and_stops_nobody(
    client: Client, system: Client, schema: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rainer.validation.schemas.CHECK_S", 0.5)
    system.commit("schema.app", json.dumps(schema).encode(), version=2)
    hostile = json.dumps({"p": "a" * 60, "a" * 60: 1}).encode()
    with pytest.raises(RuleBroken):
        client.commit("app.json", hostile, version=1)
    client.commit("free", b"1", version=1)


def test_a_pattern_that_would_fill_the_memory_is_refused(system: Client) -> None:
    for pattern in ("((((a{1000}){1000}){1000}){1000})", "(?:" * 20 + "a" + "{1,9})" * 20, "(" * 900 + ")" * 900):
        with pytest.raises(MalformedPayload, match=r"^/pattern, line 1, column 13: "):
            system.commit("schema.app", json.dumps({"pattern": pattern}).encode(), version=2)


def test_editors_begin_at_the_line_that_is_meant(client: Client, rainer: CommandLine) -> None:
    client.commit("app.json", GOOD, version=1)
    script = (
        'if turn == 1:\n    text = b\'{\\n"port": "no"}\'\n'
        "else:\n"
        "    assert sys.argv[1] == '+5', sys.argv\n"
        "    assert b'is not of type' in text.splitlines()[0]\n"
        '    assert b\'"port": "no"\' in text.splitlines()[4]\n'
        "    text = text.replace(b'\"no\"', b'2')\n"
    )
    editor = as_vim(rainer.folder, editor_script(rainer.folder, script))
    rainer.ok("edit", "app.json", "-y", "-m", "x", editor=editor)
    found: Commit = client.get("app.json")
    assert json.loads(found.payload or b"") == {"port": 2}


def as_vim(folder: Path, command: str) -> str:
    """The same editor under a name that is known to take +LINE."""
    path = folder / "vim"
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o700)
    return str(path)
