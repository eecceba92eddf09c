"""The quick look at a document never passes what the whole check would refuse, and knows the usual schemas."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rainer.model import formats
from rainer.model.commit import Draft
from rainer.model.policy import Target
from rainer.model.rules import Rule, Rules
from rainer.validation.bounded import BoundedValidator, TooSlow, within
from rainer.validation.checking import check_schemas, held
from rainer.validation.documents import read, read_at_once
from rainer.validation.in_force import InForce
from rainer.validation.patterns import chars_without_bound, finder, is_timeless
from rainer.validation.plain import Plain
from rainer.validation.quick import compile_schema, patterns_of

_SMALL = st.integers(-2, 3) | st.sampled_from([0.5, 1.0, 2.5, float("inf"), float("nan"), 2**70])
_TEXT = st.sampled_from(["", "a", "ab", "abc", "1"])
_VALUES = st.recursive(
    st.none() | st.booleans() | _SMALL | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_COUNT = st.integers(0, 3)
_TYPE = st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"])


def _keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": _TYPE | st.lists(_TYPE, min_size=1, max_size=2, unique=True),
            "properties": st.dictionaries(_TEXT, inner, max_size=2),
            "additionalProperties": inner,
            "required": st.lists(_TEXT, max_size=1),
            "items": inner,
            "enum": st.lists(_TEXT, min_size=1, max_size=2, unique=True),
            "pattern": st.sampled_from(["^a", "b$", "^[a-z]+$", "^(a|b)", "a*b?c"]),
            **dict.fromkeys(("minimum", "maximum"), st.integers(-2, 3)),
            **dict.fromkeys(
                ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _COUNT
            ),
        },
    )


_SCHEMAS = st.recursive(st.booleans() | _keywords(st.just(True)), _keywords, max_leaves=4)


@given(_SCHEMAS, _VALUES)
@settings(max_examples=400, deadline=None)
def test_what_passes_quickly_the_library_passes(schema: Any, value: Any) -> None:
    quick = compile_schema(schema)
    if quick is None:
        return
    with within(5):
        passes, is_valid = quick(value), BoundedValidator(schema).is_valid(value)
    # The other way round as well, or it would be of no use; but of what is no number it says nothing.
    assert passes == is_valid or (not passes and "NaN" in json.dumps(value))


def test_a_usual_schema_is_known_and_its_documents_pass() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["retries"],
        "properties": {
            "retries": {"type": "integer", "minimum": 0, "maximum": 10},
            "hosts": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
            "mode": {"enum": ["on", "off"]},
        },
        "additionalProperties": False,
    }
    quick = compile_schema(schema)
    assert quick is not None
    good = {"retries": 3, "hosts": ["a", "b"], "mode": "on"}
    with within(5):
        assert quick(good)
        for wrong in ({"retries": True}, {"retries": 11}, {"hosts": ["A"]}, {"mode": "no"}, {"more": 1}):
            assert not quick(good | wrong)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"properties": {"a": {"not": {}}}},
        {"patternProperties": {"a": False}, "additionalProperties": False},
        {"prefixItems": [False], "items": True},
        {"enum": [1]},
        {"x-unknown": 1},
        False,
    ],
)
def test_what_says_more_is_left_to_the_library(schema: Any) -> None:
    assert compile_schema(schema) is None


_ATOMS = st.sampled_from(
    ["a", "b", "0", "-", " ", "_", ".", "[a-z]", "[^a-c]", "[0-9a]", "@", r"\.", r"\$", r"[a\]]", "[ab-]", r"[\^a]"]
)
_REPEATED = st.sampled_from(["", "", "?", "*", "+", "{2}", "{0,2}", "{1,}"])
_ROWS = st.builds(
    lambda begin, row, end: begin + "".join(atom + repeat for atom, repeat in row) + end,
    st.sampled_from(["", "^"]),
    st.lists(st.tuples(_ATOMS, _REPEATED), max_size=4),
    st.sampled_from(["", "$"]),
)
_TEXTS = st.text(st.sampled_from("aabbc0-. _$]^\\\n\u00e9\ud800\U0001f600"), max_size=8)


@given(_ROWS, _TEXTS)
@settings(max_examples=300, deadline=None)
def test_without_a_time_out_the_same_is_found(pattern: str, text: str) -> None:
    assert chars_without_bound(pattern) or pattern.count("*") + pattern.count("+") + pattern.count(",}") > 1
    with within(5):
        assert finder(pattern)(text) == (regex.search(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "chars"),
    [
        ("^[a-z]+$", 4096),
        ("^[a-z][a-z0-9-]{0,62}$", 4096),
        (r"^[0-9]+\.[0-9]+\.[0-9]+$", 16),
        ("abc", 1024),
        ("a*a*b", 16),
        ("a*a*a*a*b", 0),
        ("^(a+)+$", 0),
        ("^(?:a|aa)+$", 0),
        (r"^(a)\1$", 0),
        ("^a+?$", 0),
        ("^a{1001}{1001}$", 0),
        (r"^\d+$", 0),
        (r"^\w+$", 0),
        ("^\u00e9$", 0),
        ("[[:alpha:]]", 0),
        ("(?:a){e<=1}", 0),
        ("a{e}", 0),
        ("a|b", 0),
        ("$a", 0),
        ("a^", 0),
        ("a" * 101, 0),
    ],
)
def test_only_what_cannot_take_long_needs_no_time_out(pattern: str, chars: int) -> None:
    assert chars_without_bound(pattern) == chars


@pytest.mark.parametrize("pattern", ["^[a-z]*[a-y]*x?z{0,9}[0-9]$", "a*a*b", ".*.*!", "[a-z]{0,30}[a-z]{0,30}!"])
def test_what_needs_no_time_out_looks_at_few_characters(pattern: str) -> None:
    """A search that may take long is one that a matcher, which tries all ways as `re` does, needs many steps for."""
    chars = chars_without_bound(pattern)
    assert chars == 0 or _steps(pattern, "a" * chars) <= 20_000


def _steps(pattern: str, text: str) -> int:
    """How often a plain backtracking matcher looks at a character before it gives up."""
    parts = re.findall(r"(\[[^]]+\]|[^\[])([?*+]|\{\d+,\d+\})?", pattern.strip("^$"))
    items = []
    for atom, repeat in parts:
        bounds = {"": (1, 1), "?": (0, 1), "*": (0, 999), "+": (1, 999)}.get(repeat)
        items.append((re.compile(atom), bounds or tuple(int(n) for n in repeat[1:-1].split(","))))
    looks = 0

    def goes(at: int, number: int) -> bool:
        nonlocal looks
        if number == len(items):
            return not pattern.endswith("$") or at == len(text)
        one, (least, most) = items[number]
        reached = [at]
        while len(reached) <= most and reached[-1] < len(text):
            looks += 1
            if not one.match(text, reached[-1]):
                break
            reached.append(reached[-1] + 1)
        return any(goes(place, number + 1) for place in reversed(reached[least:]))

    assert not any(goes(at, 0) for at in range(1 if pattern.startswith("^") else len(text) + 1))
    return looks


def test_whose_quick_look_needs_no_clock() -> None:
    assert all(map(is_timeless, patterns_of({"items": {"properties": {"default": {"pattern": "^a+$"}}}})))
    for schema in (
        {"pattern": "^a+b+$"},
        {"items": {"pattern": "a*"}},
        {"properties": {"default": {"pattern": "(a|a)+"}}},
        {"additionalProperties": {"items": {"pattern": "a" * 101}}},
    ):
        assert not all(map(is_timeless, patterns_of(schema)))


def test_a_pattern_that_takes_long_is_given_up() -> None:
    find = finder("^(a|a)+$")
    with within(0.01), pytest.raises(TooSlow):
        find("a" * 40 + "b")
    with within(-1), pytest.raises(TooSlow):
        finder("^a+b?a+$")("aa")


_JSON = st.recursive(
    st.sampled_from(["1", "-0", "1.0", "1e400", "NaN", "Infinity", '"a"', '"\\ud800"', "tru", "true", "1" * 5000]),
    lambda inner: st.builds(
        lambda parts, names, kind: (
            f"[{','.join(parts)}]"
            if kind
            else "{" + ", ".join(f'"{name}" :{part}' for name, part in zip(names, parts, strict=False)) + "}"
        ),
        st.lists(inner, max_size=3),
        st.lists(st.sampled_from("aabc"), min_size=3, max_size=3),
        st.booleans(),
    ),
    max_leaves=5,
)
_PAYLOADS = st.builds(
    lambda before, text, after: (before + text + after).encode(),
    st.sampled_from(["", "", " ", "\ufeff", "\u00a0"]),
    _JSON,
    st.sampled_from(["", "", "\n", " \t\r\n", "\x0b", "1", "\u00a0", "\0"]),
)


@given(_PAYLOADS | st.binary(max_size=4), st.sampled_from(["a", "a.json", "a.JSON", "a.yaml", ".json", "a.json.x"]))
@example(b'{"a":1,"a":1}', "a")
@settings(max_examples=300, deadline=None)
def test_what_is_read_at_once_is_what_is_read(payload: bytes, key: str) -> None:
    for form in ("any", "json"):
        try:
            value = read_at_once(form, key, payload)
        except ValueError:
            continue
        assert repr(value) == repr(read(form, key, payload).value)
        formats.check_payload("json", payload)


def test_usual_json_is_read_at_once() -> None:
    assert read_at_once("any", "a.json", b'{"a": [1, 2.5, null]}\n') == {"a": [1, 2.5, None]}
    assert read_at_once("json", "a", b'"\xc3\xa9"') == "\u00e9"
    with pytest.raises(ValueError, match="yaml"):
        read_at_once("yaml", "a.json", b"{}")


_RULES = st.lists(
    st.tuples(st.sampled_from(["*", "diary/*", "diary/a*", "diary/a", "other/*"]), st.sampled_from(["one", "two"])),
    max_size=3,
)


@given(_RULES, _SCHEMAS, _SCHEMAS, _VALUES, st.sampled_from(["a", "ab", "b.json"]), st.sampled_from(["any", "json"]))
@settings(max_examples=100, deadline=None)
def test_what_is_plainly_right_is_refused_by_no_check(
    rules: Any, one: Any, two: Any, value: Any, key: str, form: str
) -> None:
    documents = {
        "rules": json.dumps({"rules": [{"on": on, "schema": schema} for on, schema in rules]}).encode(),
        **{f"schema.{name}": json.dumps(schema).encode() for name, schema in (("one", one), ("two", two))},
    }
    in_force = InForce().overlaid(documents)
    for space in ("diary", "other", "more", "rainer"):
        covering = [rule for rule in in_force.rules.all if rule.covers(space, key)]
        assert in_force.rules.of(space, key) == covering
    draft = Draft("diary", key, 1, json.dumps(value).encode(), "me")
    is_plain = Plain(in_force).keeps(draft, form)
    found = held(in_force, [draft], [form])
    assert (is_plain is None) == (not found)
    if is_plain:
        check_schemas(in_force, found)
        formats.check_payload("json", draft.payload or b"")


@pytest.mark.parametrize(
    "rule", [{"size_change_max": "2x"}, {"hook": "python:x"}, {"approvals": 1}, {"schema": "other"}]
)
def test_what_is_more_than_a_known_schema_is_not_plain(rule: dict[str, Any]) -> None:
    documents = {
        "rules": {"rules": [{"on": "diary/*", "schema": "one"}, {"on": "diary/b*", **rule}]},
        "schema.one": {"properties": {"a": {"type": "integer"}, "b": {"pattern": "(x|x)+y"}, "c": {"pattern": "^c"}}},
        "schema.other": {"$ref": "schema.one"},
    }
    plain = Plain(InForce().overlaid({key: json.dumps(value).encode() for key, value in documents.items()}))

    def keeps(key: str, payload: bytes | None, form: str = "any", namespace: str = "diary") -> bool | None:
        return plain.keeps(Draft(namespace, key, 1, payload, "me"), form)

    assert keeps("a", b'{"a": 1, "b": "xy"}')
    assert keeps("a.json", b'{"a": 1}', "json")
    assert keeps("a", b'{"a": 1}', namespace="elsewhere") is None
    for payload in (None, b'{"a": "1"}', b'{"a": 1, "a": 1}', b"a: 1", b'{"a": 1' + b" " * 1024 + b"}"):
        assert keeps("a", payload) is False
    assert keeps("a.yaml", b'{"a": 1}') is False
    assert keeps("a", b'{"a": 1}', "yaml") is False
    assert keeps("a", b'{"b": "' + b"x" * 999 + b'"}') is False  # after a moment
    assert keeps("b", b'{"a": 1}') is False


def test_rules_that_cannot_be_read_keep_everything_from_being_plain() -> None:
    unreadable = Rules((Rule(Target("*", "", True), "the rules themselves", schema="one"),))
    in_force = replace(InForce().overlaid({"schema.one": b"true"}), rules=unreadable, unreadable="no rules")
    assert Plain(in_force).keeps(Draft("diary", "a", 1, b"1", "me"), "any") is False
