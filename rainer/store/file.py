"""`file:///dir`: objects as files below a folder, each written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from rainer.errors import InvalidUri, ObjectExists, ObjectNotFound
from rainer.store import file_digest
from rainer.store.file_paths import FilePaths, is_temporary, is_text, translated
from rainer.store.file_writing import copy_in, move_new, sweep, sweep_one, sync_folder, temporary_beside
from rainer.store.reading import FileReading, check_digest, is_wanted
from rainer.store.store import ObjectInfo, Progress, Reading, Store


class FileStore(Store):
    """A folder as a store; a folder that does not exist is an empty store, and made by the first put.

    Names with `..`, and symbolic links that lead out of the folder, are refused with InvalidUri. Writers may be many,
    in any number of processes: a put writes a temporary file beside its target, syncs it, and moves it into place, so
    nobody sees half a file, and what was acknowledged survives a crash of the machine. The ETag comes from inode, size
    and mtime; a SHA-256 given to `put` is kept in an extended attribute where the file system has them, and forgotten
    when the file changes by another hand. `list` does not follow links to folders. What writers killed in mid-put left
    is never listed, and removed by the first list or delete that passes it a day later.
    """

    def __init__(self, url: str) -> None:
        self._paths = FilePaths(url)
        super().__init__(self._paths.url)
        self.url = self._paths.url  # of the root folder it is file://, whose slashes are no tail

    def __reduce__(self) -> tuple[type[FileStore], tuple[str]]:
        return type(self), (f"{self.url}/",)

    @property
    def folder(self) -> Path:
        """The folder that is the root."""
        return self._paths.root

    def covers(self, uri: str) -> bool:
        return self._paths.relative(uri) is not None

    def name(self, uri: str) -> str:
        relative = self._paths.relative(uri)
        if relative is None:
            raise InvalidUri(f"{uri!r} is not below {self.url}", hint=f"such a URI begins with {self.url}/")
        return relative

    def path(self, uri: str) -> Path:
        """The file that a URI stands for, whether or not it is there. Raises InvalidUri if it leads out of the root."""
        return self._paths.inside(uri, self.name(uri))

    def open(
        self, uri: str, *, start: int = 0, end: int | None = None, if_none_match: str | None = None,
        if_match: str | None = None,
    ) -> Reading | None:  # fmt: skip
        path = self._paths.inside(uri, self.name(uri))
        with translated(uri):
            file = _open_regular(path)
        try:
            status = os.fstat(file.fileno())
            info = self._info(self.name(uri), status, file.fileno())
            if is_wanted(info, if_none_match, if_match):
                return FileReading(info, file, start, end, status.st_size)
        except BaseException:
            file.close()
            raise
        file.close()
        return None

    def head(self, uri: str) -> ObjectInfo:
        return self._info_of(uri, self._paths.inside(uri, self.name(uri)))

    def put(
        self, uri: str, source: Path | bytes, *, sha256: str | None = None, create_only: bool = False,
        progress: Progress | None = None,
    ) -> ObjectInfo:  # fmt: skip
        """Store a file or bytes, whole or not at all, and synced to the disk.

        Of two who create one object at once, in whatever processes, one wins. On a file system without hard links an
        object being created can be seen empty for a moment.
        """
        name = self.name(uri)
        target = self._paths.inside(uri, name, to_write=True)
        with translated(uri, to_write=True):
            if create_only and os.path.lexists(target):
                raise _exists(uri)
            with temporary_beside(target) as temporary:
                digest = copy_in(source, temporary, progress)
                check_digest(uri, digest, sha256)
                file_digest.remember(temporary, digest)
                info = self._info(name, temporary.stat(), temporary)
                self._move(uri, temporary, target, create_only)
            sync_folder(target.parent)
        return info

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        folder, slash, _ = prefix.rpartition("/")
        if folder and not self._paths.is_name(folder):
            return
        with translated(self.url):
            for name, path in _walk(self._paths.root / folder, folder + slash, prefix):
                uri = self.uri(name)
                with suppress(ObjectNotFound, InvalidUri):  # removed meanwhile; a link that leads nowhere, or out
                    yield self.head(uri) if path.is_symlink() else self._info_of(uri, path)

    def delete(self, uri: str) -> bool:
        """Remove a file, and the folders that it leaves empty below the root; false if there was none."""
        target = self._paths.inside(uri, self.name(uri), to_write=True)
        with translated(uri, to_write=True):
            try:
                if not target.is_dir() or target.is_symlink():
                    target.unlink()
                    return True
            except (FileNotFoundError, NotADirectoryError):
                pass
            finally:
                self._remove_empty(target.parent)
        return False

    def _move(self, uri: str, temporary: Path, target: Path, create_only: bool) -> None:
        if not create_only:
            temporary.replace(target)
            return
        try:
            move_new(temporary, target)
        except FileExistsError:
            raise _exists(uri) from None

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._paths.root:
            sweep(folder)
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _info_of(self, uri: str, path: Path) -> ObjectInfo:
        with translated(uri):
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(errno.ENOENT, "not a file")
            return self._info(self.name(uri), status, path)

    def _info(self, name: str, status: os.stat_result, file: int | Path) -> ObjectInfo:
        etag = f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
        mtime = datetime.fromtimestamp(status.st_mtime, UTC)
        return ObjectInfo(self.uri(name), status.st_size, etag, file_digest.recall(file, status), mtime)


def _open_regular(path: Path) -> FileIO:
    """Open a file to read; a folder, pipe or device is no object (and to open a pipe would wait for its writer)."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    raise FileNotFoundError(errno.ENOENT, "not a file")


def _walk(folder: Path, above: str, prefix: str) -> Iterator[tuple[str, Path]]:
    """Names and paths of the files below a folder, in the names' order: `a-b` comes before `a/b`."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((e.name + "/" * e.is_dir(follow_symlinks=False), Path(e.path)) for e in entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name, path in found:
        whole = above + name
        if name.endswith("/"):
            if whole.startswith(prefix) or prefix.startswith(whole):
                yield from _walk(path, whole, prefix)
        elif is_temporary(name):
            sweep_one(path)
        elif whole.startswith(prefix) and is_text(whole):
            yield whole, path


def _exists(uri: str) -> ObjectExists:
    return ObjectExists(f"{uri} is there already", hint="choose another name, or put without create_only")
