"""Options and arguments that several commands share; those that are settings are made from the settings' table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from rainer.cli.invocation import Invocation
from rainer.errors import RainerError
from rainer.model.names import parse_version
from rainer.settings import BY_NAME, TABLE, Setting

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic only in newer versions of click

F = TypeVar("F", bound=Callable[..., Any])

_COMPLETIONS_MAX = 200
_COMPLETION_TIMEOUT_S = 2.0


class _SettingType(_ParamType):
    """Reads a flag as the table reads the environment, so that both refuse the same values in the same words."""

    name = "setting"

    def __init__(self, row: Setting) -> None:
        self._row = row
        self.name = row.name

    def get_metavar(self, *_args: Any, **_kwargs: Any) -> str:
        return self._row.kind.label

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._row.kind.parse(value)
        except ValueError as e:
            self.fail(str(e), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if self._row.kind.label == "PATH":
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(word) for word in self._row.kind.choices if word.startswith(incomplete)]


class ReadType(_ParamType):
    """An argument that one of our own functions reads; what it refuses is wrong usage."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except RainerError as e:
            self.fail(str(e), param, ctx)


def _read_revision(text: str) -> int:
    from rainer.errors import InvalidError

    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    raise InvalidError(f"revision {text!r} is not a whole number")


def _read_position(text: str) -> Any:
    from rainer.model.position import Position

    return Position.parse(text)


VERSION = ReadType("version", parse_version)
REVISION = ReadType("revision", _read_revision)
POSITION = ReadType("position", _read_position)


def settings_flags(*names: str, hidden: bool = False) -> Callable[[F], F]:
    """Options for some settings of the table; their values go to the invocation's flags."""

    def decorate(command: F) -> F:
        for name in reversed(names):
            command = _settings_flag(BY_NAME[name], hidden)(command)
        return command

    return decorate


def part_flags(part: str) -> Callable[[F], F]:
    """Options for all settings of one part of the table."""
    return settings_flags(*(row.name for row in TABLE if row.part == part))


def _settings_flag(row: Setting, hidden: bool) -> Callable[[F], F]:
    def keep(ctx: click.Context, _param: click.Parameter, value: object) -> None:
        invocation = ctx.find_object(Invocation)
        if value is not None and invocation is not None:
            invocation.flags[row.name] = value

    default = "" if callable(row.default) or row.default is None else f"{row.show(row.default)}; "
    words = f"{row.help}  [{default}{', '.join((row.environment, *row.aliases))}]"
    is_switch = row.kind.choices == () and row.kind.label == "yes|no"
    how: dict[str, Any] = {"is_flag": True, "default": None} if is_switch else {"type": _SettingType(row)}
    # What is on unless told otherwise can only be of use as a flag if that turns it off.
    flag = f"{row.flag}/--no-{row.flag.removeprefix('--')}" if is_switch and row.default is True else row.flag
    return click.option(flag, row.name, help=words, callback=keep, expose_value=False, hidden=hidden, **how)


def complete_keys(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Keys of the server that begin so; none when it does not answer quickly, for a shell cannot show an error."""
    from itertools import islice

    try:
        invocation = ctx.find_object(Invocation) or Invocation()
        invocation.flags = {"timeout_s": _COMPLETION_TIMEOUT_S} | invocation.flags
        heads = invocation.client.iter_heads(prefix=incomplete, payloads=False)
        return [CompletionItem(commit.key) for commit in islice(heads, _COMPLETIONS_MAX)]
    except RainerError:
        return []


key_argument = click.argument("key", shell_complete=complete_keys)
version_argument = click.argument("version", type=VERSION, required=False, metavar="[VERSION]")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
message_option = click.option("-m", "--message", metavar="TEXT", help="Why: the commit's comment.")
url_flag = settings_flags("url")
author_flag = settings_flags("author")
database_flags = settings_flags("database", "data_dir")
