"""AssetPublisher on a real server: what each call does, and what it refuses without a trace."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.assets.published import Published
from rainer.assets.publishing import AssetPublisher, own_store_url
from rainer.assets.publishing_files import files_below
from rainer.cache import AssetCache
from rainer.client import Client
from rainer.errors import (
    AssetNotFound,
    AssetVersionConflict,
    InvalidError,
    InvalidManifest,
    NamespaceNotFound,
    NoSpace,
    WrongDigest,
)
from rainer.model.manifest import Entry, Manifest
from rainer.store.store import ObjectInfo
from tests.publishing import DrivenStore, Room, room
from tests.services.rainer import RainerServer

PATH = "/foo/bar.csv"


@pytest.fixture
def here(served: RainerServer, tmp_path: Path) -> Iterator[Room]:
    made = room(served.url, tmp_path)
    with made.client:
        yield made


def test_what_a_publish_says_and_leaves(here: Room) -> None:
    publisher, file = here.publisher(), here.file("one")
    said = publisher.add(PATH, file, comment="why")
    digest = hashlib.sha256(b"one").hexdigest()
    assert said == Published(PATH, "1.0.0", digest, 3, f"{here.store.url}/foo/bar.1.0.0.csv", said.commit)
    stored = here.client.get("prod")
    assert stored == said.commit
    assert (stored.author, stored.comment) == ("tester", "why")
    assert json.loads(stored.payload or b"") == {PATH: {"version": "1.0.0", "sha256": digest, "size": 3}}
    assert here.read("foo/bar.1.0.0.csv") == b"one"


def test_several_paths_side_by_side_and_the_default_comment(here: Room) -> None:
    publisher = here.publisher(author="somebody else")
    publisher.add("a", here.file("a"))
    said = publisher.add("b/c", here.file(""))
    assert said.size == 0
    assert dict(publisher.manifest()) == {
        "/a": Entry("1.0.0", hashlib.sha256(b"a").hexdigest(), 1),
        "/b/c": Entry("1.0.0", hashlib.sha256(b"").hexdigest(), 0),
    }
    assert (said.commit.comment, said.commit.author) == ("publish /b/c 1.0.0", "somebody else")


def test_only_changed(here: Room) -> None:
    publisher, same = here.publisher(), here.file("same")
    first = publisher.add_or_update(PATH, same, only_changed=True)
    again = publisher.add_or_update(PATH, same, only_changed=True)
    assert again == first
    assert publisher.update(PATH, here.file("other"), only_changed=True).version == "1.1.0"
    assert publisher.update(PATH, here.file("other")).version == "1.2.0"


def test_only_changed_asks_the_store_where_the_manifest_has_no_digest(here: Room) -> None:
    here.client.commit("prod", json.dumps({PATH: "1.2.5"}).encode(), version=1)
    here.store.put(here.store.uri("foo/bar.1.2.5.csv"), b"same")
    publisher = here.publisher()
    assert publisher.update(PATH, here.file("same"), only_changed=True).version == "1.2.5"
    assert publisher.update(PATH, here.file("Same"), "patch", only_changed=True).version == "1.2.6"


def test_a_name_that_is_taken_is_passed_over(here: Room) -> None:
    publisher = here.publisher()
    publisher.add(PATH, here.file("1"))
    for version in ("1.0.1", "1.0.2"):
        here.store.put(here.store.uri(f"foo/bar.{version}.csv"), b"left by others")
    assert publisher.update(PATH, here.file("2"), "patch").version == "1.0.3"
    assert here.read("foo/bar.1.0.1.csv") == b"left by others"


def test_an_object_with_the_same_bytes_is_adopted(here: Room) -> None:
    class Ignorant(DrivenStore):
        def head(self, uri: str) -> ObjectInfo:
            info = super().head(uri)
            return ObjectInfo(info.uri, info.size, info.etag, None, info.mtime)

    here.store.put(here.store.uri("foo/bar.1.0.0.csv"), b"mine")
    here.store.put(here.store.uri("foo/bar.1.0.1.csv"), b"mine, too")
    before = here.store.head(here.store.uri("foo/bar.1.0.0.csv"))
    told: list[int] = []
    assert here.publisher().add(PATH, here.file("mine"), progress=told.append).version == "1.0.0"
    assert sum(told) == 4
    assert here.store.head(before.uri) == before
    ignorant = Ignorant(here.store)
    assert here.publisher(store=ignorant).update(PATH, here.file("mine, too"), "patch").version == "1.0.1"
    assert ("open", "foo/bar.1.0.1.csv") in ignorant.calls


def test_an_exact_version_that_is_taken_is_refused(here: Room) -> None:
    publisher = here.publisher()
    here.store.put(here.store.uri("foo/bar.1.0.0.csv"), b"left by others")
    with pytest.raises(AssetVersionConflict, match="other contents") as caught:
        publisher.add(PATH, here.file("1"), "1.0.0")
    assert "1.1.0" in str(caught.value.hint) or "1.0.1" in str(caught.value.hint)
    assert publisher.manifest() == {}
    assert publisher.add(PATH, here.file("1")).version == "1.0.1"


def test_what_was_removed_is_added_above_its_old_versions(here: Room) -> None:
    publisher = here.publisher()
    publisher.add(PATH, here.file("1"))
    publisher.update(PATH, here.file("2"))
    said = publisher.remove(PATH)
    assert (said.version, said.uri, said.commit.comment) == (None, None, f"remove {PATH}")
    with pytest.raises(AssetNotFound):
        publisher.remove(PATH)
    assert publisher.add(PATH, here.file("3")).version == "1.1.1"
    assert publisher.versions(PATH) == ["1.0.0", "1.1.0", "1.1.1"]


def test_a_manifest_that_went_back_does_not_give_a_version_twice(here: Room) -> None:
    publisher = here.publisher()
    first = publisher.add(PATH, here.file("1"))
    publisher.update(PATH, here.file("2"), "patch")
    here.client.commit("prod", first.commit.payload, version=3, comment="revert")
    assert publisher.update(PATH, here.file("3"), "patch").version == "1.0.2"


def test_overrides(here: Room) -> None:
    publisher = here.publisher()
    publisher.add(PATH, here.file("1"))
    said = publisher.override(PATH, here.folder)
    assert (said.version, said.uri) == ("1.0.0", str(here.folder))
    assert publisher.override(PATH, "https://example.org/x").uri == "https://example.org/x"
    lifted = publisher.override(PATH, None)
    assert (lifted.version, lifted.uri) == ("1.0.0", f"{here.store.url}/foo/bar.1.0.0.csv")
    publisher.override(PATH, "/x")
    assert publisher.latest(PATH) == "1.0.0"
    assert publisher.update(PATH, here.file("1"), only_changed=True).version == "1.1.0"
    assert publisher.manifest()[PATH].override is None


def test_overrides_that_have_no_version(here: Room) -> None:
    publisher = here.publisher()
    publisher.override("/new", "/somewhere")
    with pytest.raises(InvalidError, match="no version beneath"):
        publisher.override("/new", None)
    with pytest.raises(AssetNotFound, match="overridden by /somewhere"):
        publisher.latest("/new")
    with pytest.raises(AssetNotFound):
        publisher.override("/absent", None)
    with pytest.raises(AssetVersionConflict):
        publisher.add("/new", here.file("1"))
    here.store.put(here.store.uri("new.2.0.0"), b"of old")
    assert publisher.update("/new", here.file("1"), "patch").version == "2.0.1"
    for bad in ("relative", "", "no scheme here:/x"):
        with pytest.raises(InvalidError):
            publisher.override("/new", bad)


def test_many_in_one_changeset(here: Room) -> None:
    folder = here.folder / "tree"
    (folder / "deep").mkdir(parents=True)
    for name in ("a", "b", "deep/c"):
        (folder / name).write_text(name)
    publisher = here.publisher()
    told: list[int] = []
    said = publisher.add_many(files_below(folder, "/tree"), progress=told.append)
    assert [one.path for one in said] == ["/tree/a", "/tree/b", "/tree/deep/c"]
    assert {one.commit.revision for one in said} == {here.client.get("prod").revision}
    assert sum(told) == 8
    (folder / "b").write_text("changed")
    said = publisher.add_or_update_many(files_below(folder, "/tree"), "patch", only_changed=True)
    assert [one.version for one in said] == ["1.0.0", "1.0.1", "1.0.0"]
    assert publisher.add_or_update_many({}) == []
    assert [one.version for one in publisher.update_many({"tree/a": folder / "a"}, version="7.0.0")] == ["7.0.0"]


def test_many_are_all_published_or_none(here: Room) -> None:
    publisher = here.publisher()
    publisher.add("/there", here.file("1"))
    with pytest.raises(AssetVersionConflict):
        publisher.add_many({"/new": here.file("2"), "/there": here.file("3")})
    with pytest.raises(InvalidError, match="cannot be read"):
        publisher.add_many({"/new": here.file("2"), "/newer": here.folder / "absent"})
    with pytest.raises(InvalidError, match="twice"):
        publisher.add_many({"/new": here.file("2"), "new": here.file("2")})
    assert list(publisher.manifest()) == ["/there"]
    assert here.objects() == ["there.1.0.0"]


def test_a_large_manifest_goes_into_parts_and_a_publish_changes_one(here: Room) -> None:
    manifest = Manifest({f"/data/{number}.bin": Entry("1.0.0", "a" * 64, 1) for number in range(4_096)})
    here.client.commit("prod", manifest.to_bytes(), version=1)
    publisher = here.publisher()
    said = publisher.add(PATH, here.file("1"))
    assert json.loads(here.client.get("prod").payload or b"") == {"parts": 16}
    assert said.commit == here.client.get(said.commit.key) != here.client.get("prod")
    assert said.commit.key.startswith("prod.part-")
    since = here.client.status()["revision"]
    assert publisher.update(PATH, here.file("2")).commit.key == said.commit.key
    assert publisher.update("/data/7.bin", here.file("3")).version == "1.1.0"
    assert here.client.status()["revision"] == since + 2
    assert len(publisher.manifest()) == 4_097
    assert here.publisher().versions(PATH, history=True) == ["1.0.0", "1.1.0"]
    assert publisher.versions("/data/7.bin", history=True) == ["1.0.0", "1.1.0"]


def test_versions_of_a_store_that_cannot_be_listed_come_from_history(here: Room) -> None:
    class Unlisted(DrivenStore):
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            raise InvalidError("cannot be listed")

    publisher = here.publisher(store=Unlisted(here.store))
    publisher.add(PATH, here.file("1"))
    publisher.update(PATH, here.file("2"))
    publisher.remove(PATH)
    assert publisher.versions(PATH) == ["1.0.0", "1.1.0"]
    assert publisher.add(PATH, here.file("3")).version == "1.0.1"  # one number after another, as far as can be told
    with pytest.raises(AssetNotFound):
        publisher.versions("/absent")
    with pytest.raises(AssetNotFound):
        here.publisher("never").versions("/absent", history=True)


def test_what_is_written_in_a_context(here: Room) -> None:
    publisher = here.publisher()
    writing = publisher.publishing("/deep/table.csv.gz", comment="fresh")
    with writing as file:
        assert file.name == "table.csv.gz"
        file.write_bytes(b"1")
    assert writing.published is not None
    assert (writing.published.version, writing.published.commit.comment) == ("1.0.0", "fresh")
    assert not file.parent.exists()
    with publisher.publishing("/deep/table.csv.gz", "major") as file:
        file.write_bytes(b"2")
    assert publisher.latest("/deep/table.csv.gz") == "2.0.0"


def test_a_context_that_fails_publishes_nothing(here: Room) -> None:
    publisher = here.publisher()
    with pytest.raises(ZeroDivisionError), publisher.publishing(PATH) as file:
        file.write_bytes(bytes(1 // len(list(file.parent.iterdir()))))
    with pytest.raises(InvalidError, match="nothing was written"), publisher.publishing(PATH) as other:
        pass
    with pytest.raises(InvalidError, match="is a folder"), publisher.publishing(PATH) as third:
        third.mkdir()
    writing = publisher.publishing(PATH)
    with pytest.raises(RuntimeError), writing:
        raise RuntimeError
    with pytest.raises(InvalidError, match="entered before"):
        writing.__enter__()
    assert not any(one.parent.exists() for one in (file, other, third))
    assert (publisher.manifest(), here.objects()) == ({}, [])


@pytest.mark.parametrize(
    "path", ["", "/", "../etc/passwd", "a//b", "a/./b", "nul\0", "a\\b", "x" * 300, "aux.csv", "b" * 251, "c\ud800"]
)
def test_hostile_paths(path: str, here: Room) -> None:
    publisher, file = here.publisher(), here.file("1")
    for call in (publisher.add, publisher.add_or_update):
        with pytest.raises(InvalidError):
            call(path, file)
    if len(path) != 251:  # a good path, but for the version that has no room in its object's name
        with pytest.raises(InvalidError):
            publisher.publishing(path)
        with pytest.raises(InvalidError):
            publisher.versions(path)
    assert (here.client.heads(), here.objects()) == ({}, [])


def test_nobody_is_the_author(here: Room) -> None:
    with Client(here.client.url) as nobody:
        with pytest.raises(InvalidError, match="author"):
            AssetPublisher(nobody, store=here.store).add(PATH, here.file("1"))
        assert here.objects() == []
        assert AssetPublisher(nobody, store=here.store, author="a").add(PATH, here.file("1")).commit.author == "a"


def test_what_is_refused_before_anything_is_uploaded(here: Room) -> None:
    file = here.file("1")
    here.client.commit("config", b"not a manifest", version=1)
    with pytest.raises(InvalidManifest):
        here.publisher("config").add(PATH, file)
    with pytest.raises(InvalidError):
        here.publisher("a/b")
    with pytest.raises(InvalidError, match="form"):
        here.publisher(form="long")
    with pytest.raises(NamespaceNotFound):
        AssetPublisher(here.client.in_namespace("nowhere"), store=here.store).add(PATH, file)
    with pytest.raises(AssetNotFound):
        here.publisher().update(PATH, file)
    assert here.objects() == []


def test_a_manifest_key_that_was_removed_begins_anew(here: Room) -> None:
    publisher = here.publisher()
    publisher.add(PATH, here.file("1"))
    here.client.commit("prod", None, version=2)
    assert publisher.add("/other", here.file("2")).commit.version == 3
    assert list(publisher.manifest()) == ["/other"]


def test_the_store_by_default_and_by_url(here: Room) -> None:
    assert own_store_url(here.client).endswith("/-/store")
    folder = (here.folder / "objects").as_uri()
    with AssetPublisher(here.client, store=folder) as publisher:
        assert publisher.add(PATH, here.file("1")).uri == f"{folder}/foo/bar.1.0.0.csv"
        assert (here.folder / "objects/foo/bar.1.0.0.csv").read_text() == "1"


def test_a_file_that_changes_between_hash_and_upload(here: Room) -> None:
    file = here.file("before")
    store = DrivenStore(here.store, before=lambda call, _: call == "put" and file.write_text("after!") and None)
    with pytest.raises(InvalidError, match="changed while it was published"):
        here.publisher(store=store).add(PATH, file)
    assert (here.client.heads(), here.objects()) == ({}, [])


def test_bytes_changed_without_a_trace_in_size_and_times_are_caught_by_the_digest(here: Room) -> None:
    file = here.file("before")
    status = file.stat()

    def meddle(call: str, _name: str) -> None:
        if call == "put":
            file.write_text("AFTER!")
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    with pytest.raises(WrongDigest):
        here.publisher(store=DrivenStore(here.store, before=meddle)).add(PATH, file)
    assert here.client.heads() == {}


def test_an_object_that_vanishes_after_the_upload_is_put_back(here: Room) -> None:
    def collected(call: str, name: str) -> None:
        if call == "put" and not gone:
            gone.append(here.store.delete(here.store.uri(name)))

    gone: list[bool] = []
    here.publisher(store=DrivenStore(here.store, after=collected)).add(PATH, here.file("1"))
    assert gone == [True]
    here.every_named_object_is_there()


def test_progress_of_a_file(here: Room) -> None:
    told: list[int] = []
    here.publisher().add(PATH, here.file(bytes(3_000_000)), progress=told.append)
    assert sum(told) == 3_000_000


def test_list_remote(here: Room) -> None:
    publisher = here.publisher()
    publisher.add_many({PATH: here.file("1"), "/other": here.file("22")})
    here.store.put(here.store.uri("foo/bar.9.0.0.csv"), b"999")
    here.store.put(here.store.uri("foo/readme.txt"), b"no version")
    found = [(one.path, one.version, one.size) for one in publisher.list_remote()]
    assert found == [(PATH, "1.0.0", 1), (PATH, "9.0.0", 3), ("/other", "1.0.0", 2)]
    assert [one.uri for one in publisher.list_remote("/other")] == [publisher.uri("/other")]


def test_what_was_published_is_in_the_cache(here: Room) -> None:
    with AssetCache(here.folder / "cache") as cache:
        said = here.publisher(cache=cache).add(PATH, here.file("1"))
        assert said.sha256 is not None
        path = cache.peek(said.sha256)
        assert path is not None
        assert (path.name, path.read_text()) == ("bar.csv", "1")


def test_a_cache_that_takes_nothing_stops_no_publish(here: Room) -> None:
    class Cache:
        def __init__(self, error: Exception | None = None) -> None:
            self.got: list[tuple[Path, str, str]] = []
            self.error = error

        def add(self, path: Path, *, name: str, sha256: str) -> None:
            self.got.append((path, name, sha256))
            if self.error is not None:
                raise self.error

    cache, full, file = Cache(), Cache(NoSpace("full")), here.file("1")
    here.publisher(cache=cache).add(PATH, file)
    assert cache.got == [(file, "bar.csv", hashlib.sha256(b"1").hexdigest())]
    assert here.publisher(cache=full).update(PATH, file).version == "1.1.0"
