"""rainer.Assets over mirrors, files and lock files: what a path, a version, a spec and an override stand for."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import rainer
from rainer.errors import AssetNotFound, InvalidError, InvalidManifest, NotFoundError, RainerError, WrongDigest
from rainer.model.manifest import Entry
from rainer.model.manifest_parts import part_of
from rainer.store.store import ObjectInfo
from tests.asset_places import Journal, SlowStore, journal_of, mirrored, new_store, put, sweep


@pytest.fixture
def store() -> SlowStore:
    return new_store()


@pytest.fixture
def journal(store: SlowStore) -> Journal:
    return journal_of(store, {"/foo/bar.csv": b"one", "/x": b"x"})


@pytest.fixture
def assets(journal: Journal, store: SlowStore, tmp_path: Path) -> Iterator[rainer.Assets]:
    with mirrored(journal, store, tmp_path) as made:
        yield made


def test_a_path_is_a_verified_local_file(assets: rainer.Assets, store: SlowStore) -> None:
    path = assets("/foo/bar.csv")
    assert (path.name, path.read_bytes()) == ("bar.csv", b"one")
    assert assets("foo/bar.csv") == path
    with assets.open("foo/bar.csv", "r", encoding="utf-8") as file:
        assert file.read() == "one"
    assert len(store.opened) == 1
    assert assets.uri("foo/bar.csv") == f"{store.url}/foo/bar.1.0.0.csv"
    assert (assets.entry("foo/bar.csv").version, assets.status, "foo/bar.csv" in assets) == ("1.0.0", "live", True)
    assert (assets.version, assets.revision, len(assets.manifest)) == (1, 1, 2)
    with pytest.raises(InvalidError, match="would write"):
        assets.open("/x", "w")


def test_a_moved_manifest_is_seen_at_once(assets: rainer.Assets, journal: Journal, store: SlowStore) -> None:
    before = assets.manifest
    journal.change({"/foo/bar.csv": put(store, "/foo/bar.csv", "1.1.0", b"two")})
    assert assets("/foo/bar.csv").read_bytes() == b"two"
    assert before["/foo/bar.csv"].version == "1.0.0"
    journal.commit({"other": b"{}"})
    assert assets("/foo/bar.csv").read_bytes() == b"two"


def test_an_unknown_path_is_told_with_those_like_it(assets: rainer.Assets) -> None:
    with pytest.raises(AssetNotFound, match=r"manifest 'prod' names no '/foo/bra.csv'") as caught:
        assets("/foo/bra.csv")
    assert caught.value.hint == "did you mean /foo/bar.csv?"
    with pytest.raises(AssetNotFound) as caught:
        assets("/elsewhere/BAR.csv")
    assert caught.value.details["near"] == ["/foo/bar.csv"]
    with pytest.raises(AssetNotFound, match="/nothing/like/it") as caught:
        assets("/nothing/like/it")
    assert "rainer asset ls" in (caught.value.hint or "")


@pytest.mark.parametrize("path", ["../etc/passwd", "/a/../../b", "/a\0", "/" + "x" * 300, "/con", "s3://b/x", ""])
def test_a_hostile_path_is_refused(assets: rainer.Assets, path: str) -> None:
    for call in (assets, assets.uri, assets.entry, assets.versions, lambda p: assets(p, "1.0.0")):
        with pytest.raises(InvalidError):
            call(path)


def test_wrong_bytes_are_never_given_out(assets: rainer.Assets, journal: Journal, store: SlowStore) -> None:
    entry = put(store, "/bad", "1.0.0", b"what was published")
    journal.change({"/bad": Entry("1.0.0", "0" * 64, entry.size)})
    with pytest.raises(WrongDigest):
        assets("/bad")
    assert assets("/x").read_bytes() == b"x"


def test_a_version_and_a_spec_are_looked_up(
    assets: rainer.Assets, journal: Journal, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    for version in ("1.1.0", "1.10.0", "2.0.0"):
        put(store, "/foo/bar.csv", version, version.encode())
    put(store, "/foo/bar.json", "9.0.0", b"another")
    assert assets.versions("foo/bar.csv") == ["1.0.0", "1.1.0", "1.10.0", "2.0.0"]
    assert assets("/foo/bar.csv", "1.1.0").read_bytes() == b"1.1.0"
    assert assets("/foo/bar.csv", "<2").read_bytes() == b"1.10.0"
    assert assets("/foo/bar.csv", "1.0.0").read_bytes() == b"one"
    assert assets.uri("/foo/bar.csv", "^2.0").endswith("/foo/bar.2.0.0.csv")
    assert assets("/foo/bar.csv").read_bytes() == b"one"
    with pytest.raises(AssetNotFound, match=r"no version of /foo/bar.csv fits '>3'") as caught:
        assets("/foo/bar.csv", ">3")
    assert caught.value.hint == "there are 1.0.0, 1.1.0, 1.10.0, 2.0.0"
    with pytest.raises(NotFoundError):
        assets("/foo/bar.csv", "1.1.1")
    with pytest.raises(InvalidError, match="no spec"):
        assets("/foo/bar.csv", "newest")


def test_what_has_no_digest_is_trusted_once_and_told(
    assets: rainer.Assets, journal: Journal, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    journal.change({"/short": put(store, "/short", "1.0.0", b"trust me", digest=False)})
    with caplog.at_level(logging.INFO, "rainer.assets"):
        path = assets("/short")
        assert path.read_bytes() == b"trust me"
        assert assets("/short") == path
    assert [r.message for r in caplog.records if "taken on trust" in r.message and "/short.1.0.0" in r.message] != []
    assert len(caplog.records) == 1
    uri = assets.uri("/short")
    store.delete(uri)
    store.put(uri, b"something else")
    path.parent.chmod(0o755)
    path.unlink()
    with pytest.raises(WrongDigest):
        assets("/short")


def test_an_override_is_used_and_loud(
    assets: rainer.Assets, journal: Journal, store: SlowStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    local, url = tmp_path / "my file.csv", store.uri("elsewhere.csv")
    local.write_bytes(b"mine")
    store.put(url, b"from elsewhere")
    journal.change({"/foo/bar.csv": Entry(override=str(local)), "/x": Entry("1.0.0", override=url)})
    assert assets("/foo/bar.csv") == local
    assert assets("/x").read_bytes() == b"from elsewhere"
    assert assets.uri("/foo/bar.csv") == local.as_uri()
    assert assets.uri("/x") == url
    assert assets.entry("/x").override == url
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert all("OVERRIDDEN" in warning for warning in warnings)
    local.unlink()
    with pytest.raises(AssetNotFound, match="which is not there"):
        assets("/foo/bar.csv")
    with pytest.raises(InvalidManifest, match="cannot be locked"):
        assets.lock()


def test_a_manifest_that_cannot_be_read_leaves_the_last_good_one(
    assets: rainer.Assets, journal: Journal, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    assert assets("/x").read_bytes() == b"x"
    journal.commit({"prod": b'{"/x": '})
    assert assets("/x").read_bytes() == b"x"
    assert assets("/foo/bar.csv").read_bytes() == b"one"
    assert isinstance(assets.error, InvalidManifest)
    assert len(caplog.records) == 1
    journal.payloads["prod"] = b"{}"
    journal.change({"/x": put(store, "/x", "1.0.1", b"new")})
    assert assets("/x").read_bytes() == b"new"
    assert assets.error is None


def test_without_a_manifest_the_error_says_so(store: SlowStore, tmp_path: Path) -> None:
    journal = Journal()
    with journal.mirror() as mirror, rainer.Assets(mirror, store=store, cache=tmp_path) as assets:
        with pytest.raises(NotFoundError, match="namespace 'diary' has no manifest 'prod'"):
            assets("/x")
        journal.change({"/x": put(store, "/x", "1.0.0", b"x")})
        assert assets("/x").read_bytes() == b"x"
        journal.commit({"prod": None})
        with pytest.raises(NotFoundError):
            assets("/x")


def test_prefetch_gets_everything_it_can(assets: rainer.Assets, journal: Journal, store: SlowStore) -> None:
    journal.change({f"/many/{n}": put(store, f"/many/{n}", "1.0.0", b"%d" % n, digest=n % 2 == 0) for n in range(20)})
    heard: list[int] = []
    found = assets.prefetch(["/many/*", "x"], progress=heard.append)
    assert {path: file.read_bytes() for path, file in found.items()} == {
        **{f"/many/{n}": b"%d" % n for n in range(20)}, "/x": b"x",
    }  # fmt: skip
    assert sum(heard) == sum(len(b"%d" % n) for n in range(20)) + 1
    journal.change({"/gone/1": Entry("1.0.0", "1" * 64, 1), "/gone/2": Entry("1.0.0", "2" * 64, 1)})
    with pytest.raises(NotFoundError) as caught:
        assets.prefetch()
    assert caught.value.details["failed"] == ["/gone/1", "/gone/2"]
    assert assets("/foo/bar.csv").read_bytes() == b"one"
    with pytest.raises(InvalidError, match="paths is the text"):
        assets.prefetch("/x")


def test_a_snapshot_stays_as_it_was(assets: rainer.Assets, journal: Journal, store: SlowStore) -> None:
    with assets.snapshot() as snapshot:
        kept = snapshot("/x")
        journal.change({"/x": put(store, "/x", "1.0.1", b"new"), "/foo/bar.csv": None})
        assert assets("/x").read_bytes() == b"new"
        sweep(assets._fetcher.cache)
        assert kept.read_bytes() == b"x"
        assert snapshot("/x") == kept
        assert snapshot("/foo/bar.csv").read_bytes() == b"one"
        assert (snapshot.revision, assets.revision) == (1, 2)
    with pytest.raises(InvalidError, match="snapshot is closed"):
        snapshot("/x")
    sweep(assets._fetcher.cache)
    assert not kept.exists()


def test_a_lock_file_gives_the_same_bytes_for_ever(
    assets: rainer.Assets, journal: Journal, store: SlowStore, tmp_path: Path
) -> None:
    journal.change({"/short": put(store, "/short", "1.0.0", b"short", digest=False), "/half": Entry("1.0.0")})
    store.put(store.uri("half.1.0.0"), b"half")
    assets.lock().write(tmp_path / "assets.lock")
    journal.change({"/foo/bar.csv": put(store, "/foo/bar.csv", "2.0.0", b"two")})
    with rainer.Assets(tmp_path / "assets.lock", store=store, cache=tmp_path / "other") as locked:
        assert locked("/foo/bar.csv").read_bytes() == b"one"
        assert locked("/short").read_bytes() == b"short"
        assert (locked.version, locked.revision, locked.entry("/half").size) == (2, 2, 4)
        assert locked.lock().to_bytes() == (tmp_path / "assets.lock").read_bytes()
        assert set(locked.lock(["/x"]).assets) == {"/x"}
    store.delete(store.uri("foo/bar.1.0.0.csv"))
    store.put(store.uri("foo/bar.1.0.0.csv"), b"One")
    changed = rainer.Assets(tmp_path / "assets.lock", store=store, cache=tmp_path / "third")
    with changed, pytest.raises(WrongDigest):
        changed("/foo/bar.csv")
    (tmp_path / "assets.lock").write_text("{}")
    with pytest.raises(InvalidError, match="is not a lock file"):
        rainer.Assets(tmp_path / "assets.lock", store=store)


def test_a_lock_takes_the_digest_that_the_store_keeps(
    assets: rainer.Assets, journal: Journal, store: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.change({"/short": put(store, "/short", "1.0.0", b"short", digest=False)})
    monkeypatch.setattr(store, "head", lambda uri: ObjectInfo(uri, 5, sha256="5" * 64))
    assert assets.lock(["/short"]).assets["/short"] == Entry("1.0.0", "5" * 64, 5)
    assert store.opened == []


def test_a_large_manifest_is_read_by_the_part(assets: rainer.Assets, journal: Journal, store: SlowStore) -> None:
    journal.change({f"/many/{n}": Entry("1.0.0", f"{n:064x}", n) for n in range(5_000)})
    assert "prod.part-0f" in journal.payloads
    assert assets("/x").read_bytes() == b"x"
    assert assets.entry("/many/4999").size == 4999
    assert len(assets.manifest) == 5_002
    other = (part_of("/new", 16) + 1) % 16
    part = assets.manifest.part(other)  # type: ignore[attr-defined]
    journal.change({"/new": put(store, "/new", "1.0.0", b"new")})
    assert assets("/new").read_bytes() == b"new"
    assert assets.manifest.part(other) is part  # type: ignore[attr-defined]
    assert assets.revision == journal.revision


def test_what_assets_cannot_come_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="cannot come from a dict"):
        rainer.Assets({"/x": "1.0.0"})  # type: ignore[arg-type]
    journal = Journal()
    with pytest.raises(InvalidError, match="in which store"):
        rainer.Assets(journal.mirror(), cache=tmp_path)
    with pytest.raises(RainerError):
        rainer.Assets(journal.mirror(), "prod.part-00", store="memory://x", cache=tmp_path)


def test_a_forked_child_resolves_as_well(assets: rainer.Assets, tmp_path: Path) -> None:
    assets("/x")
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(write, json.dumps([str(assets("/x")), str(assets("/foo/bar.csv"))]).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    assert json.loads(told) == [str(assets("/x")), str(assets("/foo/bar.csv"))]
