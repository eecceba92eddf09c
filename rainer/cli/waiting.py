"""`--wait 95%`: a command that commits ends when that share of the mirrors has applied it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from rainer.cli.exit_codes import NotApplied
from rainer.cli.options import ReadType
from rainer.cli.progress import progress_bar
from rainer.errors import InvalidError, RainerError, UnavailableError

if TYPE_CHECKING:
    from rainer.cli.invocation import Invocation
    from rainer.model.commit import Commit

F = TypeVar("F", bound=Callable[..., Any])

_TIMEOUT_S: Final = 30.0
_LOOK_S: Final = 0.25
_HEARD_S: Final = 4.0
"""A mirror reports every three seconds at least: a server that ran for so long has heard of all of them."""
_NAMED_MAX: Final = 10
_SHARE: Final = re.compile(r"(?P<percent>[0-9]{1,3}(?:\.[0-9]+)?)%|(?P<count>[1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class Share:
    """How many mirrors are wanted: a share of those there are, or so many."""

    percent: float | None
    count: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read `95%` or `3`; else InvalidError."""
        found = _SHARE.fullmatch(text.strip())
        if found is not None and found["count"]:
            return cls(None, int(found["count"]))
        if found is not None and 0 < float(found["percent"]) <= 100:
            return cls(float(found["percent"]), 0)
        raise InvalidError(f"{text!r} is no share of the mirrors", hint="such as 95%, 100%, or 3 for three of them")

    def of(self, mirrors: int) -> int:
        """How many of so many mirrors that is."""
        return self.count if self.percent is None else math.ceil(round(mirrors * self.percent / 100, 6))


_SHARE_TYPE: Final = ReadType("share", Share.parse)


def wait_flags(command: F) -> F:
    """The options of a command that commits; what they say goes to the invocation."""
    bound = f"Seconds that --wait waits.  [{_TIMEOUT_S:g}]"
    seconds = click.FloatRange(min=0, min_open=True)
    command = click.option(
        "--wait-timeout-s", type=seconds, metavar="SECONDS", callback=_keep("share_timeout_s"), expose_value=False,
        help=bound,
    )(command)  # fmt: skip
    wait = "End when so many mirrors have applied it: 95%, or 3. The commit stands in any case."
    return click.option(
        "--wait", type=_SHARE_TYPE, metavar="SHARE", callback=_keep("share"), expose_value=False, help=wait
    )(command)


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        from rainer.cli.invocation import Invocation

        run = ctx.find_object(Invocation)
        if value is not None and run is not None:
            setattr(run, name, value)

    return keep


class Applied(NamedTuple):
    """What mirrors of a namespace are waited for to have: keys, as of a revision."""

    namespace: str
    keys: Sequence[str]
    revision: int | None


def wait_for_mirrors(run: Invocation, commit: Commit) -> None:
    """Return when the wanted share of the namespace's mirrors has applied a commit; NotApplied if time runs out.

    Where no mirror reports to the server there is nothing to wait for. Whatever is raised: the commit stands.
    """
    wanted = Applied(commit.namespace, (commit.key,), commit.revision)
    _wait(run, [wanted], f"version {commit.version} of {commit.key!r} is committed and stands")


def wait_for_proposal(run: Invocation, proposal: Mapping[str, Any]) -> None:
    """The same for all that a proposal committed, in the mirrors of each of its namespaces."""
    keys: dict[str, list[str]] = {}
    for one in proposal["keys"]:
        keys.setdefault(one["namespace"], []).append(one["key"])
    wanted = [Applied(namespace, found, proposal["revision"]) for namespace, found in keys.items()]
    _wait(run, wanted, f"proposal {proposal['id']} is committed and stands")


