"""The golden vectors of what publishers write and mirrors read."""

from __future__ import annotations

from typing import Any

import pytest

from rainer.errors import CorruptError
from rainer.model.packed import Kind, PackedHead
from rainer.model.position import Position
from rainer.model.published import Batch, Beat, Head, Parts, Report
from tests.unit.vectors import load, name_of, raw

VECTORS = load("published")
FORMS = {"head": Head, "parts": Parts, "beat": Beat, "report": Report}
READ = [(form, vector) for form, groups in VECTORS["json"].items() for vector in groups["read"]]
WRITE = [(form, vector) for form, groups in VECTORS["json"].items() for vector in groups["write"]]
BROKEN = [(form, vector) for form, groups in VECTORS["json"].items() for vector in groups["broken"]]


def batch_of(spelt: dict[str, Any]) -> Batch:
    records = [
        PackedHead(r["key"], r["version"], r["revision"], Kind[r["kind"].upper()], raw(r["data"]))
        for r in spelt["records"]
    ]
    position = Position(spelt["lineage"], spelt["revision"], bytes.fromhex(spelt["chain"]))
    return Batch(spelt["n"], position, records, spelt["part"], spelt["parts"], spelt["repair"])


@pytest.mark.parametrize("vector", VECTORS["batches"]["write"], ids=name_of)
def test_a_batch_is_written_as_exactly_these_bytes_and_read_back(vector: dict[str, Any]) -> None:
    batch, data = batch_of(vector["batch"]), raw(vector["bytes"])
    assert batch.to_bytes() == data
    assert Batch.from_bytes(data) == batch


@pytest.mark.parametrize("vector", VECTORS["batches"]["broken"], ids=name_of)
def test_a_broken_batch_is_said_to_be_so(vector: dict[str, Any]) -> None:
    with pytest.raises(CorruptError):
        Batch.from_bytes(raw(vector["bytes"]))


@pytest.mark.parametrize(("form", "vector"), WRITE, ids=name_of)
def test_what_is_kept_as_json_is_written_as_exactly_these_bytes(form: str, vector: dict[str, Any]) -> None:
    made = FORMS[form](**vector["members"])
    assert made.to_bytes() == raw(vector["bytes"])
    assert FORMS[form].from_bytes(raw(vector["bytes"])) == made


@pytest.mark.parametrize(("form", "vector"), READ, ids=name_of)
def test_what_is_kept_as_json_is_read(form: str, vector: dict[str, Any]) -> None:
    found = FORMS[form].from_bytes(raw(vector["bytes"]))
    assert {name: getattr(found, name) for name in vector["members"]} == vector["members"]
    assert FORMS[form].from_bytes(found.to_bytes()) == found


@pytest.mark.parametrize(("form", "vector"), BROKEN, ids=name_of)
def test_broken_json_is_said_to_be_so(form: str, vector: dict[str, Any]) -> None:
    with pytest.raises(CorruptError):
        FORMS[form].from_bytes(raw(vector["bytes"]))
