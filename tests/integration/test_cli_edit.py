"""`rainer edit` with scripted editors: conflicts, refusals, failures; whatever happens, the work is still there."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.client import Client
from rainer.errors import DeniedError, OutcomeUnknown, UnavailableError
from rainer.testing import TestServer, server
from tests.command_line import CommandLine, editor_script

BASE = b'{\n  "a": 1,\n  "b": 2,\n  "c": 3,\n  "d": 4\n}\n'


@pytest.fixture(scope="module", autouse=True)
def _event_loop_made_once() -> None:
    """The first event loop of a process makes a pipe that stays; made here, it is no test's leak."""
    with server():
        pass


@pytest.fixture
def journal() -> Iterator[TestServer]:
    with server() as running:
        yield running


@pytest.fixture
def client(journal: TestServer) -> Iterator[Client]:
    with journal.client(author="bob@example.com") as client:
        client.commit("k.json", BASE, version=1)
        yield client


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, journal: TestServer) -> CommandLine:
    return CommandLine(monkeypatch, tmp_path, f"{journal.url}/diary")


def meanwhile(journal: TestServer, payload: bytes | None, version: int, when: str = "turn == 1") -> str:
    """Python for an editor script: commit as somebody else while the editor is open."""
    url = f"{journal.url}/diary"
    top = str(Path(__file__).resolve().parents[2])
    return (
        f"if {when}:\n"
        f"    sys.path.insert(0, {top!r})\n"
        "    from rainer.client import Client\n"
        f"    with Client({url!r}, author='bob@example.com') as other:\n"
        f"        other.commit('k.json', {payload!r}, version={version}, comment='meanwhile')\n"
    )


# The plain way.


def test_an_edit_shows_the_difference_asks_why_and_commits(rainer: CommandLine, client: Client) -> None:
    editor = editor_script(rainer.folder, "text = text.replace(b'1', b'10')")
    result = rainer.ok("edit", "k.json", stdin=b"because\ny\n", editor=editor)
    assert '-  "a": 1,\n+  "a": 10,\n' in result.err
    assert "Commit this as version 2 of k.json at http" in result.err
    assert "committed k.json version 2, revision 2" in result.err
    assert result.out == b""
    head = client.get("k.json")
    assert (head.payload, head.comment, head.author) == (BASE.replace(b"1", b"10"), "because", "ann@example.com")
    assert rainer.work_files == []


def test_for_scripts_it_asks_nothing(rainer: CommandLine, client: Client) -> None:
    editor = editor_script(rainer.folder, "text = b'new'")
    result = rainer.ok("edit", "k.json", "-m", "why", "--yes", "--json", editor=editor)
    assert (result.json["version"], result.json["comment"]) == (2, "why")


@pytest.mark.parametrize("removed", [False, True])
def test_a_new_and_a_removed_key_begin_empty(rainer: CommandLine, client: Client, removed: bool) -> None:
    if removed:
        client.commit("new.json", b"old", version=1)
        client.commit("new.json", None, version=2)
    editor = editor_script(rainer.folder, "assert text == b''\nassert path.name == 'new.json'\ntext = b'{}\\n'")
    result = rainer.ok("edit", "new.json", "-m", "", "-y", editor=editor)
    assert ("rainer revert new.json" in result.err) == removed
    head = client.get("new.json")
    assert (head.version, head.payload) == (3 if removed else 1, b"{}\n")


def test_the_editor_sees_the_payload_in_a_private_file(rainer: CommandLine, client: Client) -> None:
    body = f"assert text == {BASE!r}\nassert path.stat().st_mode & 0o777 == 0o600\ntext = b'x'"
    rainer.ok("edit", "k.json", "-y", editor=editor_script(rainer.folder, body))


