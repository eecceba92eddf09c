"""`rainer asset` on many at once: lock files, lists, folders, what moved, and what no manifest names."""

from __future__ import annotations

import uuid
from pathlib import Path

from rainer.client import Client
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_parts import StoredManifest
from rainer.store import ServerStore
from tests.command_line import CommandLine, Result
from tests.integration.test_cli_asset import file, manifest, terminal
from tests.integration.test_cli_asset import rainer as rainer
from tests.integration.test_cli_asset import top as top
from tests.services.rainer import RainerServer

AWAY = "http://127.0.0.1:9/diary"


def add(rainer: CommandLine, path: str, contents: bytes) -> None:
    rainer.ok("asset", "add", path, file(rainer, contents))


def update(rainer: CommandLine, path: str, contents: bytes, *more: str) -> Result:
    return rainer.ok("asset", "update", path, file(rainer, contents), *more)


# Lock files


def test_a_lock_file_gives_the_same_bytes_without_the_server(rainer: CommandLine, top: str) -> None:
    add(rainer, f"{top}/a.csv", b"one")
    add(rainer, f"{top}/b.csv", b"b")
    made = rainer.ok("asset", "lock", "assets.lock")
    assert made.text == f"added\t{top}/a.csv\t\t1.0.0\t3\nadded\t{top}/b.csv\t\t1.0.0\t1\n"
    assert made.err.startswith(f"assets.lock: 2 assets of {manifest(rainer)}, revision ")
    update(rainer, f"{top}/a.csv", b"other")
    rainer.ok("asset", "prefetch", "assets.lock")
    assert rainer.ok("--url", AWAY, "asset", "cat", f"{top}/a.csv", "--lock", "assets.lock", "--offline").out == b"one"
    assert rainer.ok("asset", "cat", f"{top}/a.csv").out == b"other"
    assert rainer.ok("--url", AWAY, "asset", "ls", "--lock", "assets.lock").text == f"{top}/a.csv\n{top}/b.csv\n"
    moved = rainer.ok("asset", "lock", "assets.lock", "--json").json
    assert [(m["path"], m["change"], m["old"]["version"], m["new"]["size"]) for m in moved] == [
        (f"{top}/a.csv", "changed", "1.0.0", 5)
    ]
    assert rainer.ok("asset", "lock", "assets.lock").text == ""
    assert rainer.ok("asset", "lock", "some.lock", f"{top}/b*").text.splitlines() == [f"added\t{top}/b.csv\t\t1.0.0\t1"]


def test_what_is_no_lock_file_is_left_as_it_is(rainer: CommandLine, top: str) -> None:
    add(rainer, f"{top}/a", b"1")
    (rainer.folder / "precious.csv").write_text("mine")
    refused = rainer("asset", "lock", "precious.csv")
    assert (refused.code, "is not a lock file, and is left as it is" in refused.err) == (5, True)
    assert (rainer.folder / "precious.csv").read_text() == "mine"
    rainer.ok("asset", "lock", "a.lock")
    whole = (rainer.folder / "a.lock").read_text()
    (rainer.folder / "a.lock").write_text(whole.replace("1.0.0", "<<<<<<< HEAD"))
    broken = rainer("asset", "cat", f"{top}/a", "--lock", "a.lock")
    assert (broken.code, "hint:  make it anew with `rainer asset lock`" in broken.err) == (5, True)
    rainer.ok("asset", "lock", "a.lock")
    assert (rainer.folder / "a.lock").read_text() == whole
    assert rainer("asset", "lock", "no/folder/a.lock").code == 5
    assert rainer("asset", "lock", "b.lock", f"{top}/none").code == 4
    assert not (rainer.folder / "b.lock").exists()


# Prefetching


def test_prefetch_reads_the_ancestors_lists(rainer: CommandLine, top: str) -> None:
    for name in ("a.csv", "m/x", "m/y"):
        add(rainer, f"{top}/{name}", name.encode())
    elsewhere = (rainer.folder / file(rainer, b"in a bucket", "bucket/z")).as_uri()
    (rainer.folder / "list.yaml").write_text(f"- {elsewhere}\n- {top}/a.csv\n- '{top[1:]}/m/*'\n")
    rainer.ok("cache", "rm", "--all")
    assert rainer.ok("asset", "prefetch", "list.yaml").text == "4 files of 4 in the cache\n"
    for path in ("a.csv", "m/x", "m/y"):
        rainer.ok("asset", "path", f"{top}/{path}", "--offline")
    rainer.ok("cache", "get", elsewhere, "--offline")
    found = rainer.ok("asset", "prefetch", "-", "--json", stdin=f"[{top}/a.csv]".encode()).json
    assert [(one["name"], Path(one["path"]).read_bytes(), one["error"]) for one in found] == [
        (f"{top}/a.csv", b"a.csv", None)
    ]
    assert rainer.ok("asset", "prefetch").text == "3 files of 3 in the cache\n"
    assert rainer.ok("asset", "prefetch", "-", stdin=b"").text == "0 files of 0 in the cache\n"


