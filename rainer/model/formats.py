"""Formats a namespace can demand of its payloads: any, json, yaml, toml.

YAML is read event by event and builds nothing, so neither an alias bomb nor an unknown tag matters. Nesting is bounded
in all of them: their parsers take quadratic time or worse to go deep (128 kB of `a.a.a…` kept tomllib busy for two
minutes), and no configuration goes there.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any, Final, NoReturn

from rainer.errors import InvalidError, MalformedPayload

NESTING_MAX: Final = 100
_TOML_PART: Final = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*"|'[^'\n]*')"""
# Begins only where a part begins, else a long word would be tried from each of its letters.
_TOML_DEEP_KEY: Final = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_TOML_PART}[ \t]*\.[ \t]*){{{NESTING_MAX},}}+{_TOML_PART}")
_TOML_PLACE: Final = re.compile(r"\(at line (\d+), column (\d+)\)$")


def check_payload(format_name: str, payload: bytes) -> None:
    """Raise MalformedPayload, with line and column where known, if the namespace's format cannot parse the payload."""
    checker = _CHECKERS[format_name]
    if checker is not None:
        checker(text_of(payload))


def check_format_name(name: str) -> str:
    """Return `name` if it is a known format; else InvalidError that lists them."""
    if name not in _CHECKERS:
        raise InvalidError(f"format {name!r} is not known", hint=f"one of {', '.join(_CHECKERS)}")
    return name


def _refuse(what: str, line: int | None = None, column: int | None = None) -> NoReturn:
    where = "" if line is None else f" at line {line}, column {column}"
    raise MalformedPayload(f"Malformed input: {what}{where}", line=line, column=column)


def text_of(payload: bytes) -> str:
    """A payload as text, without the mark at its beginning; MalformedPayload where it is not UTF-8."""
    try:
        return payload.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = payload.count(b"\n", 0, e.start) + 1
        column = e.start - payload.rfind(b"\n", 0, e.start)
        _refuse(f"byte 0x{payload[e.start]:02x} is not UTF-8", line, column)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_json(text: str) -> None:
    try:
        json.loads(text, parse_constant=_refuse_constant, parse_int=_ignore, parse_float=_ignore)
    except json.JSONDecodeError as e:
        _refuse(f"not JSON: {e.msg}", e.lineno, e.colno)
    except RecursionError:
        _refuse("not JSON that can be read back: nested too deeply")
    except ValueError as e:
        _refuse(str(e))


def _ignore(_digits: str) -> None:
    """Numbers of any length are JSON; converting a million digits would cost quadratic time."""


def check_yaml(text: str, nodes_max: int | None = None) -> None:
    """Raise MalformedPayload, with line and column, if this is no YAML, or has more than so many nodes."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    anchors: set[str] = set()
    depth = nodes = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            nodes += isinstance(event, yaml.NodeEvent)
            if nodes_max is not None and nodes > nodes_max:
                _refuse(f"over {nodes_max:,} values are more than can be checked")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > NESTING_MAX:
                at: Any = event.start_mark
                _refuse(f"nested deeper than {NESTING_MAX}", at.line + 1, at.column + 1)
            if isinstance(event, yaml.DocumentStartEvent):
                anchors.clear()
            anchor = getattr(event, "anchor", None)
            if isinstance(event, yaml.AliasEvent) and anchor not in anchors:
                mark: Any = event.start_mark
                _refuse(f"not YAML: alias *{anchor} names no anchor", mark.line + 1, mark.column + 1)
            if anchor is not None:
                anchors.add(anchor)
    except yaml.MarkedYAMLError as e:
        found: Any = e.problem_mark or e.context_mark
        place = (None, None) if found is None else (found.line + 1, found.column + 1)
        _refuse(f"not YAML: {e.problem or e.context}", *place)
    except yaml.YAMLError as e:
        _refuse(f"not YAML: {' '.join(str(e).split())}")


def _check_toml(text: str) -> None:
    deep = _TOML_DEEP_KEY.search(text)
    if deep:
        line = text.count("\n", 0, deep.start()) + 1
        _refuse(f"a dotted key of over {NESTING_MAX} parts", line, deep.start() - text.rfind("\n", 0, deep.start()))
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        m = _TOML_PLACE.search(str(e))
        what = _TOML_PLACE.sub("", str(e)).strip()
        end = (text.count("\n") + 1, len(text) - text.rfind("\n"))
        _refuse(f"not TOML: {what}", *((int(m[1]), int(m[2])) if m else end))
    except RecursionError:
        _refuse("not TOML that can be read back: nested too deeply")
    except ValueError:
        _refuse("not TOML that can be read back: a number of thousands of digits")


_CHECKERS: Final[dict[str, Callable[[str], None] | None]] = {
    "any": None,
    "json": _check_json,
    "yaml": check_yaml,
    "toml": _check_toml,
}
FORMATS: Final = tuple(_CHECKERS)
