"""What sources make of bad moments: wrong entries, rewrites within a tick of the clock, servers that say the same."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rainer
from rainer.assets.lockfile import LockFile
from rainer.assets.sources_files import file_source
from rainer.assets.stored import ReadManifest
from rainer.errors import DeniedError, InvalidError, InvalidManifest, RainerError, UnavailableError
from rainer.model.manifest import Entry, Manifest
from rainer.model.manifest_parts import StoredManifest
from tests.asset_places import Journal, new_store, put
from tests.mirrors import commit
from tests.services.waiting import wait_until

GOOD = Entry("1.0.0", "0" * 64, 1)


def look_again(source: object) -> None:
    source._due = 0.0  # type: ignore[attr-defined]


def test_a_manifest_file_needs_no_server(tmp_path: Path) -> None:
    store = new_store()
    put(store, "/foo/bar.csv", "1.2.5", b"one")
    put(store, "/foo/bar.csv", "1.2.6", b"two")
    file = tmp_path / "versioned_assets.json"
    file.write_text('{"/foo/bar.csv": "1.2.5"}')
    with rainer.Assets.from_file(file, store=store, cache=tmp_path / "cache") as assets:
        assert assets("foo/bar.csv").read_bytes() == b"one"
        new = tmp_path / "new"
        new.write_text('{"/foo/bar.csv": "1.2.6"}')
        new.replace(file)
        wait_until(lambda: assets("/foo/bar.csv").read_bytes() == b"two", 10, "the new manifest was seen")
        file.write_text("{")
        wait_until(lambda: assets("/foo/bar.csv") and assets.error, 10, "the broken manifest was seen")
        assert assets("/foo/bar.csv").read_bytes() == b"two"
    for bad, words in ((tmp_path / "absent.json", "cannot be read"), (file, "not JSON")):
        with pytest.raises(InvalidError, match=words):
            rainer.Assets(str(bad), store=store)
    file.write_text("{}")
    with pytest.raises(InvalidError, match="in which store"):
        rainer.Assets.from_file(file)


def test_a_wrong_entry_of_a_changed_file_harms_only_who_asks_for_it(tmp_path: Path) -> None:
    file = tmp_path / "assets.json"
    file.write_text('{"/a": "1.0.0"}')
    source = file_source(file)
    assert source.current().manifest["/a"].version == "1.0.0"
    file.write_text('{"/a": "2.0.0", "/b": "oops"}')
    look_again(source)
    state = source.current()
    assert state.manifest["/a"].version == "2.0.0"
    with pytest.raises(InvalidManifest):
        state.manifest["/b"]
    look_again(source)
    assert source.current() is state


def test_a_file_rewritten_within_a_tick_of_its_clock_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "assets.json"
    file.write_text('{"/a": "1.0.0"}')
    mark = file.stat().st_mtime_ns
    source = file_source(file)
    file.write_text('{"/a": "2.0.0"}')
    os.utime(file, ns=(mark, mark))
    look_again(source)
    assert source.current().manifest["/a"].version == "2.0.0"


def test_a_file_that_is_away_is_told_once_and_seen_when_it_is_back(tmp_path: Path) -> None:
    file = tmp_path / "assets.json"
    file.write_text('{"/a": "1.0.0"}')
    source = file_source(file)
    state = source.current()
    file.unlink()
    look_again(source)
    assert source.current() is state
    assert isinstance(source.error, InvalidError)
    file.write_text('{"/a": "1.0.0"}')
    look_again(source)
    assert source.current() is state
    assert source.error is None


def test_manifests_are_equal_whatever_of_them_was_read() -> None:
    wrong = b'{"/a": "1.0.0", "/b": "oops"}'
    one, other = Manifest.parse(wrong), Manifest.parse(wrong)
    assert one["/a"].version == "1.0.0"
    assert one == other
    assert one != Manifest.parse(b'{"/a": "1.0.0", "/b": "other"}')
    assert Manifest.parse(b'{"/a": {"version": "1.0.0"}}') == Manifest.parse(b'{"a": "1.0.0"}')
    assert Manifest.parse(b'{"/a": "1.0.0"}') == {"/a": Entry("1.0.0")}


def test_a_wrong_entry_can_be_taken_out_or_replaced() -> None:
    stored = StoredManifest("prod", Manifest.parse(b'{"/a": "1.0.0", "/b": "oops"}'), {"prod": 1})
    assert json.loads(stored.change({"/b": None})["prod"]) == {"/a": "1.0.0"}
    assert Manifest.parse(stored.change({"/b": GOOD})["prod"])["/b"] == GOOD


def test_lock_files_nested_too_deeply_are_refused() -> None:
    head = b'{"rainer-lock": 1, "manifest": "x", "namespace": null, "version": 1, "revision": 1, "store": "s",'
    for depth in range(600, 1000):  # at some depth, writing takes more of the stack than reading did
        nested = b"[" * depth + b"]" * depth
        with pytest.raises(InvalidManifest):
            LockFile.parse(head + b' "sha256": "x", "assets": {"/a": {"version": %s}}}' % nested)


@pytest.mark.parametrize("revalidate_s", [-1.0, float("nan"), float("inf")])
def test_an_age_that_is_none_is_refused(revalidate_s: float, tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="revalidate_s"):
        rainer.Assets("http://localhost:1/diary", cache=tmp_path, revalidate_s=revalidate_s)


def test_projects_with_files_of_one_name_keep_their_own_pins(tmp_path: Path) -> None:
    store = new_store()
    put(store, "/a", "1.0.0", b"a1")
    put(store, "/a", "2.0.0", b"a2")
    cache = rainer.AssetCache(tmp_path / "cache")
    for project, version in (("one", "1.0.0"), ("two", "2.0.0")):
        file = tmp_path / project / "assets.json"
        file.parent.mkdir()
        file.write_text(f'{{"/a": "{version}"}}')
        with rainer.Assets.from_file(file, store=store, cache=cache) as assets:
            assets.on_ready(lambda snapshot: None)
            assets.wait_until_ready(10)
    assert len(set(cache.pins().values())) == 2
    cache.close()


@pytest.mark.parametrize(
    "error", [UnavailableError("away"), DeniedError("who are you?"), InvalidError("this is no Rainer server")]
)
def test_what_a_server_said_last_goes_on_when_it_refuses_us(
    error: RainerError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = commit("prod", 1, b'{"/a": "1.0.0"}', 1)
    read = ReadManifest(StoredManifest("prod", Manifest.parse(said.payload or b""), {"prod": 1}), said, {})
    monkeypatch.setattr("rainer.assets.sources_client.read_manifest", lambda *_args: read)
    with rainer.Assets("http://localhost:1/diary", cache=tmp_path, revalidate_s=0) as assets:
        asked: list[None] = []

        def refuse(*_args: object) -> ReadManifest:
            asked.append(None)
            raise error

        assert assets.version == 1
        monkeypatch.setattr("rainer.assets.sources_client.read_manifest", refuse)
        assert [assets.version, assets.version, assets.error] == [1, 1, error]
        assert len(asked) == 1  # and it is left alone for a while
    with rainer.Assets("http://localhost:1/diary", cache=tmp_path / "other") as assets, pytest.raises(type(error)):
        assets.version  # noqa: B018


def test_a_digest_that_could_not_be_looked_up_is_looked_up_again(tmp_path: Path) -> None:
    store = new_store()
    right = put(store, "/a", "1.0.0", b"a1")
    journal = Journal()
    journal.change({"/a": put(store, "/a", "2.0.0", b"a2")})
    with journal.mirror() as mirror, rainer.Assets(mirror, store=store, cache=tmp_path) as assets:
        answers: list[Callable[[], Iterator[Entry]]] = [lambda: away(), lambda: iter([right])]
        assets._source.history = lambda _path: answers.pop(0)()  # type: ignore[method-assign, assignment]
        view = assets._view()
        assert assets._versions.resolve(view, "/a", "1.0.0").sha256 is None
        assert assets._versions.resolve(view, "/a", "1.0.0").sha256 == right.sha256


def away() -> Iterator[Entry]:
    raise UnavailableError("the history is away")
