"""Base URLs: what is taken, what is refused and in which words, and how keys are spelt in paths."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.client import Client
from rainer.client.address import Address
from rainer.errors import InvalidError
from rainer.model import names


@pytest.mark.parametrize(
    ("url", "root", "namespace"),
    [
        ("http://localhost:8080/diary", "http://localhost:8080", "diary"),
        ("http://localhost:8080/diary/", "http://localhost:8080", "diary"),
        ("https://conf.example/a/b/prices-eu", "https://conf.example/a/b", "prices-eu"),
        ("http://[::1]:8080/diary", "http://[::1]:8080", "diary"),
        ("http://h/%64iary", "http://h", "diary"),
    ],
)
def test_a_base_url_is_a_root_and_a_namespace(url: str, root: str, namespace: str) -> None:
    address = Address.parse(url)
    assert (address.root, address.namespace, address.login) == (root, namespace, None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "does not begin with http:// or https://"),
        ("diary", "does not begin with http:// or https://"),
        ("localhost:8080/diary", "does not begin with http:// or https://"),
        ("ftp://h/diary", "does not begin with http:// or https://"),
        ("http:///diary", "names no host"),
        ("http://h:8080", "names no namespace"),
        ("http://h:8080/", "names no namespace"),
        ("http://h/diary?all=yes", "has a query or a fragment"),
        ("http://h/diary#x", "has a query or a fragment"),
        ("http://h:99999/diary", "Port out of range"),
        ("http://h:0/diary", "port 0"),
        ("http://h:port/diary", "Port could not be cast"),
        ("http://[::1/diary", "Invalid IPv6 URL"),
        ("http://a b/diary", "no host has such a name"),
        ("http://h/Diary", "namespace 'Diary' is not allowed"),
        ("http://h/diary/hey%2F1", "namespace 'hey/1' is not allowed"),
    ],
)
def test_a_url_that_cannot_be_one_is_refused_when_the_client_is_made(url: str, words: str) -> None:
    with pytest.raises(InvalidError, match=words) as caught:
        Client(url)
    assert caught.value.hint


def test_a_password_is_used_and_never_shown() -> None:
    address = Address.parse("http://me:s%40cret@h:8080/diary")
    assert address.login == ("me", "s@cret")
    assert address.root == "http://h:8080"
    assert Address.parse(address.with_login) == address
    assert Address.parse("http://h/diary").with_login == "http://h/diary"
    assert repr(Client("http://me:s%40cret@h:8080/diary")) == "Client('http://h:8080/diary')"
    for wrong in ["http://me:s%40cret@h:8080/", "http://me:s/cret@h:8080/diary", "me:s@cret@h:8080/diary"]:
        with pytest.raises(InvalidError) as caught:
            Client(wrong)
        assert "cret" not in str(caught.value)


def test_a_timeout_of_nothing_and_an_author_of_two_lines_are_refused() -> None:
    with pytest.raises(InvalidError, match="timeout"):
        Client("http://h/diary", timeout_s=0)
    with pytest.raises(InvalidError, match="author"):
        Client("http://h/diary", author="me\nyou")
    with pytest.raises(InvalidError, match="times"):
        Client("http://h/diary", retries=-1)


KEYS = st.text(min_size=1, max_size=80).filter(lambda key: _is_key(key))


def _is_key(key: str) -> bool:
    try:
        names.check_key(key)
    except InvalidError:
        return False
    return True


@given(key=KEYS)
def test_a_key_is_one_segment_of_the_path_whatever_it_holds(key: str) -> None:
    path = Address("http://h", "diary").key_path(key, 3, "meta")
    empty, namespace, escaped, version, meta = path.split("/")
    assert (empty, namespace, version, meta) == ("", "diary", "3", "meta")
    assert unquote(escaped) == key
    assert path.isascii()
    assert not set(path) & set(" ?#%") - {"%"}


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", "\ud800"])
def test_what_no_path_can_name_is_refused(key: str) -> None:
    with pytest.raises(InvalidError):
        Address("http://h", "diary").key_path(key)


def test_another_namespace_of_the_same_server() -> None:
    client = Client("http://h:8080/deep/diary", author="me")
    other = client.in_namespace("prices")
    assert (other.namespace_name, other.url, other.author) == ("prices", "http://h:8080/deep/prices", "me")
    assert client.namespace_name == "diary"
    with pytest.raises(InvalidError):
        client.in_namespace("No")
