"""`rainer show`: the payload of one version."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from rainer.cli import records
from rainer.cli.invocation import Invocation
from rainer.cli.options import REVISION, json_option, key_argument, url_flag, version_argument
from rainer.cli.pasting import to_paste
from rainer.errors import NotFoundError

if TYPE_CHECKING:
    from rainer.model.commit import Commit

_DUMP_BYTES = 256


@click.command("show", short_help="The payload of a version.")
@key_argument
@version_argument
@click.option("--at", type=REVISION, metavar="REVISION", help="The head as it was at this revision.")
@json_option
@url_flag
@click.pass_obj
def command(run: Invocation, key: str, version: int | None, at: int | None, as_json: bool) -> None:
    """Print the payload of KEY, its newest version or VERSION.

    The bytes go out as they are; only on a terminal, control characters are shown as escapes and binary payloads as
    hexadecimal. A version that removed the key has no payload: that is "not found", unless --json asks for the record.
    """
    if version is not None and at is not None:
        raise click.UsageError("give VERSION or --at, not both")
    commit = run.client.get(key, version, at=at)
    if as_json:
        records.print_record(run.out, records.commit_record(commit, payload=True))
    elif commit.payload is None:
        raise NotFoundError(
            f"key {key!r} has no payload: version {commit.version} by {commit.author} removed it", hint=_before(commit)
        )
    elif run.out.terminal:
        if commit.marks is not None:
            run.talk.line(("note:  ", "hint"), records.marks_words(commit))
        _print_on_terminal(run, commit.payload)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(commit.payload)
        sys.stdout.buffer.flush()


def _before(commit: Commit) -> str | None:
    return to_paste("show", commit.key, str(commit.version - 1)) if commit.version > 1 else None


def _print_on_terminal(run: Invocation, payload: bytes) -> None:
    from rainer.cli.terminal import paged
    from rainer.model.difference import decode

    text = decode(payload)
    if text is None:
        for line in _hexadecimal(payload[:_DUMP_BYTES]):
            run.out.line(line)
        rest = f", of which {_DUMP_BYTES} are shown" if len(payload) > _DUMP_BYTES else ""
        run.talk.line(
            ("note:  ", "hint"), f"binary, {len(payload):,} bytes{rest}; a pipe or a file gets them as they are"
        )
        return
    with paged(run.settings.pager) as out:
        for line in text.removesuffix("\n").split("\n") if text else []:
            out.line(line.removesuffix("\r"))


def _hexadecimal(payload: bytes) -> list[str]:
    lines = []
    for place in range(0, len(payload), 16):
        row = payload[place : place + 16]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{place:08x}  {row.hex(' '):<47}  {shown}")
    return lines
