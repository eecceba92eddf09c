"""A client whose namespace is the test's own, on a server that other tests use too."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from rainer.client import Client, Retries
from tests.services.rainer import RainerServer


def client_of_a_new_namespace(served: RainerServer) -> Iterator[Client]:
    """For fixtures: lists and the feed of this client hold nothing but what the test commits."""
    with Client(f"{served.url}/diary", author="me", retries=Retries(3, 0.01, 0.1)) as diary:
        name = f"t{uuid.uuid4().hex[:12]}"
        diary.create_namespace(name)
        yield diary.in_namespace(name)
