"""`rainer store` against a server, run in this process: what it prints, what it keeps, how it ends."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.store import Client
from tests.command_line import CommandLine, clean_environment
from tests.services.rainer import RainerServer
from tests.terminal import Terminal

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture
def top() -> str:
    """A folder of the store that is the test's own."""
    return f"/t-{uuid.uuid4().hex}"


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, served: RainerServer) -> CommandLine:
    monkeypatch.setenv("RAINER_STORE_DIR", str(tmp_path / "copies"))
    return CommandLine(monkeypatch, tmp_path, f"{served.url}/diary")


@pytest.fixture
def client(served: RainerServer) -> Iterator[Client]:
    with Client(f"{served.url}/-/store") as client:
        yield client


def file(rainer: CommandLine, contents: bytes, name: str = "file", mtime: int | None = None) -> Path:
    path = rainer.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


def test_put_get_cat_version_rm(rainer: CommandLine, top: str) -> None:
    contents = b"\xff\x00 by hand" * 1000
    file(rainer, contents)
    name = rainer.ok("store", "put", "file", f"{top}/a").text.strip()
    assert name.startswith(f"{top}/a@")
    assert rainer.ok("store", "version", f"{top}/a").text == name.partition("@")[2] + "\n"
    assert rainer.ok("store", "get", f"{top}/a", "deep/out").text == name + "\n"
    assert (rainer.folder / "deep/out").read_bytes() == contents
    assert rainer.ok("store", "cat", name).out == contents
    result = rainer.ok("store", "rm", f"{top}/a")
    assert (result.out, result.err) == (b"", "")
    for command in (("version",), ("cat",), ("rm",)):
        result = rainer("store", *command, f"{top}/a")
        assert (result.code, result.out) == (4, b"")
        assert f"error: {top}/a: the store has no such file\nhint:  `rainer store ls`" in result.err


def test_as_json(rainer: CommandLine, top: str) -> None:
    file(rainer, b"contents")
    expected = {"name": f"{top}/a", "version": 5}
    assert rainer.ok("store", "put", "file", f"{top}/a@5", "--json").json == expected
    assert rainer.ok("store", "get", f"{top}/a", "out", "--json").json == expected
    assert rainer.ok("store", "version", f"{top}/a", "--json").json == expected
    entry = expected | {"size": 8, "sha256": hashlib.sha256(b"contents").hexdigest()}
    assert rainer.ok("store", "ls", top, "--json").json == [entry]
    (local,) = rainer.ok("store", "ls", "--local", "--json").json
    assert local.pop("used_at") > 1_000_000_000
    assert local == entry
    assert rainer("store", "version", f"{top}/none", "--json").error["code"] == "object-not-found"


def test_exit_codes(rainer: CommandLine, top: str) -> None:
    file(rainer, b"1")
    rainer.ok("store", "put", "file", f"{top}/a@5")
    older = rainer("store", "put", "file", f"{top}/a@4")
    assert (older.code, older.text) == (1, f"{top}/a@5\n")
    assert f"{top}/a@5 is newer than {top}/a@4, so it stays" in older.err
    assert rainer("store", "rm", f"{top}/a@4").code == 1
    assert rainer("store", "get", f"{top}/a@4", "out").code == 4
    assert rainer("store", "get", "no-slash", "out").code == 5
    assert rainer("store", "put", "not-there", f"{top}/b").code == 5
    assert rainer("store", "put", "file", f"{top}/b", "--no-local-cache", "--no-remote-cache").code == 2
    assert rainer("store", "--what").code == 2
    gone = rainer("store", "--help", "get")
    assert gone.code == 0
    assert not (rainer.folder / "out").exists()


def test_without_a_server(rainer: CommandLine, top: str) -> None:
    result = rainer("store", "ls", "--store-url", "http://127.0.0.1:9/-/store")
    assert result.code == 7
    assert result.err.startswith("error: http://127.0.0.1:9/-/store/version/: ")
    assert rainer("store", "ls", "--store-url", "s3://bucket").code == 5


def test_a_url_that_is_no_stores(rainer: CommandLine, served: RainerServer, top: str) -> None:
    file(rainer, b"1")
    for command in (("ls",), ("version", f"{top}/a"), ("put", "file", f"{top}/a")):
        result = rainer("store", *command, "--store-url", f"{served.url}/diary/x")
        assert (result.code, "of file stores is needed" in result.err) == (5, True), result


def test_the_store_of_the_settings(rainer: CommandLine, served: RainerServer, top: str) -> None:
    file(rainer, b"1")
    rainer.monkeypatch.setenv("RAINER_STORE", f"{served.url}/-/store/")
    rainer.monkeypatch.setenv("RAINER_URL", "http://user:p%40ss@127.0.0.1:9/diary")
    rainer.ok("store", "put", "file", f"{top}/a@5")
    assert rainer.ok("store", "version", f"{top}/a", "--store-url", f"{served.url}/-/store").text == "5\n"
    rainer.monkeypatch.delenv("RAINER_STORE")
    assert rainer("store", "version", f"{top}/a").code == 7


