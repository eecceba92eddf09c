"""README.md is true: the calls, commands, flags, links and numbers of its prose and tables are those of the code."""

from __future__ import annotations

import inspect
import re

import click

from rainer import limits, settings
from rainer.api.app import ROUTES
from rainer.cli.main import cli
from rainer.client import Client
from tests.integration import readme

TEXT = readme.PATH.read_text("utf-8")
PROSE = readme.prose(TEXT)
TOP = readme.PATH.parent

_NUMBER = re.compile(r"(?<![\w+.-])(\d[\d,]*)(?: (KiB|MiB))?")
_UNITS = {"": 1, "KiB": 1024, "MiB": limits.MiB}

# The numbers of each row of the table, in their order: those of rainer/limits.py by their names.
LIMITS: dict[str, list[str | int]] = {
    "key": [1, "KEY_BYTES_MAX"],
    "namespace's name": [1, "NAMESPACE_CHARS_MAX"],
    "payload": ["PAYLOAD_BYTES_DEFAULT", "PAYLOAD_BYTES_CEILING", "PAYLOAD_BYTES_CEILING"],
    "author; comment": ["AUTHOR_BYTES_MAX", "COMMENT_BYTES_MAX"],
    "version; commit id": ["VERSION_MAX", "COMMIT_ID_CHARS_MAX"],
    "changeset": ["CHANGESET_COMMITS_MAX", "CHANGESET_BODY_BYTES_MAX"],
    "proposal; open ones; a page of them": [
        "PROPOSAL_COMMITS_MAX",
        "PROPOSAL_BYTES_MAX",
        "PROPOSALS_OPEN_MAX",
        "PROPOSALS_PAGE_MAX",
    ],
    "page of heads; of changes": ["LIST_PAGE_MAX", "FEED_PAGE_MAX"],
    "remembered lists": ["LIST_MEMORY_BYTES"],
    "waiting commits": ["QUEUE_ITEMS_MAX", "QUEUE_BYTES_MAX", 503],
    "a request's body; headers": ["BODY_TIMEOUT_S", "BODY_TIMEOUT_S", "HEADER_BYTES_MAX"],
    "a writer's wait for another": ["LOCK_TIMEOUT_S", "STALLED_WRITER_S"],
    "feed's wait; readers": ["FEED_WAIT_S_MAX", "FEED_READERS_MAX"],
    "mirrors that report over HTTP": ["MIRRORS_MAX", "MIRROR_OVERDUE_S", "MIRROR_SILENCE_S"],
    "a file in the server store": ["STORE_FILE_BYTES_MAX"],
    "the path of a file or asset": ["ASSET_PATH_BYTES_MAX"],
    "the local cache of assets": ["CACHE_BYTES_MAX"],
}
IN_THE_PROSE = {"HEADER_TEXT_BYTES_MAX"}
# How the work is portioned, remembered and paced; nobody is refused anything for these.
NOT_STATED = {
    "READY_TIMEOUT_S",
    "GROUP_COMMITS_MAX",
    "GROUP_BYTES_MAX",
    "HEAD_MEMORY_BYTES",
    "COMMITTER_HEADS_MAX",
    "FEED_PAGE_DEFAULT",
    "FEED_PAGE_BYTES",
    "FEED_BEAT_S",
    "MIRROR_REPORT_BYTES_MAX",
    "MIRROR_REJECTED_MAX",
    "RECENT_BYTES",
    "SEARCH_MEMORY_BYTES",
}


def test_the_calls_are_those_of_the_route_table() -> None:
    found = {
        call.split("?")[0].replace("{ns}", "{namespace}")
        for row in readme.table(TEXT, "call")
        for call in readme.spans(row[0])
    }
    assert found == {f"{method} {path}" for method, path, *_ in ROUTES}


def _numbers(text: str) -> list[int]:
    """The numbers of a text outside its inline code, in bytes where they have a unit."""
    text = re.sub("`[^`]*`", "", text)
    return [int(digits.replace(",", "")) * _UNITS[unit] for digits, unit in _NUMBER.findall(text)]


def test_the_limits_are_those_that_hold() -> None:
    expected = {
        what: [getattr(limits, number) if isinstance(number, str) else number for number in numbers]
        for what, numbers in LIMITS.items()
    }
    assert {what: _numbers(text) for what, text in readme.table(TEXT, "what")} == expected
    assert f"ends after {limits.HEADER_TEXT_BYTES_MAX:,} bytes" in TEXT


def test_no_limit_is_left_out() -> None:
    stated = {number for numbers in LIMITS.values() for number in numbers if isinstance(number, str)}
    assert stated | IN_THE_PROSE | NOT_STATED == {name for name in vars(limits) if name.isupper()}


def test_links_lead_somewhere() -> None:
    targets = readme.links(TEXT)
    assert len(targets) >= 3
    assert [target for target in targets if not (TOP / target).is_file()] == []


def _flags(command: click.Command) -> set[str]:
    return {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}


def _unknown_words(words: list[str]) -> list[str]:
    """The subcommands and flags among the words of a `rainer` command that it does not have."""
    command: click.Command = cli
    flags = _flags(cli) | {"--help"}
    unknown = []
    for word in words:
        if word.startswith("-"):
            unknown += [] if word in flags else [word]
        elif isinstance(command, click.Group) and re.fullmatch("[a-z-]+", word):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return [word]
            command, flags = found, flags | _flags(found)
    return unknown


def _our_spans() -> list[str]:
    """The inline code, without the column of the table in which the commands and calls are pyrainer's."""
    return readme.spans(re.sub(r"^\| `(rainer |RainerClient).*?\|", "", PROSE, flags=re.MULTILINE))


def test_commands_in_the_prose_exist() -> None:
    found = [span.split()[1:] for span in _our_spans() if span.startswith("rainer ")]
    assert ["db", "upgrade"] in found
    assert {" ".join(words): _unknown_words(words) for words in found if _unknown_words(words)} == {}
    assert _unknown_words(["db", "downgrade"]) == ["downgrade"]
    assert _unknown_words(["verify", "--hard"]) == ["--hard"]


def _all_flags(command: click.Command) -> set[str]:
    if not isinstance(command, click.Group):
        return _flags(command)
    context = click.Context(command)
    children = [command.get_command(context, name) for name in command.list_commands(context)]
    return _flags(command).union(*(_all_flags(child) for child in children if child is not None))


def test_flags_and_variables_in_the_prose_exist() -> None:
    flags = {span.split()[0] for span in _our_spans() if span.startswith("--")}
    assert {"--author", "--expect"} <= flags <= _all_flags(cli)
    variables = set(re.findall(r"\bRAINER_[A-Z_]+\b", TEXT))
    assert {"RAINER_AUTHOR"} <= variables <= {row.environment for row in settings.TABLE}


def test_the_calls_of_the_client_exist() -> None:
    found = re.findall(r"`Client\(base\)\.(\w+)\((.*?)\)`", TEXT)
    assert {name for name, _ in found} == {"heads", "get", "commit"}
    for name, arguments in found:
        words = {argument.split("=")[0] for argument in arguments.split(", ")}
        assert words <= set(inspect.signature(getattr(Client, name)).parameters), (name, words)
