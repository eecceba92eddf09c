"""The small parts of the command line: times, the prepared form, the work file, records, exit codes."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rainer import errors
from rainer.cli import exit_codes, prepared, records
from rainer.cli.failures import report
from rainer.cli.moments import ago, local
from rainer.cli.terminal import Output
from rainer.cli.workfile import WorkFile, file_name, keep_last_newline, leftovers
from rainer.errors import InvalidError, KeyConflict, RainerError, VersionConflict
from rainer.model.commit import Commit

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7_199, "1 hour ago"),
        (86_400 * 3, "3 days ago"),
        (86_400 * 400, "1 year ago"),
        (-7_300, "in 2 hours"),
    ],
)
def test_how_long_ago(seconds: int, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize("moment", [NOW, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_local_time_names_its_offset(moment: datetime) -> None:
    assert re.fullmatch(r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", local(moment))


# pyrainer's prepared form.


@given(
    st.integers(1, 2**31 - 1),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.one_of(st.binary(), st.just(b"a\n---\nb"), st.just(b"---\n")),
)
@example(1, "me", "next\x85line \u2028 \u2029", b"")
def test_what_is_prepared_is_read_back(version: int, author: str, comment: str, payload: bytes) -> None:
    data = prepared.to_bytes(version=version, author=author, comment=comment, payload=payload)
    wanted = prepared.from_bytes(data, "key")
    assert (wanted.version, wanted.author, wanted.comment, wanted.payload) == (version, author, comment, payload)


def test_pyrainers_own_header_is_read() -> None:
    data = b"author: me\ncomment: ''\nempty: false\nkey: hey\nmtime: '1970-01-01T00:00:00.002Z'\nversion: 3\n---\nyes"
    wanted = prepared.from_bytes(data, "hey")
    assert wanted == prepared.Prepared(3, b"yes", "me", "", datetime(1970, 1, 1, 0, 0, 0, 2000, tzinfo=UTC))


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (b"version: 1\r\n---\r\nx\r\n", b"x\r\n"),
        (b"---\nversion: 1\n---\nx", b"x"),
        (b"version: 1\n---", b""),
        (b"version: 1\nempty: true\n", None),
        (b"version: 1\nempty: true\n---\n\n", None),
    ],
)
def test_forms_of_the_divider(data: bytes, payload: bytes | None) -> None:
    assert prepared.from_bytes(data, "key").payload == payload


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"version: 1\n", "no line `---`"),
        (b"", "has no version"),
        (b"author: me\n---\nx", "has no version"),
        (b"- 1\n---\nx", "has no version"),
        (b"version: [\n---\nx", "is not YAML"),
        (b"version: \xff\n---\nx", "is not YAML"),
        (b"version: 0\n---\nx", "version 0 is not"),
        (b"version: yes\n---\nx", "version True is not"),
        (b"version: 1\nkey: other\n---\nx", "is of key 'other', not of 'key'"),
        (b"version: 1\nauthor: 7\n---\nx", "author is 7"),
        (b"version: 1\nautor: me\n---\nx", "unknown member, 'autor'"),
        (b"version: 1\nempty: true\n---\nx", "says empty, yet a payload follows"),
        (b"version: 1\nmtime: soon\n---\nx", "is not ISO 8601"),
    ],
)
def test_what_is_wrong_with_a_prepared_commit(data: bytes, complaint: str) -> None:
    with pytest.raises(InvalidError, match=re.escape(complaint)):
        prepared.from_bytes(data, "key")


# The work file.


@given(st.binary(), st.lists(st.text(), max_size=3))
def test_notes_are_taken_out_again_whatever_the_text(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, notes: list[str]
) -> None:
    work = WorkFile(tmp_path_factory.mktemp("state"), "key.json")
    work.write(text, notes)
    assert work.read() == text
    work.discard()


def test_notes_an_editor_indented_or_moved_are_still_found(tmp_path: Path) -> None:
    work = WorkFile(tmp_path, "key.json")
    work.write(b"{}\n", ["line 1: not JSON"])
    lines = work.path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    work.path.write_bytes(b"".join([lines[2], b"  " + lines[0], lines[1]]))
    assert work.read() == b"{}\n"


def test_the_work_is_the_owners_alone_and_bears_the_keys_name(tmp_path: Path) -> None:
    work = WorkFile(tmp_path, "prices.json")
    work.write(b"{}")
    assert work.path.name == "prices.json"
    assert work.path.stat().st_mode & 0o777 == 0o600
    assert work.folder.stat().st_mode & 0o777 == 0o700
    work.discard()
    assert not work.folder.exists()


def test_work_has_a_place_where_the_state_folder_has_none(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    work = WorkFile(blocked, "key")
    work.write(b"x")
    assert work.read() == b"x"
    work.discard()


def test_what_earlier_edits_left_is_found_newest_first(tmp_path: Path) -> None:
    first, second, other = (WorkFile(tmp_path, key) for key in ("a", "a", "b"))
    for work in (first, second, other):
        work.write(b"x")
    assert [path for path, _ in leftovers(tmp_path, "a")] in ([first.path, second.path], [second.path, first.path])
    assert leftovers(tmp_path / "nowhere", "a") == []


@pytest.mark.parametrize(
    ("key", "format_name", "name"),
    [
        ("prices.json", "yaml", "prices.json"),
        ("prices", "any", "prices"),
        ("prices", "json", "prices.json"),
        ("com.example.service-limits", "toml", "com.example.service-limits.toml"),
        ("k" * 250, "json", "k" * 250),
    ],
)
def test_the_name_tells_the_editor_the_format(key: str, format_name: str, name: str) -> None:
    assert file_name(key, format_name) == name


@pytest.mark.parametrize(
    ("before", "edited", "kept"),
    [
        (b"a", b"a\n", b"a"),
        (b"a", b"a\r\n", b"a"),
        (b"a", b"b\n\n", b"b\n"),
        (b"a\n", b"b\n", b"b\n"),
        (b"a\n", b"b", b"b"),
        (b"", b"b\n", b"b\n"),
        (None, b"b\n", b"b\n"),
    ],
)
def test_the_editors_own_last_newline(before: bytes | None, edited: bytes, kept: bytes) -> None:
    assert keep_last_newline(before, edited) == kept


# Records.


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        (None, "empty"),
        (b"", "0 lines, 0 bytes"),
        (b"a", "1 line, 1 byte"),
        (b"a\nb\n", "2 lines, 4 bytes"),
        (b"\xff" * 1200, "binary, 1,200 bytes"),
    ],
)
def test_sizes_in_words(payload: bytes | None, size: str) -> None:
    assert records.size_text(payload) == size


def test_a_record_is_the_servers_json() -> None:
    commit = Commit("k", 2, b"\xff", "me", "why", NOW, revision=7)
    assert records.commit_record(commit, payload=True) == {
        "key": "k",
        "version": 2,
        "author": "me",
        "comment": "why",
        "mtime": "2026-11-21T12:00:00.000Z",
        "empty": False,
        "namespace": "diary",
        "revision": 7,
        "payload_base64": "/w==",
    }


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_is_one_array_with_an_element_a_line(count: int) -> None:
    stream = io.StringIO()
    records.print_list(Output(stream, terminal=False), ({"n": n, "text": "\n"} for n in range(count)))
    assert json.loads(stream.getvalue()) == [{"n": n, "text": "\n"} for n in range(count)]
    assert len(stream.getvalue().splitlines()) == (count + 2 if count else 1)


def test_json_on_a_terminal_is_ascii() -> None:
    stream = io.StringIO()
    records.print_record(Output(stream, terminal=True), {"comment": "\x9b2J\u202e"})
    assert stream.getvalue().isascii()
    assert json.loads(stream.getvalue()) == {"comment": "\x9b2J\u202e"}


# Exit codes and failures.


def test_every_error_has_the_exit_code_of_its_branch() -> None:
    branches = {
        errors.ConflictError: 3,
        errors.NotFoundError: 4,
        errors.InvalidError: 5,
        errors.DeniedError: 6,
        errors.UnavailableError: 7,
        errors.OutcomeUnknown: 8,
        errors.CorruptError: 9,
        errors.SchemaMismatch: 10,
        errors.MissingExtra: 11,
    }
    for cls in errors.BY_CODE.values():
        error = VersionConflict([KeyConflict("diary", "k", 2, 1)]) if cls is VersionConflict else cls("x")
        expected = next((number for branch, number in branches.items() if isinstance(error, branch)), exit_codes.BUG)
        assert exit_codes.of(error) == expected


def test_no_two_rows_of_the_table_have_one_number() -> None:
    numbers = [row.number for row in exit_codes.TABLE]
    assert numbers == sorted(set(numbers))
    assert all(0 <= number < 256 for number in numbers)


def _report(error: BaseException, *, as_json: bool = False, debug: bool = False) -> tuple[int, str]:
    stream = io.StringIO()
    code = report(error, Output(stream, terminal=False), as_json=as_json, debug=debug)
    return code, stream.getvalue()


def test_an_error_is_a_sentence_a_hint_and_notes() -> None:
    error = InvalidError("no good", hint="do this\nor that")
    error.add_note("your work is in /x")
    assert _report(error) == (5, "error: no good\nhint:  do this\nhint:  or that\nnote:  your work is in /x\n")


def test_an_error_as_json_is_one_object() -> None:
    error = VersionConflict([KeyConflict("diary", "k", 2, 5)])
    error.add_note("here")
    code, text = _report(error, as_json=True)
    body = json.loads(text)
    assert code == body["exit_code"] == 3
    assert (body["code"], body["notes"]) == ("version-conflict", ["here"])
    assert body["conflicts"] == [{"namespace": "diary", "key": "k", "expectedVersion": 2, "providedVersion": 5}]


@pytest.mark.parametrize(
    ("error", "code", "start"),
    [
        (
            ValueError("postgresql://u:hunter2@h"),
            70,
            "error: this is a bug in Rainer: ValueError: postgresql://u:***@h",
        ),
        (RainerError("odd"), 70, "error: odd"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (click.UsageError("no such option"), 2, "error: no such option"),
        (click.FileError("f", "gone"), 2, "error: Could not open file"),
        (FileNotFoundError(2, "No such file", "/x"), 5, "error: /x: No such file"),
        (exit_codes.NothingDone("nothing to do"), 1, "nothing to do"),
    ],
)
def test_what_else_can_end_a_command(error: BaseException, code: int, start: str) -> None:
    got, text = _report(error)
    assert (got, text[: len(start)]) == (code, start)
    assert "Traceback" not in text


def test_a_traceback_is_shown_to_who_asks() -> None:
    try:
        raise ValueError("deep")
    except ValueError as e:
        code, text = _report(e, debug=True)
    assert code == 70
    assert text.startswith("Traceback")
