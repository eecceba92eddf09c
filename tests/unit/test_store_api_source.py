"""ApiSource: a function or a method that returns bytes or None, as a store."""

from __future__ import annotations

import pickle

import pytest

from rainer.errors import CredentialsError, DeniedError, InvalidError, InvalidUri, ObjectNotFound, StoreUnavailable
from rainer.store.api_source import ApiSource
from tests.unit.store_promises import TEXT, read


def fetch(uri: str) -> bytes | None:
    return {"api://a": TEXT}.get(uri)


class Weather(ApiSource):
    def fetch(self, uri: str) -> bytes | None:
        return uri.removeprefix("weather://").encode() or None


def test_a_function_is_a_store() -> None:
    store = ApiSource(fetch, prefix="api://")
    assert read(store, "api://a") == TEXT
    assert read(store, "api://a", 6, 10) == TEXT[6:10]
    etag = store.head("api://a").etag
    assert etag is not None
    assert store.open("api://a", if_none_match=etag) is None
    with pytest.raises(ObjectNotFound, match="api://b"):
        store.open("api://b")
    with pytest.raises(InvalidUri) as raised:
        store.open("other://a")
    assert "api://" in str(raised.value.hint)
    with pytest.raises(DeniedError):
        store.put("api://a", TEXT)
    assert read(pickle.loads(pickle.dumps(store)), "api://a") == TEXT


def test_a_subclass_is_a_store() -> None:
    assert read(Weather(prefix="weather://"), "weather://sun") == b"sun"


def test_what_it_covers() -> None:
    assert ApiSource(fetch).covers("any://thing")
    several = ApiSource(fetch, prefix=["a://", "b://"])
    assert (several.covers("b://x"), several.covers("c://x")) == (True, False)
    assert ApiSource(fetch, covers=lambda uri: uri.endswith(".csv")).covers("x://y.csv")


def test_without_a_function_there_is_nothing_to_ask() -> None:
    with pytest.raises(InvalidError, match="needs a function"):
        ApiSource(prefix="a://")


def test_what_it_raises_counts_as_not_available() -> None:
    def broken(uri: str) -> bytes:
        raise ConnectionResetError("gone")

    def refused(uri: str) -> bytes:
        raise CredentialsError("who are you?")

    with pytest.raises(StoreUnavailable, match="ConnectionResetError: gone"):
        ApiSource(broken).open("a://b")
    with pytest.raises(CredentialsError):
        ApiSource(refused).open("a://b")
