"""Names of identities, credentials in requests, URLs and logs, and how often somebody may ask."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from rainer.access import AccessOptions
from rainer.access.credentials import Unreadable, bearer_of, hide_token_path, name_of
from rainer.access.rates import Rates
from rainer.access.shared_times import SharedTimes
from rainer.client import Client
from rainer.client.address import Address
from rainer.client.transport import tls_sessions
from rainer.errors import InvalidError, InvalidUri, RateLimited
from rainer.mirror import Mirror
from rainer.model.identity import check_identity_name, hide_credentials, is_token
from rainer.model.setting_values import redact
from rainer.service.log_lines import BareLines, JsonLines, TextLines, hide_secret
from rainer.store.proving import authorization_of, without_proof
from rainer.store.remote_files import HttpFiles
from rainer.store.server import ServerStore
from rainer.store.store import shown
from tests.services import secrets

TOKEN = "rnr_abcdefg7_" + "Ab-_4" * 8 + "xyz"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLXRoYXQ"


def test_this_is_what_a_token_looks_like() -> None:
    assert is_token(TOKEN)
    assert secrets.tokens_in(f"x {TOKEN} y {JWT}") == ["rnr_abcdefg7…", "eyJhbGciOiJF…"]
    for other in ("", TOKEN[:-1], TOKEN + "a", TOKEN.upper(), JWT):
        assert not is_token(other)


@pytest.mark.parametrize("name", ["ada@example.com", "ci-deploy", "Ada Lovelace", "spiffe://x/y", "語"])
def test_names_that_identities_may_have(name: str) -> None:
    assert check_identity_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "anonymous", "authenticated", "bootstrap", "group:ops", "*", "*@example.com", " ada", "ada ", "a\nb"]
)
def test_names_that_no_identity_may_have(name: str) -> None:
    with pytest.raises(InvalidError):
        check_identity_name(name)


# Credentials in requests


def test_a_bearer_token_is_read_and_nothing_else() -> None:
    assert bearer_of([(b"host", b"x"), (b"authorization", b"Bearer abc")]) == b"abc"
    assert bearer_of([(b"authorization", b"bearer   abc ")]) == b"abc"
    assert bearer_of([(b"host", b"x")]) is None
    for values in ([b"Basic YTpi"], [b"Bearer"], [b"abc"], [b""], [b"Bearer a", b"Bearer b"]):
        with pytest.raises(Unreadable):
            bearer_of([(b"authorization", value) for value in values])


def scope_of(path: str, root: str = "") -> dict[str, Any]:
    return {"path": path, "raw_path": path.encode(), "root_path": root}


@pytest.mark.parametrize(
    ("path", "root", "left", "mounted"),
    [
        ("/-/t/TOK/diary/k%2F1", "", "/-/t/***/diary/k%2F1", "/-/t/***"),
        ("/-/t/TOK/-/changes", "", "/-/t/***/-/changes", "/-/t/***"),
        ("/-/t/TOK", "", "/-/t/***", "/-/t/***"),
        ("/in/side/-/t/TOK/diary", "/in/side", "/in/side/-/t/***/diary", "/in/side/-/t/***"),
    ],
)
def test_a_token_is_taken_out_of_the_path(path: str, root: str, left: str, mounted: str) -> None:
    scope = scope_of(path, root)
    assert hide_token_path(scope, may_sign_in=True) == b"TOK"
    assert scope["raw_path"] == left.encode()
    assert scope["root_path"] == mounted
    assert scope["path"].startswith(mounted)
    scope = scope_of(path, root)
    assert hide_token_path(scope, may_sign_in=False) == b"TOK"
    assert (scope["raw_path"], scope["root_path"]) == (left.encode(), root)


def test_a_path_without_a_token_stays_as_it_is() -> None:
    for path in ("/diary/k", "/-/tokens", "/-/t", "/diary/-/t/x"):
        scope = scope_of(path)
        assert hide_token_path(scope, may_sign_in=True) is None
        assert scope == scope_of(path)


def test_no_way_to_spell_a_token_path_leaves_the_token_in_it() -> None:
    for raw in ("/-/t%2FTOK/diary", "/-%2Ft%2FTOK", "/%2d/t/TOK/diary", "/-/t/T%4fK/diary"):
        scope = {"path": raw.replace("%2F", "/").replace("%2d", "-").replace("%4f", "O"), "raw_path": raw.encode()}
        hide_token_path(scope, may_sign_in=True)
        assert "TOK" not in str(scope), scope
        assert "T%4fK" not in str(scope), scope


def test_the_name_in_a_certificate() -> None:
    subject = ((("countryName", "DE"),), (("commonName", "ci-deploy"),))
    assert name_of({"subject": subject, "subjectAltName": (("DNS", "host"),)}) == "ci-deploy"
    assert name_of({"subject": (), "subjectAltName": (("DNS", "host"), ("URI", "spiffe://a/b"))}) == "spiffe://a/b"
    assert name_of({"subject": (), "subjectAltName": (("email", "a@b"), ("URI", "spiffe://a/b"))}) == "a@b"
    assert name_of({"subject": ()}) == ""
    assert name_of({}) is None
    assert name_of(None) is None


# Credentials in URLs


def test_a_base_url_may_carry_its_token_and_shows_it_nowhere() -> None:
    address = Address.parse(f"http://host:8080/in/-/t/{TOKEN}/diary")
    assert (address.token, address.base) == (TOKEN, "http://host:8080/in/diary")
    assert Address.parse(address.with_login) == address
    assert TOKEN not in repr(address) + repr(Mirror.http(address.with_login))
    with Client(address.with_login) as client:
        assert (client.url, client.address.token) == ("http://host:8080/in/diary", TOKEN)
        assert TOKEN not in repr(client)
    assert Address.parse("http://host/-/t/a%2Fb/diary").token == "a/b"
    assert Address.parse(Address.parse("http://h/diary").with_token("a/b").with_login).token == "a/b"


def test_a_token_beside_the_url_goes_before_the_one_in_it() -> None:
    assert Address.parse("http://h/-/t/old/diary").with_token("new").token == "new"
    assert Address.parse("http://h/-/t/old/diary").with_token(None).token == "old"


@pytest.mark.parametrize("token", ["two words", "", "new\nline", "tö", "x" * 9000])
def test_what_can_be_no_token_is_refused_unseen(token: str) -> None:
    with pytest.raises(InvalidError) as e:
        Client("http://h/diary", token=token)
    assert not token or token not in str(e.value)


def test_a_login_and_a_token_are_one_too_many() -> None:
    with pytest.raises(InvalidError, match="user and password") as e:
        Client("http://joe:secret@h/diary", token="t")
    assert "secret" not in str(e.value)
    with pytest.raises(InvalidUri, match="user and password"):
        authorization_of("http://joe:secret@h/-/store", "t")


def test_wrong_urls_are_shown_without_their_token() -> None:
    for url in (f"ftp://h/-/t/{TOKEN}/diary", f"http://h/-/t/{TOKEN}/diary?x", f"http://h/-/t/{TOKEN}/Diary"):
        with pytest.raises(InvalidError) as e:
            Address.parse(url)
        assert TOKEN not in str(e.value)


def test_a_store_url_may_carry_its_token() -> None:
    url = f"http://h:80/-/t/{TOKEN}/-/store"
    assert authorization_of(url) == f"Bearer {TOKEN}"
    assert authorization_of("http://h/-/store", "t") == "Bearer t"
    assert authorization_of("http://h/-/store") is None
    assert without_proof(url) == "http://h:80/-/store"
    assert HttpFiles(url, timeout_s=1).url == "http://h:80/-/store"
    store = ServerStore(url)
    assert store.uri("a") == "http://h:80/-/store/files/a"
    assert store.covers(f"http://h:80/-/t/{TOKEN}/-/store/files/a")
    assert TOKEN not in repr(store)
    assert shown(url) == "http://h:80/-/t/***/-/store"


def test_a_file_may_be_called_as_if_it_were_a_token() -> None:
    uri = "http://h/-/store/files/-/t/x/y"
    assert without_proof(uri) == uri
    assert authorization_of(uri) is None


# Credentials in texts


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("nothing to hide", "nothing to hide"),
        (f"GET /-/t/{TOKEN}/diary", "GET /-/t/***/diary"),
        ("GET /-/t/some-other/diary 200", "GET /-/t/***/diary 200"),
        ("GET /-/t/***/diary", "GET /-/t/***/diary"),
        (f"token {TOKEN} and {TOKEN}.", "token rnr_abcdefg7_*** and rnr_abcdefg7_***."),
        (f"got {JWT}!", "got eyJ***!"),
        ("Authorization: Bearer 0123456789abcdef0123", "Authorization: Bearer ***"),
        ("'Bearer ' is missing", "'Bearer ' is missing"),
    ],
)
def test_texts_are_shown_without_credentials(text: str, safe: str) -> None:
    assert hide_credentials(text) == safe
    assert redact(text) == safe


def test_no_form_of_log_line_shows_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rainer.service.log_lines._secrets", set())
    hide_secret("by-nothing-to-tell-from-words")
    try:
        raise ValueError(f"bad {TOKEN}")
    except ValueError:
        caught = sys.exc_info()
    message = "by-nothing-to-tell-from-words asks with %s"
    record = logging.LogRecord("rainer", logging.INFO, "f.py", 1, message, (JWT,), caught)
    for form in (TextLines(), JsonLines(), BareLines()):
        line = form.format(record)
        assert "bad rnr_abcdefg7_***" in line
        assert "*** asks with eyJ***" in line


# Options


@pytest.mark.parametrize("change", [{"bootstrap_token": "short"}, {"bootstrap_token": "two words " * 3}])
def test_a_bootstrap_token_that_can_be_guessed_or_not_be_sent_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidError) as e:
        AccessOptions(is_on=True, **change)
    assert change["bootstrap_token"] not in str(e.value)


def test_credentials_are_not_taken_where_nobody_is_asked() -> None:
    for change in ({"bootstrap_token": "x" * 30}, {"token_path": True}):
        with pytest.raises(InvalidError, match="identity is off"):
            AccessOptions(is_on=False, **change)
    assert "x" * 30 not in repr(AccessOptions(is_on=True, bootstrap_token="x" * 30))


def test_certificates_of_ones_own_are_looked_for_at_once(tmp_path: Path) -> None:
    assert tls_sessions(None, None, None) is None
    for files in ((tmp_path / "no", None, None), (None, tmp_path / "no", None), (None, None, tmp_path / "no")):
        with pytest.raises(InvalidError, match="no file"):
            tls_sessions(*files)
    file = tmp_path / "one.pem"
    file.touch()
    with pytest.raises(InvalidError, match="no certificate"):
        tls_sessions(None, None, file)


# Rates


def test_each_may_ask_so_often_and_no_more() -> None:
    rates = Rates(2, 3)
    for _ in range(3):
        rates.take("ada", 0.0)
    rates.take("bob", 0.0)
    with pytest.raises(RateLimited) as e:
        rates.take("ada", 0.0)
    assert e.value.retry_after_s == 1
    rates.take("ada", 0.5)
    with pytest.raises(RateLimited):
        rates.take("ada", 0.6)
    for _ in range(3):
        rates.take("ada", 100.0)
    with pytest.raises(RateLimited):
        rates.take("ada", 100.0)


def test_without_a_rate_there_is_no_limit_and_nothing_is_kept() -> None:
    rates = Rates(0, 5)
    for _ in range(100):
        rates.take("ada", 0.0)
    assert rates._times.get("ada") == 0.0


def test_those_who_ask_no_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rainer.access.rates._KNOWN_MAX", 10)
    rates = Rates(1, 1)
    for number in range(1000):
        rates.take(str(number), number * 0.01)
    assert len(rates._times._known) == 10
    for number in range(20):
        rates.take(str(number), 1000.0)
    assert len(rates._times._known) == 10


def test_processes_count_together(tmp_path: Path) -> None:
    SharedTimes.make(tmp_path / "rates")
    one, other = (Rates(2, 3, tmp_path / "rates") for _ in range(2))
    for rates in (one, other, one):
        rates.take("ada", 1.0)
    for rates in (one, other):
        with pytest.raises(RateLimited):
            rates.take("ada", 1.0)
    other.take("bob", 1.0)
    other.take("ada", 1.5)
    with pytest.raises(RateLimited):
        one.take("ada", 1.6)
    for rates in (one, other, one):
        rates.take("ada", 100.0)


def test_a_crowd_in_shared_memory_costs_only_those_who_asked_longest_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rainer.access.shared_times._BUCKETS", 1)
    SharedTimes.make(tmp_path / "rates")
    times = SharedTimes(tmp_path / "rates")
    for number in range(12):
        times.put(str(number), 10.0 + number, 0.0)
    assert [times.get(str(number)) for number in range(12)] == [0.0] * 4 + [10.0 + n for n in range(4, 12)]
