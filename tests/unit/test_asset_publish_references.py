"""What counts as naming an object: rather too much than too little."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rainer.assets.collecting_candidates import Candidates
from rainer.assets.collecting_references import Unreadable, clean, named_by, names_in_file
from rainer.errors import InvalidError
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_parts import StoredManifest
from rainer.store.store import ObjectInfo

DIGEST = "a" * 64


def test_both_forms_and_overrides() -> None:
    manifest = Manifest(
        {
            "/a.csv": Entry("1.0.0"),
            "/b.csv": Entry("2.0.0", DIGEST, 3),
            "/c.csv": Entry("3.0.0", DIGEST, 3, override="s3://bucket/c.0.9.0.csv"),
        }
    )
    names = {("/a.csv", "1.0.0"), ("/b.csv", "2.0.0"), ("/c.csv", "3.0.0"), ("s3://bucket/c.0.9.0.csv", None)}
    assert named_by(manifest.to_bytes()) >= names
    assert named_by(manifest.to_bytes(short=True)) >= {("/a.csv", "1.0.0"), ("/b.csv", "2.0.0")}


def test_the_parts_of_a_large_one() -> None:
    entries = {f"/{number}.bin": Entry("1.2.3", DIGEST, number) for number in range(5_000)}
    payloads = StoredManifest("prod", Manifest(), {"prod": 0}, exists=False).change(entries)
    assert len(payloads) > 16
    named = set().union(*(named_by(payload) for payload in payloads.values()))
    assert named >= {(path, "1.2.3") for path in entries}


@pytest.mark.parametrize(
    "text",
    [
        '{"/a.csv": "1.0.0"}',
        '\ufeff  {"a.csv": "1.0.0"}',
        '{"manifest": "prod", "entries": {"/a.csv": {"sha256": "x", "version": "1.0.0"}}}',
        '{"/bad/../path": "1.0.0", "/a.csv": "1.0.0"}',
        '{"/a.csv": "1.0.0", "/a.csv": "1.0.1"}',
        '[[{"/a.csv": ["1.0.0", "1.1.0"]}]]',
        '{"/a.csv": {"version": "1.0.0", "sha256": 17, "surprise": null}}',
    ],
)
def test_whatever_pairs_a_name_with_a_version(text: str) -> None:
    assert ("/a.csv", "1.0.0") in {clean(named) for named in named_by(text.encode())}


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe\x00", b"a: 1.0.0", b"[" * 100_000, b"17", b'"1.0.0"'])
def test_what_names_nothing(payload: bytes) -> None:
    assert named_by(payload) == set()


@pytest.mark.parametrize("names", ['{"/a.csv": "1.0.0"}', '"s3://b/a.1.0.0"', '"s3:\\/\\/b\\/a", "\\u0031.0.0"'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_of_what_is_nested_too_deeply_nobody_can_tell(names: str, encoding: str, tmp_path: Path) -> None:
    payload = ("[" * 100_000 + names + "]" * 100_000).encode(encoding)
    with pytest.raises(Unreadable, match="nested too deeply"):
        named_by(payload)
    (tmp_path / "deep.json").write_bytes(payload)
    with pytest.raises(InvalidError, match=r"deep\.json cannot be read: it is nested too deeply"):
        names_in_file(tmp_path / "deep.json")


def test_what_no_asset_can_be_called() -> None:
    assert clean(("a/../b", "1.0.0")) is None
    assert clean(("a/b", "1.0.0")) == ("/a/b", "1.0.0")
    assert clean(("s3://b/a", None)) == ("s3://b/a", None)


def test_checked_in_files(tmp_path: Path) -> None:
    good, empty = tmp_path / "good.json", tmp_path / "empty.json"
    good.write_text(json.dumps({"/a.csv": "1.0.0"}))
    empty.write_text("{}")
    assert names_in_file(good) == {("/a.csv", "1.0.0")}
    with pytest.raises(InvalidError, match="names no assets"):
        names_in_file(empty)
    with pytest.raises(InvalidError, match="cannot be read"):
        names_in_file(tmp_path / "absent")


def _info(name: str) -> ObjectInfo:
    return ObjectInfo(f"memory://x{name}", 1, '"e"', None, datetime(2020, 1, 1, tzinfo=UTC))


def test_candidates_shrink_and_learn_which_paths_are_known() -> None:
    with Candidates() as candidates:
        for path, version in (("/a", "1.0.0"), ("/a", "1.1.0"), ("/b", "1.0.0"), ("/c", "1.0.0")):
            candidates.add(path, version, _info(f"{path}.{version}"))
        before = candidates.after("", 10)
        candidates.refer([("a", "1.0.0"), ("/b", "9.0.0"), ("memory://x/c.1.0.0", None), ("/../x", "1.0.0")])
        left = candidates.after("", 10)
        assert [(one.path, one.version, one.is_known) for one in left] == [("/a", "1.1.0", True), ("/b", "1.0.0", True)]
        assert [one.uri for one in candidates.still(before)] == [one.uri for one in left]
        assert candidates.after(left[0].uri, 10) == left[1:]
        assert [one.uri for one in candidates.after("", 1)] == [left[0].uri]


def test_an_object_put_in_place_of_another_is_told_from_it() -> None:
    with Candidates() as candidates:
        candidates.add("/a", "1.0.0", _info("/a.1.0.0"))
        (one,) = candidates.after("", 1)
    info = _info("/a.1.0.0")
    assert one.is_still(info)
    later = datetime(2020, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert not one.is_still(ObjectInfo(info.uri, 1, '"e"', None, later))
    assert not one.is_still(ObjectInfo(info.uri, 1, '"f"', None, info.mtime))
    assert not one.is_still(ObjectInfo(info.uri, 2, '"e"', None, info.mtime))
    assert not one.is_still(ObjectInfo(info.uri, 1, '"e"', None, None))
