"""A checkout's folder: what is written, what is left alone, what is never lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rainer.cli import checkout
from rainer.cli.checkout import LIST_NAME, Folder, Outcome
from rainer.errors import ConflictError, CorruptError, InvalidError
from rainer.model.commit import Commit


def heads(**payloads: str) -> list[Commit]:
    now = datetime.now(UTC)
    return [Commit(key.replace("_", "."), 1, text.encode(), "me", "", now) for key, text in payloads.items()]


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != LIST_NAME}


def test_each_key_becomes_a_file(tmp_path: Path) -> None:
    outcome = Folder(tmp_path / "new" / "dir").write(heads(a_json="1", b="2"))
    assert files(tmp_path / "new" / "dir") == {"a.json": "1", "b": "2"}
    assert outcome == Outcome(written=["a.json", "b"])


def test_a_file_that_holds_the_same_is_not_touched(tmp_path: Path) -> None:
    Folder(tmp_path).write(heads(a="1", b="2"))
    before = (tmp_path / "a").stat()
    outcome = Folder(tmp_path).write(heads(a="1", b="3"))
    assert outcome == Outcome(written=["b"], unchanged=1)
    after = (tmp_path / "a").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_key_that_is_gone_loses_its_file_and_no_other_does(tmp_path: Path) -> None:
    Folder(tmp_path).write(heads(a="1", b="2"))
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "folder").mkdir()
    outcome = Folder(tmp_path).write(heads(b="2"))
    assert outcome.removed == ["a"]
    assert (tmp_path / "mine").read_text() == "precious"
    assert not (tmp_path / "a").exists()


def test_delete_removes_other_files_but_no_folders(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "deep").write_text("x")
    outcome = Folder(tmp_path).write(heads(a="1"), delete=True)
    assert sorted(outcome.removed) == ["link", "mine"]
    assert (tmp_path / "folder" / "deep").exists()
    assert Folder(tmp_path).write(heads(a="1"), delete=True).removed == []


@pytest.mark.parametrize("how", ["made", "changed"])
def test_a_file_that_is_not_ours_stops_everything_before_anything_is_written(tmp_path: Path, how: str) -> None:
    if how == "changed":
        Folder(tmp_path).write(heads(b="0"))
    (tmp_path / "b").write_text("by hand")
    with pytest.raises(ConflictError, match=r"not written by a checkout, or changed since: b$"):
        Folder(tmp_path).write(heads(a="1", b="2"))
    assert files(tmp_path) == {"b": "by hand"}
    Folder(tmp_path, force=True).write(heads(a="1", b="2"))
    assert files(tmp_path) == {"a": "1", "b": "2"}


def test_a_removed_keys_file_stays_if_somebody_changed_it(tmp_path: Path) -> None:
    Folder(tmp_path).write(heads(a="1"))
    (tmp_path / "a").write_text("by hand")
    assert Folder(tmp_path).write([]).removed == []
    assert files(tmp_path) == {"a": "by hand"}


def test_a_link_in_the_way_is_replaced_and_never_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").symlink_to(target)
    with pytest.raises(ConflictError):
        Folder(folder).write(heads(a="1"))
    Folder(folder, force=True).write(heads(a="1"))
    assert target.read_text() == "precious"
    assert not (folder / "a").is_symlink()
    assert files(folder) == {"a": "1"}


@pytest.mark.parametrize(
    "key",
    ["../escape", "a/b", "/etc/passwd", "..", LIST_NAME, LIST_NAME.upper(), ".rainer-new-x", ".Rainer-New-x", "a\0b"],
)
def test_no_key_leaves_the_folder_or_takes_our_own_names(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "in"
    commit = Commit(key, 1, b"evil", "me", "", datetime.now(UTC))
    outcome = Folder(folder).write([commit, *heads(a="1")])
    assert list(outcome.refused) == [key]
    assert files(folder) == {"a": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    outcome = Folder(tmp_path).write(heads(a="1", b="2"))
    assert outcome.refused == {"a": "there is a folder of this name"}
    assert outcome.written == ["b"]


def test_keys_the_file_system_takes_for_one_are_refused_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "_tells_case", lambda _self: False)
    outcome = Folder(tmp_path).write(heads(a="1", A="2", b="3"))
    assert sorted(outcome.refused) == ["A", "a"]
    assert outcome.written == ["b"]


@pytest.mark.skipif(sys.platform != "linux", reason="file systems elsewhere may take A and a for one")
def test_keys_that_differ_in_case_are_two_files_where_that_works(tmp_path: Path) -> None:
    assert Folder(tmp_path).write(heads(a="1", A="2")).refused == {}
    assert files(tmp_path) == {"a": "1", "A": "2"}


def test_a_full_disk_leaves_whole_files_and_the_next_checkout_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Folder(tmp_path).write(heads(a="old", b="old"))
    real = checkout._replace

    def full(path: Path, payload: bytes) -> None:
        if path.name == "b":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, payload)

    monkeypatch.setattr(checkout, "_replace", full)
    with pytest.raises(OSError, match="No space"):
        Folder(tmp_path).write(heads(a="new", b="new"))
    assert files(tmp_path) == {"a": "new", "b": "old"}
    monkeypatch.setattr(checkout, "_replace", real)
    assert Folder(tmp_path).write(heads(a="new", b="new")).written == ["b"]


def test_a_files_mode_stays(tmp_path: Path) -> None:
    Folder(tmp_path).write(heads(a="1"))
    (tmp_path / "a").chmod(0o640)
    Folder(tmp_path).write(heads(a="2"))
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("text", ["", "[]", '{"files": 1}', "{"])
def test_a_broken_list_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / LIST_NAME).write_text(text)
    with pytest.raises(CorruptError, match="is not a checkout's list of files"):
        Folder(tmp_path)


@pytest.mark.parametrize("name", ["../victim.txt", "{top}/victim.txt", "..", "", "a/b", LIST_NAME, LIST_NAME.upper()])
@pytest.mark.parametrize("force", [False, True])
def test_a_list_that_names_no_file_of_this_folder_is_told(tmp_path: Path, name: str, force: bool) -> None:
    victim, folder = tmp_path / "victim.txt", tmp_path / "in"
    victim.write_text("precious")
    folder.mkdir()
    name = name.format(top=tmp_path)
    digest = hashlib.sha256(b"precious").hexdigest()
    (folder / LIST_NAME).write_text(json.dumps({"files": {name: digest}}))
    with pytest.raises(CorruptError) as caught:
        Folder(folder, force=force).write([])
    assert LIST_NAME in str(caught.value)
    assert repr(name)[:50].rstrip("'") in str(caught.value)
    assert victim.read_text() == "precious"


def test_delete_keeps_the_list_in_whatever_case(tmp_path: Path) -> None:
    (tmp_path / LIST_NAME.upper()).write_text('{"files": {}}')
    assert Folder(tmp_path).write(heads(a="1"), delete=True).removed == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidError, match="is not a folder"):
        Folder(tmp_path / "file")
