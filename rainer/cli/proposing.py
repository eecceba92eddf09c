"""What the commands about proposals share: drafts from folders and from stale proposals, and telling of proposals."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rainer.cli import committing, records
from rainer.cli.differences import print_difference
from rainer.cli.exit_codes import NothingDone
from rainer.cli.terminal import Output
from rainer.errors import ConflictError, NotFoundError
from rainer.model import times
from rainer.model.difference import decode
from rainer.model.merge import merge
from rainer.model.proposal import payload_in

if TYPE_CHECKING:
    from rainer.cli.invocation import Invocation
    from rainer.model.commit import Commit, Draft


# Drafts


def drafts_in_folder(run: Invocation, folder: Path, *, whole: bool) -> list[Draft]:
    """Drafts of what was changed in a folder since it was checked out; NothingDone if nothing was.

    With `whole` files that are new become keys, and keys whose files are gone are removed. ConflictError for files
    whose keys were changed since the checkout.
    """
    from rainer.cli.checkout import Folder

    heads = run.client.heads(include_empty=True)
    found, moved = [], []
    for name, then, now in Folder(folder).changes(whole=whole):
        head = heads.get(name)
        held = None if head is None else head.payload
        if held == now:
            continue
        if (None if held is None else hashlib.sha256(held).hexdigest()) != then:
            moved.append(name)
        found.append((name, now, committing.next_version(head)))
    if moved:
        raise ConflictError(
            f"changed by others since the checkout: {', '.join(moved[:3])}"
            + (f" and {len(moved) - 3} more" if len(moved) > 3 else ""),
            hint="check out into another folder, and bring the changes together", files=moved,
        )  # fmt: skip
    if not found:
        raise NothingDone(f"nothing to do: nothing was changed in {folder}")
    return [run.client.draft(name, now, version=version, author=run.author) for name, now, version in found]


def drafts_again(run: Invocation, proposal: dict[str, Any]) -> list[Draft]:
    """The drafts of a proposal on what is there now: where others changed other lines, both changes.

    ConflictError names the keys where the changes touch; NothingDone where all of it is there already.
    """
    touching, found = [], []
    for (namespace, key), (base, mine, comment) in _by_key(proposal).items():
        client = run.client.in_namespace(namespace)
        head = _head(client, key)
        theirs = None if head is None else head.payload
        merged, touches = _merged(base, mine, theirs)
        if touches:
            touching.append(f"{namespace}/{key}")
        elif merged != theirs:
            version = committing.next_version(head)
            found.append(client.draft(key, merged, version=version, author=run.author, comment=comment))
    if touching:
        raise ConflictError(
            f"others changed the same lines: {', '.join(touching)}",
            hint="make the change again, on what is there now: `rainer edit --propose KEY`", keys=touching,
        )  # fmt: skip
    if not found:
        raise NothingDone(f"nothing to do: all that {proposal['id']} proposed is there")
    return found


def _by_key(proposal: dict[str, Any]) -> dict[tuple[str, str], tuple[bytes | None, bytes | None, str]]:
    """Of each key: what it was made on, what it shall be in the end, and why."""
    found: dict[tuple[str, str], tuple[bytes | None, bytes | None, str]] = {}
    for commit in proposal["commits"]:
        at = (commit["namespace"], commit["key"])
        base = found[at][0] if at in found else payload_in(commit["base"] or {})
        found[at] = base, payload_in(commit), commit["comment"]
    return found


def _head(client: Any, key: str) -> Commit | None:
    try:
        head: Commit = client.get(key)
    except NotFoundError:
        return None
    return head


def _merged(base: bytes | None, mine: bytes | None, theirs: bytes | None) -> tuple[bytes | None, bool]:
    """What both would have, and whether their changes touch, so that it is nothing."""
    if base in (theirs, mine) or mine == theirs:
        return (mine if base == theirs else theirs), False
    if base is None or mine is None or theirs is None or None in (decode(base), decode(mine), decode(theirs)):
        return None, True
    both = merge(base, mine, theirs)
    return (None, True) if both.conflicts else (both.text, False)


# Telling


def report_proposal(run: Invocation, proposal: dict[str, Any], *, as_json: bool) -> None:
    """Say what was proposed, and what is to come."""
    if as_json:
        records.print_record(run.out, proposal)
        return
    run.talk.line(("proposed", "good"), f" {keys_text(proposal)}: ", (proposal["id"], "key"))
    others = "somebody else" if proposal["approvals_needed"] == 1 else f"{proposal['approvals_needed']} others"
    run.talk.line(("hint:  ", "hint"), f"{others} must approve: rainer approve {proposal['id']}")


def report_decision(run: Invocation, proposal: dict[str, Any], *, as_json: bool) -> None:
    """Say what has become of a proposal."""
    if as_json:
        records.print_record(run.out, proposal)
    elif proposal["state"] == "open":
        given, needed = proposal["approvals_standing"], proposal["approvals_needed"]
        run.talk.line(("approved", "good"), f" {proposal['id']}: {given} of {needed} approvals that it needs")
    elif proposal["state"] == "committed":
        where = f", revision {proposal['revision']}"
        run.talk.line(("committed", "good"), f" {keys_text(proposal)} by {proposal['author']}{where}")
    else:
        run.talk.line((proposal["state"], "good"), f" {proposal['id']}")


def keys_text(proposal: dict[str, Any]) -> str:
    """The keys of a proposal in a few words, such as `prod/app.yaml version 4 and 2 more`."""
    first, *others = proposal["keys"]
    more = f" and {len(others)} more" if others else ""
    return f"{first['namespace']}/{first['key']} version {first['version']}{more}"


def print_proposal(out: Output, proposal: dict[str, Any]) -> None:
    """Who proposes what, and why; what has become of it; and each difference."""
    from rainer.cli.moments import ago, local

    moment = times.from_ms(times.parse_iso(proposal["created"]))
    out.line((f"proposal {proposal['id']}", "version"), (f"  {state_text(proposal)}", "quiet"))
    through = "" if proposal["identity"] == proposal["author"] else f" (through {proposal['identity']})"
    out.line(f"Author: {proposal['author']}{through}")
    out.line(f"Date:   {local(moment)}", (f"  {ago(moment)}", "quiet"))
    for given in proposal["approvals"]:
        said = f": {given['comment']}" if given["comment"] else ""
        out.line(f"Approved by {given['by']}{said}")
    for line in ["", *proposal["comment"].strip("\r\n").splitlines()] if proposal["comment"].strip() else []:
        out.line(f"    {line}" if line else "")
    for commit in proposal["commits"]:
        out.line()
        name, base = f"{commit['namespace']}/{commit['key']}", payload_in(commit["base"] or {})
        labels = f"{name} {commit['version'] - 1}", f"{name} {commit['version']} (proposed)"
        if base == payload_in(commit):
            out.line((f"{labels[1]}: no difference", "quiet"))
        print_difference(out, base, payload_in(commit), *labels)


def state_text(proposal: dict[str, Any]) -> str:
    """What has become of a proposal, in words."""
    if proposal["state"] == "open":
        return f"open, {proposal['approvals_standing']} of {proposal['approvals_needed']} approvals"
    if proposal["state"] == "committed":
        said = records.first_line(proposal["decision"] or "")
        return f"approved by {proposal['decided_by']}, revision {proposal['revision']}" + (f": {said}" if said else "")
    if proposal["state"] == "rejected":
        return f"rejected by {proposal['decided_by']}: {records.first_line(proposal['decision'] or '')}"
    conflicts = proposal.get("conflicts") or []
    where = f": version {conflicts[0]['expectedVersion']} of {conflicts[0]['key']} is next" if conflicts else ""
    return f"stale, for what it was made on has moved{where}"
