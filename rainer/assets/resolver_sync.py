"""A folder made to hold what a manifest names, each file at its path."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rainer.assets.resolver_fetching import Fetcher
from rainer.assets.resolver_view import Resolved
from rainer.cache.materialize import How, materialize
from rainer.errors import InvalidError, NoSpace, RainerError
from rainer.model.assets import asset_path
from rainer.store.store import Progress

log = logging.getLogger("rainer.assets")

STATE: Final = ".rainer-sync.json"
"""What sync put into the folder, by path: size and mtime as it left them, or the digest of what it is about to put."""
_LOCK: Final = ".rainer-sync.lock"


@dataclass(slots=True)
class SyncReport:
    """What a sync did: the paths it put in place, found right, removed, and did not remove because somebody changed
    them."""

    placed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def sync(
    wanted: list[Resolved], directory: Path, fetcher: Fetcher, progress: Progress | None, how: How
) -> SyncReport:  # fmt: skip
    """See ReadableAssets.sync."""
    _check_places(wanted)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _alone(directory):
            return _Folder(directory, how).sync(wanted, fetcher, progress)
    except OSError as e:
        raise _unwritable(directory, e) from e


def _check_places(wanted: list[Resolved]) -> None:
    folders = {parent for one in wanted for parent in _parents(one.path)}
    for one in wanted:
        if one.path in folders:
            raise InvalidError(
                f"{one.path} is an asset and a folder of others, which no folder can hold", hint="choose some paths"
            )
        if one.path in (f"/{STATE}", f"/{_LOCK}"):
            raise InvalidError(f"{one.path} is what sync itself keeps in the folder", hint="choose other paths")


def _parents(path: str) -> Iterator[str]:
    at = path.find("/", 1)
    while at > 0:
        yield path[:at]
        at = path.find("/", at + 1)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two at once would not know of each other's files."""
    number = os.open(directory / _LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        with contextlib.suppress(OSError):  # a file system without locks; files still change one at a time
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.warning("another sync of %s is under way; this one waits for its end", directory)
                fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


class _Folder:
    """One sync of one folder."""

    def __init__(self, directory: Path, how: How) -> None:
        self._directory = directory
        self._how = how
        self._ours = _load(directory / STATE)
        self._report = SyncReport()

    def sync(self, wanted: list[Resolved], fetcher: Fetcher, progress: Progress | None) -> SyncReport:
        from rainer.assets.resolver_reading import raise_first

        for one in wanted:
            self._check_folders(one.path)
        missing = [one for one in wanted if not self._is_right(one)]
        # Said before it is done: after a crash the next sync knows what the last one may have put there.
        self._ours |= {one.path: {**self._ours.get(one.path, {}), "next": one.sha256} for one in missing}
        self._save()
        failed: dict[str, RainerError] = {}
        try:
            for one, result in fetcher.fetch_many(missing, progress):
                if isinstance(result, RainerError):
                    failed[one.path] = result
                else:
                    self._place(one, result)
            raise_first(failed)
            self._remove_others({one.path for one in wanted})
        finally:
            self._save()
        return self._report

    def _at(self, path: str) -> Path:
        return self._directory / path[1:]

    def _check_folders(self, path: str) -> None:
        for parent in _parents(path):
            place = self._at(parent)
            try:
                mode = place.lstat().st_mode
            except FileNotFoundError:
                return
            if not stat.S_ISDIR(mode):
                what = "a symbolic link" if stat.S_ISLNK(mode) else "a file"
                raise InvalidError(f"{place} is {what} where assets need a folder", hint="move it out of the way")

    def _is_right(self, wanted: Resolved) -> bool:
        known = self._ours.get(wanted.path)
        if known is None or wanted.override is not None:
            return False
        # Without a digest the URI says as much: it names a version, which never changes.
        if known.get("sha256") != wanted.sha256 or (wanted.sha256 is None and known.get("uri") != wanted.uri):
            return False
        if not _is_as_left(self._at(wanted.path), known):
            return False
        self._report.unchanged.append(wanted.path)
        return True

    def _place(self, wanted: Resolved, source: Path) -> None:
        place = self._at(wanted.path)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_dir() and not place.is_symlink():
                raise InvalidError(f"{place} is a folder where an asset belongs", hint="move it out of the way")
            materialize(source, place, self._how)
            found = place.lstat()
        except OSError as e:
            raise _unwritable(place, e) from e
        self._ours[wanted.path] = {
            "uri": wanted.uri, "sha256": wanted.sha256, "size": found.st_size, "mtime_ns": found.st_mtime_ns,
        }  # fmt: skip
        self._report.placed.append(wanted.path)

    def _remove_others(self, wanted: set[str]) -> None:
        for path in sorted(set(self._ours) - wanted):
            place, known = self._at(path), self._ours[path]
            self._check_folders(path)
            if not place.is_symlink() and not place.exists():
                del self._ours[path]
            elif _is_as_left(place, known) or _has_digest(place, known.get("next")):
                place.unlink()
                del self._ours[path]
                self._report.removed.append(path)
                self._remove_empty_folders(path)
            else:
                log.warning("%s is no longer in the manifest, but was changed since: it is kept", place)
                self._report.kept.append(path)

    def _remove_empty_folders(self, path: str) -> None:
        for parent in reversed(list(_parents(path))):
            try:
                self._at(parent).rmdir()
            except OSError:
                return

    def _save(self) -> None:
        temporary = self._directory / f"{STATE}.new"
        temporary.write_text(json.dumps({"version": 1, "files": self._ours}, indent=1, sort_keys=True) + "\n", "utf-8")
        temporary.replace(self._directory / STATE)


def _load(path: Path) -> dict[str, dict[str, Any]]:
    """What an earlier sync wrote down; nothing, and so nothing is removed, where it cannot be read or was forged."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return {asset_path(name): dict(known) for name, known in found["files"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RainerError) as e:
        log.warning("%s cannot be read, so nothing will be removed: %s", path, e)
        return {}


def _is_as_left(place: Path, known: dict[str, Any]) -> bool:
    try:
        found = place.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and (found.st_size, found.st_mtime_ns) == (
        known.get("size"), known.get("mtime_ns"),
    )  # fmt: skip


def _has_digest(place: Path, sha256: str | None) -> bool:
    if sha256 is None or place.is_symlink() or not place.is_file():
        return False
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _unwritable(place: Path, e: OSError) -> RainerError:
    error = NoSpace if e.errno in _FULL else InvalidError
    return error(
        f"{e.filename or place} cannot be written: {e.strerror or e}", hint="make room, or choose another folder"
    )


_FULL: Final = frozenset((28, 122))
"""ENOSPC and EDQUOT."""
