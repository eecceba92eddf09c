"""Packs: what goes in comes out on a machine without network, in as many files as it takes."""

from __future__ import annotations

import base64
import json
import os
import zipfile
from pathlib import Path

import pytest

from rainer.assets import Assets
from rainer.assets.lockfile import LockFile
from rainer.assets.pack_unpacking import pin_label, unpack, unpack_foreign
from rainer.assets.pack_writing import make_pack
from rainer.cache import AssetCache
from rainer.errors import (
    AssetNotFound,
    InvalidError,
    InvalidManifest,
    NoSpace,
    NotFoundError,
    ObjectExists,
    WrongDigest,
)
from rainer.store.opening import Stores
from tests.asset_places import Journal, new_store, put
from tests.packing import Place, members, nothing_entered, offline, open_pack, place_of, rewrite, unpacks

CONTENTS = {
    "/foo/bar.csv": b"a,b\n" * 5_000, "/foo/same.csv": b"a,b\n" * 5_000, "/noise.bin": os.urandom(30_000),
    "/empty": b"", "/zeros.npy": bytes(3_000_000), "/ä/ö.txt": b"umlauts",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_of(tmp_path, CONTENTS)


def test_what_was_packed_is_opened_without_network(place: Place, tmp_path: Path) -> None:
    (pack,) = place.pack()
    with offline(tmp_path) as cache:
        done = unpack([pack], cache, lock=tmp_path / "out.lock")
        assert (done.added, done.present) == (5, 0)
        assert unpack([pack], cache, lock=tmp_path / "out.lock").present == 5
        with Assets.from_file(tmp_path / "out.lock", cache=cache) as assets:
            assert {path: assets(path).read_bytes() for path in CONTENTS} == CONTENTS
            assert assets("/foo/bar.csv").name == "bar.csv"


def test_a_pack_is_a_plain_zip_file_and_the_same_every_time(place: Place) -> None:
    (one,), (two,) = place.pack("one.zip"), place.pack("two.zip")
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as zipped:
        assert zipped.testzip() is None
        assert {"rainer-pack.json", "assets.lock", "manifest.json"} <= set(zipped.namelist())
        assert zipped.read("manifest.json") == place.manifest.read_bytes()
        kinds = {info.file_size: info.compress_type for info in zipped.infolist()}
    assert kinds[30_000] == zipfile.ZIP_STORED
    assert kinds[3_000_000] == kinds[20_000] == zipfile.ZIP_DEFLATED
    assert one.stat().st_size < 100_000


def test_some_paths_can_be_packed_alone(place: Place, tmp_path: Path) -> None:
    (pack,) = place.pack(paths=["/foo/*", "/empty"])
    assert set(open_pack([pack]).lock.assets) == {"/foo/bar.csv", "/foo/same.csv", "/empty"}
    with place.cache() as cache, place.assets(cache) as assets, pytest.raises(AssetNotFound):
        make_pack(assets, tmp_path / "none.zip", paths=["/nothing"])
    assert not (tmp_path / "none.zip").exists()


def test_it_is_split_at_a_size_and_put_together_from_its_parts(tmp_path: Path) -> None:
    contents = {f"/{n}.bin": os.urandom(20_000) for n in range(7)} | {"/large.bin": os.urandom(90_000)}
    place = place_of(tmp_path, contents)
    with place.cache() as cache, place.assets(cache) as assets:
        made = make_pack(assets, tmp_path / "p.zip", size_bytes_max=50_000)
    names = [path.name for path in made.files]
    assert names == [f"p.{n}.zip" for n in range(1, len(names) + 1)]
    assert len(names) >= 4
    sizes = {path.name: path.stat().st_size for path in made.files}
    assert [name for name, size in sizes.items() if size > 50_000] == [path.name for path in made.over]
    assert len(made.over) == 1  # the large asset's own
    for given in ([made.files[0]], [made.files[2]], [tmp_path / "p.zip"], list(reversed(made.files))):
        assert set(open_pack(given).files) == set(made.files)
    unpacks(made.files, tmp_path)
    with offline(tmp_path) as cache, Assets.from_file(tmp_path / "out.lock", cache=cache) as assets:
        assert {path: assets(path).read_bytes() for path in contents} == contents


def test_missing_foreign_and_repeated_parts_are_told(tmp_path: Path) -> None:
    place = place_of(tmp_path, {f"/{n}.bin": os.urandom(20_000) for n in range(5)})
    files = place.pack(size_bytes_max=40_000)
    (tmp_path / "other").mkdir()
    other = place_of(tmp_path / "other", {f"/{n}.bin": os.urandom(20_000) for n in range(5)})
    strange = other.pack("p.zip", 40_000)[1]
    twice = tmp_path / "copy.zip"
    twice.write_bytes(files[0].read_bytes())
    with pytest.raises(InvalidManifest, match="one part"):
        unpacks([*files, twice], tmp_path)
    gone = files[1].rename(tmp_path / "gone")
    with pytest.raises(NotFoundError, match=r"1 are missing: 2"):
        unpacks(files[:1], tmp_path)
    with pytest.raises(InvalidManifest, match="belongs to another pack"):
        unpacks([files[0], strange, *files[2:]], tmp_path)
    assert nothing_entered(tmp_path)
    unpacks([files[0], gone], tmp_path)


def test_a_pack_is_not_replaced_unless_that_is_wanted(place: Place, tmp_path: Path) -> None:
    (pack,) = place.pack()
    (tmp_path / "p.2024.zip").write_bytes(b"of somebody else")
    with pytest.raises(ObjectExists):
        place.pack()
    with place.cache() as cache, place.assets(cache) as assets:
        made = make_pack(assets, pack, size_bytes_max=40_000, replace_existing=True)
        assert not pack.exists()
        assert made.files[1].exists()
        with pytest.raises(ObjectExists):
            make_pack(assets, pack)
        make_pack(assets, pack, replace_existing=True)
    assert not [path for path in made.files if path.exists()]
    assert (tmp_path / "p.2024.zip").read_bytes() == b"of somebody else"
    assert not list(tmp_path.glob(".p*"))


@pytest.mark.parametrize(
    ("target", "size", "words"),
    [("no/p.zip", None, "no folder"), ("", None, "is a folder"), ("p.zip", 10, "too small")],
)
def test_a_wrong_target_is_refused_first(
    place: Place, tmp_path: Path, target: str, size: int | None, words: str
) -> None:
    with place.cache() as cache, place.assets(cache) as assets, pytest.raises(InvalidError, match=words):
        make_pack(assets, tmp_path / target, size_bytes_max=size)


def test_a_damaged_file_of_the_cache_is_not_packed(place: Place, tmp_path: Path) -> None:
    with place.cache() as cache, place.assets(cache) as assets:
        file = assets("/foo/bar.csv")
        file.chmod(0o644)
        file.write_bytes(b"x" * file.stat().st_size)
        with pytest.raises(WrongDigest, match="damaged"):
            make_pack(assets, tmp_path / "p.zip")
    assert not list(tmp_path.glob("*.zip")) + list(tmp_path.glob(".p*"))


def test_the_journals_commits_travel_with_it(tmp_path: Path) -> None:
    journal, store = Journal(), new_store()
    journal.change({"/old": put(store, "/old", "1.0.0", b"old")})
    entry = put(store, "/a", "1.0.0", b"a")
    journal.change({"/a": entry})
    with (
        journal.mirror() as mirror, AssetCache(tmp_path / "c", stores=Stores(extra=[store])) as cache,
        Assets(mirror, store=store, cache=cache) as assets,
    ):  # fmt: skip
        made = make_pack(assets, tmp_path / "p.zip", paths=["/a"])
    found = open_pack(made.files)
    assert found.journal is not None
    (commit,) = found.journal.commits
    assert (commit.key, commit.version, commit.revision) == ("prod", 2, 2)
    assert commit.payload == found.manifest
    assert found.lock.assets == {"/a": entry}
    assert (found.facts.manifest, found.facts.version, found.facts.revision) == ("prod", 2, 2)


def test_a_manifest_in_parts_is_packed_as_well(tmp_path: Path) -> None:
    journal, store = Journal(), new_store()
    entries = {f"/{n}": put(store, f"/{n}", "1.0.0", b"%d" % n) for n in range(5_000)}
    journal.change(entries)
    with (
        journal.mirror() as mirror, AssetCache(tmp_path / "c", stores=Stores(extra=[store])) as cache,
        Assets(mirror, store=store, cache=cache) as assets,
    ):  # fmt: skip
        made = make_pack(assets, tmp_path / "p.zip", paths=["/7", "/4711"])
    found = open_pack(made.files)
    assert found.journal is not None
    assert len(found.journal.commits) > 10
    assert found.lock.assets == {path: entries[path] for path in ("/7", "/4711")}


def test_the_64_bit_form_is_read(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What zip files of more than 65,535 members or 4 GiB have at their ends."""
    with monkeypatch.context() as patched:
        patched.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
        patched.setattr(zipfile, "ZIP64_LIMIT", 10_000)
        (pack,) = place.pack()
    assert pack.read_bytes().count(b"PK\6\6") == 1
    unpacks([pack], tmp_path)
    assert not nothing_entered(tmp_path)
    whole = pack.read_bytes()
    pack.write_bytes(whole.replace(b"PK\6\6", b"PK\6\5"))
    with pytest.raises(InvalidError, match="64-bit"):
        open_pack([pack])


@pytest.mark.parametrize("change", ["payload", "version", "key", "twice", "namespace"])
def test_a_pack_whose_commits_say_something_else_is_refused(tmp_path: Path, change: str) -> None:
    journal, store = Journal(), new_store()
    journal.change({"/a": put(store, "/a", "1.0.0", b"a")})
    with (
        journal.mirror() as mirror, AssetCache(tmp_path / "c", stores=Stores(extra=[store])) as cache,
        Assets(mirror, store=store, cache=cache) as assets,
    ):  # fmt: skip
        (pack,) = make_pack(assets, tmp_path / "p.zip").files
    _replace_journal(pack, change)
    with pytest.raises((InvalidManifest, WrongDigest)):
        unpacks([pack], tmp_path)
    assert nothing_entered(tmp_path)


def _replace_journal(pack: Path, change: str) -> None:
    """Change the journal, and make all digests fit again, as a forger would."""
    import hashlib

    from rainer.assets.pack import PackIndex, set_of

    found = {info.filename: data for info, data in members(pack)}
    line = json.loads(found["journal.jsonl"])
    lines = [line | _CHANGES.get(change, {})] * (2 if change == "twice" else 1)
    data = found["journal.jsonl"] = b"".join(json.dumps(one).encode() + b"\n" for one in lines)
    index = PackIndex.parse(found["rainer-pack.json"], "p")
    from dataclasses import replace

    changed = replace(
        index, documents={**index.documents, "journal.jsonl": (hashlib.sha256(data).hexdigest(), len(data))}
    )
    found["rainer-pack.json"] = replace(changed, set=set_of([changed])).to_bytes()
    rewrite(pack, lambda old: [(info.filename, found[info.filename]) for info, _ in old])  # type: ignore[misc]


_CHANGES = {
    "payload": {"payload_base64": base64.b64encode(b'{"/a": "2.0.0"}').decode()}, "version": {"version": 7},
    "key": {"key": "other"}, "namespace": {"namespace": "other"},
}  # fmt: skip


def test_what_was_unpacked_stays_until_the_next_pack(place: Place, tmp_path: Path) -> None:
    (pack,) = place.pack()
    with offline(tmp_path) as cache:
        lock = unpack([pack], cache, lock=tmp_path / "out.lock").lock
        assert len(cache.pins()[pin_label(lock)]) == 5
        assert cache.gc(0).removed == 0
        unpack([pack], AssetCache(tmp_path / "two", offline=True), pin=False)
    assert AssetCache(tmp_path / "two").pins() == {}


def test_more_than_the_cache_may_hold_is_refused_first(place: Place, tmp_path: Path) -> None:
    (pack,) = place.pack()
    with AssetCache(tmp_path / "offline", size_bytes_max=100_000) as cache, pytest.raises(NoSpace, match="100,000"):
        unpack([pack], cache, lock=tmp_path / "out.lock")
    assert nothing_entered(tmp_path)


def test_another_file_is_not_overwritten_by_the_lock_file(place: Place, tmp_path: Path) -> None:
    (pack,) = place.pack()
    (tmp_path / "out.lock").write_text("my notes")
    with offline(tmp_path) as cache:
        with pytest.raises(InvalidError, match="left as it is"):
            unpack([pack], cache, lock=tmp_path / "out.lock")
        with pytest.raises(InvalidError, match="no folder"):
            unpack([pack], cache, lock=tmp_path / "no" / "out.lock")
    (tmp_path / "out.lock").unlink()
    assert nothing_entered(tmp_path)


def test_what_a_lock_file_names_can_be_packed_again(place: Place, tmp_path: Path) -> None:
    (pack,) = place.pack()
    unpacks([pack], tmp_path)
    with offline(tmp_path) as cache, Assets.from_file(tmp_path / "out.lock", cache=cache) as assets:
        (again,) = make_pack(assets, tmp_path / "again.zip").files
    assert open_pack([again]).lock == open_pack([pack]).lock


def test_another_tools_zip_gives_what_a_lock_file_names(place: Place, tmp_path: Path) -> None:
    with place.cache() as cache, place.assets(cache) as assets:
        assets.lock().write(tmp_path / "prod.lock")
    one, two = tmp_path / "dump.zip", tmp_path / "dump2.zip"
    half = len(CONTENTS) // 2
    for file, paths in ((one, list(CONTENTS)[:half]), (two, list(CONTENTS)[half:])):
        with zipfile.ZipFile(file, "w") as zipped:
            zipped.mkdir("bucket")
            for path in paths:
                zipped.writestr(f"../bucket{path}", CONTENTS[path])
            zipped.writestr("notes.txt", "not an asset")
    with offline(tmp_path) as cache:
        with pytest.raises(InvalidManifest, match="no pack") as e:
            unpack([one], cache)
        assert "--against" in (e.value.hint or "")
        with pytest.raises(AssetNotFound, match="in none of these"):
            unpack_foreign([one], cache, tmp_path / "prod.lock")
        assert nothing_entered(tmp_path)
        assert unpack_foreign([one, two], cache, tmp_path / "prod.lock").added == 5
        with Assets.from_file(tmp_path / "prod.lock", store="s3://bucket", cache=cache) as assets:
            assert {path: assets(path).read_bytes() for path in CONTENTS} == CONTENTS
        assert unpack_foreign([one], cache, tmp_path / "prod.lock").added == 0
    assert LockFile.read(tmp_path / "prod.lock").assets.keys() == CONTENTS.keys()
