"""What AssetPublisher refuses, without a trace in manifest and store."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from rainer.assets.publishing import AssetPublisher
from rainer.client import Client
from rainer.errors import (
    AssetNotFound,
    AssetVersionConflict,
    InvalidError,
    InvalidManifest,
    NamespaceNotFound,
    NoSpace,
    StoreUnavailable,
    WrongDigest,
)
from tests.publishing import DrivenStore, Room

PATH = "/foo/bar.csv"


def test_an_exact_version_that_is_taken_is_refused(here: Room) -> None:
    publisher = here.publisher()
    here.store.put(here.store.uri("foo/bar.1.0.0.csv"), b"left by others")
    with pytest.raises(AssetVersionConflict, match="other contents") as caught:
        publisher.add(PATH, here.file("1"), "1.0.0")
    assert "1.1.0" in str(caught.value.hint) or "1.0.1" in str(caught.value.hint)
    assert publisher.manifest() == {}
    assert publisher.add(PATH, here.file("1")).version == "1.0.1"


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


@pytest.mark.parametrize("call", ["head", "list"])
def test_a_store_that_goes_away_after_the_commit_is_no_failure_of_what_was_sent(
    call: str, here: Room, caplog: pytest.LogCaptureFixture
) -> None:
    store = away_after_the_commit(here, call)
    with here.publisher(store=store) as publisher:
        assert publisher.add("/a", here.file("a")).version == "1.0.0"
    assert "published, but the store could not be asked again" in caplog.text


def test_of_what_was_adopted_it_is_said_that_it_was_not_seen_again(here: Room) -> None:
    here.store.put(here.store.uri("a.1.0.0"), b"a")
    with (
        here.publisher(store=away_after_the_commit(here, "head")) as publisher,
        pytest.raises(StoreUnavailable, match=r"it is published and committed, but whether .*a\.1\.0\.0"),
    ):
        publisher.add("/a", here.file("a"))
    assert b"1.0.0" in (here.client.get("prod").payload or b"")


def away_after_the_commit(here: Room, call: str) -> DrivenStore:
    def refuse(made: str, _name: str) -> None:
        if made == call and "prod" in here.client.heads():
            raise StoreUnavailable("away")

    return DrivenStore(here.store, before=refuse)