def test_prefetch_fetches_the_rest_and_tells_what_failed(rainer: CommandLine, top: str) -> None:
    add(rainer, f"{top}/a.csv", b"1")
    gone = (rainer.folder / "gone").as_uri()
    (rainer.folder / "list.yaml").write_text(f"[{gone}, {top}/b.csv, '{top}/x*', {top}/a.csv]")
    result = rainer("asset", "prefetch", "list.yaml")
    assert (result.code, result.text) == (4, "1 file of 4 in the cache\n")
    for words in (f"{gone}: ", f"{top}/b.csv: manifest", f"nothing in the manifest is like {top}/x*"):
        assert words in result.err
    assert "note:  3 files could not be fetched; the others are in the cache" in result.err
    as_json = rainer("asset", "prefetch", "list.yaml", "--json")
    assert [one["error"] and one["error"]["code"] for one in as_json.json] == [
        "object-not-found", "asset-not-found", "asset-not-found", None,
    ]  # fmt: skip
    assert as_json.error["exit_code"] == 4
    assert rainer("asset", "prefetch", "none.yaml").code == 5


# Folders


def test_sync(rainer: CommandLine, top: str) -> None:
    add(rainer, f"{top}/a.csv", b"one")
    add(rainer, f"{top}/d/b.csv", b"b")
    assert rainer.ok("asset", "sync", "out").text == "synced out: 2 written, 0 unchanged, 0 removed\n"
    assert (rainer.folder / f"out{top}/d/b.csv").read_bytes() == b"b"
    update(rainer, f"{top}/a.csv", b"two")
    rainer.ok("asset", "rm", f"{top}/d/b.csv")
    assert rainer.ok("asset", "sync", "out").text == "synced out: 1 written, 0 unchanged, 1 removed\n"
    report = rainer.ok("asset", "sync", "out", "--json").json
    assert report == {
        "directory": "out", "placed": [], "unchanged": [f"{top}/a.csv"], "removed": [], "kept": [],
    }  # fmt: skip
    rainer.ok("asset", "rm", f"{top}/a.csv")
    (rainer.folder / f"out{top}/a.csv").write_bytes(b"changed by hand")
    kept = rainer.ok("asset", "sync", "out")
    assert kept.text == "synced out: 0 written, 0 unchanged, 0 removed, 1 kept\n"
    assert f"warning: out{top}/a.csv is no longer in the manifest, but was changed since: it is kept" in kept.err


# What moved


def test_diff(rainer: CommandLine, served: RainerServer, top: str) -> None:
    add(rainer, f"{top}/a", b"1")
    rainer.ok("asset", "lock", "first.lock")
    assert rainer.ok("asset", "diff").text == f"added\t{top}/a\t\t1.0.0\t1\n"
    update(rainer, f"{top}/a", b"22")
    add(rainer, f"{top}/b", b"b")
    rainer.ok("asset", "rm", f"{top}/b")
    key = manifest(rainer)
    revisions = [commit.revision for commit in Client(f"{served.url}/diary").log(key)][::-1]
    changed = f"changed\t{top}/a\t1.0.0\t1.1.0\t2\n"
    assert rainer.ok("asset", "diff").text == f"removed\t{top}/b\t1.0.0\t\t\n"
    for since in (str(revisions[0]), "v1", "first.lock"):
        assert rainer.ok("asset", "diff", since).text == changed
    assert rainer.ok("asset", "diff", "v1", "v3").text == changed + f"added\t{top}/b\t\t1.0.0\t1\n"
    assert rainer.ok("asset", "diff", "0", "v1").text == f"added\t{top}/a\t\t1.0.0\t1\n"
    nothing = rainer.ok("asset", "diff", "v2", "v4")
    assert nothing.err == f"nothing moved between {key}, revision {revisions[1]} and {key}, revision {revisions[3]}\n"
    rainer.ok("asset", "lock", "second.lock")
    (moved,) = rainer.ok("--url", AWAY, "asset", "diff", "first.lock", "second.lock", "--json").json
    assert (moved["change"], moved["old"]["version"], moved["new"]["version"]) == ("changed", "1.0.0", "1.1.0")
    for word, code in (("99999999", 4), ("v77", 4), ("nonsense", 5), ("none.lock", 5)):
        assert rainer("asset", "diff", word).code == code, word
    rainer.monkeypatch.setenv("RAINER_MANIFEST", f"m-{uuid.uuid4().hex}")
    assert rainer("asset", "diff").code == 4


