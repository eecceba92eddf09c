"""filetracker 2.3.3, installed unchanged from the package index: its users need not change anything.

Its server half wants Berkeley DB, so it is installed without what it depends on; its client half needs requests and
six, which are here. Its own integration tests (tests/interaction_test.py, protocol_test.py, parallel_test.py) say what
is expected; the tests below are ours.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
import requests

from rainer.store import Client
from tests.integration.filetracker_process import Answerer, Filetracker, end
from tests.services.rainer import RainerServer
from tests.services.required import required_services

pytestmark = pytest.mark.xdist_group("filetracker")

_INSTALL_TIMEOUT_S = 300


@pytest.fixture(scope="session")
def filetracker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds filetracker, and nothing of ours."""
    folder = tmp_path_factory.mktemp("filetracker")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*install, "--target", str(folder), "filetracker==2.3.3"],
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        reason = f"filetracker 2.3.3 cannot be installed here: {done.stderr.strip().splitlines()[-1:]}"
        # Who requires servers runs a machine that is meant to have everything, a package index included.
        if required_services():
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="module")
def answerer(filetracker_folder: Path) -> Iterator[Answerer]:
    with Answerer(filetracker_folder) as running:
        yield running


@pytest.fixture
def filetracker(answerer: Answerer, served: RainerServer, tmp_path: Path) -> Filetracker:
    return Filetracker(answerer, f"{served.url}/-/store", tmp_path)


@pytest.fixture
def top() -> str:
    """A folder of the store that is the test's own."""
    return f"/t-{uuid.uuid4().hex}"


def _random_file(path: Path, size: int, seed: int) -> str:
    data = random.Random(seed).randbytes(size)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def test_it_is_the_original(filetracker: Filetracker) -> None:
    # What is tested must be what the index holds: the package's record still matches its files.
    done = filetracker.python(
        """
        import base64, hashlib, importlib.metadata
        found = importlib.metadata.distribution("filetracker")
        for file in found.files:
            if file.hash and not str(file).startswith(".."):
                digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
                assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value, file
        assert "rainer" not in sys.modules
        print(found.version, sum(1 for file in found.files if file.hash))
        """
    )
    assert done.err == ""
    version, files = done.out.split()
    assert version == "2.3.3"
    assert int(files) >= 20


def test_put_and_get(filetracker: Filetracker, top: str) -> None:
    (filetracker.scratch / "ü.txt").write_text("héllo")
    before = int(time.time())
    name = filetracker.answer(f"client.put_file('{top}/a b/ü%.txt', 'ü.txt')")
    path, version = name.split("@")
    assert path == f"{top}/a b/ü%.txt"
    assert before <= int(version) <= time.time()
    # From its cache it names the version twice, which is its own doing.
    assert filetracker.answer(f"client.get_file({name!r}, 'out')") in (name, f"{name}@{version}")
    assert filetracker.answer(f"remote.get_file({path!r}, 'sub/out')") == name
    assert (filetracker.scratch / "out").read_text() == (filetracker.scratch / "sub/out").read_text() == "héllo"


def test_without_compressing_at_home(filetracker: Filetracker, top: str) -> None:
    (filetracker.scratch / "f").write_bytes(b"plain" * 1000)
    filetracker.answer(f"client.put_file('{top}/f', 'f', compress_hint=False)")
    assert filetracker.answer(f"[remote.get_stream('{top}/f')[0].read().decode()]") == ["plain" * 1000]
    assert filetracker.answer(f"remote.file_size('{top}/f')") == 5000


def test_streams(filetracker: Filetracker, top: str) -> None:
    (filetracker.scratch / "f").write_bytes(b"stream " * 10_000)
    name = filetracker.answer(f"client.put_file('{top}/f@77', 'f')")
    assert name == f"{top}/f@77"
    out = filetracker.answer(
        f"(lambda s: [s[1], s[0].read(7).decode(), len(s[0].read())])(remote.get_stream('{top}/f'))"
    )
    assert out == [f"{top}/f@77", "stream ", 69_993]
    cached = f"client.get_stream('{top}/f', serve_from_cache=True)"
    assert filetracker.answer(f"len({cached}[0].read())") == 70_000


