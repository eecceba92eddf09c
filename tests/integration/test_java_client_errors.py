"""What is refused, lost or unknown raises the same in Java as in Python, by code, hint, facts and what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rainer.client import Client
from rainer.errors import RainerError, VersionConflict
from rainer.model.position import Position
from tests.integration.clients import client_of_a_new_namespace
from tests.services.bad_http import BadHttp
from tests.services.java_driver import JavaDriver, JavaError, draft
from tests.services.machine import free_port
from tests.services.proxy import Proxy
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until
from tests.unit.certificates import Certificates

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("java")]

IMPATIENT = {"timeout_s": 3.0, "answer_s": 0.5, "retries": 1}
_SOCKETS = Path("/proc/net/tcp")
OTHER_LINEAGE = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def client(served: RainerServer) -> Iterator[Client]:
    """The Python client of a namespace of the test's own, in which `hey` has one version."""
    for client in client_of_a_new_namespace(served):
        client.commit("hey", b"1", version=1)
        yield client


@dataclass(frozen=True)
class Both:
    """One server and namespace, asked by both clients."""

    python: Client
    java: JavaDriver

    def refuse(self, by_python: Callable[[Client], object], call: str, **arguments: Any) -> JavaError:
        """What Java throws, having compared it with what Python raises."""
        with pytest.raises(RainerError) as python:
            by_python(self.python)
        with pytest.raises(JavaError) as java:
            self.java.call(call, self.python.url, **arguments)
        expected, found = python.value, java.value
        assert (found.code, found.hint, found.retryable) == (expected.code, expected.hint, expected.retryable)
        assert found.message == expected.message
        if isinstance(expected, VersionConflict):
            assert found.conflicts == [conflict.as_dict() for conflict in expected.conflicts]
        else:
            assert found.details == expected.details
        return found


@pytest.fixture
def both(client: Client, java_driver: JavaDriver) -> Both:
    return Both(client, java_driver)


def test_a_conflict(both: Both) -> None:
    for version in (1, 3):
        made = draft("hey", version, b"x", author="me")
        both.refuse(lambda c, v=version: c.commit("hey", b"x", version=v), "commit", draft=made)
    both.refuse(lambda c: c.commit("größe", None, version=2), "commit", draft=draft("größe", 2, None, author="me"))


def test_a_changeset_with_several_conflicts_names_all(both: Both) -> None:
    wrong = [{"key": "hey", "payload": b"", "version": 7}, {"key": "né", "payload": b"", "version": 2}]
    drafts = [draft("hey", 7, b"", author="me"), draft("fine", 1, b"", author="me"), draft("né", 2, b"", author="me")]
    fine = {"key": "fine", "payload": b"", "version": 1}
    found = both.refuse(lambda c: c.commit_many([wrong[0], fine, wrong[1]]), "commit_many", drafts=drafts)
    assert len(found.conflicts) == 2
    assert both.java.call("find", both.python.url, key="fine") is None


def test_what_is_not_there(both: Both) -> None:
    both.refuse(lambda c: c.get("absent"), "get", key="absent")
    both.refuse(lambda c: c.get("hey", 9), "get", key="hey", version=9)
    both.refuse(lambda c: c.log("absent"), "log", key="absent")
    nowhere = Both(both.python.in_namespace("nowhere"), both.java)
    for call, by_python in (("heads", Client.heads), ("changes", Client.changes)):
        nowhere.refuse(by_python, call)
    nowhere.refuse(lambda c: c.get("hey"), "find", key="hey")
    nowhere.refuse(lambda c: c.commit("a", b"", version=1), "commit", draft=draft("a", 1, b"", author="me"))


def test_a_position_that_the_journal_does_not_hold(both: Both) -> None:
    here = both.python.changes().position
    for gone in (
        Position(OTHER_LINEAGE, here.revision, here.chain),
        Position(here.lineage, here.revision, b"\xab" * 32),
        Position(here.lineage, here.revision + 1000, here.chain),
    ):
        where = {"since": gone.revision, "lineage": gone.lineage, "chain": gone.chain.hex()}
        found = both.refuse(lambda c, w=where: c.changes(**w), "changes", position=str(gone))
        assert found.code == "position-gone"
    both.refuse(lambda c: c.heads(at=10**9), "heads", at=10**9)