def test_diff_of_a_large_manifest_shows_the_newest_changeset(
    rainer: CommandLine, served: RainerServer, top: str
) -> None:
    key, client = manifest(rainer), Client(f"{served.url}/diary", author="ann")
    many = {f"{top}/{number}": Entry("1.0.0", "a" * 64, 1) for number in range(5000)}
    payloads = StoredManifest(key, Manifest(), {}).change(many)
    assert len(payloads) > 8
    client.commit_many([client.draft(name, data, version=1, comment="all") for name, data in payloads.items()])
    file(rainer, b"x", "d/1")
    file(rainer, b"x", "d/4")
    file(rainer, b"x", "d/new")
    rainer.ok("asset", "update", "--under", top, "d", "--add")
    shown = rainer.ok("asset", "diff").text.splitlines()
    assert shown == [
        f"changed\t{top}/1\t1.0.0\t1.1.0\t1", f"changed\t{top}/4\t1.0.0\t1.1.0\t1", f"added\t{top}/new\t\t1.0.0\t1",
    ]  # fmt: skip
    assert len(rainer.ok("asset", "ls").text.splitlines()) == 5001


def test_diff_on_a_terminal(rainer: CommandLine, served: RainerServer, top: str) -> None:
    add(rainer, f"{top}/a", b"1")
    update(rainer, f"{top}/a", b"22")
    with terminal(rainer, served, "asset", "diff") as shown:
        assert shown.wait() == 0
        assert f"~  {top}/a  1.0.0  →  1.1.0  1 B → 2 B\n" in shown.text


# What no manifest names


def orphan(rainer: CommandLine, served: RainerServer, name: str) -> str:
    store = ServerStore(f"{served.url}/-/store")
    store.put(store.uri(name), b"left over", create_only=True)
    store.close()
    return store.uri(name)


def test_gc(rainer: CommandLine, served: RainerServer, top: str) -> None:
    add(rainer, f"{top}/a", b"1")
    update(rainer, f"{top}/a", b"2")
    left, foreign = orphan(rainer, served, f"{top}/a.9.0.0"), orphan(rainer, served, f"{top}/theirs.1.0.0")
    young = rainer.ok("asset", "gc", top, "--dry-run")
    assert (young.text, "4 too young to judge" in young.err) == ("", True)
    dry = rainer.ok("asset", "gc", top, "--dry-run", "--grace", "0")
    assert [(line.split("\t")[0], line.split("\t")[3]) for line in dry.text.splitlines()] == [
        (left, ""), (foreign, "foreign"),
    ]  # fmt: skip
    assert "2 unreferenced (18 B); nothing removed" in dry.err
    assert "1 object of paths that no manifest here knows stay" in dry.err
    nobody = rainer("asset", "gc", top, "--grace", "0")
    assert (nobody.code, "hint:  --dry-run lists what would go, --yes removes it" in nobody.err) == (2, True)
    done = rainer.ok("asset", "gc", top, "--grace", "0s", "-y", "--json").json
    assert (done["removed"], done["foreign"]) == (1, 1)
    assert {(one["uri"], one["is_known"]) for one in done["objects"]} == {(left, True), (foreign, False)}
    assert rainer.ok("asset", "ls-remote", top).text.splitlines() == [
        f"{top}/a\t1.0.0", f"{top}/a\t1.1.0", f"{top}/theirs\t1.0.0",
    ]  # fmt: skip
    (rainer.folder / "theirs.json").write_text(f'{{"{top}/theirs": "1.0.0"}}')
    kept = rainer.ok(
        "asset", "gc", top, "--grace", "0", "-y", "--foreign", "--also", "theirs.json", "--also", rainer_url(served)
    )
    assert (kept.text, "0 removed" in kept.err) == ("", True)
    assert rainer.ok("asset", "gc", top, "--grace", "0", "-y").text == "", "what stays is not listed as removed"
    rainer.ok("asset", "gc", top, "--grace", "0", "-y", "--foreign")
    assert rainer.ok("asset", "ls-remote", top).text == f"{top}/a\t1.0.0\n{top}/a\t1.1.0\n"


def rainer_url(served: RainerServer) -> str:
    return f"{served.url}/diary"


def test_gc_asks_at_a_terminal(rainer: CommandLine, served: RainerServer, top: str) -> None:
    add(rainer, f"{top}/a", b"1")
    left = orphan(rainer, served, f"{top}/a.9.0.0")
    with terminal(rainer, served, "asset", "gc", top, "--grace", "0") as shown:
        shown.answer("Remove 1 object from the server store for good? [y/n/?] ", "n")
        assert shown.wait() == 1
        assert left in shown.text
    assert "9.0.0" in rainer.ok("asset", "ls-remote", top).text
    with terminal(rainer, served, "asset", "gc", top, "--grace", "0") as shown:
        shown.answer("[y/n/?] ", "y")
        assert shown.wait() == 0
    assert rainer.ok("asset", "ls-remote", top).text == f"{top}/a\t1.0.0\n"
    with terminal(rainer, served, "asset", "gc", top, "--grace", "0") as shown:
        shown.expect("nothing to remove")
        assert shown.wait() == 1
