"""Mirrors of mirrors: what a commit reaches, what stays when all above is gone, and who is listed at the root."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from rainer.mirror.mirror import Mirror
from tests.command_line import CommandLine
from tests.integration.mirroring import (
    client_of,
    follow,
    listed,
    status_of,
    wait_for_head,
    wait_until_listed,
)
from tests.integration.wire import ask, commit
from tests.services.mirror_server import MirrorServer
from tests.services.rainer import RainerServer
from tests.services.waiting import wait_until


class Tree:
    """serve ← mirror ← mirror ← a mirror in this program."""

    def __init__(self, stack: ExitStack, snapshot: Path) -> None:
        self.root = stack.enter_context(RainerServer())
        assert commit(self.root.url, "k", 1, b"first").status == 200
        self.middle = stack.enter_context(follow(self.root))
        self.lower = stack.enter_context(follow(self.middle))
        wait_for_head(self.lower, "k", 1)
        self.leaf = Mirror.http(f"{self.lower.url}/diary", snapshot=snapshot)
        stack.enter_context(closing(self.leaf))
        self.leaf.start()


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    with ExitStack() as stack:
        yield Tree(stack, tmp_path / "snapshot")


def test_a_commit_reaches_the_leaf_as_a_whole(tree: Tree) -> None:
    halves: list[tuple[str, str]] = []
    pairs = ("a", "b")

    def look(*_change: Any) -> None:
        heads = tree.leaf.snapshot()
        halves.extend((key, other) for key, other in (pairs, pairs[::-1]) if key in heads and other not in heads)

    tree.leaf.on_change(look)
    with client_of(tree.root) as client:
        client.commit_many([client.draft(key, b"1", version=1) for key in pairs])
    assert tree.leaf.wait_for("b", 1, timeout_s=10).payload == b"1"  # type: ignore[union-attr]
    assert tree.leaf["a"].payload == b"1"
    assert tree.leaf.revision == 3
    assert not halves
    with client_of(tree.root) as client:
        client.commit("a", None, version=2)
    assert tree.leaf.wait_for("a", 2, timeout_s=10) is None
    wait_until(lambda: ask(tree.lower.url, "GET", "/diary/a").status == 404, 10, "the removal")


def test_everything_above_is_killed_and_reads_go_on(tree: Tree) -> None:
    wait_until(lambda: tree.leaf.state == "current", 10, "a current leaf")
    tree.root.kill()
    # The mirrors between still answer, and yet nobody takes them for the truth of today.
    wait_until(lambda: status_of(tree.lower)["state"] == "stale", 25, lambda: f"stale: {status_of(tree.lower)}")
    wait_until(lambda: tree.leaf.state == "stale", 10, lambda: f"stale: {tree.leaf!r}, {tree.leaf.age_s:.1f} s")
    assert tree.leaf["k"].payload == b"first"
    first = float(ask(tree.lower.url, "GET", "/diary/k").header("X-Rainer-Age") or 0)
    assert first > 10
    tree.middle.kill()
    wait_until(
        lambda: float(ask(tree.lower.url, "GET", "/diary/k").header("X-Rainer-Age") or 0) > first + 1, 10, "more age"
    )
    tree.lower.kill()
    age_s = tree.leaf.age_s
    assert age_s > first
    assert tree.leaf["k"].payload == b"first"
    wait_until(lambda: tree.leaf.age_s > age_s, 5, "the leaf ages")
    tree.lower.start()  # with nothing above it: from its snapshot
    answer = wait_for_head(tree.lower, "k", 1)
    assert (answer.body, answer.header("X-Rainer-Cached")) == (b"first", "Yes")
    assert float(answer.header("X-Rainer-Age") or 0) > first
    assert ask(tree.lower.url, "GET", "/-/readyz").status == 200
    assert status_of(tree.lower)["state"] == "stale"
    tree.root.start()
    assert commit(tree.root.url, "k", 2, b"second").status == 200
    tree.middle.start()
    assert tree.leaf.wait_for("k", 2, timeout_s=20).payload == b"second"  # type: ignore[union-attr]
    wait_until(lambda: tree.leaf.state == "current", 10, lambda: repr(tree.leaf))


def test_a_restarted_mirror_is_followed_on(tree: Tree) -> None:
    tree.middle.restart()
    tree.lower.pause()
    assert commit(tree.root.url, "k", 2, b"second").status == 200
    tree.lower.resume()
    assert tree.leaf.wait_for("k", 2, timeout_s=15) is not None
    tree.middle.stop()
    assert "Traceback" not in tree.middle.output + tree.lower.output


def test_the_whole_tree_is_listed_at_the_root(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = wait_until_listed(tree.root, 3, revision=1)
    assert {one["via"] for one in found} == {"http"}
    assert {one["pid"] for one in found} >= {tree.middle.pid, tree.lower.pid}
    assert {(one["state"], one["lag_revisions"], one["lag_s"], one["error"]) for one in found} == {
        ("current", 0, 0, "")
    }
    assert len(wait_until_listed(tree.middle, 2, revision=1)) == 2
    rainer = CommandLine(monkeypatch, tmp_path, f"{tree.root.url}/diary")
    assert len(rainer.ok("status", "--json").json["mirrors"]) == 3
    rows = [line.split() for line in rainer.ok("status").text.splitlines() if line.startswith("diary ")]
    assert sorted(int(row[2]) for row in rows) == sorted(one["pid"] for one in found)
    below = rainer.ok("--url", f"{tree.lower.url}/diary", "status").text
    assert "mirrored" in below
    assert "diary, current, revision 1, 1 keys" in below
    tree.leaf.close()
    wait_until_listed(tree.root, 2)


def test_a_mirror_that_is_killed_is_forgotten_and_one_that_hangs_is_behind(tree: Tree) -> None:
    wait_until_listed(tree.root, 3, revision=1)
    tree.lower.pause()
    assert commit(tree.root.url, "k", 2).status == 200

    def behind() -> list[dict[str, Any]]:
        return [one for one in listed(tree.root) if one["lag_revisions"] == 1 and one["lag_s"] > 0]

    wait_until(lambda: len(behind()) == 2, 5, lambda: f"two behind: {listed(tree.root)}")
    tree.lower.resume()
    tree.lower.kill()
    wait_until_listed(tree.root, 1, timeout_s=16)


def test_wait_returns_when_the_share_has_applied_it(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_until_listed(tree.root, 3, revision=1)
    monkeypatch.setenv("RAINER_CACHE_DIR", str(tmp_path / "cache"))
    rainer = CommandLine(monkeypatch, tmp_path, f"{tree.root.url}/diary")
    result = rainer.ok("commit", "k", "-", "-m", "why", "--wait", "100%", stdin=b"second")
    assert "applied by 3 of 3 mirrors of diary" in result.err
    assert tree.leaf["k"].payload == b"second"
    tree.middle.pause()
    result = rainer("commit", "k", "-", "-m", "why", "--wait", "95%", "--wait-timeout-s", "1", stdin=b"third")
    assert result.code == 7
    assert "0 of 3 mirrors of diary have applied revision 3; 3 were wanted" in result.err
    assert f"(pid {tree.middle.pid}, http) is at revision 2, 1 behind for" in result.err
    assert "version 3 of 'k' is committed and stands" in result.err
    told = rainer("uncommit", "k", "-y", "--json", "--wait", "1", "--wait-timeout-s", "0.2")
    assert (told.code, told.error["code"], told.error["retryable"]) == (7, "not-applied", False)
    assert told.json["version"] == 4
    assert len(told.error["behind"]) == 3
    (tmp_path / "file").write_bytes(b"1")
    late = rainer("asset", "add", "/a", "file", "--json", "--wait", "2", "--wait-timeout-s", "0.2")
    assert (late.code, late.error["code"], late.json["version"]) == (7, "not-applied", "1.0.0")
    tree.middle.resume()
    assert rainer("revert", "k", "-y", "--wait", "3", stdin=b"").code == 0
    for words in (("update", "/a", "file"), ("override", "/a", "/tmp/a"), ("rm", "/a")):
        assert "applied by 3 of 3 mirrors of diary" in rainer.ok("asset", *words, "--wait", "100%").err


def test_with_no_mirror_there_is_nobody_to_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RainerServer() as server:
        rainer = CommandLine(monkeypatch, tmp_path, f"{server.url}/diary")
        result = rainer.ok("commit", "k", "-", "-m", "why", "--wait", "95%", stdin=b"1")
        assert "no mirror of diary reports" in result.err
        result = rainer("commit", "k", "-", "-m", "why", "--wait", "2", "--wait-timeout-s", "0.5", stdin=b"2")
        assert (result.code, "0 of 0 mirrors" in result.err) == (7, True)
        for share in ("0%", "101%", "many", "-1", "0"):
            assert rainer("commit", "k", "-", "-m", "why", "--wait", share, stdin=b"2").code == 2
        assert "none reports to this server" in rainer.ok("status").text


def test_workers_share_what_mirrors_report(tmp_path: Path) -> None:
    with RainerServer(workers=3) as server, ExitStack() as stack:
        assert commit(server.url, "k", 1).status == 200
        mirrors = [stack.enter_context(Mirror.http(f"{server.url}/diary")) for _ in range(4)]
        wait_until_listed(server, 4, revision=1)
        # Whichever worker is asked.
        assert {len(listed(server)) for _ in range(20)} == {4}
        mirrors[0].close()
        wait_until(lambda: {len(listed(server)) for _ in range(20)} == {3}, 5, "three mirrors, from each worker")
        assert "Traceback" not in server.output


def test_mirrors_of_published_trees_and_their_followers(zookeeper_hosts: str) -> None:
    zookeeper = ("--zookeeper", zookeeper_hosts, "--zookeeper-path", "/r")
    with ExitStack() as stack:
        server = stack.enter_context(RainerServer(arguments=zookeeper))
        assert commit(server.url, "k", 1, b"first").status == 200
        mirror = stack.enter_context(MirrorServer(*zookeeper))
        wait_for_head(mirror, "k", 1, timeout_s=20)
        leaf = stack.enter_context(Mirror.http(f"{mirror.url}/diary"))
        assert leaf["k"].payload == b"first"
        assert commit(server.url, "k", 2, b"second").status == 200
        assert leaf.wait_for("k", 2, timeout_s=10) is not None
        found = wait_until_listed(server, 2, revision=2)
        assert sorted(one["via"] for one in found) == ["http", "zookeeper"]
        assert ask(mirror.url, "POST", "/diary/k/3").problem(403, "denied", "ZooKeeper", "/r")
        mirror.stop()
        wait_until_listed(server, 0, timeout_s=10)
        server.stop()
        assert "Traceback" not in server.output + mirror.output
