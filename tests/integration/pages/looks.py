"""What a page shows, waited for; and what is wrong with how it looks."""

from __future__ import annotations

from typing import Any, Final

_BY: Final = (
    ("light", ["wcag2a", "wcag2aa", "wcag21aa"]),
    ("dark", ["color-contrast"]),
)  # by night only colours differ


def expect_text(page: Any, selector: str, words: str) -> None:
    """Wait until the one such element has these words in it; by locators alone, for pages allow no expressions."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_contain_text(words, timeout=15_000)


def faults_of(page: Any) -> list[str]:
    """Serious faults by day and by night, and whether it is too wide for a phone, which it stays as wide as."""
    from axe_playwright_python.sync_playwright import Axe

    faults = []
    for scheme, only in _BY:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": only}).response["violations"]
        faults += [
            f"{scheme}: {one['id']}: {one['nodes'][0]['html'][:200]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
    page.set_viewport_size({"width": 390, "height": 844})
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        faults.append("too wide for a phone")
    return faults
