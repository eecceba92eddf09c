"""AzStore on Azurite: what all stores promise, blocks, credentials in order."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rainer.errors import CredentialsError, InvalidUri, ObjectNotFound, StoreUnavailable, WrongDigest
from rainer.store import open_store
from rainer.store.az import AzStore
from rainer.store.az_client import BLOCK_BYTES
from tests.services.azurite import ACCOUNT, Azurite
from tests.unit.store_promises import SHA256, TEXT, StorePromises, read


@pytest.fixture
def store(az_container: str, azurite: Azurite) -> Iterator[AzStore]:
    store = AzStore(az_container, credentials=[f"key:{azurite.key}"])
    yield store
    store.close()


class TestAzStore(StorePromises):
    @pytest.fixture
    def store(self, az_container: str, azurite: Azurite) -> Iterator[AzStore]:
        place = az_container.partition("?")[0]
        store = AzStore(f"{place}/some%20prefix/", credentials=[f"connection:{azurite.connection_string}"])
        yield store
        store.close()


def test_it_is_opened_by_its_url(az_container: str, azurite: Azurite) -> None:
    store = open_store(az_container, credentials=[f"key:{azurite.key}"])
    assert isinstance(store, AzStore)
    store.put(store.uri("a"), TEXT)
    assert read(store, store.uri("a")) == TEXT
    store.close()


def test_both_forms_name_one_place(store: AzStore) -> None:
    other = f"az://{store.container}@{store.account}/dir/a%20b"
    store.put(other, TEXT)
    assert read(store, store.uri("dir/a b")) == TEXT
    assert store.head(other).uri == store.uri("dir/a b") == f"az://{ACCOUNT}/{store.container}/dir/a%20b"
    assert AzStore(f"az://{store.container}@{store.account}/dir").url == store.url + "/dir"


def test_the_digest_is_kept(store: AzStore) -> None:
    put = store.put(store.uri("a"), TEXT)
    head = store.head(store.uri("a"))
    (listed,) = store.list()
    assert {put.sha256, head.sha256, listed.sha256} == {SHA256}
    assert put.etag == head.etag == listed.etag


def test_a_large_object_goes_in_blocks(store: AzStore, tmp_path: Path) -> None:
    told: list[int] = []
    source = tmp_path / "large"
    data = hashlib.sha512(b"seed").digest() * (2 * BLOCK_BYTES // 64 + 5)
    source.write_bytes(data)
    store.put(store.uri("large"), source, create_only=True, progress=told.append)
    assert sum(told) == len(data)
    assert store.head(store.uri("large")).sha256 == hashlib.sha256(data).hexdigest()
    assert read(store, store.uri("large"), BLOCK_BYTES - 10, BLOCK_BYTES + 10) == data[BLOCK_BYTES - 10 :][:20]


def test_a_source_that_changes_while_it_is_uploaded(store: AzStore, tmp_path: Path) -> None:
    source = tmp_path / "changing"
    source.write_bytes(b"a" * (2 * BLOCK_BYTES + 1))

    def change(count: int) -> None:
        with source.open("r+b") as file:
            file.seek(2 * BLOCK_BYTES)
            file.write(b"b")

    with pytest.raises(WrongDigest, match="changed"):
        store.put(store.uri("a"), source, progress=change)
    with pytest.raises(ObjectNotFound):
        store.head(store.uri("a"))


def test_a_list_of_many_pages(store: AzStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rainer.store.az_client._LIST_PAGE", 3)
    for number in range(8):
        store.put(store.uri(f"{number}"), b"x")
    assert [store.name(info.uri) for info in store.list()] == [str(number) for number in range(8)]


def _sas(azurite: Azurite, container: str, *, life: timedelta = timedelta(hours=1)) -> str:
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    rights = ContainerSasPermissions(read=True, write=True, create=True, list=True, delete=True)
    until = datetime.now(UTC) + life
    token: str = generate_container_sas(
        ACCOUNT, container, azurite.key, permission=rights, expiry=until, start=until - timedelta(days=1)
    )
    return token


def test_a_signature_behind_the_url(az_container: str, azurite: Azurite) -> None:
    container = az_container.partition("?")[0].rpartition("/")[2]
    sas = _sas(azurite, container)
    store = AzStore(f"{az_container}&{sas}")
    assert "sig" not in store.url
    assert "sig" not in repr(store)
    store.put(store.uri("a"), TEXT)
    assert read(store, store.uri("a")) == TEXT
    assert [store.name(info.uri) for info in store.list()] == ["a"]
    assert store.delete(store.uri("a")) is True
    store.close()


def test_credentials_are_tried_in_order_and_what_worked_is_kept(
    az_container: str, azurite: Azurite, tmp_path: Path
) -> None:
    container = az_container.partition("?")[0].rpartition("/")[2]
    key = tmp_path / "key"
    key.write_text(azurite.key + "\n")
    expired = _sas(azurite, container, life=timedelta(hours=-1))
    names = ["anonymous", "key:c2VjcmV0", f"sas:{expired}", "sas:@/nowhere/sas", f"key:@{key}", "profile:other"]
    store = AzStore(az_container, credentials=names)
    store.put(store.uri("a"), TEXT)
    assert read(store, store.uri("a")) == TEXT
    assert [info.size for info in store.list()] == [len(TEXT)]
    assert store._in_process().chosen.access.kind == "key"
    assert store._in_process().in_order()[0] is store._in_process().ones[4]
    store.close()


def test_all_credentials_refused(az_container: str, azurite: Azurite) -> None:
    store = AzStore(az_container, credentials=["key:c2VjcmV0", "key:***", "connection:AccountName=x"])
    for ask in (store.head, store.open, store.delete, lambda uri: store.put(uri, TEXT)):
        with pytest.raises(CredentialsError, match="no base64") as raised:
            ask(store.uri("a"))
        assert "c2VjcmV0" not in str(raised.value)
        assert "neither AccountKey" in str(raised.value)
        assert "az login" in str(raised.value.hint)
    store.close()


def test_a_public_container_needs_nobody(azurite: Azurite) -> None:
    url = f"az://{ACCOUNT}/{azurite.make_container(is_public=True)}?endpoint={azurite.endpoint}"
    owner = AzStore(url, credentials=[f"key:{azurite.key}"])
    owner.put(owner.uri("a"), TEXT)
    stranger = AzStore(url, credentials=["anonymous"])
    assert read(stranger, stranger.uri("a")) == TEXT
    with pytest.raises(ObjectNotFound):
        stranger.open(stranger.uri("b"))
    with pytest.raises(CredentialsError):
        stranger.put(stranger.uri("a"), b"others")
    for store in (owner, stranger):
        store.close()


class Identity:
    """Azure's identity as far as we ask it: tokens, each of which ends."""

    asked = 0

    def get_token(self, *scopes: str) -> object:
        from azure.core.credentials import AccessToken

        Identity.asked += 1
        return AccessToken(f"token-{Identity.asked}", int(time.time()) + 600)

    def close(self) -> None:
        pass