def test_what_a_namespace_does_not_take(both: Both) -> None:
    name = f"{both.python.namespace_name}-json"
    both.python.create_namespace(name, format="json", payload_bytes_max=1000)
    json = Both(both.python.in_namespace(name), both.java)
    broken = b'{"a": 1,\n "b": }'
    found = json.refuse(lambda c: c.commit("k", broken, version=1), "commit", draft=draft("k", 1, broken, author="me"))
    assert (found.code, found.details["line"]) == ("malformed-payload", 2)
    large = b'"%s"' % (b"x" * 3_000_000)  # over the namespace's limit, and far too much for the sockets' buffers
    found = json.refuse(lambda c: c.commit("k", large, version=1), "commit", draft=draft("k", 1, large, author="me"))
    assert found.code == "too-large"


def test_what_is_refused_before_anything_is_sent(both: Both) -> None:
    for key in ("", "..", "a/b", "😀", "x" * 256):
        made = {"key": key, "version": 1, "payload": None, "author": "me"}
        both.refuse(lambda c, k=key: c.commit(k, None, version=1), "commit", draft=made)
    both.refuse(lambda c: c.commit("a", b"", version=0), "commit", draft=draft("a", 0, b"", author="me"))
    both.refuse(
        lambda c: c.commit("a", b"", version=1, author="a\nb"), "commit", draft=draft("a", 1, b"", author="a\nb")
    )
    long = "x" * 65_537
    both.refuse(
        lambda c: c.commit("a", b"", version=1, comment=long),
        "commit", draft=draft("a", 1, b"", author="me", comment=long),
    )  # fmt: skip
    both.refuse(
        lambda c: c.commit("a", b"", version=1, commit_id="a b"),
        "commit", draft=draft("a", 1, b"", author="me"), commit_id="a b",
    )  # fmt: skip
    both.refuse(lambda c: c.commit_many([]), "commit_many", drafts=[])
    with pytest.raises(JavaError, match="nobody is named as the author") as java:
        both.java.call("commit", both.python.url, draft=draft("a", 1, b""))
    assert java.value.code == "invalid"


def test_a_commit_id_is_for_one_commit(both: Both) -> None:
    made = {"draft": draft("id", 1, b"x", author="me", comment="语 one"), "commit_id": "mine-1"}
    first = both.java.call("commit", both.python.url, **made)
    assert both.java.call("commit", both.python.url, **made) == first
    assert both.python.commit("id", b"x", version=1, comment="语 one", commit_id="mine-1").revision == first["revision"]
    other = {"draft": draft("id", 1, b"y", author="me"), "commit_id": "mine-1"}
    found = both.refuse(lambda c: c.commit("id", b"y", version=1, commit_id="mine-1"), "commit", **other)
    assert found.code == "commit-id-reused"


def test_a_server_that_is_not_there(both: Both) -> None:
    url = f"http://127.0.0.1:{free_port()}/diary"
    made = draft("a", 1, b"", author="me")
    with Client(url, retries=0) as nobody:
        for call, by_python, arguments in (
            ("get", lambda c: c.get("hey"), {"key": "hey"}),
            (
                "commit",
                lambda c: c.commit("a", b"", version=1, author="me"),
                {"draft": made},
            ),
        ):
            found = _message_apart(Both(nobody, both.java), by_python, call, **arguments, retries=0)
            assert (found.code, found.retryable) == ("unavailable", True)


def test_a_certificate_that_is_not_trusted(java_driver: JavaDriver, tmp_path: Path) -> None:
    with BadHttp(tls=Certificates(tmp_path).server_context()) as server:
        with pytest.raises(JavaError, match="is not trusted") as java:
            java_driver.call("commit", f"{server.url}/diary", draft=draft("a", 1, b"", author="me"))
        assert (java.value.code, server.asked) == ("unavailable", [])


