"""`rainer asset` on bad days: no server, no network, no credentials, wrong bytes. It says what to do."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib import import_module
from pathlib import Path

import click
import pytest

from rainer.cli.asset_places import _complete_paths
from rainer.cli.invocation import Invocation
from rainer.cli.main import cli
from tests.command_line import CommandLine, clean_environment
from tests.integration.test_cli_asset import TOP, file
from tests.integration.test_cli_asset import rainer as rainer
from tests.integration.test_cli_asset import top as top
from tests.integration.test_cli_asset_sets import AWAY, add
from tests.services.rainer import RainerServer


def test_offline_and_without_a_server(rainer: CommandLine, top: str) -> None:
    add(rainer, f"{top}/a.csv", b"1")
    rainer.ok("cache", "rm", "--all")
    missing = rainer("asset", "path", f"{top}/a.csv", "--offline", "--json")
    assert missing.code == 2, "`asset path` prints a path and nothing else"
    missing = rainer("asset", "path", f"{top}/a.csv", "--offline")
    assert missing.code == 7
    assert f"{top}/a.1.0.0.csv is not in the cache ({rainer.folder}/cache/blobs/" in missing.err
    assert "hint:  fetch it where there is network: `rainer asset prefetch " in missing.err
    rainer.ok("asset", "prefetch", "cache/missing_assets.yaml")
    rainer.ok("asset", "path", f"{top}/a.csv", "--offline")
    away = rainer("--url", AWAY, "asset", "path", f"{top}/a.csv")
    assert (away.code, away.out) == (7, b"")
    assert "hint:  is the server running, and the URL right?" in away.err


def test_a_server_that_went_away_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAINER_CACHE_DIR", str(tmp_path / "cache"))
    with RainerServer() as server:
        rainer = CommandLine(monkeypatch, tmp_path, f"{server.url}/diary")
        add(rainer, "/a.csv", b"1")
        rainer.ok("asset", "path", "/a.csv")
    gone = rainer.ok("asset", "cat", "/a.csv")
    assert gone.out == b"1"
    assert gone.err.startswith("warning: manifest prod of http://")
    assert "is as it was last seen" in gone.err


def test_wrong_bytes_never_reach_anybody(rainer: CommandLine, top: str) -> None:
    store = rainer.folder / "bucket"
    store.mkdir()
    rainer.monkeypatch.setenv("RAINER_STORE", store.as_uri())
    add(rainer, f"{top}/a.csv", b"right")
    rainer.ok("cache", "rm", "--all")
    kept = store / f"{top[1:]}/a.1.0.0.csv"
    kept.chmod(0o644)
    kept.write_bytes(b"wrong")
    for command in ("path", "cat"):
        result = rainer("asset", command, f"{top}/a.csv")
        assert (result.code, result.out) == (9, b"")
        assert "error: " in result.err
        assert "SHA-256" in result.err
        assert "put the right bytes back, or publish them as a new version" in result.err
    assert rainer.ok("cache", "ls").text == ""
    kept.unlink()
    result = rainer("asset", "get", f"{top}/a.csv")
    assert (result.code, result.out) == (4, b"")
    assert "is it the right --store? `rainer asset ls-remote` lists what it holds" in result.err


def test_missing_credentials_say_what_to_set(rainer: CommandLine, top: str) -> None:
    pytest.importorskip("boto3", reason="the S3 store needs it")
    rainer.monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY"):
        rainer.monkeypatch.delenv(name, raising=False)
    result = rainer("asset", "add", f"{top}/a", file(rainer, b"1"), "--store", "s3://a-bucket")
    assert (result.code, result.out) == (6, b""), result
    assert "hint:  set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in result.err
    assert rainer("asset", "ls").code == 4, "nothing was committed"


def test_the_bare_installation_has_the_commands() -> None:
    program = (
        "import sys, rainer.cli.main as m, click\n"
        "for name in ('asset', 'cache'):\n"
        "    group = m.cli.get_command(click.Context(m.cli), name)\n"
        "    assert group.commands\n"
        "heavy = {'sqlalchemy', 'starlette', 'boto3', 'yaml', 'rich', 'requests', 'rainer.assets', 'rainer.cache'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=TOP,
        env=clean_environment(TOP) | {"PYTHONPATH": str(TOP), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_a_list_is_fetched_as_far_as_it_goes_without_a_server(rainer: CommandLine, top: str) -> None:
    uri = (rainer.folder / file(rainer, b"1", "bucket/x")).as_uri()
    (rainer.folder / "list.yaml").write_text(f"[{top}/a, {uri}, '{top}/*']")
    result = rainer("--url", AWAY, "asset", "prefetch", "list.yaml")
    assert (result.code, result.text) == (7, "1 file of 3 in the cache\n")
    assert "hint:  is the server running, and the URL right?" in result.err
    rainer.ok("cache", "get", uri, "--offline")


def test_paths_are_completed(rainer: CommandLine, top: str) -> None:
    for name in ("a.csv", "b.csv", "ab"):
        add(rainer, f"{top}/{name}", b"1")

    def completed(incomplete: str) -> list[str]:
        with closing(Invocation()) as run:
            context = click.Context(cli, obj=run)
            return [item.value for item in _complete_paths(context, context.command.params[0], incomplete)]

    assert sorted(completed(f"{top[1:]}/a")) == [f"{top}/a.csv", f"{top}/ab"]
    rainer.monkeypatch.setenv("RAINER_URL", AWAY)
    rainer.monkeypatch.setenv("RAINER_CACHE_DIR", str(rainer.folder / "other"))
    assert completed("/") == []


def test_files_that_are_no_manifest_are_named(rainer: CommandLine) -> None:
    file(rainer, b"1\n", "one.csv")
    for words in (
        ("asset", "ls", "--lock", "one.csv"), ("asset", "diff", "one.csv"), ("asset", "gc", "-y", "--also", "one.csv"),
        ("asset", "ls", "--lock", "/dev/zero"), ("asset", "lock", "/dev/zero"),
        ("asset", "ls", "--cache-dir", "one.csv", "--lock", "one.csv"), ("cache", "info", "--cache-dir", "one.csv"),
    ):  # fmt: skip
        result = rainer(*words)
        assert (result.code, result.out) == (5, b""), words
        assert words[-1] in result.err, result.err


def test_a_pipe_or_a_device_is_written_to_and_stays(rainer: CommandLine, top: str) -> None:
    add(rainer, f"{top}/a", b"1")
    pipe = rainer.folder / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as thread:
        read = thread.submit(pipe.read_bytes)
        rainer.ok("asset", "get", f"{top}/a", "pipe")
        assert read.result(10) == b"1"
    assert pipe.is_fifo()
    full = rainer("asset", "get", f"{top}/a", "/dev/full")
    assert (full.code, "/dev/full: No space left on device" in full.err, "make room" in full.err) == (7, True, True)
    assert Path("/dev/full").is_char_device()


def test_what_the_disk_refuses_is_told_of_the_file_that_was_named(rainer: CommandLine, top: str) -> None:
    add(rainer, f"{top}/a", b"1")
    rainer.monkeypatch.setattr(import_module("rainer.cache.materialize"), "copy_bytes", _refused(errno.ENOSPC))
    full = rainer("asset", "get", f"{top}/a", "out")
    assert (full.code, full.err.splitlines()[0]) == (7, "error: out: No space left on device")
    rainer.monkeypatch.setattr("pathlib.Path.replace", _refused(errno.EACCES))
    for words in (("get", f"{top}/a", "out", "--how", "hardlink"), ("lock", "out")):
        denied = rainer("asset", *words)
        assert denied.code == 6
        assert "error: out: Permission denied" in denied.err.splitlines()
    assert [path.name for path in rainer.folder.iterdir() if "out" in path.name] == []
    rainer.monkeypatch.setattr("rainer.store.disk.os.pwrite", _refused(errno.ENOSPC))
    cache = str(rainer.folder / "other")
    away = rainer("asset", "path", f"{top}/a", "--cache-dir", cache)
    assert (away.code, f"(the cache {cache})" in away.err) == (7, True)


def _refused(number: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), ".hidden.new")

    return refuse


def test_what_is_so_already_is_nothing_done(rainer: CommandLine, top: str) -> None:
    add(rainer, f"{top}/a", b"1")
    assert rainer("asset", "override", f"{top}/a", "--lift").code == 1
    rainer.ok("asset", "override", f"{top}/a", "/tmp/b")
    assert rainer("asset", "override", f"{top}/a", "/tmp/b").code == 1
    near = rainer("asset", "rm", f"{top}/none")
    assert (near.code, "rainer asset ls" in near.err) == (4, True)