def test_nothing_changed_is_nothing_to_do(rainer: CommandLine, client: Client) -> None:
    for key in ("k.json", "new"):
        result = rainer("edit", key, "-y", "-m", "x", editor="true")
        assert (result.code, "nothing was changed" in result.err) == (1, True)
    client.commit("n", b"no newline", version=1)
    # What vi does to a text without a last newline is no change.
    assert rainer("edit", "n", "-y", editor=editor_script(rainer.folder, "text += b'\\n'")).code == 1
    assert (client.get("k.json").version, client.get("n").version, rainer.work_files) == (1, 1, [])


def test_a_text_that_ended_without_a_newline_still_does(rainer: CommandLine, client: Client) -> None:
    client.commit("n", b"one", version=1)
    rainer.ok("edit", "n", "-y", editor=editor_script(rainer.folder, "text = b'two\\n'"))
    assert client.get("n").payload == b"two"


@pytest.mark.parametrize("key", ["k.json", "-k.json"])
def test_no_keeps_the_work_and_tells_how_to_commit_it(rainer: CommandLine, client: Client, key: str) -> None:
    editor = editor_script(rainer.folder, "text = b'my work'")
    result = rainer("edit", "-m", "x", "--", key, stdin=b"n\n", editor=editor)
    assert (result.code, client.get("k.json").version) == (1, 1)
    (work,) = rainer.work_files
    assert work.read_bytes() == b"my work"
    command = next(line for line in result.err.splitlines() if "to commit it: " in line).partition("commit it: ")[2]
    assert str(work) in result.err
    words = shlex.split(command)[1:]
    rainer.ok(*words)
    assert client.get(key).payload == b"my work"


def test_at_the_question_one_can_edit_again_and_write_a_longer_comment(rainer: CommandLine, client: Client) -> None:
    body = (
        "if path.name == 'COMMENT':\n"
        "    assert text.startswith(b'short\\n#')\n"
        "    text = b'long\\n\\n# not this\\nlines\\n\\n'\n"
        "else:\n"
        "    text = b'turn %d' % turn\n"
    )
    answers = b"short\nc\nd\ne\nwhat?\ny\n"
    rainer.ok("edit", "k.json", stdin=answers, editor=editor_script(rainer.folder, body))
    head = client.get("k.json")
    assert (head.payload, head.comment) == (b"turn 3", "long\n\nlines")


def test_the_end_of_the_input_is_no_answer(rainer: CommandLine, client: Client) -> None:
    result = rainer("edit", "k.json", editor=editor_script(rainer.folder, "text = b'x'"))
    assert (result.code, client.get("k.json").version, len(rainer.work_files)) == (1, 1, 1)


def test_a_binary_payload_is_not_given_to_an_editor(rainer: CommandLine, client: Client) -> None:
    client.commit("b", b"\xff\x00", version=1)
    result = rainer("edit", "b", "-y", editor="false")
    assert (result.code, "is binary" in result.err, "rainer show b > FILE" in result.err) == (5, True, True)


def test_the_next_edit_tells_what_an_earlier_one_left(rainer: CommandLine, client: Client) -> None:
    rainer("edit", "k.json", "-m", "x", stdin=b"n\n", editor=editor_script(rainer.folder, "text = b'my work'"))
    (work,) = rainer.work_files
    result = rainer("edit", "k.json", "-y", editor="true")
    assert f"another edit of this key left its work in {work}" in result.err
    assert rainer.work_files == [work]


# Somebody else was first.


@pytest.mark.parametrize("asks", [True, False])
def test_changes_that_do_not_touch_are_merged_shown_and_confirmed(
    rainer: CommandLine, journal: TestServer, client: Client, asks: bool
) -> None:
    theirs = BASE.replace(b"4", b"40")
    body = meanwhile(journal, theirs, 2) + "text = text.replace(b'1', b'10')"
    flags = ["-m", "mine"] + ([] if asks else ["-y"])
    result = rainer.ok("edit", "k.json", *flags, stdin=b"y\ny\n", editor=editor_script(rainer.folder, body))
    head = client.get("k.json")
    assert (head.version, head.payload) == (3, theirs.replace(b"1", b"10"))
    assert "bob@example.com committed just now, as version 2" in result.err
    assert "meanwhile" in result.err
    if asks:
        assert result.err.count('-  "a": 1,\n+  "a": 10,\n') == 2
        assert "--- k.json 2\n+++ k.json 3 (yours)\n" in result.err
        assert '-  "d": 4' not in result.err


