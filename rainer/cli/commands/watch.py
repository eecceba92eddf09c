"""`rainer watch`: every change, as it comes."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import click

from rainer.cli import records
from rainer.cli.commands.list import fit
from rainer.cli.differences import print_difference
from rainer.cli.invocation import Invocation, own_sessions
from rainer.cli.options import complete_keys, json_option, url_flag
from rainer.errors import RainerError

if TYPE_CHECKING:
    from rainer.mirror import Mirror
    from rainer.model.commit import Commit

_LOOK_S: Final = 0.25
_KEY_CELLS: Final = 24


@click.command("watch", short_help="Every change, as it comes.")
@click.argument("keys", nargs=-1, metavar="[KEY]...", shell_complete=complete_keys)
@click.option("-p", "--patch", is_flag=True, help="With the difference to the version before.")
@click.option("--payload", is_flag=True, help="With --json: the payloads, too.")
@json_option
@url_flag
@click.pass_obj
def command(run: Invocation, keys: tuple[str, ...], patch: bool, payload: bool, as_json: bool) -> None:
    """Show the changes of all keys, or of each KEY, as they come, until ^C.

    Into a pipe: time, key, version, author and the comment's first line, separated by tabs, and "removed" or nothing;
    with --json one object a line. A server that is away is waited for; what changed meanwhile is then shown.
    """
    if payload and not as_json:
        raise click.UsageError("--payload goes with --json; --patch shows what changed")
    from rainer.mirror import Mirror

    settings = run.settings
    # A terminal that somebody watches is no service that `commit --wait` should wait for.
    mirror = Mirror.http(
        settings.url,
        token=settings.token,
        session=own_sessions(settings),
        connect_timeout_s=settings.connect_timeout_s,
        reports=False,
    )
    show = _Shown(run, mirror, frozenset(keys), patch, payload, as_json)
    # ^C is how it ends: that is no failure.
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(mirror):
        mirror.start(settings.timeout_s)
        show.follow()


@dataclass
class _Shown:
    """What is shown, and how."""

    run: Invocation
    mirror: Mirror
    keys: frozenset[str]
    patch: bool
    payload: bool
    as_json: bool

    def follow(self) -> None:
        """Show changes without end, and on stderr when the server goes and comes back."""
        came: SimpleQueue[tuple[str, Commit | None, Commit | None]] = SimpleQueue()
        self.mirror.on_change(lambda key, old, new: came.put((key, old, new)))
        if self.run.talk.terminal:
            what = ", ".join(sorted(self.keys)) or f"all of {self.mirror.namespace}"
            self.run.talk.line((f"watching {what}; ^C ends", "quiet"))
        was_away = False
        while True:
            with contextlib.suppress(Empty):
                self._show(*came.get(timeout=_LOOK_S))
            is_away = self.mirror.error is not None
            if is_away != was_away:
                was_away = is_away
                self._say(self.mirror.error)

    def _say(self, error: RainerError | None) -> None:
        if error is not None:
            self.run.talk.line(("warning: ", "warning"), f"{error}; trying on")
        else:
            self.run.talk.line(("note:  ", "hint"), "following again")

    def _show(self, key: str, old: Commit | None, new: Commit | None) -> None:
        if self.keys and key not in self.keys:
            return
        commit = new or self._removal(key, old)
        if self.as_json:
            record = _record(key, old) if commit is None else records.commit_record(commit, payload=self.payload)
            self.run.out.stream.write(json.dumps(record, ensure_ascii=self.run.out.terminal) + "\n")
        else:
            self._line(key, commit)
            if self.patch:
                self._difference(key, old, new)
        self.run.out.stream.flush()

    def _removal(self, key: str, old: Commit | None) -> Commit | None:
        """The commit that removed a key: a mirror holds none such, so the server is asked; None where it is past."""
        versions = (None, None if old is None else old.version + 1)
        for version in dict.fromkeys(versions):
            with contextlib.suppress(RainerError):
                found = self.run.client.get(key, version)
                if found.is_empty:
                    return found
        return None

    def _line(self, key: str, commit: Commit | None) -> None:
        out = self.run.out
        if not out.terminal:
            columns = ["", key, "", "", "", "removed"] if commit is None else _columns(commit)
            out.line("\t".join(columns))
            return
        from rainer.cli.moments import local

        removed = commit is None or commit.is_empty
        named = (fit(key, _KEY_CELLS), "gone" if removed else "key")
        if commit is None:
            out.line(" " * 8, "  ", named, "  ", ("removed", "quiet"))
            return
        said = ("removed" if removed else "", records.marks_words(commit), records.first_line(commit.comment))
        words = ": ".join(filter(None, said))
        time, version = local(commit.mtime).split()[2], str(commit.version).rjust(4)
        out.line((time, "quiet"), "  ", named, (version, "version"), "  ", commit.author, "  ", (words, "quiet"))

    def _difference(self, key: str, old: Commit | None, new: Commit | None) -> None:
        before, after = (0 if c is None else c.version for c in (old, new))
        print_difference(
            self.run.out, None if old is None else old.payload, None if new is None else new.payload,
            f"{key} {before}", f"{key} {after or before + 1}",
        )  # fmt: skip


def _columns(commit: Commit) -> list[str]:
    words = (records.marks_words(commit), records.first_line(commit.comment))
    comment = ": ".join(filter(None, words)).replace("\t", " ")
    removed = "removed" if commit.is_empty else ""
    return [commit.meta()["mtime"], commit.key, str(commit.version), commit.author, comment, removed]


def _record(key: str, old: Commit | None) -> dict[str, Any]:
    """What is known of a removal whose commit nobody has any more."""
    return {"key": key, "empty": True} | ({} if old is None else {"namespace": old.namespace})
