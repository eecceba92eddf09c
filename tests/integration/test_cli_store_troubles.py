"""`rainer store` where something is in its way: copies that cannot be kept, one name of several, folders not read."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rainer.store import Client
from tests.command_line import CommandLine
from tests.services.rainer import RainerServer


@pytest.fixture
def top() -> str:
    """A folder of the store that is the test's own."""
    return f"/t-{uuid.uuid4().hex}"


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, served: RainerServer) -> CommandLine:
    monkeypatch.setenv("RAINER_STORE_DIR", str(tmp_path / "copies"))
    (tmp_path / "file").write_bytes(b"1")
    return CommandLine(monkeypatch, tmp_path, f"{served.url}/diary")


@pytest.fixture
def client(served: RainerServer) -> Iterator[Client]:
    with Client(f"{served.url}/-/store") as client:
        yield client


def test_where_no_copies_can_be_kept_the_store_is_used_all_the_same(
    rainer: CommandLine, client: Client, top: str, caplog: pytest.LogCaptureFixture
) -> None:
    (rainer.folder / "copies").write_bytes(b"a file where the folder should be")
    put = rainer.ok("store", "put", "file", f"{top}/a@5")
    assert put.text == f"{top}/a@5\n"
    assert "is stored without a copy here" in caplog.text
    assert rainer.ok("store", "cat", f"{top}/a").out == b"1"
    rainer.ok("store", "rm", f"{top}/a")
    assert "the copy here cannot be removed" in caplog.text
    assert not client.exists(f"{top}/a")
    alone = rainer("store", "put", "file", f"{top}/a", "--no-remote-cache")
    assert (alone.code, "copies" in alone.err) == (5, True), alone


def test_rm_goes_on_behind_a_name_that_is_not_there(rainer: CommandLine, client: Client, top: str) -> None:
    for name in ("a", "b", "c"):
        client.put_file(f"{top}/{name}@5", rainer.folder / "file")
    result = rainer("store", "rm", f"{top}/a", f"{top}/not", f"{top}/b@4", "no-slash", f"{top}/c")
    assert result.code == 4
    assert client.list_remote_files(top) == [f"{top}/b"]
    for words in (f"error: {top}/not: the store has no such file", "does not begin with /", f"newer than {top}/b@4"):
        assert words in result.err


def test_migrate_tells_of_folders_that_it_has_not_read(
    rainer: CommandLine, client: Client, top: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = rainer.folder / "tree" / top[1:]
    for name in ("read", "closed"):
        (tree / name).mkdir(parents=True)
        (tree / name / "file").write_bytes(b"1")
    (rainer.folder / "elsewhere").mkdir()
    (tree / "linked").symlink_to(rainer.folder / "elsewhere")
    scandir = os.scandir

    def closed(path: Any) -> Any:
        """As the system answers whoever has no right to read, which for root it never does."""
        if str(path).endswith("/closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    result = rainer("store", "migrate", "tree")
    assert (result.code, result.text) == (5, "uploaded 1, there already 0, newer there 0, refused 2\n")
    assert "closed is a folder not to be read" in result.err
    assert "linked is a link to a folder: take that over by itself" in result.err
    assert client.list_remote_files(top) == [f"{top}/read/file"]
