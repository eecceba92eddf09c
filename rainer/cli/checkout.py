"""Heads as files: a folder in which each key is a file, written whole or not at all, and nothing of others' touched.

A list of what was written, with a hash each, is kept in the folder. By it a later checkout knows which files are its
own to replace and to remove, and which a person made or changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import unicodedata
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rainer.errors import ConflictError, CorruptError, InvalidError
from rainer.model.names import check_key, shorten

if TYPE_CHECKING:
    from rainer.model.commit import Commit

LIST_NAME: Final = ".rainer-checkout.json"
_TEMPORARY: Final = ".rainer-new-"
_WINDOWS_BAD: Final = set('<>:"\\|?*')
_WINDOWS_DEVICES: Final = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}


@dataclass(slots=True)
class Outcome:
    """What a checkout did, by file name; `refused` says why for each key that no file was written of."""

    written: list[str] = field(default_factory=list)
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


class Folder:
    """A checkout's folder. `force` lets it replace files that are not its own, or were changed since."""

    def __init__(self, path: Path, *, force: bool = False) -> None:
        self.path = path
        self._force = force
        self._ours = self._read_list()

    def write(self, heads: Iterable[Commit], *, delete: bool = False) -> Outcome:
        """Write each head to its file, and remove the files of keys that are gone; with `delete` all other files, too.

        If files would be lost that are not ours, nothing at all is written: ConflictError names them.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        outcome = Outcome()
        wanted = {commit.key: commit.payload or b"" for commit in self._nameable(heads, outcome)}
        self._refuse_foreign(wanted)
        found = dict(self._ours)
        try:
            for name, payload in wanted.items():
                if self._is(name, payload):
                    outcome.unchanged += 1
                else:
                    _replace(self.path / name, payload)
                    outcome.written.append(name)
                found[name] = _hash(payload)
            for name in sorted(self._superfluous(wanted, delete)):
                (self.path / name).unlink(missing_ok=True)
                outcome.removed.append(name)
                found.pop(name, None)
            found = {name: digest for name, digest in found.items() if name in wanted}
        finally:
            # Also after a failure half way (a full disk): what was written is ours, and the next checkout goes on.
            if found != self._ours:
                self._write_list(found)
        return outcome

    def _nameable(self, heads: Iterable[Commit], outcome: Outcome) -> Iterator[Commit]:
        """The heads whose keys are fit to be names of files here; the others are refused."""
        commits = list(heads)
        folded = Counter(_folded(commit.key) for commit in commits)
        clashing = any(count > 1 for count in folded.values()) and not self._tells_case()
        for commit in commits:
            reason = _why_no_file(commit.key)
            if reason is None and clashing and folded[_folded(commit.key)] > 1:
                reason = "this file system does not tell it from another key"
            if reason is None and (self.path / commit.key).is_dir():
                reason = "there is a folder of this name"
            if reason is None:
                yield commit
            else:
                outcome.refused[commit.key] = reason

    def changes(self, *, whole: bool) -> Iterator[tuple[str, str | None, bytes | None]]:
        """What was changed since the checkout: name, the digest it had, and what it holds now.

        With `whole` the files that are new, too (their digest is None), and those that are gone (they hold None). Files
        that begin with a dot and links are never new.
        """
        for name, digest in sorted(self._ours.items()):
            content = self._content(name)
            if (content is not None or whole) and (content is None or _hash(content) != digest):
                yield name, digest, content
        if whole:
            for path in sorted(self.path.iterdir()):
                is_plain = path.is_file() and not path.is_symlink() and not path.name.startswith(".")
                if is_plain and path.name not in self._ours:
                    yield check_key(path.name), None, path.read_bytes()

    def _refuse_foreign(self, wanted: dict[str, bytes]) -> None:
        if self._force:
            return
        foreign = [name for name, payload in wanted.items() if self._is_foreign(name) and not self._is(name, payload)]
        if foreign:
            names = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
            raise ConflictError(
                f"files in {self.path} were not written by a checkout, or changed since: {names}",
                hint="--force replaces them; nothing was written",
                files=foreign,
            )

    def _is_foreign(self, name: str) -> bool:
        content = self._content(name)
        return content is not None and self._ours.get(name) != _hash(content)

    def _is(self, name: str, payload: bytes) -> bool:
        return self._content(name) == payload

    def _content(self, name: str) -> bytes | None:
        path = self.path / name
        if path.is_symlink() or not path.is_file():
            return b"" if path.is_symlink() else None
        return path.read_bytes()

    def _superfluous(self, wanted: dict[str, bytes], delete: bool) -> Iterator[str]:
        """Our own files, unless changed since; with `delete` every plain file and link in the folder."""
        for name in self._ours:
            if name not in wanted and (self._force or not self._is_foreign(name)) and self._content(name) is not None:
                yield name
        if delete:
            for path in self.path.iterdir():
                is_file = path.is_symlink() or path.is_file()
                if is_file and path.name not in {*wanted, *self._ours} and _folded(path.name) != LIST_NAME:
                    yield path.name

    def _tells_case(self) -> bool:
        """Whether this file system keeps names apart that differ in letter case or in how accents are written."""
        probe = self.path / f"{_TEMPORARY}{uuid.uuid4().hex}aé"
        probe.touch()
        try:
            twins = probe.name.upper(), unicodedata.normalize("NFD", probe.name)
            return not any((self.path / twin).exists() for twin in twins)
        finally:
            probe.unlink()

    def _read_list(self) -> dict[str, str]:
        try:
            body = json.loads((self.path / LIST_NAME).read_bytes())
            files = {str(name): str(digest) for name, digest in body["files"].items()}
        except FileNotFoundError:
            return {}
        except NotADirectoryError:
            raise InvalidError(f"{self.path} is not a folder") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CorruptError(
                f"{self.path / LIST_NAME} is not a checkout's list of files",
                hint="remove it, and check out with --force",
            ) from None
        for name in files:  # whoever gave us the folder may have written the list: it must not lead us elsewhere
            if _why_no_file(name) is not None:
                raise CorruptError(
                    f"{self.path / LIST_NAME} names {shorten(name)}, which no checkout writes",
                    hint="remove it, and check out with --force",
                )
        return files

    def _write_list(self, files: dict[str, str]) -> None:
        _replace(self.path / LIST_NAME, json.dumps({"files": files}, indent=0, sort_keys=True).encode())


def _why_no_file(key: str) -> str | None:
    try:
        check_key(key)  # an ancestor's server may hold keys with a slash; no file is ever written outside the folder
    except InvalidError as e:
        return str(e)
    folded = _folded(key)  # some file systems take other letter case for the same name
    if folded == LIST_NAME or folded.startswith(_TEMPORARY):
        return "the checkout itself uses this name"
    if sys.platform == "win32" and (
        _WINDOWS_BAD & set(key) or key.endswith((".", " ")) or key.split(".")[0].lower() in _WINDOWS_DEVICES
    ):
        return "Windows has no files of this name"
    return None


def _folded(key: str) -> str:
    return unicodedata.normalize("NFC", key).casefold()


def _hash(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _replace(path: Path, payload: bytes) -> None:
    """Write a file under another name and rename it: a reader sees the old or the new one whole."""
    temporary = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(payload)
            if path.is_file() and not path.is_symlink():
                os.chmod(temporary, path.stat().st_mode & 0o777)  # noqa: PTH101 - a twin of the line above
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
