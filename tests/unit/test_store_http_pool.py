"""Which requests are sent again, where redirects lead, and that no process speaks on another's connections."""

from __future__ import annotations

import os
import pickle
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from email.utils import formatdate
from pathlib import Path

import pytest

from rainer.errors import CredentialsError, InvalidError, InvalidUri, StoreUnavailable
from rainer.store import http_connect
from rainer.store.http_connect import split_url
from rainer.store.http_pool import HttpPool
from rainer.store.tls import Tls
from tests.services.bad_http import SLOW_DOWN, BadHttp, Fault
from tests.services.machine import free_port
from tests.unit.certificates import Certificates
from tests.unit.http_script import ScriptedServer, answer

DATA = b"hello"


@pytest.fixture
def server() -> Iterator[BadHttp]:
    with BadHttp() as server:
        server.objects["/a"] = DATA
        yield server


@pytest.fixture
def pool() -> Iterator[HttpPool]:
    with closing(HttpPool(timeout_s=5.0)) as pool:
        yield pool


def _read(pool: HttpPool, url: str, **options: object) -> bytes:
    with pool.request("GET", url, **options) as got:  # type: ignore[arg-type]
        assert got.status == 200
        return got.read(100)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server: BadHttp, pool: HttpPool, status: int) -> None:
    server.faults.extend([Fault(status)] * 2)
    assert _read(pool, f"{server.url}/a") == DATA
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 416, 501])
def test_what_will_not_pass_is_not_tried_again(server: BadHttp, pool: HttpPool, status: int) -> None:
    server.faults.append(Fault(status, b"no"))
    with pool.request("GET", f"{server.url}/a") as got:
        assert (got.status, got.read(9)) == (status, b"no")
    assert len(server.asked) == 1


def test_a_throttle_that_lasts_is_the_answer_in_the_end(server: BadHttp) -> None:
    server.faults.extend([SLOW_DOWN] * 50)
    with closing(HttpPool(timeout_s=0.5)) as pool, pool.request("GET", f"{server.url}/a") as got:
        assert got.status == 503
        assert b"SlowDown" in got.read(1000)
    assert 2 <= len(server.asked) <= 6


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_names_a_time_is_given_it(server: BadHttp, pool: HttpPool, form: str) -> None:
    text = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    server.faults.append(Fault(429, headers={"Retry-After": text}))
    begun = time.monotonic()
    assert _read(pool, f"{server.url}/a") == DATA
    assert time.monotonic() - begun > 0.9


def test_a_server_that_asks_for_more_time_than_there_is_gets_none(server: BadHttp, pool: HttpPool) -> None:
    server.faults.append(Fault(503, headers={"Retry-After": "3600"}))
    pool.request("GET", f"{server.url}/a").close()
    assert len(server.asked) == 1


def test_each_try_proves_anew_who_asks(server: BadHttp, pool: HttpPool) -> None:
    server.faults.append(Fault(503))
    numbers = iter("12")
    assert _read(pool, f"{server.url}/a", sign=lambda *_: {"Authorization": f"Bearer {next(numbers)}"}) == DATA
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer 1", "Bearer 2"]


def test_nobody_there_is_told_soon(pool: HttpPool) -> None:
    with pytest.raises(StoreUnavailable, match=r"Connection refused \(4 tries\)"):
        pool.request("GET", f"http://127.0.0.1:{free_port()}/a")


def test_no_such_host_is_unavailable_and_not_a_traceback(pool: HttpPool) -> None:
    with pytest.raises(StoreUnavailable, match=r"no connection to nowhere\.invalid"):
        pool.request("GET", "http://nowhere.invalid/a")


@pytest.mark.parametrize("url", ["ftp://host/a", "http:///a", "http://host:99999/a", "http://host:x/a"])
def test_what_is_no_url_of_a_web_server_is_refused(pool: HttpPool, url: str) -> None:
    with pytest.raises(InvalidUri):
        pool.request("GET", url)


# Redirects


def test_redirects_are_followed_on_the_same_server_with_everything(server: BadHttp, pool: HttpPool) -> None:
    server.objects["/x/b"] = DATA
    server.faults.extend([Fault(302, headers={"Location": "x/b"}), None])
    assert _read(pool, f"{server.url}/a", headers={"Authorization": "secret"}) == DATA
    assert [asked.path for asked in server.asked] == ["/a", "/x/b"]
    assert server.asked[1].headers["authorization"] == "secret"


def test_another_server_gets_no_secrets(server: BadHttp, pool: HttpPool) -> None:
    with BadHttp() as other:
        other.objects["/b"] = DATA
        server.faults.append(Fault(307, headers={"Location": f"{other.url}/b"}))
        secrets = {"Authorization": "1", "Cookie": "2", "X-Amz-Security-Token": "3", "If-None-Match": '"x"'}
        assert _read(pool, f"{server.url}/a", headers=secrets, sign=lambda *_: {"Authorization": "4"}) == DATA
        assert server.asked[0].headers["authorization"] == "4"
        assert not {"authorization", "cookie", "x-amz-security-token"} & set(other.asked[0].headers)
        assert other.asked[0].headers["if-none-match"] == '"x"'