def _message_apart(both: Both, by_python: Callable[[Client], object], call: str, **arguments: Any) -> JavaError:
    """As `Both.refuse`, where the words of the system or of a library stand in the message."""
    with pytest.raises(RainerError) as python:
        by_python(both.python)
    with pytest.raises(JavaError) as java:
        both.java.call(call, both.python.url, **arguments)
    assert (java.value.code, java.value.hint) == (python.value.code, python.value.hint)
    assert java.value.details.keys() == python.value.details.keys()
    return java.value


@pytest.fixture
def proxied(served: RainerServer, client: Client) -> Iterator[tuple[Proxy, str]]:
    """A network that the test may break before the server, and the namespace's URL through it."""
    with Proxy(served.port) as proxy:
        yield proxy, f"http://127.0.0.1:{proxy.port}/{client.namespace_name}"


def test_an_answer_that_never_comes_is_an_unknown_outcome_and_the_id_finds_it(
    both: Both, proxied: tuple[Proxy, str]
) -> None:
    proxy, url = proxied
    proxy.hang(requests=False)
    with Client(url, author="me", timeout_s=3, read_timeout_s=0.5, retries=1) as python:
        found = _message_apart(
            Both(python, both.java),
            lambda c: c.commit("python", b"x", version=1, commit_id="python-1"),
            "commit", draft=draft("java", 1, b"x", author="me"), commit_id="java-1", **IMPATIENT,
        )  # fmt: skip
    assert found.code == "outcome-unknown"
    assert (found.details["commit_id"], found.details["key"], found.details["version"]) == ("java-1", "java", 1)
    proxy.heal()
    stored = both.python.get("java")
    again = both.java.call("commit", url, draft=draft("java", 1, b"x", author="me"), commit_id="java-1")
    assert again["revision"] == stored.revision


def test_a_connection_cut_after_the_request_is_repeated_and_the_commit_made_once(
    both: Both, proxied: tuple[Proxy, str]
) -> None:
    proxy, url = proxied
    proxy.hang(requests=False)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(both.java.call, "commit", url, draft=draft("cut", 1, b"x", author="me", comment="語\n"))
        wait_until(lambda: "cut" in both.python.heads(), 10, "the commit whose answer hangs")
        proxy.drop()
        proxy.heal()
        made = sent.result()
    assert [commit.revision for commit in both.python.log("cut")] == [made["revision"]]


@pytest.mark.skipif(not _SOCKETS.exists(), reason=f"no {_SOCKETS}, which tells that a request has arrived")
def test_a_server_killed_with_the_request_leaves_an_unknown_outcome(java_driver: JavaDriver) -> None:
    with RainerServer() as server, ThreadPoolExecutor(2) as pool:
        url = f"{server.url}/diary"
        java_driver.call("commit", url, draft=draft("hey", 1, b"1", author="me"), retries=1)
        server.pause()  # the request lies in its socket, and nobody answers
        sent = pool.submit(
            java_driver.call, "commit", url, draft=draft("hey", 2, b"2", author="me"), retries=1, timeout_s=20.0
        )
        wait_until(lambda: _has_received(server), 10, "the request in the server's socket")
        server.kill()
        with pytest.raises(JavaError) as java:
            sent.result()
        assert (java.value.code, java.value.retryable) == ("outcome-unknown", False)
        server.start()
        assert java_driver.call("get", url, key="hey", retries=5)["version"] == 1
        made = java_driver.call("commit", url, draft=draft("hey", 2, b"2", author="me"), retries=1)
        assert made["version"] == 2


def _has_received(server: RainerServer) -> bool:
    """Whether bytes wait in a connection of the server that it has not read, as Linux tells it."""
    local = f":{server.port:04X}"
    rows = [line.split() for line in _SOCKETS.read_text().splitlines()[1:]]
    return any(row[1].endswith(local) and row[4].partition(":")[2] != "00000000" and row[3] == "01" for row in rows)
