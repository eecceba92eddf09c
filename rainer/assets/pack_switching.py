"""How a new pack takes the place of an old one: what is to be renamed is written down first, and whoever comes after a
kill finishes it. All files are beside the pack, hidden, and called after it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from rainer.assets import pack
from rainer.cache import locking

_BEGUN: Final = ".packing"
_WHOLE: Final = ".packed"
_RECORD: Final = ".switching"
_RECORD_BYTES_MAX: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Switch:
    """`moves` leads from hidden names to final ones, the first part last; `gone` are the names of the old pack."""

    moves: dict[str, str]
    gone: tuple[str, ...]

    def to_bytes(self) -> bytes:
        return json.dumps({"moves": self.moves, "gone": self.gone}).encode()

    @classmethod
    def parse(cls, data: bytes, goal: Path) -> _Switch:
        """Read a record; ValueError for one that names anything but files of this pack: anybody may write it."""
        found = json.loads(data)
        hidden = re.compile(re.escape(_hidden(goal, "")) + r"[0-9a-f]{12}" + re.escape(_WHOLE))
        final = re.compile(re.escape(goal.stem) + r"(\.[1-9][0-9]{0,4})?" + re.escape(goal.suffix))
        moves, gone = dict(found["moves"]), tuple(found["gone"])
        if not all(map(hidden.fullmatch, moves)) or not all(map(final.fullmatch, (*moves.values(), *gone))):
            raise ValueError("it names other files")
        return cls(moves, gone)

    def carry_out(self, folder: Path) -> None:
        """Let the old pack go and the new one come, from wherever that was cut off. Raises OSError."""
        taken = set(self.moves.values())
        left = {target for hidden, target in self.moves.items() if (folder / hidden).exists()}
        for name in self.gone:
            if name in left or name not in taken:
                (folder / name).unlink(missing_ok=True)
        for hidden, target in self.moves.items():
            if target in left:
                (folder / hidden).rename(folder / target)
        _sync_folder(folder)


@contextmanager
def temporary(goal: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A file beside the pack, locked while its maker lives; gone at the end unless it was renamed."""
    path = goal.with_name(_hidden(goal, f"{secrets.token_hex(6)}{_BEGUN}"))
    with path.open("xb") as file:
        try:
            locking.try_lock(file.fileno(), exclusive=True)
            yield path, file
        finally:
            with contextlib.suppress(OSError):
                path.unlink()


def switch(goal: Path, written: Sequence[Path], targets: Sequence[Path], old: Sequence[Path]) -> None:
    """Let files that are whole and on disk take their names, and the old pack's files go. Raises OSError.

    The old first part goes before any other file, and the new one comes last: who sees one sees all. A single file
    that takes the place of a single file does so at once.
    """
    record = _record_of(goal)
    record.unlink(missing_ok=True)  # of one that could not be finished, and must not be now
    if len(targets) == 1 and set(old) <= set(targets):
        written[0].rename(targets[0])
        _sync_folder(goal.parent)
        return
    whole = [path.with_name(f"{path.name.removesuffix(_BEGUN)}{_WHOLE}") for path in written]
    moves = {path.name: target.name for path, target in reversed(list(zip(whole, targets, strict=True)))}
    todo = _Switch(moves, tuple(path.name for path in sorted(old, key=lambda path: path.name)))
    with temporary(goal) as (beginning, file):  # it stays locked until all is done
        file.write(todo.to_bytes())
        file.flush()
        os.fsync(file.fileno())
        for path, final in zip(written, whole, strict=True):
            path.rename(final)
        _sync_folder(goal.parent)
        beginning.rename(record)
        _sync_folder(goal.parent)
        todo.carry_out(goal.parent)
        record.unlink()


def finish(goal: Path) -> None:
    """Finish a switch of this pack whose maker was killed; nothing where there is none or it lives. Raises OSError."""
    record = _record_of(goal)
    # Where locks do not work nobody can tell the dead from the living.
    if not record.exists() or not locking.locks_work(str(record)):
        return
    with contextlib.suppress(FileNotFoundError), record.open("rb+") as file:
        if not locking.try_lock(file.fileno(), exclusive=True) or not _is_still(record, file):
            return
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            _Switch.parse(file.read(_RECORD_BYTES_MAX), goal).carry_out(goal.parent)
        record.unlink()


def finish_beside(path: Path) -> None:
    """The same for the pack that a file is or belongs to, as far as the folder may be written."""
    with contextlib.suppress(OSError):
        for goal in {path, path.with_name(pack.whole_name(path))}:
            finish(goal)


def sweep(goal: Path) -> None:
    """Remove what a packing of this name left that was killed before all was written. Raises OSError."""
    for path in goal.parent.iterdir():
        if path.name.startswith(_hidden(goal, "")) and path.name.endswith((_BEGUN, _WHOLE)):
            with contextlib.suppress(OSError), path.open("rb+") as file:
                if locking.locks_work(str(path)) and locking.try_lock(file.fileno(), exclusive=True):
                    path.unlink()


def _hidden(goal: Path, rest: str) -> str:
    return f".{goal.name[:200]}.{rest}"


def _record_of(goal: Path) -> Path:
    return goal.with_name(f".{goal.name[:200]}{_RECORD}")


def _is_still(path: Path, file: IO[bytes]) -> bool:
    return os.fstat(file.fileno()).st_ino == path.stat().st_ino


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as e:
        if e.errno != errno.EINVAL:  # a file system that has no such thing
            raise
    finally:
        os.close(number)
