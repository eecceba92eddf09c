"""`rainer asset gc`: objects that no manifest ever named, listed and removed."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rainer.cli import records
from rainer.cli.asset_lines import count_words, size_words
from rainer.cli.asset_places import opened_store
from rainer.cli.durations import read_span_s, span_words
from rainer.cli.exit_codes import NothingDone
from rainer.cli.failures import WrongUsage
from rainer.cli.invocation import Invocation, own_sessions
from rainer.cli.options import ReadType, json_option, settings_flags, yes_option
from rainer.cli.terminal import is_terminal

if TYPE_CHECKING:
    from rainer.assets.collecting import Also
    from rainer.assets.published import Collected, Unreferenced
    from rainer.store.store import Store

_GRACE = "7d"


@click.command("gc", short_help="Remove objects that no manifest names.")
@click.argument("prefix", default="", required=False)
@click.option("--dry-run", is_flag=True, help="Only list them.")
@click.option(
    "--grace", type=ReadType("span", read_span_s), default=_GRACE, metavar="SPAN",
    help=f"Leave alone what is younger: longer than any upload takes until its commit.  [{_GRACE}]",
)  # fmt: skip
@click.option(
    "--also", metavar="URL|FILE", multiple=True,
    help="Another server that uses the store, or a manifest or lock file that is to stay whole. Name all there are.",
)  # fmt: skip
@click.option("--foreign", is_flag=True, help="Also remove objects of paths that no manifest knows in any version.")
@yes_option
@json_option
@settings_flags("url", "store", "store_credentials", "store_timeout_s")
@click.pass_obj
def gc(
    run: Invocation, prefix: str, dry_run: bool, grace: float, also: tuple[str, ...], foreign: bool, yes: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Remove the objects of the store that no version of any manifest ever named: what interrupted publishes left.

    Only of paths that begin with PREFIX, if it is given. Every manifest in the whole history of all namespaces of the
    server counts, and whatever is named with --also. On a terminal they are listed first, and you are asked.
    """
    if not (dry_run or yes or is_terminal(sys.stdin)):
        raise WrongUsage("nobody is here to be asked", hint="--dry-run lists what would go, --yes removes it")
    collection = _Collection(run, prefix, grace, also, foreign, as_json)
    if dry_run:
        collection.finish(collection.run(dry_run=True))
        return
    if not yes:
        _confirm(run, collection.run(dry_run=True, quiet=as_json), foreign)
    collection.finish(collection.run(dry_run=False, quiet=not (yes or as_json)))


class _Collection:
    """One run of the command, which may collect twice: to show what would go, and to remove it."""

    def __init__(
        self, run: Invocation, prefix: str, grace_s: float, also: tuple[str, ...], foreign: bool, as_json: bool
    ) -> None:  # fmt: skip
        self._run = run
        self._prefix = prefix
        self._grace_s = grace_s
        self._also = also
        self._foreign = foreign
        self._as_json = as_json
        self._objects: list[dict[str, Any]] = []
        self._removes = False

    def run(self, *, dry_run: bool, quiet: bool = False) -> Collected:
        from rainer.assets.collecting import collect

        self._objects.clear()
        self._removes = not dry_run
        with ExitStack() as stack:
            store: Store = stack.enter_context(opened_store(self._run))
            return collect(
                self._run.client, store, grace_s=self._grace_s, dry_run=dry_run, foreign=self._foreign,
                also=[self._opened(stack, one) for one in self._also], prefix=self._prefix,
                report=None if quiet else self._hear,
            )  # fmt: skip

    def _opened(self, stack: ExitStack, also: str) -> Also:
        if not also.startswith(("http://", "https://")):
            return Path(also)
        from rainer.client import Client
        from rainer.client.address import Address

        values = self._run.settings
        is_own = Address.parse(also).root == Address.parse(values.url).root  # another server does not get our token
        token = values.token if is_own else None
        return stack.enter_context(
            Client(also, token=token, timeout_s=values.timeout_s, session=own_sessions(values))
        )  # fmt: skip

    def _hear(self, one: Unreferenced) -> None:
        if self._as_json:
            self._objects.append(asdict(one))
            return
        if self._removes and not (one.is_known or self._foreign):
            return  # it stays
        foreign = "" if one.is_known else "foreign"
        if self._run.out.terminal:
            age = "" if one.age_s is None else f"{span_words(one.age_s)} old"
            self._run.out.line(
                (one.uri, "key"), f"  {size_words(one.size)}  ", (age, "quiet"), "  ", (foreign, "warning")
            )
        else:
            age = "" if one.age_s is None else f"{one.age_s:.0f}"
            self._run.out.line("\t".join((one.uri, "" if one.size is None else str(one.size), age, foreign)))

    def finish(self, done: Collected) -> None:
        if self._as_json:
            records.print_record(self._run.out, asdict(done) | {"objects": self._objects})
        self._run.out.stream.flush()
        self._run.talk.line((_summary(done), "good" if done.removed else "quiet"))
        if done.foreign and not self._foreign:
            self._run.talk.line(
                f"{count_words(done.foreign, 'object')} of paths that no manifest here knows stay: whose are they?"
                " --also names other manifests, --foreign removes them"
            )


def _summary(done: Collected) -> str:
    looked = f"{count_words(done.listed, 'object')} looked at, {done.young:,} too young to judge"
    if done.is_dry_run:
        return f"{looked}, {done.found:,} unreferenced ({size_words(done.found_bytes)}); nothing removed"
    return f"{looked}, {done.removed:,} removed ({size_words(done.removed_bytes)})"


def _confirm(run: Invocation, found: Collected, foreign: bool) -> None:
    from rainer.cli.asking import choose

    count = found.found if foreign else found.found - found.foreign
    if not count:
        run.talk.line((_summary(found), "quiet"))
        raise NothingDone("nothing to remove")
    run.out.stream.flush()
    question = f"Remove {count_words(count, 'object')} from {run.settings.store or 'the server store'} for good?"
    if choose(question, {"y": "yes", "n": "no"}) == "n":
        raise NothingDone("OK, nothing removed")
