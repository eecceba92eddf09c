"""The policy alone: what its document may say, who is meant by whom, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.access.permissions import Asker
from rainer.errors import InvalidDocument, InvalidError, MalformedPayload
from rainer.model.identity import ANONYMOUS, OPEN, Identity, is_named
from rainer.model.key_set import KeySet
from rainer.model.policy import EVERY_RIGHT, PERMISSIONS, STORE, Policy
from rainer.model.policy_document import parse, parse_place, target_of

DOCUMENT = b"""\
groups: {ops: [alice@example.com, "*@sre.example.com"]}
grants:
  - {who: [group:ops], may: [read, write, approve], on: ["prod/*"]}
  - {who: [ci-deploy], may: [read, write], on: ["prod/app.*", "store:files/*"]}
  - {who: [anonymous], may: [read], on: ["diary/*"]}
  - {who: [authenticated], may: [read], on: ["public/*", "prod/motd"]}
  - {who: [root], may: [admin], on: ["*"]}
zookeeper: {prod: ["digest:app:HASH="]}
"""
POLICY = parse(DOCUMENT)


def token(name: str, *groups: str) -> Identity:
    return Identity(name, "token", frozenset(groups))


@pytest.mark.parametrize(
    ("who", "permission", "space", "key", "allowed"),
    [
        (token("alice@example.com"), "write", "prod", "x", True),
        (token("bob@sre.example.com"), "write", "prod", "x", True),
        (token("bob@SRE.example.com"), "write", "prod", "x", False),
        (token("carol", "ops"), "approve", "prod", "x", True),
        (token("carol"), "approve", "prod", "x", False),
        (token("alice@example.com"), "admin", "prod", "x", False),
        (token("alice@example.com"), "write", "prod", None, True),
        (token("ci-deploy"), "write", "prod", "app.a", True),
        (token("ci-deploy"), "write", "prod", "ap", False),
        (token("ci-deploy"), "write", "prod", None, False),
        (token("ci-deploy"), "write", STORE, "files/a", True),
        (token("ci-deploy"), "write", STORE, "file", False),
        (token("ci-deploy"), "read", "prod", "motd", True),
        (ANONYMOUS, "read", "diary", "x", True),
        (ANONYMOUS, "read", "public", "x", False),
        (token("anonymous2"), "read", "diary", "x", False),
        (token("root"), "read", "anything", "x", True),
        (token("root"), "approve", "*", None, True),
        (token("root"), "force", "anything", "x", False),
        (token("root"), "impersonate", "*", None, False),
        (Identity("bootstrap", "bootstrap"), "force", "*", None, True),
        (Identity("bootstrap", "token"), "read", "prod", "x", False),
        (OPEN, "force", "*", None, True),
    ],
)
def test_decisions(who: Identity, permission: str, space: str, key: str | None, allowed: bool) -> None:
    decision = POLICY.decide(who, permission, space, key)
    assert decision.allowed is allowed, decision.because
    assert POLICY.rights(who).may(permission, space, key) is allowed


def test_a_decision_says_which_grant_it_comes_from() -> None:
    decision = POLICY.decide(token("ci-deploy"), "write", "prod", "app.a")
    assert decision.because == "grant 2 (line 4): ci-deploy may read, write on prod/app.*"
    assert POLICY.decide(token("x"), "write", "prod", "app.a").because == "no grant for x gives write on prod/app.a"
    assert "no policy yet" in Policy().decide(token("root"), "read", "*").because


def test_admins_are_named_through_groups() -> None:
    policy = parse(b'groups: {a: [x, "*@y"]}\ngrants: [{who: [group:a, group:b, z], may: [admin], on: ["*"]}]')
    assert policy.admins() == {"x", "*@y", "z"}
    assert not parse(b'grants: [{who: [z], may: [admin], on: ["prod/*"]}]').admins()


@pytest.mark.parametrize(
    ("text", "pointer", "line", "words"),
    [
        ("grant: []", "/grant", 1, "did you mean grants"),
        ("grants:\n  - {who: [a], may: [reed], on: ['*']}", "/grants/0/may/0", 2, "did you mean read"),
        ("grants:\n  - {who: [a], may: [read], on: ['*']}\n  - {who: [a], may: [read]}", "/grants/1", 3, "'on'"),
        ("grants: [{who: [a], may: [read], on: [prod]}]", "/grants/0/on/0", 1, "names no keys"),
        ("grants: [{who: [a], may: [read], on: ['prod/a*b']}]", "/grants/0/on/0", 1, "only at the end"),
        ("grants: [{who: [a], may: [read], on: ['Prod/a']}]", "/grants/0/on/0", 1, "Prod"),
        ("grants: [{who: [a], may: [read], on: ['store:']}]", "/grants/0/on/0", 1, "names no file"),
        ("grants: [{who: [], may: [read], on: ['*']}]", "/grants/0/who", 1, "empty"),
        ("grants: [{who: [bootstrap], may: [read], on: ['*']}]", "/grants/0/who/0", 1, "bootstrap"),
        ("grants: [{who: ['group:a b'], may: [read], on: ['*']}]", "/grants/0/who/0", 1, "no group"),
        ("grants: [{who: [1], may: [read], on: ['*']}]", "/grants/0/who/0", 1, "quotes"),
        ("grants: [{who: a, may: [read], on: ['*']}]", "/grants/0/who", 1, "a list is needed"),
        ("grants: {}", "/grants", 1, "a list is needed"),
        ("groups: {g: [anonymous]}", "/groups/g/0", 1, "in a group"),
        ("groups: {g: [a]}\ngroups: {}", "/groups", 2, "twice"),
        ("zookeeper: {prod: [app]}", "/zookeeper/prod/0", 1, "SCHEME:ID"),
        ("zookeeper: {prod: ['digest:app']}", "/zookeeper/prod/0", 1, "digest:USER:HASH"),
        ("[]", "", 1, "a mapping is needed"),
        ("", "", 1, "empty"),
        ("a: 1\n---\nb: 2", "", 2, "another document"),
        ("groups: &a {b: *a}", "", 1, "too deep"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, pointer: str, line: int, words: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse(text.encode())
    told: dict[str, Any] = caught.value.details
    assert (told["pointer"], told["line"]) == (pointer, line)
    assert words in f"{caught.value} {caught.value.hint}"


def test_a_bomb_of_aliases_is_refused() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(InvalidDocument, match="too large"):
        parse("\n".join(rows).encode())


def test_what_is_no_yaml_is_refused_as_any_payload() -> None:
    with pytest.raises(MalformedPayload, match="not YAML"):
        parse(b"{")


@pytest.mark.parametrize("text", ["", "Prod", "a b", "store:", "prod/", "prod/a/b"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_place(text)


def test_places() -> None:
    assert parse_place("prod") == target_of("prod/*")
    assert target_of("prod/a*").covers("prod", "ab")
    assert not target_of("prod/a*").covers("prod", None)


TEXT = st.text("ab", max_size=4)


@given(st.lists(TEXT), st.lists(TEXT), TEXT, TEXT)
def test_a_set_of_keys_is_what_its_parts_say(exact: list[str], prefixes: list[str], key: str, prefix: str) -> None:
    keys = KeySet.of(exact, prefixes)
    assert (key in keys) == (key in exact or any(key.startswith(p) for p in prefixes))
    assert KeySet.of(reversed(exact), reversed(prefixes)) == keys
    spans = keys.spans(prefix)
    covering = [s for s in spans if key == s.start or (not s.is_one and key.startswith(s.start))]
    assert len(covering) == (key in keys and key.startswith(prefix))
    assert [s.start for s in spans] == sorted(s.start for s in spans)
    assert keys.covers(prefix) == any(prefix.startswith(p) for p in prefixes)
    for span in spans:
        assert not (span.is_behind(key) and key < span.start)


@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_globs_are_what_regular_expressions_say(pattern: str, name: str) -> None:
    import re

    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
    assert is_named(pattern, token(name)) is expected


WHO = st.sampled_from(["a", "b*", "group:g", "group:h", "anonymous", "authenticated"])
ON = st.sampled_from(["*", "p/*", "p/a*", "p/ab", "q/b", "store:*", "store:f/*"])
GRANTS = st.lists(
    st.tuples(
        st.lists(WHO, min_size=1, max_size=2),
        st.lists(st.sampled_from(PERMISSIONS), min_size=1, max_size=2),
        st.lists(ON, min_size=1, max_size=2),
    ),
    max_size=4,
)
IDENTITIES = [token("a"), token("b1"), token("c", "h"), token("d"), ANONYMOUS]


@given(GRANTS)
def test_what_is_remembered_is_what_is_explained(grants: list[tuple[list[str], list[str], list[str]]]) -> None:
    import json

    policy = parse(
        json.dumps(
            {"groups": {"g": ["c", "d*"]}, "grants": [{"who": w, "may": m, "on": o} for w, m, o in grants]}
        ).encode()
    )
    for identity in IDENTITIES:
        rights = policy.rights(identity)
        for permission in PERMISSIONS:
            for space, key in [("p", "ab"), ("p", "x"), ("p", None), ("q", "b"), (STORE, "f/x"), ("*", None)]:
                assert rights.may(permission, space, key) is policy.decide(identity, permission, space, key).allowed
            for space in ("p", "q", STORE):
                some = any(rights.may(permission, space, key) for key in ("a", "ab", "b", "x", "f/x", None))
                assert rights.may_some(permission, space) is some


@pytest.mark.parametrize(
    ("permission", "where", "command"),
    [
        ("write", "prod/app", "rainer can ada write 'prod/app'"),
        ("approve", "anything", "rainer can ada approve"),
        ("see", "anything of prod/*", "rainer can ada read"),
    ],
)
def test_a_refusal_names_a_command_that_there_is(permission: str, where: str, command: str) -> None:
    refusal = Asker(Identity("ada", "token"), EVERY_RIGHT).refusal(permission, where)
    assert refusal.hint == f"`{command}` tells why"
