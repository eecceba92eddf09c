"""What all processes together keep from eviction: their leases, and the pins on disk."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256 as _sha256
from typing import Final, NamedTuple

from rainer.cache import forks, locking
from rainer.cache.failures import log
from rainer.cache.gate import Gate
from rainer.cache.layout import Layout
from rainer.cache.leases import HOST

PINS: Final = ".pins"
_FILE_NAME: Final = re.compile(r"[0-9a-f]{32}\.pins")
_UNLOCKED_S: Final = 86_400.0
"""Where nothing can be locked, another host's lease counts for so long after its last line."""


class Pins:
    """Digests that are kept under a label until it is removed or its time is over: one file for each label."""

    def __init__(self, layout: Layout, gate: Gate) -> None:
        self._layout = layout
        self._gate = gate

    def set(self, label: str, digests: Iterable[str], for_s: float | None = None) -> None:
        """Pin these and no others under the label, for so many seconds if that is said. Raises OSError."""
        head = label if for_s is None else [label, time.time() + for_s]
        text = json.dumps(head) + "\n" + "".join(f"{digest}\n" for digest in sorted(set(digests)))
        with self._gate.shared():
            self._layout.write(self._path(label), text.encode(), synced=True)

    def remove(self, label: str) -> bool:
        """Give up what a label pins; false if there was no such label. Raises OSError.

        A file that nobody can read goes by its name, which is the label it is listed under.
        """
        names = [os.path.basename(self._path(label)), *([label] if _FILE_NAME.fullmatch(label) else [])]  # noqa: PTH119
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._layout.leases}/{name}")  # noqa: PTH108
                return True
        return False

    def all(self) -> dict[str, frozenset[str]]:
        """Every label with its digests, but for those whose time is over."""
        found = {}
        for entry in self._layout.entries(self._layout.leases):
            if entry.name.endswith(PINS):
                with contextlib.suppress(FileNotFoundError):
                    pinned = read_pins(entry.path)
                    if not pinned.is_over:
                        found[pinned.label] = pinned.digests
        return found

    def _path(self, label: str) -> str:
        return f"{self._layout.leases}/{_sha256(label.encode()).hexdigest()[:32]}{PINS}"


class Pinned(NamedTuple):
    """What a label pins, and until when (seconds since 1970; None: until it is removed)."""

    label: str
    digests: frozenset[str]
    until: float | None = None
    is_unknown: bool = False
    """The file is there and could not be read just now: what it pins may be anything."""

    @property
    def is_over(self) -> bool:
        """Whether nobody renewed it in time."""
        return self.until is not None and time.time() > self.until


def read_pins(path: str) -> Pinned:
    """A file of pins; of one that is damaged only its name. Raises FileNotFoundError."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            head, _, tail = file.read().partition("\n")
        found = json.loads(head)
        label, until = found if isinstance(found, list) else (found, None)
        return Pinned(str(label), frozenset(tail.split()), None if until is None else float(until))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError) as e:
        is_unknown = isinstance(e, OSError)
        what = "; until they can be, nothing is removed" if is_unknown else ""
        log().warning("the pins in %s cannot be read: %s%s", path, e, what)
        return Pinned(os.path.basename(path), frozenset(), is_unknown=is_unknown)  # noqa: PTH119


class _Lease:
    """What one lease file says, read up to `offset`."""

    def __init__(self) -> None:
        self.offset = 0
        self.held: Counter[str] = Counter()
        self.handed: set[str] = set()

    def read_on(self, number: int) -> None:
        while data := os.pread(number, 1 << 20, self.offset):
            whole = data.rfind(b"\n") + 1
            if not whole:
                return
            self.offset += whole
            for line in data[:whole].decode("ascii", "replace").split("\n"):
                kind, _, digest = line.partition(" ")
                if kind == "=":
                    self.handed.add(digest)
                elif kind in ("+", "-"):
                    self.held[digest] += 1 if kind == "+" else -1


class Claims:
    """What must stay and what should, read from `leases/`; `refresh` with the gate held alone, before files go."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._locks_work = layout.locks_work()
        self._leases: dict[str, _Lease] = {}
        self._pins: dict[str, tuple[tuple[int, int], Pinned]] = {}
        self.swept = 0

    def refresh(self, *, sweep: bool = True) -> None:
        """Read what has changed, and remove the leases of the dead and the pins whose time is over."""
        leases, pins = {}, {}
        for entry in self._layout.entries(self._layout.leases):
            with contextlib.suppress(FileNotFoundError):
                if entry.name.endswith(PINS):
                    pinned = self._read_pins(entry)
                    if not pinned[1].is_over:
                        pins[entry.path] = pinned
                    elif sweep:
                        os.unlink(entry.path)  # noqa: PTH108
                elif (lease := self._read_lease(entry, sweep)) is not None:
                    leases[entry.path] = lease
        self._leases, self._pins = leases, pins

    def is_held(self, sha256: str) -> bool:
        """Whether a living process holds the file, or a label pins it."""
        return any(lease.held[sha256] > 0 for lease in self._leases.values()) or self.is_pinned(sha256)

    def is_pinned(self, sha256: str) -> bool:
        return any(pinned.is_unknown or sha256 in pinned.digests for _, pinned in self._pins.values())

    def is_handed(self, sha256: str) -> bool:
        """Whether a living process was given the file."""
        return any(sha256 in lease.handed for lease in self._leases.values())

    def held(self) -> set[str]:
        """All that must stay."""
        found = {digest for lease in self._leases.values() for digest, times in lease.held.items() if times > 0}
        return found | self.pinned()

    def pinned(self) -> set[str]:
        """All that a label pins; where one cannot be read, all that is here."""
        if any(pinned.is_unknown for _, pinned in self._pins.values()):
            return {entry.name for entry in self._layout.blob_folders()}
        return set().union(*(pinned.digests for _, pinned in self._pins.values()))

    def _read_pins(self, entry: os.DirEntry[str]) -> tuple[tuple[int, int], Pinned]:
        stat = os.stat(entry.path)  # noqa: PTH116 - and not the entry's, which remembers
        mark = stat.st_ino, stat.st_mtime_ns
        known = self._pins.get(entry.path)
        is_known = known is not None and known[0] == mark and not known[1].is_unknown
        return known if known is not None and is_known else (mark, read_pins(entry.path))

    def _read_lease(self, entry: os.DirEntry[str], sweep: bool) -> _Lease | None:
        number = forks.open_file(entry.path, os.O_RDONLY)
        try:
            if self._is_dead(entry, number):
                if sweep:
                    os.unlink(entry.path)  # noqa: PTH108
                    self.swept += 1
                return None
            lease = self._leases.get(entry.path) or _Lease()
            lease.read_on(number)
            return lease
        finally:
            forks.close_file(number)

    def _is_dead(self, entry: os.DirEntry[str], number: int) -> bool:
        if self._locks_work:
            return locking.is_unlocked(number)
        host, _, rest = entry.name.partition("-")
        if host != HOST:
            return time.time() - os.fstat(number).st_mtime > _UNLOCKED_S
        return not _lives(rest.partition("-")[0])


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError, OverflowError):
        return True
    return True
