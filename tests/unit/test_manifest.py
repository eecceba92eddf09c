"""Manifests in both forms: read, written, merged; and what is wrong in them told with its place."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.errors import InvalidError, InvalidManifest
from rainer.model.manifest import Entry, Manifest, merge_entries
from tests.unit.vectors import load, name_of, raw

VECTORS = load("manifests")
SHA256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

entries = st.builds(
    Entry,
    st.sampled_from(["1.0.0", "1.2.5"]),
    st.none() | st.just(SHA256),
    st.none() | st.integers(0, 2**63 - 1),
    st.none() | st.sampled_from(["/tmp/x", "s3://b/x"]),
)
some_entries = st.dictionaries(st.sampled_from([f"/{name}" for name in "abcdef"]), entries)


def entries_of(spelt: dict[str, dict[str, Any]]) -> dict[str, Entry]:
    return {path: Entry(**members) for path, members in spelt.items()}


@pytest.mark.parametrize("vector", VECTORS["read"], ids=name_of)
def test_a_manifest_is_read(vector: dict[str, Any]) -> None:
    manifest = Manifest.parse(raw(vector))
    assert manifest.check() == entries_of(vector["entries"])
    assert len(manifest) == len(vector["entries"])
    assert Manifest.parse(manifest.to_bytes()) == manifest


@pytest.mark.parametrize("vector", VECTORS["write"], ids=name_of)
def test_a_manifest_is_written_as_exactly_these_bytes(vector: dict[str, Any]) -> None:
    manifest = Manifest(entries_of(vector["entries"]))
    assert manifest.to_bytes(short=vector.get("short", False)) == raw(vector)


@pytest.mark.parametrize("vector", VECTORS["broken"], ids=name_of)
def test_a_broken_manifest_is_refused_with_its_place(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidManifest) as caught:
        Manifest.parse(raw(vector))
    assert caught.value.details.get("line") == vector.get("line", caught.value.details.get("line"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("vector", VECTORS["broken_entries"], ids=name_of)
def test_a_broken_entry_harms_only_those_who_ask_for_it(vector: dict[str, Any]) -> None:
    manifest = Manifest.parse(raw(vector))
    assert manifest["/ok"] == Entry("1.0.0")
    with pytest.raises(InvalidManifest, match=r'\$\["/a"\], line') as caught:
        manifest["/a"]
    assert caught.value.details == {"path": '$["/a"]', "line": vector.get("line", 1)}
    with pytest.raises(InvalidManifest):
        manifest.check()


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"/a": {"size": %s}}' % (b"9" * 5000)], ids=["deep", "huge"])
def test_a_manifest_made_to_hurt_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidManifest, match="not JSON that can be read"):
        Manifest.parse(data)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidManifest):
        assert len(Manifest.parse(data).check()) < 10


def test_paths_are_found_with_and_without_their_slash() -> None:
    manifest = Manifest({"foo/bar.csv": Entry("1.0.0")})
    assert manifest["foo/bar.csv"] is manifest["/foo/bar.csv"]
    assert "foo/bar.csv" in manifest
    assert "/foo/bar.csv" in manifest
    assert ("/foo" in manifest, None in manifest, manifest.get("x"), list(manifest)) == (
        False, False, None, ["/foo/bar.csv"],
    )  # fmt: skip
    with pytest.raises(KeyError):
        manifest[None]  # type: ignore[index]


def test_a_manifest_does_not_change() -> None:
    one = Manifest({"/a": Entry("1.0.0")})
    two = one.with_entry("b", Entry("2.0.0")).with_entry("/a", None).with_entry("/nobody", None)
    assert (dict(one), dict(two)) == ({"/a": Entry("1.0.0")}, {"/b": Entry("2.0.0")})
    with pytest.raises(InvalidError):
        one.with_entry("/../a", Entry("1.0.0"))


def test_a_manifest_knows_whether_the_ancestors_tools_can_read_it() -> None:
    short = Manifest.parse(b'{"/a": "1.0.0", "/b": "/tmp/x"}')
    assert short.is_short
    assert short.check().with_entry("/c", Entry("1.0.0")).is_short
    assert not short.with_entry("/c", Entry("1.0.0", SHA256)).is_short
    assert not short.with_entry("/c", Entry("1.0.0", override="/tmp/x")).is_short
    for same in (manifest := Manifest.parse(b'{"/a": {"version": "1.0.0"}}'), manifest.check()):
        assert same.is_short
    for same in (manifest := Manifest.parse(b'{"/a": {"version": "1.0.0", "size": 1}}'), manifest.check()):
        assert not same.is_short


@pytest.mark.parametrize("members", [{}, {"sha256": SHA256}, {"override": "x"}, {"override": "/tmp/\n"}])
def test_an_entry_that_cannot_be_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        Entry(**members)


@given(some_entries)
def test_what_is_written_is_read_back(some: dict[str, Entry]) -> None:
    manifest = Manifest(some)
    assert Manifest.parse(manifest.to_bytes()) == manifest
    short = Manifest.parse(manifest.to_bytes(short=True))
    assert {p: (e.override, None if e.override else e.version) for p, e in short.items()} == {
        p: (e.override, None if e.override else e.version) for p, e in some.items()
    }


@given(some_entries, some_entries, some_entries)
def test_a_merge_has_everybodys_changes(
    base: dict[str, Entry], ours: dict[str, Entry], theirs: dict[str, Entry]
) -> None:  # fmt: skip
    merged = merge_entries(base, ours, theirs)
    for path in {**base, **ours, **theirs}:
        before, mine, other, now = (some.get(path) for some in (base, ours, theirs, merged.manifest))
        if path in merged.conflicts:
            assert mine not in (before, other)
            assert other != before
            assert now == other
        else:
            assert now == (other if mine == before else mine)


def test_two_adders_both_stay_and_two_bumps_conflict() -> None:
    base = Manifest({"/a": Entry("1.0.0")})
    theirs = base.with_entry("/b", Entry("1.0.0"))
    merged = merge_entries(base, base.with_entry("/c", Entry("1.0.0")), theirs)
    assert (set(merged.manifest), merged.conflicts) == ({"/a", "/b", "/c"}, ())
    bumped = merge_entries(base, base.with_entry("/a", Entry("1.1.0")), theirs.with_entry("/a", Entry("1.0.1")))
    assert (bumped.conflicts, bumped.manifest["/a"]) == (("/a",), Entry("1.0.1"))
