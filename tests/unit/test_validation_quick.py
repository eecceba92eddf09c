"""The quick look at a document never passes what the library would refuse, and knows the usual schemas."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rainer.validation.bounded import BoundedValidator, within
from rainer.validation.quick import compile_schema

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
            "pattern": st.sampled_from(["^a", "b$", "^[a-z]+$"]),
            **dict.fromkeys(("minimum", "maximum"), st.integers(-2, 3)),
            **dict.fromkeys(
                ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _COUNT
            ),
        },
    )


_SCHEMAS = st.recursive(st.booleans() | _keywords(st.just(True)), _keywords, max_leaves=4)


@given(_SCHEMAS, _VALUES)
@settings(max_examples=500, deadline=None)
def test_what_passes_quickly_the_library_passes(schema: Any, value: Any) -> None:
    quick = compile_schema(schema)
    with within(5):
        assert quick is None or not quick(value) or BoundedValidator(schema).is_valid(value)


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
