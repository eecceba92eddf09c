"""`rainer namespace`: list, create and show namespaces."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from rainer import limits
from rainer.cli import records
from rainer.cli.invocation import Invocation
from rainer.cli.options import json_option, url_flag
from rainer.errors import InvalidError
from rainer.model.formats import FORMATS
from rainer.model.setting_values import parse_bytes

if TYPE_CHECKING:
    from rainer.client import Namespace


@click.group("namespace", short_help="List, create and show namespaces.", no_args_is_help=False)
def command() -> None:
    """List, create and show namespaces."""


@command.command("list")
@json_option
@url_flag
@click.pass_obj
def list_namespaces(run: Invocation, as_json: bool) -> None:
    """List the namespaces of the server: name, format, largest payload, and "closed" where it takes no commits."""
    found = run.client.namespaces()
    if as_json:
        records.print_list(run.out, (dataclasses.asdict(namespace) for namespace in found))
        return
    width = max((len(namespace.name) for namespace in found), default=0)
    for namespace in found:
        size = f"{namespace.payload_bytes_max:,} bytes"
        closed = "closed" if namespace.closed else ""
        if run.out.terminal:
            run.out.line(
                (namespace.name.ljust(width), "key"), f"  {namespace.format:<4}  {size:>15}  ", (closed, "removed")
            )
        else:
            run.out.line("\t".join((namespace.name, namespace.format, str(namespace.payload_bytes_max), closed)))


@command.command("create")
@click.argument("name")
@click.option("--format", "format_name", type=click.Choice(FORMATS), default="any", help="What payloads must parse as.")
@click.option("--payload-bytes-max", metavar="BYTES", help=f"Largest payload.  [{limits.PAYLOAD_BYTES_DEFAULT}]")
@json_option
@url_flag
@click.pass_obj
def create(run: Invocation, name: str, format_name: str, payload_bytes_max: str | None, as_json: bool) -> None:
    """Make the namespace NAME, whose payloads must parse as a format and be no larger than so many bytes.

    One that is there with the same settings is left as it is; with others it is a conflict.
    """
    try:
        size = limits.PAYLOAD_BYTES_DEFAULT if payload_bytes_max is None else parse_bytes(payload_bytes_max)
    except ValueError as e:
        raise click.BadParameter(str(e), param_hint="--payload-bytes-max") from None
    if size > limits.PAYLOAD_BYTES_CEILING:
        raise InvalidError(f"--payload-bytes-max {size}: at most {limits.PAYLOAD_BYTES_CEILING} are possible")
    namespace = run.client.create_namespace(name, format=format_name, payload_bytes_max=size)
    _print(run, namespace, as_json)


@command.command("show")
@click.argument("name", required=False)
@json_option
@url_flag
@click.pass_obj
def show(run: Invocation, name: str | None, as_json: bool) -> None:
    """Show the settings of the namespace NAME, or of the one in the URL."""
    _print(run, run.client.namespace(name), as_json)


def _print(run: Invocation, namespace: Namespace, as_json: bool) -> None:
    record: dict[str, Any] = dataclasses.asdict(namespace)
    if as_json:
        records.print_record(run.out, record)
        return
    for name, value in record.items():
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        run.out.line((f"{name:<18}", "quiet"), text)
