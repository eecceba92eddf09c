"""A folder's files taken over into a file store, with their mtimes as versions; begun again, it goes on.

The folder is an original filetracker server's (`links/` and `blobs/`), the cache of one of its clients (`files/` and
`locks/`), or any other. In a server's folder a file is a symbolic link whose own mtime is the version, to a gzip file
named by the SHA-256 of what it holds (filetracker 2.3.3, servers/storage.py); it travels as it is.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rainer.errors import CorruptError, InvalidError, RainerError, UnavailableError
from rainer.store.client import Client
from rainer.store.client_files import FileEntry, Upload, digest, read_chunks
from rainer.store.client_names import FileName, check_path, check_version

_BLOB: Final = re.compile("[0-9a-f]{64}")
THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A file to take over: its path in the store, where it is, its version, and how many bytes it has here.

    `sha256` is given of one that is kept as a gzip file named by it.
    """

    path: str
    source: Path
    version: int
    stored_bytes: int
    sha256: str | None = None


@dataclass(slots=True)
class Migration:
    """What came of it: how many files were uploaded, were there already, or are there in a newer version; bytes
    uploaded (of contents); and what was refused, each with its reason."""

    uploaded: int = 0
    present: int = 0
    newer: int = 0
    uploaded_bytes: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def files_in(folder: Path, root: Path | None = None) -> Iterator[Found]:
    """The files below a folder, named from `root` (default: the folder). Raises InvalidError where there is none.

    Folders that cannot be read, and links to folders, which nobody follows, are among them, to be refused by name:
    whoever moves house wants to hear of what stays behind.
    """
    if not folder.is_dir():
        raise InvalidError(f"{folder} is no folder", hint="name the folder whose files are to be taken over")
    tree = _tree(folder) if root is None else folder
    root = tree if root is None else root
    if not tree.absolute().is_relative_to(root.absolute()):
        raise InvalidError(f"{folder} is not below {root}", hint="the root is a folder above, from which names count")
    unread: list[Path] = []

    def found(source: Path) -> Found:
        return _found("/" + source.absolute().relative_to(root.absolute()).as_posix(), source)

    for here, folders, names in os.walk(tree, onerror=lambda e: unread.append(Path(e.filename))):
        folders.sort()
        links = [name for name in folders if Path(here, name).is_symlink()]
        yield from (found(Path(here, name)) for name in sorted(names + links))
    yield from map(found, unread)


def migrate(
    client: Client, files: list[Found], *, threads: int = THREADS, progress: Callable[[int], None] | None = None
) -> Migration:
    """Upload what the store does not have; `progress` is told of bytes done, as `stored_bytes` counts them.

    A file that cannot be taken over is listed in the outcome and stops nobody else. Raises UnavailableError when the
    store is gone: then run it again.
    """
    there = {entry.path: entry for entry in client.iter_remote_entries()} if files else {}
    outcome = Migration()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="rainer-migrate")
    try:
        for file, result in zip(files, pool.map(lambda file: _take(client, file, there), files), strict=True):
            _count(outcome, file, result)
            if progress is not None:
                progress(file.stored_bytes)
    finally:
        pool.shutdown(cancel_futures=True)
    return outcome


def _count(outcome: Migration, file: Found, result: str | int) -> None:
    if result == "present":
        outcome.present += 1
    elif result == "newer":
        outcome.newer += 1
    elif isinstance(result, int):
        outcome.uploaded += 1
        outcome.uploaded_bytes += result
    else:
        outcome.refused.append((str(file.source), result))


def _take(client: Client, file: Found, there: dict[str, FileEntry]) -> str | int:
    """Bytes uploaded, or `present`, `newer`, or why the file cannot be taken over."""
    try:
        name = FileName(check_path(file.path), check_version(file.version, file.path))
        known = there.get(file.path)
        if known is not None and known.version > file.version:
            return "newer"
        if known is not None and known.version == file.version and file.sha256 == known.sha256 is not None:
            return "present"
        upload = _upload(file)
        if known is not None and known.version == file.version and _is_same(known, upload):
            return "present"
        return upload.size if client.upload(str(name), upload) == str(name) else "newer"
    except UnavailableError as e:
        e.add_note("what was uploaded stays; run it again, and it goes on from there")
        raise
    except (RainerError, OSError) as e:
        return str(e)


def _is_same(known: FileEntry, upload: Upload) -> bool:
    # An original filetracker tells no digest; version and size are then all there is to go by.
    return (known.sha256 or upload.sha256, known.size) == (upload.sha256, upload.size)


def _upload(file: Found) -> Upload:
    if file.source.is_dir():
        what = "a link to a folder: take that over by itself" if file.source.is_symlink() else "a folder not to be read"
        raise InvalidError(f"{file.source} is {what}")
    if not file.source.is_file():
        raise InvalidError(f"{file.source} is not a file, or a link that leads nowhere")
    if file.sha256 is None:
        size, sha256 = digest(file.source)
        return Upload(file.source, file.version, size, sha256)
    found, size = hashlib.sha256(), 0
    try:
        with gzip.open(file.source, "rb") as contents:
            for chunk in read_chunks(contents):
                found.update(chunk)
                size += len(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise CorruptError(f"{file.source} is damaged: {e}") from None
    if found.hexdigest() != file.sha256:
        raise CorruptError(f"{file.source} is damaged: it holds something else than its name says")
    return Upload(file.source, file.version, size, file.sha256, is_gzip=True)


def _tree(folder: Path) -> Path:
    """Where in a folder the files are."""
    if (folder / "links").is_dir() and (folder / "blobs").is_dir():
        return folder / "links"
    if (folder / "files").is_dir() and (folder / "locks" / "tree.lock").is_file():
        return folder / "files"
    return folder


def _found(path: str, source: Path) -> Found:
    known = source.lstat()
    if source.is_symlink():
        target = source.parent / source.readlink()
        if _BLOB.fullmatch(target.name) and target.parent.parent.name == "blobs":
            size = target.stat().st_size if target.is_file() else 0
            return Found(path, source, int(known.st_mtime), size, target.name)
        known = source.stat() if source.exists() else known
    return Found(path, source, int(known.st_mtime), known.st_size)
