"""Permissions as users meet them: the command line, mirrors, mirror servers and `--wait`, on real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from rainer.api.mirror_app import ROUTES
from rainer.client import Client
from rainer.mirror import Mirror
from tests.command_line import CommandLine
from tests.integration.wire import Answer, ask
from tests.services.mirror_server import MirrorServer
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until

BOOTSTRAP: Final = "a-bootstrap-token-of-these-tests"
ROOT: Final = {"who": ["root@example.com"], "may": ["admin"], "on": ["*"]}
MIRROR: Final = {"who": ["the-mirror"], "may": ["read"], "on": ["*"]}


class Guarded:
    """A server that asks who one is, its policy, and tokens."""

    def __init__(self, server: RainerServer) -> None:
        self.server, self.url = server, server.url
        self.root = Client(f"{server.url}/diary", token=BOOTSTRAP)
        self.system = self.root.in_namespace("rainer")
        self.tokens: dict[str, str] = {}

    def token(self, name: str) -> str:
        if name not in self.tokens:
            self.tokens[name] = self.root.create_token(name)["token"]
        return self.tokens[name]

    def enact(self, *grants: dict[str, Any]) -> None:
        """Put a policy in force; root's, the mirror's and these grants."""
        payload = json.dumps({"grants": [ROOT, MIRROR, *grants]}).encode()
        self.system.commit("policy", payload, version=self.system.get("policy").version + 1)

    def commit(self, key: str, payload: bytes = b"1") -> None:
        found = self.root.heads(include_empty=True).get(key)
        self.root.commit(key, payload, version=1 if found is None else found.version + 1)


def reads(who: str, *on: str) -> dict[str, Any]:
    return {"who": [who], "may": ["read"], "on": list(on)}


@pytest.fixture(scope="module")
def guarded(_guardian: None) -> Iterator[Guarded]:
    with RainerServer(environment={"RAINER_IDENTITY": "yes", "RAINER_BOOTSTRAP_TOKEN": BOOTSTRAP}) as server:
        found = Guarded(server)
        found.root.create_namespace("rainer", format="yaml")
        found.system.commit("policy", json.dumps({"grants": [ROOT, MIRROR]}).encode(), version=1)
        for key in ("app.a", "app.b", "db.a"):
            found.commit(key)
        yield found
        found.root.close()


@pytest.fixture(scope="module")
def mirror_server(guarded: Guarded) -> Iterator[MirrorServer]:
    """A mirror server that asks, too."""
    token = guarded.token("the-mirror")
    guarded.enact()
    with MirrorServer(
        "--identity", "--url", f"{guarded.url}/diary", environment={"RAINER_TOKEN": token}
    ) as mirror:  # fmt: skip
        wait_until(lambda: ask(mirror.url, "GET", "/-/readyz").status == 200, 20, "the mirror server is ready")
        yield mirror


def asked(url: str, path: str, token: str | None = None, method: str = "GET") -> Answer:
    return ask(url, method, path, {} if token is None else {"Authorization": f"Bearer {token}"})


@pytest.mark.usefixtures("_guardian")
def test_a_first_policy_is_made_and_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with RainerServer(environment={"RAINER_IDENTITY": "yes", "RAINER_BOOTSTRAP_TOKEN": BOOTSTRAP}) as server:
        line = CommandLine(monkeypatch, tmp_path, f"{server.url}/diary")
        monkeypatch.setenv("RAINER_TOKEN", BOOTSTRAP)
        made = line.ok("policy", "init")
        assert "ann@example.com may administer everything" in made.err
        again = line("policy", "init")
        assert (again.code, "there is a policy" in again.err) == (3, True)
        ann = json.loads(line.ok("token", "create", "ann@example.com", "--json").text)["token"]
        monkeypatch.setenv("RAINER_TOKEN", ann)
        monkeypatch.delenv("RAINER_AUTHOR")
        for arguments, word, because in (
            (("me", "write", "diary/a"), "yes", "grant 1 (line 7): ann@example.com may admin on *"),
            (("ann@example.com", "force"), "no", "no grant gives it on anything"),
            (("bob", "read", "diary"), "no", "no grant is for bob"),
        ):
            told = line("can", *arguments)
            assert (told.text, told.code) == (f"{word}: {because}\n", 0 if word == "yes" else 6)
        assert line("can", "me", "force", "--json").json["allowed"] is False
        wrong = line("can", "me", "read", "a b")
        assert (wrong.code, "not allowed" in wrong.err) == (5, True)
        with_mistake = b"grants:\n  - {who: [ann@example.com], may: [amdin], on: ['*']}\n"
        refused = line("--url", f"{server.url}/rainer", "commit", "policy", "-", "-m", "x", stdin=with_mistake)
        assert refused.code == 5
        assert "line 2, column 36" in refused.err
        assert "did you mean admin?" in refused.err
        status = line.ok("status").text
        assert server.database in status
        server.stop()


def test_a_mirror_holds_what_it_may_read_whatever_becomes_of_that(guarded: Guarded) -> None:
    guarded.enact(reads("follower", "diary/app.*"))
    with Mirror.http(f"{guarded.url}/diary", token=guarded.token("follower")) as mirror:
        assert sorted(mirror) == ["app.a", "app.b"]
        guarded.commit("db.a", b"secret")
        guarded.commit("app.a", b"told")
        wait_until(lambda: mirror["app.a"].payload == b"told", 10, "what it may read comes")
        assert "db.a" not in mirror
        guarded.enact(reads("follower", "diary/*"))
        wait_until(lambda: "db.a" in mirror, 10, "what it may read now, and was committed before, comes too")
        guarded.enact(reads("follower", "diary/app.a"))
        wait_until(lambda: sorted(mirror) == ["app.a"], 10, "what it may not read any more goes")
        guarded.enact()
        wait_until(lambda: mirror.error is not None, 10, "it hears that it may read nothing")
        assert sorted(mirror) == ["app.a"]  # what a program holds nobody takes from it


def test_a_mirror_that_starts_from_a_snapshot_sees_what_it_may_read_since(guarded: Guarded, tmp_path: Path) -> None:
    guarded.enact(reads("follower", "diary/app.*"))
    options: dict[str, Any] = {"token": guarded.token("follower"), "snapshot": str(tmp_path / "snapshot")}
    with Mirror.http(f"{guarded.url}/diary", **options) as mirror:
        assert "db.a" not in mirror
    guarded.enact(reads("follower", "diary/*"))
    with Mirror.http(f"{guarded.url}/diary", **options) as mirror:
        wait_until(lambda: "db.a" in mirror, 10, "what it may read now comes")


OPEN: Final = ("/-/healthz", "/-/readyz", "/-/openapi.json", "/-/whoami")
PATHS: Final = {
    "/-/can": "/-/can?who=x&may=read", "/-/changes": "/-/changes?namespace=diary", "/-/mirrors": "/-/mirrors",
    "/-/mirrors/{id}": "/-/mirrors/m?namespace=diary", "/{namespace}": "/diary", "/{namespace}/{key}": "/diary/app.a",
    "/{namespace}/{key}/meta": "/diary/app.a/meta", "/{namespace}/{key}/log": "/diary/app.a/log",
    "/{namespace}/{key}/{version}": "/diary/app.a/1", "/{namespace}/{key}/{version}/meta": "/diary/app.a/1/meta",
    "/-/metrics": "/-/metrics", "/-/status": "/-/status",
}  # fmt: skip


def test_a_mirror_server_asks_as_the_server_does(guarded: Guarded, mirror_server: MirrorServer) -> None:
    guarded.enact(reads("alice", "diary/app.*"), reads("stranger", "rainer/rules"))
    alice, stranger = guarded.token("alice"), guarded.token("stranger")
    url = mirror_server.url
    wait_until(lambda: asked(url, "/diary/app.a", alice).status == 200, 10, "the mirror server has the policy")
    for method, path, *_ in ROUTES:
        if method in ("GET", "DELETE") and path not in OPEN:
            assert path in PATHS, f"{method} {path} has no example: say in PATHS how it is called"
            own = asked(url, PATHS[path], alice, method).status
            assert own != 401, path
            assert (own == 403) == (path == "/-/can"), (path, own)  # about others, admins are told
            is_open = path in ("/-/metrics", "/-/status", "/-/mirrors")
            assert (asked(url, PATHS[path], stranger, method).status == 403) != is_open, path
            assert asked(url, PATHS[path], None, method).status == 403, path
            asked(url, PATHS[path], "rnr_aaaaaaaa_" + "x" * 43, method).problem(401, "unauthenticated")
    assert asked(url, "/diary/db.a", alice).status == 403
    assert sorted(asked(url, "/diary", alice).json()) == ["app.a", "app.b"]
    assert sorted(asked(url, "/diary?limit=1", alice).json()) == ["app.a"]
    assert asked(url, "/-/whoami", alice).json() == {"name": "alice", "source": "token", "groups": []}
    assert asked(url, "/diary", BOOTSTRAP).status == 200


def test_a_mirror_server_s_feed_shows_what_its_reader_may_read(guarded: Guarded, mirror_server: MirrorServer) -> None:
    guarded.enact(reads("alice", "diary/app.*"))
    alice = guarded.token("alice")
    wait_until(lambda: asked(mirror_server.url, "/diary", alice).status == 200, 10, "the policy is there")
    with Mirror.http(f"{mirror_server.url}/diary", token=alice) as mirror:
        guarded.commit("db.a", b"secret")
        guarded.commit("app.b", b"told again")
        wait_until(lambda: mirror["app.b"].payload == b"told again", 10, "what may be read comes")
        assert sorted(mirror) == ["app.a", "app.b"]
        guarded.enact(reads("alice", "diary/*"))
        wait_until(lambda: "db.a" in mirror, 10, "what may be read now comes")


@pytest.mark.usefixtures("_guardian")
def test_a_server_without_a_bootstrap_token_begins_with_its_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line = CommandLine(monkeypatch, tmp_path)
    with RainerServer(arguments=("--identity",)) as server:
        assert "rainer policy init --admin NAME --database URL" in server.output
        monkeypatch.setenv("RAINER_URL", f"{server.url}/diary")
        database = ("--database", server.database)
        monkeypatch.setenv("RAINER_TOKEN", line.ok("token", "create", "root", *database).text.strip())
        denied = line("policy", "init", "--admin", "root")
        assert (denied.code, "--database URL" in denied.err) == (6, True), denied
        assert line("policy", "init", *database).code == 2
        line.ok("policy", "init", "--admin", "root", *database)
        again = line("policy", "init", "--admin", "root", *database)
        assert (again.code, "there is a policy" in again.err) == (3, True), again
        wait_until(lambda: line("token", "list").code == 0, 20, "the server knows the policy")


def test_a_committer_waits_for_mirrors_that_he_cannot_read_with(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    guarded.enact({"who": ["writer"], "may": ["write"], "on": ["diary/w"]}, reads("follower", "diary/*"))
    line = CommandLine(monkeypatch, tmp_path, f"{guarded.url}/diary")
    monkeypatch.delenv("RAINER_AUTHOR")
    monkeypatch.setenv("RAINER_TOKEN", guarded.token("writer"))
    with Mirror.http(f"{guarded.url}/diary", token=guarded.token("follower")):
        done = line("commit", "w", "-", "-m", "x", "--version", "1", "--wait", "100%", stdin=b"1")
        assert done.code == 0, done
        assert "applied by" in done.err
        denied = line("commit", "app.a", "-", "-m", "x", "--version", "99", stdin=b"1")
        assert (denied.code, "writer may not write diary/app.a" in denied.err) == (6, True)


def test_a_mirror_server_goes_on_while_the_server_is_away(guarded: Guarded, mirror_server: MirrorServer) -> None:
    """Last of all, for the server does not come back."""
    guarded.enact(reads("alice", "diary/app.*"))
    alice, url = guarded.token("alice"), mirror_server.url
    wait_until(lambda: asked(url, "/diary/app.a", alice).status == 200, 10, "the policy is there")
    late = guarded.token("late")
    guarded.root.close()
    guarded.server.stop()
    wait_until(lambda: asked(url, "/diary/app.a", late).status == 503, 10, "whoever was not known before is not let in")
    assert asked(url, "/diary/app.a", alice).status == 200
    assert asked(url, "/diary/db.a", alice).status == 403
