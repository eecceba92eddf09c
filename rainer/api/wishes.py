"""How a commit is wished for, beside what it says: forced past the rules of validation, or only tried."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qs

from rainer.api.asking import parse_flag
from rainer.api.problems import AncestorRefusal
from rainer.errors import InvalidError

DRY_RUN: Final = "dry_run"
TRIED: Final = "rainer_tried"
"""The member of a changeset's scope that says that its body asks only what would happen."""
_FORCE: Final = b"x-rainer-force"


def is_forced(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether `X-Rainer-Force` says yes; InvalidError where it says neither yes nor no."""
    for name, value in headers:
        if name == _FORCE:
            said = parse_flag(value.decode("latin-1"))
            if said is None:
                raise InvalidError("the header X-Rainer-Force is neither yes nor no")
            return said
    return False


def is_dry_run(scope: Any) -> bool:
    """Whether the query says `dry_run=yes`; refused where it says neither yes nor no."""
    given = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get(DRY_RUN)
    if not given:
        return False
    said = parse_flag(given[-1])
    if said is None:
        raise AncestorRefusal(f"Invalid '{DRY_RUN}' parameter (should be boolean)")
    return said
