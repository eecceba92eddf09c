"""`rainer policy`: the first policy of a server."""

from __future__ import annotations

import click

from rainer.cli.author import default_author
from rainer.cli.failures import WrongUsage
from rainer.cli.invocation import Invocation
from rainer.cli.missing import needs_server
from rainer.cli.options import database_flags, url_flag
from rainer.errors import DeniedError, VersionConflict
from rainer.model import policy_document
from rainer.model.commit import Commit
from rainer.model.identity import ANONYMOUS, BOOTSTRAP, OPEN, check_identity_name
from rainer.model.names import SYSTEM_NAMESPACE

_COMMENT = "The first policy"
_FIRST = """\
# Who may do what. Nothing is allowed that no grant gives.
#   who: names, names with *, group:NAME (of `groups`, or as the issuer says), anonymous, authenticated
#   may: read, write, approve, admin (which implies these three), impersonate, force
#   on:  "*", "NAMESPACE/*", "NAMESPACE/PREFIX*", "NAMESPACE/KEY", "store:PATHPREFIX*"
# `rainer can WHO WHAT WHERE` explains a decision.
grants:
  - {{who: [{admin}], may: [admin], on: ["*"]}}
"""


@click.group("policy", short_help="Begin with who may do what.", no_args_is_help=False)
def command() -> None:
    """Begin with who may do what: later on, `rainer edit policy` in namespace rainer."""


@command.command("init")
@click.option("--admin", metavar="NAME", help="Who may administer everything.  [who asks]")
@database_flags
@url_flag
@click.pass_obj
def init(run: Invocation, admin: str | None) -> None:
    """Make namespace rainer with a first policy, by which NAME alone may administer everything.

    To be called with the bootstrap token, before identity is turned on, or with --database straight on a server's
    database, which needs neither. A policy that is there is left alone.
    """
    is_direct = "database" in run.flags  # one that is merely set belongs to some server
    if is_direct and admin is None:
        raise WrongUsage("say who may administer everything: --admin NAME", hint="`rainer token create NAME` proves it")
    name = check_identity_name(admin or _asker(run))
    payload = _FIRST.format(admin=_quoted(name)).encode()
    try:
        made = _put_into_database(run, payload) if is_direct else _commit(run, payload)
    except VersionConflict as e:
        e.hint = f"there is a policy: rainer --url {_url(run)} edit {policy_document.KEY}"
        raise
    except DeniedError as e:
        e.hint = "the first policy takes the server's bootstrap token (RAINER_TOKEN), or --database URL"
        raise
    run.talk.line(("policy ", "good"), f"of revision {made.revision} is in force: {name} may administer everything")
    run.talk.line(("hint:  ", "hint"), f"rainer --url {_url(run)} edit {policy_document.KEY}")


def _commit(run: Invocation, payload: bytes) -> Commit:
    client = run.client
    client.create_namespace(SYSTEM_NAMESPACE, format=policy_document.FORMAT)
    return client.in_namespace(SYSTEM_NAMESPACE).commit(
        policy_document.KEY, payload, version=1, author=run.author, comment=_COMMENT
    )


def _put_into_database(run: Invocation, payload: bytes) -> Commit:
    with needs_server():
        from rainer.journal import Journal
    with Journal(run.settings.database) as journal:
        journal.create_namespace(SYSTEM_NAMESPACE, format=policy_document.FORMAT)
        return journal.append(
            policy_document.KEY, payload, version=1, author=run.settings.author or default_author()[0],
            comment=_COMMENT, namespace=SYSTEM_NAMESPACE,
        )  # fmt: skip


def _asker(run: Invocation) -> str:
    """Who asks; where that is nobody in particular, who commits."""
    found = run.client.whoami()
    nobody = (OPEN.source, ANONYMOUS.source, BOOTSTRAP)
    return run.author if found.get("source") in nobody else str(found["name"])


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _url(run: Invocation) -> str:
    return f"{run.client.url.rstrip('/').rpartition('/')[0]}/{SYSTEM_NAMESPACE}"
