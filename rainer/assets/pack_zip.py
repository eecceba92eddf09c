"""Zip files from strangers: opened only if nothing in them can hurt, and read no further than they said.

Nothing is ever extracted to a path: members are streams, and their names keys.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final, Self

from rainer.errors import InvalidError, InvalidManifest, TooLargeError
from rainer.limits import MiB

MEMBERS_MAX: Final = 110_000
_DIRECTORY_BYTES_MAX: Final = 32 * MiB
"""What a directory of so many members may take; it is read into memory whole."""
_RATIO_MAX: Final = 1_032
"""No deflated byte stands for more: whoever says so lies."""
_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_REFUSED_FLAGS: Final = {0x1: "encrypted", 0x20: "a patch", 0x40: "encrypted"}
_HINT: Final = "have it packed and sent again"
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, NotImplementedError, RuntimeError)


class CheckedZip:
    """A zip file, open, whose directory was found sound: no member twice, none that is a link, a folder's or a device's
    or overlaps another, none that is encrypted, compressed in a rare way or beyond what can be.

    `members` has the bytes of each by name. Raises InvalidManifest and InvalidError; to be closed by its user. With
    `any_names`, folders are passed over and names may be anything, for whoever does not use them.
    """

    def __init__(self, path: Path, *, any_names: bool = False) -> None:
        self.path: Final = path
        self._file = _opened(path)
        try:
            with told(path):
                _check_end(path, self._file)
                self._zip = zipfile.ZipFile(self._file)
                infos = [info for info in self._zip.infolist() if not (any_names and info.filename.endswith("/"))]
                self._infos = _checked(path, infos, self._zip.start_dir, any_names=any_names)
        except BaseException:
            self._file.close()
            raise
        self.members: Final[Mapping[str, int]] = {name: info.file_size for name, info in self._infos.items()}

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A member's bytes; whatever of it is broken is told as InvalidManifest."""
        with told(self.path), self._zip.open(self._infos[name]) as stream:
            yield stream

    def read(self, name: str, size_bytes_max: int) -> bytes:
        """A small member, whole."""
        info = self._infos.get(name)
        if info is None:
            raise InvalidManifest(f"{self.path} has no member {name}", hint=_HINT)
        if info.file_size > size_bytes_max:
            raise InvalidManifest(f"{name} in {self.path} has {info.file_size:,} bytes, over {size_bytes_max:,}")
        with self.open(name) as stream:
            return stream.read(size_bytes_max)

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Let nothing through that the zip library says of a broken file."""
    try:
        yield
    except _BROKEN as e:
        raise InvalidManifest(f"{path} is damaged: {e}", hint=_HINT) from None
    except OSError as e:
        raise InvalidError(f"{path} cannot be read: {e.strerror or e}", hint="see whether the disk is sound") from None


def _opened(path: Path) -> BinaryIO:
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        raise InvalidError(f"{path} cannot be read: {e.strerror}", hint="name a pack that is there") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise InvalidError(f"{path} is not a file", hint="name a pack that is there")
    return os.fdopen(number, "rb")


def _check_end(path: Path, file: BinaryIO) -> None:
    """See how large the directory is before it is read, and that nothing stands before or behind the zip file."""
    size = file.seek(0, os.SEEK_END)
    if size < _END.size:
        raise InvalidManifest(f"{path} is no zip file: it has {size} bytes", hint=_HINT)
    file.seek(size - _END.size)
    mark, *_, length, start, comment = _END.unpack(file.read(_END.size))
    end = size - _END.size
    if mark != b"PK\5\6" or comment:
        raise InvalidManifest(f"{path} is no zip file, or is cut off: it does not end as one", hint=_HINT)
    end_64 = _end_64(file, end)
    if end_64 is not None:
        end, length, start = end_64
    if length > _DIRECTORY_BYTES_MAX:
        raise TooLargeError(f"the directory of {path} has {length:,} bytes, over {_DIRECTORY_BYTES_MAX:,}")
    if start + length != end:
        raise InvalidManifest(f"{path} is damaged: its directory is not where it should be", hint=_HINT)
    file.seek(0)


def _end_64(file: BinaryIO, end: int) -> tuple[int, int, int] | None:
    """Of a file in the 64-bit form: where its directory ends, its length and its start."""
    if end < _LOCATOR.size + _END_64.size:
        return None
    file.seek(end - _LOCATOR.size - _END_64.size)
    found = _END_64.unpack(file.read(_END_64.size))
    mark, _, at, _ = _LOCATOR.unpack(file.read(_LOCATOR.size))
    if mark != b"PK\6\7":
        return None
    at_should = end - _LOCATOR.size - _END_64.size
    if found[0] != b"PK\6\6" or at != at_should:
        raise zipfile.BadZipFile("its 64-bit end is not where it should be")
    return at_should, found[8], found[9]


def _checked(
    path: Path, infos: list[zipfile.ZipInfo], start_of_directory: int, *, any_names: bool
) -> dict[str, zipfile.ZipInfo]:  # fmt: skip
    if len(infos) > MEMBERS_MAX:
        raise TooLargeError(f"{path} has {len(infos):,} members, over {MEMBERS_MAX:,}")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        why = (None if any_names else _bad_name(info)) or _bad_kind(info) or _bad_size(info)
        if why is None and info.filename in found:
            why = "there twice"
        if why is not None:
            raise InvalidManifest(f"{info.orig_filename!r:.100} in {path} is {why}", hint="trust nothing from there")
        found[info.filename] = info
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise InvalidManifest(f"members of {path} overlap", hint="trust nothing from there")
        end = info.header_offset + zipfile.sizeFileHeader + info.compress_size  # type: ignore[attr-defined]
    if end > start_of_directory:
        raise InvalidManifest(f"{path} is damaged: a member reaches into its directory", hint=_HINT)
    return found


def _bad_name(info: zipfile.ZipInfo) -> str | None:
    name = info.orig_filename
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        return "an absolute path"
    if set(name.replace("\\", "/").split("/")) & {"", ".", ".."} or "\0" in name or "\\" in name:
        return "a path that leads elsewhere"
    return None


def _bad_kind(info: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "a symbolic link" if kind == stat.S_IFLNK else "no plain file"
    for flag, why in _REFUSED_FLAGS.items():
        if info.flag_bits & flag:
            return why
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"compressed by method {info.compress_type}, which packs do not use"
    return None


def _bad_size(info: zipfile.ZipInfo) -> str | None:
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        return "of two sizes"
    if info.file_size > _RATIO_MAX * info.compress_size:
        return f"said to be {info.file_size:,} bytes in {info.compress_size:,}, more than can be"
    return None
