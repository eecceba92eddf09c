"""Pictures of pages for who is signed in: a small town in which people propose, approve and administer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

from tests.integration.pages.deciding import DB, Town, town
from tests.services import chromium

SIGNED: Final = (
    "proposals", "proposal", "own-proposal", "late-proposal", "committed-proposal", "namespace-facts", "new-namespace",
    "access", "tokens",
)  # fmt: skip


def _fill(place: Town) -> dict[str, tuple[str, str]]:
    """Have something of every kind happen; the pages by their names, each with whom it is shown to."""
    at = "/-/ui/-"
    one = place.propose("ada", DB.replace("20", "40"), "Double the pool for the sale\n\nAgreed with the database team.")
    two = place.propose("bob", "seal: false\n", "Open the vault for the audit", "vault.yaml")
    place.ask("carol", "POST", f"/-/proposals/{two}/approve", {"comment": "Until Friday."})
    done = place.propose_all("carol", {"app.yaml": "workers: 8\n", "queue.yaml": "size: 100\n"}, "More workers")
    place.ask("ada", "POST", f"/-/proposals/{done}/approve", {"comment": "The queue, too: good."})
    late = place.propose("carol", "workers: 16\n", "Even more workers", "app.yaml")
    place.commit("bob", "app.yaml", "workers: 6\n")
    return {
        "proposals": ("bob", f"{at}/proposals?state=all"),
        "proposal": ("bob", f"{at}/proposals/{one}"),
        "own-proposal": ("bob", f"{at}/proposals/{two}"),
        "late-proposal": ("carol", f"{at}/proposals/{late}"),
        "committed-proposal": ("rita", f"{at}/proposals/{done}"),
        "namespace-facts": ("root", f"{at}/namespaces/prod"),
        "new-namespace": ("root", f"{at}/new-namespace"),
        "access": ("root", f"{at}/access?who=ada&on=prod/db*"),
        "tokens": ("root", f"{at}/tokens"),
    }


def shoot_signed(
    folder: Path, names: Sequence[str], sizes: Mapping[str, tuple[int, int]], schemes: Sequence[str]
) -> None:
    """These of the pages in SIGNED, in every form, as `name-wide-light.png`."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with town() as place, sync_playwright() as playwright:
        pages = _fill(place)
        browser: Any = chromium.launch(playwright)
        for (form, (width, height)), scheme in product(sizes.items(), schemes):
            for name in names:
                who, path = pages[name]
                context = browser.new_context(
                    base_url=place.url, viewport={"width": width, "height": height}, color_scheme=scheme
                )
                context.add_cookies(place.cookies(who))
                page = context.new_page()
                page.goto(path)
                page.screenshot(path=folder / f"{name}-{form}-{scheme}.png")
                context.close()
        browser.close()
