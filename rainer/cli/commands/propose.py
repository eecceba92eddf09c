"""`rainer propose`: a change that others are to approve of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rainer.cli import committing, prepared, proposing
from rainer.cli.failures import WrongUsage
from rainer.cli.invocation import Invocation
from rainer.cli.options import VERSION, author_flag, complete_keys, json_option, message_option, url_flag

if TYPE_CHECKING:
    from rainer.model.commit import Draft

_FILE = click.Path(allow_dash=True, exists=True, dir_okay=False)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("propose", short_help="A change for others to approve.")
@click.argument("key", shell_complete=complete_keys, required=False)
@click.argument("file", type=_FILE, required=False)
@message_option
@click.option("--version", type=VERSION, metavar="V", help="The version to write; it must be the next one.")
@click.option("--remove", is_flag=True, help="Propose to remove KEY.")
@click.option("--prepared", "is_prepared", is_flag=True, help="Read what `rainer prepare KEY` printed.")
@click.option("--folder", type=_FOLDER, metavar="DIR", help="Propose what was changed in a checkout.")
@click.option("--all", "whole", is_flag=True, help="Of the folder, its new files and those that are gone, too.")
@click.option("--changeset", type=_FILE, metavar="FILE", help="Propose a changeset in JSON, as the HTTP API takes it.")
@click.option("--again", metavar="ID", help="Propose once more what became stale, on what is there now.")
@json_option
@author_flag
@url_flag
@click.pass_obj
def command(
    run: Invocation, /, key: str | None, message: str | None, again: str | None, as_json: bool, **how: Any
) -> None:
    """Propose FILE, or standard input, as the next version of KEY: committed once somebody else approves.

    \b
    rainer propose KEY [FILE] -m WHY         as `rainer commit` takes it
    rainer propose --folder DIR -m WHY       all that was changed in a checkout, together
    rainer propose --changeset FILE          commits of several keys and namespaces, in JSON
    rainer propose --again ID                one that became stale

    What is proposed is bound to the versions of now: if one of its keys changes before it is approved, it is not
    committed. --again brings both changes together where they do not touch. `rainer edit --propose` opens an editor.
    """
    sources = [name for name in ("remove", "is_prepared", "folder", "changeset") if how[name]]
    is_without_key = bool(how["folder"] or how["changeset"] or again)
    if len(sources) > 1 or (again and sources) or bool(key) == is_without_key:
        raise WrongUsage("say what to propose: a KEY, --folder, --changeset or --again", hint="rainer propose --help")
    if how["changeset"]:
        made = run.client.propose_json(_read(run, how["changeset"]))
    elif again:
        made = _again(run, again, message)
    else:
        wanted = _of_folder(run, how, message) if how["folder"] else [_of_key(run, str(key), message, how)]
        made = run.client.propose(wanted, comment=message or "")
    proposing.report_proposal(run, made, as_json=as_json)


def _again(run: Invocation, proposal_id: str, message: str | None) -> dict[str, Any]:
    before = run.client.proposal(proposal_id)
    if before["state"] in ("open", "committed"):
        raise WrongUsage(
            f"{proposal_id} is {before['state']}", hint="only one that is stale or rejected is proposed again"
        )
    found = proposing.drafts_again(run, before)
    if message is not None:
        found = [replace(draft, comment=message) for draft in found]
    made = run.client.propose(found, comment=before["comment"] if message is None else message)
    run.talk.line((f"{proposal_id} is proposed again, on what is there now", "quiet"))
    return made


def _of_folder(run: Invocation, how: dict[str, Any], message: str | None) -> list[Draft]:
    _need(message, "propose --folder DIR")
    return proposing.drafts_in_folder(run, how["folder"], whole=how["whole"])


def _of_key(run: Invocation, key: str, message: str | None, how: dict[str, Any]) -> Draft:
    if how["is_prepared"]:
        wanted = prepared.from_bytes(_read(run, how["file"]), key)
        return run.client.draft(
            key, wanted.payload, version=wanted.version, author=wanted.author or run.author,
            comment=wanted.comment or message or "", mtime=wanted.mtime,
        )  # fmt: skip
    _need(message, f"propose {key} FILE")
    version = how["version"]
    if version is None:
        head = committing.head_of(run, key)
        version = committing.next_version(head)
        committing.say_version(run, key, head)
    payload = None if how["remove"] else _read(run, how["file"])
    return run.client.draft(key, payload, version=version, author=run.author, comment=message or "")


def _need(message: str | None, words: str) -> None:
    if message is None:
        raise WrongUsage("say why with -m MESSAGE", hint=f"rainer {words} -m MESSAGE")


def _read(run: Invocation, file: str | None) -> bytes:
    if file is None or file == "-":
        return committing.read_standard_input(run)
    with Path(file).open("rb") as stream:
        return committing.read_payload(stream, file)
