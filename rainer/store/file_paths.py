"""From file URIs to paths that stay below the root, and from the system's errors to ours."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote
from urllib.request import pathname2url, url2pathname

from rainer.errors import DeniedError, InvalidUri, NoSpace, ObjectNotFound, StoreUnavailable
from rainer.store.store import SAFE

TEMPORARY = ".rainer-put-"
_WINDOWS = os.name == "nt"
_HINT = "such a URI is file:///FOLDER/NAME, with an absolute path"


class FilePaths:
    """The root that a `file:` URL names, and the paths below it. Spelling counts only after percent-decoding."""

    def __init__(self, url: str) -> None:
        path = _path_of(url)
        if path is None:
            raise InvalidUri(f"{url!r} does not name a folder", hint="such a URL is file:///FOLDER, absolute")
        if "\0" in path or any(part in (".", "..") for part in path.split("/")):
            raise InvalidUri(f"{url!r} has '.', '..' or NUL in its path", hint="name the folder itself")
        self._path = path.rstrip("/")
        self.url = "file://" + quote(self._path, safe=SAFE + ":" * _WINDOWS)
        self.root = Path(url2pathname(pathname2url(self._path)) if _WINDOWS else self._path or "/")

    def relative(self, uri: str) -> str | None:
        """The decoded name below the root, or None for a URI that is not below it; not checked any further."""
        path = _path_of(uri)
        if path is None or not path.startswith(self._path + "/"):
            return None
        return path[len(self._path) + 1 :]

    def is_name(self, name: str) -> bool:
        """Whether a name is one that a file below the root can have: no part is empty, `.`, `..` or has a NUL."""
        parts = name.split("/")
        if _WINDOWS and any(character in name for character in '\\:*?"<>|'):
            return False
        return "\0" not in name and is_text(name) and not any(part in ("", ".", "..") for part in parts)

    def inside(self, uri: str, name: str, *, to_write: bool = False) -> Path:
        """The path of a name. Raises InvalidUri for a name no file can have, and where a link leads out of the root."""
        if not self.is_name(name):
            raise InvalidUri(f"{uri!r} has an empty part, '.', '..' or a character no file name has", hint=_HINT)
        if is_temporary(name.rpartition("/")[2]):
            raise InvalidUri(f"{uri!r}: names that begin with {TEMPORARY} are temporary files'", hint="take another")
        path = self.root / name
        # What is written replaces a link itself, so there only the way to it counts.
        real = os.path.realpath(path.parent if to_write else path)
        if not Path(real).is_relative_to(os.path.realpath(self.root)):
            raise InvalidUri(f"{uri!r} leads out of {self.url} through a symbolic link", hint="name the target itself")
        return path


def is_temporary(name: str) -> bool:
    """Whether a file's name says that it is being written, or was when its writer died."""
    return name.startswith(TEMPORARY)


def is_text(name: str) -> bool:
    """Whether a name from the file system is UTF-8, as a URI has to be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _path_of(uri: str) -> str | None:
    """The decoded path of a `file:` URI of this machine, with its leading slash; None if it is none."""
    scheme, colon, rest = uri.partition(":")
    if scheme.lower() != "file" or not colon:
        return None
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            return None
        rest = slash + path
    return unquote(rest) if rest.startswith("/") else None


_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ELOOP}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def translated(uri: str, *, to_write: bool = False) -> Iterator[None]:
    """Turn what the system refuses into the store's errors, which name the URI."""
    try:
        yield
    except OSError as error:
        raise _translated(uri, error, to_write) from error


def _translated(uri: str, error: OSError, to_write: bool) -> Exception:
    reason = error.strerror or str(error)
    if error.errno in _DENIED:
        verb = "written" if to_write else "read"
        return DeniedError(f"{uri} cannot be {verb}: {reason}", hint="look at the folder's owner and permissions")
    if error.errno in _FULL:
        return NoSpace(f"{uri}: {reason}", hint="make room on the disk")
    if error.errno == errno.ENAMETOOLONG:
        return InvalidUri(f"{uri!r} is longer than the file system allows", hint="a part has at most 255 bytes")
    if error.errno in _ABSENT and to_write:
        return InvalidUri(f"{uri!r} cannot be written: {reason}", hint="a folder or a file of that name is in the way")
    if error.errno in _ABSENT:
        return ObjectNotFound(f"{uri} is not there")
    return StoreUnavailable(f"{uri}: {reason}")
