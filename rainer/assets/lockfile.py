"""Lock files: a manifest with every digest, checked in beside the code that needs just these bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rainer.errors import InvalidError, InvalidManifest, TooLargeError
from rainer.limits import MiB
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_json import parse_object

FORMAT: Final = 1
MARK: Final = "rainer-lock"
FILE_BYTES_MAX: Final = 256 * MiB
"""A manifest of a million entries has half as much; what has more, such as a device, is none."""
_HINT: Final = "make it anew with `rainer asset lock`"
_MEMBERS: Final = (MARK, "manifest", "namespace", "version", "revision", "store", "sha256", "assets")


@dataclass(frozen=True, slots=True)
class LockFile:
    """What a manifest was, down to the bytes: each of `assets` has version, SHA-256 and size.

    `manifest` is its key, `version` that key's, `revision` the newest commit's in it; None where the source told none.
    `store` is the URL under which the objects lie. Raises InvalidManifest for an asset without digest or size, or with
    an override, which is no promise of any bytes.
    """

    manifest: str
    namespace: str | None
    version: int | None
    revision: int | None
    store: str
    assets: Mapping[str, Entry] = field(repr=False)

    def __post_init__(self) -> None:
        for path, entry in self.assets.items():
            if entry.override is not None:
                raise InvalidManifest(
                    f"{path} is overridden by {entry.override}, and so cannot be locked",
                    hint="publish it, or take the override out of the manifest",
                )
            if entry.version is None or entry.sha256 is None or entry.size is None:
                raise InvalidManifest(f"{path} has no digest and size, and so cannot be locked", hint=_HINT)

    @property
    def sha256(self) -> str:
        """The hash over all that it says: of its JSON without this, members sorted, no spaces, ASCII only."""
        canonical = json.dumps(self._content(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _content(self) -> dict[str, Any]:
        return {
            MARK: FORMAT, "manifest": self.manifest, "namespace": self.namespace, "version": self.version,
            "revision": self.revision, "store": self.store,
            "assets": {path: entry.as_json() for path, entry in self.assets.items()},
        }  # fmt: skip

    def to_bytes(self) -> bytes:
        """The file: one line an asset, sorted, so that two can be compared and merged as text."""
        content = self._content()
        assets = content.pop("assets")
        head = {**content, "sha256": self.sha256}
        lines = [f"    {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
        found = [f"        {json.dumps(path)}: {json.dumps(assets[path])}" for path in sorted(assets)]
        body = ["    " + '"assets": {', ",\n".join(found), "    }"] if found else ["    " + '"assets": {}']
        return ("\n".join(["{", *lines, *body, "}"]) + "\n").encode()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Put it in its place, whole or not at all. Raises OSError."""
        target = Path(path)
        temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.new")
        try:
            temporary.write_bytes(self.to_bytes())
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> LockFile:
        """Read it back. Raises InvalidManifest where it is none or was changed, InvalidError where it is not there."""
        return cls.parse(read_file(path), os.fspath(path))

    @classmethod
    def parse(cls, data: bytes, name: str = "the lock file") -> LockFile:
        """The same, of bytes."""
        try:
            found = parse_object(data, "lock file")
        except InvalidManifest as e:
            raise InvalidManifest(e.message.replace("the lock file", name, 1), hint=_HINT, **e.details) from None
        if MARK not in found:
            raise InvalidManifest(f"{name} is not a lock file of Rainer", hint=_HINT)
        if found[MARK] != FORMAT:
            raise InvalidManifest(
                f"{name} is of format {found[MARK]!r}, and this program knows {FORMAT}", hint="install a newer Rainer"
            )
        if set(found) != set(_MEMBERS) or not isinstance(found["assets"], dict):
            raise InvalidManifest(f"{name} lacks a member, or has one too many", hint=_HINT)
        made = cls._made(found, name)
        if made.sha256 != found["sha256"]:
            raise InvalidManifest(f"{name} was changed after it was made: its hash does not fit", hint=_HINT)
        return made

    @classmethod
    def _made(cls, found: dict[str, Any], name: str) -> LockFile:
        kinds: dict[str, tuple[type, ...]] = {
            "manifest": (str,), "namespace": (str, type(None)), "version": (int, type(None)),
            "revision": (int, type(None)), "store": (str,), "sha256": (str,),
        }  # fmt: skip
        for member, allowed in kinds.items():
            if type(found[member]) not in allowed:
                raise InvalidManifest(f"{name}: {member} is {found[member]!r:.60}", hint=_HINT)
        try:
            assets = Manifest.parse(json.dumps(found["assets"]).encode()).check()
        except InvalidManifest as e:
            raise InvalidManifest(f"{name}: {e.message}", hint=_HINT) from None
        except RecursionError:
            raise InvalidManifest(f"{name} is nested too deeply to be read", hint=_HINT) from None
        chosen = {member: found[member] for member in ("manifest", "namespace", "version", "revision", "store")}
        return cls(**chosen, assets=assets)


def is_lock(data: bytes) -> bool:
    """Whether some bytes are meant to be a lock file, whole or not."""
    return f'"{MARK}"'.encode() in data[:1000]


def read_file(path: str | os.PathLike[str]) -> bytes:
    """A file's bytes; InvalidError that names it where it cannot be read, TooLargeError before it fills the memory."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a path of any kind
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as e:
        raise InvalidError(
            f"{os.fspath(path)} cannot be read: {e.strerror}", hint="name a manifest file or a lock file that is there"
        ) from None
    if len(data) > FILE_BYTES_MAX:
        raise TooLargeError(f"{os.fspath(path)} has more than {FILE_BYTES_MAX:,} bytes, which is no manifest")
    return data
