"""What can be said of a commit at once: that it keeps the rules in force for sure. Most commits end here.

The rules are made ready when they come into force, so that asking is one loop over those of a namespace. Nothing is
refused here, and nobody is asked: whatever is not plain is for `Validation.check`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rainer.model.commit import Draft
from rainer.model.rules import Rule
from rainer.validation.documents import read_at_once
from rainer.validation.in_force import InForce

LITTLE_BYTES: Final = 1024
MOMENT_S: Final = 0.002
"""So much, and so long, is looked at on the loop: the way to a thread and back takes longer."""

Check = Callable[[Any], bool]


class Plain:
    """The rules in force, for one draft at a time; immutable."""

    __slots__ = ("_by_space", "_everywhere")

    def __init__(self, in_force: InForce) -> None:
        found = {
            space: [(text, is_prefix, _check_of(in_force, rule)) for text, is_prefix, rule in rules]
            for space, rules in in_force.rules.by_space.items()
        }
        self._by_space, self._everywhere = found, found["*"]

    def keeps(self, d: Draft, form: str) -> bool | None:
        """Whether a draft keeps all rules that hold for it, and so is in `form`, its namespace's format, for sure.

        None if no rule holds for it; False if it must be asked about: rules that are not of schemas, what is not JSON
        or not little, and what does not pass. Not for the system's documents, which more than rules is asked of.
        """
        key, payload = d.key, d.payload
        value: Any = None
        is_held = False
        for text, is_prefix, check in self._by_space.get(d.namespace, self._everywhere):
            if not (key.startswith(text) if is_prefix else key == text):
                continue
            if not is_held:
                if payload is None or len(payload) > LITTLE_BYTES:
                    return False
                try:
                    value = read_at_once(form, key, payload)
                except (ValueError, RecursionError):
                    return False
                is_held = True
            if check is None or not check(value):
                return False
        return is_held or None


def _check_of(in_force: InForce, rule: Rule) -> Check | None:
    return None if rule.schema is None or in_force.unreadable else in_force.schemas.quick(rule.schema, MOMENT_S)