@pytest.mark.parametrize("flags", [["-m", "mine"], ["-m", "mine", "-y"]])
def test_changes_that_touch_come_back_with_marks(
    rainer: CommandLine, journal: TestServer, client: Client, flags: list[str]
) -> None:
    body = meanwhile(journal, BASE.replace(b"1", b"100"), 2)
    body += (
        "if turn == 1:\n"
        "    text = text.replace(b'1', b'10')\n"
        "else:\n"
        f"    pathlib.Path({str(rainer.folder / 'seen')!r}).write_bytes(text)\n"
        "    text = b'{\"resolved\": true}\\n'\n"
    )
    rainer.ok("edit", "k.json", *flags, stdin=b"y\ny\n", editor=editor_script(rainer.folder, body))
    seen = (rainer.folder / "seen").read_bytes()
    assert seen == (
        b'{\n<<<<<<< yours\n  "a": 10,\n||||||| base v1\n  "a": 1,\n=======\n  "a": 100,\n'
        b'>>>>>>> theirs v2 by bob@example.com\n  "b": 2,\n  "c": 3,\n  "d": 4\n}\n'
    )
    head = client.get("k.json")
    assert (head.version, head.payload, head.author) == (3, b'{"resolved": true}\n', "ann@example.com")


def test_marks_that_are_left_are_never_committed(rainer: CommandLine, journal: TestServer, client: Client) -> None:
    body = meanwhile(journal, BASE.replace(b"1", b"100"), 2) + "text = text.replace(b' 1,', b' 10,')"
    editor = editor_script(rainer.folder, body)
    result = rainer("edit", "k.json", "-m", "x", stdin=b"y\nn\n", editor=editor)
    assert (result.code, client.get("k.json").version) == (1, 2)
    assert "A conflict mark is left in line 2." in result.err
    (work,) = rainer.work_files
    assert b"<<<<<<< yours" in work.read_bytes()
    assert b'"a": 10,' in work.read_bytes()
    assert f"{work} (conflict marks and all)" in result.err
    assert "to commit it" not in result.err


def test_marks_that_are_left_are_a_conflict_in_a_script(
    rainer: CommandLine, journal: TestServer, client: Client
) -> None:
    body = meanwhile(journal, BASE.replace(b"1", b"100"), 2) + "text = text.replace(b' 1,', b' 10,')"
    result = rainer("edit", "k.json", "-y", "--json", editor=editor_script(rainer.folder, body))
    assert (result.code, result.error["code"], client.get("k.json").version) == (3, "conflict", 2)
    assert str(rainer.work_files[0]) in result.error["notes"][0]


def test_two_people_who_made_the_same_new_key(rainer: CommandLine, journal: TestServer, client: Client) -> None:
    body = meanwhile(journal, b"theirs\n", 1).replace("'k.json'", "'new'") + "text = b'mine\\n'"
    body += "\nif turn == 2:\n    text = b'both\\n'\n"
    rainer.ok("edit", "new", "-m", "", "-y", editor=editor_script(rainer.folder, body))
    assert (client.get("new").version, client.get("new").payload) == (2, b"both\n")


def test_a_key_removed_meanwhile_is_shown_as_theirs(rainer: CommandLine, journal: TestServer, client: Client) -> None:
    body = meanwhile(journal, None, 2) + "text = b'mine\\n'"
    result = rainer.ok("edit", "k.json", "-m", "", stdin=b"y\ny\n", editor=editor_script(rainer.folder, body))
    assert "bob@example.com removed the key just now, as version 2" in result.err
    assert (client.get("k.json").version, client.get("k.json").payload) == (3, b"mine\n")


