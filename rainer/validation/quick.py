"""The common part of JSON Schema as plain functions, which only ever say that a document is valid for sure.

A library that makes an object for every value of a document takes a third of a commit's time. Most schemas use little
of what there is, and nearly every document is valid: so it is looked at quickly first, and whatever does not pass, or
whose schema says more than is known here, is left to the library. Nothing is refused here.

A schema becomes one function for each kind of value that it allows, in which all that concerns this kind is one
expression: what is said of texts costs a number nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from rainer.validation.patterns import finder

Check: TypeAlias = Callable[[Any], bool]
_NOTED: Final = {"$schema", "$id", "$comment", "$defs", "title", "description", "default", "examples", "deprecated"}
"""What demands nothing. (`format` does not, either, but says so to people only: the library may change its mind.)"""
_KNOWN: Final = frozenset(
    {"type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "items", "minItems", "maxItems"}
    | {"properties", "additionalProperties", "required", "minProperties", "maxProperties"}
)
_DEPTH_MAX: Final = 50
_ENDLESS: Final = float("inf")


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


def patterns_of(schema: Any) -> Iterator[str]:
    """The patterns that the function for a schema searches for; there must be one."""
    if not isinstance(schema, dict):
        return
    if "pattern" in schema:
        yield schema["pattern"]
    for member in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        yield from patterns_of(member)


def _compiled(schema: Any, depth: int) -> Check:
    if schema is True:
        return _anything
    if not isinstance(schema, dict) or depth > _DEPTH_MAX:
        raise _Unknown
    said = schema.keys() - _NOTED
    if not said <= _KNOWN:
        raise _Unknown
    if not said:
        return _anything
    # All of it is looked at, also what is about kinds that are not allowed: it may be more than is known here.
    made = {kind: make(schema, depth + 1) for kind, make in _MAKERS.items()}
    kinds = _kinds(schema)
    if len(kinds) == 1:
        return made[kinds.pop()]
    by_type = {each: made[kind] for kind in kinds for each in _TYPES[kind]}

    def check(value: Any) -> bool:
        one = by_type.get(type(value))
        return one is not None and one(value)

    return check


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    """The kinds of values that a schema allows; all, if it says nothing of them."""
    said = schema.get("type", list(_TYPES))
    found = {said} if isinstance(said, str) else set(said)
    if "number" in found:
        found.discard("integer")  # which it allows as well
    return found & {"string"} if "enum" in schema else found


def _anything(_value: Any) -> bool:
    return True


def _nothing(_value: Any) -> bool:
    return False


def _text(schema: Mapping[str, Any], _depth: int) -> Check:
    least, most = schema.get("minLength", 0), schema.get("maxLength", _ENDLESS)
    words = None
    if "enum" in schema:
        if not all(type(one) is str for one in schema["enum"]):
            raise _Unknown  # 1, 1.0 and true
        words = frozenset(schema["enum"])
    find = finder(schema["pattern"]) if "pattern" in schema else _anything
    if words is None and schema.keys().isdisjoint(("minLength", "maxLength")):
        return lambda value: type(value) is str and find(value)
    return lambda value: (
        type(value) is str and least <= len(value) <= most and (words is None or value in words) and find(value)
    )


def _number(schema: Mapping[str, Any], _depth: int) -> Check:
    if schema.keys().isdisjoint(("minimum", "maximum")):
        return lambda value: type(value) is int or type(value) is float
    # What is not a number, and yet one to Python, is within no bounds: the library may think otherwise.
    least, most = schema.get("minimum", -_ENDLESS), schema.get("maximum", _ENDLESS)
    return lambda value: (type(value) is int or type(value) is float) and least <= value <= most


def _integer(schema: Mapping[str, Any], _depth: int) -> Check:
    least, most = schema.get("minimum", -_ENDLESS), schema.get("maximum", _ENDLESS)
    return lambda value: (
        (type(value) is int or (type(value) is float and value.is_integer())) and least <= value <= most
    )


def _array(schema: Mapping[str, Any], depth: int) -> Check:
    least, most = schema.get("minItems", 0), schema.get("maxItems", _ENDLESS)
    item = _compiled(schema.get("items", True), depth)
    is_bounded = "minItems" in schema or "maxItems" in schema

    def check(value: Any) -> bool:
        if type(value) is not list or (is_bounded and not least <= len(value) <= most):
            return False
        for one in value:  # noqa: SIM110 - a generator costs more than what it asks
            if not item(one):
                return False
        return True

    return check


def _object(schema: Mapping[str, Any], depth: int) -> Check:
    least, most = schema.get("minProperties", 0), schema.get("maxProperties", _ENDLESS)
    needed = tuple(schema.get("required", ()))
    known = {name: _compiled(member, depth) for name, member in schema.get("properties", {}).items()}
    additional = schema.get("additionalProperties", True)
    other = _nothing if additional is False else _compiled(additional, depth)
    check_of = known.get
    is_bounded = "minProperties" in schema or "maxProperties" in schema

    def check(value: Any) -> bool:
        if type(value) is not dict or (is_bounded and not least <= len(value) <= most):
            return False
        for name in needed:
            if name not in value:
                return False
        for name, member in value.items():  # noqa: SIM110 - a generator costs more than what it asks
            if not check_of(name, other)(member):
                return False
        return True

    return check


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}
_MAKERS: Final[dict[str, Callable[[Mapping[str, Any], int], Check]]] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _schema, _depth: lambda value: type(value) is bool,
    "null": lambda _schema, _depth: lambda value: value is None,
    "object": _object,
    "array": _array,
}
