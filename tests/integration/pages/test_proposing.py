"""Proposals as people meet them on pages: seen, approved, rejected, too late, and by whom not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.integration.pages.conftest import EVIL, EVIL_TEXT, Tab
from tests.integration.pages.deciding import DB, LIST, Town, page_of, town
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
def tab_of(browser: Any, place: Town) -> Iterator[Callable[..., Tab]]:
    """Makes pages of people who are signed in; whatever one complains of fails the test, but for refusals."""
    made: list[Tab] = []

    def begin(who: str, **options: Any) -> Tab:
        tab = Tab(browser, place.url, **{"viewport": {"width": 1280, "height": 800}} | options)
        tab.context.add_cookies(place.cookies(who))
        made.append(tab)
        return tab

    yield begin
    for tab in made:
        tab.close()
        assert [one for one in tab.failures if "status of 4" not in one] == []


def test_somebody_else_sees_a_change_and_approves_of_it_by_the_keyboard(
    tab_of: Callable[..., Tab], place: Town
) -> None:  # fmt: skip
    ada = tab_of("ada").page
    ada.goto(f"{place.url}/-/ui/prod/db.yaml/edit")
    ada.fill("#text", DB.replace("20", "40"))
    ada.fill("#comment", "Double the pool\n\nFor the sale.")
    ada.click("button:has-text('Review')")
    ada.click("button:has-text('Propose')")
    ada.wait_for_url(f"**{LIST}/p*")
    proposal = ada.url.rpartition("/")[2]
    assert ada.locator(".menu .badge").count() == 0  # nobody waits for himself
    tab = tab_of("bob")
    page = tab.page
    tab.go(f"{LIST}?namespace=prod")
    assert page.text_content(".menu .badge").startswith("1")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{page_of(proposal)}")
    assert (page.text_content("del"), page.text_content("ins")) == ("20", "40")
    assert "For the sale." in page.text_content(".story")
    page.keyboard.press("s")
    page.wait_for_selector(".diff.split")
    page.keyboard.press("a")
    page.keyboard.type("a good idea")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Approve and commit"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=It is committed.")
    assert page.locator("form.decide, textarea").count() == 0
    assert "a good idea" in page.text_content(".story")
    page.click(".decide a")
    assert page.text_content(".versions .to .who") == "ada"
    assert page.get_attribute(".versions .to a.flag", "title") == "approved by bob"
    page.click(".versions .to a.flag")
    page.wait_for_url(f"**{page_of(proposal)}")
    meta = place.ask("rita", "GET", f"/prod/db.yaml/{place.version('db.yaml')}/meta?revisions=yes").json()
    assert (meta["author"], meta["approvedBy"], meta["proposal"]) == ("ada", "bob", proposal)


def test_nobody_approves_what_is_his_own_and_may_withdraw_it(tab_of: Callable[..., Tab], place: Town) -> None:
    proposal = place.propose("ada", "mine: yes\n")
    tab = tab_of("ada")
    page = tab.page
    tab.go(page_of(proposal))
    assert "Another person must approve." in page.text_content(".decide")
    assert page.locator("button:has-text('Approve')").count() == 0
    forced = place.post("ada", f"{page_of(proposal)}/approve")
    assert (forced.status_code, "nobody approves their own" in forced.text) == (403, True)
    assert place.state(proposal) == "open"
    page.fill("#comment", "I was wrong")
    page.click("button:has-text('Withdraw')")
    page.wait_for_selector("text=withdrew it")
    assert place.state(proposal) == "rejected"
    assert "withdrawn" in place.get("bob", f"{LIST}?state=rejected").text


def test_a_rejection_says_why_and_loses_no_words(tab_of: Callable[..., Tab], place: Town) -> None:
    proposal = place.propose("ada", "pool: 0\n")
    tab = tab_of("bob")
    tab.go(page_of(proposal))
    tab.page.click("button:has-text('Reject')")
    assert "a rejection says why" in tab.page.text_content("[role=alert]")
    tab.page.fill("#comment", "Nothing\nwould run")
    tab.page.click("button:has-text('Reject')")
    tab.page.wait_for_selector("text=rejected it")
    assert "Nothing" in tab.page.text_content(".story")
    assert place.ask("ada", "GET", f"/-/proposals/{proposal}").json()["decision"] == "Nothing\nwould run"
    late = place.post("carol", f"{page_of(proposal)}/approve", comment="please\nkeep")
    assert (late.status_code, "rejected by bob" in late.text) == (409, True)


def test_of_two_who_approve_at_once_one_is_told_who_was_quicker(tab_of: Callable[..., Tab], place: Town) -> None:
    proposal = place.propose("ada", "race: 1\n")
    bob, carol = tab_of("bob"), tab_of("carol")
    for tab in (bob, carol):
        tab.go(page_of(proposal))
    bob.page.click("text=Approve and commit")
    bob.page.wait_for_selector("text=It is committed.")
    carol.page.click("text=Approve and commit")
    told = carol.page.text_content("[role=alert]")
    assert "Somebody was quicker." in told
    assert "approved by bob" in told
    carol.page.goto(page_of(proposal))
    assert carol.page.locator("[role=alert], textarea").count() == 0

    proposal = place.propose("ada", "race: 2\n")
    place.get("bob", LIST), place.get("carol", LIST)
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda who: place.post(who, f"{page_of(proposal)}/approve"), ("bob", "carol")))
    assert sorted(one.status_code for one in answers) == [303, 409]


def test_who_presses_twice_decides_once(place: Town) -> None:
    proposal = place.propose("ada", "twice: yes\n")
    version = place.version("db.yaml")
    for _ in range(2):
        answer = place.post("bob", f"{page_of(proposal)}/approve")
        assert (answer.status_code, answer.headers["Location"]) == (303, page_of(proposal))
    assert place.version("db.yaml") == version + 1
    proposal = place.propose("ada", "thrice: yes\n")
    for _ in range(2):
        assert place.post("bob", f"{page_of(proposal)}/reject", comment="no").status_code == 303


def test_what_was_made_on_a_base_that_moved_says_by_whom(tab_of: Callable[..., Tab], place: Town) -> None:
    proposal = place.propose("ada", "workers: 16\n", "More", "app.yaml")
    tab = tab_of("carol")
    tab.go(page_of(proposal))
    version = place.version("app.yaml")
    place.commit("bob", "app.yaml", "workers: 5\n")
    tab.page.click("button:has-text('Approve')")
    told = " ".join(tab.page.text_content(".decide").split())
    assert f"prod/app.yaml moved from v{version} to v{version + 1} by bob" in told
    assert "cannot be committed any more" in told
    assert tab.page.locator("button:has-text('Approve')").count() == 0
    tab.page.click("text=from v")
    assert tab.page.text_content("ins") == "5"
    assert "stale" in place.get("bob", f"{LIST}?state=stale").text


def test_what_is_too_late_is_brought_together_and_proposed_again(tab_of: Callable[..., Tab], place: Town) -> None:
    place.commit("bootstrap", "db.yaml", DB)
    proposal = place.propose("ada", DB.replace("db-1", "db-2"), "Another host")
    place.commit("bootstrap", "db.yaml", DB.replace("5s", "8s"))
    page = tab_of("carol").page
    page.goto(place.url + page_of(proposal))
    page.click("text=Propose it again")
    page.wait_for_selector("text=bootstrap was first")
    assert page.input_value("#text") == DB.replace("db-1", "db-2").replace("5s", "8s")
    assert page.input_value("#comment") == "Another host"
    page.click("button:has-text('Review')")
    page.click("button:has-text('Propose')")
    page.wait_for_url(f"**{LIST}/p*")
    assert (page.text_content("del"), page.text_content("ins")) == ("1", "2")
    assert "Another person must approve." in page.text_content(".decide")
    two = place.propose_all("ada", {"app.yaml": "w: 1\n", "more.yaml": None}, "Two")
    place.commit("bob", "app.yaml", "w: 2\n")
    assert f"rainer propose --again {two}" in place.get("ada", page_of(two)).text


def test_pages_of_proposals_have_no_serious_fault_by_day_or_night(tab_of: Callable[..., Tab], place: Town) -> None:
    from axe_playwright_python.sync_playwright import Axe

    hostile = place.propose_all("ada", {EVIL: EVIL_TEXT, "db.yaml": "x: 1\n"}, f"{EVIL} \u202egnp\nwith {EVIL}")
    stale = place.propose("ada", "workers: 99\n", "Late", "app.yaml")
    place.commit("bob", "app.yaml", "workers: 98\n")
    tabs = {"bob": tab_of("bob", reduced_motion="reduce"), "ada": tab_of("ada", reduced_motion="reduce")}
    visits = (
        ("bob", f"{LIST}?state=all"), ("bob", page_of(hostile)), ("ada", page_of(stale)),
    )  # fmt: skip
    faults = []
    for who, path in visits:
        page = tabs[who].page
        tabs[who].go(path)
        for scheme, only in (("light", ["wcag2a", "wcag2aa", "wcag21aa"]), ("dark", ["color-contrast"])):
            page.emulate_media(color_scheme=scheme)
            found = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": only}).response
            faults += [f"{path}, {scheme}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]
        page.set_viewport_size({"width": 390, "height": 844})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{path}: too wide for a phone")
        page.set_viewport_size({"width": 1280, "height": 800})
        assert page.evaluate("window.hurt") is None
    assert faults == []


def test_many_are_paged_and_a_large_one_too(place: Town) -> None:
    large = place.propose_all("ada", {f"many-{n:02}": f"value {n}\n" for n in range(30)}, "Thirty at once")
    first = place.get("bob", page_of(large)).text
    assert (first.count('<section class="change"'), "Changes 1 to 25 of 30" in first) == (25, True)
    assert place.get("bob", f"{page_of(large)}?after=25").text.count('<section class="change"') == 5
    assert "value 27" in place.get("bob", f"{page_of(large)}?commit=28").text
    assert place.get("bob", f"{page_of(large)}?commit=31").status_code == 404
    endless = {f"long-{n}": "".join(f"{n}: {'x' * 300}\n" for n in range(2_500)) for n in range(4)}
    wide = place.get("bob", page_of(place.propose_all("ada", endless, "Long ones"))).text
    assert "there is no room for it beside the others" in wide
    assert len(wide) < 5_000_000
    for number in range(52):
        place.propose("ada", f"n: {number}\n", f"Number {number}", "numbered.yaml")
    page = place.get("bob", LIST).text
    assert page.count("data-row") == 50
    older = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    open_ones = place.ask("bob", "GET", "/-/proposals?state=open").json()["proposals"]
    assert place.get("bob", older).text.count("data-row") == len(open_ones) - 50
    place.commit("bob", "numbered.yaml", "n: 0\n")
    assert place.get("bob", LIST).text.count("data-row") == len(open_ones) - 52


def test_where_nobody_is_asked_who_he_is_the_page_says_so(served: RainerServer) -> None:
    page = requests.get(f"{served.url}{LIST}", timeout=10)
    assert (page.status_code, "asks nobody who he is" in page.text) == (200, True)
    assert requests.get(f"{served.url}{LIST}/pnothing", timeout=10).status_code == 404
    assert requests.get(f"{served.url}{LIST}?state=odd", timeout=10).status_code == 400


def test_it_is_decided_without_scripts_and_on_a_phone(tab_of: Callable[..., Tab], place: Town) -> None:
    proposal = place.propose("ada", "phone: yes\n")
    tab = tab_of("bob", java_script_enabled=False, viewport={"width": 390, "height": 844})
    tab.go(LIST)
    tab.page.click(f"a[href='{page_of(proposal)}']")
    tab.page.fill("#comment", "from the train")
    tab.page.click("text=Approve and commit")
    assert "It is committed." in tab.page.text_content(".decide")
