"""Fixtures over object stores: real servers, one of each kind a test process, with a place of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.azurite import Azurite
from tests.services.fake_gcs import FakeGcs
from tests.services.required import do_without


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[FakeGcs]:
    """A running fake-gcs-server, shared by the tests of this process."""
    if reason := FakeGcs.available():
        do_without(FakeGcs.name, reason)
    with FakeGcs() as server:
        yield server


@pytest.fixture
def gs_bucket(fake_gcs: FakeGcs) -> str:
    """The URL of a fresh, empty bucket, with the endpoint behind it."""
    return f"gs://{fake_gcs.make_bucket()}?endpoint={fake_gcs.url}"


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """A running Azurite, shared by the tests of this process."""
    if reason := Azurite.available():
        do_without(Azurite.name, reason)
    with Azurite() as server:
        yield server


@pytest.fixture
def az_container(azurite: Azurite) -> str:
    """The URL of a fresh, empty, private container, with the endpoint behind it."""
    return f"az://rainertests/{azurite.make_container()}?endpoint={azurite.endpoint}"
