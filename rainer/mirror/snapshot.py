"""A mirror's heads on disk, from which it starts when nothing else answers: one checksummed file, and the one before.

The form is that of `rainer.model.packed`, with the magic `RnS1` and a header of `format`, `namespace`, `lineage`,
`revision`, `chain` (null, 0 and "" where the source tells no position), `saved_ms`, `current_ms` (when what it holds
was last known to be all there is) and `count`. Removed keys are not in it. tests/vectors has examples.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rainer.errors import CorruptError
from rainer.mirror import heads
from rainer.mirror.heads import Held
from rainer.model import times
from rainer.model.packed import PackedHead, frame, pack_records, unframe, unpack_records
from rainer.model.position import Position

log = logging.getLogger("rainer.mirror")

MAGIC: Final = b"RnS1"
FORMAT: Final = 1
_AHEAD_MS_MAX: Final = 5 * 60 * 1000
"""Clocks differ; a snapshot that was saved later than this from now was not saved."""
_LEFTOVER_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All non-empty heads of a namespace at one position; `current_ms` is when that was known to be all there is."""

    namespace: str
    position: Position | None
    current_ms: int
    saved_ms: int
    records: list[PackedHead]

    def to_bytes(self) -> bytes:
        at = self.position
        header = {
            "format": FORMAT, "namespace": self.namespace, "lineage": None if at is None else at.lineage,
            "revision": 0 if at is None else at.revision, "chain": "" if at is None else at.chain.hex(),
            "saved_ms": self.saved_ms, "current_ms": self.current_ms, "count": len(self.records),
        }  # fmt: skip
        return frame(MAGIC, header, pack_records(self.records))

    @classmethod
    def from_bytes(cls, data: bytes) -> Snapshot:
        """Read it back; CorruptError says what is wrong."""
        header, packed = unframe(MAGIC, data)
        if header.get("format") != FORMAT:
            raise CorruptError(f"it is of format {header.get('format')}, and this program knows {FORMAT}")
        records = list(unpack_records(packed))
        try:
            found = cls(
                _of(header, "namespace", str), _position_of(header), _of(header, "current_ms", int),
                _of(header, "saved_ms", int), records,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as e:
            raise CorruptError(f"its header lacks something: {e}") from None
        if header.get("count") != len(records):
            raise CorruptError(f"it holds {len(records)} heads, and says {header.get('count')}")
        return found


def _of(header: Mapping[str, Any], name: str, kind: type) -> Any:
    if type(header[name]) is not kind:
        raise TypeError(f"{name} is {type(header[name]).__name__}")
    return header[name]


def _position_of(header: Mapping[str, Any]) -> Position | None:
    if header["lineage"] is None:
        return None
    chain = bytes.fromhex(_of(header, "chain", str))
    return Position(_of(header, "lineage", str), _of(header, "revision", int), chain)


class SnapshotFile:
    """The file at `path`, and its predecessor at `path` + `.previous`. One thread at a time."""

    def __init__(self, path: str | os.PathLike[str], namespace: str) -> None:
        self.path = Path(path)
        self._namespace = namespace

    @property
    def previous(self) -> Path:
        return self.path.with_name(self.path.name + ".previous")

    def load(self) -> Snapshot | None:
        """The newest one that is whole, of this namespace and not of the future; None where there is none."""
        for path in (self.path, self.previous):
            try:
                return self._checked(Snapshot.from_bytes(path.read_bytes()))
            except FileNotFoundError:
                continue
            except (OSError, CorruptError) as e:
                why = e.strerror if isinstance(e, OSError) else e
                log.warning("the snapshot %s of %s cannot be used: %s", path, self._namespace, why)
        return None

    def _checked(self, found: Snapshot) -> Snapshot:
        if found.namespace != self._namespace:
            raise CorruptError(f"it is of another namespace, {found.namespace!r}")
        ahead_ms = max(found.saved_ms, found.current_ms) - times.now_ms()
        if ahead_ms > _AHEAD_MS_MAX:
            raise CorruptError(f"it was saved {ahead_ms // 1000} s in the future")
        return found

    def save(self, held: Mapping[str, Held], position: Position | None, current_ms: int) -> None:
        """Put a new one in the place of the last, which is kept as the one before; OSError leaves both as they were."""
        records = [heads.pack(key, one) for key, one in held.items()]
        data = Snapshot(self._namespace, position, current_ms, times.now_ms(), records).to_bytes()
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep(folder)
        temporary = folder / f".{self.path.name}.{os.getpid()}.{time.monotonic_ns()}.new"
        try:
            _write(temporary, data)
            with contextlib.suppress(FileNotFoundError):
                self.path.replace(self.previous)
            temporary.replace(self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(folder)

    def _sweep(self, folder: Path) -> None:
        """Remove what programs left behind that were killed while they saved."""
        for leftover in folder.glob(f".{_escaped(self.path.name)}.*.new"):
            with contextlib.suppress(OSError):
                if time.time() - leftover.stat().st_mtime > _LEFTOVER_S:
                    leftover.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _write(path: Path, data: bytes) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every system can open a folder
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
