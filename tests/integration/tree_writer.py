"""A publisher for tests of readers: writes a tree as the protocol says, and as it says that a bad day may leave it.

Through kazoo itself, so that a mistake in rainer.zk cannot hide on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from kazoo.client import KazooClient, TransactionRequest
from kazoo.exceptions import NoNodeError

from rainer.model import times
from rainer.model.commit import Commit
from rainer.model.packed import Kind, PackedHead
from rainer.model.position import Position
from rainer.model.published import Batch, Beat, Head, Parts
from rainer.model.serialization import to_bytes

LINEAGE = "11111111-1111-4111-8111-111111111111"
OTHER_LINEAGE = "22222222-2222-4222-8222-222222222222"
MTIME = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def commit(key: str, version: int, payload: bytes | None = b"x", **more: object) -> Commit:
    return Commit(key, version, payload, "me", "why", MTIME, payload is None, **more)  # type: ignore[arg-type]


def record(key: str, version: int, payload: bytes | None, revision: int) -> PackedHead:
    kind = Kind.REMOVED if payload is None else Kind.HEAD
    return PackedHead(key, version, revision, kind, to_bytes(commit(key, version, payload)))


def chain(lineage: str, revision: int) -> bytes:
    return hashlib.sha256(f"{lineage}:{revision}".encode()).digest() if revision else bytes(32)


class TreeWriter:
    """Knows versions and revisions, so that a test only says which keys get which payloads."""

    def __init__(self, hosts: str, root: str = "/rainer/diary", lineage: str = LINEAGE, keep: int = 1000) -> None:
        self.root = root
        self.lineage = lineage
        self.keep = keep
        self.n = self.data_n = self.revision = 0
        self.versions: dict[str, int] = {}
        self.payloads: dict[str, bytes] = {}
        self.client = KazooClient(hosts=hosts, timeout=10.0, connection_retry={"max_delay": 0.2, "max_tries": -1})
        self.client.start(timeout=20)

    def close(self) -> None:
        self.client.stop()
        self.client.close()

    def __enter__(self) -> TreeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def position(self) -> Position:
        return Position(self.lineage, self.revision, chain(self.lineage, self.revision))

    # The tree

    def make(self) -> None:
        """An empty tree; the head last, so that nobody takes it for an ancestor's."""
        for name in ("log", "large", "mirrors"):
            self.client.ensure_path(f"{self.root}/{name}")
        t = self.client.transaction()
        t.create(f"{self.root}/data")
        t.create(f"{self.root}/head", self.head_bytes())
        _commit(t)
        self.beat()

    def head_bytes(self, n: int | None = None, data_n: int | None = None, revision: int | None = None) -> bytes:
        revision = self.revision if revision is None else revision
        n = self.n if n is None else n
        data_n = self.data_n if data_n is None else data_n
        return Head(self.lineage, n, data_n, revision, chain(self.lineage, revision).hex()).to_bytes()

    def set_head(self, **numbers: int) -> None:
        self.client.set(f"{self.root}/head", self.head_bytes(**numbers))

    def beat(self, time_ms: int | None = None, **members: int) -> None:
        beat = Beat(times.now_ms() if time_ms is None else time_ms, self.revision, "writer", **members)
        path = f"{self.root}/beat"
        try:
            self.client.set(path, beat.to_bytes())
        except NoNodeError:
            self.client.create(path, beat.to_bytes())

    def wipe(self) -> None:
        """Delete the whole tree, as an operator's hand would, or a lost disk."""
        self.client.delete(self.root, recursive=True)

    # Publishing

    def publish(self, changes: Mapping[str, bytes | None], *, repair: bool = False) -> int:
        """One changeset in one batch; payload None removes. The revision."""
        return self.write(self.records(changes), repair=repair)

    def records(self, changes: Mapping[str, bytes | None]) -> list[PackedHead]:
        """The next versions of these keys, from now on the tree's."""
        found = []
        for key, payload in changes.items():
            self.revision += 1
            self.versions[key] = self.versions.get(key, 0) + 1
            if payload is None:
                self.payloads.pop(key, None)
            else:
                self.payloads[key] = payload
            found.append(record(key, self.versions[key], payload, self.revision))
        return found

    def write(self, records: Iterable[PackedHead], *, repair: bool = False, data: bytes | None = None) -> int:
        """A batch, head and data nodes in one multi; `data` stands in the log instead of the batch's own bytes."""
        records = list(records)
        self.n += 1
        self.data_n = self.n
        batch = Batch(self.n, self.position, records, repair=repair).to_bytes()
        t = self.client.transaction()
        t.create(self.log_path(self.n), batch if data is None else data)
        t.set_data(f"{self.root}/head", self.head_bytes())
        self._show(t, records)
        if self.n > self.keep and self.client.exists(self.log_path(self.n - self.keep)):
            t.delete(self.log_path(self.n - self.keep))
        _commit(t)
        return self.revision

    def _show(self, t: TransactionRequest, records: Iterable[PackedHead]) -> None:
        for key, _, _, kind, data in records:
            path = f"{self.root}/data/{key}"
            is_there = self.client.exists(path) is not None
            if kind is Kind.HEAD:
                t.set_data(path, data) if is_there else t.create(path, data)
            elif is_there:
                t.delete(path)

    def log_path(self, n: int) -> str:
        return f"{self.root}/log/{n:010d}"

    # Changesets larger than a znode, step by step

    def begin_parts(self, pieces: list[list[PackedHead]], first: int = 1, last: int | None = None) -> None:
        """Write parts `first` to `last` of a changeset into the log, and nothing else."""
        for part in range(first, (last or len(pieces)) + 1):
            batch = Batch(self.n + part, self.position, pieces[part - 1], part, len(pieces))
            self.client.create(self.log_path(batch.n), batch.to_bytes())

    def end_parts(self, pieces: list[list[PackedHead]]) -> None:
        """The parts are in the log: the head says so; data nodes follow in pieces."""
        self.n += len(pieces)
        self.set_head()

    def show_parts(self, pieces: list[list[PackedHead]]) -> None:
        for piece in pieces:
            t = self.client.transaction()
            self._show(t, piece)
            _commit(t)
        self.data_n = self.n
        self.set_head()

    # Commits larger than a znode

    def publish_large_damaged(self, key: str, payload: bytes) -> PackedHead:
        """As `publish_large`, and then somebody writes over a piece before anybody can have read it."""
        return self.publish_large(key, payload, spoil=b"spoilt")

    def publish_large(self, key: str, payload: bytes, *, piece_bytes: int = 900_000, spoil: bytes = b"") -> PackedHead:
        """Pieces first, then the batch that names them, with the data node out of the way."""
        whole = self.records({key: payload})[0]
        base = f"{self.root}/large/{key}"
        self.client.ensure_path(base)
        names = []
        for at in range(0, len(whole.data), piece_bytes):
            names.append(f"{whole.version}-{at // piece_bytes:04d}")
            self.client.create(f"{base}/{names[-1]}", spoil or whole.data[at : at + piece_bytes])
        parts = Parts(
            whole.version, whole.revision, names, len(whole.data), hashlib.sha256(whole.data).hexdigest()
        ).to_bytes()
        self.n += 1
        self.data_n = self.n
        listed = PackedHead(key, whole.version, whole.revision, Kind.PARTS, parts)
        t = self.client.transaction()
        t.create(self.log_path(self.n), Batch(self.n, self.position, [listed]).to_bytes())
        t.set_data(f"{self.root}/head", self.head_bytes())
        t.set_data(base, parts)
        if self.client.exists(f"{self.root}/data/{key}"):
            t.delete(f"{self.root}/data/{key}")
        _commit(t)
        return listed

    def remove_pieces(self, key: str, version: int) -> None:
        base = f"{self.root}/large/{key}"
        for name in self.client.get_children(base):
            if name.startswith(f"{version}-"):
                self.client.delete(f"{base}/{name}")


def _commit(t: TransactionRequest) -> None:
    for result in t.commit():
        if isinstance(result, Exception):
            raise result
