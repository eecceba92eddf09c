"""A server that wants user and password: its own store is asked with them too, and nothing that is written has them."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import rainer
from rainer.assets.publishing import AssetPublisher
from rainer.assets.stored import ReadManifest
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_parts import StoredManifest
from rainer.store.server import ServerStore
from tests.mirrors import commit

PAYLOAD = Manifest({"/a": Entry("1.0.0", hashlib.sha256(b"a1").hexdigest(), 2)}).to_bytes()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        login = "Basic " + base64.b64encode(b"joe:se/cret").decode()
        is_right = self.headers.get("Authorization") == login and self.path == "/-/store/files/a.1.0.0"
        body = b"a1" if is_right else b"{}"
        self.send_response(200 if is_right else 401)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://joe:se%2Fcret@127.0.0.1:{server.server_address[1]}/diary"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("given", ["client", "store"])
def test_the_servers_store_is_asked_with_its_login(
    given: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = commit("prod", 1, PAYLOAD, 1)
    read = ReadManifest(StoredManifest("prod", Manifest.parse(PAYLOAD), {"prod": 1}), said, {})
    monkeypatch.setattr("rainer.assets.sources_client.read_manifest", lambda *_args: read)
    store = url.replace("/diary", "/-/store")
    where = {} if given == "client" else {"store": store}
    with (
        rainer.AssetCache(tmp_path / "cache") as cache,
        rainer.Client(url) as client,
        rainer.Assets(client, cache=cache, **where) as assets,  # type: ignore[arg-type]
    ):
        assert assets("/a").read_bytes() == b"a1"
        assets.on_ready(lambda snapshot: None)
        assets.wait_until_ready(10)
        written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
        told = [assets.uri("/a"), repr(assets), assets.lock().to_bytes().decode(), *cache.pins()]
        assert not any(b"cret" in data for data in written)
        assert not any("cret" in text for text in told)
        assets.close()
        assert cache.stores.extra == ()


def test_a_publisher_has_the_login_of_its_client(url: str) -> None:
    with rainer.Client(url) as client, AssetPublisher(client) as publisher:
        store = publisher.store
        assert isinstance(store, ServerStore)
        assert store._proof
        assert "cret" not in store.url + store.uri("/a")
        assert store.name(url.replace("/diary", "/-/store/files/a/b")) == "a/b"
