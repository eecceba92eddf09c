"""The files themselves: found, put in place, given a second name, removed. Correct by rename alone."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Final, NamedTuple

from rainer.cache import forks
from rainer.cache.gate import Gate
from rainer.cache.layout import BLOB_MODE, Layout
from rainer.cache.leases import Leases
from rainer.cache.materialize import copy_bytes
from rainer.cache.settling import is_settled
from rainer.errors import WrongDigest

_NOT_OURS: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
_TRIES: Final = 3


class Found(NamedTuple):
    """A file of the cache and its bytes."""

    path: str
    size: int


class Contents(NamedTuple):
    """A blob's folder, its files, and the bytes of one of them: they are links of each other or, rarely, copies."""

    folder: str
    paths: list[str]
    size: int


class Swept(Exception):
    """Somebody took the temporary file away, which can only be where locks do nothing: begin again."""


class Blobs:
    """The blobs of one layout, for any number of threads and processes."""

    def __init__(self, layout: Layout, gate: Gate, leases: Leases, *, read_only: bool) -> None:
        self._layout = layout
        self._gate = gate
        self._leases = leases
        self._read_only = read_only

    def path(self, sha256: str, name: str) -> str:
        return f"{self._layout.blob_folder(sha256)}/{name}"

    def find(self, sha256: str, name: str | None, size: int | None) -> Found | None:
        """The file of a digest under a name (None: any), leased and marked as used; None if it is not there whole.

        Without a size to check, the file is hashed, and so is one that a power cut may have torn. Raises WrongDigest if
        `size` is another than that of the digest.
        """
        folder = self._layout.blob_folder(sha256)
        if not os.path.isdir(folder):  # noqa: PTH112
            return None
        if self._read_only:
            return self._look(folder, sha256, name, size)
        with self._gate.shared():
            # In this order: where the lock does nothing, who removes files sees the lease or we see that it is gone.
            self._leases.hand_out(sha256)
            if not is_settled(self._layout, folder):
                self._drop_torn(folder, sha256)
            self.touch(sha256)
            return self._look(folder, sha256, name, size)

    def touch(self, sha256: str) -> None:
        """Mark as used now. It is the folder's time: the file may be another's, and read-only."""
        with contextlib.suppress(OSError):
            os.utime(self._layout.blob_folder(sha256))

    def _drop_torn(self, folder: str, sha256: str) -> None:
        """Hash all files of a blob, and remove what is damaged under any of its names."""
        known: dict[int, bool] = {}
        for entry in self._layout.entries(folder):
            inode = entry.inode()
            if inode not in known:
                known[inode] = digest_of(entry.path) in (None, sha256)
            with contextlib.suppress(FileNotFoundError):
                if not known[inode] and os.lstat(entry.path).st_ino == inode:  # else it was fetched anew meanwhile
                    os.unlink(entry.path)  # noqa: PTH108

    def _look(self, folder: str, sha256: str, name: str | None, size: int | None) -> Found | None:
        if name is not None:
            found = _sized(f"{folder}/{name}")
            if found is not None and self._is_whole(found, sha256, size):
                return found
        for other in self._layout.entries(folder):
            found = _sized(other.path)
            if found is not None and other.name != name and self._is_whole(found, sha256, size):
                return found if name is None else self._name(found, f"{folder}/{name}")
        return None

    def _is_whole(self, found: Found, sha256: str, size: int | None) -> bool:
        if found.size == size:
            return True
        if digest_of(found.path) != sha256:
            return False  # cut by a power failure, say; it is fetched anew, and replaced
        if size is not None:
            raise WrongDigest(
                f"{size} bytes are wanted of the file with SHA-256 {sha256}, which has {found.size}",
                hint="the manifest names a size that never was the file's: publish it anew",
            )
        return True

    def _name(self, found: Found, path: str) -> Found:
        """Give a file of the cache a second name; where nothing can be written, the first must do."""
        if self._read_only:
            return found
        try:
            os.link(found.path, path)
        except FileExistsError:
            with contextlib.suppress(OSError):  # a damaged one of that name
                self._copy(found, path)
        except OSError:
            try:  # another's file, or a file system without hard links
                self._copy(found, path)
            except OSError as e:
                if e.errno in _NOT_OURS:
                    return found
                raise
        return Found(path, found.size)

    def _copy(self, found: Found, path: str) -> None:
        temporary = self._layout.temporary("copy")
        number = self._layout.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            copy_bytes(found.path, number)
            os.fchmod(number, BLOB_MODE)
            os.rename(temporary, path)  # noqa: PTH104
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise
        finally:
            forks.close_file(number)

    def place(self, temporary: str, number: int, sha256: str, name: str, size: int) -> Found:
        """Move a verified temporary file, open as `number`, into its place. Raises OSError, Swept."""
        path = self.path(sha256, name)
        os.fchmod(number, BLOB_MODE)
        with self._gate.shared() as gate:
            self._leases.hand_out(sha256)
            for left in reversed(range(_TRIES)):
                self._make_folder(sha256, gate, size)
                try:
                    os.rename(temporary, path)  # noqa: PTH104
                    break
                except FileNotFoundError:
                    if os.fstat(number).st_nlink == 0:
                        raise Swept from None
                    if not left:
                        raise
        return Found(path, size)

    def _make_folder(self, sha256: str, gate: int | None, size: int) -> None:
        folder = self._layout.blob_folder(sha256)
        try:
            made = self._layout.make_folder(folder)
        except FileNotFoundError:
            shelf = os.path.dirname(folder)  # noqa: PTH120
            try:
                self._layout.make_folder(shelf)
            except FileNotFoundError:
                self._layout.make()
                self._layout.make_folder(shelf)
            made = self._layout.make_folder(folder)
        if made:
            # Before the file is there: what is counted and never came costs a scan, the contrary the limit.
            self._gate.count(gate, b"+%d\n" % size)

    def contents(self, sha256: str) -> Contents:
        """What a blob consists of."""
        folder = self._layout.blob_folder(sha256)
        files = [found for entry in self._layout.entries(folder) if (found := _sized(entry.path)) is not None]
        return Contents(folder, [file.path for file in files], max((file.size for file in files), default=0))

    def discard(self, contents: Contents) -> None:
        """Remove a blob with all its names. To be called with the gate held alone."""
        for path in contents.paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108
        with contextlib.suppress(OSError):
            os.rmdir(contents.folder)  # noqa: PTH106


def _sized(path: str) -> Found | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Found(path, found.st_size) if stat.S_ISREG(found.st_mode) else None


def digest_of(path: str | Path) -> str | None:
    """The SHA-256 of a file, lower-case hex; None if it is not there."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
