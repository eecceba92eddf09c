"""The user's editor, run on a file."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from rainer.cli.terminal import is_terminal
from rainer.errors import InvalidError

_NOT_FOUND: Final = 127
_SHELL: Final = re.compile(r"[|&;<>()$`*?\[\]#~=%!{}\n]")
_CHOOSE: Final = "choose one with VISUAL, EDITOR or --editor"


class EditorFailed(InvalidError):
    """The editor could not be run, or ended with a failure; what it left in the file counts for nothing."""

    code = "editor-failed"


# Debian's vim.tiny and emacs-nox are vim and emacs; so is whatever Windows starts as vim.exe.
_VARIANT: Final = re.compile(r"(?<=vim)\.\w+$|(?<=emacs)-\w+$|\.(exe|cmd)$")

# How editors take the line to begin at; others open the file where they will.
_PLUS: Final = frozenset(
    (
        "vi", "vim", "nvim", "gvim", "mvim", "view", "vimx", "nvi", "elvis", "vis", "nano", "rnano", "pico", "emacs",
        "emacsclient", "joe", "jmacs", "jed", "mg", "zile", "ne", "micro", "kak", "mcedit", "gedit", "pluma", "xed",
        "geany", "bbedit",
    )
)  # fmt: skip
_COLON: Final = frozenset(("hx", "helix", "subl", "zed", "zeditor", "lapce"))
_GOTO: Final = frozenset(("code", "code-insiders", "code-oss", "codium", "vscodium", "cursor", "windsurf"))
_LINE: Final = frozenset(("kate", "kwrite", "idea", "pycharm", "goland", "webstorm", "rubymine", "clion", "mate"))


def edit_file(editor: str, path: Path, *, line: int | None = None) -> None:
    """Run the editor on the file and wait for its end; EditorFailed if it does not end well.

    It begins at `line`, counted from 1, if it is one that is known to have a way to say so.
    `editor` may have arguments, such as `code --wait`; what needs a shell gets one.
    """
    # An editor draws on stdout: where that is a file or a pipe, it gets the terminal that stderr is.
    stdout = None if is_terminal(sys.stdout) or not is_terminal(sys.stderr) else sys.stderr
    try:
        with _interrupts_left_to_the_editor():
            command = _command(editor, _places(editor, path, line))
            code = subprocess.run(command, stdout=stdout, check=False).returncode
    except FileNotFoundError:
        code = _NOT_FOUND
    except OSError as e:
        raise EditorFailed(f"editor {editor!r} cannot be run: {e.strerror}", hint=_CHOOSE) from None
    ended_by = _signal(code)
    if ended_by == signal.SIGINT:
        raise KeyboardInterrupt
    if code == _NOT_FOUND:
        raise EditorFailed(f"editor {editor!r} was not found", hint=_CHOOSE)
    if code:
        how = f"was ended by {ended_by.name}" if ended_by else f"ended with exit code {code}"
        raise EditorFailed(f"editor {editor!r} {how}")


def _command(editor: str, places: list[str]) -> list[str]:
    """The program and its arguments; through the shell only if need be, for some shells die of the editor's ^C."""
    if os.name != "posix":
        return [*shlex.split(editor, posix=False), *places]
    with suppress(ValueError):
        if not _SHELL.search(editor):
            return [*shlex.split(editor), *places]
    return ["/bin/sh", "-c", f'{editor} "$@"', editor, *places]


def _places(editor: str, path: Path, line: int | None) -> list[str]:
    """The file, and where to begin in it, as this editor takes it."""
    try:
        name = _VARIANT.sub("", Path(shlex.split(editor)[0]).name)
    except (ValueError, IndexError):
        name = ""
    if line is None:
        return [str(path)]
    if name in _PLUS:
        return [f"+{line}", str(path)]
    if name in _COLON:
        return [f"{path}:{line}"]
    if name in _LINE:
        return ["--line", str(line), str(path)]
    return ["--goto", f"{path}:{line}"] if name in _GOTO else [str(path)]


def _signal(code: int) -> signal.Signals | None:
    """The signal that ended a program; a shell between us and it tells one as 128 and more."""
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number)
    except ValueError:
        return None


@contextmanager
def _interrupts_left_to_the_editor() -> Iterator[None]:
    """^C in an editor is a key like any other; it also reaches us, and must not end us behind the editor's back.

    A handler that does nothing, for a signal that is ignored outright would be ignored in the editor as well.
    """

    def nothing(_number: int, _frame: FrameType | None) -> None:
        pass

    try:
        before = signal.signal(signal.SIGINT, nothing)
    except ValueError:  # not in the main thread, where signals do not arrive
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
