"""`rainer cache` on folders: what it prints, what it removes, how it ends. The store is a folder, too."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest

from rainer.cache import AssetCache
from tests.command_line import CommandLine


@pytest.fixture
def rainer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    monkeypatch.setenv("RAINER_CACHE_DIR", str(tmp_path / "cache"))
    return CommandLine(monkeypatch, tmp_path)


def url(rainer: CommandLine, name: str, contents: bytes = b"contents") -> str:
    file = rainer.folder / "store" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(contents)
    return file.as_uri()


def cached(rainer: CommandLine, name: str, contents: bytes = b"contents") -> tuple[str, Path]:
    uri = url(rainer, name, contents)
    return uri, Path(rainer.ok("cache", "get", uri).text.rstrip("\n"))


def test_get_fetches_and_checks(rainer: CommandLine) -> None:
    uri, path = cached(rainer, "a.csv", b"one")
    assert (path.name, path.read_bytes()) == ("a.csv", b"one")
    url(rainer, "a.csv", b"other")
    assert rainer.ok("cache", "get", uri).text == f"{path}\n"
    found = rainer.ok("cache", "get", "-f", uri, "--json").json
    assert (found["uri"], found["size"], found["stale"]) == (uri, 5, False)
    assert found["sha256"] == hashlib.sha256(b"other").hexdigest()
    assert Path(found["path"]).read_bytes() == b"other"


def test_path_asks_nobody(rainer: CommandLine) -> None:
    assert rainer.ok("cache", "path").text == f"{rainer.folder}/cache\n"
    uri = url(rainer, "a.csv")
    missing = rainer("cache", "path", uri)
    assert (missing.code, missing.out) == (7, b"")
    assert f"error: {uri} is not in the cache ({rainer.folder}/cache/refs/" in missing.err
    path = rainer.ok("cache", "get", uri).text
    (rainer.folder / "store/a.csv").unlink()
    assert rainer.ok("cache", "path", uri).text == path


def test_ls(rainer: CommandLine) -> None:
    assert rainer.ok("cache", "ls").text == ""
    a, path = cached(rainer, "d/a.csv", b"12345")
    b, _ = cached(rainer, "b.csv", b"x")
    with AssetCache(rainer.folder / "cache") as cache:
        by_digest = cache.add(rainer.folder / "store/d/a.csv", name="other").path
        own = cache.add(write(rainer, "own", b"own"), name="own").path
    assert by_digest.parent == path.parent
    assert rainer.ok("cache", "ls").text.splitlines() == sorted([str(own), a, b])
    assert rainer.ok("cache", "ls", a).text == f"{a}\n"
    name, size, age, used, state = rainer.ok("cache", "ls", "-l", a).text.rstrip("\n").split("\t")
    assert (name, size, int(age) < 60, used[-1], state) == (a, "5", True, "Z", "")
    (found,) = rainer.ok("cache", "ls", a, "--json").json
    assert found.pop("age_s") < 60
    assert abs(found.pop("used_at") - time.time()) < 60
    digest = hashlib.sha256(b"12345").hexdigest()
    assert found == {
        "uri": a, "path": str(path), "size": 5, "outdated": False, "sha256": digest, "held": False,
    }  # fmt: skip


def write(rainer: CommandLine, name: str, contents: bytes) -> Path:
    file = rainer.folder / name
    file.write_bytes(contents)
    return file


def test_ls_tells_what_is_outdated_or_held(rainer: CommandLine) -> None:
    uri, _ = cached(rainer, "a", b"1")
    other, _ = cached(rainer, "b", b"2")
    with AssetCache(rainer.folder / "cache") as cache:
        cache.invalidate(uri)
        with cache.hold([hashlib.sha256(b"2").hexdigest()]):
            lines = rainer.ok("cache", "ls", "-l").text.splitlines()
            assert [line.split("\t")[-1] for line in lines] == ["outdated", "held"]
            assert rainer.ok("cache", "ls", uri, "--json").json[0]["age_s"] is None
            kept = rainer("cache", "rm", other)
            assert (kept.code, kept.text) == (1, "removed 0 files, kept 1 that are held, pinned or have another URL\n")
            assert "hint:  end what uses it" in kept.err


def test_rm(rainer: CommandLine) -> None:
    a, path = cached(rainer, "d/a", b"1")
    cached(rainer, "d/b", b"2")
    c, c_path = cached(rainer, "e/c", b"3")
    folder = a.rpartition("/")[0]
    assert rainer.ok("cache", "rm", a).text == "removed 1 file\n"
    assert not path.exists()
    gone = rainer("cache", "rm", a)
    assert (gone.code, gone.out) == (4, b"")
    assert f"error: the cache has nothing of {a}\nhint:  `rainer cache ls`" in gone.err
    assert rainer("cache", "rm", folder).code == 4, "only --under removes a tree"
    assert rainer.ok("cache", "rm", "--under", f"{folder}/", "--json").json == {"removed": 1, "kept": 0}
    assert rainer("cache", "rm", "--under", folder).code == 4
    assert rainer.ok("cache", "ls").text == f"{c}\n"
    assert rainer.ok("cache", "rm", str(c_path)).text == "removed 1 file\n"
    assert rainer("cache", "rm", str(rainer.folder / "store/e/c")).code == 4
    assert (rainer.folder / "store/e/c").exists()


def test_rm_all(rainer: CommandLine) -> None:
    for number in range(3):
        cached(rainer, f"f{number}", bytes([number]))
    with AssetCache(rainer.folder / "cache") as cache:
        cache.add(write(rainer, "own", b"own"))
        cache.pin("kept", [hashlib.sha256(b"\x00").hexdigest()])
    assert (
        rainer.ok("cache", "rm", "--all").text == "removed 3 files, kept 1 that are held, pinned or have another URL\n"
    )
    again = rainer("cache", "rm", "--all")
    assert (again.code, again.text) == (1, "removed 0 files, kept 1 that are held, pinned or have another URL\n")


def test_rm_wants_one_thing_and_a_cache_that_may_be_written(rainer: CommandLine) -> None:
    uri, path = cached(rainer, "a")
    for words in ((), (uri, "--all"), ("--all", "--under", uri)):
        assert rainer("cache", "rm", *words).code == 2
    refused = rainer("cache", "rm", uri, "--cache-read-only")
    assert refused.code == 6
    assert "is only read" in refused.err
    assert path.exists()


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"C" + path.read_bytes()[1:])


def test_verify(rainer: CommandLine) -> None:
    _, path = cached(rainer, "a", b"contents")
    cached(rainer, "b", b"other")
    whole = rainer.ok("cache", "verify")
    assert (whole.text, whole.err) == ("", "whole: 2 files, every digest as it must be\n")
    damage(path)
    digests = [hashlib.sha256(data).hexdigest() for data in (b"contents", b"Contents")]
    for words, told, is_there in ((("--keep",), "left where they are", True), ((), "removed", False)):
        found = rainer("cache", "verify", *words)
        assert (found.code, found.text) == (9, "\t".join([str(path), *digests]) + "\n")
        assert f"error: 1 file is damaged, and {told}\n" in found.err
        assert "hint:  " in found.err
        assert path.exists() is is_there
    rainer.ok("cache", "verify")


def test_verify_as_json(rainer: CommandLine) -> None:
    assert rainer.ok("cache", "verify", "--json").json == []
    _, path = cached(rainer, "a")
    damage(path)
    found = rainer("cache", "verify", "--json")
    (one,) = found.json
    assert (found.code, one["path"], one["sha256"]) == (9, str(path), path.parent.name)
    assert found.error["code"] == "corrupt"


def test_gc(rainer: CommandLine) -> None:
    import os

    paths = [cached(rainer, f"f{number}", bytes([number]) * 1000)[1] for number in range(4)]
    for age, path in enumerate(reversed(paths), 1):
        then = time.time() - 3600 * age
        os.utime(path.parent, (then, then))
    dry = rainer.ok("cache", "gc", "--size-max", "2000", "--dry-run")
    assert dry.text == "would remove 2 files (2.0 KiB) and 0 temporary; 2.0 KiB stay\n"
    assert all(path.exists() for path in paths)
    done = rainer.ok("cache", "gc", "--size-max", "2KB", "--json").json
    assert done == {"removed": 2, "freed_bytes": 2000, "kept_bytes": 2000, "temporary": 0, "dry_run": False}
    assert [path.exists() for path in paths] == [False, False, True, True]
    assert rainer.ok("cache", "gc").text == "removed 0 files (0 B) and 0 temporary; 2.0 KiB stay\n"
    assert rainer.ok("cache", "gc", "--cache-bytes-max", "1000").text.startswith("removed 1 file ")
    assert rainer("cache", "gc", "--size-max", "much").code == 2


def test_info(rainer: CommandLine) -> None:
    cached(rainer, "a", b"x" * 2048)
    with AssetCache(rainer.folder / "cache") as cache:
        cache.pin("service", [hashlib.sha256(b"x" * 2048).hexdigest()])
    lines = dict(line.split(maxsplit=1) for line in rainer.ok("cache", "info").text.splitlines())
    assert lines["directory"] == f"{rainer.folder}/cache"
    assert lines["files"] == "1 (1 held or pinned)"
    assert lines["size"].startswith("2.0 KiB of 50.0 GiB")
    assert lines["pins"] == "service (1)"
    found = rainer.ok("cache", "info", "--json", "--cache-bytes-max", "1GiB").json
    assert (found["files"], found["size_bytes"], found["size_bytes_max"]) == (1, 2048, 1024**3)
    assert found["pins"] == {"service": 1}


def test_unpin(rainer: CommandLine) -> None:
    cached(rainer, "a", b"x")
    with AssetCache(rainer.folder / "cache") as cache:
        for label in ("one", "two", "of three words"):
            cache.pin(label, [hashlib.sha256(b"x").hexdigest()])
    absent = rainer("cache", "unpin", "one", "none")
    assert (absent.code, "no label 'none'" in absent.err, "rainer cache info" in absent.err) == (4, True, True)
    assert rainer.ok("cache", "unpin", "one").text == "unpinned one\n"
    assert rainer.ok("cache", "unpin", "of three words", "--json").json == {"unpinned": ["of three words"]}
    assert rainer("cache", "unpin", "two", "--cache-read-only").code == 6
    assert rainer.ok("cache", "info", "--json").json["pins"] == {"two": 1}
    assert rainer.ok("cache", "unpin", "--all").text == "unpinned two\n"
    assert rainer("cache", "unpin", "--all").code == 1
    for words in ((), ("one", "--all")):
        assert "either LABELs or --all" in rainer("cache", "unpin", *words).err


def test_offline_and_stale(rainer: CommandLine) -> None:
    uri, path = cached(rainer, "a")
    (rainer.folder / "store").rename(rainer.folder / "away")
    assert rainer.ok("cache", "get", uri, "--offline").text == f"{path}\n"
    other = url(rainer, "b")
    missing = rainer("cache", "get", other, "--offline", "--json")
    assert (missing.code, missing.error["code"]) == (7, "not-cached")
    assert "rainer asset prefetch" in missing.error["hint"]
    listed = (rainer.folder / "cache/missing_assets.yaml").read_text()
    assert listed == f"- {other}\n"
    rainer.ok("asset", "prefetch", "cache/missing_assets.yaml")
    rainer.ok("cache", "get", other, "--offline")
    assert json.loads(rainer("cache", "get", "no-url", "--json").err)["code"] == "invalid-uri"
