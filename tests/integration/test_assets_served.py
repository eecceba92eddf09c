"""Assets over a real `rainer serve`: its manifest, its own store, its history, and what goes on when it is gone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import rainer
from rainer.assets import configured
from rainer.assets.publishing import AssetPublisher
from rainer.assets.stored import read_manifest, read_stored
from rainer.errors import AssetNotFound, NotCached, UnavailableError
from rainer.model.manifest import Entry
from rainer.settings import load
from tests.services.rainer import RainerServer


@pytest.fixture
def client(served: RainerServer, request: pytest.FixtureRequest) -> Iterator[rainer.Client]:
    with rainer.Client(f"{served.url}/diary", author="assets@example.com") as made:
        yield made


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A manifest of each test's own, on the one server."""
    return request.node.name.split("[")[0][-40:].strip("_")


@pytest.fixture
def publisher(client: rainer.Client, key: str) -> Iterator[AssetPublisher]:
    with AssetPublisher(client, key) as made:
        yield made


def file(folder: Path, text: str) -> Path:
    path = folder / "file"
    path.write_text(text)
    return path


def change(client: rainer.Client, key: str, changes: dict[str, Entry | None]) -> None:
    stored = read_stored(client, key)
    payloads = stored.change(changes)
    client.commit_many(
        [{"key": k, "payload": p, "version": stored.versions.get(k, 0) + 1} for k, p in payloads.items()]
    )


def test_the_server_alone_is_enough(
    client: rainer.Client, publisher: AssetPublisher, key: str, tmp_path: Path
) -> None:  # fmt: skip
    publisher.add(f"/{key}/a.csv", file(tmp_path, "one"))
    for source in (client, client.url):
        with rainer.Assets(source, key, cache=tmp_path / "cache", revalidate_s=0.01) as assets:
            assert assets(f"/{key}/a.csv").read_text() == "one"
            assert assets.uri(f"/{key}/a.csv") == f"{client.url.rpartition('/')[0]}/-/store/files/{key}/a.1.0.0.csv"
    with rainer.Mirror.http(client.url) as mirror, rainer.Assets(mirror, key, cache=tmp_path / "cache") as assets:
        assert assets(f"/{key}/a.csv").read_text() == "one"
        published = publisher.update(f"/{key}/a.csv", file(tmp_path, "two"))
        mirror.wait_for(key, 2, 10)
        assert assets(f"/{key}/a.csv").read_text() == "two"
        assert assets.versions(f"/{key}/a.csv") == ["1.0.0", published.version]


