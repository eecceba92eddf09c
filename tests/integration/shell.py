"""A bash on a terminal that runs command after command, as a person does: exports stay, questions get answers."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.terminal import Terminal

# The commands come through a pipe with a name, so that the terminal is theirs alone, as input too.
_LOOP: Final = """\
exec 9<>"$1"
while IFS= read -r -u 9 line; do
    eval "$line" 9<&-
    printf '%s%d\\n' "$2" $?
done
"""

# A terminal takes these away again: a line that is erased, and the line above the one that the cursor goes up to.
_ERASED: Final = re.compile(r"[^\n]*\n(\x1b\[\?25h)?\r?\x1b\[1A\x1b\[2K|[^\n]*\r\x1b\[2?K")
_SEQUENCE: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]")


@dataclass(frozen=True)
class Outcome:
    """What the terminal showed, and the command's exit code."""

    shown: str
    code: int


class Shell:
    """A context manager; begins in `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        commands = folder.with_name(f"{folder.name}.commands")
        os.mkfifo(commands)
        # For reading, too: else opening and writing would wait for ever for a shell that has ended.
        self._commands = os.open(commands, os.O_RDWR)
        self._mark = f"--{secrets.token_hex(8)}--"
        words = ["bash", "--noprofile", "--norc", "-c", _LOOP, "bash", str(commands), self._mark]
        self._terminal = Terminal(words, environment=environment, folder=folder)

    def run(self, command: str, answers: Sequence[tuple[str, str]] = ()) -> Outcome:
        """Run one command to its end, and answer its questions: pairs of how a question ends and what is typed."""
        begun = len(self._terminal.raw)
        os.write(self._commands, f"{command}\n".encode())
        for question, answer in answers:
            self._terminal.answer(question, answer)
        self._terminal.expect(self._mark)
        self._terminal.expect("\n")
        shown, code = self._terminal.raw[begun:].split(self._mark)
        return Outcome(_left_on_screen(shown), int(code))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._terminal.close()
        os.close(self._commands)


def _left_on_screen(raw: str) -> str:
    """What a terminal shows in the end: without colours, and without progress bars that have come and gone."""
    return _SEQUENCE.sub("", _ERASED.sub("", raw.replace("\r\n", "\n"))).replace("\r", "")
