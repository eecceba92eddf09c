"""What others commit appears by itself: marked, told in a bar, and never under the cursor."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from rainer.access import AccessOptions
from rainer.api.app import create_app
from rainer.client import Client
from rainer.journal import Journal
from rainer.service import PagesOptions, ServiceOptions
from tests.integration.figures import figures
from tests.integration.hosted import hosted
from tests.integration.pages.conftest import Tab
from tests.integration.pages.looks import expect_text, faults_of
from tests.integration.pages.test_sessions import Site
from tests.integration.wire import Wire
from tests.services import secrets
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.xdist_group("pages")

KEYS = [f"key-{number:02}" for number in range(40)]
HIDE = "([state]) => { Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});"
SEEN = HIDE + " document.dispatchEvent(new Event('visibilitychange')); }"
BOXES = "[...document.querySelectorAll('[data-row]')].map((e) => JSON.stringify(e.getBoundingClientRect()))"


@pytest.fixture(scope="module")
def busy(_guardian: None) -> Iterator[RainerServer]:
    """A server on which others are at work."""
    with RainerServer() as server:
        send(server, [{"key": key, "version": 1, "payload_utf8": f"{key}\n" * 60} for key in KEYS])
        yield server


@pytest.fixture
def bob(busy: RainerServer) -> Iterator[Client]:
    with client_of(busy) as client:
        yield client


@pytest.fixture
def watching(browser: Any, busy: RainerServer) -> Iterator[Tab]:
    """A tab on that server; a server that is away is no failure of the page."""
    made = Tab(browser, busy.url, viewport={"width": 1280, "height": 800})
    yield made
    made.close()
    assert [one for one in made.failures if "ERR_CONNECTION_REFUSED" not in one and "409" not in one] == []


def client_of(server: RainerServer) -> Client:
    return Client(f"{server.url}/diary", author="bob")


def send(server: RainerServer, commits: list[dict[str, Any]]) -> None:
    body = {"author": "bob", "comment": "many", "commits": commits}
    assert requests.post(f"{server.url}/-/changesets", json=body, timeout=30).status_code == 200


def go_live(tab: Tab, path: str) -> Any:
    """Open a page, and wait until it follows."""
    from playwright.sync_api import expect

    tab.go(path)
    expect(tab.page.locator("#live-state")).to_have_text("Live", timeout=15_000)
    return tab.page


def version_of(bob: Client, key: str) -> int:
    return bob.log(key, limit=1, payloads=False)[0].version


def change(bob: Client, key: str, why: str = "Because") -> int:
    version = version_of(bob, key) + 1
    bob.commit(key, f"{key} {version}\n".encode() * 60, version=version, comment=why)
    return version


def test_what_another_changes_is_marked_in_its_row_and_nothing_moves(watching: Tab, bob: Client) -> None:
    page = go_live(watching, "/-/ui/diary")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.hover("tr[data-key-name='key-03'] .who-cell")
    before = page.evaluate(BOXES)
    version = change(bob, "key-01", "Seen at once")
    change(bob, "key-03", "Under the cursor")
    expect_text(page, "tr.changed[data-key-name='key-01']", "Seen at once")
    expect_text(page, "tr.changed[data-key-name='key-01'] .version-cell", f"v{version}")
    expect_text(page, "tr.changed[data-key-name='key-03']", "Under the cursor")
    bob.commit("key-00-new", b"new", version=1, comment="New")
    expect_text(page, "#news", "1 new key")
    assert page.evaluate(BOXES) == before
    assert page.evaluate("document.activeElement.textContent") == "key-01"
    page.keyboard.press("l")
    expect_text(page, "tr.changed[data-key-name='key-00-new']", "New")
    assert page.evaluate("document.activeElement.textContent") == "key-00-new"
    bob.commit("key-00-new", None, version=2, comment="Not needed")
    expect_text(page, "tr.removed[data-key-name='key-00-new']", "removed")
    page.wait_for_selector("#news", state="hidden")


def test_what_is_filtered_or_past_stays_as_it_is(watching: Tab, bob: Client) -> None:
    page = go_live(watching, "/-/ui/diary?q=key-1")
    bob.commit("key-1-other", b"key-1", version=1)
    change(bob, "key-11", "Filtered")
    expect_text(page, "tr.changed[data-key-name='key-11']", "Filtered")
    assert page.locator("[data-row]").count() == 10
    assert page.locator("#news").is_hidden()
    page.locator("#q").fill("")
    watching.wait_for_rows(len(KEYS) + 1)
    watching.go("/-/ui/diary?at=40")
    change(bob, "key-12")
    assert page.locator("#live-state").is_hidden()


def test_a_key_tells_of_its_newer_version_in_a_bar(watching: Tab, bob: Client) -> None:
    page = go_live(watching, "/-/ui/diary/key-20")
    page.evaluate("scrollTo(0, 300)")
    version = change(bob, "key-20")
    change(bob, "key-21")
    expect_text(page, "#news", f"bob committed version {version} just now")
    expect_text(page, "#said", f"bob committed version {version}")
    assert page.evaluate("scrollY") == 300
    page.click("#news >> text=Show")
    expect_text(page, ".commit .version", f"v{version}")
    wait_until(lambda: page.evaluate("scrollY") == 300, 5, "the place where one read")
    expect_text(page, "#live-state", "Live")
    change(bob, "key-20")
    page.click("#news >> text=What changed")
    page.wait_for_url(f"**/diff?from={version}&to={version + 1}")
    assert page.text_content("ins").strip() == str(version + 1)
    page = go_live(watching, "/-/ui/diary/key-20/history")
    change(bob, "key-20")
    page.click("#news >> text=Show")
    expect_text(page, ".versions li:first-child", f"v{version + 2}")


def test_what_is_being_edited_is_left_alone_and_merged_on_demand(watching: Tab, bob: Client) -> None:
    bob.commit("key-25", b"one\ntwo\nthree\nfour\nfive\n", version=version_of(bob, "key-25") + 1)
    page = go_live(watching, "/-/ui/diary/key-25/edit")
    text = page.locator("#text")
    text.fill("one\ntwo\nthree\nfour\nmine\n")
    text.evaluate("(field) => field.setSelectionRange(4, 7)")
    before = page.evaluate("JSON.stringify(document.querySelector('#text').getBoundingClientRect())")
    version = version_of(bob, "key-25") + 1
    bob.commit("key-25", b"theirs\ntwo\nthree\nfour\nfive\n", version=version, comment="Meanwhile")
    expect_text(page, "#news", f"bob committed version {version} just now; yours is based on version {version - 1}")
    assert page.evaluate("JSON.stringify(document.querySelector('#text').getBoundingClientRect())") == before
    assert text.evaluate("(field) => field.value.slice(field.selectionStart, field.selectionEnd)") == "two"
    with page.context.expect_page() as opened:
        page.click("#news >> text=Compare")
    expect_text(opened.value, ".added .text", "theirs")
    assert text.input_value().endswith("mine\n")
    page.click("#news >> text=Merge mine with it")
    expect_text(page, ".conflict", "bob was first")
    assert page.locator("#text").input_value() == "theirs\ntwo\nthree\nfour\nmine\n"
    assert page.locator("#news").is_hidden()


def test_all_commits_and_the_first_page_tell_what_is_new(watching: Tab, bob: Client) -> None:
    page = go_live(watching, "/-/ui/diary?view=changes")
    change(bob, "key-30")
    change(bob, "key-31")
    expect_text(page, "#news", "2 new commits")
    page.keyboard.press("l")
    expect_text(page, "tr.changed:nth-child(2)", "key-30")
    page = go_live(watching, "/-/ui")
    change(bob, "key-32", "On the first page")
    expect_text(page, ".spaces li.changed .last", "key-32")
    expect_text(page, "#news", "1 new commit")
    page.keyboard.press("l")
    expect_text(page, ".timeline li:first-child", "On the first page")
    page = go_live(watching, "/-/ui/diary?sort=changed")
    change(bob, "key-05", "To the top")
    expect_text(page, "#news", "1 key has changed")
    assert page.text_content("[data-row] [data-open]").strip() == "key-32"
    page.keyboard.press("l")
    expect_text(page, "tr.changed:first-child", "To the top")


def test_how_long_ago_stays_true_while_a_page_lies_open(watching: Tab) -> None:
    watching.page.clock.install()
    watching.go("/-/ui/diary")
    expect_text(watching.page, "[data-key-name='key-39'] time", "just now")
    watching.page.clock.fast_forward(600_000)
    expect_text(watching.page, "[data-key-name='key-39'] time", "10 min ago")


def test_a_page_outlives_its_server(watching: Tab, busy: RainerServer) -> None:
    page = go_live(watching, "/-/ui/diary")
    busy.stop()
    expect_text(page, "#live-state", "Not live since")
    assert re.search(r"since \d\d:\d\d UTC, trying again", page.text_content("#live-state"))
    busy.start()
    with client_of(busy) as bob:
        change(bob, "key-02", "After the restart")
        expect_text(page, "tr.changed[data-key-name='key-02']", "After the restart")
    expect_text(page, "#live-state", "Live")


def test_a_tab_that_nobody_sees_keeps_no_stream_and_catches_up(watching: Tab, busy: RainerServer, bob: Client) -> None:
    page = go_live(watching, "/-/ui/diary")
    with Wire(busy.url) as wire:
        page.evaluate(SEEN, ["hidden"])
        wait_until(lambda: figures(wire)["rainer_feeds_open"] == 0, 5, "the stream's end")
    change(bob, "key-06", "Meanwhile")
    versions = {key: version_of(bob, key) for key in KEYS}
    for step in range(1, 27):  # more than one page of the feed tells
        send(busy, [{"key": key, "version": versions[key] + step, "payload_utf8": "x"} for key in KEYS])
    page.evaluate(SEEN, ["visible"])
    expect_text(page, "tr.changed[data-key-name='key-06']", "many")
    expect_text(page, "#live-state", "Live")
    change(bob, "key-07", "And on")
    expect_text(page, "tr.changed[data-key-name='key-07']", "And on")


def test_many_windows_leave_connections_to_others(watching: Tab, busy: RainerServer) -> None:
    first = go_live(watching, "/-/ui/diary")
    others = [watching.context.new_page() for _ in range(4)]
    for page in others:
        page.goto("/-/ui/diary")
        expect_text(page, "#live-state", "Live")
    expect_text(first, "#live-state", "Not live while four other windows are")
    with Wire(busy.url) as wire:
        wait_until(lambda: figures(wire)["rainer_feeds_open"] == 4, 5, "four streams")
    first.evaluate("window.dispatchEvent(new Event('focus'))")
    expect_text(first, "#live-state", "Live")
    expect_text(others[0], "#live-state", "Not live while")
    others[1].close()
    expect_text(others[0], "#live-state", "Live")


def test_a_burst_neither_freezes_the_page_nor_floods_the_server(watching: Tab, busy: RainerServer, bob: Client) -> None:
    page = go_live(watching, "/-/ui/diary")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("performance.mark('begun')")
    versions = {key: version_of(bob, key) for key in KEYS}

    def burst() -> None:
        for step in range(1, 51):
            send(busy, [{"key": key, "version": versions[key] + step, "payload_utf8": "x"} for key in KEYS[:10]])

    thread = threading.Thread(target=burst)
    thread.start()
    thread.join()
    expect_text(page, "tr[data-key-name='key-09'] .version-cell", f"v{versions['key-09'] + 50}")
    took_s = page.evaluate("(performance.now() - performance.getEntriesByName('begun')[0].startTime) / 1000")
    assert len(asked) <= took_s + 2


@pytest.mark.usefixtures("_guardian")
def test_nobody_sees_marks_of_what_he_may_not_read(browser: Any) -> None:
    root = secrets.new_secret()
    options = ServiceOptions(access=AccessOptions(is_on=True, bootstrap_token=root), pages=PagesOptions())
    with Journal("memory:") as journal, hosted(create_app(journal, options)) as url:
        site = Site(url, root)
        tab = Tab(browser, url)
        page = tab.page
        tab.go("/-/ui/diary")
        page.fill("#token", site.ada)
        page.click("button.main")
        told: list[str] = []
        page.on("response", lambda answer: told.append(answer.url))
        go_live(tab, "/-/ui/diary")
        with Client(f"{url}/diary", token=site.root) as client:
            client.commit("shut.b", b"still for few", version=2, author="eve")
            client.commit("shut.c", b"for few", version=1, author="eve")
            client.commit("open.a", b"changed", version=2, comment="For all")
            expect_text(page, "tr.changed[data-key-name='open.a']", "For all")
            assert "shut" not in page.content()
            assert page.locator("#news").is_hidden()
            go_live(tab, "/-/ui/diary/open.a")
            client.in_namespace("rainer").commit("policy", b"grants: []\n", version=2)
            expect_text(page, "#live-state", "not yours to read any more")
        tab.close()
        assert [one for one in tab.failures if "403" not in one and "401" not in one and "410" not in one] == []


def test_news_is_no_fault_by_day_or_night_and_fits_on_a_phone(watching: Tab, bob: Client) -> None:
    page = go_live(watching, "/-/ui/diary")
    change(bob, "key-08")
    bob.commit("key-000", b"new", version=1)
    expect_text(page, "#news", "1 new key")
    page.wait_for_selector("tr.changed")
    assert faults_of(page) == []
    box = page.locator("#news").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
