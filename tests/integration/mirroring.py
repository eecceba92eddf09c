"""What the tests of mirror servers ask again and again."""

from __future__ import annotations

from typing import Any

from rainer.client import Client
from tests.integration.wire import Answer, ask
from tests.services.mirror_server import MirrorServer
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until


def follow(server: RainerServer, namespaces: str = "diary") -> MirrorServer:
    """A mirror server of another server, not started yet."""
    return MirrorServer("--url", f"{server.url}/diary", "--namespaces", namespaces)


def client_of(server: RainerServer) -> Client:
    return Client(f"{server.url}/diary", author="me", timeout_s=10)


def wait_for_head(server: RainerServer, key: str, version: int, timeout_s: float = 10) -> Answer:
    """Until a server answers with this version of a key."""

    def look() -> Answer | None:
        answer = ask(server.url, "GET", f"/diary/{key}")
        return answer if answer.header("X-Rainer-Version") == str(version) else None

    return wait_until(look, timeout_s, lambda: f"{key} {version}: {ask(server.url, 'GET', f'/diary/{key}')}")


def status_of(server: RainerServer) -> dict[str, Any]:
    """What a mirror server says of its first namespace."""
    found: dict[str, Any] = ask(server.url, "GET", "/-/status").json()["mirrored"][0]
    return found


def listed(server: RainerServer, namespace: str = "diary") -> list[dict[str, Any]]:
    """The mirrors that a server knows of."""
    found: list[dict[str, Any]] = ask(server.url, "GET", f"/-/mirrors?namespace={namespace}").json()["mirrors"]
    return found


def wait_until_listed(
    server: RainerServer, count: int, revision: int = 0, timeout_s: float = 8
) -> list[dict[str, Any]]:
    """Until that many mirrors report that they hold a revision."""

    def look() -> bool:
        return len([one for one in listed(server) if one["revision"] >= revision]) == count

    wait_until(look, timeout_s, lambda: f"{count} mirrors at {revision}: {listed(server)}")
    return listed(server)
