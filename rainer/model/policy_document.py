"""Reading a policy from its document, every word of it, with the place of what is wrong."""

from __future__ import annotations

import re
from typing import Final

from rainer.errors import InvalidError
from rainer.model import names
from rainer.model.identity import BOOTSTRAP, check_identity_name
from rainer.model.placed_yaml import Placed, read
from rainer.model.policy import ANYBODY, GROUP, PERMISSIONS, SIGNED_IN, STORE, Grant, Policy, Target
from rainer.model.setting_values import nearest

KEY: Final = "policy"
FORMAT: Final = "yaml"
"""Of the namespace that the policy is a key of."""
_MEMBERS: Final = ("groups", "grants", "zookeeper")
_GRANT: Final = ("who", "may", "on")
_GROUP_NAME: Final = re.compile(r"[^\s*,]{1,200}")
_SCHEMES: Final = ("digest", "sasl", "x509", "ip", "world")
_ACL: Final = re.compile(r"(?P<scheme>[a-z0-9]+):(?P<id>\S.*)")


def parse(payload: bytes) -> Policy:
    """The policy in a document; InvalidDocument (with pointer, line, column) or MalformedPayload for any other text."""
    document = read(payload).members(_MEMBERS)
    groups = _groups(document["groups"]) if "groups" in document else {}
    grants = document["grants"].items() if "grants" in document else []
    return Policy(
        groups,
        tuple(_grant(one, number) for number, one in enumerate(grants, 1)),
        _zookeeper(document["zookeeper"]) if "zookeeper" in document else {},
    )


def target_of(text: str) -> Target:
    """Read what a grant is on: `*`, `prod/*`, `prod/app.*`, `prod/key`, `store:files/*`; InvalidError."""
    if text == "*":
        return Target("*", "", True)
    is_prefix = text.endswith("*")
    body = text[:-1] if is_prefix else text
    if "*" in body:
        raise InvalidError(f"{names.shorten(text)}: a * stands only at the end", hint="such as prod/app.*")
    if body.startswith(STORE):
        path = body.removeprefix(STORE)
        if not is_prefix and not path:
            raise InvalidError("store: names no file", hint="all of them are store:*")
        names.check_text("path", path)
        return Target(STORE, path, is_prefix)
    space, slash, key = body.partition("/")
    if not slash:
        raise InvalidError(f"{names.shorten(text)} names no keys", hint=f"all keys of the namespace are {space}/*")
    names.check_namespace(space)
    if is_prefix:
        if not names.may_begin_key(key):
            raise InvalidError(f"no key begins with {names.shorten(key)}", hint="such as prod/app.*")
    else:
        names.check_key(key)
    return Target(space, key, is_prefix)


def parse_place(text: str) -> Target:
    """Read a place as `rainer can` takes it: what a grant is on, or a namespace's name for all of it; InvalidError."""
    is_space = "/" not in text and not text.startswith(STORE) and text != "*"
    return target_of(f"{names.check_namespace(text)}/*" if is_space else text)


def _groups(at: Placed) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, value in at.members().items():
        if not _GROUP_NAME.fullmatch(name) or name.startswith(GROUP):
            value.fail(f"{name!r} cannot name a group", "no blanks, commas or *; and without 'group:'")
        found[name] = tuple(_member(one, text) for one, text in value.texts())
    return found


def _member(at: Placed, text: str) -> str:
    if text in (ANYBODY, SIGNED_IN) or text.startswith(GROUP):
        at.fail(f"{text!r} cannot be in a group", "name it in a grant's who")
    return _name(at, text)


def _name(at: Placed, text: str) -> str:
    try:
        check_identity_name(text.replace("*", "x"))
    except InvalidError as e:
        at.fail(str(e), e.hint)
    return text


def _grant(at: Placed, number: int) -> Grant:
    members = at.members(_GRANT, needed=_GRANT)
    return Grant(
        tuple(_who(one, text) for one, text in _some(members["who"])),
        frozenset(_permission(one, text) for one, text in _some(members["may"])),
        tuple(_target(one, text) for one, text in _some(members["on"])),
        number,
        at.line,
    )


def _some(at: Placed) -> list[tuple[Placed, str]]:
    found = list(at.texts())
    if not found:
        at.fail("the list is empty, so that the grant gives nothing", "remove the grant")
    return found


def _who(at: Placed, text: str) -> str:
    if text in (ANYBODY, SIGNED_IN):
        return text
    if text == BOOTSTRAP:
        at.fail("the bootstrap token may do everything anyway", "leave it out")
    if text.startswith(GROUP):
        if not _GROUP_NAME.fullmatch(text.removeprefix(GROUP)):
            at.fail(f"{text!r} names no group", "such as group:ops")
        return text
    return _name(at, text)


def _permission(at: Placed, text: str) -> str:
    if text not in PERMISSIONS:
        match = nearest(text, PERMISSIONS)
        at.fail(f"there is no permission {text!r}", f"did you mean {match}?" if match else ", ".join(PERMISSIONS))
    return text


def _target(at: Placed, text: str) -> Target:
    try:
        return target_of(text)
    except InvalidError as e:
        at.fail(str(e), e.hint)


def _zookeeper(at: Placed) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, value in at.members().items():
        if not names.is_namespace(name):
            value.fail(f"{name!r} is no namespace's name")
        found[name] = tuple(_acl(one, text) for one, text in value.texts())
    return found


def _acl(at: Placed, text: str) -> str:
    match = _ACL.fullmatch(text)
    if match is None or match["scheme"] not in _SCHEMES:
        at.fail(f"{text!r} is not SCHEME:ID", f"such as digest:app:HASH=; schemes are {', '.join(_SCHEMES)}")
    if match["scheme"] == "digest" and match["id"].count(":") != 1:
        at.fail(f"{text!r} is not digest:USER:HASH", "HASH is base64 of SHA-1 of USER:PASSWORD")
    if match["scheme"] == "world" and match["id"] != "anyone":
        at.fail(f"{text!r}: the world is world:anyone")
    return text
