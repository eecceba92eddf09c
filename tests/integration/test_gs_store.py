"""GsStore on fake-gcs-server: what all stores promise, large objects in pieces, credentials in order."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rainer.errors import CredentialsError, InvalidUri, ObjectExists, ObjectNotFound, StoreUnavailable, WrongDigest
from rainer.store import open_store
from rainer.store.gs import GsStore
from rainer.store.gs_upload import PIECE_BYTES
from tests.services.fake_gcs import FakeGcs
from tests.unit.store_promises import SHA256, TEXT, StorePromises, read


@pytest.fixture
def store(gs_bucket: str) -> Iterator[GsStore]:
    store = GsStore(gs_bucket)
    yield store
    store.close()


class TestGsStore(StorePromises):
    @pytest.fixture
    def store(self, gs_bucket: str) -> Iterator[GsStore]:
        url, _, endpoint = gs_bucket.partition("?endpoint=")
        store = GsStore(f"{url}/some%20prefix/", endpoint=endpoint)
        yield store
        store.close()


def test_it_is_opened_by_its_url(gs_bucket: str) -> None:
    store = open_store(gs_bucket)
    assert isinstance(store, GsStore)
    assert store.url == gs_bucket.partition("?")[0]
    store.put(store.uri("a"), TEXT)
    assert read(store, store.uri("a")) == TEXT
    store.close()


def test_the_digest_is_kept(store: GsStore) -> None:
    store.put(store.uri("a"), TEXT)
    assert store.head(store.uri("a")).sha256 == SHA256
    assert [info.sha256 for info in store.list()] == [SHA256]


def test_a_large_object_goes_in_pieces(store: GsStore, tmp_path: Path) -> None:
    source, told = tmp_path / "large", []
    data = hashlib.sha512(b"seed").digest() * (PIECE_BYTES // 64 + 5)
    source.write_bytes(data)
    store.put(store.uri("large"), source, create_only=True, progress=told.append)
    assert sum(told) == len(data)
    head = store.head(store.uri("large"))
    assert (head.size, head.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert read(store, store.uri("large"), PIECE_BYTES - 10, PIECE_BYTES + 10) == data[PIECE_BYTES - 10 :][:20]
    with pytest.raises(ObjectExists):
        store.put(store.uri("large"), source, create_only=True)


def test_a_list_of_many_pages(store: GsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put(store.uri(f"{number:02}"), b"x"), range(25)))
    asked, plain = [], store._pool.request

    def request(method: str, url: str, *arguments: object, **options: object) -> object:
        asked.append(url)
        return plain(method, url.replace("maxResults=1000", "maxResults=10"), *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store._pool, "request", request)
    assert [store.name(info.uri) for info in store.list()] == [f"{number:02}" for number in range(25)]
    assert len(asked) == 3


@pytest.mark.parametrize("url", ["gs://", "gs:///a", "s3://bucket", "gs://UPPER", "gs://a/b?endpoint=nonsense"])
def test_what_names_no_bucket(url: str) -> None:
    with pytest.raises(InvalidUri) as raised:
        GsStore(url).head(f"{url.partition('?')[0]}/x")
    assert raised.value.hint


def test_no_such_bucket(fake_gcs: FakeGcs) -> None:
    store = GsStore(f"gs://none?endpoint={fake_gcs.url}")
    with pytest.raises(ObjectNotFound, match="no such bucket"):
        store.put(store.uri("a"), TEXT)
    with pytest.raises(ObjectNotFound, match="none"):
        list(store.list())
    assert store.delete(store.uri("a")) is False
    store.close()


def test_credentials_that_mean_nothing() -> None:
    with pytest.raises(InvalidUri, match="nonsense"):
        GsStore("gs://bucket", credentials=["nonsense"])
    assert GsStore("gs://bucket", credentials=["profile:x"])._names == ("default",)


def test_a_server_that_is_not_there() -> None:
    store = GsStore("gs://bucket", endpoint="http://127.0.0.1:9", timeout_s=0.2)
    with pytest.raises(StoreUnavailable, match="gs://bucket/a"):
        store.head("gs://bucket/a")


class Gate(ThreadingHTTPServer):
    """Google's token server, and a door before the fake that lets in who has its token; it may alter what is sent."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.behind = behind
        self.tokens = 0
        self.lifetime_s = 3600
        self.damage = False
        self.lose_answers = 0
        self.seen: list[tuple[str, str]] = []
        self.encodings: list[str | None] = []
        self.mutex = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Door(BaseHTTPRequestHandler):
    server: Gate
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/token":
            self._pass_on(body)
            return
        with self.server.mutex:
            self.server.tokens += 1
            token = f"token-{self.server.tokens}"
        assert urllib.parse.parse_qs(body.decode())["grant_type"]
        answer = {"access_token": token, "expires_in": self.server.lifetime_s, "token_type": "Bearer"}
        self._answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def do_PUT(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_GET(self) -> None:
        self._pass_on(None)

    def do_HEAD(self) -> None:
        self._pass_on(None)

    def do_DELETE(self) -> None:
        self._pass_on(None)

    def _pass_on(self, body: bytes | None) -> None:
        who = self.headers.get("Authorization", "nobody")
        self.server.seen.append((self.command, who))
        self.server.encodings.append(self.headers.get("Accept-Encoding"))
        if not who.startswith("Bearer token-"):
            self._answer(401, b"who is it?", {})
            return
        if self.server.damage and body:
            body = body.replace(TEXT, TEXT.upper())
        kept = {k: v for k, v in self.headers.items() if k not in ("Host", "Authorization", "Accept-Encoding")}
        request = urllib.request.Request(self.server.behind + self.path, body, kept, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, data, headers = answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                status, data, headers = error.code, error.read(), dict(error.headers)
        if self.command == "POST" and self.server.lose_answers:
            self.server.lose_answers -= 1
            self.close_connection = True
            return
        self._answer(status, data, headers)

    def _answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", headers.get("Content-Length") or str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def gate(fake_gcs: FakeGcs) -> Iterator[Gate]:
    with Gate(fake_gcs.url) as gate:
        thread = threading.Thread(target=gate.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield gate
        gate.shutdown()
        thread.join()


@pytest.fixture
def key_file(gate: Gate, tmp_path: Path) -> Path:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = tmp_path / "key.json"
    account = {
        "type": "service_account", "client_email": "tests@example.com", "private_key": pem, "private_key_id": "1",
        "token_uri": f"{gate.url}/token",
    }  # fmt: skip
    path.write_text(json.dumps(account))
    return path


@pytest.fixture
def bucket(gs_bucket: str) -> str:
    return gs_bucket.partition("?")[0]


def test_a_service_account_and_one_token_for_many_threads(gate: Gate, key_file: Path, bucket: str) -> None:
    store = GsStore(bucket, credentials=[f"file:{key_file}"], endpoint=gate.url)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put(store.uri(str(number)), TEXT), range(16)))
    assert gate.tokens == 1
    assert {who for _, who in gate.seen} == {"Bearer token-1"}
    store.close()


def test_the_default_credentials(gate: Gate, key_file: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    store = GsStore(bucket, credentials=["default"], endpoint=gate.url)
    store.put(store.uri("a"), TEXT)
    assert read(store, store.uri("a")) == TEXT
    store.close()


def test_objects_are_asked_for_as_they_are_stored(gate: Gate, key_file: Path, bucket: str) -> None:
    """Google unpacks what is stored with Content-Encoding gzip for those who do not say that they take it."""
    store = GsStore(bucket, credentials=[f"file:{key_file}"], endpoint=gate.url)
    store.put(store.uri("a"), TEXT)
    gate.encodings.clear()
    read(store, store.uri("a"))
    store.head(store.uri("a"))
    assert gate.encodings == ["gzip", "gzip"]
    store.close()


def test_a_token_that_expires_is_renewed(gate: Gate, key_file: Path, bucket: str) -> None:
    gate.lifetime_s = 1  # google-auth counts what ends within minutes as ended
    store = GsStore(bucket, credentials=[f"file:{key_file}"], endpoint=gate.url)
    store.put(store.uri("a"), TEXT)
    assert read(store, store.uri("a")) == TEXT
    assert [who for _, who in gate.seen] == ["Bearer token-1", "Bearer token-2"]
    store.close()


def test_credentials_are_tried_in_order_and_what_worked_is_kept(
    gate: Gate, key_file: Path, bucket: str, tmp_path: Path
) -> None:
    names = ["anonymous", f"file:{tmp_path / 'missing.json'}", "bearer:wrong", f"file:{key_file}"]
    store = GsStore(bucket, credentials=names, endpoint=gate.url)
    store.put(store.uri("a"), TEXT)
    assert [who for _, who in gate.seen] == ["nobody", "Bearer wrong", "Bearer token-1"]
    assert read(store, store.uri("a")) == TEXT
    assert len(gate.seen) == 4
    store.close()


def test_all_credentials_refused(gate: Gate, bucket: str, tmp_path: Path) -> None:
    names = ["anonymous", f"file:{tmp_path / 'missing.json'}", "bearer:secret-token"]
    store = GsStore(bucket, credentials=names, endpoint=gate.url)
    with pytest.raises(CredentialsError, match=r"missing\.json") as raised:
        store.head(store.uri("a"))
    assert "anonymous" in str(raised.value)
    assert "secret-token" not in str(raised.value)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(raised.value.hint)
    store.close()


def test_what_was_altered_on_its_way_is_removed(gate: Gate, key_file: Path, bucket: str) -> None:
    store = GsStore(bucket, credentials=[f"file:{key_file}"], endpoint=gate.url)
    gate.damage = True
    with pytest.raises(WrongDigest, match=base64.b64encode(hashlib.md5(TEXT).digest()).decode().replace("+", r"\+")):
        store.put(store.uri("a"), TEXT)
    with pytest.raises(ObjectNotFound):
        store.head(store.uri("a"))
    store.close()


def test_a_creation_whose_answer_is_lost_is_still_ours(gate: Gate, key_file: Path, bucket: str) -> None:
    store = GsStore(bucket, credentials=[f"file:{key_file}"], endpoint=gate.url)
    gate.lose_answers = 1
    store.put(store.uri("a"), TEXT, create_only=True)
    with pytest.raises(ObjectExists):
        store.put(store.uri("a"), TEXT, create_only=True)
    store.close()
