"""`rainer propose`, `proposals`, `proposal show`, `approve` and `reject`, as two people use them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainer import Mirror
from rainer.access import AccessOptions
from rainer.api import create_app
from rainer.client import Client
from rainer.journal import Journal
from rainer.service import ServiceOptions
from tests.command_line import CommandLine, Result, editor_script
from tests.integration.hosted import hosted
from tests.integration.proposing import BOOTSTRAP_TOKEN, POLICY

pytestmark = pytest.mark.may_leak("the server runs in this process, and begins its threads when it needs them")
BASE = b"a: 1\nb: 2\nc: 3\nd: 4\ne: 5\n"
MINE = BASE.replace(b"b: 2", b"b: two")


class Two:
    """Alice and Bob at one command line; `client` is Alice's."""

    def __init__(self, rainer: CommandLine, client: Client, tokens: dict[str, str]) -> None:
        self.rainer, self.client, self.tokens = rainer, client, tokens

    def __call__(self, who: str, *arguments: str, stdin: bytes = b"", editor: str | None = None) -> Result:
        self.rainer.monkeypatch.setenv("RAINER_TOKEN", self.tokens[who])
        return self.rainer(*arguments, stdin=stdin, editor=editor)

    def proposed(self, *arguments: str, stdin: bytes = b"") -> str:
        """The id of what Alice proposes."""
        done = self("alice", "propose", *arguments, "--json", stdin=stdin)
        assert done.code == 0, done.err
        return str(done.json["id"])


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, dict[str, str]]]:
    """A server's URL, and tokens."""
    access = AccessOptions(is_on=True, bootstrap_token=BOOTSTRAP_TOKEN)
    with Journal("memory:") as journal, hosted(create_app(journal, ServiceOptions(access=access))) as url:
        with Client(f"{url}/rainer", token=BOOTSTRAP_TOKEN) as boss:
            boss.create_namespace("rainer", format="yaml")
            boss.create_namespace("prod")
            boss.commit("policy", POLICY.encode(), version=1)
            boss.commit("rules", b'rules: [{on: "prod/db*", approvals: 1}]', version=1)
            tokens = {name: boss.create_token(name)["token"] for name in ("alice", "bob", "carol")}
        yield url, tokens


@pytest.fixture
def two(served: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Two]:
    url, tokens = served
    rainer = CommandLine(monkeypatch, tmp_path, f"{url}/prod")
    monkeypatch.delenv("RAINER_AUTHOR")  # it is whose token it is
    with Client(f"{url}/prod", token=tokens["alice"]) as client:
        yield Two(rainer, client, tokens)


def test_one_proposes_another_looks_and_approves(two: Two) -> None:
    refused = two("alice", "commit", "db.first", "-m", "why", stdin=b"1\n")
    assert (refused.code, "approval" in refused.err, "rainer propose db.first" in refused.err) == (6, True, True)
    made = two("alice", "propose", "db.first", "-m", "a first one", stdin=b"1\n")
    assert (made.code, "proposed prod/db.first version 1: p" in made.err) == (0, True)
    proposal = made.err.rsplit("rainer approve ", 1)[1].strip()
    listed = two("bob", "proposals", "--here").text
    assert f"{proposal}  prod/db.first version 1  alice" in listed
    assert "0 of 1 approvals" in listed
    assert "a first one" in listed
    shown = two("bob", "proposal", "show", proposal).text
    assert shown.startswith(f"proposal {proposal}  open, 0 of 1 approvals\nAuthor: alice\nDate: ")
    assert shown.endswith("    a first one\n\n--- prod/db.first 0\n+++ prod/db.first 1 (proposed)\n@@ -0,0 +1 @@\n+1\n")
    own = two("alice", "approve", "-y", proposal)
    assert (own.code, "nobody approves their own" in own.err) == (6, True)
    unsure = two("bob", "approve", proposal, stdin=b"n\n")
    assert (unsure.code, "+1" in unsure.err) == (1, True)
    done = two("bob", "approve", proposal, "-m", "good", stdin=b"y\n")
    assert (done.code, "committed prod/db.first version 1 by alice, revision" in done.err) == (0, True)
    assert "approved by bob" in two("carol", "log", "db.first").text
    assert ": good\nAuthor: alice" in two("carol", "proposal", "show", proposal).text
    assert two("carol", "log", "db.first", "--json").json[0]["approvedBy"] == "bob"
    late = two("carol", "approve", "-y", proposal)
    assert (late.code, "approved by bob before" in late.err) == (3, True)
    assert proposal in two("carol", "proposals", "--state", "committed").text
    assert two("carol", "proposals", "--state", "stale", "--json").json == []


def test_a_rejection_says_why(two: Two) -> None:
    proposal = two.proposed("db.rejected", "-m", "why", "--remove")
    assert two("bob", "reject", proposal).code == 2
    assert two("bob", "reject", proposal, "-m", "why not?").code == 0
    assert "rejected by bob: why not?" in two("alice", "proposal", "show", proposal).text
    assert two("alice", "approve", "-y", proposal, "--json").error["code"] == "proposal-decided"
    assert two("alice", "proposal", "show", "pnothing").code == 4
    open_one = two.proposed("db.rejected", "-m", "why", stdin=b"1")
    assert two("alice", "reject", open_one, "-m", "a mistake").code == 0


