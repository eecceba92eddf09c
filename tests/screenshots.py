"""`python -m tests.screenshots [FOLDER [NAME...]]`: PNGs of every page, by day and night, wide and on a phone."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final

from rainer.client import Client
from tests.screen_acts import ACTS
from tests.screen_town import SIGNED, shoot_signed
from tests.services import chromium
from tests.services.rainer import RainerServer

PAGES: Final[Mapping[str, str]] = {
    "namespaces": "/-/ui",
    "keys": "/-/ui/checkout",
    "search": "/-/ui/checkout?q=timeout",
    "commits": "/-/ui/checkout?view=changes",
    "as-of": "/-/ui/checkout?at=30&only=changed",
    "value": "/-/ui/checkout/limits.json",
    "history": "/-/ui/checkout/limits.json/history?to=6",
    "side-by-side": "/-/ui/checkout/limits.json/diff?from=2&to=9&view=split",
    "blame": "/-/ui/checkout/limits.json/blame",
    "manifest": "/-/ui/models/prod",
    "edit": "/-/ui/checkout/limits.json/edit",
    "revert": "/-/ui/checkout/limits.json/revert?to=7",
    "remove": "/-/ui/checkout/limits.json/remove",
    "new-key": "/-/ui/-/new?namespace=checkout",
    "not-there": "/-/ui/checkout/nothing",
}
SIZES: Final = {"wide": (1360, 850), "phone": (390, 844)}
SCHEMES: Final = ("light", "dark")
_PEOPLE: Final = ("ada@example.org", "grace@example.org", "linus@example.org", "deploy-bot")
_WORDS: Final = ("cache", "queue", "retry", "pool", "auth", "mail", "search", "export", "import", "gateway")
_REASONS: Final = ("Tune the timeout", "More workers before the sale", "Follow the new naming", "Initial import")
_STEPS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("First limits", {}),
    ("Open the Belgian market", {"markets": ["de", "fr", "nl", "be"]}),
    ("Raise the daily limit for the sale\n\nAgreed with risk; to be lowered again on Monday.", {"daily": 8000}),
    ("Fewer retries: the bank blocks us", {"retries": {"max": 2, "wait": "2s"}}),
    ("Name the owner", {"owner": "team-checkout"}),
    ("Lower the daily limit again, as agreed", {"daily": 5000}),
    ("Wait longer before the first retry", {"retries": {"max": 2, "wait": "5s"}}),
    ("Close the Belgian market: no licence yet", {"markets": ["de", "fr", "nl"]}),
    ("Raise single payments to 1,500", {"single": 1500}),
)


def fill(client: Client) -> None:
    """A namespace as a team has one, and a manifest."""
    client.create_namespace("checkout", format="any")
    client.create_namespace("models", format="json")
    checkout, models = client.in_namespace("checkout"), client.in_namespace("models")
    value: dict[str, Any] = {
        "currency": "EUR", "daily": 5000, "single": 1200, "markets": ["de", "fr", "nl"],
        "retries": {"max": 5, "wait": "2s"},
    }  # fmt: skip
    for number in range(60):
        key = f"{_WORDS[number % 10]}-{number:02}.toml"
        text = f'timeout = {700 + 37 * number}\nworkers = {number % 7 + 1}\nname = "{_WORDS[number % 10]}"\n'
        _commit(checkout, key, text, 1, _REASONS[number % 4], number)
        if number % 6 == 0 and number < 6 * len(_STEPS):
            why, change = _STEPS[number // 6]
            value |= change
            _commit(checkout, "limits.json", json.dumps(value, indent=2) + "\n", number // 6 + 1, why, number)
    names = ("anna", "bert", "carla", "dora", "emil", "frida")
    manifest: dict[str, Any] = {
        f"/models/{name}/weights.bin": {"version": f"1.{n}.0", "sha256": f"{n + 7:x}" * 64, "size": 10 ** (n + 3)}
        for n, name in enumerate(names)
    }
    _commit(models, "prod", json.dumps(manifest, indent=2), 1, "Models of November", 3)


def _commit(client: Client, key: str, text: str, version: int, why: str, number: int) -> None:
    then = datetime.now(UTC) - timedelta(minutes=13 * (61 - number) ** 2)
    client.commit(key, text.encode(), version=version, author=_PEOPLE[number % 4], comment=why, mtime=then)


def shoot(url: str, folder: Path, names: Sequence[str]) -> None:
    """These pages, or all, in every form, as `name-wide-light.png`."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        for (form, (width, height)), scheme in product(SIZES.items(), SCHEMES):
            context = browser.new_context(
                base_url=url, viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page = context.new_page()
            for name in names or [*PAGES, *ACTS]:
                path, act = ACTS.get(name) or (PAGES[name], None)
                page.goto(path)
                if act is not None:
                    act(page)
                page.screenshot(path=folder / f"{name}-{form}-{scheme}.png")
            context.close()
        browser.close()


def main() -> int:
    """Fill a server, and take its pictures."""
    reason = chromium.available()
    if reason:
        sys.exit(f"no screenshots: {reason}")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots")
    wanted = sys.argv[2:] or [*PAGES, *ACTS, *SIGNED]
    if unsigned := [name for name in wanted if name not in SIGNED]:
        with RainerServer() as server:
            with Client(f"{server.url}/checkout") as client:
                fill(client)
            shoot(server.url, folder, unsigned)
    if signed := [name for name in wanted if name in SIGNED]:
        shoot_signed(folder, signed, SIZES, SCHEMES)
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
