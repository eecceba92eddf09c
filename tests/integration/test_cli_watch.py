"""`rainer watch`: every change as it comes, for people, for pipes and for programs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.client import Client
from tests.command_line import CommandLine, clean_environment
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until
from tests.terminal import Terminal

TOP = Path(__file__).resolve().parents[2]
PATIENCE_S = 20.0
COMMAND = [sys.executable, "-m", "rainer.cli.main"]


@pytest.fixture(scope="module")
def server() -> Iterator[RainerServer]:
    with RainerServer() as running:
        yield running


@pytest.fixture
def client(server: RainerServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of a namespace of the test's own, in which there is a key already."""
    with Client(f"{server.url}/diary", author="ann@example.com") as first:
        name = f"n{abs(hash(request.node.nodeid)):x}"[:30]
        first.create_namespace(name)
        own = first.in_namespace(name)
        own.commit("here", b"one\ntwo\n", version=1)
        yield own


class Watch:
    """`rainer watch` into a pipe, or rather a file that can be looked at."""

    def __init__(self, folder: Path, url: str, *arguments: str) -> None:
        self._out, self._err = folder / "out", folder / "err"
        environment = clean_environment(folder, url) | {"PYTHONPATH": str(TOP)}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [*COMMAND, "watch", *arguments], stdout=out, stderr=err, cwd=folder, env=environment
            )

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def lines(self) -> list[str]:
        return self._out.read_text("utf-8").splitlines()

    @property
    def talk(self) -> str:
        return self._err.read_text("utf-8")

    def wait_lines(self, count: int) -> list[str]:
        wait_until(lambda: len(self.lines) >= count, PATIENCE_S, lambda: f"{count} lines: {self.lines} {self.talk}")
        return self.lines

    def end(self) -> int:
        """^C."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(PATIENCE_S)


def started(watch: Watch, client: Client) -> int:
    """Commit until the watch shows it, so that what follows is not missed; the number of lines shown by then."""

    def nudge() -> bool:
        version = client.get("nudge").version + 1 if "nudge" in client.heads() else 1
        client.commit("nudge", b"-", version=version)
        return bool(watch.lines)

    wait_until(nudge, PATIENCE_S, lambda: f"the watch to show something: {watch.talk}")
    newest = client.get("nudge").version
    wait_until(lambda: any(f"nudge\t{newest}\t" in line for line in watch.lines), PATIENCE_S, lambda: str(watch.lines))
    return len(watch.lines)


def test_into_a_pipe_a_line_a_change(client: Client, tmp_path: Path) -> None:
    with Watch(tmp_path, client.url) as watch:
        before = started(watch, client)
        made = client.commit("a", b"1", version=1, comment="first line\nsecond\tline")
        client.commit("a", None, version=2, author="bob", comment="gone")
        client.commit("a", b"3", version=3)
        lines = [line.split("\t") for line in watch.wait_lines(before + 3)[before:]]
        assert lines[0] == [made.meta()["mtime"], "a", "1", "ann@example.com", "first line", ""]
        assert lines[1][1:] == ["a", "2", "bob", "gone", "removed"]
        assert lines[2][1:] == ["a", "3", "ann@example.com", "", ""]
        assert (watch.end(), watch.talk) == (0, "")


def test_only_some_keys_with_their_differences(client: Client, tmp_path: Path) -> None:
    with Watch(tmp_path, client.url, "--patch", "here", "nudge") as watch:
        before = started(watch, client)
        client.commit("other", b"1", version=1)
        client.commit("here", b"one\n2\n", version=2)
        lines = watch.wait_lines(before + 7)[before:]
        assert lines[0].split("\t")[1:3] == ["here", "2"]
        assert lines[1:3] == ["--- here 1", "+++ here 2"]
        assert lines[-2:] == ["-two", "+2"]
        assert watch.end() == 0


def test_as_json_an_object_a_line(client: Client, tmp_path: Path) -> None:
    with Watch(tmp_path, client.url, "--json", "--payload", "a") as watch:

        def seen() -> bool:
            made = client.heads().get("a")
            client.commit("a", b"\xff", version=1 if made is None else made.version + 1)
            return bool(watch.lines)

        wait_until(seen, PATIENCE_S, lambda: watch.talk)
        version = client.get("a").version + 1
        removed = client.commit("a", None, version=version)
        wait_until(lambda: '"empty": true' in watch.lines[-1], PATIENCE_S, lambda: str(watch.lines))
        records = [json.loads(line) for line in watch.lines]
        assert records[0]["payload_base64"] == "/w=="
        expected = removed.meta() | {"namespace": client.namespace_name, "revision": removed.revision}
        assert records[-1] == expected
        assert watch.end() == 0


def test_on_a_terminal_changes_are_shown_and_control_c_ends_it(client: Client, tmp_path: Path) -> None:
    environment = clean_environment(tmp_path, client.url) | {"PYTHONPATH": str(TOP)}
    with Terminal([*COMMAND, "watch"], environment=environment, folder=tmp_path) as terminal:
        terminal.expect(f"watching all of {client.namespace_name}; ^C ends")
        client.commit("here", b"2", version=2, comment="wärum \x1b[31m")
        terminal.expect("here")
        terminal.expect("wärum \\x1b[31m")
        client.commit("here", None, version=3)
        terminal.expect("removed")
        terminal.interrupt()
        assert terminal.wait() == 0
        assert "Traceback" not in terminal.text


def test_a_server_that_goes_and_comes_back(tmp_path: Path) -> None:
    with (
        RainerServer() as server,
        Client(f"{server.url}/diary", author="ann") as client,
        Watch(tmp_path, client.url) as watch,
    ):
        before = started(watch, client)
        server.kill()
        wait_until(lambda: "trying on" in watch.talk, PATIENCE_S, lambda: watch.talk)
        server.start()
        client.commit("a", b"1", version=1)
        assert watch.wait_lines(before + 1)[before].split("\t")[1] == "a"
        wait_until(lambda: "following again" in watch.talk, PATIENCE_S, lambda: watch.talk)
        assert watch.end() == 0


def test_what_cannot_be_watched_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = CommandLine(monkeypatch, tmp_path, "http://127.0.0.1:9/diary")
    result = run("--timeout-s", "0.2", "watch")
    assert result.code == 7, result
    assert "127.0.0.1:9" in result.err
    assert run("watch", "--payload").code == 2
    assert "Traceback" not in result.err