def _wait(run: Invocation, wanted: Sequence[Applied], stands: str) -> None:
    share, timeout_s = run.share, run.share_timeout_s or _TIMEOUT_S
    if share is None:
        return
    deadline = time.monotonic() + timeout_s
    try:
        for one in wanted:
            if one.revision is None:
                raise InvalidError(f"{run.client.url} tells no revisions, so nobody can say who has applied one")
            _Watch(run, one, share, deadline).until_applied(timeout_s)
    except UnavailableError as e:
        raise _noted(NotApplied(str(e), hint=e.hint, **e.details), stands) from e
    except RainerError as e:
        raise _noted(e, stands) from None


def _noted(error: RainerError, stands: str) -> RainerError:
    error.add_note(stands)
    return error


class _Watch:
    """One wait for what was committed in a namespace."""

    def __init__(self, run: Invocation, wanted: Applied, share: Share, deadline: float) -> None:
        self._run, self._wanted, self._share, self._deadline = run, wanted, share, deadline
        status = run.client.status()
        self._lineage = str(status.get("lineage"))
        # A server that has just started has not heard of everybody yet.
        self._heard_at = time.monotonic() + max(0.0, _HEARD_S - float(status.get("uptime_s") or _HEARD_S))

    def until_applied(self, timeout_s: float) -> None:
        with progress_bar(self._run.talk, f"revision {self._wanted.revision} in mirrors") as tell:
            while True:
                mirrors = self._run.client.mirrors(self._wanted.namespace)
                behind = [m for m in mirrors if not self._has_applied(m)]
                applied, wanted = len(mirrors) - len(behind), self._share.of(len(mirrors))
                if tell is not None:
                    tell(applied, max(wanted, len(mirrors)))
                now = time.monotonic()
                if applied >= wanted and now >= self._heard_at:
                    break
                if now >= self._deadline:
                    raise _not_applied(self._wanted, mirrors, behind, wanted, timeout_s)
                time.sleep(min(_LOOK_S, self._deadline - now))
        self._say(applied, len(mirrors))

    def _has_applied(self, mirror: dict[str, Any]) -> bool:
        return (
            mirror.get("lineage") == self._lineage
            and mirror.get("revision", 0) >= (self._wanted.revision or 0)
            and not any(key in mirror.get("rejected", {}) for key in self._wanted.keys)
        )

    def _say(self, applied: int, total: int) -> None:
        namespace = self._wanted.namespace
        if not total:
            self._run.talk.line(("note:  ", "hint"), f"no mirror of {namespace} reports: there is nobody to wait for")
        else:
            self._run.talk.line(("applied", "good"), f" by {applied} of {total} mirrors of {namespace}")


def _not_applied(
    told: Applied, mirrors: list[dict[str, Any]], behind: list[dict[str, Any]], wanted: int, timeout_s: float
) -> NotApplied:
    done = len(mirrors) - len(behind)
    lines = [_sentence(mirror, told.keys) for mirror in behind[:_NAMED_MAX]]
    if len(behind) > _NAMED_MAX:
        lines.append(f"and {len(behind) - _NAMED_MAX} more: `rainer status` lists them")
    return NotApplied(
        f"within {timeout_s:g} s {done} of {len(mirrors)} mirrors of {told.namespace} have applied revision "
        f"{told.revision}; {wanted} were wanted",
        hint="\n".join(lines) or "no mirror reports to this server: `rainer status`",
        behind=behind,
    )


def _sentence(mirror: dict[str, Any], keys: Sequence[str]) -> str:
    who = f"{mirror.get('host')} (pid {mirror.get('pid')}, {mirror.get('via')})"
    for key in keys:
        why = mirror.get("rejected", {}).get(key)
        if why is not None:
            return f"{who} rejected {key!r}: {why}"
    lag = mirror.get("lag_revisions")
    how_far = "in another lineage" if lag is None else f"{lag} behind for {mirror.get('lag_s') or 0:.1f} s"
    error = f": {mirror['error']}" if mirror.get("error") else ""
    return f"{who} is at revision {mirror.get('revision')}, {how_far}{error}"
