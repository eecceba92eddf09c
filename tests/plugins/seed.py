"""One seed for everything random in a run; printed at its top, so that the run can be repeated."""

from __future__ import annotations

import os
import secrets
import zlib

import pytest

_NAME = "RAINER_TEST_SEED"


def pytest_configure() -> None:
    # Into the environment, because the workers of pytest-xdist inherit it and must agree.
    os.environ.setdefault(_NAME, str(secrets.randbelow(10**9)))


def pytest_report_header() -> str:
    return f"seed {os.environ[_NAME]} (again with {_NAME}={os.environ[_NAME]})"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number that depends on the run's seed and the test's name, not on the order of the tests."""
    number = zlib.crc32(f"{os.environ[_NAME]}:{request.node.nodeid}".encode())
    print(f"{request.node.nodeid}: seed {number} ({_NAME}={os.environ[_NAME]})")
    return number
