"""Where a value stands in the text of a document: line and column, both from 1, in JSON, YAML and TOML.

No library that is kept up tells positions of JSON and TOML, and this is little: the text was parsed before, so what is
found here is known to be well formed. What cannot be found has the place of the nearest value around it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

Path: TypeAlias = Sequence[str | int]
"""Steps from a document's root: names of members and places in lists."""
_BLANK: Final = re.compile(r"[ \t\r\n]*")
# Numbers of any length are skipped, not read.
_DECODER: Final = json.JSONDecoder(parse_int=len, parse_float=len)


class Place(NamedTuple):
    """Line and column, from 1."""

    line: int
    column: int


def pointer_of(path: Path) -> str:
    """A path as a JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def path_of(pointer: str) -> list[str]:
    """A JSON pointer's steps, all as text: which of them are places in lists the document knows."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def in_text(text: str, at: int) -> Place:
    """Line and column of a character."""
    return Place(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


# JSON


def in_json(text: str, path: Path) -> Place:
    """Where the value of a path begins."""
    at = _skip(text, 0)
    for step in path:
        found = _json_member(text, at, str(step))
        if found is None:
            break
        at = found
    return in_text(text, at)


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()


def _json_member(text: str, at: int, step: str) -> int | None:
    """Where the member or item of a name begins, the last one of that name; None where there is none."""
    opening = text[at : at + 1]
    if opening not in ("{", "["):
        return None
    found, count = None, 0
    at = _skip(text, at + 1)
    while text[at] not in "}]":
        name = str(count)
        if opening == "{":
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        if name == step:
            found = at
        _, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        at = _skip(text, at + 1) if text[at] == "," else at
        count += 1
    return found


_JSON_TOKEN: Final = re.compile(r'"(?:\\.|[^"\\])*"|[{}\[\],:]', re.DOTALL)


def json_twice(text: str) -> tuple[list[str | int], Place]:
    """The path and the place of the first name that an object has for the second time; there must be one."""
    path: list[str | int] = []
    names: list[set[str] | None] = []
    is_name = False
    for token in _JSON_TOKEN.finditer(text):
        what = token[0]
        if what in "{[":
            names.append(set() if what == "{" else None)
            path.append("" if what == "{" else 0)
        elif what in "}]":
            names.pop()
            path.pop()
        elif what == "," and names[-1] is None:
            path[-1] = int(path[-1]) + 1
        elif is_name and (seen := names[-1]) is not None and what != ",":
            path[-1] = name = json.loads(what)
            if name in seen:
                return path, in_text(text, token.start())
            seen.add(name)
        is_name = what in "{," and names[-1] is not None
    return path, Place(1, 1)


# YAML


def in_yaml(root: Any, path: Path) -> Place:
    """Where the node of a path begins, in a composed document."""
    node = root
    for step in path:
        child = _yaml_child(node, str(step))
        if child is None:
            break
        node = child
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _yaml_child(node: Any, step: str) -> Any:
    if node.id == "sequence":
        return node.value[int(step)] if step.isdecimal() and int(step) < len(node.value) else None
    if node.id == "mapping":
        return next((value for key, value in reversed(node.value) if str(key.value) == step), None)
    return None


# TOML

_TOML_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_TOML_STRING: Final = re.compile(
    r"""
    \"{3}(?:\\.|[^\\])*?"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*'
    """,
    re.DOTALL | re.VERBOSE,
)
_TOML_PART: Final = re.compile(r"[A-Za-z0-9_-]+")


def in_toml(text: str, path: Path) -> Place:
    """Where the statement stands that gives the value of a path, or begins its table."""
    wanted = tuple(str(step) for step in path)
    best, best_steps = 0, 0
    for at, name in _toml_statements(text):
        steps = _common(name, wanted)
        if steps > best_steps:
            best, best_steps = at, steps
    return in_text(text, best if best_steps else _toml_skip(text, 0))


def _common(name: tuple[str, ...], wanted: tuple[str, ...]) -> int:
    """How many of the wanted steps a statement gives; one that is about something else gives the shared ones."""
    for steps, (have, want) in enumerate(zip(name, wanted, strict=False)):
        if have != want:
            return steps
    return min(len(name), len(wanted))


def _toml_statements(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """Where each statement begins, and the full name of what it is about; items of tables' lists count from 0."""
    found: list[tuple[int, tuple[str, ...]]] = []
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    at = _toml_skip(text, 0)
    while at < len(text):
        brackets = 2 if text.startswith("[[", at) else 1 if text[at] == "[" else 0
        name, end = _toml_name(text, at + brackets)
        if brackets:
            table = _numbered(name, counts, is_item=brackets == 2)
            found.append((at, table))
            end = text.find("\n", end)
            at = _toml_skip(text, len(text) if end < 0 else end)
        else:
            found.append((at, table + name))
            at = _toml_skip(text, _toml_value_end(text, end + 1))
    return found


def _numbered(name: tuple[str, ...], counts: dict[tuple[str, ...], int], *, is_item: bool) -> tuple[str, ...]:
    """A table's name with the places of the items that it stands in."""
    full: tuple[str, ...] = ()
    for place, part in enumerate(name):
        full += (part,)
        is_new = is_item and place == len(name) - 1
        if is_new:
            counts[full] = counts.get(full, -1) + 1
        if full in counts:
            full += (str(counts[full]),)
    return full


def _toml_skip(text: str, at: int) -> int:
    found = _TOML_BLANK.match(text, at)
    return at if found is None else found.end()


def _toml_name(text: str, at: int) -> tuple[tuple[str, ...], int]:
    """A dotted name, and where its `=` or `]` stands."""
    parts: list[str] = []
    while at < len(text) and text[at] not in "=]\n":
        string, part = _TOML_STRING.match(text, at), _TOML_PART.match(text, at)
        if string is not None:
            parts.append(_unquoted(string[0]))
            at = string.end()
        elif part is not None:
            parts.append(part[0])
            at = part.end()
        else:
            at += 1
    return tuple(parts), at


def _unquoted(string: str) -> str:
    if string[0] == "'":
        return string[1:-1]
    try:
        return str(json.loads(string))
    except ValueError:  # an escape that only TOML knows
        return string[1:-1]


def _toml_value_end(text: str, at: int) -> int:
    """Where a statement's value ends: at a line's end outside strings and brackets."""
    depth = 0
    while at < len(text):
        string = _TOML_STRING.match(text, at) if text[at] in "\"'" else None
        if string is not None:
            at = string.end()
            continue
        if text[at] == "#":
            at = len(text) if (end := text.find("\n", at)) < 0 else end
            continue
        depth += (text[at] in "[{") - (text[at] in "]}")
        if text[at] == "\n" and depth <= 0:
            return at
        at += 1
    return at
