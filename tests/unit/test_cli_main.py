"""The frame of the command line: help, wrong usage, what is loaded, who the author is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rainer.cli import exit_codes
from rainer.cli.main import MODULES, cli
from rainer.errors import UnavailableError
from rainer.settings import TABLE
from tests.command_line import CommandLine, clean_environment

TOP = Path(__file__).resolve().parents[2]
WORDS = ["list", "show", "log", "diff", "edit", "commit", "uncommit", "revert", "prepare", "commit-prepared"]
WORDS += ["commit-value", "checkout", "verify", "namespace", "db", "import-rainer", "config", "status", "serve"]


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    return CommandLine(monkeypatch, tmp_path)


def all_commands() -> list[list[str]]:
    found = []
    for name in MODULES:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        found.append([name])
        if isinstance(command, click.Group):
            found += [[name, sub] for sub in command.commands]
    return found


def test_help_lists_every_command_and_exit_code(rainer: CommandLine) -> None:
    text = rainer.ok("--help").text
    lines = [line.split() for line in text.splitlines()]
    for name in MODULES:
        assert [line for line in lines if line[:1] == [name] and len(line) > 2], name
    assert set(WORDS) <= set(MODULES)
    codes = [line for line in lines[lines.index(["Exit", "codes:"]) :] if line and line[0].isdigit()]
    assert [int(line[0]) for line in codes] == [row.number for row in exit_codes.TABLE]
    assert 'eval "$(rainer completion bash)"' in text


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_every_command_explains_itself(rainer: CommandLine, words: list[str]) -> None:
    text = rainer.ok(*words, "-h").text
    assert text.startswith(f"Usage: rainer {' '.join(words)}")
    assert "..." not in text.partition("\n\n")[2].partition("Options:")[0]


def test_alone_it_shows_its_help_as_wrong_usage(rainer: CommandLine) -> None:
    result = rainer()
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("Usage: rainer")


def test_the_version_is_the_packages(rainer: CommandLine) -> None:
    from rainer import __version__

    assert rainer.ok("--version").text == f"rainer {__version__}\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["shwo"], "No such command 'shwo'"),
        (["show"], "Missing argument 'KEY'"),
        (["show", "k", "0"], "version '0' is not a whole number"),
        (["show", "k", "01"], "version '01' is not a whole number"),
        (["show", "k", "1e9"], "version '1e9' is not a whole number"),
        (["show", "k", "2147483648"], "version '2147483648' is not a whole number"),
        (["show", "k", "1", "--at", "5"], "give VERSION or --at, not both"),
        (["list", "--at", "x"], "revision 'x' is not a whole number"),
        (["log", "k", "-n", "0"], "Invalid value for '-n'"),
        (["commit", "k"], "say why with -m"),
        (["commit", "k", "no-such-file", "-m", "x"], "'no-such-file' does not exist"),
        (["serve", "--port", "http"], "'http' is not a whole number from 0 to 65535"),
        (["verify", "--expect", "nonsense"], "is not LINEAGE:REVISION:CHAIN"),
        (["namespace"], "Missing command"),
        (["namespace", "create", "x", "--payload-bytes-max", "big"], "'big' is not a byte size"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
        (["--timeout-s", "-1", "list"], "'-1' is not a number of seconds"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_exit_code_2_and_a_sentence(rainer: CommandLine, words: list[str], complaint: str) -> None:
    result = rainer(*words)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("error: ")
    assert complaint in result.err
    assert "hint:  rainer" in result.err


def test_commit_without_a_message_tells_the_new_name_of_the_old_form(rainer: CommandLine) -> None:
    assert "rainer commit-prepared KEY7" in rainer("commit", "KEY7").err


def test_wrong_usage_as_json(rainer: CommandLine) -> None:
    result = rainer("show", "--json")
    assert (result.code, result.error["code"], result.error["exit_code"]) == (2, "usage", 2)


def test_a_wrong_setting_is_invalid_whatever_the_command(rainer: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAINER_PROT", "1")
    result = rainer("list", "--json")
    assert (result.code, result.error["hint"]) == (5, "did you mean RAINER_PORT?")
    assert rainer("--help").code == 0


def test_a_bug_is_told_without_a_traceback_and_with_one_to_who_asks(
    rainer: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_settings: object) -> object:
        raise ZeroDivisionError("oops")

    rainer.client_factory = broken
    result = rainer("list")
    assert (result.code, result.err.count("\n")) == (70, 2)
    assert result.err.startswith("error: this is a bug in Rainer: ZeroDivisionError: oops")
    assert "Traceback" in rainer("--debug", "list").err
    monkeypatch.setenv("RAINER_DEBUG", "yes")
    assert "Traceback" in rainer("list").err


def test_flags_of_the_command_win_over_those_before_it(rainer: CommandLine) -> None:
    seen = []

    def refuse(settings: object) -> object:
        seen.append(settings.url)  # type: ignore[attr-defined]
        raise UnavailableError("no")

    rainer.client_factory = refuse
    assert rainer("--url", "http://a/x", "list").code == 7
    assert rainer("--url", "http://a/x", "list", "--url", "http://b/x").code == 7
    assert seen == ["http://a/x", "http://b/x"]


# config show


def test_config_show_tells_each_value_and_its_origin(rainer: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAINER_DATABASE", "postgresql://u:hunter2@h/db")
    (rainer.folder / "rainer.toml").write_text("workers = 3\n")
    result = rainer.ok("--url", "http://h/x", "config", "show", "--json")
    shown = {row["name"]: (row["value"], row["from"]) for row in result.json}
    assert list(shown) == [row.name for row in TABLE]
    assert shown["url"] == ("http://h/x", "flag --url")
    assert shown["database"] == ("postgresql://u:***@h/db", "RAINER_DATABASE")
    assert shown["workers"] == ("3", "rainer.toml")
    assert shown["port"] == ("8080", "default")
    assert "hunter2" not in rainer.ok("config", "show").text
    assert rainer.ok("config", "show", "workers").text == "3\n"


def test_config_show_of_what_is_no_setting(rainer: CommandLine) -> None:
    result = rainer("config", "show", "wrokers")
    assert (result.code, "did you mean workers?" in result.err) == (5, True)


# The author.


def test_the_author_is_the_flag_else_the_variable_else_git_else_the_login(
    rainer: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def author(*flags: str) -> list[str]:
        rows = rainer.ok(*flags, "config", "show", "--json").json
        return next([row["value"], row["from"]] for row in rows if row["name"] == "author")

    (rainer.folder / "gitconfig").write_text("[user]\n\temail = git@example.com\n")
    assert author("--author", "flag@example.com") == ["flag@example.com", "flag --author"]
    assert author() == ["ann@example.com", "RAINER_AUTHOR"]
    monkeypatch.delenv("RAINER_AUTHOR")
    assert author() == ["git@example.com", "git config user.email"]
    (rainer.folder / "gitconfig").write_text("")
    monkeypatch.setenv("LOGNAME", "login")
    assert author() == ["login", "login name"]
    monkeypatch.setenv("PATH", "")
    assert author() == ["login", "login name"]


# What is loaded.

HEAVY = {
    "requests",
    "urllib3",
    "rich",
    "yaml",
    "sqlalchemy",
    "alembic",
    "starlette",
    "uvicorn",
    "orjson",
    "platformdirs",
}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["list", "--help"], ["serve", "--help"]], ids=" ".join)
def test_help_loads_no_client_and_no_server(tmp_path: Path, words: list[str]) -> None:
    code = "import json, sys; from rainer.cli.main import run; code = run(sys.argv[1:]); "
    code += "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)"
    environment = {"PYTHONPATH": str(TOP), "PATH": os.environ["PATH"]} | clean_environment(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, env=environment, cwd=tmp_path, check=True
    )
    exit_code, modules = json.loads(done.stderr)
    assert exit_code == 0
    assert {name.split(".")[0] for name in modules} & HEAVY == set()