def test_versions(filetracker: Filetracker, top: str) -> None:
    for number in (1, 2):
        (filetracker.scratch / f"v{number}").write_text(f"version {number}")
        assert filetracker.answer(f"remote.put_file('{top}/f@{number}', 'v{number}')") == f"{top}/f@{number}"
    (filetracker.scratch / "v1").write_text("version 1 again")
    assert filetracker.answer(f"remote.put_file('{top}/f@1', 'v1')") == f"{top}/f@2"
    assert filetracker.answer(f"remote.get_stream('{top}/f')[0].read().decode()") == "version 2"
    assert "Server has" in filetracker.refusal(f"remote.get_stream('{top}/f@1')")
    assert filetracker.answer(f"[remote.file_version('{top}/f'), remote.remote_store.exists('{top}/f@1'),"
                              f" remote.remote_store.exists('{top}/f@2'), remote.remote_store.exists('{top}/g')]"
                              ) == [2, False, True, False]  # fmt: skip


def test_lists(filetracker: Filetracker, top: str) -> None:
    (filetracker.scratch / "f").write_text("x")
    for name in ("A@1", "B@5", "C/D@10", "C/ü 1@20"):
        filetracker.answer(f"remote.put_file('{top}/{name}', 'f')")

    def listed(*arguments: object) -> list[str]:
        return sorted(filetracker.answer(f"remote.list_remote_files(*{arguments!r})"))

    assert listed(None, top) == ["A", "B", "C/D", "C/ü 1"]
    assert [listed(cut, top) for cut in (0, 1, 4, 5, 10)] == [[], ["A"], ["A"], ["A", "B"], ["A", "B", "C/D"]]
    assert listed(10, f"{top}/C/") == ["D"]
    assert listed(10, f"{top}/C", True) == [f"{top[1:]}/C/D"]
    assert f"{top[1:]}/A" in listed()


def test_deleting(filetracker: Filetracker, top: str) -> None:
    (filetracker.scratch / "f").write_text("x")
    filetracker.answer(f"client.put_file('{top}/dir/f@100', 'f')")
    filetracker.answer(f"remote.delete_file('{top}/dir/f@99')")  # what is newer stays
    assert filetracker.answer(f"remote.file_version('{top}/dir/f')") == 100
    filetracker.answer(f"client.delete_file('{top}/dir/f')")
    assert "404" in filetracker.refusal(f"remote.get_stream('{top}/dir/f')")
    assert "404" in filetracker.refusal(f"remote.delete_file('{top}/dir/f')")
    assert filetracker.answer(f"remote.list_remote_files(None, '{top}')") == []


def test_what_is_not_there_is_a_404_with_its_reason(filetracker: Filetracker, top: str) -> None:
    for call in ("get_stream", "file_version", "file_size"):
        assert re.match("HTTP/404: .", filetracker.refusal(f"remote.{call}('{top}/none')"))
    assert "HTTP/404" in filetracker.refusal(f"client.get_file('{top}/none', 'out')")


def test_checksums(filetracker: Filetracker, top: str) -> None:
    (filetracker.scratch / "f").write_text("right")
    filetracker.answer(f"remote.put_file('{top}/f@1', 'f')")
    wrong = "import filetracker.client.remote_data_store as r\nr.file_digest = lambda _: '0' * 64\n"
    done = filetracker.python(f"{wrong}remote.put_file('{top}/f@2', 'f')")
    assert done.code == 1
    assert "HTTP/400" in done.err
    assert filetracker.answer(f"remote.file_version('{top}/f')") == 1


def test_a_file_of_64_mib(filetracker: Filetracker, top: str) -> None:
    expected = _random_file(filetracker.scratch / "big", 64 * 1024 * 1024, seed=4)
    name = filetracker.answer(f"remote.put_file('{top}/big', 'big')")
    assert filetracker.answer(f"remote.file_size('{top}/big')") == 64 * 1024 * 1024
    assert filetracker.answer(f"remote.get_file('{top}/big', 'back')") == name
    assert hashlib.sha256((filetracker.scratch / "back").read_bytes()).hexdigest() == expected


