"""What filetracker can do, each thing under its name: on a server of ours, and on the twin in memory."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.errors import InvalidError, ObjectNotFound, WrongDigest
from rainer.store.client_files import Upload
from tests.integration.file_stores import FileStores, memory_store, served_store
from tests.services.rainer import RainerServer


@pytest.fixture(scope="module", params=["served", "in-memory"])
def server(request: pytest.FixtureRequest) -> RainerServer | None:
    return request.getfixturevalue("served") if request.param == "served" else None


@pytest.fixture
def stores(server: RainerServer | None, tmp_path: Path) -> Iterator[FileStores]:
    made = memory_store(tmp_path) if server is None else served_store(server, tmp_path)
    yield made
    made.close()


# Names and versions.


def test_name_at_version_names(stores: FileStores, tmp_path: Path) -> None:
    name = stores.name("a b/ü@7")
    assert stores.client.put_file(name, stores.source(b"seven")) == name
    assert stores.client.get_file(stores.name("a b/ü"), tmp_path / "out") == name
    assert stores.client.get_file(name, tmp_path / "out") == name
    with pytest.raises(ObjectNotFound, match="has version 7 of it"):
        stores.client.get_file(stores.name("a b/ü@6"), tmp_path / "out")
    with pytest.raises(ObjectNotFound):
        stores.other.get_stream(stores.name("a b/ü@8"))


def test_the_version_of_an_upload_is_the_second_it_was_made_in(stores: FileStores) -> None:
    source = stores.source(b"x")
    os.utime(source, (1, 1))
    before = int(time.time())
    stores.client.put_file(stores.name("a"), source)
    assert before <= stores.client.file_version(stores.name("a")) <= time.time()


def test_put_twice_within_a_second_makes_two_versions(stores: FileStores) -> None:
    names = [stores.put("a", contents) for contents in (b"1", b"2", b"3")]
    assert len(set(names)) == 3
    assert stores.read(names[2]) == b"3"
    assert stores.client.list_remote_files(stores.folder) == [stores.name("a")]


def test_an_older_version_has_no_effect_and_the_newer_one_is_told(stores: FileStores) -> None:
    stores.put("a@2", b"two")
    assert stores.put("a@1", b"one") == stores.name("a@2")
    assert stores.read(stores.name("a")) == b"two"
    stream, name = stores.client.get_stream(stores.name("a@2"))  # neither has the copy been harmed
    with stream:
        assert (stream.read(), name) == (b"two", stores.name("a@2"))
    assert stores.put("a@2", b"two again") == stores.name("a@2")
    assert stores.read(stores.name("a")) == b"two again"


def test_every_name_has_a_version_of_its_own_whatever_its_contents(stores: FileStores) -> None:
    stores.put("a@5", b"same")
    stores.put("b@9", b"same")
    assert [stores.client.file_version(stores.name(name)) for name in "ab"] == [5, 9]
    stores.client.delete_file(stores.name("a"))
    assert stores.read(stores.name("b")) == b"same"


# get_file, get_stream.


def test_get_file(stores: FileStores, tmp_path: Path) -> None:
    stores.put("a@1000", b"contents", to_local_store=False)
    target = tmp_path / "new" / "folder" / "out"
    assert stores.client.get_file(stores.name("a"), target) == stores.name("a@1000")
    assert (target.read_bytes(), target.stat().st_mtime) == (b"contents", 1000)
    assert [entry.name for entry in stores.client.list_local_files()] == [stores.name("a@1000")]
    stores.put("a@2000", b"newer", to_local_store=False)
    stores.client.get_file(stores.name("a"), target)
    assert target.read_bytes() == b"newer"


def test_get_file_without_keeping_it(stores: FileStores, tmp_path: Path) -> None:
    stores.put("a", b"x", to_local_store=False)
    stores.client.get_file(stores.name("a"), tmp_path / "out", add_to_cache=False)
    assert stores.client.list_local_files() == []


def test_get_file_that_fails_leaves_the_old_one(stores: FileStores, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")
    with pytest.raises(ObjectNotFound):
        stores.client.get_file(stores.name("nothing"), target)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_force_refresh(stores: FileStores, tmp_path: Path) -> None:
    stores.put("a@5", b"first")
    stores.other.put_file(stores.name("a@5"), stores.source(b"second"))  # the same name, as filetracker allows
    target = tmp_path / "out"
    stores.client.get_file(stores.name("a@5"), target)
    assert target.read_bytes() == b"first"
    stores.client.get_file(stores.name("a@5"), target, force_refresh=True)
    assert target.read_bytes() == b"second"
    stores.client.get_file(stores.name("a@5"), target)
    assert target.read_bytes() == b"second"


def test_get_stream(stores: FileStores) -> None:
    stores.put("a@5", b"contents" * 100_000, to_local_store=False)
    stream, name = stores.client.get_stream(stores.name("a"))
    with stream:
        assert name == stores.name("a@5")
        assert stream.read(8) == b"contents"
        assert len(stream.read()) == 8 * 99_999
        assert stream.read() == b""
    assert stores.client.list_local_files() == []
    stores.client.get_stream(stores.name("a"))[0].close()  # not read at all
    stream, _ = stores.client.get_stream(stores.name("a"), serve_from_cache=True)
    with stream:
        assert len(stream.read()) == 800_000
    assert len(stores.client.list_local_files()) == 1


def test_an_empty_file(stores: FileStores, tmp_path: Path) -> None:
    stores.put("empty", b"")
    stores.client.get_file(stores.name("empty"), tmp_path / "out", force_refresh=True)
    assert (tmp_path / "out").read_bytes() == b""
    assert stores.client.file_size(stores.name("empty")) == 0


# put_file.


def test_put_file_here_there_or_both(stores: FileStores) -> None:
    here, there, both = (stores.name(name) for name in ("here", "there", "both"))
    stores.put("here", b"1", to_remote_store=False)
    stores.put("there", b"2", to_local_store=False)
    stores.put("both", b"3")
    assert {entry.path for entry in stores.client.list_local_files()} == {here, both}
    assert set(stores.client.list_remote_files(stores.folder)) == {there, both}
    with pytest.raises(InvalidError, match="neither"):
        stores.put("x", b"", to_local_store=False, to_remote_store=False)


def test_put_file_compressed_or_not(stores: FileStores) -> None:
    for contents in (b"text " * 100_000, os.urandom(300_000), b"short"):
        for compress in (True, False):
            stores.put("a", contents, compress=compress)
            assert stores.read(stores.name("a")) == contents


def test_put_file_with_a_hard_link(stores: FileStores, tmp_path: Path) -> None:
    source = stores.source(b"linked")
    name = stores.client.put_file(stores.name("a"), source, hard_link=True)
    stores.client.get_file(name, tmp_path / "out", hard_link=True)
    assert (tmp_path / "out").read_bytes() == b"linked"


def test_progress_is_told(stores: FileStores, tmp_path: Path) -> None:
    told: list[int] = []
    source = stores.source(b"x" * 1_000_000)
    stores.client.put_file(stores.name("a"), source, progress=told.append)
    assert sum(told) == 1_000_000
    told.clear()
    stores.client.get_file(stores.name("a"), tmp_path / "out", progress=told.append)
    assert sum(told) == 1_000_000


# exists, file_version, file_size.


def test_exists(stores: FileStores) -> None:
    stores.put("a@5", b"x")
    for name, expected in (("a", True), ("a@5", True), ("a@4", False), ("b", False)):
        assert stores.client.exists(stores.name(name)) is expected


def test_file_version_ignores_the_names(stores: FileStores) -> None:
    stores.put("a@5", b"x")
    assert stores.client.file_version(stores.name("a@3")) == 5
    with pytest.raises(ObjectNotFound):
        stores.client.file_version(stores.name("b"))


@pytest.mark.parametrize("copy", [True, False])
def test_file_size_is_that_before_compression(stores: FileStores, copy: bool) -> None:
    stores.put("a@5", b"x" * 54_321, to_local_store=copy)
    assert stores.client.file_size(stores.name("a")) == 54_321
    assert stores.client.file_size(stores.name("a@5")) == 54_321
    assert stores.client.file_size(stores.name("a@5"), force_refresh=True) == 54_321
    with pytest.raises(ObjectNotFound):
        stores.client.file_size(stores.name("a@4"))


# delete_file.


def test_delete_file(stores: FileStores) -> None:
    stores.put("dir/a", b"x")
    stores.put("dir/a", b"y")  # its version may be ahead of the clock by now
    assert stores.client.delete_file(stores.name("dir/a"))
    assert not stores.client.exists(stores.name("dir/a"))
    assert stores.client.list_local_files() == []
    assert stores.client.list_remote_files(stores.folder) == []
    for _ in range(2):
        with pytest.raises(ObjectNotFound):
            stores.client.delete_file(stores.name("dir/a"))


def test_delete_file_spares_what_is_newer(stores: FileStores) -> None:
    stores.put("a@5", b"x")
    assert not stores.client.delete_file(stores.name("a@4"))
    assert stores.read(stores.name("a")) == b"x"
    assert stores.client.delete_file(stores.name("a@6"))
    assert not stores.client.exists(stores.name("a"))


def test_what_the_store_lacks_is_deleted_here_at_least(stores: FileStores) -> None:
    stores.put("a", b"x", to_remote_store=False)
    with pytest.raises(ObjectNotFound):
        stores.client.delete_file(stores.name("a"))
    assert stores.client.list_local_files() == []


# Lists.


def test_list_remote_files(stores: FileStores) -> None:
    for path in ("A@1", "B@5", "C/D@10", "C/E/F@20", "CD@30"):
        stores.put(path, b"x", to_local_store=False)

    def listed(folder: str = "", last_modified: int | None = None) -> list[str]:
        found = stores.client.list_remote_files(f"{stores.folder}{folder}", last_modified)
        return sorted(name.removeprefix(stores.folder + "/") for name in found)

    assert listed() == ["A", "B", "C/D", "C/E/F", "CD"]
    assert [listed("", version) for version in (0, 1, 4, 5, 10)] == [[], ["A"], ["A"], ["A", "B"], ["A", "B", "C/D"]]
    assert listed("/C") == listed("/C/") == ["C/D", "C/E/F"]
    assert listed("/C", 9) == []
    assert listed("/nothing") == []
    with pytest.raises(InvalidError, match="is a file"):
        listed("/A")
    with pytest.raises(InvalidError):
        listed("/../x")


def test_list_of_what_is_known_of_each_file(stores: FileStores) -> None:
    stores.put("dir/a@5", b"contents")
    (entry,) = stores.client.iter_remote_entries(stores.name("dir"))
    assert (entry.name, entry.size, entry.sha256) == (
        stores.name("dir/a@5"), 8, hashlib.sha256(b"contents").hexdigest(),
    )  # fmt: skip
    (local,) = stores.client.list_local_files()
    assert (local.name, local.size, local.sha256) == (entry.name, entry.size, entry.sha256)


# Checksums, the cache's size.


def test_a_wrong_checksum_is_refused_and_changes_nothing(stores: FileStores) -> None:
    stores.put("a@1", b"old")
    with pytest.raises(WrongDigest):
        stores.client.upload(stores.name("a@2"), Upload(stores.source(b"new"), 2, 3, "0" * 64))
    assert stores.read(stores.name("a@1")) == b"old"


def test_the_cleaner_keeps_the_cache_under_its_size(stores: FileStores) -> None:
    for name in "abcd":
        stores.put(name, b"x" * 1000)
    stores.client.get_stream(stores.client.list_local_files()[0].name)[0].close()
    done = stores.client.clean(2_500)
    assert (done.removed, done.kept, done.kept_bytes) == (2, 2, 2_000)
    assert [entry.path for entry in stores.client.list_local_files()] == [stores.name("a"), stores.name("d")]
    assert len(stores.client.list_remote_files(stores.folder)) == 4
    assert stores.client.clean(2_500).removed == 0


def test_hostile_names_are_refused(stores: FileStores, tmp_path: Path) -> None:
    for name in ("a", "/../a", "/a/../../b", "/a\0b", "/a@x", "//a", "/" + "x" * 300):
        for call in (
            lambda name=name: stores.client.get_file(name, tmp_path / "out"),
            lambda name=name: stores.client.put_file(name, stores.source(b"")),
            lambda name=name: stores.client.delete_file(name),
            lambda name=name: stores.client.exists(name),
        ):
            with pytest.raises(InvalidError):
                call()
