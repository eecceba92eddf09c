"""The schemas of namespace `rainer`, compiled once for each set of them, and what they say of documents."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from jsonschema.exceptions import ValidationError, best_match
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from rainer.errors import InvalidDocument
from rainer.model import placed_yaml
from rainer.model.rules import SCHEMA_PREFIX
from rainer.validation.bounded import SCHEMA_FORMATS, BoundedValidator, TooSlow, within
from rainer.validation.documents import Document
from rainer.validation.patterns import is_timeless
from rainer.validation.places import Path, in_yaml, pointer_of
from rainer.validation.quick import Check, compile_schema, patterns_of
from rainer.validation.yaml_values import yaml_value

CHECK_S: Final = 5.0
"""How long the schemas may take over one submission, or one schema over being checked itself."""
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCES: Final = ("$ref", "$dynamicRef")
_OF_SCHEMAS: Final = BoundedValidator(BoundedValidator.META_SCHEMA, format_checker=SCHEMA_FORMATS)
_MESSAGE_CHARS_MAX: Final = 300
_ERRORS_LOOKED_AT: Final = 50


class Fault(NamedTuple):
    """What is wrong with a document, and where in it."""

    message: str
    path: Path


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema as it was read: its value and the composed document that it stands in."""

    key: str
    value: Any
    root: Any

    def fail(self, words: str, path: Path) -> InvalidDocument:
        """The error that says what is wrong with the schema itself, and where."""
        line, column = in_yaml(self.root, path)
        pointer = pointer_of(path)
        where = f"{pointer or 'the schema'}, line {line}, column {column}"
        return InvalidDocument(f"{where}: {words}", pointer=pointer, line=line, column=column)


def read_schema(key: str, payload: bytes) -> Schema:
    """The schema in a payload, JSON or YAML; InvalidDocument where it is none of draft 2020-12."""
    root = placed_yaml.read(payload).node
    schema = Schema(key, yaml_value(root), root)
    if not isinstance(schema.value, dict | bool):
        raise schema.fail("a schema is a mapping, or true or false", ())
    for path, dialect in _texts(schema.value, ("$schema",)):
        if dialect.rstrip("#") != _DIALECT:
            raise schema.fail(f"schemas here are of {_DIALECT}", path)
    try:
        with within(CHECK_S):
            error: Any = best_match(_OF_SCHEMAS.iter_errors(schema.value))
    except (TooSlow, RecursionError):
        raise schema.fail("it cannot be checked: it is too deep, or takes too long", ()) from None
    if error is not None:
        raise schema.fail(_shown(error.message), tuple(error.absolute_path))
    return schema


@dataclass(frozen=True, slots=True)
class Schemas:
    """All schemas, by name (`app` is key `schema.app`), and why those that cannot be used cannot."""

    prints: dict[str, bytes] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    _read: dict[str, Schema] = field(default_factory=dict)
    _validators: dict[str, Any] = field(default_factory=dict)
    _quick: dict[str, Check | None] = field(default_factory=dict)

    @classmethod
    def of(cls, payloads: Mapping[str, bytes], before: Schemas | None = None) -> Schemas:
        """The schemas of these payloads by key; the very ones of `before` if nothing changed since."""
        prints = {key.removeprefix(SCHEMA_PREFIX): hashlib.sha256(data).digest() for key, data in payloads.items()}
        if before is not None and before.prints == prints:
            return before
        found = cls(prints)
        for key, payload in payloads.items():
            name = key.removeprefix(SCHEMA_PREFIX)
            try:
                found._read[name] = read_schema(key, payload)
            except InvalidDocument as e:
                found.broken[name] = e.message
            except Exception as e:  # nothing that stands in the journal may end the server
                found.broken[name] = f"{type(e).__name__}: {e}"
        resources = [(one.key, DRAFT202012.create_resource(one.value)) for one in found._read.values()]
        registry: Registry[Any] = REGISTRY.with_resources(resources).crawl()
        for name, one in found._read.items():
            found._quick[name] = compile_schema(one.value)
            # Its own resolver begins at its key, so that `schema.other` beside it is found, and nothing is fetched.
            found._validators[name] = BoundedValidator(
                one.value, registry=registry, _resolver=registry.resolver(one.key)
            )
        return found

    def check_references(self) -> None:
        """InvalidDocument for the first reference that leads nowhere; nothing is ever fetched."""
        for name, schema in self._read.items():
            for path, target in _references(schema.value):
                try:
                    self._validators[name]._resolver.lookup(target)
                except Unresolvable:
                    hint = f"a schema refers to itself (#/$defs/name) or to another key here ({SCHEMA_PREFIX}other)"
                    error = schema.fail(f"{target!r} is no schema here", path)
                    error.hint = hint
                    raise error from None

    def uses(self, name: str) -> frozenset[bytes]:
        """The prints of all that a schema is made of: equal ones say the same of every document."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one in found or one not in self._read:
                continue
            found.add(one)
            targets = (target.partition("#")[0] for _, target in _references(self._read[one].value))
            waiting += [target.removeprefix(SCHEMA_PREFIX) for target in targets if target.startswith(SCHEMA_PREFIX)]
        return frozenset(self.prints[one] for one in found)

    def quick(self, name: str, seconds: float) -> Check | None:
        """A function that is true of what is valid for sure, for little values; it takes no longer than that.

        None for a schema that says too much for it, and for what is none.
        """
        quick = self._quick.get(name)
        if quick is None or all(map(is_timeless, patterns_of(self._read[name].value))):
            return quick  # without such patterns it takes no longer than it took to read the value

        def check(value: Any) -> bool:
            try:
                with within(seconds, lets_go=False):
                    return quick(value)
            except TooSlow:
                return False

        return check

    def fault(self, name: str, document: Document) -> Fault | None:
        """What a schema finds wrong with a document; to be asked inside `within`, and TooSlow when that is over."""
        validator = self._validators.get(name)
        if validator is None:
            return Fault(f"its schema {name!r} cannot be used: {self.broken.get(name, 'it is not there')}", ())
        quick = self._quick.get(name)
        if quick is not None and quick(document.value):
            return None
        try:
            found = _best(validator.iter_errors(document.value))
        except RecursionError:
            return Fault("it, or its schema, is nested too deeply to be checked", ())
        except Unresolvable as e:
            return Fault(f"its schema {name!r} refers to {_shown(str(e))}, which is not here", ())
        except (ArithmeticError, ValueError, TypeError, LookupError) as e:
            return Fault(f"it cannot be checked: {_shown(str(e))}", ())
        return found


def _best(errors: Iterator[ValidationError]) -> Fault | None:
    """The fault to tell of: of the first few, the one that says most."""
    first = [error for error, _ in zip(errors, range(_ERRORS_LOOKED_AT), strict=False)]
    if not first:
        return None
    error = best_match(iter(first))
    assert error is not None
    path: tuple[str | int, ...] = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        extra = [name for name in error.instance if name not in known and repr(name) in error.message]
        path += tuple(extra[:1])
    return Fault(_shown(error.message), path)


def _shown(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _MESSAGE_CHARS_MAX else f"{plain[:_MESSAGE_CHARS_MAX]}…"


def _references(value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every reference in a schema and where it stands. What only looks like one (in an example) is not told apart."""
    return _texts(value, _REFERENCES)


def _texts(
    value: Any, wanted: Collection[str], path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The texts in a schema that stand under one of some names, and where they stand."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name in wanted and isinstance(member, str):
                yield (*path, name), member
            elif name not in ("const", "enum", "examples", "default"):
                yield from _texts(member, wanted, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _texts(item, wanted, (*path, place))
