"""Local files on their way into a store."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from rainer.assets import publishing_files
from rainer.assets.publishing_files import files_below, read_source
from rainer.errors import InvalidError


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 3 * 1024 * 1024 + 17])
def test_digest_and_size(size: int, tmp_path: Path) -> None:
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    source = read_source(tmp_path / "a")
    assert (source.sha256, source.size) == (hashlib.sha256(data).hexdigest(), size)
    source.check_unchanged()


def test_a_link_is_followed_and_a_text_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").symlink_to("a")
    assert read_source(str(tmp_path / "b")).size == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("absent", "No such file"), ("folder", "is a folder"), ("pipe", "not a plain file"), ("n\0l", "null")],
)
def test_what_is_no_file(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidError, match=words) as caught:
        read_source(f"{tmp_path}/{name}")
    assert caught.value.hint


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_bytes(bytes(10))

    class Meddling:
        def __init__(self) -> None:
            self.digest = hashlib.sha256()

        def update(self, data: memoryview) -> None:
            self.digest.update(data)
            with file.open("ab") as other:
                other.write(b"more")

        def hexdigest(self) -> str:
            return self.digest.hexdigest()

    class Hashlib:
        sha256 = Meddling

    monkeypatch.setattr(publishing_files, "hashlib", Hashlib)
    with pytest.raises(InvalidError, match="changed while it was published"):
        read_source(file)


@pytest.mark.parametrize("change", ["written", "replaced", "removed"])
def test_a_file_that_changes_afterwards(change: str, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"12")
    source = read_source(file)
    if change == "written":
        file.write_bytes(b"123")
    elif change == "replaced":
        (tmp_path / "b").write_bytes(b"34")
        (tmp_path / "b").replace(file)
    else:
        file.unlink()
    with pytest.raises(InvalidError):
        source.check_unchanged()


def test_a_folders_files(tmp_path: Path) -> None:
    (tmp_path / "x/y").mkdir(parents=True)
    for name in ("a.csv", "x/b.csv", "x/y/c", ".hidden"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "link").symlink_to(tmp_path / "a.csv")
    found = files_below(tmp_path, "/data/")
    assert list(found) == ["/data/.hidden", "/data/a.csv", "/data/link", "/data/x/b.csv", "/data/x/y/c"]
    assert found["/data/x/b.csv"].read_bytes() == b"x/b.csv"
    assert "/a.csv" in files_below(str(tmp_path))


@pytest.mark.parametrize("kind", ["a folder's link", "a pipe", "a dead link"])
def test_a_folder_with_what_cannot_be_published(kind: str, tmp_path: Path) -> None:
    if kind == "a pipe":
        os.mkfifo(tmp_path / "bad")
    else:
        (tmp_path / "bad").symlink_to(tmp_path if kind == "a folder's link" else tmp_path / "nothing")
    with pytest.raises(InvalidError, match="bad"):
        files_below(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="not a folder"):
        files_below(tmp_path / "absent")
