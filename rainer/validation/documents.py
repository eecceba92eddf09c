"""A payload as the value that schemas speak of, which knows where each part of it stands in the text."""

from __future__ import annotations

import datetime
import json
import tomllib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rainer.errors import InvalidDocument, MalformedPayload
from rainer.model import formats, placed_yaml
from rainer.validation.places import Path, Place, in_json, in_toml, in_yaml, json_twice, pointer_of
from rainer.validation.yaml_values import yaml_value

_SUFFIXES: Final = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}


class Document(NamedTuple):
    """A value, and where the value of a path in it begins."""

    value: Any
    place: Callable[[Path], Place]


def read(form: str, key: str, payload: bytes) -> Document:
    """The document of a payload; `form` is the namespace's format. MalformedPayload, with line and column.

    Where the namespace takes anything the key's suffix says what it is; without one, JSON if it begins like that, else
    YAML. Of YAML: dates and binaries are text, as they are written; names of members too. What says something twice is
    refused: of what counts another reader may think otherwise, and a schema would have looked at the wrong one.
    """
    found = form if form != "any" else _form_of(key, payload)
    return _READERS[found](payload)


def _form_of(key: str, payload: bytes) -> str:
    suffix = _SUFFIXES.get(key[key.rfind(".") :].lower()) if "." in key else None
    return suffix or ("json" if payload.lstrip()[:1] in (b"{", b"[") else "yaml")


def read_at_once(form: str, key: str, payload: bytes) -> Any:
    """The value that `read` has of a payload, in a tenth of its time; ValueError where it is not plainly JSON.

    What is read so is in the format json. Raises RecursionError as well.
    """
    is_json = form == "json" or (form == "any" and (key[-5:] == ".json" or _form_of(key, payload) == "json"))
    if not is_json:
        raise ValueError(form)
    text = payload.decode()  # a mark at the beginning is no JSON
    try:
        value, end = _scan(text, 0)
    except (StopIteration, _Twice):
        raise ValueError(key) from None
    if end < len(text) and text[end:].strip(" \t\r\n"):
        raise ValueError(key)
    return value


def _read_json(payload: bytes) -> Document:
    try:
        text = payload.decode("utf-8-sig")
        return Document(_decoder.decode(text), lambda path: in_json(text, path))
    except _Twice:
        raise _there_twice(text) from None
    except (ValueError, RecursionError) as e:
        formats.check_payload("json", payload)  # which tells what and where
        raise MalformedPayload(f"Malformed input: {e}") from None  # a number of thousands of digits


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class _Twice(Exception):
    """A name is there twice in an object."""


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise _Twice
    return found


_decoder: Final = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_object)
_scan: Final = _decoder.scan_once  # type: ignore[attr-defined]  # what `decode` uses, without its search for blanks


def _there_twice(text: str) -> InvalidDocument:
    """The error of an object that says something twice: readers differ in which of them counts."""
    path, (line, column) = json_twice(text)
    pointer = pointer_of(path)
    where = f"{pointer}, line {line}, column {column}"
    return InvalidDocument(f"{where}: {path[-1]!r} is there twice", pointer=pointer, line=line, column=column)


def _read_toml(payload: bytes) -> Document:
    formats.check_payload("toml", payload)  # a deep one keeps its parser busy for minutes
    text = payload.decode("utf-8-sig")
    try:
        return Document(_without_times(tomllib.loads(text)), lambda path: in_toml(text, path))
    except ValueError as e:
        raise MalformedPayload(f"Malformed input: {e}") from None


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_times(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def _read_yaml(payload: bytes) -> Document:
    root = placed_yaml.read(payload).node
    return Document(yaml_value(root), lambda path: in_yaml(root, path))


_READERS: Final = {"json": _read_json, "yaml": _read_yaml, "toml": _read_toml}
