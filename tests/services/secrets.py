"""Tokens must not stand in any log: what tests make is noted here, and every server's output is searched at its end."""

from __future__ import annotations

import re
import secrets

_TOKEN = re.compile(
    r"rnr_[a-z2-7]{8}_[A-Za-z0-9_-]{43}|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
)
_noted: set[str] = set()
found: list[str] = []
"""What was found where: at the end of a run this is to be empty."""
searched = 0
"""The characters of logs that were searched."""


def new_secret() -> str:
    """A bootstrap token, which no log may show from now on."""
    text = secrets.token_urlsafe(32)
    _noted.add(text)
    return text


def tokens_in(text: str) -> list[str]:
    """Every token in a text, cut so that the finding itself gives none away."""
    shown = [f"{match[0][:12]}…" for match in _TOKEN.finditer(text)]
    return shown + [f"{secret[:4]}… (a bootstrap token)" for secret in _noted if secret in text]


def search(text: str, where: str) -> None:
    """Search a log, and keep what is found for the end of the run."""
    global searched
    searched += len(text)
    found.extend(f"{token} in {where}" for token in tokens_in(text))
