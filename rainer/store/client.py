"""The client of a file store: filetracker's calls, on the server's own store or on an original filetracker.

The calls are those of filetracker 2.3.3 (client/client.py) and do what they do there. What is deliberately different,
beside names: nothing is read from the environment; `put_file` sends the file first and keeps it here when the server
has taken it, under one version in both places; a version is never given twice by one put after another within a
second; what comes is checked by SHA-256; an unversioned name is asked for by the digest of what is here, so that
unchanged bytes do not travel; copies are copies, and hard links only made on request; locks do not hang (see
local_locks), and what was used least recently is evicted first, not what is oldest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from rainer.errors import InvalidError, NotFoundError
from rainer.store.client_files import FileEntry, LocalFiles, RemoteFiles, Upload, digest
from rainer.store.client_names import FileName, check_prefix, check_version
from rainer.store.client_reading import Reader, demanded, drain
from rainer.store.client_writing import Writer
from rainer.store.evicting import Cleaned, Evictor
from rainer.store.local_files import FolderFiles
from rainer.store.remote_files import HttpFiles
from rainer.store.store import Progress
from rainer.store.tls import Tls


class Client:
    """Files by name: `/folder/file`, or `/folder/file@version` with whole seconds since 1970 for the version.

    `remote_url` is the store (`http://host:8080/-/store`), `local_dir` the folder of local copies; with one of them
    alone the client works there alone. `token` tells the store who asks, `tls` whom HTTPS trusts and what certificate
    it shows. `timeout_s` bounds the wait for a byte, `lock_timeout_s` the wait for another process's lock without a
    sign of life from it. With `size_bytes_max`, local copies are cleaned as they grow.

    For any number of threads and processes at once, after a fork, and picklable. Every call raises InvalidError for a
    name that can be none, ObjectNotFound, StoreUnavailable, DeniedError, WrongDigest, NoSpace.
    """

    def __init__(
        self, remote_url: str | None = None, local_dir: Path | str | None = None, *, token: str | None = None,
        timeout_s: float = 60.0, lock_timeout_s: float = 60.0, size_bytes_max: int | None = None,
        tls: Tls | None = None,
    ) -> None:  # fmt: skip
        if remote_url is None and local_dir is None:
            raise InvalidError("a file store's client needs a remote_url, a local_dir, or both",
                               hint="such as http://localhost:8080/-/store")  # fmt: skip
        remote = None if remote_url is None else HttpFiles(remote_url, timeout_s=timeout_s, token=token, tls=tls)
        local = None
        if local_dir is not None:
            local = FolderFiles(Path(local_dir).absolute(), lock_timeout_s=lock_timeout_s, durable=remote is None)
        self._set(local, remote, size_bytes_max)

    @classmethod
    def over(cls, local: LocalFiles | None, remote: RemoteFiles | None) -> Client:
        """A client over files of any other kind, such as those in memory."""
        made = cls.__new__(cls)
        made._set(local, remote, None)
        return made

    @property
    def remote_files(self) -> RemoteFiles | None:
        """The store, for another client `over` it."""
        return self._remote

    def _set(self, local: LocalFiles | None, remote: RemoteFiles | None, size_bytes_max: int | None) -> None:
        self._local, self._remote = local, remote
        self._evictor = Evictor(local, size_bytes_max)
        self._reader = Reader(local, remote, self._evictor)
        self._writer = Writer(local, remote, self._evictor)

    # Reading.

    def get_file(
        self, name: str, save_to: Path | str, add_to_cache: bool = True, force_refresh: bool = False, *,
        hard_link: bool = False, progress: Progress | None = None,
    ) -> str:  # fmt: skip
        """Save a file at a path, whole or not at all, and return its versioned name.

        A versioned name is served from the local copy if that has this version, and an unversioned one if the store
        says that it is current; `force_refresh` fetches in any case. The file's mtime is its version. With
        `hard_link` it is a read-only link to the local copy where the file system can do that: not to be changed.
        """
        wanted = FileName.parse(name)
        found = self._reader.get(wanted, Path(save_to), add=add_to_cache, force_refresh=force_refresh,
                                 hard_link=hard_link, progress=progress)  # fmt: skip
        return found.name

    def get_stream(
        self, name: str, force_refresh: bool = False, serve_from_cache: bool = False
    ) -> tuple[IO[bytes], str]:
        """A file as a binary stream, and its versioned name.

        The stream is the caller's to close (or to use in `with`); at its end it raises WrongDigest if what came is not
        what was promised. A local copy is used as for `get_file`; with `serve_from_cache` one is made first.
        """
        opened = self._reader.open(FileName.parse(name), add=serve_from_cache, force_refresh=force_refresh)
        return opened.stream, opened.entry.name

    def exists(self, name: str) -> bool:
        """Whether there is such a file; of a versioned name, whether this is its version. The store is asked first."""
        wanted = FileName.parse(name)
        try:
            return wanted.version in (None, self._reader.told(wanted.path).version)
        except NotFoundError:
            return False

    def file_version(self, name: str) -> int:
        """The newest version of a file, whole seconds since 1970. A version in the name is ignored."""
        return self._reader.told(FileName.parse(name).path).version

    def file_size(self, name: str, force_refresh: bool = False) -> int:
        """The size of a file in bytes; of a versioned name, ObjectNotFound if that is not its version."""
        wanted = FileName.parse(name)
        entry = self._reader.here(wanted, force_refresh) or demanded(wanted, self._reader.told(wanted.path))
        if entry.size is not None:
            return entry.size
        stream, _ = self.get_stream(name, force_refresh)  # an unusual server that does not tell
        with stream:
            return drain(stream)

    # Changing.

    def put_file(
        self, name: str, filename: Path | str, to_local_store: bool = True, to_remote_store: bool = True,
        compress: bool = True, *, hard_link: bool = False, progress: Progress | None = None,
    ) -> str:  # fmt: skip
        """Store a file under a name and return the versioned name under which it now is.

        Without a version in the name this second is taken, or the next one after what is stored. With one, an older
        version than the stored one has no effect, and the stored one's name is returned. `to_local_store` and
        `to_remote_store` choose where (with only one of them configured, that one is meant). `compress` sends gzip
        where that is shorter. With `hard_link` the local copy is a link to the file, which must not be changed later.
        """
        if not (to_local_store or to_remote_store):
            raise InvalidError("put_file to neither store", hint="leave to_local_store or to_remote_store true")
        wanted, source = FileName.parse(name), Path(filename)
        size, sha256 = digest(source)
        upload = Upload(source, wanted.version or 0, size, sha256, compress, progress)
        local = self._local if to_local_store or self._remote is None else None
        remote = self._remote if to_remote_store or self._local is None else None
        return self._writer.put(wanted, upload, local, remote, hard_link).name

    def upload(self, name: str, upload: Upload) -> str:
        """Store what is an upload already, in the store alone; return the versioned name that is there now."""
        return self._writer.put(FileName.parse(name), upload, None, self._remote, False).name

    def delete_file(self, name: str) -> bool:
        """Delete a file here and in the store; ObjectNotFound if the store (without one: this place) has none.

        A versioned name deletes nothing that is newer: then it returns False.
        """
        return self._writer.delete(FileName.parse(name))

    # Lists and care.

    def list_local_files(self) -> list[FileEntry]:
        """The local copies, by path."""
        return sorted(self._local.entries(), key=lambda entry: entry.path) if self._local is not None else []

    def list_remote_files(self, prefix: str = "", last_modified: int | None = None) -> list[str]:
        """The names in the store below the folder `prefix`, recursively, of versions not above `last_modified`.

        They are whole names, as every other call takes them; filetracker's are relative to the folder.
        """
        return list(self.iter_remote_files(prefix, last_modified))

    def iter_remote_files(self, prefix: str = "", last_modified: int | None = None) -> Iterator[str]:
        """`list_remote_files`, as they come."""
        folder = check_prefix(prefix)
        cut = None if last_modified is None else check_version(last_modified, prefix)
        if self._remote is not None:
            for path in self._remote.names(folder, cut):
                yield "/" + path

    def iter_remote_entries(self, prefix: str = "") -> Iterator[FileEntry]:
        """Name, version, size and SHA-256 of what is in the store below a folder."""
        if self._remote is not None:
            yield from self._remote.entries(check_prefix(prefix))

    def clean(self, size_bytes_max: int, keep_percent: float = 100.0) -> Cleaned:
        """If the local copies are larger than `size_bytes_max`, remove those used least recently until they fit.

        With `keep_percent` until they take no more than so much of it. A file whose lock somebody holds, or that was
        used in between, stays; whoever reads one reads on. What dead writers left goes too.
        """
        return self._evictor.clean(size_bytes_max, keep_percent)

    def close(self) -> None:
        """Close this process's connections; the client can still be used, and makes new ones."""
        if self._remote is not None:
            self._remote.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