def test_the_same_change_by_somebody_else_leaves_nothing_to_do(
    rainer: CommandLine, journal: TestServer, client: Client
) -> None:
    body = meanwhile(journal, b"same\n", 2) + "text = b'same\\n'"
    result = rainer("edit", "k.json", "-y", editor=editor_script(rainer.folder, body))
    assert (result.code, client.get("k.json").version, rainer.work_files) == (1, 2, [])


def test_a_conflict_after_a_conflict(rainer: CommandLine, journal: TestServer, client: Client) -> None:
    second = BASE.replace(b"4", b"40")
    body = meanwhile(journal, second, 2) + "text = text.replace(b'1', b'10')"
    rainer.monkeypatch.setattr(Client, "commit", _commit_after(Client.commit, second.replace(b"4", b"44")))
    rainer.ok("edit", "k.json", "-m", "x", "-y", editor=editor_script(rainer.folder, body))
    assert client.get("k.json").payload == BASE.replace(b"1", b"10").replace(b"4", b"440")


def _commit_after(real, payload):  # type: ignore[no-untyped-def]
    """Client.commit, but just before the second attempt somebody else commits a third version."""
    calls = []

    def commit(self, key, data, **how):  # type: ignore[no-untyped-def]
        calls.append(how["version"])
        if how["version"] == 3 and calls.count(3) == 1:
            real(self, key, payload, version=3, author="bob@example.com")
        return real(self, key, data, **how)

    return commit


# The server refuses it.


@pytest.fixture
def strict(rainer: CommandLine, journal: TestServer) -> Iterator[Client]:
    rainer.ok("namespace", "create", "strict", "--format", "json")
    rainer.monkeypatch.setenv("RAINER_URL", f"{journal.url}/strict")
    with journal.client("strict") as client:
        yield client


@pytest.mark.parametrize("flags", [[], ["-y"]])
def test_a_refused_text_comes_back_with_the_parsers_message_on_top(
    rainer: CommandLine, strict: Client, flags: list[str]
) -> None:
    body = (
        "if turn == 1:\n"
        "    text = b'{\\n  \"a\": ,\\n}\\n'\n"
        "else:\n"
        f"    pathlib.Path({str(rainer.folder / 'seen')!r}).write_bytes(text)\n"
        "    text = text.replace(b' ,', b' 1')\n"
    )
    rainer.ok("edit", "k", "-m", "x", *flags, stdin=b"y\ny\n", editor=editor_script(rainer.folder, body))
    seen = (rainer.folder / "seen").read_text().splitlines()
    assert "Malformed input: not JSON: Expecting value at line 2, column 8" in seen[0]
    number = int(seen[1].rpartition("line ")[2].rstrip("."))
    assert seen[number - 1] == '  "a": ,'
    assert strict.get("k").payload == b'{\n  "a": 1\n}\n'
    assert rainer.work_files == []


def test_a_refused_text_that_nobody_corrects_is_kept_without_the_message(rainer: CommandLine, strict: Client) -> None:
    body = "if turn == 1:\n    text = b'not json'\n"
    result = rainer("edit", "k", "-m", "x", "-y", "--json", editor=editor_script(rainer.folder, body))
    assert (result.code, result.error["code"]) == (5, "malformed-payload")
    assert [work.read_bytes() for work in rainer.work_files] == [b"not json"]


