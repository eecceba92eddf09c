"""A page of a list is bounded in bytes as well as in heads, and Link leads on until everything was seen."""

from __future__ import annotations

import requests

import rainer.testing
from rainer import limits


def test_a_page_of_large_payloads_ends_early_and_nothing_is_left_out() -> None:
    payload = b"x" * 900_000
    with rainer.testing.server() as server, server.client() as client:
        for number in range(25):
            client.commit(f"k{number:02}", payload, version=1, author="a test")
        seen: list[str] = []
        sizes: list[int] = []
        path = "/diary?limit=25&payload_utf8=yes"
        while path:
            answer = requests.get(server.url + path, timeout=30)
            page = answer.json()
            seen += page
            sizes.append(len(page) * len(payload))
            path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == [f"k{number:02}" for number in range(25)]
    assert len(sizes) > 1
    assert max(sizes) <= 2 * limits.FEED_PAGE_BYTES
