"""Patterns that cannot take long: these need no time-out, to set which takes ten times as long as a usual search.

Only what is certain counts: a row of single characters and classes of them, each perhaps repeated, without groups,
alternatives or references, and of ASCII. How often such a pattern can look at a character of a text follows from its
repetitions and the text's length alone. Everything else is searched for with a time-out, by `bounded.search`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from rainer.validation.bounded import PATTERN_CHARS_MAX, check_time, search

_LOOKS_MAX: Final = 20_000
"""How often a search may look at a character: a fraction of a millisecond, for it holds the interpreter."""
_TEXT_CHARS: Final = (4_096, 1_024, 256, 64, 16)
_ITEMS_MAX: Final = 100

_ESCAPED: Final = r"\\[.*+?^$|(){}\[\]\\/-]"
_MEMBER: Final = rf"(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_ %,./:;=@]|{_ESCAPED})"
_ITEM: Final = re.compile(
    rf"(?:[A-Za-z0-9_ %,/:;=@-]|{_ESCAPED}|\.|\[\^?{_MEMBER}{{1,100}}+-?\])"
    r"(?P<repeat>[?*+]|\{(?P<least>[0-9]{1,4})(?P<more>,(?P<most>[0-9]{1,4})?)?\})?"
)
_REPEATS: Final = {None: (1, 1), "?": (0, 1), "*": (0, None), "+": (1, None)}

Repeat = tuple[int, int | None]
"""How often an item may stand there, at least and at most; None is no bound."""


def finder(pattern: str) -> Callable[[str], bool]:
    """A function that tells whether a text holds a match, as `bounded.search`: to be asked inside `within`; TooSlow."""

    def find(text: str) -> bool:
        return search(pattern, text) is not None

    chars_max = chars_without_bound(pattern)
    if not chars_max:
        return find
    look: Callable[[str], Any] = re.compile(pattern).search

    def find_looking_at_the_clock(text: str) -> bool:
        if len(text) > chars_max:
            return find(text)
        check_time()
        return look(text) is not None

    def find_at_once(text: str) -> bool:
        return find(text) if len(text) > chars_max else look(text) is not None

    return find_at_once if is_timeless(pattern) else find_looking_at_the_clock


def is_timeless(pattern: str) -> bool:
    """Whether a search in a text of up to 4,096 characters looks at each a few times only, and asks no clock."""
    return chars_without_bound(pattern) == _TEXT_CHARS[0]


def chars_without_bound(pattern: str) -> int:
    """Up to how many characters of text a pattern needs no time-out, and `re` finds what `regex` does; 0: never."""
    begins = pattern.startswith("^")
    items = _items(pattern.removeprefix("^"))
    if items is None or not _is_known(pattern):
        return 0
    return next((chars for chars in _TEXT_CHARS if _looks(items, chars, begins=begins) <= _LOOKS_MAX), 0)


def _is_known(pattern: str) -> bool:
    try:
        return re.compile(pattern) is not None
    except re.error:
        return False


def _items(pattern: str) -> list[Repeat] | None:
    """The repetitions of a row of characters and classes, with `$` perhaps at its end; None for any other pattern."""
    found: list[Repeat] = []
    at = 0
    if len(pattern) > PATTERN_CHARS_MAX:
        return None
    while at < len(pattern) and pattern[at:] != "$":
        item = _ITEM.match(pattern, at)
        if item is None or len(found) == _ITEMS_MAX:
            return None
        at = item.end()
        found.append(_repeat(item))
    return found


def _repeat(item: re.Match[str]) -> Repeat:
    if item["least"] is None:
        return _REPEATS[item["repeat"]]
    least = int(item["least"])
    if item["more"] is None:
        return least, least
    return least, None if item["most"] is None else int(item["most"])


def _looks(items: list[Repeat], chars: int, *, begins: bool) -> int:
    """How often a text of so many characters is looked at, at most, before it is certain that nothing is found.

    Each way in which the items before one can stand leads to it once, and there it is tried as often as it may repeat.
    """
    ways = 1 if begins else chars + 1
    looks = 0
    for least, most in items:
        often = chars if most is None else min(most, chars)
        looks += ways * (often + 1)
        ways *= max(often - least, 0) + 1
    return looks + ways
