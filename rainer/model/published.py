"""What publishers write beside the ancestor's data nodes, and mirrors read: head, batches, beat, reports, parts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Self

from rainer.errors import CorruptError
from rainer.model.packed import PackedHead, frame, pack_records, unframe, unpack_records
from rainer.model.position import Position

BATCH_MAGIC: Final = b"RnB1"
FORMAT: Final = 1
_CHAIN: Final = re.compile(r"[0-9a-f]{64}")


def _is_number(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_named_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_reports(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(report, dict) for report in value)


_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "int": _is_number,
    "str": lambda value: isinstance(value, str),
    "list[str]": _is_texts,
    "dict[str, str]": _is_named_texts,
    "list[dict[str, Any]]": _is_reports,
}


def _members(what: str, data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise CorruptError(f"{what} is not JSON: {e}") from None
    if not isinstance(found, dict):
        raise CorruptError(f"{what} is not a JSON object")
    return found


class _Json:
    """A dataclass that is kept as JSON; members that a later version added are passed over."""

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode()  # type: ignore[call-overload]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read it back; CorruptError."""
        found = _members(f"the {cls.__name__.lower()}", data)
        known = {f.name: str(f.type) for f in fields(cls)}  # type: ignore[arg-type]
        members = {name: value for name, value in found.items() if name in known}
        for name, value in members.items():
            if not _TYPES[known[name]](value):
                raise CorruptError(f"the {cls.__name__.lower()}'s {name} is not of type {known[name]}")
        try:
            return cls(**members)
        except TypeError as e:
            raise CorruptError(f"the {cls.__name__.lower()} lacks something: {e}") from None


@dataclass(frozen=True, slots=True)
class Head(_Json):
    """Where a namespace's tree stands: the last whole batch `n`, and the last one that `data/` shows, `data_n`.

    `revision` and `chain` (hex) are the journal's position that the tree is current with; within one life of a tree `n`
    never goes back.
    """

    lineage: str
    n: int
    data_n: int
    revision: int
    chain: str
    format: int = FORMAT

    def __post_init__(self) -> None:
        numbers = (self.n, self.data_n, self.revision, self.format)
        if not all(type(x) is int and x >= 0 for x in numbers) or self.data_n > self.n:
            raise CorruptError(f"the head's numbers are wrong: {numbers}")
        if self.format != FORMAT:
            raise CorruptError(f"the tree is of format {self.format}, and this program knows {FORMAT}")
        if not _CHAIN.fullmatch(self.chain):
            raise CorruptError("the head's chain is wrong")

    @property
    def position(self) -> Position:
        return Position(self.lineage, self.revision, bytes.fromhex(self.chain))


@dataclass(frozen=True, slots=True)
class Batch:
    """One znode of the log: whole changesets, or part `part` of `parts` (from 1) of one that is too large for a znode.

    `position` is the journal's after the batch; parts that are not the last carry the same. With `repair` its records
    restate what the journal says, and count whatever version a mirror holds.
    """

    n: int
    position: Position
    records: Sequence[PackedHead]
    part: int = 1
    parts: int = 1
    repair: bool = False

    def to_bytes(self) -> bytes:
        header = {
            "n": self.n, "lineage": self.position.lineage, "revision": self.position.revision,
            "chain": self.position.chain.hex(), "part": self.part, "parts": self.parts, "repair": self.repair,
        }  # fmt: skip
        return frame(BATCH_MAGIC, header, pack_records(self.records))

    @classmethod
    def from_bytes(cls, data: bytes) -> Batch:
        """Read a batch back; CorruptError."""
        header, records = unframe(BATCH_MAGIC, data)
        n, revision, part, parts = (header.get(name) for name in ("n", "revision", "part", "parts"))
        lineage, chain, repair = (header.get(name) for name in ("lineage", "chain", "repair"))
        if not all(type(number) is int and 0 <= number < 2**63 for number in (n, revision, part, parts)):
            raise CorruptError(f"the batch's numbers are wrong: {(n, revision, part, parts)}")
        if not 1 <= part <= parts or not isinstance(lineage, str) or not isinstance(repair, bool):  # type: ignore[operator]
            raise CorruptError("the batch's part, lineage or repair is wrong")
        if not isinstance(chain, str) or not _CHAIN.fullmatch(chain):
            raise CorruptError("the batch's chain is wrong")
        position = Position(lineage, revision, bytes.fromhex(chain))  # type: ignore[arg-type]
        return cls(n, position, list(unpack_records(records)), part, parts, repair)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Parts(_Json):
    """Where the pieces of a commit's bytes lie that are too large for one znode: `names` under `large/<key>/`.

    The pieces, joined, are the commit in the ancestor's bytes; `sha256` (hex) and `bytes` are of the whole. A node
    `large/<key>` without data lists nothing yet: its pieces are on their way. Pieces that a newer version superseded go
    after half a minute; who does not find one reloads.
    """

    version: int
    revision: int
    names: list[str]
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Beat(_Json):
    """A publisher's sign of life: at `time_ms` the tree was current with the journal at `revision`.

    `oldest_ms` is when the oldest commit was recorded that is not published yet, 0 when there is none.
    """

    time_ms: int
    revision: int
    who: str
    oldest_ms: int = 0
    published: int = 0
    repaired: int = 0
    unpublishable: dict[str, str] = field(default_factory=dict)
    large: int = 0


@dataclass(frozen=True, slots=True)
class Report(_Json):
    """What one mirror says of itself: the position it has applied, and what it could not take (key → why).

    `namespace` is told where the place of the report does not tell it. `followers` are the reports, as JSON members, of
    the mirrors that follow this one, and of those that follow them: a mirror server passes them on.
    """

    id: str
    host: str
    pid: int
    lineage: str
    revision: int
    time_ms: int
    via: str = "zookeeper"
    state: str = "current"
    rejected: dict[str, str] = field(default_factory=dict)
    error: str = ""
    namespace: str = ""
    followers: list[dict[str, Any]] = field(default_factory=list)
