"""Reading a published tree: its head, batches of its log, all of it at one moment, and what lies there in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from rainer.errors import CorruptError, UnavailableError
from rainer.model.packed import Kind, PackedHead
from rainer.model.published import Batch, Head, Parts
from rainer.zk import Stat, Tree, ZooKeeper

_ATTEMPTS: Final = 6


class Moved(Exception):
    """What was to be read is gone or changed under the reader: there is a newer state to be read."""


class FoundHead(NamedTuple):
    """The head's contents, and which node it is: the same path in another life of the tree is another one."""

    head: Head
    life: tuple[int, int]
    mzxid: int


class Loaded(NamedTuple):
    """Everything as of `found`; keys in `broken` have a reason, and bytes in `heads` that cannot be taken."""

    found: FoundHead
    heads: Sequence[PackedHead]
    broken: Mapping[str, str]


class TreeReader:
    """Waits for its answers, so it is no use in a callback. Raises Rainer's errors, and Moved where it says so."""

    def __init__(self, zk: ZooKeeper, tree: Tree) -> None:
        self._zk = zk
        self._tree = tree

    def head(self, changed: Callable[[], None] | None = None) -> FoundHead | None:
        """The head, None where there is none; `changed` is called once when it changes, goes or comes to be."""
        path = self._tree.head
        found = self._zk.get(path) if changed is None else self._zk.watch_data(path, changed)
        return None if found is None else found_head(*found)

    def batches(self, first: int, last: int) -> list[Batch]:
        """Batches of the log, in order, as they are now; Moved when one is not there any more, CorruptError."""
        numbers = range(first, last + 1)
        found = self._zk.get_large([self._tree.batch(n) for n in numbers])
        batches = []
        for n, value in zip(numbers, found, strict=True):
            if value is None:
                raise Moved
            batch = Batch.from_bytes(value)
            if batch.n != n:
                raise CorruptError(f"the batch at {self._tree.batch(n)} says that it is number {batch.n}")
            batches.append(batch)
        return batches

    def load(self) -> Loaded | None:
        """The whole tree exactly as of one head, None where there is none."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._load(is_last_attempt=attempt == _ATTEMPTS)
            except Moved:
                continue
        raise UnavailableError(f"{self._tree.root} changes faster than it can be read")

    def _load(self, is_last_attempt: bool) -> Loaded | None:
        first = self.head()
        if first is None:
            return None
        heads = self._read_nodes()
        last = self.head()
        if last is None or last.life != first.life or last.head.lineage != first.head.lineage:
            raise Moved
        if last.head.n < first.head.n:
            raise Moved
        # What the nodes showed lies somewhere between the two heads; the log makes it exact.
        for batch in self.batches(first.head.data_n + 1, last.head.n):
            for record in batch.records:
                if record.kind is Kind.REMOVED and not record.version:
                    heads.pop(record.key, None)  # somebody invented it: the journal never had it
                else:
                    heads[record.key] = record
        whole, broken = self.join(list(heads.values()), is_patient=not is_last_attempt)
        return Loaded(last, whole, broken)

    def _read_nodes(self) -> dict[str, PackedHead]:
        keys = self._zk.children(self._tree.data) or []
        large = self._zk.children(self._tree.large) or []
        heads: dict[str, PackedHead] = {}
        for key, data in zip(keys, self._zk.get_data([self._tree.key(key) for key in keys]), strict=True):
            if data is not None:
                heads[key] = PackedHead(key, 0, 0, Kind.HEAD, data)
        for key, data in zip(large, self._zk.get_data([self._tree.large_key(key) for key in large]), strict=True):
            if data:  # without: its pieces are on their way
                heads[key] = PackedHead(key, 0, 0, Kind.PARTS, data)
        return heads

    def join(
        self, records: Sequence[PackedHead], *, is_patient: bool = True
    ) -> tuple[list[PackedHead], dict[str, str]]:
        """The records with what lies in pieces put together, and what could not be, with the reason.

        Of a key that comes several times only the last is put together; the pieces of the others may be gone already.
        Moved where pieces are not there, unless nobody is patient any more.
        """
        if not any(record.kind is Kind.PARTS for record in records):
            return list(records), {}
        last = {record.key: at for at, record in enumerate(records)}
        wanted = [(at, r) for at, r in enumerate(records) if r.kind is Kind.PARTS and last[r.key] == at]
        broken: dict[str, str] = {}
        joined: dict[int, PackedHead] = {}
        for at, record in wanted:
            try:
                joined[at] = self._join_one(record, is_patient=is_patient)
            except CorruptError as e:
                broken[record.key] = str(e)
                joined[at] = PackedHead(record.key, 0, 0, Kind.HEAD, b"")
        whole = [joined.get(at, r) for at, r in enumerate(records) if at in joined or r.kind is not Kind.PARTS]
        return whole, broken

    def _join_one(self, record: PackedHead, *, is_patient: bool) -> PackedHead:
        parts = Parts.from_bytes(record.data)
        base = self._tree.large_key(record.key)
        pieces = self._zk.get_large([f"{base}/{name}" for name in parts.names])
        if None in pieces and is_patient:
            raise Moved
        data = b"".join(piece for piece in pieces if piece is not None)
        if hashlib.sha256(data).hexdigest() != parts.sha256:
            raise CorruptError(f"the pieces under {base} are not what was published")
        return PackedHead(record.key, parts.version, parts.revision, Kind.HEAD, data)


def found_head(data: bytes, stat: Stat) -> FoundHead:
    """Read a head's node; CorruptError."""
    return FoundHead(Head.from_bytes(data), (stat.czxid, stat.created_ms), stat.mzxid)


def check_whole(batches: Sequence[Batch], lineage: str) -> None:
    """CorruptError unless they are changesets of this lineage, each with all its parts in order."""
    expected = 1
    for batch in batches:
        if batch.position.lineage != lineage:
            raise CorruptError(f"batch {batch.n} is of lineage {batch.position.lineage}, and not of {lineage}")
        if batch.part != expected or batch.parts < batch.part:
            raise CorruptError(f"batch {batch.n} is part {batch.part} of {batch.parts}, where part {expected} belongs")
        expected = batch.part + 1 if batch.part < batch.parts else 1
    if expected != 1:
        raise CorruptError(f"batch {batches[-1].n} is not the last of its {batches[-1].parts} parts")
