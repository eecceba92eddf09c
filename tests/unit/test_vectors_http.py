"""The golden vectors of what goes over HTTP: refusals, commits, reads, and pages of the feed."""

from __future__ import annotations

from typing import Any

import pytest

from rainer import errors
from rainer.api import problems
from rainer.client.committing import _nothing_was_done
from rainer.client.refusals import refusal
from rainer.client.transport import Answer
from rainer.errors import MalformedPayload, NotFoundError, OverloadedError, RainerError, VersionConflict
from tests.unit.vectors import load, name_of, raw

ERRORS = load("errors")["answers"]


def refused(vector: dict[str, Any]) -> tuple[Answer, RainerError]:
    answer = Answer(vector["status"], vector["headers"], raw(vector["body"]), "http://localhost/diary/hey")
    return answer, refusal(answer, "diary", "key 'hey'")


@pytest.mark.parametrize("vector", ERRORS, ids=name_of)
def test_an_answer_is_this_error(vector: dict[str, Any]) -> None:
    _, error = refused(vector)
    told = vector["error"]
    assert type(error) is getattr(errors, told["class"])
    assert (error.code, error.retryable) == (told["code"], told["retryable"])
    assert error.message == told.get("message", error.message)
    assert all(words in error.message for words in told.get("says", ()))
    assert error.hint == told.get("hint", error.hint)
    assert error.details == told.get("details", error.details)
    if isinstance(error, VersionConflict):
        assert [conflict.as_dict() for conflict in error.conflicts] == told["conflicts"]
    if isinstance(error, OverloadedError):
        assert error.retry_after_s == told["retry_after_s"]


@pytest.mark.parametrize("vector", ERRORS, ids=name_of)
def test_an_answer_means_this_to_one_who_sent_a_commit(vector: dict[str, Any]) -> None:
    answer, error = refused(vector)
    is_done_with = "again" if error.retryable else "refused"
    assert vector["commit"] == (is_done_with if _nothing_was_done(answer, error) else "unknown")


@pytest.mark.parametrize("vector", [v for v in ERRORS if v["by"] != "other"], ids=name_of)
def test_a_server_writes_exactly_this_refusal(vector: dict[str, Any]) -> None:
    response = written(vector)
    assert (response.status_code, bytes(response.body)) == (vector["status"], raw(vector["body"]))
    sent = {name.lower(): value for name, value in response.headers.items()} | {"content-length": None}
    assert sent == vector["headers"] | {"content-length": None}


def written(vector: dict[str, Any]) -> Any:
    """The answer that the server makes of the vector's error."""
    told = vector["error"]
    if "conflicts" in told:
        error = VersionConflict([errors.conflict_from_dict(one) for one in told["conflicts"]])
        return problems.changeset_conflict(error) if vector["by"] == "server" else problems.answer_error(error, b"")
    if vector["by"] == "both":
        text = raw(vector["body"]).decode()
        known = {"NotFoundError": NotFoundError, "MalformedPayload": MalformedPayload}
        return problems.answer_error(known.get(told["class"], problems.AncestorRefusal)(text), b"*/*")
    cls = getattr(errors, told["class"])
    return problems.problem(cls(told["message"], hint=told["hint"], **told["details"]), vector["status"])


def test_every_class_that_can_be_told_has_a_vector() -> None:
    assert {v["error"]["code"] for v in ERRORS if v["by"] == "server"} == set(errors.BY_CODE)
    for vector in ERRORS:
        cls = errors.BY_CODE[vector["error"]["code"]]
        if vector["by"] == "server" and vector["status"] not in (405, 408):
            assert vector["status"] == next(problems.STATUS[c] for c in cls.__mro__ if c in problems.STATUS)
