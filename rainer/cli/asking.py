"""Questions to the person at the terminal. What is asked goes to stderr, or to the terminal if both are one."""

from __future__ import annotations

import contextlib
import sys

from rainer.cli.exit_codes import NothingDone
from rainer.cli.terminal import is_terminal, standard_error


def ask(question: str) -> str:
    """The answer, without blanks around it; NothingDone when the input has ended."""
    if is_terminal(sys.stdin) and is_terminal(sys.stdout):
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - gives input() its line editing
        try:
            return input(question).strip()
        except EOFError:
            print(file=sys.stderr)
            raise _unanswered() from None
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        sys.stderr.write("\n")
        raise _unanswered()
    return line.strip()


def _unanswered() -> NothingDone:
    return NothingDone("no answer, nothing committed", hint="--yes asks nothing")


def choose(question: str, choices: dict[str, str]) -> str:
    """One of the letters of `choices`; `?` explains them, and so does an answer that is none of them."""
    letters = "/".join(choices)
    while True:
        answer = ask(f"{question} [{letters}/?] ").lower()
        found = next((letter for letter, words in choices.items() if answer in (letter, _first_word(words))), None)
        if found is not None:
            return found
        talk = standard_error()
        for letter, words in choices.items():
            talk.line("  ", (letter, "key"), f"  {words}")


def _first_word(words: str) -> str:
    return words.split()[0].strip(",;")


def confirm(question: str) -> None:
    """Return if the answer is yes; NothingDone if it is no."""
    if choose(question, {"y": "yes", "n": "no"}) == "n":
        raise NothingDone("OK, nothing committed")
