"""A payload as the value that schemas speak of, which knows where each part of it stands in the text."""

from __future__ import annotations

import datetime
import json
import tomllib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rainer.errors import MalformedPayload
from rainer.model import formats, placed_yaml
from rainer.validation.places import Path, Place, in_json, in_toml, in_yaml

_SUFFIXES: Final = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}


class Document(NamedTuple):
    """A value, and where the value of a path in it begins."""

    value: Any
    place: Callable[[Path], Place]


def read(form: str, key: str, payload: bytes) -> Document:
    """The document of a payload; `form` is the namespace's format. MalformedPayload, with line and column.

    Where the namespace takes anything the key's suffix says what it is; without one, JSON if it begins like that, else
    YAML. Of YAML: dates and binaries are text, as they are written; names of members too.
    """
    found = form if form != "any" else _form_of(key, payload)
    if found != "json":
        formats.check_payload(found, payload)
    return _READERS[found](payload)


def _form_of(key: str, payload: bytes) -> str:
    suffix = next((form for suffix, form in _SUFFIXES.items() if key.lower().endswith(suffix)), None)
    return suffix or ("json" if payload.lstrip()[:1] in (b"{", b"[") else "yaml")


def _read_json(payload: bytes) -> Document:
    try:
        text = payload.decode("utf-8-sig")
        return Document(_decode(text), lambda path: in_json(text, path))
    except (ValueError, RecursionError) as e:
        formats.check_payload("json", payload)  # which tells what and where
        raise MalformedPayload(f"Malformed input: {e}") from None  # a number of thousands of digits


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decode: Final = json.JSONDecoder(parse_constant=_refuse).decode


def _read_toml(payload: bytes) -> Document:
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
    try:
        return Document(yaml_value(root), lambda path: in_yaml(root, path))
    except ValueError as e:
        raise MalformedPayload(f"Malformed input: {e}") from None


def yaml_value(root: Any) -> Any:
    """The plain value of a composed document. Whatever an alias repeats is made once and shared."""
    import yaml

    builder: Any = yaml.constructor.SafeConstructor()
    scalars: dict[str, Callable[[Any], Any]] = {
        "null": lambda _: None,
        "bool": builder.construct_yaml_bool,
        "int": builder.construct_yaml_int,
        "float": builder.construct_yaml_float,
    }
    made: dict[int, Any] = {}

    def value(node: Any) -> Any:
        if id(node) not in made:
            made[id(node)] = built(node)
        return made[id(node)]

    def built(node: Any) -> Any:
        if node.id == "scalar":
            read_scalar: Callable[[Any], Any] | None = scalars.get(node.tag.removeprefix("tag:yaml.org,2002:"))
            return str(node.value) if read_scalar is None else read_scalar(node)
        if node.id == "sequence":
            return [value(item) for item in node.value]
        builder.flatten_mapping(node)
        return {str(name.value): value(member) for name, member in node.value}

    return value(root)


_READERS: Final = {"json": _read_json, "yaml": _read_yaml, "toml": _read_toml}
