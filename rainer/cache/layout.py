"""Where everything of a cache lies, who may read and write it, and how it is made, also anew when it was removed."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rainer.cache import forks, locking

BLOB_MODE: Final = 0o444
_PROBES: Final = 10
_PARTS: Final = ("blobs", "refs", "tmp", "leases", "locks")


class Layout:
    """The folder of a cache:

    ```
    blobs/ab/<sha256>/<basename>   read-only files; the folder's mtime is the last use
    refs/ab/<sha256 of a URI>      what a URI without a digest last was
    tmp/                           files on their way, locked by who writes them: one download at a time
    leases/                        what living processes use (locked by them), and *.pins
    locks/evict                    one eviction at a time
    gc.lock                        between those who use files and those who remove them; holds the counted size
    ```
    Private by default (0700); a shared one is for the folder's group (02775, 0664, the umask notwithstanding).
    """

    def __init__(self, root: Path, *, shared: bool, read_only: bool = False) -> None:
        self.root: Final = root
        self._read_only = read_only
        self.shared: Final = shared
        self.blobs, self.refs, self.tmp, self.leases, self.locks = (f"{root}/{part}" for part in _PARTS)
        self.gate: Final = f"{root}/gc.lock"
        self.folder_mode: Final = 0o2775 if shared else 0o700
        self.file_mode: Final = 0o664 if shared else 0o600

    def make(self) -> None:
        """Make every folder that is not there. Raises OSError."""
        if not self.root.is_dir():
            self.root.parent.mkdir(parents=True, exist_ok=True)
            self.make_folder(str(self.root))
        for part in _PARTS:
            self.make_folder(f"{self.root}/{part}")

    def make_folder(self, path: str) -> bool:
        """Make one folder of the cache; false if it was there."""
        self.may_write(path)
        try:
            os.mkdir(path, self.folder_mode)  # noqa: PTH102 - on the way of every file, where a Path costs more
        except FileExistsError:
            return False
        if self.shared:
            os.chmod(path, self.folder_mode)  # noqa: PTH101 - mkdir obeys the umask, and drops setgid
        return True

    def open(self, path: str, flags: int) -> int:
        """Open a file of the cache, made with the cache's permissions (and folders) if it is not there."""
        self.may_write(path)
        try:
            number = forks.open_file(path, flags, self.file_mode)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
            self.make()
            number = forks.open_file(path, flags, self.file_mode)
        if self.shared and flags & os.O_CREAT:
            with contextlib.suppress(OSError):  # another's file
                if os.fstat(number).st_mode & 0o777 != self.file_mode:
                    os.fchmod(number, self.file_mode)
        return number

    def may_write(self, path: str) -> None:
        """Raises OSError in a read-only cache."""
        if self._read_only:
            raise OSError(errno.EROFS, "the cache was opened read-only", path)

    def blob_folder(self, sha256: str) -> str:
        return f"{self.blobs}/{sha256[:2]}/{sha256}"

    def temporary(self, what: str) -> str:
        """A path in `tmp/` that nobody else has."""
        return f"{self.tmp}/{what[:16]}.{os.getpid()}.{os.urandom(6).hex()}"

    def write(self, path: str, data: bytes, *, synced: bool = False) -> None:
        """Put a small file in its place, whole or not at all, with `synced` also if the power goes. To be called with
        the gate held, or a sweeper may take the temporary file away."""
        temporary = self.temporary("small")
        number = self.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(number, left) :]
            if synced:
                os.fsync(number)
            self._rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise
        finally:
            forks.close_file(number)

    def _rename(self, source: str, target: str) -> None:
        try:
            os.rename(source, target)  # noqa: PTH104
        except FileNotFoundError:
            self.make()
            self.make_folder(os.path.dirname(target))  # noqa: PTH120
            os.rename(source, target)  # noqa: PTH104

    def blob_folders(self) -> Iterator[os.DirEntry[str]]:
        """Every blob's folder, in no order."""
        for shelf in self._entries(self.blobs):
            yield from self._entries(shelf.path)

    def ref_files(self) -> Iterator[os.DirEntry[str]]:
        """Every ref's file, in no order."""
        for shelf in self._entries(self.refs):
            yield from self._entries(shelf.path)

    def entries(self, path: str) -> list[os.DirEntry[str]]:
        """What is in a folder; nothing if it is gone."""
        return list(self._entries(path))

    def _entries(self, path: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(path) as found:
                yield from found
        except (FileNotFoundError, NotADirectoryError):
            return

    def locks_work(self) -> bool:
        """Whether flock keeps anybody out on this file system; where nothing may be written to try, it is believed."""
        if self._read_only:
            return True
        for _ in range(_PROBES):
            probe = self.temporary("probe")
            try:
                forks.close_file(self.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL))
                works = locking.locks_work(probe)
                if works or os.path.exists(probe):  # noqa: PTH110 - else another process swept it, as a dead one's
                    return works
            except OSError:
                return False
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(probe)  # noqa: PTH108
        return False
