"""Output to a terminal or a pipe: colours, pager, and no foreign escape sequence ever sent to a terminal.

Keys, authors, comments and payloads are written by others. On a terminal each control character, and each character
that reorders or hides text, is shown as its escape; into a pipe data goes as it is.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final, TextIO, cast

from rainer.settings import child_environment

if TYPE_CHECKING:
    from rich.style import Style

Piece = str | tuple[str, str]
"""A piece of a line: text, or text with the name of its style."""

STYLES: Final = {
    "key": "bold",
    "version": "yellow",
    "quiet": "dim",
    "gone": "red strike",
    "heading": "bold",
    "hunk": "cyan",
    "removed": "red",
    "removed word": "bold red reverse",
    "added": "green",
    "added word": "bold green reverse",
    "error": "bold red",
    "hint": "cyan",
    "good": "green",
    "warning": "yellow",
}

# C0 (but for tab), DEL and C1; soft hyphen, zero widths, marks and overrides of direction, line and paragraph
# separators, invisible operators, byte order mark, interlinear marks, lone surrogates, tags. Joiners (U+200C, U+200D)
# stay: Persian and emoji need them.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text with everything that would steer or fool a terminal shown as its escape, such as `\\x1b`."""
    return _HIDDEN.sub(_escape, text) if not text.isascii() or not text.isprintable() else text


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if match[0] == "\r":
        return "\\r"
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


class Output:
    """Writes lines to a stream: with colours on a terminal, as they are into a pipe.

    Unless `raw`, what could steer a terminal is escaped; talk to stderr is never raw, for logs are read on terminals.
    """

    def __init__(self, stream: IO[str], *, terminal: bool, raw: bool = False) -> None:
        self.stream = stream
        self.terminal = terminal
        self._raw = raw and not terminal
        self._render: Callable[[str, str], str] | None = None

    def line(self, *pieces: Piece) -> None:
        """Write one line; pieces that are pairs carry a style of `STYLES`."""
        self.stream.write("".join([self._piece(piece) for piece in pieces]) + "\n")

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return shutil.get_terminal_size().columns

    def _piece(self, piece: Piece) -> str:
        text, style = (piece, "") if isinstance(piece, str) else piece
        if not self._raw:
            text = visible(text)
        if not style or not self.terminal:
            return text
        if self._render is None:
            self._render = _renderer(self.stream)
        return self._render(text, style)


def _renderer(stream: IO[str]) -> Callable[[str, str], str]:
    """What puts colours around a text, as far as the terminal has them and NO_COLOR does not forbid them."""
    from rich.console import COLOR_SYSTEMS, Console
    from rich.style import Style

    console = Console(file=cast(TextIO, stream), force_terminal=True)
    system = COLOR_SYSTEMS[console.color_system] if console.color_system else None
    styles: dict[str, Style] = {name: Style.parse(definition) for name, definition in STYLES.items()}
    if console.no_color:
        styles = {name: style.without_color for name, style in styles.items()}

    def render(text: str, style: str) -> str:
        return styles[style].render(text, color_system=system) if text else ""

    return render


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person looks at this stream (a closed one is nobody's)."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def standard_output() -> Output:
    """Data for stdout."""
    return Output(sys.stdout, terminal=is_terminal(sys.stdout), raw=True)


def standard_error() -> Output:
    """Talk for stderr."""
    return Output(sys.stderr, terminal=is_terminal(sys.stderr))


@contextmanager
def paged(pager: str) -> Iterator[Output]:
    """Output for a text that may be long: through the pager if stdout is a terminal.

    When the reader leaves the pager early, the rest is not made and that is no error.
    """
    program = _start_pager(pager) if is_terminal(sys.stdout) else None
    if program is None or program.stdin is None:
        yield standard_output()
        return
    try:
        with suppress(BrokenPipeError):
            yield Output(program.stdin, terminal=True)
            program.stdin.flush()
    finally:
        # Also after ^C: the pager has the terminal until its reader leaves it.
        with suppress(BrokenPipeError):
            program.stdin.close()
        _wait(program)


def _start_pager(command: str) -> subprocess.Popen[str] | None:
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words or words == ["cat"] or shutil.which(words[0]) is None or _is_dumb():
        return None
    # A pager that was chosen without options still has to let colours through and to leave at the end of a short text.
    environment = child_environment(LESS="FRX", LV="-c")
    return subprocess.Popen(
        command, shell=True, stdin=subprocess.PIPE, env=environment, text=True, encoding="utf-8", errors="replace"
    )


def _is_dumb() -> bool:
    """Whether the terminal can do no more than print, as inside an editor's shell; there less first wants a key."""
    from rich.console import Console

    return Console(force_terminal=True).is_dumb_terminal


def _wait(program: subprocess.Popen[str]) -> None:
    while True:
        try:
            program.wait()
        except KeyboardInterrupt:
            continue
        return