def test_tokens_are_kept_until_shortly_before_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", Identity)
    store = AzStore("az://account/container")
    access = store._in_process().ones[0].access
    assert access.headers("GET", "/", {})["Authorization"] == "Bearer token-1"
    assert access.headers("GET", "/", {})["Authorization"] == "Bearer token-1"
    access._token = access._token._replace(expires_on=int(time.time()) + 10)
    assert access.headers("GET", "/", {})["Authorization"] == "Bearer token-2"
    store.close()


def test_the_default_credentials_are_absent(az_container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    store = AzStore(az_container)
    for _ in range(2):
        with pytest.raises(CredentialsError, match="default"):
            store.head(store.uri("a"))
    store.close()


@pytest.mark.parametrize("url", ["az://", "az://account", "az:///container", "s3://a/b", "az://a@/x"])
def test_what_names_no_container(url: str) -> None:
    with pytest.raises(InvalidUri) as raised:
        AzStore(url)
    assert "az://account/container" in str(raised.value.hint)


def test_credentials_that_mean_nothing() -> None:
    with pytest.raises(InvalidUri, match="nonsense"):
        AzStore("az://account/container", credentials=["nonsense:secret"])


def test_a_server_that_is_not_there() -> None:
    store = AzStore("az://account/c?endpoint=http://127.0.0.1:9/account", credentials=["anonymous"], timeout_s=0.2)
    with pytest.raises(StoreUnavailable, match="az://account/c/a"):
        store.head("az://account/c/a")


def test_no_such_container(azurite: Azurite) -> None:
    store = AzStore(f"az://{ACCOUNT}/none?endpoint={azurite.endpoint}", credentials=[f"key:{azurite.key}"])
    with pytest.raises(ObjectNotFound, match="no such container"):
        store.open(store.uri("a"))
    with pytest.raises(ObjectNotFound, match="no such container"):
        list(store.list())
    store.close()
