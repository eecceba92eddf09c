"""The file that an editor works on: it survives everything but success.

It lies in a folder of its own, readable by its owner alone, under the user's state folder, so that it is there after a
lost connection and even a restart, and a later edit of the same key can point to it.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rainer.model import difference
from rainer.model.formats import FORMATS
from rainer.model.names import check_key

_SUFFIXES_KNOWN_MAX = 8


class WorkFile:
    """A file of the key's name, so that the editor knows its kind; notes to the person stand in front of the text.

    A note's lines all begin with a word that occurs nowhere in the text (it is partly random), so they are found and
    taken out again whatever the text's format has for comments.
    """

    def __init__(self, state_dir: Path, key: str, format_name: str = "any") -> None:
        self.folder = _new_folder(state_dir)
        self.path = self.folder / file_name(key, format_name)
        self._marker = b""

    def write(self, text: bytes, notes: Sequence[str] = ()) -> None:
        """Replace the content; each note becomes one line before the text, and one more says what they are."""
        self._marker = _unused_marker(text) if notes else b""
        mark = self._marker.decode()
        # A line's end in a note would have the rest of it pass for text.
        lines = (
            [*(" ".join(note.splitlines()) for note in notes), f"Lines that begin with {mark} are taken out again."]
            if notes
            else []
        )
        self.path.touch(mode=0o600)
        self.path.write_bytes("".join(f"{mark} {line}\n" for line in lines).encode(errors="replace") + text)

    def read(self) -> bytes:
        """The text as the editor left it, without notes."""
        text = self.path.read_bytes()
        if not self._marker or self._marker not in text:
            return text
        return b"".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith(self._marker))

    def second(self, name: str) -> Path:
        """The path of another file beside this one."""
        return self.folder / name

    def discard(self) -> None:
        """Remove the file and all that the editor left beside it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def leftovers(state_dir: Path, key: str) -> list[tuple[Path, float]]:
    """Files that earlier edits of this key left behind, newest first, with their age in seconds."""
    names = {file_name(key, format_name) for format_name in FORMATS}
    paths = [folder / name for folder in _folders(state_dir) for name in names]
    found = [(path, max(time.time() - path.stat().st_mtime, 0.0)) for path in paths if path.is_file()]
    return sorted(found, key=lambda item: item[1])


def file_name(key: str, format_name: str) -> str:
    """The key, as a file's name; with a suffix for editors if it has none and the namespace tells a format."""
    check_key(key)
    suffix = Path(key).suffix
    if format_name == "any" or 1 < len(suffix) <= _SUFFIXES_KNOWN_MAX or len(key.encode()) > 240:
        return key
    return f"{key}.{format_name}"


def keep_last_newline(before: bytes | None, text: bytes) -> bytes:
    """The text without the last newline that an editor put there, if the text it was given ended without one."""
    if not before or before.endswith(b"\n") or not text.endswith(b"\n"):
        return text
    return text[:-2] if text.endswith(b"\r\n") else text[:-1]


def is_editable(payload: bytes | None) -> bool:
    """Whether an editor would give back what it does not touch; with binary payloads they do not."""
    return difference.decode(payload) is not None


def _new_folder(state_dir: Path) -> Path:
    parent = state_dir / "edit"
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(tempfile.mkdtemp(prefix="rainer-", dir=parent))
    except OSError:  # a service account without a home of its own
        return Path(tempfile.mkdtemp(prefix="rainer-edit-"))


def _folders(state_dir: Path) -> list[Path]:
    try:
        return [path for path in (state_dir / "edit").iterdir() if path.is_dir()]
    except OSError:
        return []


def _unused_marker(text: bytes) -> bytes:
    while True:
        marker = f"#rainer-{secrets.token_hex(3)}#".encode()
        if marker not in text:
            return marker
