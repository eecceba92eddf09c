"""Packs from strangers: whatever is wrong in a zip file, it is told in our words and nothing enters a cache."""

from __future__ import annotations

import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rainer.assets import pack_zip
from rainer.assets.pack import PackIndex, set_of
from rainer.assets.pack_reading import open_pack
from rainer.assets.pack_zip import CheckedZip
from rainer.errors import CorruptError, InvalidError, NotFoundError, TooLargeError
from tests.packing import Member, nothing_entered, place_of, rewrite, unpacks

CONTENTS = {"/a.txt": b"aaaa" * 1_000, "/b.bin": os.urandom(3_000), "/c": b"c"}
Change = Callable[[list[Member]], Iterable[Member]]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    (made,) = place_of(tmp_path, CONTENTS).pack()
    return made


def _add(name: str, *, mode: int = stat.S_IFREG | 0o644, data: bytes = b"x", method: int = 0) -> Change:
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type, info.create_system = mode << 16, method, 3
    return lambda old: [*old, (info, data)]


def _without(start: str) -> Change:
    return lambda old: [(info, data) for info, data in old if not info.filename.startswith(start)]


def _changed(start: str, change: Callable[[bytes], bytes]) -> Change:
    return lambda old: [
        (info.filename, change(data)) if info.filename.startswith(start) else (info, data) for info, data in old
    ]  # type: ignore[return-value]


def _twice(old: list[Member]) -> Iterable[Member]:
    return [*old, old[-1]]


