"""What the committing commands share: reading heads, payloads from files, and saying what was done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

from rainer import limits
from rainer.cli import records
from rainer.errors import NamespaceNotFound, NotFoundError, TooLargeError

if TYPE_CHECKING:
    from rainer.cli.invocation import Invocation
    from rainer.model.commit import Commit


def head_of(run: Invocation, key: str) -> Commit | None:
    """The newest commit of a key, or None if there never was one."""
    try:
        return run.client.get(key)
    except NamespaceNotFound:
        raise
    except NotFoundError:
        return None


def next_version(head: Commit | None) -> int:
    return 1 if head is None else head.version + 1


def say_version(run: Invocation, key: str, head: Commit | None) -> None:
    """Tell which version is going to be written, and after whose."""
    from rainer.cli.moments import ago

    if head is None:
        after = "a new key"
    else:
        what = "removed" if head.is_empty else "committed"
        after = f"version {head.version} was {what} by {head.author} {ago(head.mtime)}"
    run.talk.line((f"{key}: version {next_version(head)} ({after})", "quiet"))


def read_payload(file: BinaryIO, name: str) -> bytes:
    """Read a payload whole; TooLargeError as soon as it cannot be one, so that nobody waits for gigabytes."""
    payload = file.read(limits.PAYLOAD_BYTES_CEILING + 1)
    if len(payload) > limits.PAYLOAD_BYTES_CEILING:
        raise TooLargeError(
            f"{name} has more than {limits.PAYLOAD_BYTES_CEILING:,} bytes, which no namespace takes",
            limit=limits.PAYLOAD_BYTES_CEILING,
        )
    return payload


def read_standard_input(run: Invocation) -> bytes:
    """The payload that is piped in; on a terminal, say that it is being read."""
    from rainer.cli.terminal import is_terminal

    if is_terminal(sys.stdin):
        run.talk.line(("reading the payload from the terminal; ^D ends it, ^C stops", "quiet"))
    return read_payload(sys.stdin.buffer, "standard input")


def report_commit(run: Invocation, commit: Commit, *, as_json: bool) -> None:
    """Say what was committed, and wait for mirrors if that was asked for."""
    if run.dry_run:
        _report_tried(run, commit, as_json=as_json)
        return
    if as_json:
        records.print_record(run.out, records.commit_record(commit))
    else:
        what = "removed" if commit.is_empty else "committed"
        what = f"{what} by force" if run.force else what
        where = "" if commit.revision is None else f", revision {commit.revision}"
        run.talk.line((what, "good"), f" {commit.key} version {commit.version}{where}")
    if run.share is not None:
        from rainer.cli.waiting import wait_for_mirrors

        wait_for_mirrors(run, commit)


def _report_tried(run: Invocation, commit: Commit, *, as_json: bool) -> None:
    """Say what would have been committed."""
    if as_json:
        records.print_record(run.out, records.commit_record(commit) | {"dry_run": True})
    else:
        what = "would be removed" if commit.is_empty else "would be committed"
        run.talk.line((what, "good"), f": {commit.key} version {commit.version}; nothing was done")
