"""`rainer edit`, step by step: editor, difference, question, commit; and back to the editor when the commit is refused.

The work is in a file from the first moment, and the file is removed only when its content is committed, or is what the
journal holds already. Whatever else happens ends with the file's path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from rainer.cli import committing
from rainer.cli.asking import ask, choose
from rainer.cli.differences import print_difference
from rainer.cli.editor import edit_file
from rainer.cli.exit_codes import NothingDone
from rainer.cli.moments import ago
from rainer.cli.pasting import to_paste
from rainer.cli.terminal import is_terminal, paged, visible
from rainer.cli.workfile import WorkFile, keep_last_newline
from rainer.errors import ConflictError, MalformedPayload, VersionConflict
from rainer.model.merge import mark_line, merge

if TYPE_CHECKING:
    from rainer.cli.invocation import Invocation
    from rainer.model.commit import Commit

T = TypeVar("T")
_EDITINGS_MAX: Final = 10
"""With --yes nobody would notice that editor and server never agree."""

_LINE: Final = re.compile(r" at line (\d+), column \d+$")

_CHOICES: Final = {
    "y": "yes, do it",
    "n": "no; the file with your work stays",
    "e": "edit, again",
    "c": "comment, in the editor",
    "d": "difference, once more",
}


class Edit(Generic[T]):
    """One edit of one key, begun at the commit `base` (None: a new key); with `yes` it asks nothing.

    `send` does what `command` (commit, or propose) does with the text, its version, author and comment.
    """

    def __init__(
        self,
        run: Invocation,
        key: str,
        base: Commit | None,
        work: WorkFile,
        *,
        yes: bool,
        send: Callable[[bytes, int, str, str], T],
        command: str = "commit",
    ) -> None:
        self._run = run
        self._key = key
        self._base = base
        self._work = work
        self._yes = yes
        self._send, self._command = send, command
        self._author = run.author
        self._comment: str | None = None
        self._labels: dict[str, str] = {}
        self._editings = 0
        self._line: int | None = None

    @property
    def version(self) -> int:
        """The version that this edit is going to write."""
        return committing.next_version(self._base)

    def perform(self, message: str | None) -> T:
        """Edit until the text is sent; every way out but that is an exception, which tells where the work is."""
        self._comment = "" if message is None and self._yes else message
        try:
            sent = self._edit_and_send()
        except BaseException as e:
            for note in self._where():
                e.add_note(note)
            raise
        self._work.discard()
        return sent

    def _edit_and_send(self) -> T:
        self._work.write(self._old or b"")
        text = self._edited(self._old or b"")
        while True:
            if text == (self._old or b""):
                raise NothingDone("nothing to do: nothing was changed")
            if not self._yes and self._ask(text) == "e":
                text = self._edited(text)
                continue
            try:
                return self._send(text, self.version, self._author, self._comment or "")
            except VersionConflict as e:
                text = self._merged(text, e)
            except MalformedPayload as e:
                text = self._corrected(text, e)

    @property
    def _old(self) -> bytes | None:
        return None if self._base is None else self._base.payload

    def _edited(self, before: bytes) -> bytes:
        """What the editor makes of the file; again for as long as conflict marks are left in it.

        `before` is the text whose end decides whether a last newline is the editor's own.
        """
        while True:
            self._editings += 1
            edit_file(self._run.settings.editor, self._work.path, line=self._line)
            self._line = None
            text = keep_last_newline(before, self._work.read())
            number = mark_line(text, **self._labels) if self._labels else None
            if number is None:
                return text
            words = f"a conflict mark is left in line {number}"
            if self._yes:
                raise ConflictError(words)
            if choose(f"{words.capitalize()}.", {"e": _CHOICES["e"], "n": _CHOICES["n"]}) == "n":
                raise NothingDone("OK, nothing committed")

    # The question.

    def _ask(self, text: bytes) -> str:
        """Show the difference and ask what to do with it; "y", "e", or NothingDone."""
        self._show(text)
        if self._comment is None:
            self._comment = ask("Comment: ")
        while True:
            where = self._run.client.url
            what = f"{self._command.capitalize()} this as version {self.version} of {visible(self._key)}"
            answer = choose(f"{what} at {where}?", _CHOICES)
            if answer == "n":
                raise NothingDone("OK, nothing committed")
            if answer == "d":
                self._show(text)
            elif answer == "c":
                self._comment = self._edited_comment()
                for line in self._comment.splitlines():
                    self._run.talk.line(("    " + line, "quiet"))
            else:
                return answer

    def _show(self, text: bytes) -> None:
        labels = f"{self._key} {self.version - 1}", f"{self._key} {self.version} (yours)"
        if is_terminal(self._run.out.stream) and self._run.talk.terminal:
            with paged(self._run.settings.pager) as out:
                print_difference(out, self._old, text, *labels)
        else:
            print_difference(self._run.talk, self._old, text, *labels)

    def _edited_comment(self) -> str:
        path = self._work.second("COMMENT")
        help_lines = f"# Why version {self.version} of {self._key}? Lines that begin with # are left out.\n"
        path.touch(mode=0o600)
        path.write_text(f"{self._comment}\n{help_lines}", "utf-8", errors="replace")
        edit_file(self._run.settings.editor, path)
        lines = path.read_text("utf-8", errors="replace").splitlines()
        return "\n".join(line.rstrip() for line in lines if not line.startswith("#")).strip()

    # What to do when it is refused.

    def _corrected(self, text: bytes, error: MalformedPayload) -> bytes:
        """The editor once more, with the parser's message on top; one that then changes nothing ends the edit."""
        self._run.talk.line(("refused: ", "warning"), str(error))
        notes = [str(error)]
        line = _line_of(error)
        if line is not None:
            self._line = line + len(notes) + 2
            notes.append(f"In this file, with these lines on top, that is line {self._line}.")
        self._work.write(text, notes)
        edited = self._edited(text)
        if edited == text or (self._yes and self._editings > _EDITINGS_MAX):
            raise error
        self._work.write(edited)
        return edited

    def _merged(self, text: bytes, conflict: VersionConflict) -> bytes:
        """Somebody else was first: bring both changes together, in the editor if they touch."""
        base, theirs = self._base, self._run.client.get(self._key)
        self._say_theirs(theirs)
        both = merge(self._old or b"", text, theirs.payload or b"")
        self._labels = {
            "yours": "yours",
            "base": "base" if base is None else f"base v{base.version}",
            "theirs": f"theirs v{theirs.version} by {visible(theirs.author)}",
        }
        if not both.conflicts:
            self._run.talk.line(("merged: ", "good"), "your changes and theirs do not touch")
            merged = both.text
            self._work.write(merged)
        elif self._yes and self._editings > _EDITINGS_MAX:
            raise conflict
        else:
            self._run.talk.line(("merging: ", "warning"), "your changes touch theirs; the editor shows both, marked")
            self._work.write(both.marked(**self._labels))
            self._base = theirs
            return self._edited(text)
        self._base = theirs
        return merged

    def _say_theirs(self, theirs: Commit) -> None:
        talk = self._run.talk
        did = "removed the key" if theirs.is_empty else "committed"
        talk.line(("conflict: ", "warning"), f"{theirs.author} {did} {ago(theirs.mtime)}, as version {theirs.version}")
        for line in theirs.comment.splitlines():
            talk.line((f"    {line}", "quiet"))

    def _where(self) -> list[str]:
        """Where the work is and how to commit it from there; nothing (and no file) if the journal holds it already."""
        try:
            text = keep_last_newline(self._old, self._work.read())
        except OSError:
            return []
        if text == (self._old or b""):
            self._work.discard()
            return []
        self._work.write(text)
        place = f"your work is in {self._work.path}"
        if self._labels and mark_line(text, **self._labels) is not None:
            return [f"{place} (conflict marks and all)"]
        options = ("--version", str(self.version), "-m", "MESSAGE")
        paste = to_paste(self._command, self._key, str(self._work.path), options=options)
        return [place, f"to {self._command} it: {paste}"]


def _line_of(error: MalformedPayload) -> int | None:
    """The line that the parser stopped at; over HTTP, in the ancestor's way, it comes inside the sentence only."""
    if error.line is not None:
        return error.line
    match = _LINE.search(str(error))
    return int(match[1]) if match else None
