"""`rainer completion`: the script that completes commands, options and keys in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from rainer.cli.invocation import Invocation
from rainer.settings import COMPLETION_VARIABLE


@click.command("completion", short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell; keys are completed from the server.

    \b
    bash (4.4 or newer), in ~/.bashrc:   eval "$(rainer completion bash)"
    zsh, in ~/.zshrc:                    eval "$(rainer completion zsh)"
    fish, in ~/.config/fish/config.fish: rainer completion fish | source
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click has no completion for {shell}")
    root = ctx.find_root()
    run: Invocation = ctx.obj
    script = kind(root.command, {}, "rainer", COMPLETION_VARIABLE)
    run.out.stream.write(script.source() + "\n")
