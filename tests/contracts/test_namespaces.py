"""Namespaces: their rules, their formats, their closing."""

from __future__ import annotations

import pytest

from rainer import limits
from rainer.errors import (
    InvalidError,
    MalformedPayload,
    NamespaceClosed,
    NamespaceExists,
    NamespaceNotFound,
    NotFoundError,
)
from rainer.journal import Journal
from rainer.journal.administration import create_namespace, set_namespace_closed


def test_diary_is_always_there(journal: Journal) -> None:
    diary = journal.namespace("diary")
    assert diary.as_dict() == {"name": "diary", "format": "any", "payload_bytes_max": 1_000_000, "closed": False}
    assert list(journal.namespaces()) == ["diary"]


def test_a_namespace_keeps_the_rules_it_was_made_with(journal: Journal, second: Journal) -> None:
    made = journal.create_namespace("prices", format="json", payload_bytes_max=123)
    assert second.namespace("prices") == made
    assert create_namespace(journal.engine, "prices", "json", 123) == (made, False)
    for rules in ({"format": "any", "payload_bytes_max": 123}, {"format": "json", "payload_bytes_max": 124}, {}):
        with pytest.raises(NamespaceExists):
            journal.create_namespace("prices", **rules)  # type: ignore[arg-type]
    assert second.namespace("prices") == made


@pytest.mark.parametrize("name", ["", "A", "1a", "-a", "a b", "a/b", "\u00e9", "a" * 65, "a\n", "a\0"])
def test_what_a_namespace_cannot_be_called(journal: Journal, name: str) -> None:
    with pytest.raises(InvalidError):
        journal.create_namespace(name)
    assert list(journal.namespaces()) == ["diary"]


def test_names_at_their_limits_and_alike(journal: Journal) -> None:
    names = ["a", "a" * 64, "a.b", "a_b", "a-b", "a--", "z9"]
    for name in names:
        journal.create_namespace(name)
    for name in names:
        journal.append("k", name.encode(), version=1, author="me", namespace=name)
    assert [journal.get("k", namespace=name).payload for name in names] == [name.encode() for name in names]


@pytest.mark.parametrize("size", [0, -1, limits.PAYLOAD_BYTES_CEILING + 1])
def test_sizes_that_no_namespace_may_take(journal: Journal, size: int) -> None:
    with pytest.raises(InvalidError):
        journal.create_namespace("n", payload_bytes_max=size)


def test_unknown_formats(journal: Journal) -> None:
    for name in ("", "JSON", "xml"):
        with pytest.raises(InvalidError):
            journal.create_namespace("n", format=name)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("json", b'{"a": [1, 2.5e3, null]}', b'{"a": 1,\n // no\n}'),
        ("yaml", b"a: [1, 2]\n---\nb: &x 1\nc: *x\n", b"a: 1\n\tb: 2\n"),
        ("toml", b'a = 1\n[t]\nb = "x"\n', b"a = 1\na = = 2\n"),
    ],
)
def test_a_format_is_demanded_of_payloads_and_of_nothing_else(
    journal: Journal, name: str, good: bytes, bad: bytes
) -> None:
    journal.create_namespace("strict", format=name)
    journal.append("k", good, version=1, author="me", namespace="strict")
    with pytest.raises(MalformedPayload) as caught:
        journal.append("k", bad, version=2, author="me", namespace="strict")
    assert caught.value.line in (1, 2)
    assert caught.value.column is not None
    journal.append("k", None, version=2, author="me", namespace="strict")
    journal.append("k", bad, version=1, author="me")
    assert [c.version for c in journal.log("k", namespace="strict")] == [2, 1]


def test_a_closed_namespace_is_read_and_takes_nothing(journal: Journal, second: Journal) -> None:
    journal.create_namespace("old")
    journal.append("k", b"x", version=1, author="me", namespace="old")
    second.append("k", b"y", version=2, author="me", namespace="old")
    assert set_namespace_closed(journal.engine, "old", True).is_closed
    for writer in (journal, second):
        with pytest.raises(NamespaceClosed):
            writer.append("k", b"z", version=3, author="me", namespace="old")
        assert writer.get("k", namespace="old").payload == b"y"
        assert [c.key for c in writer.heads("old")] == ["k"]
        assert writer.namespace("old").is_closed
    set_namespace_closed(journal.engine, "old", False)
    second.append("k", b"z", version=3, author="me", namespace="old")
    with pytest.raises(NamespaceNotFound):
        set_namespace_closed(journal.engine, "nowhere", True)


def test_a_namespace_made_elsewhere_can_be_used_at_once(journal: Journal, second: Journal) -> None:
    journal.append("k", b"", version=1, author="me")
    second.create_namespace("fresh")
    assert journal.append("k", b"", version=1, author="me", namespace="fresh").revision == 2


def test_the_same_key_in_two_namespaces(journal: Journal) -> None:
    journal.create_namespace("other")
    journal.append("k", b"1", version=1, author="me")
    with pytest.raises(NotFoundError):
        journal.get("k", namespace="other")
    journal.append("k", b"2", version=1, author="me", namespace="other")
    assert [journal.get("k", namespace=n).payload for n in ("diary", "other")] == [b"1", b"2"]
    assert [c.namespace for c in journal.log("k", namespace="other")] == ["other"]
