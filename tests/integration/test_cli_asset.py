"""`rainer asset` against a server, run in this process: publishing, fetching, and how each ends."""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from pathlib import Path

import pytest

from rainer.client import Client
from tests.command_line import CommandLine, clean_environment
from tests.services.rainer import RainerServer
from tests.terminal import Terminal

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, served: RainerServer) -> CommandLine:
    """With a cache and a manifest of the test's own; the store is the whole file's."""
    monkeypatch.setenv("RAINER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("RAINER_MANIFEST", f"m-{uuid.uuid4().hex}")
    return CommandLine(monkeypatch, tmp_path, f"{served.url}/diary")


@pytest.fixture
def top() -> str:
    """A folder of asset paths that is the test's own."""
    return f"/t-{uuid.uuid4().hex}"


def file(rainer: CommandLine, contents: bytes, name: str = "file") -> str:
    path = rainer.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
    return name


def manifest(rainer: CommandLine) -> str:
    return os.environ["RAINER_MANIFEST"]


# Publishing


def test_add_update_and_read(rainer: CommandLine, served: RainerServer, top: str) -> None:
    contents = b"\xff\x00\r\n by hand" * 100_000
    added = rainer.ok("asset", "add", f"{top}/a.bin", file(rainer, contents), "-m", "First")
    assert added.text == f"{top}/a.bin\t1.0.0\n"
    assert "published 1 file, 1.1 MiB, in http://" in added.err
    assert f"committed {manifest(rainer)} version 1, revision " in added.err
    assert rainer.ok("asset", "cat", f"{top}/a.bin").out == contents
    path = Path(rainer.ok("asset", "path", f"{top[1:]}/a.bin").text.rstrip("\n"))
    assert (path.name, path.read_bytes()) == ("a.bin", contents)
    for bump, version in (((), "1.1.0"), (("--patch",), "1.1.1"), (("--major",), "2.0.0"), (("--minor",), "2.1.0")):
        new = file(rainer, version.encode())
        assert rainer.ok("asset", "update", f"{top}/a.bin", new, *bump).text == f"{top}/a.bin\t{version}\n"
    assert rainer.ok("asset", "update", f"{top}/a.bin", "file", "--version", "2.1.5").text.endswith("\t2.1.5\n")
    assert rainer.ok("asset", "update", f"{top}/a.bin", "file", "--min-version", "3").text.endswith("\t3.0.0\n")
    assert rainer.ok("asset", "cat", f"{top}/a.bin", "--version", "1.1.1").out == b"1.1.1"
    assert rainer.ok("asset", "cat", f"{top}/a.bin", "--version", "^1").out == b"1.1.1"
    expected = f"{served.url}/-/store/files{top}/a.2.0.0.bin\n"
    assert rainer.ok("asset", "uri", f"{top}/a.bin", "--version", "2.0.0").text == expected
    log = Client(f"{served.url}/diary").log(manifest(rainer))
    assert (log[-1].author, log[-1].comment) == ("ann@example.com", "First")
    assert log[0].comment == f"publish {top}/a.bin 3.0.0"


def test_what_is_published_as_json(rainer: CommandLine, top: str) -> None:
    found = rainer.ok("asset", "add", f"{top}/a", file(rainer, b"12345"), "--version", "4.2.0", "--json").json
    commit = found.pop("commit")
    assert (commit["key"], commit["version"], commit["author"]) == (manifest(rainer), 1, "ann@example.com")
    assert found.pop("uri").endswith(f"{top}/a.4.2.0")
    digest = hashlib.sha256(b"12345").hexdigest()
    assert found == {"path": f"{top}/a", "version": "4.2.0", "sha256": digest, "size": 5}


def test_many_files_are_one_changeset(rainer: CommandLine, served: RainerServer, top: str) -> None:
    for name in ("one", "d/two", "d/e/three.txt"):
        file(rainer, name.encode(), f"tree/{name}")
    file(rainer, b"single", "single.csv")
    done = rainer.ok("asset", "add", "--under", top, "tree", "single.csv", "-m", "All")
    expected = [f"{top}/{name}\t1.0.0" for name in ("d/e/three.txt", "d/two", "one", "single.csv")]
    assert sorted(done.text.splitlines()) == expected
    assert "published 4 files" in done.err
    assert len(Client(f"{served.url}/diary").log(manifest(rainer))) == 1
    assert rainer.ok("asset", "ls", f"{top}/d").text.splitlines() == [f"{top}/d/e/three.txt", f"{top}/d/two"]
    file(rainer, b"changed", "tree/one")
    file(rainer, b"new", "tree/new")
    refused = rainer("asset", "update", "--under", top, "tree")
    assert (refused.code, f"the manifest names no '{top}/new'" in refused.err) == (4, True)
    again = rainer.ok("asset", "update", "--under", top, "tree", "--add", "--only-changed", "--json").json
    assert sorted((one["path"], one["version"]) for one in again) == [
        (f"{top}/d/e/three.txt", "1.0.0"), (f"{top}/d/two", "1.0.0"), (f"{top}/new", "1.0.0"), (f"{top}/one", "1.1.0"),
    ]  # fmt: skip
    nothing = rainer("asset", "update", "--under", top, "tree", "--add", "--only-changed")
    assert nothing.code == 1
    assert nothing.err.endswith("nothing to do: the manifest names these bytes already\n")
    refused = rainer("asset", "add", "--under", top, "single.csv", "tree/d/../../single.csv")
    assert (refused.code, "would both be" in refused.err) == (5, True)


def test_a_url_is_published_as_the_ancestor_does(rainer: CommandLine, top: str) -> None:
    elsewhere = (rainer.folder / file(rainer, b"from a store", "bucket/x.csv")).as_uri()
    rainer.ok("asset", "add", f"{top}/x.csv", elsewhere)
    assert rainer.ok("asset", "cat", f"{top}/x.csv").out == b"from a store"


def test_conflicts_and_what_is_refused(rainer: CommandLine, top: str) -> None:
    name, path = file(rainer, b"1"), f"{top}/models/speech.onnx"
    none_yet = rainer("asset", "ls")
    assert (none_yet.code, "the first `rainer asset add` makes it" in none_yet.err) == (4, True)
    rainer.ok("asset", "add", path, name)
    for words, code, told in (
        (("add", path, name), 3, "is versioned already, at 1.0.0\nhint:  publish a new version of it with update"),
        (("update", path, name, "--version", "1.0.0"), 3, "is not above 1.0.0, which the manifest names\nhint:  "),
        (("update", f"{top}/models/speach.onnx", name), 4, f"hint:  did you mean {path}? Or publish its first"),
        (("rm", f"{top}/speech.onnx"), 4, f"did you mean {path}?"),
        (("path", f"{top}/speech.onnx"), 4, f"hint:  did you mean {path}?\n"),
        (("path", path, "--version", "9.0.0"), 4, "9.0.0"),
        (("cat", path, "--version", ">=2"), 4, "no version of"),
        (("add", f"{top}/../x", name), 5, "'.' and '..' are not names"),
        (("add", f"{top}/x", "not-there"), 5, "cannot be read: No such file"),
        (("add", f"{top}/x", "."), 5, f"hint:  all files in it: --under {top}/x .\n"),
        (("get", path, "no/folder/x"), 5, "hint:  mkdir -p no/folder\n"),
        (("add", "only-one"), 2, "hint:  several files, or a folder: --under PREFIX FILE…\n"),
        (("update", path, name, "--major", "--version", "2"), 2, "exclude each other"),
        (("override", path), 2, "either TARGET or --lift"),
    ):
        result = rainer("asset", *words)
        assert (result.code, told in result.err, result.out) == (code, True, b""), (words, result)
    assert rainer("asset", "add", path, name, "--json").error["code"] == "asset-version-conflict"
    assert rainer.ok("asset", "versions", path).text == "1.0.0\n"


def test_rm_and_override(rainer: CommandLine, top: str) -> None:
    path, local = f"{top}/a", rainer.folder / file(rainer, b"local", "local")
    rainer.ok("asset", "add", path, file(rainer, b"published"))
    assert "version 2" in rainer.ok("asset", "override", path, str(local)).err
    result = rainer.ok("asset", "cat", path)
    assert (result.out, result.err) == (
        b"local",
        f"warning: asset {path} is OVERRIDDEN by {local}: no version, no digest\n",
    )
    listed = rainer.ok("asset", "ls", "-l")
    assert f"OVERRIDDEN by {local}" in listed.text
    assert listed.err == f"warning: {path} is OVERRIDDEN by {local}\n"
    assert rainer("asset", "lock", "a.lock").code == 5
    assert not (rainer.folder / "a.lock").exists()
    rainer.ok("asset", "override", path, "--lift")
    assert rainer.ok("asset", "cat", path).out == b"published"
    assert rainer("asset", "override", path, "relative").code == 5
    assert rainer.ok("asset", "rm", path, "--json").json["version"] is None
    assert rainer.ok("asset", "ls").text == ""
    assert rainer.ok("asset", "cat", path, "--version", "1.0.0").out == b"published"


# Listing


def test_ls_and_versions(rainer: CommandLine, top: str) -> None:
    for name in ("b.csv", "d/a.csv"):
        rainer.ok("asset", "add", f"{top}/{name}", file(rainer, name.encode()))
    rainer.ok("asset", "update", f"{top}/b.csv", file(rainer, b"2"))
    digest = hashlib.sha256(b"2").hexdigest()
    assert rainer.ok("asset", "ls", "-l", "*b.csv").text == f"{top}/b.csv\t1.1.0\t1\t{digest}\n"
    assert rainer.ok("asset", "ls", f"{top}/b.csv", "--json").json == [
        {"path": f"{top}/b.csv", "version": "1.1.0", "sha256": digest, "size": 1, "override": None}
    ]
    assert rainer.ok("asset", "ls", "/nothing").text == ""
    assert rainer.ok("asset", "ls-remote", top).text.splitlines() == [
        f"{top}/b.csv\t1.0.0", f"{top}/b.csv\t1.1.0", f"{top}/d/a.csv\t1.0.0",
    ]  # fmt: skip
    remote = rainer.ok("asset", "ls-remote", f"{top}/d", "--json").json
    assert [(one["path"], one["size"], one["uri"].endswith("/d/a.1.0.0.csv")) for one in remote] == [
        (f"{top}/d/a.csv", 7, True)
    ]
    assert rainer.ok("asset", "ls-remote", "-l", f"{top}/d").text.split("\t")[2] == "7"
    path = f"{top}/b.csv"
    assert rainer.ok("asset", "versions", path).text == "1.0.0\n1.1.0\n"
    assert rainer.ok("asset", "versions", path, "--match", "<1.1").text == "1.0.0\n"
    assert rainer("asset", "versions", path, "--match", ">2").code == 4
    assert rainer("asset", "versions", path, "--match", "what").code == 5
    assert rainer.ok("asset", "versions", path, "--next", "patch").text == "1.1.1\n"
    assert [(v["version"], v["current"]) for v in rainer.ok("asset", "versions", path, "--json").json] == [
        ("1.0.0", False), ("1.1.0", True),
    ]  # fmt: skip
    assert rainer("asset", "versions", f"{top}/none.csv").code == 4


# Getting


def test_get(rainer: CommandLine, top: str) -> None:
    rainer.ok("asset", "add", f"{top}/a.csv", file(rainer, b"one"))
    assert rainer.ok("asset", "get", f"{top}/a.csv").text == "a.csv\n"
    (rainer.folder / "a.csv").write_bytes(b"it is a copy, and may be written")
    rainer.ok("asset", "update", f"{top}/a.csv", file(rainer, b"two"))
    (rainer.folder / "out").mkdir()
    assert rainer.ok("asset", "get", f"{top}/a.csv", "out", "--version", "1.0.0").text == "out/a.csv\n"
    assert (rainer.folder / "out/a.csv").read_bytes() == b"one"
    found = rainer.ok("asset", "get", f"{top}/a.csv", "a.csv", "--how", "hardlink", "--json").json
    assert (found["file"], found["size"], found["how"]) == ("a.csv", 3, "hardlink")
    assert (rainer.folder / "a.csv").stat().st_nlink == 2


def test_open_hands_the_local_file_to_the_systems_opener(
    rainer: CommandLine, top: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "open" if sys.platform == "darwin" else "xdg-open"
    opener = rainer.folder / file(rainer, f'#!/bin/sh\necho "$1" > {rainer.folder}/opened\n'.encode(), f"bin/{name}")
    opener.chmod(0o755)
    rainer.ok("asset", "add", f"{top}/a.csv", file(rainer, b"one"))
    monkeypatch.setenv("PATH", f"{opener.parent}:/bin:/usr/bin")
    rainer.ok("asset", "open", f"{top}/a.csv")
    assert (rainer.folder / "opened").read_text() == rainer.ok("asset", "path", f"{top}/a.csv").text
    opener.write_text("#!/bin/sh\nexit 3\n")
    failed = rainer("asset", "open", f"{top}/a.csv")
    assert (failed.code, "has no program that opens a.csv\nhint:  the file is /" in failed.err) == (4, True)


# On a terminal


def terminal(rainer: CommandLine, served: RainerServer, *words: str) -> Terminal:
    environment = clean_environment(rainer.folder, f"{served.url}/diary") | {
        "PYTHONPATH": str(TOP), "RAINER_CACHE_DIR": str(rainer.folder / "cache"), "PAGER": "cat",
        "RAINER_MANIFEST": manifest(rainer),
    }  # fmt: skip
    return Terminal([sys.executable, "-m", "rainer.cli.main", *words], environment=environment, folder=rainer.folder)


def test_bars_and_colours_on_a_terminal(rainer: CommandLine, served: RainerServer, top: str) -> None:
    file(rainer, os.urandom(3_000_000))
    with terminal(rainer, served, "asset", "add", f"{top}/a", "file") as shown:
        shown.expect("committed ")
        assert shown.wait() == 0
        assert "MiB" in shown.text
        assert f"{top}/a  1.0.0\n" in shown.text
    rainer.ok("cache", "rm", "--all")
    with terminal(rainer, served, "asset", "path", f"{top}/a") as shown:
        shown.expect(f"{rainer.folder}/cache/blobs")
        assert shown.wait() == 0
        assert "MiB" in shown.text, "a bar with the bytes that have come"
    with terminal(rainer, served, "asset", "path", f"{top}/a") as shown:
        assert shown.wait() == 0
        assert "MiB" not in shown.text, "nothing to fetch, no bar"
    with terminal(rainer, served, "asset", "ls", "-l") as shown:
        assert shown.wait() == 0
        assert f"{top}/a  1.0.0  2.9 MiB  " in shown.text
        assert "\x1b[1m" in shown.raw


def test_a_manifest_of_the_ancestor_stays_in_its_form_if_wanted(
    rainer: CommandLine, served: RainerServer, top: str
) -> None:
    for name in ("a", "b"):
        rainer.ok("asset", "add", f"{top}/{name}", file(rainer, name.encode()), "--short")
    rainer.ok("asset", "update", f"{top}/a", "file", "--short")
    client = Client(f"{served.url}/diary")
    assert client.get(manifest(rainer)).payload == f'{{\n    "{top}/a": "1.1.0",\n    "{top}/b": "1.0.0"\n}}'.encode()
    rainer.ok("asset", "update", f"{top}/a", "file")
    assert b'"sha256"' in (client.get(manifest(rainer)).payload or b"")
