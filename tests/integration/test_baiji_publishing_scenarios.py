"""What users of baiji's versioned cache do to publish, each as a test under its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.assets.publishing import AssetPublisher
from rainer.errors import AssetVersionConflict, InvalidError
from rainer.store.file import FileStore
from tests.publishing import Room, room
from tests.services.rainer import RainerServer

PATH = "/foo/bar.csv"


@pytest.fixture
def here(served: RainerServer, tmp_path: Path) -> Iterator[Room]:
    """A manifest as baiji wrote it, over a bucket as it left it."""
    (tmp_path / "bucket").mkdir()
    made = room(served.url, tmp_path, FileStore((tmp_path / "bucket").as_uri()))
    with made.client as client:
        client.commit("prod", json.dumps({PATH: "1.2.5", "/plain": "2.0.0"}, indent=4).encode(), version=1)
        for name in ("foo/bar.1.2.4.csv", "foo/bar.1.2.5.csv", "plain.2.0.0"):
            made.store.put(made.store.uri(name), name.encode())
        yield made


@pytest.fixture
def vc(here: Room) -> AssetPublisher:
    return here.publisher(form="short")


def test_add(here: Room, vc: AssetPublisher) -> None:
    said = vc.add("new/asset.tar.gz", here.file("1"))
    assert (said.path, said.version) == ("/new/asset.tar.gz", "1.0.0")
    assert here.read("new/asset.tar.1.0.0.gz") == b"1"


def test_add_with_a_version(here: Room, vc: AssetPublisher) -> None:
    assert vc.add("/new/asset", here.file("1"), "3.1.4").uri == here.store.uri("new/asset.3.1.4")


def test_add_refuses_what_is_versioned_already(here: Room, vc: AssetPublisher) -> None:
    with pytest.raises(AssetVersionConflict, match=r"versioned already, at 1\.2\.5"):
        vc.add(PATH, here.file("1"))


@pytest.mark.parametrize(("bump", "version"), [("major", "2.0.0"), ("minor", "1.3.0"), ("patch", "1.2.6")])
def test_update(bump: str, version: str, here: Room, vc: AssetPublisher) -> None:
    assert vc.next_version(PATH, bump) == version  # type: ignore[arg-type]
    assert vc.update(PATH, here.file("1"), bump).version == version  # type: ignore[arg-type]
    assert vc.latest(PATH) == version


def test_update_to_an_exact_version(here: Room, vc: AssetPublisher) -> None:
    assert vc.update(PATH, here.file("1"), version="4.5.6").version == "4.5.6"


def test_update_with_min_version(here: Room, vc: AssetPublisher) -> None:
    assert vc.next_version(PATH, "patch", min_version="1.5.0") == "1.5.0"
    assert vc.update(PATH, here.file("1"), "patch", min_version="1.5.0").version == "1.5.0"
    assert vc.update(PATH, here.file("2"), "patch", min_version="1.5.0").version == "1.5.1"


@pytest.mark.parametrize("version", ["1.2.5", "1.2.4", "0.9.9", "1.2"])
def test_versions_strictly_increase(version: str, here: Room, vc: AssetPublisher) -> None:
    before = here.client.get("prod")
    with pytest.raises(AssetVersionConflict, match=r"not above 1\.2\.5"):
        vc.update(PATH, here.file("1"), version=version)
    assert here.client.get("prod") == before


def test_add_or_update(here: Room, vc: AssetPublisher) -> None:
    assert vc.add_or_update("/new", here.file("1")).version == "1.0.0"
    assert vc.add_or_update("/new", here.file("2"), "patch").version == "1.0.1"


def test_versions_available(vc: AssetPublisher) -> None:
    assert vc.versions(PATH) == ["1.2.4", "1.2.5"]
    assert vc.versions("foo/bar.csv") == ["1.2.4", "1.2.5"]


def test_the_pattern_of_versions_is_anchored(here: Room, vc: AssetPublisher) -> None:
    """Its pattern took part of a longer name for a version; numbers count as numbers."""
    for name in (
        "foo/bar.1.2.5.1.csv",
        "foo/bar.old.1.2.9.csv",
        "foo/bar.1.2.11.csv",
        "foo/bar.csv",
        "x/bar.7.0.0.csv",
    ):
        here.store.put(here.store.uri(name), b"x")
    assert vc.versions(PATH) == ["1.2.4", "1.2.5", "1.2.11"]


def test_latest(vc: AssetPublisher) -> None:
    assert (vc.latest(PATH), vc.latest("plain")) == ("1.2.5", "2.0.0")


def test_next_version_number(vc: AssetPublisher) -> None:
    assert [vc.next_version(PATH, part) for part in ("major", "minor", "patch")] == ["2.0.0", "1.3.0", "1.2.6"]


@pytest.mark.parametrize(
    ("spec", "matches"), [(">=1.2,<2", True), ("==1.2.5", True), ("<1.2", False), ("~=1.3", False)]
)
def test_does_a_version_match_a_spec(spec: str, matches: bool, vc: AssetPublisher) -> None:
    assert vc.matches(vc.latest(PATH), spec) is matches


def test_list_manifest(vc: AssetPublisher) -> None:
    assert {path: entry.version for path, entry in vc.manifest().items()} == {PATH: "1.2.5", "/plain": "2.0.0"}


def test_list_remote(vc: AssetPublisher) -> None:
    assert [(one.path, one.version) for one in vc.list_remote()] == [
        (PATH, "1.2.4"), (PATH, "1.2.5"), ("/plain", "2.0.0"),
    ]  # fmt: skip


def test_remote_uri(here: Room, vc: AssetPublisher) -> None:
    assert vc.uri(PATH) == here.store.uri("foo/bar.1.2.5.csv")
    assert vc.uri(PATH, "1.2.4") == here.store.uri("foo/bar.1.2.4.csv")


def test_a_context_manager_uploads_what_was_written_to_it(here: Room, vc: AssetPublisher) -> None:
    with vc.publishing(PATH, "patch") as file:
        file.write_text("written")
    assert here.read("foo/bar.1.2.6.csv") == b"written"
    assert vc.latest(PATH) == "1.2.6"


def test_an_override_for_development(here: Room, vc: AssetPublisher) -> None:
    vc.override(PATH, "/home/me/bar.csv")
    assert json.loads(here.client.get("prod").payload or b"")[PATH] == "/home/me/bar.csv"
    vc.override(PATH, "s3://elsewhere/bar.csv")
    assert json.loads(here.client.get("prod").payload or b"")[PATH] == "s3://elsewhere/bar.csv"
    with pytest.raises(InvalidError):
        vc.override(PATH, "bar.csv")


def test_the_manifest_is_written_as_it_was_read(here: Room, vc: AssetPublisher) -> None:
    """Sorted keys, an indent of four, versions alone: its own tools go on reading it."""
    vc.update(PATH, here.file("1"), "patch")
    expected = {PATH: "1.2.6", "/plain": "2.0.0"}
    assert here.client.get("prod").payload == json.dumps(expected, sort_keys=True, indent=4).encode()


def test_a_manifest_of_its_form_takes_entries_of_ours(here: Room) -> None:
    said = here.publisher().update(PATH, here.file("1"), "patch")
    entries = json.loads(here.client.get("prod").payload or b"")
    assert entries == {PATH: {"version": "1.2.6", "sha256": said.sha256, "size": 1}, "/plain": "2.0.0"}
    # From then on it is ours: the short form would throw the digest away.
    here.publisher(form="short").update("/plain", here.file("2"))
    entries = json.loads(here.client.get("prod").payload or b"")
    assert entries[PATH]["sha256"] == said.sha256
    assert entries["/plain"]["version"] == "2.1.0"


def test_a_manifest_begun_in_its_form(here: Room) -> None:
    here.publisher("fresh", form="short").add("/a", here.file("1"))
    assert here.client.get("fresh").payload == b'{\n    "/a": "1.0.0"\n}'


def test_the_bucket_is_immutable(here: Room, vc: AssetPublisher) -> None:
    before = {info.uri: info for info in here.store.list()}
    vc.update(PATH, here.file("1"), "patch")
    vc.update(PATH, here.file("2"))
    vc.remove("/plain")
    after = {info.uri: info for info in here.store.list()}
    assert after.items() >= before.items()
