"""The options by which a commit is forced past the rules of validation, or only tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rainer.cli.failures import WrongUsage

if TYPE_CHECKING:
    from rainer.cli.invocation import Invocation

F = TypeVar("F", bound=Callable[..., Any])


def force_flag(command: F) -> F:
    """`--force`, which goes to the invocation."""
    return click.option(
        "--force", is_flag=True, callback=_keep("force"), expose_value=False,
        help="Past the rules of validation, which needs the permission; the commit is marked for ever.",
    )(command)  # fmt: skip


def wish_flags(command: F) -> F:
    """`--force` and `--dry-run`."""
    tried = click.option(
        "--dry-run", is_flag=True, callback=_keep("dry_run"), expose_value=False,
        help="Only say what would happen; nothing is committed.",
    )(command)  # fmt: skip
    return force_flag(tried)


def need_reason(run: Invocation, message: str | None) -> None:
    """Wrong usage where a commit is forced and nobody says why."""
    if run.force and not (message or "").strip():
        raise WrongUsage("say why with -m MESSAGE", hint="a forced commit needs a reason: it is marked for ever")


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        from rainer.cli.invocation import Invocation

        run = ctx.find_object(Invocation)
        if value and run is not None:
            setattr(run, name, True)

    return keep
