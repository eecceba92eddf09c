"""What the formats of a namespace take and refuse, and where they say the fault is."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.errors import InvalidError, MalformedPayload
from rainer.model.formats import FORMATS, check_format_name, check_payload

TAKEN = {
    "any": [b"", b"\xff\x00", b"{"],
    "json": [
        b"{}", b"[]", b"0", b'"x"', b"null", b' {"a": [1.5e300, -0, true]}\r\n', b'\xef\xbb\xbf{"bom": 1}',
        b'{"a": 1, "a": 2}', b'"\\ud800"', "\"\u2028é\"".encode(), b"1e999", b"9" * 100_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
    ],
    "yaml": [
        b"", b"# only a comment\n", b"a: 1\nb: [x, 'y']\n", b"--- a\n--- b\n...\n", b"a: &x 1\nb: *x\n", b"!Ref foo\n",
        b"a: !!python/object:os.system {}\n", b"a: 1\na: 2\n", b"? [complex]\n: key\n", b"\xef\xbb\xbfa: 1\n",
        b"a: |\n  text\n   more\n", b"%YAML 1.1\n---\na: yes\n", b"{a: 1, b: 2}", b"date: 2026-13-45\n",
        b"[" * 100 + b"]" * 100,
    ],
    "toml": [
        b"", b"a = 1\n", b"[t]\nx = '''\ny'''\n", b"\xef\xbb\xbfa = 1\n", b"d = 1979-05-27T07:32:00Z\n", b"a = nan\n",
        b"[[a]]\nb = 1\n[[a]]\nb = 2\r\n",
    ],
}  # fmt: skip

REFUSED = [
    ("json", b"", 1, 1),
    ("json", b"{'a': 1}", 1, 2),
    ("json", b'{"a": 1,}', 1, 9),
    ("json", b'{\n  // why\n  "a": 1\n}', 2, 3),
    ("json", b'{"a": 1} {"b": 2}', 1, 10),
    ("json", b'{"a": NaN}', None, None),
    ("json", b"-Infinity", None, None),
    ("json", b'"a\nb"', 1, 3),
    ("json", b"01", 1, 2),
    ("json", b'{"a": "\xff"}', 1, 8),
    ("json", b'\n\n"\xe9t\xe9"', 3, 2),
    ("json", b"[" * 200_000, None, None),
    ("yaml", b"a: [1, 2\n", 2, 1),
    ("yaml", b"a: b: c\n", 1, 5),
    ("yaml", b"a: 1\n\tb: 2\n", 2, 1),
    ("yaml", b"a: *nobody\n", 1, 4),
    ("yaml", b"--- &x a\n--- *x\n", 2, 5),
    ("yaml", b"a: \x00\n", None, None),
    ("yaml", b"a: '\n", 2, 1),
    ("yaml", b"a: \xff\n", 1, 4),
    ("toml", b"a = \n", 1, 5),
    ("toml", b"a = 1\na = 2\n", 2, 6),
    ("toml", b"[t\n", 1, 3),
    ("toml", b"a = 'x", 1, 7),
    ("toml", b"a = " + b"[" * 100_000, None, None),
]


@pytest.mark.parametrize(("name", "payload"), [(name, payload) for name in TAKEN for payload in TAKEN[name]])
def test_a_payload_is_taken(name: str, payload: bytes) -> None:
    check_payload(name, payload)


@pytest.mark.parametrize(("name", "payload", "line", "column"), REFUSED)
def test_a_payload_is_refused_with_its_place(name: str, payload: bytes, line: int | None, column: int | None) -> None:
    with pytest.raises(MalformedPayload) as caught:
        check_payload(name, payload)
    error = caught.value
    assert str(error).startswith("Malformed input: ")
    assert str(error).isprintable()
    assert (error.line, error.column) == (line, column)
    if line is not None:
        assert str(error).endswith(f" at line {line}, column {column}")


def test_an_alias_bomb_and_a_million_digits_cost_no_more_than_they_are_long() -> None:
    bomb = b"a: &a [x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (98 + n, 98 + n, 97 + n, 97 + n) for n in range(24))
    began = time.perf_counter()
    check_payload("yaml", bomb)
    check_payload("json", b"1" * 1_000_000)
    check_payload("json", b'{"a":' + b"1" * 1_000_000 + b"." + b"1" * 1_000_000 + b"}")
    assert time.perf_counter() - began < 10


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@given(JSON, st.booleans())
def test_whatever_json_is_written_is_taken(value: object, is_ascii: bool) -> None:
    check_payload("json", json.dumps(value, ensure_ascii=is_ascii).encode())


@pytest.mark.parametrize("name", FORMATS)
@given(payload=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_taken_or_refused_and_nothing_else_happens(name: str, payload: bytes) -> None:
    try:
        check_payload(name, payload)
    except MalformedPayload as error:
        assert name != "any"
        assert str(error).startswith("Malformed input: ")  # noqa: PT017 - both ends are right, a third would not be


def test_formats_are_known_by_name() -> None:
    assert FORMATS == ("any", "json", "yaml", "toml")
    assert [check_format_name(name) for name in FORMATS] == list(FORMATS)
    with pytest.raises(InvalidError, match="format 'xml' is not known") as caught:
        check_format_name("xml")
    assert caught.value.hint == "one of any, json, yaml, toml"
