"""Namespaces, access and tokens on pages: what an administrator does there, and what everybody else is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.integration.pages.conftest import Tab
from tests.integration.pages.deciding import Town, sign_in, town
from tests.services.rainer import RainerServer

pytestmark = [
    pytest.mark.xdist_group("pages"),
    pytest.mark.may_leak("the server runs in this process, and begins its threads when it needs them"),
]


@pytest.fixture(scope="module")
def place(_guardian: None) -> Iterator[Town]:
    with town() as found:
        yield found


@pytest.fixture
def root(browser: Any, place: Town) -> Iterator[Tab]:
    """The administrator's page; whatever it complains of fails the test, but for refusals."""
    tab = Tab(browser, place.url, viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    tab.context.add_cookies(place.cookies("root"))
    yield tab
    tab.close()
    assert [one for one in tab.failures if "status of 4" not in one] == []


def test_a_namespace_is_made_and_tells_what_holds_there(root: Tab, place: Town) -> None:
    page = root.page
    root.go("/-/ui")
    page.click("text=New namespace")
    page.fill("#name", "Not a name")
    page.keyboard.press("Enter")
    assert "Not a name" in page.text_content("[role=alert]")
    assert page.input_value("#name") == "Not a name"
    page.fill("#name", "markets")
    page.select_option("#format", "json")
    page.fill("#size", "5000")
    page.click("button:has-text('Make it')")
    page.wait_for_url("**/-/ui/markets")
    made = place.ask("root", "GET", "/-/namespaces/markets").json()
    assert (made["format"], made["payload_bytes_max"]) == ("json", 5000)
    page.click("text=Facts")
    assert "5.0 kB" in page.text_content("main")
    taken = place.post("root", "/-/ui/-/new-namespace", name="markets", format="yaml")
    assert (taken.status_code, "exists with format json" in taken.text) == (409, True)
    again = place.post("root", "/-/ui/-/new-namespace", name="markets", format="json", payload_bytes_max="5,000")
    assert (again.status_code, again.headers["Location"]) == (303, "/-/ui/markets")
    assert place.post("ada", "/-/ui/-/new-namespace", name="mine").status_code == 403
    assert "New namespace" not in place.get("ada", "/-/ui").text


def test_facts_are_told_as_far_as_one_may_read_them(place: Town) -> None:
    whole = place.get("root", "/-/ui/-/namespaces/prod").text
    assert "changes with the approval of 2 others" in whole
    assert "group:ops" in whole
    some = place.get("rita", "/-/ui/-/namespaces/prod").text
    assert "changes with the approval of somebody else" in some
    assert "group:ops" not in some
    assert "<strong>read</strong>" in some
    blind = place.get("wendy", "/-/ui/-/namespaces/prod").text
    assert "approval of" not in blind
    assert place.get("oscar", "/-/ui/-/namespaces/prod").status_code == 403
    assert place.get("root", "/-/ui/-/namespaces/nowhere").status_code == 404


def test_it_is_told_who_may_what_and_which_grant_says_so(root: Tab, place: Town) -> None:
    root.go("/-/ui/-/access?on=prod")
    page = root.page
    page.fill("#who", "ada")
    page.fill("#on", "prod/db*")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=grant 1 (line 4)")
    rows = [row.locator("th, td").all_text_contents() for row in page.locator("tbody tr").all()]
    assert rows[0] == ["read", "yes", "grant 1 (line 4): group:ops may read, write, approve on prod/*"]
    assert rows[3] == ["admin", "no", "not on all of prod/db*: no grant for ada gives admin on prod/db"]
    own = place.get("ada", "/-/ui/-/access").text
    assert 'id="who" value="ada" disabled' in own
    assert place.get("ada", "/-/ui/-/access?who=bob").status_code == 403
    assert place.get("root", "/-/ui/-/access?on=no*where").status_code == 400


def test_a_token_is_made_shown_once_and_revoked(root: Tab, place: Town) -> None:
    page = root.page
    root.go("/-/ui")
    page.click("text=Tokens")
    page.fill("#name", "bob")
    page.select_option("#days", "7")
    page.click("button:has-text('Make it')")
    text = page.text_content("#token-text")
    cookies = sign_in(place.url, text)
    assert requests.get(f"{place.url}/-/ui/prod", cookies=cookies, timeout=10).status_code == 200
    assert text not in place.get("root", "/-/ui/-/tokens").text
    page.click("text=All tokens")
    assert "bob" in page.text_content("tbody tr:first-child")
    page.click("tbody tr:first-child a:has-text('Revoke')")
    assert "Revoke the token of bob?" in page.text_content("h1")
    assert requests.get(f"{place.url}/-/ui/prod", cookies=cookies, timeout=10).status_code == 200  # asked, not done
    page.click("button:has-text('Revoke it')")
    page.wait_for_url("**/-/ui/-/tokens")
    assert "revoked" in page.text_content("tbody tr:first-child")
    assert requests.get(f"{place.url}/-/ui/prod", cookies=cookies, timeout=10).status_code == 401
    token_id = text[4:12]
    assert place.post("root", f"/-/ui/-/tokens/{token_id}/revoke").status_code == 303
    assert "It is revoked already" in place.get("root", f"/-/ui/-/tokens/{token_id}/revoke").text
    for name in ("anonymous", "a*b", ""):
        refused = place.post("root", "/-/ui/-/tokens", name=name, days="1")
        assert (refused.status_code, 'role="alert"' in refused.text) == (400, True)
    for who in ("ada", "rita"):
        assert place.get(who, "/-/ui/-/tokens").status_code == 403


def test_where_nobody_is_asked_who_he_is_it_says_so(served: RainerServer) -> None:
    for path in ("access", "tokens", "namespaces/prices"):
        page = requests.get(f"{served.url}/-/ui/-/{path}", timeout=10)
        assert (page.status_code, "asks nobody who he is" in page.text) == (200, True), path


def test_these_pages_have_no_serious_fault_by_day_or_night(root: Tab) -> None:
    from axe_playwright_python.sync_playwright import Axe

    faults = []
    for path in ("namespaces/prod", "tokens"):
        root.go(f"/-/ui/-/{path}")
        for scheme, only in (("light", ["wcag2a", "wcag2aa", "wcag21aa"]), ("dark", ["color-contrast"])):
            root.page.emulate_media(color_scheme=scheme)
            found = Axe().run(root.page, options={"resultTypes": ["violations"], "runOnly": only}).response
            faults += [f"{path}, {scheme}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]
        root.page.set_viewport_size({"width": 390, "height": 844})
        if root.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{path}: too wide for a phone")
        root.page.set_viewport_size({"width": 1280, "height": 800})
    assert faults == []