def test_an_editor_that_never_agrees_with_the_server_ends(rainer: CommandLine, strict: Client) -> None:
    editor = editor_script(rainer.folder, "text += b'['")
    assert rainer("edit", "k", "-y", editor=editor).code == 5
    assert rainer.work_files[0].read_bytes().startswith(b"[[")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutcomeUnknown("sent, and no answer came"), 8),
        (UnavailableError("the database is away"), 7),
        (DeniedError("read only"), 6),
        (RuntimeError("a bug"), 70),
        (KeyboardInterrupt(), 130),
    ],
)
def test_whatever_fails_the_work_stays_and_its_place_is_told(
    rainer: CommandLine, client: Client, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr(Client, "commit", fail)
    result = rainer("edit", "k.json", "-m", "x", "-y", editor=editor_script(rainer.folder, "text = b'my work'"))
    assert result.code == code
    (work,) = rainer.work_files
    assert work.read_bytes() == b"my work"
    assert f"your work is in {work}" in result.err
    assert f"rainer commit k.json {work} --version 2 -m MESSAGE" in result.err


def test_a_server_that_goes_away_at_the_conflict(
    rainer: CommandLine, journal: TestServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Client.get, []

    def get(self: Client, key: str, *rest: int) -> object:
        calls.append(key)
        if len(calls) > 1:
            raise UnavailableError("gone")
        return real(self, key, *rest)

    monkeypatch.setattr(Client, "get", get)
    body = meanwhile(journal, b"theirs", 2) + "text = b'my work'"
    result = rainer("edit", "k.json", "-y", editor=editor_script(rainer.folder, body))
    assert (result.code, rainer.work_files[0].read_bytes()) == (7, b"my work")


# The editor fails.


@pytest.mark.parametrize(
    ("editor", "complaint"),
    [
        ("no-such-editor-anywhere", "was not found"),
        (f"{sys.executable} -c 'raise SystemExit(3)'", "ended with exit code 3"),
        (f"{sys.executable} -c 'import os; os.kill(os.getpid(), 15)'", "SIGTERM"),
    ],
)
def test_an_editor_that_fails_commits_nothing(rainer: CommandLine, client: Client, editor: str, complaint: str) -> None:
    result = rainer("edit", "k.json", "-y", "--json", editor=editor)
    assert (result.code, result.error["code"], client.get("k.json").version) == (5, "editor-failed", 1)
    assert complaint in result.error["detail"]
    assert rainer.work_files == []


def test_what_a_failing_editor_wrote_is_kept(rainer: CommandLine, client: Client) -> None:
    editor = editor_script(rainer.folder, "path.write_bytes(b'half done')\nsys.exit(1)")
    assert rainer("edit", "k.json", "-y", editor=editor).code == 5
    assert [work.read_bytes() for work in rainer.work_files] == [b"half done"]
    assert client.get("k.json").version == 1


def test_an_editor_may_have_arguments_and_be_given_as_a_flag(rainer: CommandLine, client: Client) -> None:
    script = editor_script(rainer.folder, "text = b'by flag'", "an editor.py").split(" ", 1)[1]
    rainer.ok("edit", "k.json", "-y", "--editor", f"{sys.executable} {shlex.quote(script)}", editor="false")
    assert client.get("k.json").payload == b"by flag"


def test_an_editor_that_replaces_the_file_is_followed(rainer: CommandLine, client: Client) -> None:
    body = "new = path.with_suffix('.new')\nnew.write_bytes(b'replaced')\nnew.replace(path)\nos._exit(0)"
    rainer.ok("edit", "k.json", "-y", editor=editor_script(rainer.folder, body))
    assert client.get("k.json").payload == b"replaced"


def test_an_editor_that_deletes_the_file_is_an_error(rainer: CommandLine, client: Client) -> None:
    result = rainer("edit", "k.json", "-y", editor="rm")
    assert (result.code, client.get("k.json").version) == (5, 1)
    assert "No such file" in result.err


def test_who_the_author_is_is_known_before_the_work_begins(rainer: CommandLine, client: Client) -> None:
    result = rainer("edit", "k.json", "-y", "--author", "two\nlines", editor="touch edited")
    assert result.code == 5
    assert not (rainer.folder / "edited").exists()


@pytest.mark.skipif(
    subprocess.run(["which", "vi"], capture_output=True, check=False).returncode != 0, reason="needs vi"
)
def test_with_vi_itself(rainer: CommandLine, client: Client) -> None:
    rainer.ok("edit", "k.json", "-y", editor="vi -es -c '%s/1/10/' -c wq")
    assert client.get("k.json").payload == BASE.replace(b"1", b"10")
    assert json.loads(client.get("k.json").payload or b"")["a"] == 10
