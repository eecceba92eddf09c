"""YAML whose every value knows where it stands: for documents of ours that a person edits and must be told about.

Nothing is built from tags, an alias is what it names, and a member that nobody knows is refused with the nearest one
that somebody does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from rainer.errors import InvalidDocument
from rainer.model import formats
from rainer.model.setting_values import nearest

_STR: Final = "tag:yaml.org,2002:str"
_BOOL: Final = "tag:yaml.org,2002:bool"
_BOOLS: Final = ("true", "false")
_NULL: Final = "tag:yaml.org,2002:null"
_NODES_MAX: Final = 200_000
"""What a document may come to, aliases written out."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A node of a document and its JSON pointer; what is wrong with it is an InvalidDocument that says where."""

    node: Any
    pointer: str

    def fail(self, words: str, hint: str | None = None) -> NoReturn:
        """Say what is wrong with this value: InvalidDocument with pointer, line and column (both from 1)."""
        line, column = self.node.start_mark.line + 1, self.node.start_mark.column + 1
        where = f"{self.pointer or 'the document'}, line {line}, column {column}"
        raise InvalidDocument(f"{where}: {words}", hint=hint, pointer=self.pointer, line=line, column=column)

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    @property
    def is_null(self) -> bool:
        return bool(self.node.tag == _NULL)

    @property
    def is_text(self) -> bool:
        """Whether it is text; `on`, `no` and the like are, as in YAML 1.2."""
        if self.node.id != "scalar":
            return False
        return bool(self.node.tag == _STR or (self.node.tag == _BOOL and self.node.value.lower() not in _BOOLS))

    def members(self, known: Iterable[str] | None = None, needed: Iterable[str] = ()) -> dict[str, Placed]:
        """A mapping's values by name; names that are not `known` are refused, and `needed` ones demanded."""
        if self.node.id != "mapping":
            self.fail(f"{self.shown} where a mapping is needed")
        found: dict[str, Placed] = {}
        for key_node, value_node in self.node.value:
            if key_node.id != "scalar":
                Placed(key_node, self.pointer).fail("a name must be text")
            key = str(key_node.value)
            at = f"{self.pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            if key in found:
                Placed(key_node, at).fail(f"{key!r} is there twice")
            if known is not None and key not in (allowed := sorted(known)):
                match = nearest(key, allowed)
                hint = f"did you mean {match}?" if match else f"known are {', '.join(allowed)}"
                Placed(key_node, at).fail(f"there is no member {key!r}", hint)
            found[key] = Placed(value_node, at)
        for name in needed:
            if name not in found:
                self.fail(f"{name!r} is missing")
        return found

    def items(self) -> list[Placed]:
        """A list's values."""
        if self.node.id != "sequence":
            self.fail(f"{self.shown} where a list is needed", "such as [one, another]")
        return [Placed(node, f"{self.pointer}/{place}") for place, node in enumerate(self.node.value)]

    def texts(self) -> Iterator[tuple[Placed, str]]:
        """A list's values, all of them text, each with its place."""
        return ((one, one.text()) for one in self.items())

    def text(self) -> str:
        """A text; a number, date or boolean must be quoted to be one."""
        if not self.is_text:
            self.fail(f"{self.shown} is no text", "put it between quotes" if self.node.id == "scalar" else None)
        return str(self.node.value)

    @property
    def shown(self) -> str:
        """The value as a message has it."""
        if self.node.id != "scalar":
            return f"a {'list' if self.node.id == 'sequence' else self.node.id}"
        return "nothing" if self.is_null else repr(self.node.value)[:60]


def read(payload: bytes) -> Placed:
    """The one document in a payload; MalformedPayload where it is no YAML, InvalidDocument where there is not one."""
    import yaml

    text = formats.text_of(payload)
    formats.check_yaml(text, _NODES_MAX)  # a node takes half a kilobyte: none is made before they are counted
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as e:
        mark: Any = e.problem_mark or e.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise InvalidDocument(f"{e.problem or e.context}", pointer="", line=line, column=column) from None
    if node is None:
        raise InvalidDocument("the document is empty", pointer="", line=1, column=1)
    found = Placed(node, "")
    _check_size(found)
    return found


def _check_size(root: Placed) -> None:
    """Refuse what contains itself, and what aliases of aliases make too large to go through."""
    waiting, seen = [(root.node, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > formats.NESTING_MAX or seen > _NODES_MAX:
            root.fail("aliases make it too deep or too large", "write out what they stand for")
        for child in node.value if node.id != "scalar" else ():
            waiting += [(one, depth + 1) for one in (child if isinstance(child, tuple) else (child,))]
