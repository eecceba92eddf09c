"""Changing keys as a person does it: checked while one types, merged, reverted, by the keyboard, without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.pages.changing import LINES, Desk, desk
from tests.integration.pages.conftest import Tab

pytestmark = pytest.mark.xdist_group("pages")

WIDE = {"width": 1280, "height": 800}
REFUSALS = ("status of 409", "status of 422")


@pytest.fixture(scope="module", name="desk")
def _desk(_guardian: None) -> Iterator[Desk]:
    with desk() as made:
        yield made


@pytest.fixture
def tab(browser: Any, desk: Desk) -> Iterator[Tab]:
    """A page; the browser's word that a refusal has its status is no failure."""
    made = Tab(browser, desk.url, viewport=WIDE)
    yield made
    made.close()
    assert [said for said in made.failures if not any(words in said for words in REFUSALS)] == []


def commit(page: Any, why: str = "Because", name: str = "grace") -> None:
    """Fill in what the review asks for, commit, and wait until it is told."""
    page.fill("#comment", why)
    if page.locator("#author").is_visible():
        page.fill("#author", name)
    page.click("button[value=commit]")
    page.wait_for_selector(".done")


def test_a_text_is_checked_while_one_types_looked_over_and_committed(tab: Tab, desk: Desk) -> None:
    page, key = tab.page, desk.key(b'{\n  "port": 1\n}\n', "json", "json")
    tab.go(desk.path(key, namespace="json"))
    page.wait_for_selector(".typed.fine")
    page.fill("#text", '{\n  "port": 1,\n}\n')
    page.wait_for_selector(".typed.bad")
    assert "column 1" in page.text_content("#text-fault")
    assert page.get_attribute("#text", "aria-invalid") == "true"
    assert "Line 3" in page.text_content("#said")
    assert page.locator(".band").is_visible()
    page.click("#text-fault button")
    assert page.evaluate("[document.activeElement.id, document.activeElement.selectionStart]") == ["text", 15]
    page.fill("#text", '{\n  "port": 2\n}\n')
    page.wait_for_selector(".typed.fine")
    assert page.get_attribute("#text", "aria-invalid") is None
    page.click("text=Review")
    assert (page.text_content("del"), page.text_content("ins")) == ("1", "2")
    assert page.evaluate("document.activeElement.id") == "comment"
    page.click("text=Side by side")
    page.wait_for_selector(".diff.split")
    page.click("text=Back to the text")
    assert page.input_value("#text") == '{\n  "port": 2\n}\n'
    page.click("[data-review]")
    commit(page, "Another port")
    assert "Version 2 is committed" in page.text_content(".done")
    assert f"as revision {desk.head(key, 'json').revision}" in page.text_content(".done")
    assert desk.head(key, "json").payload == b'{\n  "port": 2\n}\n'
    page.click("text=What it changed")
    assert page.text_content("ins") == "2"
    tab.go(desk.path(key, namespace="json"))
    assert "grace" in page.text_content(".who summary"), "the name is asked once"


def test_what_others_did_meanwhile_is_merged(tab: Tab, desk: Desk) -> None:
    page, key = tab.page, desk.key()
    tab.go(desk.path(key))
    page.fill("#text", LINES.decode().replace("six", "SIX"))
    desk.commit(key, LINES.replace(b"one", b"ONE"), 2)
    page.click("text=Merge mine with it")  # the page heard of it by itself
    page.wait_for_selector(".conflict")
    assert "ada was first" in page.text_content(".conflict")
    assert "do not touch" in page.text_content(".conflict")
    page.click("text=What they changed")
    assert page.text_content(".conflict .diff .added .text").strip() == "ONE"
    page.click("[data-review]")
    page.wait_for_selector(".review-head")
    commit(page)
    assert desk.head(key).payload == b"ONE\ntwo\nthree\nfour\nfive\nSIX\n"


