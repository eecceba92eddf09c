"""`rainer token`: tokens that say who asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from rainer.cli import records
from rainer.cli.durations import read_span_s
from rainer.cli.invocation import Invocation
from rainer.cli.missing import needs_server
from rainer.cli.moments import ago
from rainer.cli.options import ReadType, database_flags, json_option, url_flag
from rainer.model import times

if TYPE_CHECKING:
    from rainer.access.tokens import TokenTable

_SPAN = ReadType("span", read_span_s)


@click.group("token", short_help="Make, list and revoke tokens.", no_args_is_help=False)
def command() -> None:
    """Make, list and revoke tokens: each proves to the server, by its text, that NAME asks.

    Over HTTP, as an admin; with --database straight on a server's database, which is how the first one is made.
    """


@command.command("create")
@click.argument("name")
@click.option("--expires", type=_SPAN, metavar="SPAN", help="When it ends to prove anything, such as 90d.  [never]")
@database_flags
@json_option
@url_flag
@click.pass_obj
def create(run: Invocation, name: str, expires: float | None, as_json: bool) -> None:
    """Make a token that proves NAME, and print its text: once, for nobody keeps it.

    NAME becomes the author of commits, and stands in the policy: a person's address, or a program's name. A name may
    have several tokens, so that they can be changed one after the other.
    """
    made = _create(run, name, None if expires is None else max(1, round(expires)))
    if as_json:
        records.print_record(run.out, made)
        return
    ends = f"until {made['expires']}" if made["expires"] else "until it is revoked"
    run.talk.line(("token ", "good"), (made["id"], "key"), f" proves {name} {ends}; its text is told this once:")
    run.out.line(made["token"])
    run.out.stream.flush()
    run.talk.line(("hint:  ", "hint"), "RAINER_TOKEN holds it for `rainer`, Authorization: Bearer for other programs")


def _create(run: Invocation, name: str, expires_s: int | None) -> dict[str, Any]:
    if not _is_direct(run):
        return run.client.create_token(name, expires_s=expires_s)
    from rainer.cli.author import default_author

    with _table(run) as table:
        life_ms = None if expires_s is None else expires_s * 1000
        made, text = table.create(name, created_by=default_author()[0], life_ms=life_ms)
        return {"token": text} | made.as_dict(times.now_ms())


@command.command("list")
@database_flags
@json_option
@url_flag
@click.pass_obj
def list_tokens(run: Invocation, as_json: bool) -> None:
    """List the tokens, the newest first: id, name, how it stands, when it was made, last used, and expires."""
    found = _list(run)
    if as_json:
        records.print_list(run.out, found)
        return
    if not run.out.terminal:
        for token in found:
            dates = (token[name] or "" for name in ("created", "last_used", "expires"))
            run.out.line("\t".join((token["id"], token["name"], token["state"], *dates)))
        return
    width = max((len(token["name"]) for token in found), default=0)
    for token in found:
        style = "good" if token["state"] == "live" else "removed"
        used = f"used {_ago(token['last_used'])}" if token["last_used"] else "never used"
        ends = f", expires {_ago(token['expires'])}" if token["expires"] and token["state"] == "live" else ""
        run.out.line(
            (token["id"], "key"), f"  {token['name']:<{width}}  ", (f"{token['state']:<7}", style),
            f"  made {_ago(token['created'])}, {used}{ends}",
        )  # fmt: skip


def _list(run: Invocation) -> list[dict[str, Any]]:
    if not _is_direct(run):
        return run.client.tokens()
    with _table(run) as table:
        now_ms = times.now_ms()
        return [token.as_dict(now_ms) for token in table.list()]


@command.command("revoke")
@click.argument("token_id", metavar="ID")
@database_flags
@json_option
@url_flag
@click.pass_obj
def revoke(run: Invocation, token_id: str, as_json: bool) -> None:
    """Have the token of this ID prove nothing any more; every server knows within two seconds."""
    if _is_direct(run):
        with _table(run) as table:
            revoked = table.revoke(token_id).as_dict(times.now_ms())
    else:
        revoked = run.client.revoke_token(token_id)
    if as_json:
        records.print_record(run.out, revoked)
        return
    run.talk.line(("revoked: ", "good"), f"token {token_id} of ", (revoked["name"], "key"))


def _is_direct(run: Invocation) -> bool:
    """Whether the database was named on this command line: one that is merely set belongs to some server."""
    return "database" in run.flags


@contextmanager
def _table(run: Invocation) -> Iterator[TokenTable]:
    """The tokens in the database that was named, made ready if it is empty."""
    with needs_server():
        from rainer.access.tokens import TokenTable
        from rainer.database.address import parse_address
        from rainer.database.engine import ensure_folder, open_engine
        from rainer.database.migrate import prepare
    address = parse_address(run.settings.database)
    ensure_folder(address)
    engine = open_engine(address)
    try:
        prepare(engine)
        yield TokenTable(engine)
    finally:
        engine.dispose()


def _ago(moment: str) -> str:
    return ago(datetime.fromisoformat(moment))