def test_copies_and_no_copies(rainer: CommandLine, client: Client, top: str) -> None:
    file(rainer, b"1")
    rainer.ok("store", "put", "file", f"{top}/a@5", "--no-local-cache")
    rainer.ok("store", "get", f"{top}/a", "out", "--no-cache")
    rainer.ok("store", "cat", "-c", f"{top}/a")
    assert rainer.ok("store", "ls", "--local").text == ""
    rainer.ok("store", "put", "file", f"{top}/b", "--no-remote-cache")
    assert client.list_remote_files(top) == [f"{top}/a"]
    rainer.ok("store", "get", f"{top}/a@5", "out", "--hard-link")
    assert (rainer.folder / "out").stat().st_nlink == 2
    client.put_file(f"{top}/a@5", file(rainer, b"2"))
    assert rainer.ok("store", "cat", f"{top}/a@5").out == b"1"
    assert rainer.ok("store", "cat", "-f", f"{top}/a@5").out == b"2"


def test_ls(rainer: CommandLine, client: Client, top: str) -> None:
    for name in ("a@1", "d/b@2", "d/c@3"):
        client.put_file(f"{top}/{name}", file(rainer, b"12345"))
    assert rainer.ok("store", "ls", top).text.splitlines() == [f"{top}/{name}" for name in ("a", "d/b", "d/c")]
    assert rainer.ok("store", "ls", f"{top}/d/", "--last-modified", "2").text == f"{top}/d/b\n"
    digest = hashlib.sha256(b"12345").hexdigest()
    assert rainer.ok("store", "ls", "-l", f"{top}/d").text.splitlines() == [
        f"{top}/d/b\t2\t5\t{digest}",
        f"{top}/d/c\t3\t5\t{digest}",
    ]
    assert rainer.ok("store", "ls", f"{top}/none").text == ""
    rainer.ok("store", "get", f"{top}/a", "out")
    name, _, _, _, used_at = rainer.ok("store", "ls", "--local", "-l").text.rstrip("\n").split("\t")
    assert name == f"{top}/a"
    assert used_at.endswith("Z")


def test_clean(rainer: CommandLine, top: str) -> None:
    for name in "abc":
        file(rainer, b"x" * 1000)
        rainer.ok("store", "put", "file", f"{top}/{name}")
    copies = rainer.folder / "copies"
    assert rainer.ok("store", "clean", "--size-max", "2000").text == (
        f"{copies}: removed 1 (1,000 bytes), kept 2 (2,000 bytes)\n"
    )
    assert rainer.ok("store", "ls", "--local").text.split()[::2] == [f"{top}/b", f"{top}/c"]
    told = rainer.ok("store", "clean", str(copies), "--size-max", "1KiB", "--keep-percent", "50", "--json").json
    assert told == {"folder": str(copies), "removed": 2, "freed_bytes": 2000, "kept": 0, "kept_bytes": 0}
    assert rainer("store", "clean", "--size-max", "much").code == 2
    assert rainer("store", "clean").code == 2


# migrate


def _filetracker_folder(folder: Path, files: dict[str, tuple[bytes, int]]) -> Path:
    """A folder as filetracker 2.3.3's server keeps it."""
    for name, (contents, version) in files.items():
        digest = hashlib.sha256(contents).hexdigest()
        blob, link = folder / "blobs" / digest[:2] / digest, folder / "links" / name
        for path in (blob, link):
            path.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(gzip.compress(contents))
        link.symlink_to(os.path.relpath(blob, link.parent))
        os.utime(link, (version, version), follow_symlinks=False)
    for name in ("locks", "db"):
        (folder / name).mkdir()
    return folder


def test_migrate_a_plain_tree_with_its_times(rainer: CommandLine, client: Client, top: str) -> None:
    tree = f"tree{top}"
    for name, mtime in (("a", 100), ("d/b c", 200), ("d/e/ü", 300)):
        file(rainer, name.encode() * 100, f"{tree}/{name}", mtime)
    first = rainer.ok("store", "migrate", tree, "--root", "tree")
    assert first.text == "uploaded 3, there already 0, newer there 0, refused 0\n"
    assert first.err == ""
    assert [entry.name.removeprefix(top) for entry in client.iter_remote_entries(top)] == [
        "/a@100", "/d/b c@200", "/d/e/ü@300",
    ]  # fmt: skip
    assert client.get_stream(f"{top}/d/b c")[0].read() == b"d/b c" * 100
    file(rainer, b"changed", f"{tree}/a", 101)
    client.put_file(f"{top}/d/b c@201", file(rainer, b"by somebody"))
    file(rainer, b"new", f"{tree}/f", 400)
    again = rainer.ok("store", "migrate", "tree")
    assert again.text == "uploaded 2, there already 1, newer there 1, refused 0\n"
    assert client.get_stream(f"{top}/d/b c")[0].read() == b"by somebody"


