"""The pages as a person uses them: find, read, compare, go back in time, with the keyboard alone and on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.pages.conftest import EVIL, Tab
from tests.services.rainer import RainerServer

pytestmark = pytest.mark.xdist_group("pages")

PATHS = (
    "/-/ui", "/-/ui/prices", "/-/ui/diary?q=needle-1", "/-/ui/prices?at=2", "/-/ui/prices?view=changes",
    "/-/ui/prices/eu.json", "/-/ui/prices/eu.json/history?to=3", "/-/ui/prices/eu.json/diff?from=1&to=4&view=split",
    "/-/ui/prices/eu.json/blame", "/-/ui/diary/assets",
)  # fmt: skip


def test_what_is_typed_is_searched_in_keys_and_values(tab: Tab) -> None:
    page = tab.page
    tab.go("/-/ui/diary")
    page.keyboard.press("/")
    page.keyboard.type("needle-77")
    tab.wait_for_rows(1)
    assert page.text_content("[data-row] [data-open]").strip() == "service-077"
    assert page.text_content(".snippet mark") == "needle-77"
    assert page.url.endswith("q=needle-77")
    page.fill("#q", "SERVICE-12")
    tab.wait_for_rows(10)
    page.fill("#q", "no such thing")
    page.wait_for_selector("#live .empty")


def test_a_list_is_paged_by_the_server_and_sorted_by_change(tab: Tab) -> None:
    page = tab.page
    tab.go("/-/ui/diary")
    assert page.locator("[data-row]").count() == 100
    page.click("a[rel=next]")
    assert page.text_content("[data-row] [data-open]").strip() > "service-090"
    page.click("text=By last change")
    assert page.text_content("[data-row] [data-open]").strip() == "endless"


def test_a_head_is_read_with_colours_and_the_commands_that_give_the_same(tab: Tab, served: RainerServer) -> None:
    page = tab.page
    tab.go("/-/ui/prices/eu.json")
    assert page.text_content("#payload .t-k") == '"currency"'
    assert page.text_content("#command-curl") == f"curl {served.url}/prices/eu.json"
    with page.expect_download() as begun:
        page.click("text=Download")
    assert begun.value.path().read_bytes().startswith(b'{\n  "currency"')
    tab.go("/-/ui/diary/assets")
    assert page.locator("[data-row]").count() == 2
    tab.go("/-/ui/diary/bytes")
    assert "00 01 02 03" in page.text_content(".bytes")


def test_any_two_versions_are_compared_inline_and_side_by_side(tab: Tab) -> None:
    page = tab.page
    tab.go("/-/ui/prices/eu.json/history?to=2")
    assert page.text_content("del") == "5000"
    assert page.text_content("ins") == "8000"
    page.click(".versions li:nth-child(1) .what")
    assert page.text_content(".diff .added .text").strip() == '"open": true,'
    page.fill("#from", "1")
    page.click("button:has-text('Compare')")
    page.click("text=Side by side")
    assert page.locator(".diff.split td.removed.text").count() == 3
    assert {"half-even", "even"} & set(page.locator("del").all_text_contents())


def test_blame_names_the_commit_of_each_line(tab: Tab) -> None:
    tab.go("/-/ui/prices/eu.json/blame")
    rows = tab.page.locator(".blame tr").all()
    shown: dict[str, str] = {}
    version = ""
    for row in rows:
        version = row.locator(".version").text_content() if row.locator(".version").count() else version
        shown[row.locator(".text").text_content().strip()] = version
    assert shown['"currency": "EUR",'] == "v1"
    assert shown['"daily": 8000,'] == "v2"
    assert shown['"rounding": "half-up",'] == "v3"
    assert shown['"note": "net of tax"'] == "v4"


def test_the_slider_moves_a_namespace_through_its_history(tab: Tab) -> None:
    page = tab.page
    tab.go("/-/ui/prices")
    page.locator("#at").fill("2")
    page.wait_for_selector(".moment.past")
    assert "As it was at revision 2" in page.text_content("#live-moment")
    assert page.text_content(".since") == "v2 → v4"
    page.click(".since")
    assert page.text_content("ins") == "up"
    tab.go("/-/ui/prices?at=2&only=changed")
    assert page.locator("[data-row]").count() == 1


def test_all_is_reached_by_the_keyboard(tab: Tab) -> None:
    page = tab.page
    tab.go("/-/ui")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab.go("/-/ui/prices")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/prices/eu.json")
    page.keyboard.press("h")
    page.wait_for_url("**/history")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**to=3")
    page.keyboard.press("s")
    page.wait_for_selector(".diff.split")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    page.wait_for_url("**/-/ui/prices")


def test_what_is_hostile_is_shown_and_does_nothing(tab: Tab) -> None:
    page = tab.page
    tab.go("/-/ui/diary")
    page.click(f"text={EVIL}")
    assert {"RLO", "ESC", "BEL", "ZWSP", "LRI"} <= set(page.locator("#payload .ctl").all_text_contents())
    for tail in ("history", "blame"):
        tab.go(f"{page.url.split('/history')[0]}/{tail}")
    tab.go("/-/ui/diary?q=window.hurt")
    assert page.locator("[data-row]").count() == 1
    assert page.evaluate("window.hurt") is None
    assert page.evaluate("document.querySelectorAll('main script, main img, svg[onload]').length") == 0


def test_an_endless_line_is_folded(tab: Tab) -> None:
    page = tab.page
    tab.go("/-/ui/diary/endless")
    longest = "Math.max(...[...document.querySelectorAll('.text *')].map((e) => e.firstChild?.data?.length ?? 0))"
    assert page.evaluate(longest) <= 4000
    page.click("text=Show more")
    assert "Piece 2 of 14" in page.text_content(".pager")
    tab.go("/-/ui/diary/endless/history")
    assert page.text_content("ins").strip() == "changed"
    assert len(page.content()) < 1_200_000


def test_the_theme_is_switched_and_stays(tab: Tab) -> None:
    page = tab.page
    tab.go("/-/ui")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    tab.go("/-/ui/diary")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_everything_is_read_without_scripts(browser: Any, served: RainerServer) -> None:
    tab = Tab(browser, served.url, java_script_enabled=False, viewport={"width": 1280, "height": 800})
    try:
        page = tab.page
        tab.go("/")
        page.click("text=diary")
        page.fill("#q", "needle-5")
        page.click("button:has-text('Search')")
        assert "needle-5" in page.text_content(".snippet")
        tab.go("/-/ui/prices?at=1")
        assert page.text_content(".since") == "v1 → v4"
        page.click(".since")
        assert page.locator("ins").count() > 0
        assert page.locator(".js-only").locator("visible=true").count() == 0
    finally:
        tab.close()


def test_no_page_has_a_serious_fault_by_day_or_night_and_none_is_too_wide_for_a_phone(tab: Tab) -> None:
    from axe_playwright_python.sync_playwright import Axe

    axe, faults = Axe(), []
    for path in PATHS:
        tab.go(path)
        # Colours are all that differs by night.
        for scheme, only in (("light", ["wcag2a", "wcag2aa", "wcag21aa"]), ("dark", ["color-contrast"])):
            tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = axe.run(tab.page, options={"resultTypes": ["violations"], "runOnly": only}).response
            faults += [
                f"{path}, {scheme}: {one['id']}: {one['nodes'][0]['html'][:200]}"
                for one in found["violations"]
                if one["impact"] in ("serious", "critical")
            ]
        tab.page.set_viewport_size({"width": 390, "height": 844})
        if tab.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{path}: too wide for a phone")
        tab.page.set_viewport_size({"width": 1280, "height": 800})
    assert faults == []
