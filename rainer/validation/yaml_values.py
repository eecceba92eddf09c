"""The plain value of composed YAML, as schemas see it: nothing that a reader of another make would see otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from rainer.errors import InvalidDocument
from rainer.validation.places import pointer_of

NUMBER_CHARS_MAX: Final = 1_000
"""A number in base 60 takes quadratic time to read, and none of thousands of digits can be told of in decimal."""
_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"


def yaml_value(root: Any) -> Any:
    """The plain value of a composed document. Whatever an alias repeats is made once and shared.

    InvalidDocument, with its place, for a number or boolean that is none, a merge of what cannot be merged, and names
    that are there twice or are no text: what those mean differs from reader to reader.
    """
    import yaml

    builder: Any = yaml.constructor.SafeConstructor()
    readers: dict[str, Callable[[Any], Any]] = {
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
            return _scalar(root, node, readers)
        if node.id == "sequence":
            return [value(item) for item in node.value]
        _check_names(root, node)
        _flatten(root, node, builder)
        return {str(name.value): value(member) for name, member in node.value}

    return value(root)


def _scalar(root: Any, node: Any, readers: Mapping[str, Callable[[Any], Any]]) -> Any:
    kind = node.tag.removeprefix(_TAG)
    read = readers.get(kind)
    if read is None:
        return str(node.value)
    if len(node.value) > NUMBER_CHARS_MAX:
        _refuse(root, node, f"a number of over {NUMBER_CHARS_MAX:,} characters")
    try:
        return read(node)
    except (ValueError, LookupError, ArithmeticError):
        _refuse(root, node, f"{node.value[:60]!r} cannot be read as {kind}")


def _flatten(root: Any, mapping: Any, builder: Any) -> None:
    """Put in place what `<<` merges."""
    import yaml

    try:
        builder.flatten_mapping(mapping)
    except yaml.constructor.ConstructorError:
        _refuse(root, mapping, "<< merges mappings, and here is something else")


def _check_names(root: Any, mapping: Any) -> None:
    seen: set[str] = set()
    for name, member in mapping.value:
        if name.id != "scalar":
            _refuse(root, mapping, f"a name must be text, not a {name.id}", name)
        if name.tag == _MERGE:
            continue
        if name.value in seen:
            _refuse(root, member, f"{name.value[:60]!r} is there twice", name)
        seen.add(name.value)


def _refuse(root: Any, node: Any, words: str, at: Any = None) -> NoReturn:
    mark = (at or node).start_mark
    line, column, pointer = mark.line + 1, mark.column + 1, pointer_of(_path_to(root, node))
    where = f"{pointer or 'the document'}, line {line}, column {column}"
    raise InvalidDocument(f"{where}: {words}", pointer=pointer, line=line, column=column)


def _path_to(root: Any, wanted: Any) -> tuple[str | int, ...]:
    """The first way from the root to a node."""
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(root, ())]
    seen: set[int] = set()
    while waiting:
        node, path = waiting.pop()
        if node is wanted:
            return path
        if id(node) in seen or node.id == "scalar":
            continue
        seen.add(id(node))
        if node.id == "sequence":
            steps: list[tuple[Any, str | int]] = [(item, place) for place, item in enumerate(node.value)]
        else:
            steps = [(member, str(name.value)) for name, member in node.value]
        waiting += [(child, (*path, step)) for child, step in reversed(steps)]
    return ()
