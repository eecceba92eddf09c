"""JSON Schema whose every step is bounded in time, whatever schema and document say.

The library's own keyword functions are used, as copies that see another `re`: the standard one holds the interpreter
for as long as a pattern backtracks, and no thread of the server would go on. `regex` lets go of it meanwhile and stops
when told to. Every keyword looks at the clock first, so that references that multiply end as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any, Final

import regex
from jsonschema import Draft202012Validator, FormatChecker, _keywords, _utils, validators

PATTERN_CHARS_MAX: Final = 2_000
PATTERN_STEPS_MAX: Final = 20_000
"""What a pattern may come to with its counted repetitions written out, as its compiler does: memory, not time."""
_TOKEN: Final = regex.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d*)(?:,(\d*))?\}|.", regex.DOTALL)
_clock = threading.local()


class TooSlow(Exception):
    """The time for a check is over."""


class within:  # noqa: N801 - it reads as what it does, and a generator made into one costs thrice as much
    """Let checks of this thread take so long, together; while it `lets_go` others work during a pattern's search.

    For a moment's work that is dear: whoever gives the interpreter away may wait some milliseconds to have it back.
    """

    __slots__ = ("_lets_go", "_seconds")

    def __init__(self, seconds: float, *, lets_go: bool = True) -> None:
        self._seconds, self._lets_go = seconds, lets_go

    def __enter__(self) -> None:
        _clock.end = time.monotonic() + self._seconds
        _clock.lets_go = self._lets_go

    def __exit__(self, *_raised: object) -> None:
        del _clock.end


def check_time() -> float:
    """How many seconds are left, inside `within`; TooSlow if none are."""
    left: float = _clock.end - time.monotonic()
    if left <= 0:
        raise TooSlow
    return left


@lru_cache(maxsize=1_000)
def compiled(pattern: str) -> Any:
    """A pattern, made ready; regex.error says what is wrong with it."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise regex.error(f"a pattern of over {PATTERN_CHARS_MAX} characters")
    if _steps(pattern) > PATTERN_STEPS_MAX:
        raise regex.error(f"its repetitions come to over {PATTERN_STEPS_MAX} steps")
    try:
        return regex.compile(pattern)
    except RecursionError:
        raise regex.error("it is nested too deeply") from None


def _steps(pattern: str) -> int:
    """About how many steps a pattern is compiled to; no fewer."""
    sizes, last = [0], 1
    for token in _TOKEN.finditer(pattern):
        if token[0] == "(":
            sizes.append(1)
            continue
        if token[0] == ")" and len(sizes) > 1:
            last = sizes.pop()
        elif token[1] or token[2]:
            times = max(int(token[1] or 0), int(token[2] or 0), 1)
            sizes[-1] += last * (times - 1)
            last *= times
            continue
        else:
            last = 1
        sizes[-1] += last
    return sum(sizes)


def search(pattern: str, text: str) -> Any:
    """As `re.search`, to be asked inside `within`; TooSlow."""
    try:
        return compiled(pattern).search(text, timeout=check_time(), concurrent=_clock.lets_go)
    except TimeoutError:
        raise TooSlow from None


class _Patterns:
    """Stands for the module `re` in the copies."""

    search = staticmethod(search)


def _equal(one: Any, two: Any) -> bool:
    check_time()
    return bool(_utils.equal(one, two))


def _copies(module: ModuleType, **instead: Any) -> dict[str, Any]:
    """A module's names, its functions copied so that they see each other, and `instead`, and not the module."""
    space = {**vars(module), **instead}
    for name, found in vars(module).items():
        if isinstance(found, FunctionType) and found.__module__ == module.__name__ and name not in instead:
            copy = FunctionType(found.__code__, space, name, found.__defaults__, found.__closure__)
            copy.__kwdefaults__ = found.__kwdefaults__
            space[name] = copy
    return space


def _timed(keyword: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        check_time()
        yield from keyword(validator, value, instance, schema) or ()

    return check


def _make() -> Any:
    utils = _copies(_utils, re=_Patterns, equal=_equal)
    shared = {
        name: utils[name] for name in vars(_keywords).keys() & utils.keys() if isinstance(utils[name], FunctionType)
    }
    keywords = _copies(_keywords, re=_Patterns, **shared | {"equal": _equal})
    timed = {name: _timed(keywords[f.__name__]) for name, f in Draft202012Validator.VALIDATORS.items()}
    extend: Any = validators.extend
    made = extend(Draft202012Validator, timed)
    fields = [(one.name, one.alias) for one in made.__attrs_attrs__ if one.init]

    def evolve(self: Any, **changes: Any) -> Any:
        """The same validator for another schema: the library's own is unbounded wherever a schema has `$schema`."""
        return made(**{alias: getattr(self, name) for name, alias in fields} | changes)

    made.evolve = evolve
    return made


BoundedValidator: Final = _make()
"""Draft 2020-12. To be used inside `within`; raises TooSlow."""

SCHEMA_FORMATS: Final = FormatChecker(formats=())
"""What a schema's own patterns are held to."""


@SCHEMA_FORMATS.checks("regex", raises=regex.error)
def _is_pattern(text: object) -> bool:
    return not isinstance(text, str) or compiled(text) is not None
