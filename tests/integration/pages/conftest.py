"""One server with a history to look at, and one browser, for all tests of pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from rainer.client import Client
from tests.integration.conftest import verify
from tests.plugins.servers import required_services
from tests.services import chromium
from tests.services.rainer import RainerServer

EVIL = "<img src=x onerror=window.hurt=1>"
EVIL_TEXT = (
    "<script>window.hurt=1</script></td></table><img src=x onerror=window.hurt=1> {{7*7}}\u202egnp.exe \x1b[31m\x07\n"
    "</textarea></title><svg onload=window.hurt=1>\u200b\u2066\n" + "A" + "\u0301" * 200 + "\n"
)
PRICES = {"currency": "EUR", "rounding": "half-even", "limits": {"daily": 5000, "single": 1200}, "open": True}
STEPS = (
    ("First prices", {}), ("Raise the limit for the sale", {"limits": {"daily": 8000, "single": 1200}}),
    ("Round up\n\nCustomers complained.", {"rounding": "half-up"}), ("", {"note": "net of tax"}),
)  # fmt: skip


@pytest.fixture(scope="package")
def served(_guardian: None) -> Iterator[RainerServer]:
    """A server whose namespaces hold something of every kind; nobody changes what `fill` has made."""
    with RainerServer() as server:
        with Client(f"{server.url}/diary") as client:
            fill(client)
        yield server
        server.stop()
        verify(server.database)
        assert "Traceback" not in server.output, server.output[-4000:]


def fill(client: Client) -> None:
    """Keys with a history, a manifest, bytes, endless lines, and what a hostile hand would write."""
    client.create_namespace("prices", format="json")
    prices, value = client.in_namespace("prices"), PRICES
    for version, (why, change) in enumerate(STEPS, 1):
        value = value | change
        text = json.dumps(value, indent=2) + "\n"
        prices.commit("eu.json", text.encode(), version=version, author="ada", comment=why)
    for number in range(130):
        payload = f"timeout = {number}\nname = 'needle-{number}'\n".encode()
        client.commit(f"service-{number:03}", payload, version=1, author="grace", comment="Initial import")
    manifest = {"/models/anna.bin": {"version": "1.2.0", "sha256": "ab" * 32, "size": 1234}, "/table.csv": "2.0.1"}
    client.commit("assets", json.dumps(manifest).encode(), version=1, author="ada", comment="Models")
    client.commit("bytes", bytes(range(256)) * 10, version=1, author="ada", comment="Raw")
    client.commit(EVIL, EVIL_TEXT.encode(), version=1, author='"><script>window.hurt=1</script>', comment=EVIL)
    client.commit("endless", b"y" * 900_000, version=1, author="ada", comment="1")
    client.commit("endless", b"y" * 450_000 + b" changed " + b"y" * 450_000, version=2, author="ada", comment="2")
    client.commit("gone", b"x", version=1, author="ada", comment="made")
    client.commit("gone", None, version=2, author="ada", comment="not needed")


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """A browser; tests take a context of it each."""
    reason = chromium.available()
    if reason and "chromium" in required_services():
        pytest.fail(f"chromium is required by RAINER_TEST_REQUIRE: {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = chromium.launch(playwright)
        yield found
        found.close()


class Tab:
    """A page in a context of its own, which notes what went wrong in it."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.url = url
        self.context = browser.new_context(base_url=url, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.failures: list[str] = []
        self.page.on("pageerror", lambda error: self.failures.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.failures.append(dialog.message), dialog.dismiss()))
        self.page.on("console", lambda said: self.failures.append(said.text) if said.type == "error" else None)

    def go(self, path: str) -> Any:
        answer = self.page.goto(path)
        assert answer is not None
        return answer

    def wait_for_rows(self, count: int) -> None:
        """Wait until the list has so many rows; by locators alone, for pages allow no expressions from outside."""
        from playwright.sync_api import expect

        expect(self.page.locator("[data-row]")).to_have_count(count, timeout=15_000)

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def tab(browser: Any, served: RainerServer) -> Iterator[Tab]:
    """A page of a wide screen; whatever it complains of fails the test."""
    made = Tab(browser, served.url, viewport={"width": 1280, "height": 800})
    yield made
    made.close()
    assert made.failures == []