def test_a_way_back_brings_no_secrets_either(server: BadHttp, pool: HttpPool) -> None:
    with BadHttp() as other:
        server.faults.append(Fault(302, headers={"Location": f"{other.url}/b"}))
        other.faults.append(Fault(302, headers={"Location": f"{server.url}/a"}))
        assert _read(pool, f"{server.url}/a", sign=lambda *_: {"Authorization": "4"}) == DATA
        assert "authorization" not in server.asked[-1].headers


def test_redirects_in_a_circle_end(server: BadHttp, pool: HttpPool) -> None:
    server.faults.extend([Fault(301, headers={"Location": "/a"})] * 50)
    with pytest.raises(StoreUnavailable, match="redirected more than 5 times"):
        pool.request("GET", f"{server.url}/a")
    assert len(server.asked) == 6


def test_what_writes_is_not_redirected(pool: HttpPool) -> None:
    with ScriptedServer(answer(302, headers={"Location": "/b"})) as server:
        with pool.request("PUT", server.url, body=b"x") as got:
            assert got.status == 302
        assert len(server.received) == 1


# Processes


def test_a_child_never_speaks_on_its_parents_connections() -> None:
    with BadHttp() as server, closing(HttpPool(timeout_s=5.0)) as pool:
        server.objects["/a"] = DATA
        assert _read(pool, f"{server.url}/a") == DATA
        before = set(_ports(pool))
        assert before
        assert _in_child(lambda: _read(pool, f"{server.url}/a") == DATA and not before & set(_ports(pool)))
        assert _read(pool, f"{server.url}/a") == DATA
        assert set(_ports(pool)) == before, "the parent's own connection is still good"


def test_a_child_forked_while_threads_hold_every_lock_still_works(server: BadHttp, pool: HttpPool) -> None:
    assert _read(pool, f"{server.url}/a") == DATA
    with pool._idle._lock:
        assert _in_child(lambda: _read(pool, f"{server.url}/a") == DATA)


def test_a_pool_travels_as_its_settings(server: BadHttp, pool: HttpPool) -> None:
    assert _read(pool, f"{server.url}/a") == DATA
    with closing(pickle.loads(pickle.dumps(pool))) as copy:
        assert copy.timeout_s == pool.timeout_s
        assert _read(copy, f"{server.url}/a") == DATA


def _ports(pool: HttpPool) -> list[int]:
    return [connection.sock.getsockname()[1] for kept in pool._idle._kept.values() for connection in kept]


def _in_child(check: object) -> bool:
    assert callable(check)
    with warnings.catch_warnings():  # newer Pythons warn of what this test is about: threads in the parent
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            os._exit(0 if check() else 1)
        except BaseException:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


# TLS and proxies


def test_a_certificate_that_proves_nothing_is_told_as_such(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    with BadHttp(tls=certificates.server_context()) as server:
        server.objects["/a"] = DATA
        with closing(HttpPool(timeout_s=5.0)) as pool, pytest.raises(CredentialsError, match="not trusted"):
            pool.request("GET", f"{server.url}/a")
        with closing(HttpPool(timeout_s=5.0, tls=Tls(str(certificates.authority)))) as pool:
            for _ in range(2):
                assert _read(pool, f"{server.url}/a") == DATA


def test_what_is_meant_for_one_server_is_not_for_those_it_redirects_to(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    tls = Tls(str(certificates.authority), str(certificates.client("ours")))
    with BadHttp(tls=certificates.server_context()) as server, BadHttp(tls=certificates.server_context()) as other:
        server.objects["/a"] = other.objects["/a"] = DATA
        home, _ = split_url(server.url)
        with closing(pickle.loads(pickle.dumps(HttpPool(timeout_s=5.0, tls=tls, home=home)))) as pool:
            assert _read(pool, f"{server.url}/a") == DATA
            with pytest.raises(CredentialsError, match="not trusted"):
                pool.request("GET", f"{other.url}/a")


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(b"nothing")
    with BadHttp(tls=certificates.server_context()) as server, closing(HttpPool(tls=Tls(str(ca)))) as pool:
        server.objects["/a"] = DATA
        with pytest.raises(InvalidError, match="cannot be used for TLS"):
            pool.request("GET", f"{server.url}/a")
        ca.write_bytes(certificates.authority.read_bytes())
        assert _read(pool, f"{server.url}/a") == DATA
        with closing(HttpPool(tls=Tls(key=str(ca)))) as bare, pytest.raises(InvalidError, match="no certificate"):
            bare.request("GET", f"{server.url}/a")


def test_a_proxy_of_the_environment_is_asked(server: BadHttp, pool: HttpPool, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(answer(200, b"by proxy")) as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:pa%20ss@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        http_connect.way_to.cache_clear()
        try:
            assert _read(pool, "http://some.where:8080/x") == b"by proxy"
            assert _read(pool, f"{server.url}/a") == DATA
        finally:
            http_connect.way_to.cache_clear()
        assert proxy.targets() == ["GET http://some.where:8080/x"]
        assert proxy.received[0].headers["proxy-authorization"] == b"Basic dXNlcjpwYSBzcw=="
        assert proxy.received[0].headers["host"] == b"some.where:8080"


def test_a_proxy_that_refuses_a_tunnel_is_told(pool: HttpPool, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(answer(407)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        http_connect.way_to.cache_clear()
        try:
            with pytest.raises(StoreUnavailable, match=r"the proxy answers 407 when asked for some\.where:443"):
                pool.request("GET", "https://some.where/x")
        finally:
            http_connect.way_to.cache_clear()
        assert proxy.targets()[0] == "CONNECT some.where:443"
