"""Schemas that would take for ever, or all of the memory."""

from __future__ import annotations

import json

import pytest

from rainer.client import Client
from rainer.errors import MalformedPayload, RuleBroken
from tests.integration.validation.conftest import DIALECT


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