def test_a_conflict_is_marked_and_not_committed_before_it_is_resolved(tab: Tab, desk: Desk) -> None:
    page, key = tab.page, desk.key()
    tab.go(desk.path(key))
    page.fill("#text", LINES.decode().replace("two", "deux"))
    desk.commit(key, LINES.replace(b"two", b"zwei"), 2)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".conflict")
    assert "1 place was changed by both" in page.text_content(".conflict")
    page.wait_for_selector(".typed.bad")
    page.click("[data-review]")
    page.wait_for_selector(".fault")
    assert "conflict mark is left" in page.text_content(".fault")
    text = page.input_value("#text")
    assert text.count("deux") == text.count("zwei") == 1
    page.fill("#text", LINES.decode().replace("two", "deux, zwei"))
    page.wait_for_selector(".typed.fine")
    page.click("[data-review]")
    page.wait_for_selector(".review-head")
    commit(page)
    assert desk.head(key).payload == LINES.replace(b"two", b"deux, zwei")


def test_a_file_takes_the_place_of_bytes_that_no_text_field_holds(tab: Tab, desk: Desk) -> None:
    from playwright.sync_api import expect

    page, key, content = tab.page, desk.key(b"\x00\xff"), bytes(range(256)) * 100
    tab.go(desk.path(key))
    page.set_input_files("#file", {"name": "new.bin", "mimeType": "application/octet-stream", "buffer": content})
    expect(page.locator("#file-name")).to_contain_text("new.bin")
    page.click("[data-review]")
    assert "2 B became 25.6 kB" in page.text_content("#live")
    commit(page)
    assert desk.head(key).payload == content


def test_a_version_is_reverted_and_a_key_removed(tab: Tab, desk: Desk) -> None:
    page, key = tab.page, desk.key()
    desk.commit(key, b"worse\n", 2)
    tab.go(desk.path(key, "history"))
    page.click("text=Revert to v1")
    assert page.input_value("#comment") == "Revert to version 1"
    page.fill("#author", "grace")
    page.click("button.main")
    page.wait_for_selector(".done")
    assert desk.head(key).payload == LINES
    page.click("text=Remove")
    assert "will hold nothing" in page.text_content(".lead")
    commit(page, "Not needed")
    assert desk.head(key).is_empty
    page.click("text=can be brought back")
    commit(page, "Needed after all")
    assert desk.head(key).payload == LINES


def test_the_keyboard_alone_leads_from_the_list_to_a_commit_and_is_never_caught(tab: Tab, desk: Desk) -> None:
    page = tab.page
    desk.journal.create_namespace("keys")
    desk.commit("only.yaml", b"a:\n  b: 1\n", 1, namespace="keys")
    tab.go("/-/ui/keys")
    keys = page.keyboard
    for key in ("j", "Enter"):
        keys.press(key)
    page.wait_for_url("**/only.yaml")
    keys.press("e")
    page.wait_for_selector(".typed.fine")
    assert page.evaluate("document.activeElement.id") == "text"
    keys.press("Control+End")
    for key in ("Tab", "c", ":", "Space", "2", "Enter", "d"):
        keys.press(key)
    assert page.input_value("#text") == "a:\n  b: 1\n  c: 2\n  d"
    keys.press("Shift+Tab")
    assert page.input_value("#text").endswith("\nd")
    keys.press("Backspace")
    keys.press("Escape")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.id") != "text", "Tab leaves after Escape"
    keys.press("Control+Enter")
    page.wait_for_selector(".review-head")
    assert page.evaluate("document.activeElement.id") == "comment"
    keys.type("By hand")
    keys.press("Tab")
    keys.type("grace")
    keys.press("Control+Enter")
    page.wait_for_selector(".done")
    assert desk.head("only.yaml", "keys").payload == b"a:\n  b: 1\n  c: 2\n"


