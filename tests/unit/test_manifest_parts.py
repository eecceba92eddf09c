"""Manifests in parts: a change rewrites one, growth rewrites all, and readers take any form."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.errors import InvalidError, InvalidManifest
from rainer.model import manifest_parts as parts
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_parts import PartedManifest, StoredManifest
from tests.unit.vectors import load

SHA256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"


def many(count: int) -> dict[str, Entry]:
    return {f"/models/{n % 100}/asset-{n}.bin": Entry("1.0.0", SHA256, n) for n in range(count)}


def stored(payloads: dict[str, bytes]) -> StoredManifest:
    count = parts.parts_named(payloads["prod"])
    if not count:
        return StoredManifest("prod", Manifest.parse(payloads["prod"]), {"prod": 1})
    found = PartedManifest([payloads.get(key, b"") for key in parts.part_keys("prod", count)])
    return StoredManifest("prod", found, {})


@pytest.fixture(scope="module")
def large() -> dict[str, bytes]:
    return StoredManifest("prod", Manifest(), {}, exists=False).change(many(parts.WHOLE_ENTRIES_MAX + 1))


def test_a_small_manifest_is_one_key() -> None:
    empty = StoredManifest("prod", Manifest(), {}, exists=False)
    assert empty.change({}) == {"prod": b"{}"}
    one = stored(empty.change(many(parts.WHOLE_ENTRIES_MAX)))
    assert one.parts == 0
    assert one.change({"/models/0/asset-0.bin": Entry("1.0.0", SHA256, 0)}) == {}
    assert set(one.change({"/models/0/asset-0.bin": Entry("1.0.1", SHA256, 0)})) == {"prod"}


def test_a_manifest_that_grows_large_is_split_in_one_changeset(large: dict[str, bytes]) -> None:
    assert large["prod"] == b'{"parts": 16}'
    assert set(large) == {"prod", *parts.part_keys("prod", 16)}
    assert stored(large).manifest == many(parts.WHOLE_ENTRIES_MAX + 1)


def test_a_change_of_one_entry_rewrites_one_part(large: dict[str, bytes]) -> None:
    before = stored(large)
    changed = before.change({"/new": Entry("1.0.0")})
    assert list(changed) == [before.key_of("/new")]
    after = stored(large | changed)
    assert after.manifest["new"] == Entry("1.0.0")
    assert len(after.manifest) == len(before.manifest) + 1
    assert stored(large | after.change({"/new": None})).manifest == before.manifest
    assert before.change({"/nobody": None}) == {}


def test_parts_that_grow_large_become_more_and_all_keys_are_written(
    large: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_PART_ENTRIES_MAX", 100)
    grown = stored(large).change({"/new": Entry("1.0.0")})
    count = parts.parts_named(grown["prod"])
    assert count == 32
    assert set(grown) == {"prod", *parts.part_keys("prod", count)}
    assert stored(grown).manifest == {**many(parts.WHOLE_ENTRIES_MAX + 1), "/new": Entry("1.0.0")}


def test_long_paths_split_a_manifest_by_its_size() -> None:
    long = {f"/{'d' * 200}/{'e' * 200}/{'f' * 200}/{n}": Entry("1.0.0") for n in range(2_000)}
    assert "prod.part-00" in StoredManifest("prod", Manifest(), {}).change(long)


def test_the_ancestors_form_is_never_split() -> None:
    short = StoredManifest("prod", Manifest(), {}).change(many(5_000), short=True)
    assert set(short) == {"prod"}
    assert Manifest.parse(short["prod"]).is_short


@pytest.mark.parametrize(("path", "count", "number"), load("manifests")["parts"])
def test_a_path_belongs_to_the_part_of_its_hash(path: str, count: int, number: int) -> None:
    assert parts.part_of(path, count) == number


def test_a_part_is_parsed_when_it_is_needed_and_only_then(large: dict[str, bytes]) -> None:
    number = parts.part_of("/models/0/asset-0.bin", 16)
    other = (number + 1) % 16
    found = stored(large | {parts.part_key("prod", other): b"{broken"}).manifest
    assert found["/models/0/asset-0.bin"].size == 0
    with pytest.raises(InvalidManifest, match=f"part {other:02x}: the manifest is not JSON"):
        len(found)


def test_an_entry_in_the_wrong_part_is_refused() -> None:
    payloads = [b"{}", b"{}"]
    payloads[1 - parts.part_of("/a", 2)] = b'{"/a": "1.0.0"}'
    manifest = PartedManifest(payloads)
    assert "/a" not in manifest
    with pytest.raises(InvalidManifest, match="belongs to another part"):
        manifest.check()


def test_parts_replaced_leave_the_others_as_they_were() -> None:
    manifest = PartedManifest([b"", b""])
    number = parts.part_of("/a", 2)
    other = manifest.part(1 - number)
    after = manifest.with_parts({number: b'{"/a": "1.0.0"}'})
    assert (dict(manifest), dict(after)) == ({}, {"/a": Entry("1.0.0")})
    assert after.part(1 - number) is other
    assert after.get("a") == Entry("1.0.0")
    assert after.get("/\ud800") is None


@pytest.mark.parametrize("head", ['{"parts": 0}', '{"parts": 257}', '{"parts": true}', '{"parts": 1, "a": "1.0.0"}'])
def test_a_head_that_makes_no_sense_is_refused(head: str) -> None:
    with pytest.raises(InvalidManifest, match="the manifest's head says"):
        parts.parts_named(head.encode())


def test_an_asset_may_be_called_parts() -> None:
    for payload in ('{"parts": "1.0.0"}', '{"parts": {"version": "1.0.0"}}', '{"/parts": "1.0.0"}'):
        assert parts.parts_named(payload.encode()) == 0


def test_a_parts_key_is_no_manifests() -> None:
    assert parts.manifest_of_part("prod.part-0a") == "prod"
    assert parts.manifest_of_part("prod.part-0A") is None
    for key in ("prod.part-00", "a/b", "x" * 250):
        with pytest.raises(InvalidError):
            parts.check_manifest_key(key)


@given(st.dictionaries(st.from_regex(r"/[a-z]{1,8}", fullmatch=True), st.just(Entry("1.0.0"))), st.integers(1, 256))
def test_a_manifest_in_parts_is_the_same_mapping(entries: dict[str, Entry], count: int) -> None:
    payloads: list[dict[str, str]] = [{} for _ in range(count)]
    for path in entries:
        payloads[parts.part_of(path, count)][path] = "1.0.0"
    manifest = PartedManifest([json.dumps(payload).encode() for payload in payloads])
    assert manifest == entries
    assert manifest.check().whole() == entries
