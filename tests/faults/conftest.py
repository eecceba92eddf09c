"""Servers that faults are done to; whatever they logged is shown when the test fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services.process_service import ProcessService
from tests.services.rainer import RainerServer

_TAIL_CHARS = 12_000
_services: pytest.StashKey[list[ProcessService]] = pytest.StashKey()


Serve = Callable[[str], RainerServer]


@pytest.fixture
def show_log(request: pytest.FixtureRequest) -> Callable[[ProcessService], None]:
    """Have a server's log shown if the test fails."""
    return request.node.stash.setdefault(_services, []).append


@pytest.fixture
def serve(show_log: Callable[[ProcessService], None]) -> Iterator[Serve]:
    """Start `rainer serve` on a database's URL, once or more often; ended, and asked to end well, after the test."""
    with ExitStack() as stack:

        def start(database: str) -> RainerServer:
            server = RainerServer(database)
            show_log(server)
            return stack.enter_context(server)

        yield start


@pytest.fixture(scope="session")
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether nothing but these tests was asked for, as `make faults` does: then there is time for every case."""
    here = Path(__file__).parent
    asked = [(pytestconfig.invocation_params.dir / argument.split("::")[0]).resolve() for argument in pytestconfig.args]
    return all(path.is_relative_to(here) for path in asked)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    # While the test's fixtures still stand: their ends remove the logs.
    report = yield
    if report.when == "call" and report.failed:
        for number, service in enumerate(item.stash.get(_services, []), 1):
            report.sections.append((f"log of {service.name} {number}", service.output[-_TAIL_CHARS:]))
    return report
