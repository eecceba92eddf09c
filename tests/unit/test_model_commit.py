"""Commit, Draft, Position, and the errors that cross the wire."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer import errors, limits
from rainer.errors import InvalidError, KeyConflict, RainerError, TooLargeError, VersionConflict
from rainer.model.commit import Commit, Draft, draft
from rainer.model.position import Position

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=1)))


def test_a_commits_metadata_is_the_ancestors() -> None:
    commit = Commit("hey", 1, b"x", "me", "why", AT)
    assert list(commit.meta().items()) == [
        ("key", "hey"),
        ("version", 1),
        ("author", "me"),
        ("comment", "why"),
        ("mtime", "2026-01-02T02:04:05.678Z"),
        ("empty", False),
    ]


def test_a_commit_is_a_value() -> None:
    commit = Commit("hey", 1, b"x", "me", "why", AT)
    assert commit == Commit("hey", 1, b"x", "me", "why", AT.astimezone(UTC))
    assert hash(commit) == hash(copy.deepcopy(commit))
    assert pickle.loads(pickle.dumps(commit)) == commit
    with pytest.raises(FrozenInstanceError):
        commit.version = 2  # type: ignore[misc]
    assert (commit.namespace, commit.revision, commit.is_empty) == ("diary", None, False)


def test_an_empty_commit_has_no_payload_not_even_zero_bytes() -> None:
    with pytest.raises(InvalidError, match="an empty commit has no payload"):
        Commit("hey", 1, b"", "me", "", AT, is_empty=True)


def test_a_draft_of_a_person() -> None:
    made = draft("hey", None, version=3, author="me", comment="why", namespace="prices", mtime=AT)
    assert made == Draft("prices", "hey", 3, None, "me", "why", 1767319445678)
    assert draft("hey", b"", version=1, author="me").mtime_ms is None


@pytest.mark.parametrize(
    ("changed", "cls", "words"),
    [
        ({"namespace": "No"}, InvalidError, "namespace 'No'"),
        ({"key": "a/b"}, InvalidError, "holds a '/'"),
        ({"version": 0}, InvalidError, "version 0"),
        ({"author": ""}, InvalidError, "the author is empty"),
        ({"author": "x" * 1001}, TooLargeError, "the author has 1001 bytes, over the limit of 1000"),
        ({"comment": "é" * 32_769}, TooLargeError, "the comment has 65538 bytes, over the limit of 65536"),
        ({"comment": "a\0"}, InvalidError, "U+0000"),
        ({"payload": "text"}, InvalidError, "is str, not bytes"),
        ({"payload": bytearray(b"x")}, InvalidError, "is bytearray, not bytes"),
    ],
)
def test_a_draft_that_could_fail_later_is_refused_when_it_is_made(
    changed: dict[str, Any], cls: type[RainerError], words: str
) -> None:
    members = {"namespace": "diary", "key": "hey", "version": 1, "payload": b"x", "author": "me"} | changed
    with pytest.raises(cls) as caught:
        Draft(**members)
    assert words in str(caught.value)


POSITION = Position("11111111-2222-3333-4444-555555555555", 17, bytes([0xAB]) * 32)


def test_a_position_is_read_as_it_is_printed() -> None:
    text = "11111111-2222-3333-4444-555555555555:17:" + "ab" * 32
    assert str(POSITION) == text
    assert Position.parse(f" {text}\n") == POSITION
    start = Position(POSITION.lineage, 0, bytes(32))
    assert Position.parse(str(start)) == start


@pytest.mark.parametrize(
    "text",
    [
        *("", "17", str(POSITION)[:-1], str(POSITION) + "0", str(POSITION).replace("ab", "AB")),
        *(str(POSITION).replace(":17:", other) for other in (":-1:", ":017:", "::", ":17 :", ":1e3:")),
    ],
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="is not LINEAGE:REVISION:CHAIN"):
        Position.parse(text)


def test_codes_are_unique_and_every_class_has_a_sentence() -> None:
    def tree(cls: type[RainerError]) -> list[type[RainerError]]:
        return [cls, *(below for sub in cls.__subclasses__() for below in tree(sub))]

    ours = [cls for cls in tree(RainerError) if cls.__module__ == "rainer.errors"]
    assert sorted(cls.code for cls in ours) == sorted({cls.code for cls in ours})
    assert all(errors.BY_CODE[cls.code] is cls for cls in ours)
    assert all(cls.__doc__ for cls in ours)


@pytest.mark.parametrize("cls", sorted(set(errors.BY_CODE.values()) - {VersionConflict}, key=lambda cls: cls.code))
@given(
    message=st.text(min_size=1, max_size=20),
    hint=st.none() | st.text(min_size=1, max_size=20),
    line=st.none() | st.integers(1, 9),
)
def test_an_error_survives_json_and_pickle(cls: type[RainerError], message: str, hint: str | None, line: int) -> None:
    error = cls(message, hint=hint, line=line)
    for again in (errors.from_dict(error.as_dict()), pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is cls
        assert (str(again), again.hint, again.details) == (message, hint, {"line": line})


def test_a_conflict_survives_json_and_pickle() -> None:
    error = VersionConflict([KeyConflict("diary", "a", 2, 1), KeyConflict("prices", "b", 9, 7)])
    assert str(error) == "key 'a': version 1 was offered, 2 is next (and 1 more)"
    for again in (errors.from_dict(error.as_dict()), pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert isinstance(again, VersionConflict)
        assert again.conflicts == error.conflicts
        assert (again.namespace, again.key, again.expected, again.provided) == ("diary", "a", 2, 1)


@pytest.mark.parametrize(
    ("body", "cls", "text"),
    [
        ({}, RainerError, "the server gave no reason"),
        ({"code": "of the future", "detail": "so"}, RainerError, "so"),
        ({"code": 7, "title": "only a title"}, RainerError, "only a title"),
        ({"code": "version-conflict", "detail": "so"}, errors.ConflictError, "so"),
        ({"code": "version-conflict", "conflicts": [], "detail": "so"}, errors.ConflictError, "so"),
        ({"code": "not-found", "detail": "so", "key": "a", "status": 404}, errors.NotFoundError, "so"),
    ],
)
def test_what_another_version_says_is_still_an_error(body: dict[str, Any], cls: type[RainerError], text: str) -> None:
    error = errors.from_dict(body)
    assert type(error) is cls
    assert str(error) == text
    assert "status" not in error.details


def test_only_what_did_nothing_is_retryable() -> None:
    retryable = {cls.code for cls in errors.BY_CODE.values() if cls.retryable}
    assert retryable == {"unavailable", "overloaded", "rate-limited", "store-unavailable", "not-cached"}
    assert errors.OverloadedError("full").retry_after_s == 1
    assert errors.OverloadedError("full", retry_after_s=7).retry_after_s == 7
    assert errors.MalformedPayload("no", line=3, column=4).line == 3
    assert errors.MalformedPayload("no").column is None


def test_limits_that_depend_on_each_other_agree() -> None:
    # MySQL's default packet is 16 MiB; a payload's bytes may each be escaped in two.
    assert limits.PAYLOAD_BYTES_DEFAULT <= limits.PAYLOAD_BYTES_CEILING <= 16 * limits.MiB // 2
    assert limits.CHANGESET_COMMITS_MAX >= 10_000
    assert limits.PAYLOAD_BYTES_CEILING < limits.CHANGESET_BODY_BYTES_MAX <= limits.QUEUE_BYTES_MAX
    assert limits.FEED_PAGE_DEFAULT <= limits.FEED_PAGE_MAX