def test_again_on_what_is_there_now(two: Two) -> None:
    two.client.commit("again", BASE, version=1)
    two.client.commit("touching", BASE, version=1)
    apart, touching = (two.proposed(key, "-m", "two", stdin=MINE) for key in ("again", "touching"))
    assert two("alice", "propose", "--again", apart).code == 2  # it is open
    two.client.commit("again", BASE.replace(b"e: 5", b"e: five"), version=2)
    two.client.commit("touching", BASE.replace(b"c: 3", b"c: three"), version=2)
    stale = two("bob", "approve", "-y", apart)
    assert (stale.code, f"rainer propose --again {apart}" in stale.err) == (3, True)
    anew = two.proposed("--again", apart)
    assert two("bob", "approve", "-y", anew).code == 0
    assert two.client.get("again").payload == MINE.replace(b"e: 5", b"e: five")
    assert two.client.get("again").comment == "two"
    refused = two("alice", "propose", "--again", touching)
    assert (refused.code, "prod/touching" in refused.err, "--propose" in refused.err) == (3, True, True)
    two.client.commit("touching", MINE, version=3)
    assert two("alice", "propose", "--again", touching).code == 1  # all of it is there


def test_what_was_changed_in_a_checkout(two: Two, tmp_path: Path) -> None:
    for key in ("f.same", "f.changed", "f.gone", "f.moved"):
        two.client.commit(key, BASE, version=1)
    folder = tmp_path / "out"
    assert two("alice", "checkout", "--prefix", "f.", str(folder)).code == 0
    assert two("alice", "propose", "--folder", str(folder), "-m", "why").code == 1
    (folder / "f.changed").write_bytes(MINE)
    (folder / "f.gone").unlink()
    (folder / "f.new").write_bytes(b"new")
    (folder / ".hidden").write_bytes(b"no key")
    some = json.loads(two("alice", "propose", "--folder", str(folder), "-m", "why", "--json").out)
    assert [(one["key"], one["version"]) for one in some["keys"]] == [("f.changed", 2)]
    proposal = two.proposed("--folder", str(folder), "--all", "-m", "why")
    assert two("bob", "approve", "-y", proposal).code == 0
    heads = two.client.heads(prefix="f.", include_empty=True)
    assert {key: (head.version, head.payload) for key, head in heads.items()} == {
        "f.same": (1, BASE), "f.changed": (2, MINE), "f.gone": (2, None), "f.new": (1, b"new"), "f.moved": (1, BASE)
    }  # fmt: skip
    two.client.commit("f.moved", b"theirs", version=2)
    (folder / "f.moved").write_bytes(b"mine")
    refused = two("alice", "propose", "--folder", str(folder), "-m", "why")
    assert (refused.code, "f.moved" in refused.err) == (3, True)


def test_prepared_and_json_and_the_editor(two: Two, tmp_path: Path) -> None:
    ready = two("alice", "prepare", "db.prepared").out.replace(b"comment: ''", b"comment: prepared")
    first = two.proposed("db.prepared", "--prepared", stdin=ready + b"payload")
    shown = two("bob", "proposal", "show", "--json", first).json
    assert (shown["comment"], shown["commits"][0]["payload_utf8"]) == ("prepared", "payload")
    file = tmp_path / "changeset.json"
    commits = [{"namespace": "prod", "key": key, "version": 1, "payload_utf8": "j"} for key in ("db.j1", "db.j2")]
    file.write_text(json.dumps({"comment": "both", "commits": commits}))
    both = two.proposed("--changeset", str(file))
    assert two("bob", "approve", "-y", both).code == 0
    assert (two.client.get("db.j1").payload, two.client.get("db.j2").comment) == (b"j", "both")
    editor = editor_script(tmp_path, "text = text.replace(b'j', b'edited')")
    edited = two("alice", "edit", "--propose", "-y", "-m", "by hand", "db.j1", "--json", editor=editor)
    assert edited.code == 0, edited.err
    assert two("bob", "approve", "-y", edited.json["id"]).code == 0
    assert two.client.get("db.j1").payload == b"edited"


@pytest.mark.parametrize(
    "arguments", [[], ["k", "--folder", "."], ["--again", "p1", "--remove"], ["k", "--again", "p1"]]
)
def test_what_to_propose_is_said_once(two: Two, arguments: list[str]) -> None:
    assert two("alice", "propose", *arguments, "-m", "why").code == 2
    assert two("alice", "propose", "k", stdin=b"").code == 2


def test_who_approves_may_wait_for_the_mirrors(two: Two, served: tuple[str, dict[str, str]]) -> None:
    url, tokens = served
    proposal = two.proposed("db.waited", "-", "-m", "x", stdin=b"1")
    alone = two("bob", "approve", "-y", proposal, "--wait", "1", "--wait-timeout-s", "0.01")
    assert (alone.code, f"proposal {proposal} is committed and stands" in alone.err) == (7, True), alone
    proposal = two.proposed("db.waited", "-", "-m", "x", stdin=b"2")
    with Mirror.http(f"{url}/prod", token=tokens["carol"]) as mirror:
        done = two("bob", "approve", "-y", proposal, "--wait", "100%")
        assert (done.code, "applied by 1 of 1 mirrors of prod" in done.err) == (0, True), done
        assert mirror["db.waited"].payload == b"2"
