"""`rainer prepare`: a commit to fill in, in pyrainer's form."""

from __future__ import annotations

import sys

import click

from rainer.cli import committing, prepared
from rainer.cli.invocation import Invocation
from rainer.cli.options import author_flag, key_argument, url_flag, version_argument


@click.command("prepare", short_help="Print a commit to fill in.")
@key_argument
@version_argument
@author_flag
@url_flag
@click.pass_obj
def command(run: Invocation, key: str, version: int | None) -> None:
    """Print the next commit of KEY to fill in: metadata in YAML, a line `---`, the payload.

    `rainer commit-prepared KEY` takes it back. With VERSION: the payload of that version, to follow it.
    """
    author = run.author
    base = committing.head_of(run, key) if version is None else run.client.get(key, version)
    payload = base.payload or b"" if base is not None else b""
    data = prepared.to_bytes(version=committing.next_version(base), author=author, comment="", payload=payload)
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
