"""Which store a URL opens."""

from __future__ import annotations

import pickle
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer.errors import InvalidUri
from rainer.store import FileStore, HttpStore, MemoryStore, S3Store, Store, Stores, open_store, opening

ROOTS = {
    "s3://bucket/a/b.csv": "s3://bucket",
    "s3://bucket/": "s3://bucket",
    "gs://bucket/a": "gs://bucket",
    "az://account/container/a/b": "az://account/container",
    "az://container@account/a/b": "az://container@account",
    "https://host:8443/a/b?x=1": "https://host:8443",
    "https://me:pw@host/a": "https://me:pw@host",
    "http://host/rainer/-/store/files/a": "http://host/rainer/-/store",
    "HTTP://Host/a": "HTTP://Host",
    "file:///tmp/a": "file:///",
    "memory://name/a": "memory://name",
}


@pytest.mark.parametrize("uri", ROOTS)
def test_the_root_of_an_object(uri: str) -> None:
    assert opening.root_of(uri) == ROOTS[uri]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("s3://bucket", S3Store),
        ("S3://bucket/prefix", S3Store),
        ("https://host/folder", HttpStore),
        ("file:///tmp", FileStore),
        ("memory://name", MemoryStore),
    ],
)
def test_each_scheme_opens_its_store(url: str, kind: type[Store]) -> None:
    assert type(open_store(url)) is kind


def test_a_servers_own_store_is_known_by_its_path() -> None:
    assert opening.is_server_store("http://host/-/store")
    assert opening.is_server_store("https://host/x/-/store/files/a")
    assert not opening.is_server_store("https://host/-/storehouse")
    assert not opening.is_server_store("https://host/x?y=/-/store/")
    assert type(open_store("http://host/-/store")).__name__ == "ServerStore"


@pytest.mark.parametrize("url", ["", "bucket/a", "/tmp/a", "s3:bucket", "://x", "s3://", "sftp://host/a"])
def test_what_nobody_knows_is_refused_with_what_is_known(url: str) -> None:
    with pytest.raises(InvalidUri) as caught:
        open_store(url)
    assert caught.value.hint is not None
    assert "s3://" in caught.value.hint
    with pytest.raises(InvalidUri):
        Stores().for_uri(url)


def test_one_store_for_each_bucket() -> None:
    stores = Stores()
    assert stores.for_uri("s3://one/a") is stores.for_uri("s3://one/b/c")
    assert stores.for_uri("s3://one/a") is not stores.for_uri("s3://two/a")


def test_an_extra_store_goes_first() -> None:
    extra = MemoryStore("memory://one")
    stores = Stores(extra=[extra])
    assert stores.for_uri("memory://one/a") is extra
    assert stores.for_uri("memory://onemore/a") is not extra


def test_stores_travel_as_their_settings() -> None:
    stores = Stores(credentials=["anonymous"], timeout_s=3.0)
    stores.for_uri("s3://one/a")
    copy = pickle.loads(pickle.dumps(stores))
    assert (copy.credentials, copy.timeout_s) == (("anonymous",), 3.0)
    assert isinstance(copy.for_uri("s3://one/a"), S3Store)


@pytest.fixture
def foreign_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another package is installed that adds a scheme."""
    (tmp_path / "foreign_store.py").write_text(
        textwrap.dedent("""
            from rainer.store import Store

            class ForeignStore(Store):
                def __init__(self, url, *, credentials, timeout_s):
                    super().__init__(url)
                    self.options = credentials, timeout_s

                def open(self, uri, **options):
                    return None

                def head(self, uri):
                    return None
        """),
        "utf-8",
    )
    metadata = tmp_path / "foreign_store-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-store\nVersion: 1.0\n", "utf-8")
    (metadata / "entry_points.txt").write_text("[rainer.stores]\nforeign = foreign_store:ForeignStore\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    opening._points.cache_clear()
    yield
    opening._points.cache_clear()
    sys.modules.pop("foreign_store", None)


@pytest.mark.usefixtures("foreign_scheme")
def test_another_package_adds_a_scheme() -> None:
    store = Stores(credentials=["me"], timeout_s=3.0).for_uri("foreign://place/a")
    assert type(store).__name__ == "ForeignStore"
    assert store.url == "foreign://place"
    assert vars(store)["options"] == (("me",), 3.0)
    with pytest.raises(InvalidUri) as caught:
        open_store("unknown://x")
    assert "foreign://" in str(caught.value.hint)


@pytest.mark.parametrize(
    "url", ["gs://bucket?endpoint=http://127.0.0.1:1", "az://me/box?endpoint=http://127.0.0.1:1/me"]
)
def test_an_endpoint_of_ones_own_comes_with_its_store_and_is_not_lost(url: str) -> None:
    store = open_store(url)
    stores = Stores(extra=[store])
    uri = store.uri("a/b.csv")
    assert stores.for_uri(uri) is store
    again = pickle.loads(pickle.dumps(stores)).for_uri(uri)
    assert again.endpoint == store.endpoint != open_store(url.partition("?")[0]).endpoint  # type: ignore[attr-defined]
    for wrong in (url, uri + "?" + url.partition("?")[2]):
        with pytest.raises(InvalidUri, match="endpoint") as caught:
            Stores().for_uri(wrong)
        assert "extra=" in (caught.value.hint or "")
