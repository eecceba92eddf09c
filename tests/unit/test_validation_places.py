"""Where a value stands in a text: of any document, every value is found where it begins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import regex
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rainer.validation import documents
from rainer.validation.bounded import PATTERN_STEPS_MAX, compiled
from rainer.validation.places import Place, in_toml, path_of, pointer_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    yield path, value
    for step, member in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from paths(member, (*path, step))


def offset(text: str, place: Place) -> int:
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: place.line - 1]) + place.column - 1


@given(DOCUMENTS, st.sampled_from([None, 0, 2]), st.booleans())
def test_every_value_of_json_is_found(document: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    found = documents.read("json", "k", text.encode())
    assert found.value == document
    for path, value in paths(document):
        assert json.JSONDecoder().raw_decode(text, offset(text, found.place(path)))[0] == value
        assert path_of(pointer_of(path)) == [str(step) for step in path]


@given(DOCUMENTS)
def test_every_value_of_yaml_is_found(document: Any) -> None:
    text = yaml.safe_dump(document, sort_keys=False)
    found = documents.read("yaml", "k", text.encode())
    assert found.value == yaml.safe_load(text) == document
    nodes = {path: found.place(path) for path, _ in paths(document)}
    assert all(place.line <= text.count("\n") + 1 for place in nodes.values())


YAML = b"""\
base: &b {x: 1, when: 2020-01-01}
other:
  <<: *b
  list:
    - 0x10
    - yes
    - !mine {1: ~}
"""


def test_yaml_is_read_as_schemas_mean_it() -> None:
    found = documents.read("any", "k.yaml", YAML)
    base = {"x": 1, "when": "2020-01-01"}
    assert found.value == {"base": base, "other": base | {"list": [16, True, {"1": None}]}}
    assert found.place(("other", "list", 2, "1")) == (7, 17)
    assert found.place(("other", "list", 99)) == (5, 5)
    assert found.place(("base", "x")) == (1, 14)


TOML = '''\
# first
title = "x # no comment"
[a."b.c"]
c = [1, # one ]
 "]", [2]]
d.e = {z = 1}

[[list]]
n = 1
[[list]]
n = """
[no]
n = 3 \\""" """
s = \'\'\'it's\'\'\'
[list.sub]
"k\\u0041" = 1979-05-27
[[list.deep]]
[[list.deep]]
x = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2), (("a", "b.c"), 3), (("a", "b.c", "c", 1), 4), (("a", "b.c", "d", "e", "z"), 6),
        (("list", 0), 8), (("list", 0, "n"), 9), (("list", 1, "n"), 11), (("list", 1, "s"), 14),
        (("list", 1, "sub", "kA"), 16), (("list", 1, "deep", 1, "x"), 19), (("nowhere",), 2), ((), 2),
    ],
)  # fmt: skip
def test_statements_of_toml_are_found(path: tuple[str | int, ...], line: int) -> None:
    found = documents.read("toml", "k", TOML.encode())
    assert found.place(path).line == line
    assert found.value["list"][1]["sub"] == {"kA": "1979-05-27"}
    assert in_toml("", path) == (1, 1)


def test_a_text_says_what_it_is_where_its_namespace_does_not() -> None:
    for key, payload in (
        ("a.JSON", b"{}"),
        ("a", b' {"a": 1}'),
        ("a.yml", b"a: 1"),
        ("a", b"a: 1"),
        ("a.toml", b"a = 1"),
    ):
        assert documents.read("any", key, payload).value in ({}, {"a": 1})


@pytest.mark.parametrize("payload", [b"1" * 5_000, b"[" + b"9" * 4_301 + b"]"])
def test_numbers_too_long_to_be_read_are_refused(payload: bytes) -> None:
    for form in ("json", "yaml"):
        with pytest.raises(documents.MalformedPayload):
            documents.read(form, "k", payload)


def test_patterns_are_bounded_before_they_are_compiled() -> None:
    assert compiled(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?){0,10}$").search("a.b")
    assert compiled(r"^\p{L}+[\]{9}]{3}$").search("ä]]]")
    for pattern in (f"a{{{PATTERN_STEPS_MAX + 1}}}", "(a{200}){200}", "(?:a{9}b){2,}{3,99999}", "a" * 2_001):
        with pytest.raises(regex.error):
            compiled(pattern)
