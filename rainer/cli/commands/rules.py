"""`rainer rules`: the rules of validation in force, and which heads break them."""

from __future__ import annotations

from typing import Any

import click

from rainer.cli import exit_codes, records
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, url_flag
from rainer.errors import VersionConflict
from rainer.model import rules
from rainer.model.names import SYSTEM_NAMESPACE

_FIRST = b"""\
# What payloads must hold to. Each rule is of one kind:
#   - {on: "prod/app.*", schema: app}             a JSON Schema, the key schema.app of this namespace
#   - {on: "prod/*", size_change_max: 10x}        no payload grows, shrinks or vanishes by more
#   - {on: "prod/*", hook: "https://...", timeout_s: 2, when_down: refuse}
#   - {on: "prod/flags*", hook: "python:NAME"}    an entry point of the group rainer.hooks in the server
#   - {on: "prod/db*", approvals: 1}              somebody else must approve: rainer propose
rules: []
"""


@click.group("rules", short_help="The rules of validation, and which heads break them.", no_args_is_help=False)
def command() -> None:
    """What payloads are held to: key rules, and keys schema.NAME, of namespace rainer."""


@command.command("init")
@url_flag
@click.pass_obj
def init(run: Invocation) -> None:
    """Make namespace rainer with rules that demand nothing yet. Rules that are there are left alone."""
    client = run.client
    client.create_namespace(SYSTEM_NAMESPACE, format="yaml")
    edit = f"rainer --url {client.url.rstrip('/').rpartition('/')[0]}/{SYSTEM_NAMESPACE} edit {rules.KEY}"
    try:
        client.in_namespace(SYSTEM_NAMESPACE).commit(
            rules.KEY, _FIRST, version=1, author=run.author, comment="The first rules"
        )
    except VersionConflict as e:
        e.hint = f"there are rules: {edit}"
        raise
    run.talk.line(("rules ", "good"), "are there, and demand nothing yet")
    run.talk.line(("hint:  ", "hint"), edit)


@command.command("list")
@json_option
@url_flag
@click.pass_obj
def list_rules(run: Invocation, as_json: bool) -> None:
    """The rules in force, one a line."""
    found = run.client.rules()
    if as_json:
        records.print_record(run.out, found)
        return
    for one in found["rules"]:
        run.out.line(str(one["rule"]))
    _say_unreadable(run, found)


@command.command("check")
@json_option
@url_flag
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Which newest versions break which rule about schemas; exit code 5 if any does.

    Hooks are not asked, and sizes have nothing to compare with. Where the server asks who one is, this
    takes `admin` on `*`.
    """
    run: Invocation = ctx.obj
    found = run.client.rules(check=True)
    if as_json:
        records.print_record(run.out, found)
    else:
        for one in found["broken"]:
            run.out.line("\t".join((f"{one['namespace']}/{one['key']}", str(one["version"]), str(one["message"]))))
        _say_unreadable(run, found)
        if not found["broken"]:
            count = len(found["rules"])
            words = "1 rule, and nothing breaks it" if count == 1 else f"{count} rules, and nothing breaks them"
            run.talk.line(("fine: ", "good"), words)
        elif found["more"]:
            run.talk.line(("note:  ", "hint"), "and more")
    if found["broken"] or found["unreadable"]:
        ctx.exit(exit_codes.INVALID)


def _say_unreadable(run: Invocation, found: dict[str, Any]) -> None:
    if found["unreadable"]:
        why = f"the rules cannot be read, and only forced commits pass: {found['unreadable']}"
        run.talk.line(("error: ", "error"), why)
