"""The entry point: `rainer`, its commands (each loaded when it is asked for) and how every run ends."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click
from click.shell_completion import shell_complete

from rainer.cli import exit_codes
from rainer.cli.invocation import Invocation
from rainer.cli.options import settings_flags
from rainer.cli.terminal import standard_error
from rainer.settings import COMPLETION_VARIABLE, completion_instruction

SECTIONS: Final[dict[str, dict[str, str]]] = {
    "Read": {
        "list": "list",
        "show": "show",
        "log": "log",
        "diff": "diff",
        "checkout": "checkout",
        "watch": "watch",
    },
    "Change": {
        "edit": "edit",
        "commit": "commit",
        "uncommit": "uncommit",
        "revert": "revert",
    },
    "Change, with another's approval": {
        "propose": "propose",
        "proposals": "proposals",
        "proposal": "proposal",
        "approve": "approve",
        "reject": "reject",
    },
    "Change, as pyrainer spells it": {
        "prepare": "prepare",
        "commit-prepared": "commit_prepared",
        "commit-value": "commit_value",
    },
    "Files": {
        "asset": "asset",
        "cache": "cache",
        "store": "store",
    },
    "Administer": {
        "serve": "serve",
        "publish": "publish",
        "mirror": "mirror",
        "status": "status",
        "namespace": "namespace",
        "token": "token",
        "policy": "policy",
        "rules": "rules",
        "can": "can",
        "db": "db",
        "verify": "verify",
        "import-rainer": "import_rainer",
        "config": "config",
        "completion": "completion",
    },
}
MODULES: Final = {name: module for section in SECTIONS.values() for name, module in section.items()}


class Commands(click.Group):
    """Loads the module of a command when the command is named, and lists the commands by section."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = MODULES.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(f"rainer.cli.commands.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, MODULES)) + 2
        for title, names in SECTIONS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                rows.append((name.ljust(width), command.get_short_help_str(80) if command else ""))
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(row.number), row.meaning) for row in exit_codes.TABLE])
        with formatter.section("Completion"):
            formatter.write_text('eval "$(rainer completion bash)"   # in ~/.bashrc; zsh and fish likewise')


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from rainer import __version__

        click.echo(f"rainer {__version__}")
        ctx.exit()


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    options_metavar="[OPTIONS]",
)
@settings_flags("url", "token", "author", "timeout_s", "config", "debug")
@settings_flags("tls_ca", "client_certificate", "client_key", hidden=True)
@settings_flags("connect_timeout_s", "editor", "pager", "state_dir", hidden=True)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Read and change journaled configuration: every change is a commit that stays.

    \b
    rainer list                     what there is
    rainer log KEY                  who changed it, when, why, and what
    rainer watch                    every change, as it comes
    rainer edit KEY                 change it, see the difference, commit
    rainer serve                    a server of your own, on SQLite, in one command

    Settings come from flags, the environment (RAINER_URL and so on) and rainer.toml: rainer config show.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(exit_codes.USAGE)


def run(arguments: Sequence[str], invocation: Invocation | None = None) -> int:
    """Run one command line; return its exit code. Everything that goes wrong ends here, as a sentence."""
    from rainer.cli.failures import report

    arguments = list(arguments)
    with contextlib.closing(invocation or Invocation()) as invocation:
        try:
            with cli.make_context("rainer", list(arguments), obj=invocation) as ctx:
                cli.invoke(ctx)
            sys.stdout.flush()
            return exit_codes.DONE
        except click.exceptions.Exit as e:
            return e.exit_code
        except BrokenPipeError:
            _drop_output()
            return exit_codes.PIPE_CLOSED
        except (Exception, KeyboardInterrupt) as e:
            as_json = "--json" in (arguments[: arguments.index("--")] if "--" in arguments else arguments)
            return report(e, standard_error(), as_json=as_json, debug=_is_debugging(invocation))


def _is_debugging(invocation: Invocation) -> bool:
    try:
        return invocation.settings.debug
    except Exception:
        return bool(invocation.flags.get("debug"))


def _drop_output() -> None:
    """Nobody reads on: let the interpreter's own flush at the end write into nothing."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def _prepare_streams() -> None:
    """Data is UTF-8 whatever the locale; what a stream cannot carry is escaped instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="backslashreplace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def main() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    _prepare_streams()
    instruction = completion_instruction()
    if instruction:
        sys.exit(shell_complete(cli, {"obj": Invocation()}, "rainer", COMPLETION_VARIABLE, instruction))
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