def test_migrate_a_filetracker_servers_folder(rainer: CommandLine, client: Client, top: str) -> None:
    name = top[1:]
    folder = _filetracker_folder(
        rainer.folder / "old",
        {f"{name}/a": (b"1" * 5000, 7), f"{name}/d/same": (b"1" * 5000, 8), f"{name}/b": (b"", 9)},
    )
    told = rainer.ok("store", "migrate", "old", "--json").json
    assert told == {"uploaded": 3, "present": 0, "newer": 0, "uploaded_bytes": 10_000, "refused": []}
    assert sorted(entry.name for entry in client.iter_remote_entries(top)) == [
        f"{top}/a@7", f"{top}/b@9", f"{top}/d/same@8",
    ]  # fmt: skip
    assert client.get_stream(f"{top}/d/same@8")[0].read() == b"1" * 5000
    assert rainer.ok("store", "migrate", "old/links", "--json").json["present"] == 3
    assert rainer.ok("store", "migrate", f"old/links/{name}/d", "--root", "old/links", "--json").json["present"] == 1
    assert (folder / "links" / name / "a").is_symlink()


def test_migrate_lists_what_it_cannot_take(rainer: CommandLine, client: Client, top: str) -> None:
    tree = rainer.folder / "tree" / top[1:]
    for name in ("good", "b@d", "new\nline"):
        file(rainer, b"x", f"tree{top}/{name}", 5)
    (tree / "nowhere").symlink_to("gone")
    old = _filetracker_folder(
        rainer.folder / "old", {f"{top[1:]}/torn": (b"y" * 9000, 7), f"{top[1:]}/other": (b"z", 8)}
    )
    for blob in (old / "blobs").glob("*/*"):
        data = blob.read_bytes()
        blob.write_bytes(data[:-10] if len(data) > 30 else gzip.compress(b"not z"))
    result = rainer("store", "migrate", "tree")
    assert result.code == 5
    assert result.text == "uploaded 1, there already 0, newer there 0, refused 3\n"
    for part in ("b@d", "new\\x0aline", "nowhere"):
        assert part in result.err
    assert "error: 3 of the files cannot be taken over; the others are" in result.err
    result = rainer("store", "migrate", "old", "--json")
    assert result.code == 5
    assert [("is damaged" in refused["reason"]) for refused in result.json["refused"]] == [True, True]
    assert client.list_remote_files(top) == [f"{top}/good"]
    assert rainer("store", "migrate", "nothing").code == 5
    assert rainer("store", "migrate", "tree", "--root", "old").code == 5


def test_migrate_a_clients_cache(rainer: CommandLine, client: Client, top: str) -> None:
    file(rainer, b"cached", f"cache/files{top}/a", 77)
    file(rainer, b"", "cache/locks/tree.lock")
    assert rainer.ok("store", "migrate", "cache").text.startswith("uploaded 1,")
    assert client.file_version(f"{top}/a") == 77


def test_an_interrupted_migration_goes_on(rainer: CommandLine, client: Client, top: str) -> None:
    for number in range(20):
        file(rainer, bytes([number]) * 100, f"tree{top}/{number}", 5)
    gone = rainer("store", "migrate", "tree", "--store-url", "http://127.0.0.1:9/-/store")
    assert gone.code == 7
    client.put_file(f"{top}/3@5", rainer.folder / f"tree{top}/3")
    assert rainer.ok("store", "migrate", "tree").text == "uploaded 19, there already 1, newer there 0, refused 0\n"


# On a terminal.


def _terminal(rainer: CommandLine, served: RainerServer, *words: str) -> Terminal:
    environment = clean_environment(rainer.folder, f"{served.url}/diary") | {
        "PYTHONPATH": str(TOP), "RAINER_STORE_DIR": str(rainer.folder / "copies"),
    }  # fmt: skip
    return Terminal(
        [sys.executable, "-m", "rainer.cli.main", "store", *words], environment=environment, folder=rainer.folder
    )


def test_progress_on_a_terminal(rainer: CommandLine, served: RainerServer, top: str) -> None:
    file(rainer, os.urandom(3_000_000))
    with _terminal(rainer, served, "put", "file", f"{top}/a@5") as terminal:
        terminal.expect(f"{top}/a@5\n")
        assert terminal.wait() == 0
        assert "/3.0 MB" in terminal.text or "MiB" in terminal.text, terminal.text


def test_clean_goes_on_until_interrupted(rainer: CommandLine, served: RainerServer) -> None:
    with _terminal(rainer, served, "clean", "--size-max", "1GiB", "--every", "0.05") as terminal:
        terminal.expect("removed 0")
        terminal.expect("removed 0")
        terminal.interrupt()
        assert terminal.wait() == 130
