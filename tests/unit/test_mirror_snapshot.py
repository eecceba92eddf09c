"""Snapshots on disk: the same bytes for ever, whole or not used, private, and there when nothing else is."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rainer.errors import CorruptError, UnavailableError
from rainer.mirror import Mirror
from rainer.mirror import saver as saver_module
from rainer.mirror.snapshot import Snapshot, SnapshotFile
from rainer.model import times
from rainer.model.packed import Kind, PackedHead
from rainer.model.position import Position
from tests.mirrors import OTHER_LINEAGE, Absent, ByHand, Loaded, at, commit, head, mirror_of
from tests.services.waiting import wait_until
from tests.unit.vectors import load, name_of, raw

PATIENCE_S = 10.0
VECTORS = load("snapshot")


@pytest.mark.parametrize("vector", VECTORS["whole"], ids=name_of)
def test_a_snapshot_is_written_as_exactly_these_bytes_and_read_back(vector: dict[str, object]) -> None:
    v: dict = vector  # type: ignore[type-arg]
    position = None if v["lineage"] is None else Position(v["lineage"], v["revision"], bytes.fromhex(v["chain"]))
    records = [PackedHead(h["key"], h["version"], h["revision"], Kind.HEAD, raw(h["bytes"])) for h in v["heads"]]
    snapshot = Snapshot(v["namespace"], position, v["current_ms"], v["saved_ms"], records)
    data = snapshot.to_bytes()
    if "hex" in v:
        assert data.hex() == v["hex"]
    else:
        assert (len(data), hashlib.sha256(data).hexdigest()) == (v["size"], v["sha256"])
    assert Snapshot.from_bytes(data) == snapshot


@pytest.mark.parametrize("vector", VECTORS["whole"], ids=name_of)
def test_a_mirror_starts_from_a_snapshot_and_saves_the_same_heads(vector: dict[str, object], tmp_path: Path) -> None:
    v: dict = vector  # type: ignore[type-arg]
    path = tmp_path / "snapshot"
    position = None if v["lineage"] is None else Position(v["lineage"], v["revision"], bytes.fromhex(v["chain"]))
    records = [PackedHead(h["key"], h["version"], h["revision"], Kind.HEAD, raw(h["bytes"])) for h in v["heads"]]
    path.write_bytes(Snapshot(v["namespace"], position, v["current_ms"], v["saved_ms"], records).to_bytes())
    source = Absent()
    mirror = Mirror(lambda: source, v["namespace"], snapshot=path)
    with mirror:
        assert sorted(mirror) == sorted(record.key for record in records)
        assert mirror.position == position
        source.sink.confirm(None)
    again = Snapshot.from_bytes(path.read_bytes())
    assert (again.namespace, again.position, again.records) == (v["namespace"], position, records)
    assert again.current_ms > v["current_ms"]


@pytest.mark.parametrize("vector", VECTORS["broken"], ids=name_of)
def test_a_broken_snapshot_is_said_to_be_so(vector: dict[str, str]) -> None:
    with pytest.raises(CorruptError):
        Snapshot.from_bytes(bytes.fromhex(vector["hex"]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "app" / "diary"


def saved(path: Path, version: int = 1, revision: int = 1, **changed: object) -> bytes:
    """Leave a snapshot on disk as a run of a program does."""
    with mirror_of(Loaded([head("a", version)], at(revision))) as mirror:
        assert mirror["a"].version == version
        mirror._file = None
        SnapshotFile(path, str(changed.get("namespace", "diary"))).save(
            mirror._held_all(), at(revision), int(str(changed.get("current_ms", times.now_ms())))
        )
    return path.read_bytes()


def test_a_mirror_starts_from_its_snapshot_when_all_is_down(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mirror_of(Loaded([head("a", 1, b"\0"), head("b", 2)], at(7)), snapshot=path):
        pass
    source = Absent()
    with mirror_of(source, snapshot=str(path)) as mirror:
        assert dict(mirror) == {"a": commit("a", 1, b"\0"), "b": commit("b", 2)}
        assert (mirror.position, mirror.state) == (at(7), "stale")
        assert 0 <= mirror.age_s < PATIENCE_S
        assert "starts from its snapshot on disk" in caplog.text
        assert source.sink.apply([head("a", 2)], at(8))
        source.sink.confirm(8)
        assert (mirror["a"].version, mirror.state) == (2, "current")
    with mirror_of(Absent(), snapshot=path) as mirror:
        assert (mirror["a"].version, mirror.revision) == (2, 8)


def test_the_age_of_a_snapshot_is_that_of_what_it_holds(path: Path) -> None:
    saved(path, current_ms=times.now_ms() - 3_600_000)
    with mirror_of(Absent(), snapshot=path) as mirror:
        assert 3600 <= mirror.age_s < 3600 + PATIENCE_S
    assert not path.with_name("diary.previous").exists()  # what was never confirmed is not saved again
    with mirror_of(Absent(), snapshot=path) as mirror:
        assert mirror.age_s >= 3600


def test_a_source_that_says_nothing_is_waited_for_only_a_little(path: Path) -> None:
    saved(path)
    with mirror_of(ByHand(), snapshot=path) as mirror:
        assert (mirror["a"].version, mirror.state) == (1, "stale")
    mirror = mirror_of(ByHand(), snapshot=path)
    mirror.start(timeout_s=0.01)
    assert mirror["a"].version == 1
    mirror.close()


def test_files_and_folders_are_private_and_the_one_before_is_kept(path: Path) -> None:
    first = saved(path, 1, 1)
    second = saved(path, 2, 2)
    assert path.with_name("diary.previous").read_bytes() == first != second
    assert sorted(p.name for p in path.parent.iterdir()) == ["diary", "diary.previous"]
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def _flip(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


def _of_the_future(data: bytes) -> bytes:
    was = Snapshot.from_bytes(data)
    return Snapshot(was.namespace, was.position, was.current_ms, was.saved_ms + 86_400_000, was.records).to_bytes()


def _foreign(data: bytes) -> bytes:
    was = Snapshot.from_bytes(data)
    return Snapshot("other", was.position, was.current_ms, was.saved_ms, was.records).to_bytes()


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda data: data[:-20], "checksum"),
    "emptied": (lambda _: b"", "end too early"),
    "a byte flipped": (_flip, "checksum"),
    "another namespace": (_foreign, "another namespace, 'other'"),
    "the future": (_of_the_future, " s in the future"),
    "something else": (lambda _: b"# notes\n" * 30, "do not begin with"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_snapshot_gives_way_to_the_one_before(
    kind: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage, words = DAMAGE[kind]
    saved(path, 1, 1)
    path.write_bytes(damage(saved(path, 2, 2)))
    with mirror_of(Absent(), snapshot=path) as mirror:
        assert mirror["a"].version == 1
    assert words in caplog.text
    assert str(path) in caplog.text
    path.with_name("diary.previous").write_bytes(path.read_bytes())
    with pytest.raises(UnavailableError, match="the source is away"):
        mirror_of(Absent(), snapshot=path).start(timeout_s=0.1)
    with mirror_of(Loaded([head("a", 3)], at(3)), snapshot=path) as mirror:
        assert mirror["a"].version == 3
    assert SnapshotFile(path, "diary").load().position == at(3)  # type: ignore[union-attr]


def test_every_single_flipped_bit_is_noticed(path: Path) -> None:
    data = saved(path)
    for place in range(len(data)):
        with pytest.raises(CorruptError):
            Snapshot.from_bytes(data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :])


def test_a_record_in_a_snapshot_that_is_no_commit_is_reported(path: Path) -> None:
    records = [head("a", 1), PackedHead("bad", 1, 1, Kind.HEAD, b"12\nnonsense\n")]
    data = Snapshot("diary", at(1), times.now_ms(), times.now_ms(), records).to_bytes()
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with mirror_of(Absent(), snapshot=path) as mirror:
        assert (set(mirror), set(mirror.rejected)) == ({"a"}, {"bad"})


def test_a_folder_that_cannot_be_written_is_said_once_and_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver_module, "PAUSE_S", 0.0)
    (tmp_path / "file").write_bytes(b"in the way")
    source = Loaded([head("a", 1)], at(1))
    with mirror_of(source, snapshot=tmp_path / "file" / "diary") as mirror:
        wait_until(lambda: "cannot be written" in caplog.text, PATIENCE_S, "the first attempt")
        source.sink.apply([head("a", 2)], at(2))
        assert mirror["a"].version == 2
    assert caplog.text.count("cannot be written") == 1


def test_what_a_killed_program_left_behind_is_swept_away(path: Path) -> None:
    path.parent.mkdir(parents=True)
    old, young = path.with_name(".diary.1.2.new"), path.with_name(".diary.1.3.new")
    for leftover in (old, young):
        leftover.write_bytes(b"half of it")
    os.utime(old, (0, 0))
    saved(path)
    assert sorted(p.name for p in path.parent.iterdir()) == [".diary.1.3.new", "diary"]


def test_it_is_saved_while_it_runs_and_not_too_often(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saver_module, "PAUSE_S", 0.05)
    saves: list[int] = []
    save = SnapshotFile.save

    def counted(self: SnapshotFile, *arguments: object) -> None:
        saves.append(1)
        save(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SnapshotFile, "save", counted)
    source = Loaded([head("a", 1)], at(1))
    with mirror_of(source, snapshot=path) as mirror:
        for version in range(2, 200):
            source.sink.apply([head("a", version)], at(version))
        held = SnapshotFile(path, "diary")
        wait_until(lambda: path.exists() and _version(held) == 199, PATIENCE_S, "the newest to be on disk")
        assert len(saves) < 50
        assert mirror["a"].version == 199
    assert threading.active_count() == 1


def _version(file: SnapshotFile) -> int:
    found = file.load()
    return 0 if found is None else found.records[0].version


def test_another_lineage_replaces_the_snapshot(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    saved(path, 9, 9)
    with mirror_of(Loaded([head("b", 1)], at(1, OTHER_LINEAGE)), snapshot=path) as mirror:
        assert (set(mirror), mirror.revision, mirror.state) == ({"b"}, 1, "current")
    assert "another lineage" in caplog.text
    found = SnapshotFile(path, "diary").load()
    assert found is not None
    assert found.position == at(1, OTHER_LINEAGE)


def test_the_checksum_is_that_of_everything_before(path: Path) -> None:
    data = saved(path)
    assert hashlib.sha256(data[:-32]).digest() == data[-32:]
