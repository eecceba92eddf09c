"""Chromium without a screen, driven by Playwright: the browser that pages are tried in."""

from __future__ import annotations

import importlib.util
import shutil
from typing import Any, Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
)  # fmt: skip


def find() -> str | None:
    """The browser's program."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def available() -> str | None:
    """Why this machine cannot try pages in a browser, or None when it can."""
    if find() is None:
        return "chromium is not installed here"
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed here"
    return None


def launch(playwright: Any) -> Any:
    """A browser of its own, without the user's profile."""
    return playwright.chromium.launch(executable_path=find(), args=list(ARGUMENTS))