def test_a_text_is_not_left_by_mistake_and_outlives_its_page(browser: Any, desk: Desk) -> None:
    key = desk.key()
    context = browser.new_context(base_url=desk.url, viewport=WIDE)
    try:
        page = context.new_page()
        asked: list[str] = []
        page.on("dialog", lambda box: (asked.append(box.type), box.accept() if len(asked) > 1 else box.dismiss()))
        page.goto(desk.path(key))
        page.click("#text")
        page.keyboard.type("precious")
        page.wait_for_selector(".typed.fine")
        with page.expect_event("dialog"):
            page.evaluate("setTimeout(() => location.reload(), 0)")
        assert "precious" in page.input_value("#text"), "whoever stays has his text"
        page.goto(f"/-/ui/diary/{key}")
        assert asked == ["beforeunload"] * 2
        page.goto(desk.path(key))
        assert "precious" not in page.input_value("#text")
        desk.commit(key, b"zero\n" + LINES, 2)
        page.goto(desk.path(key))
        page.click("text=Take it up again")
        assert "precious" in page.input_value("#text")
        page.click("[data-review]")
        page.wait_for_selector(".conflict")  # made on version 1, it undoes nothing of version 2
        page.click("[data-review]")
        page.wait_for_selector(".review-head")
        commit(page)
        page.goto(desk.path(key))
        assert page.locator(".restored").count() == 0
        held = desk.head(key).payload or b""
        assert b"precious" in held
        assert held.startswith(b"zero\n")
    finally:
        context.close()


def test_it_all_works_without_scripts(browser: Any, desk: Desk) -> None:
    made, key = Tab(browser, desk.url, java_script_enabled=False, viewport=WIDE), desk.key(b"{}\n", "json", "json")
    try:
        page = made.page
        made.go(f"/-/ui/json/{key}")
        page.click("text=Edit")
        assert page.locator(".js-only").locator("visible=true").count() == 0
        page.fill("#text", "{\n  nonsense\n}\n")
        page.click("text=Review")
        assert page.text_content(".fault .at-line code") == "  nonsense"
        assert page.input_value("#text") == "{\n  nonsense\n}\n"
        page.fill("#text", '{"a": 1}\n')
        page.click("text=Review")
        commit(page)
        assert desk.head(key, "json").payload == b'{"a": 1}\n'
        made.go("/-/ui/json")
        page.click("text=New key")
        page.fill("#key", "fresh.json")
        page.keyboard.press("Enter")
        page.fill("#text", "[]")
        page.click("text=Review")
        commit(page)
        assert desk.head("fresh.json", "json").payload == b"[]"
    finally:
        made.close()


def test_no_page_that_changes_something_has_a_serious_fault_or_is_too_wide(tab: Tab, desk: Desk) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page, key, rule = tab.page, desk.key(), "small-axe"
    desk.commit(key, LINES.replace(b"two", b"zwei"), 2)
    desk.commit(rule, b"12345", 1, namespace="ruled")
    bytes_key = desk.key(b"\x00")
    axe, faults = Axe(), []

    def look(what: str) -> None:
        # Colours are all that differs by night.
        for scheme, only in (("light", ["wcag2a", "wcag2aa", "wcag21aa"]), ("dark", ["color-contrast"])):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = axe.run(page, options={"resultTypes": ["violations"], "runOnly": only}).response
            faults.extend(
                f"{what}, {scheme}: {one['id']}: {one['nodes'][0]['html'][:200]}"
                for one in found["violations"]
                if one["impact"] in ("serious", "critical")
            )
        page.set_viewport_size({"width": 390, "height": 844})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{what}: too wide for a phone")
        page.set_viewport_size(WIDE)

    tab.go(desk.path(key))
    page.fill("#text", LINES.decode().replace("two", "deux" * 40))
    page.wait_for_selector(".typed.fine")
    look("edit")
    page.evaluate("document.querySelector('[name=base]').value = '1'")
    page.click("[data-review]")
    page.wait_for_selector(".conflict")
    look("conflict")
    page.fill("#text", "new\n")
    page.click("[data-review]")
    page.wait_for_selector(".review-head")
    look("review")
    commit(page)
    look("done")
    tab.go(f"/-/ui/ruled/{rule}/edit")
    page.fill("#text", "x" * 100)
    page.click("[data-review]")
    page.wait_for_selector(".force")
    assert page.locator("button[value=commit]").is_disabled()
    look("forced")
    page.check("#forced")
    commit(page)
    for path in (
        desk.path(key, "revert?to=1"),
        desk.path(bytes_key),
        "/-/ui/-/new?namespace=diary",
    ):
        tab.go(path)
        look(path)
    assert faults == []
