"""Commands that a message shows, written so that they can be pasted into a shell."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def to_paste(command: str, *arguments: str, options: Sequence[str] = ()) -> str:
    """`rainer COMMAND` with arguments and options; a key such as `-k` stands behind `--`, or it would be an option."""
    if any(argument.startswith("-") for argument in arguments):
        words = [*options, "--", *arguments]
    else:
        words = [*arguments, *options]
    return shlex.join(["rainer", command, *words])
