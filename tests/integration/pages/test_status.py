"""The status of real servers: in one glance what is wrong, by itself, and for nobody more than is his."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from rainer.access import AccessOptions
from rainer.api.app import create_app
from rainer.client import Client
from rainer.journal import Journal
from rainer.mirror.mirror import Mirror
from rainer.model import times
from rainer.service import PagesOptions, ServiceOptions
from tests.integration.hosted import hosted
from tests.integration.pages.conftest import Tab
from tests.integration.pages.looks import expect_text, faults_of
from tests.integration.pages.test_sessions import Site
from tests.services import secrets
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until
from tests.services.zookeeper import ZooKeeper

pytestmark = pytest.mark.xdist_group("pages")

STATUS = "/-/ui/-/status"
NARROW = b"""
grants:
  - {who: [ada], may: [read], on: ["diary/other.*"]}
"""


@pytest.fixture
def on_status(browser: Any, served: RainerServer) -> Iterator[Tab]:
    """The status of a server that publishes nowhere; whatever the page complains of fails the test."""
    made = Tab(browser, served.url, viewport={"width": 1280, "height": 800})
    made.go(STATUS)
    yield made
    made.close()
    assert made.failures == []


def report(url: str, mirror_id: str, token: str = "", **members: Any) -> None:
    """What a mirror says of itself over HTTP."""
    body = {"host": "far", "pid": 77, "lineage": "", "revision": 0, "time_ms": times.now_ms(), "via": "http"}
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body |= {"namespace": "diary"} | members
    answer = requests.put(f"{url}/-/mirrors/{mirror_id}", json=body, headers=headers, timeout=10)
    assert answer.status_code == 200, answer.text


def test_a_publisher_its_mirrors_and_a_zookeeper_that_stops(browser: Any, own_zookeeper: ZooKeeper) -> None:
    arguments = ["--zookeeper", own_zookeeper.hosts]
    with RainerServer(arguments=arguments) as server, Client(f"{server.url}/diary", author="me") as client:
        for version in range(1, 4):
            client.commit("k", b"x", version=version)
        tab = Tab(browser, server.url, viewport={"width": 1280, "height": 1000})
        page = tab.page
        with Mirror.zookeeper(own_zookeeper.hosts, "/rainer/diary"):
            tab.go(STATUS)
            expect_text(page, ".verdict .words", "All is well: 1 of 1 mirror has every commit")
            expect_text(page, ".trees tbody tr", "publishing")
            assert "(this server)" in page.text_content(".trees tbody tr")
            assert "nothing" in page.text_content(".mirrors tbody tr")
            assert page.locator(".menu .dot").count() == 0
            report(server.url, "lame", state="behind", error="its disk is full")
            expect_text(page, ".verdict.bad .words", "1 mirror of 2 is behind: lame of diary (its disk is full)")
            expect_text(page, ".verdict .next", "process 77 on far")
            expect_text(page, ".mirrors tbody tr:first-child", "lame")
            own_zookeeper.kill()
            expect_text(page, ".verdict.bad .words", "ZooKeeper cannot be reached since")
            client.commit("k", b"x", version=4)
        tab.go("/-/ui/diary")
        expect_text(page, ".menu a[title*='ZooKeeper cannot be reached']", "something is wrong")
        tab.close()
        assert tab.failures == []


def test_it_keeps_itself_up_to_date_until_it_is_paused(on_status: Tab, served: RainerServer) -> None:
    from playwright.sync_api import expect

    page = on_status.page
    page.click(".as-table summary")
    report(served.url, "one", state="behind", error="slow")
    expect_text(page, ".mirrors tbody", "one")
    assert page.locator(".as-table table").is_visible(), "what was opened stays open"
    page.click("#pause")
    expect(page.locator("#live-state")).to_have_text("Paused")
    requests.delete(f"{served.url}/-/mirrors/one?namespace=diary", timeout=10)
    wait_until(lambda: "No mirror" in requests.get(served.url + STATUS, timeout=10).text, 5, "the mirror's end")
    assert "one" in page.text_content(".mirrors tbody")
    page.click("#pause")
    expect_text(page, "[data-part=mirrors]", "No mirror has reported")


def test_a_thousand_mirrors_are_told_the_worst_first(served: RainerServer) -> None:
    followers = [
        {"id": f"m{n:04}", "host": "h", "pid": n, "lineage": "", "revision": 0, "time_ms": times.now_ms(),
         "namespace": "diary", "state": "behind" if n == 777 else "current", "via": "http"} for n in range(1000)
    ]  # fmt: skip
    report(served.url, "top", followers=followers)
    wait_until(lambda: "of 1,001, " in requests.get(served.url + STATUS, timeout=20).text, 5, "a new look")
    first = requests.get(served.url + STATUS, timeout=20).text
    assert first.count('<tr class="') == 100
    assert first.index("m0777") < first.index("m0001")
    assert "1 to 100 of 1,001, the worst first" in first
    last = requests.get(f"{served.url}{STATUS}?page=10", timeout=20).text
    assert last.count('<tr class="') == 1
    requests.delete(f"{served.url}/-/mirrors/top?namespace=diary", timeout=10)


@pytest.mark.usefixtures("_guardian")
def test_nobody_hears_of_what_is_not_his() -> None:
    root = secrets.new_secret()
    options = ServiceOptions(access=AccessOptions(is_on=True, bootstrap_token=root), pages=PagesOptions())
    with Journal("memory:") as journal, hosted(create_app(journal, options)) as url:
        site = Site(url, root)
        with Client(f"{url}/diary", token=root) as client:
            client.create_namespace("secret")
        report(url, "lurking", root, namespace="secret", state="behind", error="secret trouble")
        report(url, "seen", root, state="behind", error="shut.b is damaged", rejected={"shut.b": "no", "open.a": "no"})
        session, _ = site.sign_in(site.ada)
        page = session.get(url + STATUS, timeout=10).text
        assert "seen" in page
        assert "open.a" in page
        for words in ("lurking", "secret", "shut.b"):
            assert words not in page, words
        with Client(f"{url}/rainer", token=root) as client:
            client.commit("policy", NARROW, version=2)
        assert "open.a" not in session.get(url + STATUS, timeout=10).text, "nor of what is not his any more"
        session.close()
        session, _ = site.sign_in(site.nobody)
        refused = session.get(url + STATUS, timeout=10)
        assert refused.status_code == 403
        assert "seen" not in refused.text
        session.close()
        session, _ = site.sign_in(root)
        assert "secret trouble" in session.get(url + STATUS, timeout=10).text
        session.close()


@pytest.mark.usefixtures("_guardian")
def test_it_is_shown_while_the_database_is_away(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with (
        Journal(f"sqlite:///{path}") as journal,
        hosted(create_app(journal, ServiceOptions(pages=PagesOptions()))) as url,
    ):
        assert requests.get(url + STATUS, timeout=10).status_code == 200
        path.rename(tmp_path / "elsewhere.db")
        path.mkdir()
        journal.engine.dispose()
        words = "The database has not answered since"
        wait_until(lambda: words in requests.get(url + STATUS, timeout=10).text, 10, words)
        path.rmdir()
        (tmp_path / "elsewhere.db").rename(path)


def test_it_is_read_without_scripts_and_has_no_serious_fault(browser: Any, served: RainerServer) -> None:
    report(served.url, "lame", state="behind", error="its disk is full", rejected={"k": "why"})
    plain = Tab(browser, served.url, java_script_enabled=False)
    plain.go(STATUS)
    plain.page.click("text=Load again")
    assert "lame" in plain.page.text_content(".verdict")
    assert plain.page.locator("#pause").is_hidden()
    plain.close()
    tab = Tab(browser, served.url, viewport={"width": 1280, "height": 800})
    page = tab.page
    tab.go(STATUS)
    page.click(".as-table summary")
    assert faults_of(page) == []
    tab.close()
    assert tab.failures == []
