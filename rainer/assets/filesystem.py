"""`rainer://manifest/path` for fsspec: pandas, polars, pyarrow, xarray and dask read assets as local files."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from rainer.assets.filesystem_sources import Opened, Options, opened
from rainer.assets.filesystem_tree import tree_of
from rainer.cache.materialize import materialize
from rainer.errors import InvalidError, NotFoundError, missing_extra
from rainer.model.manifest import Entry

try:
    from fsspec.callbacks import DEFAULT_CALLBACK
    from fsspec.spec import AbstractFileSystem
    from fsspec.utils import isfilelike
except ImportError:
    raise missing_extra("rainer:// is read by way of fsspec, which is not installed", "fsspec") from None

SCHEME: Final = "rainer://"


class LocalFile(io.BufferedReader):
    """An asset's local file, open for reading; `name` is its path, `size` its bytes."""

    @property
    def size(self) -> int:
        return os.fstat(self.fileno()).st_size


class RainerFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Assets by manifest and path, such as `rainer://prod/foo/bar.csv`; to be read, never written.

    A file that is opened is the verified one in the local cache, fetched if it is not there: it can be mapped into
    memory, and `fsspec.open_local` gives its path. Settings come from the environment and rainer.toml, as those of the
    command line, or from `storage_options`: `url` (server and namespace), `store`, `cache_dir`, `lock` (a lock file or
    manifest file, which needs no server; the manifest that a URL names must then be the lock file's) and `offline`.

    What is not there raises FileNotFoundError, writing an OSError (EROFS), and all else a RainerError that says what to
    do. Safe across threads and in forked and spawned processes: all instances with the same options share one cache and
    one client, and an instance can be pickled.
    """

    protocol = "rainer"
    root_marker = ""
    local_file = True

    def __init__(
        self, url: str | None = None, store: str | None = None, cache_dir: str | os.PathLike[str] | None = None,
        lock: str | os.PathLike[str] | None = None, offline: bool | None = None, **storage_options: Any,
    ) -> None:  # fmt: skip
        super().__init__(**storage_options)
        self._given: Final = Options(url, store, _text(cache_dir), _text(lock), offline)
        self._source: Opened | None = None

    def _opened(self) -> Opened:
        source = self._source
        if source is None or source.is_closed:
            source = self._source = opened(self._given)
        return source

    def close(self) -> None:
        """Close the cache, client and store that this and all instances with the same options share; they are opened
        again when they are needed."""
        if self._source is not None:
            self._source.close()

    # One file

    def local_path(self, path: str) -> str:
        """The path of an asset's verified local file, fetched if it is not here."""
        manifest, inside = _split(path if path.__class__ is str else self._strip_protocol(path))
        try:
            return str(self._opened().assets(manifest)(inside))
        except (NotFoundError, InvalidError) as e:
            raise self._not_there(path, e) from e

    def open(self, path: str, mode: str = "rb", *args: Any, **options: Any) -> Any:
        """The local file of an asset, as `open` gives it; text modes and `compression` as in fsspec."""
        if mode == "rb" and not options and not args:
            return LocalFile(io.FileIO(self.local_path(path)))
        return super().open(path, mode, *args, **options)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> LocalFile:
        if mode not in ("rb", "r"):
            self._refuse(path)
        return LocalFile(io.FileIO(self.local_path(path)))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes of an asset, or of a slice of it."""
        with self._open(path) as file:
            first, last, _step = slice(start, end).indices(file.size)
            file.seek(first)
            return file.read(max(0, last - first))

    def get_file(self, rpath: str, lpath: Any, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **_: Any) -> None:
        """Save an asset as a local file: whole or not at all, sharing the cache's blocks where that can be."""
        if outfile is not None or isfilelike(lpath):
            super().get_file(rpath, lpath, callback=callback, outfile=outfile)
            return
        if self.isdir(rpath):
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        source = Path(self.local_path(rpath))
        Path(lpath).parent.mkdir(parents=True, exist_ok=True)
        materialize(source, lpath)
        size = source.stat().st_size
        callback.set_size(size)
        callback.absolute_update(size)

    def uri(self, path: str) -> str:
        """Where the asset lies in its store."""
        manifest, inside = _split(path)
        with self._found(path):
            return self._opened().assets(manifest).uri(inside)

    # The tree

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """`name`, `type` and `size` of an asset or folder, and of an asset `version` and `sha256`, as the manifest has
        them. Where it has no size, the file is fetched, for whoever asks is going to read it."""
        manifest, inside = _split(path)
        if not manifest:
            return _folder("")
        with self._found(path):
            assets = self._opened().assets(manifest)
            entry = assets.manifest.get(inside) if inside != "/" else None
        if entry is None:
            if inside == "/" or inside in tree_of(assets.manifest):
                return _folder(_joined(manifest, inside))
            raise self._not_there(path)
        found = _file(_joined(manifest, inside), entry)
        if found["size"] is None:
            found["size"] = Path(self.local_path(path)).stat().st_size
        return found

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What is in a folder, or an asset itself; sizes are None where the manifest has none. At the root it is the
        manifest that is set."""
        manifest, inside = _split(path)
        found = self._listed(path, manifest, inside) if manifest else [_folder(self._opened().manifest)]
        return found if detail else [one["name"] for one in found]

    def _listed(self, path: str, manifest: str, inside: str) -> list[dict[str, Any]]:
        with self._found(path):
            entries = self._opened().assets(manifest).manifest
        if inside in entries:
            return [_file(_joined(manifest, inside), entries[inside])]
        children = tree_of(entries).get(inside)
        if children is None:
            raise self._not_there(path)
        start = _joined(manifest, inside)
        folder = "" if inside == "/" else inside
        return [
            _folder(f"{start}/{name}") if is_folder else _file(f"{start}/{name}", entries[f"{folder}/{name}"])
            for name, is_folder in children.items()
        ]

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is such an asset or folder; nothing is fetched. A server that is away is an error, not a no."""
        return self._kind(path) is not None

    def isfile(self, path: str) -> bool:
        return self._kind(path) == "file"

    def isdir(self, path: str) -> bool:
        return self._kind(path) == "directory"

    def _kind(self, path: str) -> str | None:
        manifest, inside = _split(path)
        if not manifest:
            return "directory"
        try:
            with self._found(path):
                entries = self._opened().assets(manifest).manifest
        except FileNotFoundError:
            return None
        if inside in entries:
            return "file"
        return "directory" if inside in tree_of(entries) else None

    def checksum(self, path: str) -> str | int:
        """The SHA-256 of an asset, where the manifest has it: it changes if, and only if, the contents do."""
        found = self.info(path)
        sha256: str | None = found.get("sha256")
        return sha256 or int(super().checksum(path))

    ukey = checksum

    @contextmanager
    def _found(self, path: str) -> Iterator[None]:
        """A manifest that is not there is a file that is not found."""
        try:
            yield
        except NotFoundError as e:
            raise self._not_there(path, e) from e

    def _not_there(self, path: str, error: NotFoundError | InvalidError | None = None) -> FileNotFoundError:
        if error is None:
            return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{SCHEME}{_bare(path)}")
        why = error.message + (f"; {error.hint}" if error.hint else "")
        return FileNotFoundError(errno.ENOENT, why, f"{SCHEME}{_bare(path)}")

    # Writing

    def _refuse(self, path: object = "", *_: Any, **__: Any) -> NoReturn:
        raise OSError(
            errno.EROFS, "rainer:// is never written; publish a new version with `rainer asset update`", str(path)
        )

    rm = rm_file = _rm = rmdir = mkdir = makedirs = mv = copy = cp_file = put = put_file = pipe = pipe_file = _refuse
    touch = _refuse


def close_all() -> None:
    """Close what every instance in this process has open, and forget the instances."""
    from rainer.assets.filesystem_sources import close_all as close_sources

    close_sources()
    RainerFileSystem.clear_instance_cache()


def _text(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)


def _bare(path: object) -> str:
    return str(path).removeprefix(SCHEME)


def _split(path: str) -> tuple[str, str]:
    """The manifest and the path in it, with its slash; an empty manifest is the root."""
    if path.startswith(SCHEME):
        path = path[len(SCHEME) :]
    manifest, _, inside = path.strip("/").partition("/")
    return manifest, f"/{inside}"


def _joined(manifest: str, inside: str) -> str:
    return manifest if inside == "/" else f"{manifest}{inside}"


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "type": "directory", "size": 0}


def _file(name: str, entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "type": "file", "size": entry.size, "version": entry.version}
    if entry.override is not None:
        return found | {"size": None, "override": entry.override}
    return found if entry.sha256 is None else found | {"sha256": entry.sha256}