HOSTILE: dict[str, tuple[Change, str]] = {
    "a path upwards": (_add("../../etc/passwd"), "leads elsewhere"),
    "a path upwards inside": (_add("blobs/../../x"), "leads elsewhere"),
    "an absolute path": (_add("/etc/passwd"), "absolute"),
    "a drive": (_add("C:/x"), "absolute"),
    "backslashes": (_add("..\\x"), "leads elsewhere"),
    "a symbolic link": (_add("blobs/link", mode=stat.S_IFLNK | 0o777, data=b"/etc/passwd"), "symbolic link"),
    "a device": (_add("blobs/device", mode=stat.S_IFCHR | 0o666), "no plain file"),
    "a folder": (_add("blobs/folder/", mode=stat.S_IFDIR | 0o755, data=b""), "leads elsewhere"),
    "a rare method": (_add("blobs/rare", method=zipfile.ZIP_BZIP2), "method 12"),
    "one more member": (_add("blobs/more"), "does not name|holds, and"),
    "a missing content": (_without("blobs/"), "names, and does not hold"),
    "a missing lock file": (_without("assets.lock"), "does not hold"),
    "no index": (_without("rainer-pack.json"), "no pack"),
    "a longer content": (_changed("blobs/", lambda data: data + b"x"), "are named"),
    "another content": (_changed("blobs/", lambda data: b"\1" * len(data)), "holds as"),
    "another lock file": (_changed("assets.lock", lambda data: data.replace(b"1.0.0", b"1.0.1")), "index says"),
    "a broken index": (_changed("rainer-pack.json", lambda data: data[:-9]), "JSON"),
    "an index of the future": (_changed("rainer-pack.json", lambda d: d.replace(b'pack": 1', b'pack": 2')), "format 2"),
    "an index that lacks a member": (
        _changed("rainer-pack.json", lambda d: d.replace(b'"parts"', b'"p"')),
        "unknown|lacks",
    ),
    "an index with a bad size": (_changed("rainer-pack.json", lambda d: d.replace(b": 3000", b": -3")), "whole number"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", [*HOSTILE, "a member twice"])
def test_nothing_hostile_enters(pack: Path, tmp_path: Path, name: str) -> None:
    change, words = HOSTILE.get(name, (_twice, "twice"))
    rewrite(pack, change)
    with pytest.raises((InvalidError, CorruptError), match=words):
        unpacks([pack], tmp_path)
    assert nothing_entered(tmp_path)
    assert not (tmp_path.parent / "etc").exists()


def _patched(pack: Path, mark: bytes, at: int, form: str, value: int, *, which: int = -1) -> None:
    """Overwrite a field of a record in the zip file: of the last such record, or of all that begin so."""
    data = bytearray(pack.read_bytes())
    starts = [n for n in range(len(data) - 3) if data[n : n + 4] == mark]
    struct.pack_into(form, data, starts[which] + at, value)
    pack.write_bytes(data)


@pytest.mark.parametrize(
    ("at", "form", "value", "words"),
    [
        (8, "<H", 1, "encrypted"), (8, "<H", 0x41, "encrypted"), (24, "<L", 2**31, "more than can be|two sizes"),
        (20, "<L", 2**30, "of two sizes"), (42, "<L", 7, " overlap$|is damaged"),
    ],
    ids=["encrypted", "strongly encrypted", "a bomb's size", "longer than the file", "another's place"],
)  # fmt: skip
def test_a_directory_that_lies_is_seen_through(
    pack: Path, tmp_path: Path, at: int, form: str, value: int, words: str
) -> None:
    _patched(pack, b"PK\1\2", at, form, value)
    with pytest.raises(InvalidError, match=words):
        unpacks([pack], tmp_path)
    assert nothing_entered(tmp_path)


HIDDEN = ".p.zip.0123456789ab.packed"


@pytest.mark.parametrize(
    "record",
    [
        b"{", b"[]", b'{"moves": {}}', b'{"moves": [1], "gone": []}', b'{"moves": {}, "gone": [1]}',
        *(
            json.dumps({"moves": moves, "gone": gone}).encode()
            for name in ("victim", "../victim", "p.1.zip/../victim", "p.zipx", "q.zip", "p.0.zip")
            for moves, gone in (({name: "p.1.zip"}, []), ({HIDDEN: name}, []), ({}, [name]))
        ),
    ],
)  # fmt: skip
def test_what_is_written_down_of_an_unfinished_pack_names_files_of_that_pack_alone(
    pack: Path, tmp_path: Path, record: bytes
) -> None:
    for name in (HIDDEN, "victim", "q.zip", "p.zipx", "p.0.zip"):
        (tmp_path / name).write_bytes(b"kept")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    (tmp_path / ".p.zip.switching").write_bytes(record)
    open_pack([pack]).verify()
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_overlapping_members_are_refused(pack: Path, tmp_path: Path) -> None:
    """As the bombs have them that say the same bytes a thousand times."""
    data = pack.read_bytes()
    with zipfile.ZipFile(pack) as zipped:
        first = zipped.infolist()[0].header_offset
    starts = [n for n in range(len(data) - 3) if data[n : n + 4] == b"PK\1\2"]
    for number in range(1, len(starts)):
        _patched(pack, b"PK\1\2", 42, "<L", first, which=number)
    with pytest.raises(InvalidError, match=r"members of .* overlap"):
        unpacks([pack], tmp_path)
    assert nothing_entered(tmp_path)


def test_a_member_without_a_name_is_refused(pack: Path, tmp_path: Path) -> None:
    """Which zipfile's own is_dir() does not expect: its name becomes a part of its comment."""
    with zipfile.ZipFile(pack) as zipped:
        length = len(zipped.infolist()[-1].filename)
    _patched(pack, b"PK\1\2", 28, "<H", 0)
    _patched(pack, b"PK\1\2", 32, "<H", length)
    with pytest.raises(InvalidError):
        unpacks([pack], tmp_path)
    assert nothing_entered(tmp_path)


def test_a_bomb_is_read_no_further_than_it_says(tmp_path: Path) -> None:
    """Sizes are known before anything is inflated, and held to while it is."""
    (pack,) = place_of(tmp_path, {"/zeros": bytes(5_000_000)}).pack()
    with zipfile.ZipFile(pack) as zipped:
        (blob,) = [info for info in zipped.infolist() if info.filename.startswith("blobs/")]
    assert blob.compress_size < 6_000
    _patched(pack, b"PK\1\2", 24, "<L", 1_000)
    with pytest.raises(InvalidError, match="are named"):
        unpacks([pack], tmp_path)
    with CheckedZip(pack) as zipped_again, pytest.raises(InvalidError, match="damaged"):
        zipped_again.read(blob.filename, 1_000)
    assert nothing_entered(tmp_path)


def test_a_directory_too_large_to_read_is_refused(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_zip, "_DIRECTORY_BYTES_MAX", 100)
    with pytest.raises(TooLargeError, match="over 100"):
        unpacks([pack], tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(pack_zip, "MEMBERS_MAX", 3)
    with pytest.raises(TooLargeError, match="over 3"):
        unpacks([pack], tmp_path)


def test_a_file_that_is_no_zip_is_told_so(tmp_path: Path) -> None:
    for number, data in enumerate((b"", b"PK", b"no zip at all" * 10)):
        file = tmp_path / f"{number}.zip"
        file.write_bytes(data)
        with pytest.raises(InvalidError, match="no zip file"):
            unpacks([file], tmp_path)
    with pytest.raises(InvalidError, match="cannot be read"):
        unpacks([tmp_path / "absent.zip"], tmp_path)
    os.mkfifo(tmp_path / "fifo.zip")
    for place in (tmp_path, tmp_path / "fifo.zip"):
        with pytest.raises(InvalidError, match="not a file"):
            unpacks([place], tmp_path)
    with pytest.raises(InvalidError, match="no pack is named"):
        unpacks([], tmp_path)


def test_what_stands_before_or_behind_is_refused(pack: Path, tmp_path: Path) -> None:
    whole = pack.read_bytes()
    for data in (b"#!/bin/sh\n" + whole, whole + b"x", whole + whole):
        pack.write_bytes(data)
        with pytest.raises(InvalidError):
            unpacks([pack], tmp_path)
    assert nothing_entered(tmp_path)


def test_a_part_of_a_set_cannot_be_forged_alone(tmp_path: Path) -> None:
    place = place_of(tmp_path, {f"/{n}.bin": os.urandom(20_000) for n in range(4)})
    files = place.pack(size_bytes_max=45_000)
    assert len(files) > 1

    def forge(old: list[Member]) -> Iterable[Member]:
        index = PackIndex.parse(old[0][1], "it")
        dropped = max(index.blobs)
        changed = replace(index, blobs={k: v for k, v in index.blobs.items() if k != dropped})
        assert set_of([changed]) != index.set
        return [(old[0][0], changed.to_bytes()), *((i, d) for i, d in old[1:] if not i.filename.endswith(dropped))]

    rewrite(files[1], forge)
    with pytest.raises(InvalidError, match="do not come to the set"):
        unpacks(files, tmp_path)
    assert nothing_entered(tmp_path)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_gets_through(pack: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Bits flipped, pieces cut out, doubled or zeroed: refused in our words, or harmless."""
    good = (tmp_path / "good").read_bytes() if (tmp_path / "good").exists() else pack.read_bytes()
    (tmp_path / "good").write_bytes(good)
    at = data.draw(st.integers(0, len(good) - 1) | st.integers(len(good) - 900, len(good) - 1))
    piece = good[at : at + data.draw(st.integers(1, 200))]
    new = data.draw(st.sampled_from([b"", piece * 2, bytes(len(piece)), bytes([piece[0] ^ 0x10]) + piece[1:]]))
    pack.write_bytes(good[:at] + new + good[at + len(piece) :])
    try:
        unpacks([pack], tmp_path)
    except (InvalidError, CorruptError, NotFoundError):
        assert nothing_entered(tmp_path)
    else:
        # Such as a date that nobody reads: all that came is right, for the cache's digests say so.
        for file in (tmp_path / "offline").glob("blobs/??/*/*"):
            assert file.read_bytes() in CONTENTS.values()
            file.unlink()
            file.parent.rmdir()
        (tmp_path / "out.lock").unlink()
