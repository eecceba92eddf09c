"""What a schema is shown of a payload: one meaning, whoever reads it, or a refusal that says where."""

from __future__ import annotations

import tracemalloc

import pytest

from rainer.errors import InvalidDocument, MalformedPayload
from rainer.model import formats
from rainer.validation.documents import read
from rainer.validation.schemas import read_schema


@pytest.mark.parametrize(
    ("form", "text", "pointer", "place", "words"),
    [
        ("yaml", 'a: [1, !!int ""]', "/a/1", (1, 8), "cannot be read as int"),
        ("yaml", "a: !!bool maybe", "/a", (1, 4), "'maybe' cannot be read as bool"),
        ("yaml", 'a: !!float ""', "/a", (1, 4), "cannot be read as float"),
        ("yaml", "a: 0x_", "/a", (1, 4), "cannot be read as int"),
        ("yaml", f"a: {':'.join(['1'] * 200)}.5", "/a", (1, 4), "cannot be read as float"),
        ("yaml", f"a: {':'.join(['1'] * 200_000)}", "/a", (1, 4), "a number of over 1,000 characters"),
        ("yaml", "a: 1\nb:\n  <<: 5", "/b", (3, 3), "<< merges mappings"),
        ("yaml", "b: 1\na: 1\nb: 2", "/b", (3, 1), "'b' is there twice"),
        ("yaml", "1: a\n'1': b", "/1", (2, 1), "'1' is there twice"),
        ("yaml", "a:\n  ? [x]\n  : 1", "/a", (2, 5), "a name must be text, not a sequence"),
        ("json", '{"a": [1, {"x": "b", "y": {"x": 1},\n "x": 2}]}', "/a/1/x", (2, 2), "'x' is there twice"),
        ("json", '{"a": "\\",{", "b": [], "\\u0061": 2}', "/a", (1, 24), "'a' is there twice"),
    ],
)
def test_what_readers_read_differently_is_refused_at_its_place(
    form: str, text: str, pointer: str, place: tuple[int, int], words: str
) -> None:
    with pytest.raises(InvalidDocument, match=words) as caught:
        read(form, "k", text.encode())
    found = caught.value
    assert (found.details["pointer"], (found.line, found.column)) == (pointer, place)


def test_what_yaml_merges_may_be_overridden() -> None:
    text = b"base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\nall: {<<: [*b, *m], y: 5}\n"
    assert read("yaml", "k", text).value["all"] == {"x": 1, "y": 5, "z": 4}


def test_a_schema_whose_numbers_are_none_is_refused_at_its_place() -> None:
    with pytest.raises(InvalidDocument, match=r"^/maxLength, line 1, column 13: "):
        read_schema("schema.a", b'{maxLength: !!int ""}')


def test_what_has_too_many_values_is_refused_before_any_is_made() -> None:
    text = b"[" + b"1," * 250_000 + b"1]"
    tracemalloc.start()
    try:
        with pytest.raises(MalformedPayload, match="over 200,000 values are more than can be checked"):
            read("yaml", "k", text)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def test_a_toml_number_of_thousands_of_digits_is_malformed() -> None:
    for take in (lambda payload: formats.check_payload("toml", payload), lambda payload: read("toml", "k", payload)):
        with pytest.raises(MalformedPayload, match="a number of thousands of digits"):
            take(b"a = " + b"9" * 5_000)
