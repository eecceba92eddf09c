"""`rainer config`: the settings, their values and where those come from."""

from __future__ import annotations

from contextlib import suppress

import click

from rainer.cli import records
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option
from rainer.errors import InvalidError, RainerError
from rainer.model.setting_values import nearest
from rainer.settings import BY_NAME, TABLE, Setting


@click.group("config", short_help="Show the settings and where they come from.", no_args_is_help=False)
def command() -> None:
    """Show the settings."""


@command.command("show")
@click.argument("name", required=False)
@json_option
@click.pass_obj
def show(run: Invocation, name: str | None, as_json: bool) -> None:
    """Show every setting, or the one called NAME: its value and where it comes from.

    A flag wins over the environment over rainer.toml over the default. Each NAME is also the flag --name (with dashes),
    the variable RAINER_NAME and the key in rainer.toml. Passwords are shown as ***.
    """
    rows = [row for row in TABLE if name in (None, row.name, row.flag, row.environment)]
    if not rows:
        match = nearest(str(name), BY_NAME)
        raise InvalidError(f"there is no setting {name!r}", hint=f"did you mean {match}?" if match else None)
    values = [(row, *_value(run, row)) for row in rows]
    if as_json:
        records.print_list(
            run.out,
            (
                {"name": row.name, "value": value, "from": origin, "environment": row.environment, "help": row.help}
                for row, value, origin in values
            ),
        )
    elif name is not None:
        run.out.line(values[0][1])
    elif not run.out.terminal:
        for row, value, origin in values:
            run.out.line(f"{row.name}\t{value}\t{origin}")
    else:
        names, widest = max(len(row.name) for row in rows), max(len(value) for _, value, _ in values)
        for row, value, origin in values:
            quiet = "quiet" if origin == "default" else "good"
            run.out.line((f"{row.name:<{names}}", "key"), f"  {value:<{min(widest, 50)}}  ", (origin, quiet))


def _value(run: Invocation, row: Setting) -> tuple[str, str]:
    """A setting's value as it may be shown, and where it comes from."""
    value, origin = getattr(run.settings, row.name), run.settings.origins[row.name]
    if row.name == "author" and value is None:
        from rainer.cli.author import default_author

        with suppress(RainerError):
            return default_author()
    return row.show(value), origin
