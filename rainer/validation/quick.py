"""The common part of JSON Schema as plain functions, which only ever say that a document is valid for sure.

A library that makes an object for every value of a document takes a third of a commit's time. Most schemas use little
of what there is, and nearly every document is valid: so it is looked at quickly first, and whatever does not pass, or
whose schema says more than is known here, is left to the library. Nothing is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from typing import Any, Final, TypeAlias

from rainer.validation.bounded import search

Check: TypeAlias = Callable[[Any], bool]
_NOTED: Final = {"$schema", "$id", "$comment", "$defs", "title", "description", "default", "examples", "deprecated"}
"""What demands nothing. (`format` does not, either, but says so to people only: the library may change its mind.)"""
_DEPTH_MAX: Final = 50


def _is_integer(value: Any) -> bool:
    return (type(value) is int) or (type(value) is float and value.is_integer())


_TYPES: Final[dict[str, Check]] = {
    "string": lambda value: type(value) is str,
    "integer": _is_integer,
    "number": lambda value: type(value) in (int, float),
    "boolean": lambda value: type(value) is bool,
    "null": lambda value: value is None,
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
}


class _Unknown(Exception):
    """A schema says something that only the library knows."""


def compile_schema(schema: Any) -> Check | None:
    """A function that is true only of documents that are valid, or None for a schema that says too much for that.

    To be called inside `within`, and TooSlow when a pattern takes longer. The schema must be a valid one.
    """
    try:
        return _compiled(schema, 0)
    except _Unknown:
        return None


def _compiled(schema: Any, depth: int) -> Check:
    if schema is True:
        return lambda value: True
    if not isinstance(schema, dict) or depth > _DEPTH_MAX:
        raise _Unknown
    checks: list[Check] = []
    for name, said in schema.items():
        if name in _NOTED:
            continue
        if name not in _MAKERS:
            raise _Unknown
        checks.append(_MAKERS[name](said, schema, depth + 1))
    if len(checks) == 1:
        return checks[0]

    def check(value: Any) -> bool:
        for one in checks:  # noqa: SIM110 - a generator costs more than what it asks
            if not one(value):
                return False
        return True

    return check


def _type(said: Any, _schema: Any, _depth: int) -> Check:
    if isinstance(said, str):
        return _TYPES[said]
    kinds = [_TYPES[one] for one in said]
    return lambda value: any(kind(value) for kind in kinds)


def _properties(said: Mapping[str, Any], _schema: Any, depth: int) -> Check:
    known = [(name, _compiled(member, depth)) for name, member in said.items()]

    def check(value: Any) -> bool:
        if type(value) is dict:
            for name, one in known:
                if name in value and not one(value[name]):
                    return False
        return True

    return check


def _additional(said: Any, schema: Mapping[str, Any], depth: int) -> Check:
    if "patternProperties" in schema:
        raise _Unknown
    known = schema.get("properties", {})
    if said is False:
        names = known.keys()
        return lambda value: type(value) is not dict or value.keys() <= names
    others = _compiled(said, depth)
    return lambda value: type(value) is not dict or all(others(v) for name, v in value.items() if name not in known)


def _required(said: list[str], _schema: Any, _depth: int) -> Check:
    return lambda value: type(value) is not dict or all(name in value for name in said)


def _items(said: Any, schema: Mapping[str, Any], depth: int) -> Check:
    if "prefixItems" in schema:
        raise _Unknown
    one = _compiled(said, depth)
    return lambda value: type(value) is not list or all(map(one, value))


def _enum(said: list[Any], _schema: Any, _depth: int) -> Check:
    if not all(type(one) is str for one in said):
        raise _Unknown  # 1, 1.0 and true
    return lambda value: type(value) is str and value in said


def _pattern(said: str, _schema: Any, _depth: int) -> Check:
    return lambda value: type(value) is not str or search(said, value) is not None


def _at_least(said: Any, _schema: Any, _depth: int) -> Check:
    return lambda value: type(value) not in (int, float) or value >= said


def _at_most(said: Any, _schema: Any, _depth: int) -> Check:
    return lambda value: type(value) not in (int, float) or value <= said


def _long(kind: type[Sized]) -> Callable[[Any, Any, int], Check]:
    return lambda said, _schema, _depth: lambda value: type(value) is not kind or len(value) >= said


def _short(kind: type[Sized]) -> Callable[[Any, Any, int], Check]:
    return lambda said, _schema, _depth: lambda value: type(value) is not kind or len(value) <= said


_MAKERS: Final[dict[str, Callable[[Any, Any, int], Check]]] = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "items": _items,
    "enum": _enum,
    "pattern": _pattern,
    "minimum": _at_least,
    "maximum": _at_most,
    "minLength": _long(str),
    "maxLength": _short(str),
    "minItems": _long(list),
    "maxItems": _short(list),
    "minProperties": _long(dict),
    "maxProperties": _short(dict),
}
