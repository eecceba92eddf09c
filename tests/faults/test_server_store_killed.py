"""The server store under kill -9 and a full disk: a name has the old file or the new one, and nothing is left over."""

from __future__ import annotations

import hashlib
import random
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rainer.journal import Journal
from rainer.server_store.files import Files
from rainer.server_store.places import FolderPlaces
from tests.contracts.test_store_names import lying, read, time_passes
from tests.faults.conftest import Serve
from tests.integration.wire import ask
from tests.services.rainer import clean_environment
from tests.services.waiting import wait_until

pytestmark = pytest.mark.faults
TOP = Path(__file__).resolve().parents[2]
T = "?last_modified=Sat,%2031%20Jan%202026%2012:34:56%20-0000"


class Putter:
    """A process whose children put, replace, delete and sweep, and die of it."""

    def __init__(self, url: str, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.faults.store_putter", url, str(folder)]
        self.process = subprocess.Popen(
            command, cwd=TOP, env=clean_environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, what: str, last: int, text: str = "-") -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what} {last} {text}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def die_at_every_step(
        self, what: str, check: Callable[[], None], text: str = "-", first: Callable[[], None] = lambda: None
    ) -> int:
        """Do something, after `first`, until it is killed nowhere; how many steps it has."""
        step = 0
        answer = "killed"
        while answer == "killed":
            step += 1
            first()
            answer = self.ask(what, step, text)
            check()
        assert answer == "done"
        return step - 1

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


@pytest.fixture
def url(request: pytest.FixtureRequest, thorough: bool) -> str:
    """SQLite, and PostgreSQL where there is time."""
    found: str = request.getfixturevalue("postgresql_url" if thorough else "sqlite_url")
    return found


@pytest.fixture
def putter(url: str, tmp_path: Path) -> Iterator[Putter]:
    with Journal(url):
        pass  # the schema is there before anybody dies
    putter = Putter(url, tmp_path / "contents")
    yield putter
    putter.close()


def test_a_put_killed_at_every_step_leaves_the_old_file_or_the_new_one(
    putter: Putter, url: str, tmp_path: Path
) -> None:
    contents = tmp_path / "contents"
    with Journal(url) as journal:
        files = Files(journal.engine, FolderPlaces(contents))

        def found() -> bytes | None:
            file = files.table.find("name")
            return None if file is None else read(files, "name")

        def swept() -> None:
            """What is left of the dead is removed, and nothing else."""
            time_passes(files)
            files.sweep(0)
            assert len(lying(files)) == files.table.totals()[0], "each file has contents of its own here"

        def is_one_of(*allowed: bytes | None) -> Callable[[], None]:
            def check() -> None:
                assert found() in allowed
                swept()
                assert found() in allowed

            return check

        old, new, other = (text.encode() * 300_000 for text in ("old-", "new-", "etc-"))
        assert putter.die_at_every_step("put", is_one_of(None, old), "old-") >= 12
        assert found() == old
        assert putter.die_at_every_step("put", is_one_of(old, new), "new-") >= 12
        assert found() == new

        def replace() -> None:
            assert putter.ask("put", 0, "old-" if found() == other else "etc-") == "done"
            time_passes(files)

        assert putter.die_at_every_step("sweep", is_one_of(old, other), first=replace) >= 6
        assert putter.die_at_every_step("delete", is_one_of(old, other, None), first=replace) >= 2
        assert found() is None
        assert lying(files) == []


def test_a_server_killed_in_the_middle_of_an_upload_serves_what_it_had(serve: Serve, sqlite_url: str) -> None:
    server = serve(sqlite_url)
    assert ask(server.url, "PUT", f"/-/store/files/a{T}", {}, b"old").status == 200
    parts = urlsplit(server.url)
    half = server.data_dir / "store" / "tmp"
    with socket.create_connection((parts.hostname or "", parts.port or 0), 20) as uploading:
        uploading.sendall(f"PUT /-/store/files/a{T} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n".encode())
        uploading.sendall(random.Random(1).randbytes(3_000_000))
        wait_until(lambda: list(half.iterdir()), 10, "a half file")
        server.kill()
    server.start()
    assert ask(server.url, "GET", "/-/store/files/a").body == b"old"
    assert ask(server.url, "PUT", f"/-/store/files/a{T}", {}, b"new").status == 200
    assert ask(server.url, "GET", "/-/store/files/a").body == b"new"


def test_a_full_disk_is_told_and_keeps_nothing(serve: Serve, sqlite_url: str) -> None:
    """A bound on the size of files stands for the disk: the system refuses to write in the same way."""
    server = serve(sqlite_url)
    data = random.Random(2).randbytes(3_000_000)
    assert ask(server.url, "PUT", f"/-/store/files/a{T}", {}, b"old").status == 200
    before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
    for name in ("a", "b"):
        answer = ask(server.url, "PUT", f"/-/store/files/{name}{T}", {}, data)
        assert answer.problem(507, "no-space", "no room", "make room")["retryable"] is False
    assert ask(server.url, "GET", "/-/store/files/a").body == b"old"
    assert ask(server.url, "GET", "/-/store/files/b").status == 404
    wait_until(lambda: not list((server.data_dir / "store" / "tmp").iterdir()), 10, "the end of half files")
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)
    assert ask(server.url, "PUT", f"/-/store/files/a{T}", {}, data).status == 200
    assert ask(server.url, "GET", "/-/store/files/a").header("X-Rainer-SHA256") == hashlib.sha256(data).hexdigest()
