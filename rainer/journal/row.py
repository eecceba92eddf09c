"""Rows of the journal as the code passes them about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from rainer.errors import NamespaceClosed, NamespaceNotFound
from rainer.model import names, times
from rainer.model.commit import Commit
from rainer.model.marks import Marks
from rainer.model.position import Position


class Row(NamedTuple):
    """One row of `commits`, columns in the table's order."""

    revision: int
    namespace_id: int
    key: str
    version: int
    author: str
    comment: str
    mtime_ms: int
    recorded_ms: int
    is_empty: bool
    payload: bytes | None
    payload_sha256: bytes | None
    commit_id: str | None
    changeset: int
    hash: bytes
    marks: str | None = None

    def commit(self, namespace: str) -> Commit:
        """The row as users see it."""
        return Commit(
            self.key, self.version, self.payload, self.author, self.comment, times.from_ms(self.mtime_ms),
            bool(self.is_empty), namespace, self.revision, Marks.from_text(self.marks),
        )  # fmt: skip


class State(NamedTuple):
    """The row of `journal`: everything that says whether what one remembers still holds."""

    lineage: str
    revision: int
    chain: bytes
    recorded_ms: int
    namespaces_tag: str

    @property
    def position(self) -> Position:
        return Position(self.lineage, self.revision, bytes(self.chain))


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and its rules: `format` is any, json, yaml or toml; a closed one takes no commits."""

    id: int
    name: str
    format: str
    payload_bytes_max: int
    is_closed: bool

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "format": self.format,
            "payload_bytes_max": self.payload_bytes_max,
            "closed": self.is_closed,
        }


def known_namespace(namespaces: dict[str, Namespace], name: str) -> Namespace:
    """The namespace of that name; NamespaceNotFound."""
    found = namespaces.get(name)
    if found is None:
        raise unknown_namespace(name)
    return found


def unknown_namespace(name: str) -> NamespaceNotFound:
    return NamespaceNotFound(
        f"there is no namespace {names.shorten(name)}", hint="make it with `rainer namespace create`"
    )


def open_namespace(namespaces: dict[str, Namespace], name: str) -> Namespace:
    """The namespace of that name, for writing; NamespaceNotFound or NamespaceClosed."""
    found = known_namespace(namespaces, name)
    if found.is_closed:
        raise NamespaceClosed(f"namespace {name!r} is closed: it can be read, it takes no commits")
    return found
