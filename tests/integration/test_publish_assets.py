"""AssetPublisher on a real server: what each call does, and what it refuses without a trace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest

from rainer.assets.published import Published
from rainer.assets.publishing import AssetPublisher, own_store_url
from rainer.assets.publishing_files import files_below
from rainer.cache import AssetCache
from rainer.errors import (
    AssetNotFound,
    InvalidError,
)
from rainer.model.manifest import Entry, Manifest
from rainer.store.store import ObjectInfo
from tests.publishing import DrivenStore, Room

PATH = "/foo/bar.csv"


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
