"""What is done on a page before its picture is taken, where its address alone does not show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

_LIMITS: Final = "/-/ui/checkout/limits.json/edit"


def _wrong(page: Any) -> None:
    page.fill("#text", page.input_value("#text").replace('"version": "1.1.0",', '"version": 1.1.0,'))
    page.wait_for_selector(".typed.bad")


def _review(page: Any) -> None:
    page.fill("#text", page.input_value("#text").replace('"daily": 5000', '"daily": 9000'))
    page.fill("#comment", "Raise the daily limit for the sale")
    page.click("[data-review]")
    page.wait_for_selector(".review-head")


def _conflict(page: Any) -> None:
    """As if version 8 were the head when one began: of version 9 one heard nothing."""
    page.fill("#text", page.input_value("#text").replace('"single": 1500', '"single": 2000'))
    page.evaluate("document.querySelector('[name=base]').value = '8'")
    page.click("[data-review]")
    page.wait_for_selector(".conflict")


ACTS: Final[Mapping[str, tuple[str, Callable[[Any], None]]]] = {
    "edit-wrong": ("/-/ui/models/prod/edit", _wrong),
    "review": (_LIMITS, _review),
    "conflict": (_LIMITS, _conflict),
}
