"""What is done on a page before its picture is taken, where its address alone does not show it."""

from __future__ import annotations

import time
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


def _status(page: Any) -> None:
    """With mirrors: some that have every commit, one that is far behind, one that is in trouble, one with bad keys."""
    state = page.request.get("/-/status").json()
    behind = {"revision": state["revision"] - 12}
    trouble = {"state": "behind", "error": "http://central:8080 cannot be reached: connection refused"}
    bad = {"rejected": {"auth-04.toml": "it is damaged on the disk"}}
    for number, special in enumerate(({}, {}, behind, {}, trouble, bad), 1):
        body = {
            "host": f"edge-{number}", "pid": 4000 + number, "lineage": state["lineage"], "revision": state["revision"],
            "time_ms": time.time_ns() // 1_000_000, "namespace": "checkout", "via": "http",
        }  # fmt: skip
        page.request.put(f"/-/mirrors/shop-{number}", data=body | special)
    page.wait_for_selector("[data-part=mirrors] tr:nth-child(6)")


def _live(page: Any) -> None:
    """What others commit while one looks."""
    names = [f"region-{name}.toml" for name in ("east", "north", "south", "west")]
    _commit(page, dict.fromkeys(names, "workers = 4"), "First regions")
    page.reload()
    page.wait_for_selector("#live-state[data-state=live]", state="attached")
    _commit(
        page, {"region-north.toml": "workers = 9", f"region-{time.time_ns()}.toml": "workers = 1"}, "More in the north"
    )
    page.wait_for_selector("#news:not([hidden])")
    page.wait_for_selector("tr.changed")


def _commit(page: Any, texts: Mapping[str, str], why: str) -> None:
    versions = {key: head["version"] for key, head in page.request.get("/diary").json().items()}
    commits = [
        {"key": key, "version": versions.get(key, 0) + 1, "payload_utf8": text} for key, text in texts.items()
    ]  # fmt: skip
    page.request.post("/-/changesets", data={"author": "grace@example.org", "comment": why, "commits": commits})


ACTS: Final[Mapping[str, tuple[str, Callable[[Any], None]]]] = {
    "edit-wrong": ("/-/ui/models/prod/edit", _wrong),
    "review": (_LIMITS, _review),
    "conflict": (_LIMITS, _conflict),
    "status": ("/-/ui/-/status", _status),
    "live": ("/-/ui/diary", _live),
}
