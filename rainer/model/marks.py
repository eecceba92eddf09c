"""Marks: what the server itself says of a commit, for ever, beside what its author says.

They are kept as canonical JSON (members sorted, no spaces, ASCII alone) and are part of the hash chain, so that nobody
takes one off again. A commit of which there is nothing to say has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_SHOWN: Final = {"identity": "identity", "approved_by": "approvedBy", "proposal": "proposal", "forced": "forced"}
"""Member as it is kept → member as it is shown in JSON metadata."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What the server says of a commit.

    `identity` is who committed, where the author is somebody else; `approved_by` who approved, `proposal` the number
    of what was approved, as text; `forced` that rules of validation were set aside.
    """

    identity: str | None = None
    approved_by: str | None = None
    proposal: str | None = None
    forced: bool = False

    def to_text(self) -> str | None:
        """The form that is kept and chained; None where there is nothing to say."""
        found = {name: value for name in _SHOWN if (value := getattr(self, name)) not in (None, False)}
        return json.dumps(found, sort_keys=True, separators=(",", ":")) if found else None

    def members(self) -> dict[str, Any]:
        """The members that JSON metadata carries, as far as there is something to say."""
        return {shown: value for name, shown in _SHOWN.items() if (value := getattr(self, name)) not in (None, False)}

    @classmethod
    def from_text(cls, text: str | None) -> Marks | None:
        """Read what is kept; None for none. What a hand has damaged says nothing: to find that is `verify`'s affair."""
        if not text:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return cls._of(found, {name: name for name in _SHOWN})

    @classmethod
    def from_members(cls, meta: Mapping[str, Any]) -> Marks | None:
        """The marks of a commit's JSON metadata; None where it has none."""
        return cls._of(meta, _SHOWN)

    @classmethod
    def _of(cls, found: Any, names: Mapping[str, str]) -> Marks | None:
        if not isinstance(found, Mapping):
            return None
        texts = {name: str(found[spelt]) for name, spelt in names.items() if name != "forced" and found.get(spelt)}
        marks = cls(**texts, forced=found.get(names["forced"]) is True)
        return None if marks == cls() else marks


def with_mark(text: str | None, **more: Any) -> str:
    """Kept marks with some more, which take the place of those of the same name."""
    found = json.loads(text) if text else {}
    return json.dumps(found | more, sort_keys=True, separators=(",", ":"))


def members_of(text: str) -> dict[str, Any]:
    """What JSON metadata shows of marks as they are kept."""
    marks = Marks.from_text(text)
    return {} if marks is None else marks.members()
