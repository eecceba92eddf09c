"""Fixtures over the Java client: built once a checkout, driven in one JVM a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services import java_build
from tests.services.java_driver import JavaDriver
from tests.services.required import required_services


@pytest.fixture(scope="session")
def java_client(_guardian: None) -> None:
    """A JDK and the libraries with which the Java client is built and tested; else a skip, or a failure if required."""
    reason = java_build.missing()
    if reason and "java" in required_services():
        pytest.fail(f"java is required by RAINER_TEST_REQUIRE: {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def java_driver(java_client: None) -> Iterator[JavaDriver]:
    """A JVM that makes the calls of the Java client; mark its tests with xdist_group("java"), so that there is one."""
    with JavaDriver() as driver:
        yield driver
