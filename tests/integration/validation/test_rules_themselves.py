"""The documents of rules and schemas: which are none, and which the heads break."""

from __future__ import annotations

import pytest

from rainer.client import Client
from rainer.errors import InvalidDocument, RuleBroken
from rainer.testing import TestServer
from tests.command_line import CommandLine
from tests.integration.validation.conftest import BAD, GOOD, RULES, SCHEMA


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
