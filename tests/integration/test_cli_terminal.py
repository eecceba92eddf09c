"""`rainer` as a process on a terminal: colours, the pager, questions, ^C, and what is left after a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from rainer.client import Client
from tests.command_line import clean_environment, editor_script
from tests.services.rainer import RainerServer
from tests.terminal import END, Terminal

TOP = Path(__file__).resolve().parents[2]
COLOUR = "\x1b["


@pytest.fixture(scope="module")
def server() -> Iterator[RainerServer]:
    with RainerServer() as running:
        yield running


class Shell:
    """A user's shell: a `rainer` in PATH, a namespace of the test's own, a folder to work in."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        command = folder / "bin" / "rainer"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m rainer.cli.main "$@"\n')
        command.chmod(0o755)
        self.environment = clean_environment(folder, url) | {
            "PYTHONPATH": str(TOP),
            "PATH": f"{command.parent}:{os.environ['PATH']}",
        }

    def terminal(self, *command: str, stdout: int | None = None, columns: int = 100, **extra: str) -> Terminal:
        return Terminal(
            command, environment=self.environment | extra, folder=self.folder, stdout=stdout, columns=columns
        )

    def run(self, script: str, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        """A line of bash, without any terminal."""
        return subprocess.run(
            ["bash", "-c", script],
            env=self.environment | dict(extra or {}),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )

    @property
    def work_files(self) -> list[Path]:
        return sorted(path for path in (self.folder / "state" / "edit").glob("*/*") if path.is_file())


@pytest.fixture
def shell(server: RainerServer, tmp_path: Path, request: pytest.FixtureRequest) -> Shell:
    namespace = f"t{abs(hash(request.node.nodeid))}"
    with Client(f"{server.url}/diary") as client:
        client.create_namespace(namespace)
    return Shell(tmp_path, f"{server.url}/{namespace}")


@pytest.fixture
def client(shell: Shell) -> Iterator[Client]:
    with Client(shell.url, author="bob@example.com") as client:
        yield client


# What is shown.


def test_colours_on_a_terminal_and_none_into_a_pipe(shell: Shell, client: Client) -> None:
    client.commit("k", b"one two\n", version=1, comment="why")
    client.commit("k", b"one 2\n", version=2)
    for words in (["list"], ["log", "k"], ["diff", "k"], ["config", "show"], ["namespace", "list"]):
        with shell.terminal("rainer", *words) as terminal:
            assert (terminal.wait(), COLOUR in terminal.raw) == (0, True), words
        with shell.terminal("rainer", *words, TERM="dumb") as terminal:
            assert (terminal.wait(), COLOUR in terminal.raw) == (0, False), words
        piped = shell.run(f"rainer {' '.join(words)}", {"FORCE_COLOR": "1", "TERM": "xterm-256color"})
        assert (piped.returncode, COLOUR.encode() in piped.stdout, piped.stderr) == (0, False, b""), words
    with shell.terminal("rainer", "diff", "k", NO_COLOR="1") as terminal:
        assert terminal.wait() == 0
        assert "\x1b[3" not in terminal.raw


def test_no_sequence_that_others_wrote_reaches_the_terminal(shell: Shell, client: Client) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b2J\u202e"
    client.commit("k", f"{evil}\n".encode(), version=1, comment=f"first {evil}\nmore {evil}")
    client.commit("k", f"{evil}!\n".encode(), version=2, comment=evil, author="b\u202eob")
    for words in (["list"], ["log", "k"], ["log", "k", "--oneline"], ["diff", "k"], ["show", "k"], ["list", "--json"]):
        with shell.terminal("rainer", *words) as terminal:
            assert terminal.wait() == 0
            shown = terminal.raw
        assert not [text for text in ("\x1b]0;", "\x1b[2J", "\x9b", "\u202e", "\x07") if text in shown], words
    assert shell.run("rainer show k").stdout == f"{evil}!\n".encode()


def test_a_binary_payload_is_dumped_on_a_terminal(shell: Shell, client: Client) -> None:
    client.commit("k", b"\x00\x1b[31m" * 100, version=1)
    with shell.terminal("rainer", "show", "k") as terminal:
        assert terminal.wait() == 0
        assert "00000000  00 1b 5b 33 31 6d" in terminal.text
        assert "binary, 600 bytes, of which 256 are shown" in terminal.text


def test_a_stream_that_cannot_carry_a_character_gets_an_escape(shell: Shell, client: Client) -> None:
    client.commit("clé", b"1", version=1, comment="中")
    with shell.terminal("rainer", "list", PYTHONIOENCODING="ascii", PAGER="cat") as terminal:
        assert terminal.wait() == 0
        assert "cl\\xe9" in terminal.text
    assert "clé" in shell.run("rainer list", {"PYTHONIOENCODING": "ascii"}).stdout.decode()


def test_a_narrow_terminal_cuts_comments_and_no_keys(shell: Shell, client: Client) -> None:
    client.commit("a-key-of-some-length", b"1", version=1, comment="c" * 300)
    with shell.terminal("rainer", "list", columns=80, PAGER="cat") as terminal:
        assert terminal.wait() == 0
        line = terminal.text.splitlines()[0]
    assert line.startswith("a-key-of-some-length ")
    assert line.endswith("c…")
    assert len(line) <= 80


# The pager.


@pytest.mark.skipif(shutil.which("less") is None, reason="needs less")
def test_a_long_log_opens_in_less_and_leaving_it_early_is_no_error(shell: Shell, client: Client) -> None:
    for version in range(1, 60):
        client.commit("k", b"x" * 10_000 + b"%d\n" % version, version=version)
    with shell.terminal("rainer", "log", "k", LESS="") as terminal:
        terminal.expect("commit 59")
        terminal.send("q")
        assert terminal.wait() == 0
        assert "error" not in terminal.text


@pytest.mark.skipif(shutil.which("less") is None, reason="needs less")
def test_a_short_log_leaves_less_by_itself_whatever_pager_variable_says_less(shell: Shell, client: Client) -> None:
    client.commit("k", b"1\n", version=1)
    with shell.terminal("rainer", "log", "k", PAGER="less") as terminal:
        assert terminal.wait() == 0
        assert COLOUR in terminal.raw
        assert "ESC[" not in terminal.raw


def test_interrupting_a_pager_waits_for_its_end(shell: Shell, client: Client) -> None:
    client.commit("k", b"1\n", version=1)
    body = "import signal, sys\nsignal.signal(2, signal.SIG_IGN)\nsys.stdin.read()\nprint('PAGING', flush=True)\n"
    body += "open('/dev/tty').readline()\nprint('LEFT')\n"
    (shell.folder / "pager.py").write_text(body)
    with shell.terminal("rainer", "log", "k", PAGER=f"{sys.executable} pager.py") as terminal:
        terminal.expect("PAGING")
        terminal.interrupt()
        terminal.send("\r")
        terminal.expect("LEFT")
        terminal.wait()


def test_a_reader_who_stops_is_met_with_silence(shell: Shell, client: Client) -> None:
    client.commit("k", b"x" * 900_000, version=1)
    for words in ("show k", "show k --json", "log k"):
        done = shell.run(f"rainer {words} | head -c 10 > /dev/null; exit ${{PIPESTATUS[0]}}")
        assert (done.returncode, done.stderr) == (141, b""), words


# edit


def test_an_edit_from_the_first_question_to_the_last(shell: Shell, client: Client) -> None:
    client.commit("k.json", b'{"a": 1}\n', version=1)
    editor = editor_script(shell.folder, "text = text.replace(b'1', b'2')")
    with shell.terminal("rainer", "edit", "k.json", VISUAL=editor) as terminal:
        terminal.expect('+{"a": 2}')
        terminal.answer("Comment: ", "why not")
        terminal.answer("Commit this as version 2 of k.json", "y")
        terminal.expect("committed k.json version 2")
        assert terminal.wait() == 0
    assert (client.get("k.json").payload, client.get("k.json").comment) == (b'{"a": 2}\n', "why not")


def test_a_conflict_while_the_question_stands(shell: Shell, client: Client) -> None:
    client.commit("k", b"a\nb\nc\n", version=1)
    editor = editor_script(shell.folder, "text = text.replace(b'a', b'A') if turn == 1 else b'resolved\\n'")
    with shell.terminal("rainer", "edit", "k", "-m", "mine", VISUAL=editor) as terminal:
        terminal.expect("Commit this as version 2")
        client.commit("k", b"a\nb\nC\n", version=2, comment="first")
        terminal.send("y\r")
        terminal.expect("bob@example.com committed just now, as version 2")
        terminal.expect("do not touch")
        terminal.expect("Commit this as version 3")
        client.commit("k", b"aa\nb\nC\n", version=3)
        terminal.send("y\r")
        terminal.expect("your changes touch theirs")
        terminal.answer("Commit this as version 4", "y")
        assert terminal.wait() == 0
    assert (client.get("k").version, client.get("k").payload) == (4, b"resolved\n")


def test_data_to_a_file_while_questions_stand_on_the_terminal(shell: Shell, client: Client) -> None:
    editor = editor_script(shell.folder, "assert os.isatty(1)\ntext = b'1'")
    words = "rainer", "edit", "k", "--json"
    with (
        (shell.folder / "out").open("wb") as out,
        shell.terminal(*words, VISUAL=editor, stdout=out.fileno()) as terminal,
    ):
        terminal.answer("Comment: ", "x")
        terminal.answer("Commit this", "yes")
        assert terminal.wait() == 0
    assert json.loads((shell.folder / "out").read_bytes())["version"] == 1


@pytest.mark.parametrize(("leave", "code"), [(Terminal.interrupt, 130), (lambda terminal: terminal.send(END), 1)])
def test_leaving_at_the_question_keeps_the_work(
    shell: Shell, client: Client, leave: Callable[[Terminal], None], code: int
) -> None:
    editor = editor_script(shell.folder, "text = b'my work'")
    with shell.terminal("rainer", "edit", "k", VISUAL=editor) as terminal:
        terminal.expect("Comment: ")
        leave(terminal)
        terminal.expect("your work is in ")
        assert terminal.wait() == code
    assert [path.read_bytes() for path in shell.work_files] == [b"my work"]


def test_an_interrupt_inside_the_editor_is_the_editors(shell: Shell, client: Client) -> None:
    # Not by print, which fails inside another print: the signal may come while EDITING is being written.
    body = "signal.signal(2, lambda *_: os.write(1, b'HANDLED\\n'))\nprint('EDITING', flush=True)\n"
    body += "sys.stdin.readline()\ntext = b'after'"
    with shell.terminal("rainer", "edit", "k", "-y", VISUAL=editor_script(shell.folder, body)) as terminal:
        terminal.expect("EDITING")
        terminal.interrupt()
        terminal.expect("HANDLED")
        terminal.send("\r")
        assert terminal.wait() == 0
    assert client.get("k").payload == b"after"


def test_an_interrupt_that_ends_the_editor_ends_the_edit(shell: Shell, client: Client) -> None:
    body = "path.write_bytes(b'half')\nsignal.signal(2, signal.SIG_DFL)\n"
    body += "print('EDITING', flush=True)\nsys.stdin.readline()"
    with shell.terminal("rainer", "edit", "k", VISUAL=editor_script(shell.folder, body)) as terminal:
        terminal.expect("EDITING")
        terminal.interrupt()
        terminal.expect("your work is in ")
        assert terminal.wait() == 130
    assert [path.read_bytes() for path in shell.work_files] == [b"half"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_kill_leaves_the_file_and_the_next_edit_tells_of_it(
    shell: Shell, client: Client, number: signal.Signals
) -> None:
    editor = editor_script(
        shell.folder, "path.write_bytes(b'half')\nprint('EDITING', flush=True)\nsys.stdin.readline()"
    )
    with shell.terminal("rainer", "edit", "k", VISUAL=editor) as terminal:
        terminal.expect("EDITING")
        terminal.process.send_signal(number)
        assert terminal.process.wait(30) == -number
    assert [path.read_bytes() for path in shell.work_files] == [b"half"]
    done = shell.run("rainer edit k", {"VISUAL": "true"})
    assert done.returncode == 1
    assert f"left its work in {shell.work_files[0]}".encode() in done.stderr


# Completion.


def test_completion_in_bash(shell: Shell, client: Client) -> None:
    client.commit("prices.json", b"1", version=1)
    with shell.terminal("bash", "--norc", "--noprofile", "-i", PS1="> ", INPUTRC="/dev/null") as terminal:
        terminal.send('eval "$(rainer completion bash)" && echo READY=$?\r')
        terminal.expect("READY=0")
        terminal.send("rainer unc\t")
        terminal.expect("uncommit ")
        terminal.send("pri\t")
        terminal.expect("prices.json")
        terminal.send("\x15rainer namespace cr\t")
        terminal.expect("create ")
        terminal.send("\x15rainer list --ke\t")
        terminal.expect("--keys ")
        terminal.send("\x15exit\r")
        terminal.wait()


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(shell: Shell, name: str) -> None:
    done = shell.run(f"rainer completion {name}")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"_RAINER_COMPLETE" in done.stdout


def test_completion_is_silent_where_there_is_no_server(shell: Shell) -> None:
    extra = {"RAINER_URL": "http://127.0.0.1:1/diary", "_RAINER_COMPLETE": "bash_complete"}
    done = shell.run("rainer", extra | {"COMP_WORDS": "rainer show pri", "COMP_CWORD": "2"})
    assert (done.stdout.strip(), done.stderr) == (b"", b"")


# serve


def test_serve_says_where_and_what_next_and_ends_well(shell: Shell) -> None:
    with shell.terminal("rainer", "serve", "--port", "0", "--data-dir", "data") as terminal:
        terminal.expect("Rainer serves http://127.0.0.1:")
        terminal.expect(" list\n")
        url = terminal.text.split("Rainer serves ")[1].split()[0]
        next_commands = [line.strip() for line in terminal.text.splitlines() if line.startswith("  rainer ")]
        assert len(next_commands) == 3
        done = shell.run(f"echo hello | rainer --url {url} commit k -m x && {next_commands[-1]} --keys")
        assert (done.returncode, done.stdout) == (0, b"k\n")
        terminal.interrupt()
        assert terminal.wait() == 0
    assert (shell.folder / "data" / "journal.db").exists()


def test_serve_on_a_port_in_use(shell: Shell, server: RainerServer) -> None:
    done = shell.run(f"rainer serve --port {server.port} --data-dir data")
    assert done.returncode == 7
    assert b"error: cannot listen on 127.0.0.1" in done.stderr
