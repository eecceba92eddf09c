"""The API's own description against the API: no answer that it does not describe, no call that it does not name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.failures import FailureGroup

from rainer import errors
from rainer.api.app import ROUTES
from rainer.api.openapi import document
from rainer.api.problems import STATUS, problem, status_of
from tests.integration.conftest import verify
from tests.integration.wire import ask, commit
from tests.services.rainer import RainerServer

EXAMPLES = 15
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CALLS = [(method, path) for method, path, *_ in ROUTES]


@pytest.fixture(scope="module")
def described(_guardian: None) -> Iterator[RainerServer]:
    """A server with something to read under the names that the tests know."""
    with RainerServer() as server:
        for version in (1, 2, 3):
            assert commit(server.url, "known", version).status == 200
        assert ask(server.url, "POST", "/-/namespaces", {}, b'{"name": "strict", "format": "json"}').status == 201
        yield server
        server.stop()
        verify(server.database)


def _modes(method: str, path: str) -> list[GenerationMode]:
    """What asks for nothing cannot be asked wrongly."""
    call = document()["paths"][path][method.lower()]
    asks = any(p["schema"] != {"type": "string"} for p in call["parameters"]) or "requestBody" in call
    return list(GenerationMode) if asks else [GenerationMode.POSITIVE]


@pytest.mark.parametrize(("method", "path", "mode"), [(*call, mode) for call in CALLS for mode in _modes(*call)])
def test_every_answer_is_described(
    described: RainerServer, seed: int, method: str, path: str, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(ask(described.url, "GET", "/-/openapi.json").json())
    operation = schema[path][method]
    strategies = [operation.as_strategy(mode)]
    if "{namespace}" in path:  # random names lead nowhere: some of the calls shall get beyond them
        strategies += [
            operation.as_strategy(mode, path_parameters={"namespace": name} | ({"key": "known"} if known else {}))
            for name, known in (("diary", "{key}" in path), ("strict", False))
        ]
    for number, strategy in enumerate(strategies):
        _exercise(described.url, strategy, seed + number)


def test_an_answer_that_is_not_described_would_be_found(described: RainerServer, seed: int) -> None:
    lacking = document()
    del lacking["paths"]["/{namespace}/{key}"]["get"]["responses"]["404"]
    schema = schemathesis.openapi.from_dict(lacking)
    names = {"namespace": "diary", "key": "never"}
    strategy = schema["/{namespace}/{key}"]["GET"].as_strategy(GenerationMode.POSITIVE, path_parameters=names)
    with pytest.raises(FailureGroup, match="Undocumented status code"):
        _exercise(described.url, strategy, seed)


def _exercise(url: str, strategy: Any, seed: int) -> None:
    session = requests.Session()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=EXAMPLES, database=None, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate], print_blob=False,
    )  # fmt: skip
    @hypothesis.given(case=strategy)
    def run(case: schemathesis.Case) -> None:
        _shorten(case)
        case.call_and_validate(base_url=url, session=session, checks=CHECKS, timeout=20)

    with session:
        run()


def _shorten(case: schemathesis.Case) -> None:
    """Keep a case as it is, but have nobody wait a minute for news, nor a changeset go without an author."""
    if case.query.get("wait") in range(61):
        case.query["wait"] = 0
    if isinstance(case.body, dict) and isinstance(case.body.get("commits"), list):
        case.body.setdefault("author", "somebody")


def test_the_document_and_the_route_table_are_the_same_list() -> None:
    described = {(method.upper(), path) for path, calls in document()["paths"].items() for method in calls}
    assert described == set(CALLS)
    assert len(CALLS) == len(set(CALLS))


def test_every_code_of_the_error_tree_has_a_status_and_is_described() -> None:
    undescribed = set(errors.BY_CODE) - {"missing-extra"}  # raised where a program starts, never in an answer
    listed = set(document()["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
    assert listed == undescribed
    for cls in errors.BY_CODE.values():
        error = cls([errors.KeyConflict("n", "k", 1, 2)]) if cls is errors.VersionConflict else cls("why")  # type: ignore[arg-type]
        assert status_of(error) in STATUS.values()
        body = json.loads(bytes(problem(error).body))
        assert (body["code"], body["status"]) == (cls.code, status_of(error))
        assert type(errors.from_dict(body)) is cls


def test_every_status_of_a_call_is_described_with_a_form() -> None:
    for path, calls in document()["paths"].items():
        for method, call in calls.items():
            assert call["summary"], (method, path)
            for status, answer in call["responses"].items():
                assert answer["description"], (method, path, status)
                assert "content" in answer or status == "304", (method, path, status)
