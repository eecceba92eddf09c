"""Web pages of others: what they may not do through the browser of somebody who is let in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rainer.access import AccessOptions
from rainer.access.hosts import Hosts, local_hosts
from rainer.api.app import create_app
from rainer.errors import DeniedError
from rainer.journal import Journal
from rainer.service import ServiceOptions
from tests.asgi import Caller, calling


@pytest.fixture
def journal(sqlite_url: str) -> Iterator[Journal]:
    with Journal(sqlite_url) as journal:
        yield journal


@pytest.fixture
def caller(journal: Journal) -> Iterator[Caller]:
    with calling(
        lambda: create_app(journal, ServiceOptions(hosts=local_hosts("rainer.test, Other.Test.", True)))
    ) as it:
        yield it


OURS = (
    "127.0.0.1:8080", "localhost", "LocalHost.:8080", "a.localhost", "[::1]:8080", "[::1]", "rainer1:8080",
    "rainer.test", "RAINER.test:80", "other.test", "10.1.2.3", "",
)  # fmt: skip
THEIRS = (
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "rainer.test.evil.example",
    "x.rainer.test",
    "1.2",
)


@pytest.mark.parametrize("host", OURS)
def test_a_server_is_called_by_names_that_nobody_can_point_to_it(caller: Caller, host: str) -> None:
    assert caller.ask("GET", "/diary", Host=host).status == 200
    assert caller.ask("GET", "/diary/none", Host=host).status == 404


@pytest.mark.parametrize("host", THEIRS)
def test_an_open_server_is_nobody_by_a_name_that_may_be_a_page_s(caller: Caller, host: str) -> None:
    for method, path in (("GET", "/diary"), ("GET", "/diary/key"), ("POST", "/diary/key/1"), ("GET", "/-/changes")):
        answer = caller.ask(method, path, body=b"", Host=host, X_Rainer_Author="a", X_Rainer_Empty="yes")
        assert (answer.status, answer.code) == (403, "denied"), path
        assert "--hosts" in answer.json()["hint"]


def test_a_page_elsewhere_changes_nothing(caller: Caller) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9000", "http://localhost:8080", ""):
        said = {"Host": "127.0.0.1:8080", "Origin": origin, "X_Rainer_Author": "a"}
        for method, path in (("POST", "/diary/key/1"), ("POST", "/-/changesets"), ("PUT", "/-/mirrors/m")):
            answer = caller.ask(method, path, body=b"{}", **said)
            assert (answer.status, answer.code) == (403, "denied"), (origin, path)
    assert caller.ask("GET", "/diary", Host="127.0.0.1:8080", Origin="http://evil.example").status == 200
    own = {"Host": "127.0.0.1:8080", "Origin": "http://127.0.0.1:8080", "X_Rainer_Author": "a"}
    assert caller.ask("POST", "/diary/key/1", body=b"x", **own).status == 200
    behind_proxy = own | {"Origin": "https://rainer.test"}
    assert caller.ask("POST", "/diary/key/2", body=b"x", **behind_proxy).status == 200


def test_where_everybody_is_asked_a_page_elsewhere_needs_a_token(journal: Journal) -> None:
    options = ServiceOptions(access=AccessOptions(is_on=True, bootstrap_token="b" * 40), hosts=local_hosts(None, False))
    with calling(lambda: create_app(journal, options)) as caller:
        said = {"Host": "rainer.example", "Origin": "https://evil.example"}
        answer = caller.ask("POST", "/diary/key/1", body=b"x", **said)
        assert (answer.status, "evil.example" in answer.json()["detail"]) == (403, True)
        assert caller.ask("POST", "/diary/key/1", "b" * 40, b"x", **said).status == 200
        assert caller.ask("GET", "/-/healthz", Host="any.example").status == 200
    named = replace(options, hosts=local_hosts("rainer.example", False))
    with calling(lambda: create_app(journal, named)) as caller:
        assert caller.ask("GET", "/-/healthz", Host="rainer.example:443").status == 200
        assert caller.ask("GET", "/-/healthz", Host="any.example").status == 403


def test_an_app_in_a_service_of_ones_own_has_any_name() -> None:
    hosts = Hosts()
    hosts.check({"method": "GET", "headers": [(b"host", b"evil.example")]})
    hosts.check({"method": "POST", "headers": [(b"host", b"a.example"), (b"origin", b"https://A.example")]})
    with pytest.raises(DeniedError):
        hosts.check({"method": "POST", "headers": [(b"host", b"a.example"), (b"origin", b"https://b.example")]})