def test_two_processes_put_one_name(filetracker: Filetracker, top: str) -> None:
    for letter in "ab":
        (filetracker.scratch / letter).write_bytes(letter.encode() * 1_000_000)
    programs = [
        filetracker.start(f"for n in range(10): remote.put_file('{top}/f@' + str(2 * n + {i}), '{letter}')")
        for i, letter in enumerate("ab")
    ]
    reader = filetracker.start(
        f"""
        seen = set()
        while not seen or max(v for v, _ in seen) < 18:
            try:
                stream, name = remote.get_stream('{top}/f')
            except FiletrackerError:
                continue
            data = stream.read()
            assert len(data) == 1_000_000 and len(set(data)) == 1, (len(data), set(data))
            seen.add((int(name.split('@')[1]), chr(data[0])))
        assert all(letter == 'ab'[version % 2] for version, letter in seen), seen
        """
    )
    for program in (*programs, reader):
        done = end(program)
        assert done.code == 0, done
    assert filetracker.answer(f"remote.file_version('{top}/f')") == 19


def test_the_shell(filetracker: Filetracker, top: str) -> None:
    (filetracker.scratch / "f").write_text("by shell\n")
    put = filetracker.shell("put", "f", f"{top}/f@123")
    assert (put.code, put.out.splitlines()[-1]) == (0, f"{top}/f@123")
    assert filetracker.shell("get", f"{top}/f", "out").code == 0
    assert (filetracker.scratch / "out").read_text() == "by shell\n"
    assert filetracker.shell("cat", f"{top}/f").out.endswith("by shell\n")
    assert filetracker.shell("version", f"{top}/f").out.splitlines()[-1] == "123"
    assert filetracker.shell("rm", f"{top}/f").code == 0
    gone = filetracker.shell("version", f"{top}/f")
    assert gone.code == 1
    assert "HTTP/404" in gone.err


def test_its_files_are_ours_and_ours_are_its(filetracker: Filetracker, top: str, tmp_path: Path) -> None:
    (filetracker.scratch / "f").write_bytes(b"from filetracker" * 100)
    name = filetracker.answer(f"remote.put_file('{top}/f', 'f')")
    with Client(filetracker.url, tmp_path / "copies") as client:
        stream, found = client.get_stream(f"{top}/f", serve_from_cache=True)
        with stream:
            assert (found, stream.read()) == (name, b"from filetracker" * 100)
        for path, contents in (("packed", b"from us" * 1000), ("random", os.urandom(3000)), ("empty", b"")):
            (tmp_path / "mine").write_bytes(contents)
            mine = client.put_file(f"{top}/{path}", tmp_path / "mine")
            assert filetracker.answer(f"remote.get_file('{top}/{path}', 'out')") == mine
            assert (filetracker.scratch / "out").read_bytes() == contents
            assert filetracker.answer(f"remote.file_size('{top}/{path}')") == len(contents)


def test_the_headers_that_it_looks_at(filetracker: Filetracker, top: str) -> None:
    """Byte for byte: what requests sends and the original client reads."""
    files, date = f"{filetracker.url}/files{top}/f", formatdate(86_400 * 365)
    assert date == "Fri, 01 Jan 1971 00:00:00 -0000"  # as the original writes it
    put = requests.put(files, params={"last_modified": date}, data=b"x" * 10_000, timeout=30)
    assert (put.status_code, put.content) == (200, b"")
    for answer in (requests.get(files, timeout=30), requests.head(files, timeout=30)):
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Logical-Size"] == "10000"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        stamp = answer.headers["Last-Modified"]
        assert re.fullmatch(r"Fri, 01 Jan 1971 00:00:00 (-0000|GMT)", stamp)
        assert stamp == put.headers["Last-Modified"]
    older = requests.put(files, params={"last_modified": formatdate(5)}, data=b"older", timeout=30)
    assert (older.status_code, older.headers["Last-Modified"]) == (200, stamp)
    absent = requests.get(files + "x", timeout=30)
    assert (absent.status_code, bool(absent.headers["X-Exception"])) == (404, True)
    version = requests.get(f"{filetracker.url}/version/", timeout=30)
    assert (version.content, version.headers["Content-Type"]) == (b'{"protocol_versions":[2]}', "application/json")