@pytest.mark.parametrize("way", ["client", "mirror"])
def test_a_pinned_versions_digest_comes_from_the_manifests_history(
    way: str, client: rainer.Client, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = f"{key}-{way}"
    with AssetPublisher(client, key) as publisher:
        path = f"/{key}/a.csv"
        publisher.add(path, file(tmp_path, "one"))
        publisher.update(path, file(tmp_path, "two"))
        # From now on in parts: the history goes on behind the head key.
        change(client, key, {f"/{key}/{n}": Entry("1.0.0", f"{n:064x}", n) for n in range(5_000)})
        assert read_stored(client, key).parts == 16
        publisher.update(path, file(tmp_path, "three"))
        publisher.update(path, file(tmp_path, "four"))
    mirror = rainer.Mirror.http(client.url)
    with mirror, caplog.at_level(logging.INFO, "rainer.assets"):
        source = mirror if way == "mirror" else client
        with rainer.Assets(source, key, cache=tmp_path / "cache") as assets:
            texts = {version: assets(path, version).read_text() for version in assets.versions(path)}
            assert texts == {"1.0.0": "one", "1.1.0": "two", "1.2.0": "three", "1.3.0": "four"}
            assert assets(path, ">=1.1,<1.3").read_text() == "three"
            with pytest.raises(AssetNotFound):
                assets(path, ">=2")
    assert "trust" not in caplog.text


def test_a_manifest_in_parts_is_read_by_what_changed(client: rainer.Client, key: str) -> None:
    change(client, key, {f"/{key}/{n}": Entry("1.0.0", f"{n:064x}", n) for n in range(5_000)})
    first = read_manifest(client, key)
    assert first.stored.parts == 16
    assert len(first.stored.manifest) == 5_000
    assert read_manifest(client, key, first).stored.manifest[f"/{key}/1"].size == 1
    change(client, key, {f"/{key}/new": Entry("1.0.0")})
    second = read_manifest(client, key, first)
    assert second.stored.manifest == {**first.stored.manifest, f"/{key}/new": Entry("1.0.0")}
    same = [n for n in range(16) if first.stored.manifest.part(n) is second.stored.manifest.part(n)]  # type: ignore[union-attr]
    assert len(same) == 15
    assert second.revision == first.revision + 1 if first.revision else False
    client.commit(key, None, version=second.stored.versions[key] + 1)
    gone = read_stored(client, key)
    assert (gone.exists, dict(gone.manifest), gone.versions[key]) == (False, {}, 2)


def test_what_was_seen_goes_on_when_the_server_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = tmp_path / "cache"
    with RainerServer() as server, rainer.Client(f"{server.url}/diary", author="me", retries=0) as client:
        url = client.url
        with AssetPublisher(client) as publisher:
            publisher.add_many({"/a": file(tmp_path, "one")})
        with rainer.Assets(client, cache=cache, revalidate_s=0.01) as assets:
            assets.prefetch()
            server.stop()
            assert assets("/a").read_text() == "one"
    with rainer.Client(url, retries=0) as client:
        with rainer.Assets(client, cache=cache) as assets:
            assert assets("/a").read_text() == "one"
            assert isinstance(assets.error, UnavailableError)
            assert "is as it was last seen" in caplog.text
        with rainer.Assets(client, "other", cache=cache) as assets, pytest.raises(UnavailableError):
            assets("/a")


def test_the_settings_make_assets(client: rainer.Client, publisher: AssetPublisher, key: str, tmp_path: Path) -> None:
    publisher.add("/settings/a.csv", file(tmp_path, "one"))
    environ = {"RAINER_URL": client.url, "RAINER_MANIFEST": key, "RAINER_CACHE_DIR": str(tmp_path / "cache")}
    settings = load(environ=environ, folder=tmp_path)
    assert configured.store_url(settings) == client.url.rpartition("/")[0] + "/-/store"
    with configured.assets(settings) as assets:
        assert assets("/settings/a.csv").read_text() == "one"
        assert assets("/settings/a.csv").is_relative_to(tmp_path / "cache")
        assets.lock().write(tmp_path / "a.lock")
    offline = replace(settings, offline=True, cache_dir=tmp_path / "empty")
    with configured.assets(offline) as assets, pytest.raises(NotCached):
        assets("/settings/a.csv")
    with configured.assets(settings, tmp_path / "a.lock") as assets:
        assert assets("/settings/a.csv").read_text() == "one"
    assert configured.store(settings, "memory://x").url == "memory://x"


def test_a_manifest_in_parts_is_one_state_until_it_moves(client: rainer.Client, key: str, tmp_path: Path) -> None:
    change(client, key, {f"/{key}/{n}": Entry("1.0.0", f"{n:064x}", n) for n in range(5_000)})
    with rainer.Assets(client, key, cache=tmp_path / "cache", revalidate_s=0) as assets:
        before = assets.manifest
        assert assets.manifest is before
        written = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*") if file.is_file()}
        assert written
        assert assets.manifest is before
        assert all(file.stat().st_mtime_ns == mtime for file, mtime in written.items())
        change(client, key, {f"/{key}/7": Entry("1.0.1", "f" * 64, 7)})
        assert assets.manifest is not before
        assert assets.manifest[f"/{key}/7"].version == "1.0.1"
